"""The configuration: its model, its sections, and its reference."""
