"""Archives of a run for a repository such as Zenodo: packed, and verified by drawing everything again from the logs."""
