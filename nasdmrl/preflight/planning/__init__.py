"""`nasdmrl plan`: what a run will take, forecast before anything is submitted.

jobs (from Snakemake) -> work (what each trains) -> costmodel (seconds of a training, fitted to a probe) -> forecast.
"""
