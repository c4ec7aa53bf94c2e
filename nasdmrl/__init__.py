"""Reproduces *Learning to reinforcement learn for Neural Architecture Search* (arXiv 1911.03769).

Importing the package registers the gymnasium environments `nasdmrl/Chain-v0` and `nasdmrl/MultiBranch-v0`, both of
which take an `evaluator` (see `nasdmrl.env.NASEnv`). It does not import TensorFlow.
"""

from gymnasium.envs.registration import register

__version__ = "0.1.0"

register("nasdmrl/Chain-v0", entry_point="nasdmrl.env:NASEnv", kwargs={"space": "chain"})
register(
    "nasdmrl/MultiBranch-v0", entry_point="nasdmrl.env:NASEnv", kwargs={"space": "multi_branch", "max_actions": 20}
)
