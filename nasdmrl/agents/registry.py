"""Makes the agent that a method's name and a configuration ask for."""

from nasdmrl.agents import Agent
from nasdmrl.agents.policies import Spaces
from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.config.model import Config
from nasdmrl.config.sections import Space
from nasdmrl.errors import NasdmrlError


def make_agent(
    method: str,
    spaces: Spaces,
    seed: int,
    steps: int,
    config: Config,
    learning: bool = True,
    space: Space = "chain",
) -> Agent:
    """The agent of `METHODS` for a trial of `steps` steps; `learning` and `space` matter to deep meta-RL alone.

    Raises `NasdmrlError` for a name that no agent has.
    """
    if method == "random_search":
        return RandomSearch(spaces.actions, seed)
    if method == "dqn":
        from nasdmrl.agents.dqn import DQN

        return DQN(spaces, seed, steps, config.dqn)
    if method == "meta_a2c":
        from nasdmrl.agents.meta_a2c import MetaA2C, Released

        released = Released(
            forgets=config.released("D3"),
            shifted_inputs=config.released("D4"),
            starts_with_zero=config.released("D10"),
        )
        return MetaA2C(spaces, seed, config.meta_settings(space), released, learning)
    raise NasdmrlError(f"`{method}`: no agent has this name; make it in `make_agent` of nasdmrl/agents/registry.py")
