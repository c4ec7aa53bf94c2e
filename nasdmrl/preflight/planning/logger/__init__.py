"""Holds Snakemake's logger plugin alone: the folder is put on the path of the dry run that `planning.jobs` makes."""
