"""What a run needs and costs, found before it begins."""
