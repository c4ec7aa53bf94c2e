"""Reproduces *Learning to reinforcement learn for Neural Architecture Search* (arXiv 1911.03769).

Importing the package registers the gymnasium environments `nasdmrl/Chain-v0` and `nasdmrl/MultiBranch-v0`, both of
which take an `evaluator` (see `nasdmrl.space.environment.NASEnv`). It does not import TensorFlow.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

__version__ = "0.1.0"


def _is_command() -> bool:
    """Whether this process is `nasdmrl`, or `python -m nasdmrl.cli`."""
    program = sys.orig_argv[1:]
    return "nasdmrl.cli" in program or Path(program[0] if program else "").name == "nasdmrl"


# A command makes no environment by its name, and sets the threads of NumPy (`nasdmrl.cli`) before gymnasium imports it.
# Snakemake reads the package's lists also where gymnasium is not installed.
if not _is_command() and find_spec("gymnasium"):
    from gymnasium.envs.registration import register

    register("nasdmrl/Chain-v0", entry_point="nasdmrl.space.environment:NASEnv", kwargs={"space": "chain"})
    register(
        "nasdmrl/MultiBranch-v0",
        entry_point="nasdmrl.space.environment:NASEnv",
        kwargs={"space": "multi_branch", "max_actions": 20},
    )
