#!/usr/bin/env bash
# Puts the checkout's nasdmrl into the environment that Snakemake has just made and activated. Snakemake runs a copy
# of this file in its working directory, so the workflow names the checkout in NASDMRL_CHECKOUT.
set -euo pipefail
checkout="${NASDMRL_CHECKOUT:-$PWD}"
if ! grep -qs '^name = "nasdmrl"' "$checkout/pyproject.toml"; then
  echo "Error: $checkout is no checkout of nasdmrl: set NASDMRL_CHECKOUT to the folder with its pyproject.toml" >&2
  exit 1
fi
python -m pip install --quiet --no-deps --no-build-isolation --editable "$checkout"
