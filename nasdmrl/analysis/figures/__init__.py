"""Figures of the paper (Section 8): what each shows and needs, and how it is drawn."""
