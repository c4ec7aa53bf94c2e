"""Another library's agents train on NASEnv without adapters."""

import pytest
from test_env import table

from nasdmrl.space.environment import NASEnv

sb3 = pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed (extra `sb3`)")


@pytest.mark.parametrize("space", ["chain", "multi_branch"])
@pytest.mark.parametrize("name", ["A2C", "DQN"])
def test_stable_baselines_trains(name, space):
    options = {"learning_starts": 50} if name == "DQN" else {}
    agent = getattr(sb3, name)("MlpPolicy", NASEnv(table, space), device="cpu", seed=0, **options)
    agent.learn(300)
    assert agent.num_timesteps >= 300
