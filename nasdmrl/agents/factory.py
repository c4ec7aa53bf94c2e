"""Makes the agent that a method's name and a configuration ask for."""

from nasdmrl.agents import Agent
from nasdmrl.agents.policy_files import Spaces
from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.config import Config
from nasdmrl.sections import Space


def make_agent(
    method: str,
    spaces: Spaces,
    seed: int,
    steps: int,
    config: Config,
    learning: bool = True,
    space: Space = "chain",
) -> Agent:
    """The agent of `METHODS` for a trial of `steps` steps; `learning` and `space` matter to deep meta-RL alone."""
    if method == "random_search":
        return RandomSearch(spaces.actions, seed)
    if method == "dqn":
        from nasdmrl.agents.dqn import DQN

        return DQN(spaces, seed, steps, config.dqn)
    from nasdmrl.agents.meta_a2c import MetaA2C, Released

    released = Released(forgets=config.released("D3"), shifted_inputs=config.released("D4"))
    return MetaA2C(spaces, seed, config.meta_settings(space), released, learning)
