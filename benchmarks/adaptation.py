"""Does a fixed policy adapt within a trial? A family of NAS tasks with tabulated rewards, some of them held out.

A task has two good layers of the seven; a network's reward is the number of its good layers, at most two of each,
by four. Which layers are good must be found out within the trial: the weights do not change, so only memory can.
"""

import itertools

import numpy as np
from scipy.stats import bootstrap

from nasdmrl.actions import CHAIN
from nasdmrl.agents.meta_a2c import MetaA2C
from nasdmrl.agents.policy_files import Spaces
from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.config import MetaA2C as Settings
from nasdmrl.env import NASEnv
from nasdmrl.evaluation import Evaluation
from nasdmrl.nsc import Network, canonical

Task = tuple[int, int]
TASKS = list(itertools.combinations(range(7), 2))
HELD_OUT = TASKS[::4]
TRAINING = [task for task in TASKS if task not in HELD_OUT]
TRIAL_STEPS = 60
WORKERS = 32
GOOD_ENOUGH = 0.95
MAX_EPISODES = 200
SETTINGS = Settings(lstm_units=64, update_steps=20, learning_rate=0.002, entropy_weight=0.02, rmsprop_initial=0)


def environment(task: Task) -> NASEnv:
    """The chain space with the task's table of rewards."""
    good = [(CHAIN[action].type, CHAIN[action].kernel) for action in task]

    def evaluate(network: Network) -> Evaluation:
        layers = [(layer.type, layer.kernel) for layer in network]
        reward = sum(min(layers.count(layer), 2) for layer in good) / 4
        return Evaluation(canonical(network), reward, reward)

    return NASEnv(evaluate)


def trained(seed: int, trials: int) -> MetaA2C:
    """A policy trained on so many trials of the training tasks."""
    random = np.random.RandomState(seed)
    agent = MetaA2C(Spaces.of(environment(TASKS[0])), seed, SETTINGS, workers=WORKERS, step_scale=0.1)
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
    copy = MetaA2C(agent.spaces, seed, SETTINGS, learning=False, step_scale=agent.step_scale)
    for ours, theirs in zip(copy.network.trainable_variables, agent.network.trainable_variables, strict=True):
        ours.assign(theirs)
    return copy


def compared(seed: int, trials: int) -> tuple[float, float]:
    """Mean episodes needed on the held-out tasks: by a policy trained with this seed, and by random search."""
    agent = trained(seed, trials)
    ours = [episodes_needed(fixed(agent, 100 * seed + i), task) for i, task in enumerate(HELD_OUT)]
    random = [episodes_needed(RandomSearch(8, 100 * seed + i), task) for i, task in enumerate(HELD_OUT)]
    return float(np.mean(ours)), float(np.mean(random))


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    found = bootstrap((values,), np.mean, confidence_level=0.95, rng=0).confidence_interval
    return float(found.low), float(found.high)
