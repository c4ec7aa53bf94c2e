"""Training and scoring of networks (Sections 4 and 7)."""

TRAINING_FORMAT = 2
"""Part of every key. It goes up where the same recipe comes to mean another training, so that no older evaluation is
looked up: 2 since concatenation pads channels, batches are full and the split is cut as in the authors' handler."""
