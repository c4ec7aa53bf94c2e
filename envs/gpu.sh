#!/usr/bin/env bash
# In an environment made from requirements.lock: TensorFlow with CUDA in place of the build for CPUs, same version.
# Both own the folder tensorflow/, so the one must go before the other comes.
set -euo pipefail
lock="$(dirname "$0")/../requirements.lock"
version="$(sed -n 's/^tensorflow-cpu==\([0-9.]*\).*/\1/p' "$lock")"
python -m pip uninstall --quiet --yes tensorflow-cpu
python -m pip install --quiet "tensorflow[and-cuda]==$version"
