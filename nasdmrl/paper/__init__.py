"""What the paper and its authors' repository publish beyond the text: curves, action counts, numbers (CSV)."""
