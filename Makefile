# `make` installs what is missing and runs the whole workflow at the quick scale; `make test` checks everything.
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: all install test test-slurm lint bench bench-agents archive clean clean-all lock

all: install
	snakemake all

install: $(INSTALLED)

# The lock pins every package with its hashes; pip byte-compiles what it installs.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else \
	  "Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is " + sys.version.split()[0] + \
	  "; name another with: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --require-hashes -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

test: lint
	python -m pytest

# A real SLURM of three nodes on this machine; as root, after `tests/slurm/cluster.sh install`. About 40 minutes on two
# cores; a part: make test-slurm TESTS='tests/slurm/test_chain.py -k every_job'
test-slurm: TESTS ?= tests/slurm
test-slurm: install
	python -m pytest --numprocesses=0 --capture=no $(TESTS)

lint: install
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check workflow
	snakemake --lint

bench: install
	python -m benchmarks

# Do the agents learn what they should? About three quarters of an hour on two cores.
bench-agents: install
	python -m benchmarks.bandits
	python -m benchmarks.cartpole
	python -m benchmarks.adaptation

# A finished run as one file for a repository such as Zenodo (docs/archive.md).
archive: install
	nasdmrl archive

# Results go, long trainings too, which nothing looks up; evaluations, downloads and checkpoints, which took long, stay.
# `make clean-all` removes them and the installation too.
clean:
	find results -mindepth 1 -maxdepth 1 ! -name README.md ! -name store ! -name archives ! -name checkpoints \
	  -exec rm -rf {} +
	rm -rf results/archives/standin .snakemake

clean-all: clean
	rm -rf results/store results/archives results/checkpoints $(VENV) *.egg-info .mypy_cache .pytest_cache .ruff_cache

# Needs uv; run it after a change of the dependencies in pyproject.toml.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --extra cpu --extra workflow --extra dev \
	  --generate-hashes --no-annotate --no-header --output-file requirements.lock
