"""Does a fixed policy adapt within a trial? A family of NAS tasks with tabulated rewards, some of them held out.

A task wants one kind of convolution three to six times; a network's reward is the share of these that it has, and
pooling is worth nothing. That convolutions are good can be learned once for the family; which one is good must be
found out within the trial, and since the weights do not change, only memory can.
"""

import itertools
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from scipy.stats import bootstrap

from nasdmrl.agents.meta_a2c import MetaA2C, Released
from nasdmrl.agents.policies import Spaces
from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.config.sections import MetaA2C as Settings
from nasdmrl.space.actions import CHAIN
from nasdmrl.space.environment import NASEnv
from nasdmrl.space.evaluation import Evaluation
from nasdmrl.space.nsc import Network, canonical

Task = tuple[int, int]
"""Good layer (action) and how often it is wanted."""
TASKS = list(itertools.product(range(3), (3, 4, 5, 6)))
HELD_OUT = [(0, 4), (1, 5), (2, 6)]
TRAINING = [task for task in TASKS if task not in HELD_OUT]
TRIAL_STEPS = 60
WORKERS = 8
TRIALS, SEEDS = 4000, range(10)
GOOD_ENOUGH = 0.95
MAX_EPISODES = 200
SETTINGS = Settings(lstm_units=64, update_steps=20, learning_rate=0.005, rmsprop_initial=0)


def environment(task: Task) -> NASEnv:
    """The chain space with the task's table of rewards."""
    good, wanted = CHAIN[task[0]], task[1]

    def evaluate(network: Network) -> Evaluation:
        found = sum((layer.type, layer.kernel) == (good.type, good.kernel) for layer in network)
        reward = min(found, wanted) / wanted
        return Evaluation(canonical(network), reward, reward)

    return NASEnv(evaluate)


def trained(seed: int, trials: int = TRIALS, released: Released | None = None) -> MetaA2C:
    """A policy trained on so many trials of the training tasks."""
    random = np.random.RandomState(seed)
    spaces = Spaces.of(environment(TASKS[0]))
    agent = MetaA2C(spaces, seed, SETTINGS, released, workers=WORKERS, step_scale=0.1)
    for _ in range(trials // WORKERS):
        tasks = [TRAINING[i] for i in random.randint(len(TRAINING), size=WORKERS)]
        trial(agent, [environment(task) for task in tasks])
    return agent


def trial(agent: MetaA2C, envs: list[NASEnv]) -> float:
    """One trial in all environments at once; mean reward of a step."""
    agent.new_trial()
    observations = np.stack([env.reset()[0] for env in envs])
    total = 0.0
    for _ in range(TRIAL_STEPS):
        actions = agent.act(observations)
        steps = [env.step(action) for env, action in zip(envs, actions, strict=True)]
        following, rewards, ends = (np.array([step[i] for step in steps]) for i in (0, 1, 2))
        agent.observe(observations, actions, rewards, following, ends)
        observations = np.stack(
            [env.reset()[0] if end else f for env, end, f in zip(envs, ends, following, strict=True)]
        )
        total += rewards.mean()
    return total / TRIAL_STEPS


def episodes_needed(agent, task: Task) -> int:
    """Episodes of a fresh trial until a network is within 5 % of the best; MAX_EPISODES if none is."""
    env = environment(task)
    for episode in range(1, MAX_EPISODES + 1):
        observation, _ = env.reset()
        ended = False
        while not ended:
            action = agent.act(observation)
            following, reward, ended, *_ = env.step(action)
            agent.observe(observation, action, reward, following, ended)
            observation = following
            if reward >= GOOD_ENOUGH:
                return episode
    return MAX_EPISODES


def fixed(agent: MetaA2C, seed: int) -> MetaA2C:
    """The trained policy with fixed weights, in one environment."""
    copy = MetaA2C(agent.spaces, seed, SETTINGS, agent.released, learning=False, step_scale=agent.step_scale)
    copy.network.weights.flat[:] = agent.network.weights.flat
    return copy


def compared(seed: int, released: Released | None = None) -> tuple[float, float]:
    """Mean episodes needed on the held-out tasks: by a policy trained with this seed, and by random search."""
    agent = trained(seed, released=released)
    ours = [episodes_needed(fixed(agent, 100 * seed + i), task) for i, task in enumerate(HELD_OUT)]
    random = [episodes_needed(RandomSearch(8, 100 * seed + i), task) for i, task in enumerate(HELD_OUT)]
    return float(np.mean(ours)), float(np.mean(random))


def described(values: np.ndarray) -> str:
    """Mean with its 95 % bootstrap interval, and every value."""
    found = bootstrap((values,), np.mean, confidence_level=0.95, rng=0).confidence_interval
    return f"{values.mean():.1f} [{found.low:.1f}, {found.high:.1f}]; seeds: {values.round(1).tolist()}"


def main() -> None:
    """Print the episodes that the fixed policies and random search need on the held-out tasks."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        ours, random = (np.array(column) for column in zip(*pool.map(compared, SEEDS), strict=True))
    print(f"Episodes until a network is within 5 % of the best, mean over held-out tasks {HELD_OUT}, at most")
    print(f"{MAX_EPISODES}; mean over {len(SEEDS)} seeds with its 95 % bootstrap interval")
    print("fixed policy  ", described(ours))
    print("random search ", described(random))
    print("difference    ", described(random - ours))


if __name__ == "__main__":
    main()
