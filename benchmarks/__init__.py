"""Speed and memory, run by `make bench`; what it prints depends on the machine, ratios less than seconds."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as commands have it, before NumPy loads its BLAS
