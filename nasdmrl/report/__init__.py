"""The page of a run, its archive, and comparisons of runs."""
