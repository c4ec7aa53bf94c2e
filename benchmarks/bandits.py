"""Is memory learned? The two-armed bandits with dependent arms of Wang et al. (2016), Section 3.1."""

from collections.abc import Callable

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from nasdmrl.agents.meta_a2c import MetaA2C
from nasdmrl.agents.policies import Spaces
from nasdmrl.config.sections import MetaA2C as Settings

PULLS = 100
VARIANTS = {"uniform": None, "easy": (0.1, 0.9), "medium": (0.25, 0.75), "hard": (0.4, 0.6)}
"""Probability of the first arm: uniform in [0, 1], or one of two values; the second arm's is one minus it."""
CURRICULUM = ("uniform", "hard")
"""Variants trained on, one half of the episodes each."""
EPISODES, WORKERS, SEEDS = 20_000, 20, (0, 1, 2)
SETTINGS = Settings(
    lstm_units=48, update_steps=PULLS, discount=0.8, entropy_weight=0.01, value_weight=0.5, learning_rate=0.005,
    rmsprop_initial=0,
)  # fmt: skip


def bandits(variant: str, count: int, random: np.random.RandomState) -> np.ndarray:
    """Reward probabilities of `count` bandits with dependent arms, shape (count, 2)."""
    values = VARIANTS[variant]
    first = random.uniform(size=count) if values is None else random.choice(values, size=count)
    return np.stack([first, 1 - first], axis=1)


def play(agent: MetaA2C, arms: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """One episode of PULLS pulls of every bandit, from a fresh memory; expected regret of each pull, (n, PULLS)."""
    agent.new_trial()
    blind, regret = np.zeros((len(arms), 0), np.float32), []
    for pull in range(PULLS):
        actions = np.atleast_1d(agent.act(blind))
        chosen = arms[np.arange(len(arms)), actions]
        rewards = (random.uniform(size=len(arms)) < chosen).astype(np.float32)
        agent.observe(blind, actions, rewards, blind, np.full(len(arms), pull == PULLS - 1))
        regret.append(arms.max(axis=1) - chosen)
    return np.stack(regret, axis=1)


def trained(seed: int, episodes: int = EPISODES, **options) -> MetaA2C:
    """An agent trained on so many episodes, WORKERS bandits at a time; options are the agent's."""
    random = np.random.RandomState(seed + 1)
    agent = MetaA2C(Spaces((0,), 2), seed, SETTINGS, workers=WORKERS, step_scale=1 / PULLS, **options)
    rounds = episodes // WORKERS
    for number in range(rounds):
        play(agent, bandits(CURRICULUM[number * len(CURRICULUM) // rounds], WORKERS, random), random)
    return agent


def fixed_regret(agent: MetaA2C, variant: str, count: int = 1000, seed: int = 99) -> np.ndarray:
    """Cumulative regret of the agent with its weights fixed, mean over `count` new bandits; shape (PULLS,)."""
    random = np.random.RandomState(seed)
    fixed = MetaA2C(
        agent.spaces, seed, SETTINGS, learning=False, workers=count, step_scale=agent.step_scale,
        forget_always=agent.forget_always,
    )  # fmt: skip
    fixed.network.weights.flat[:] = agent.network.weights.flat
    return play(fixed, bandits(variant, count, random), random).mean(axis=0).cumsum()


Choose = Callable[[np.ndarray, np.ndarray, int, np.random.RandomState], np.ndarray]


def thompson(wins: np.ndarray, pulls: np.ndarray, t: int, random: np.random.RandomState) -> np.ndarray:
    """Thompson sampling with uniform priors on independent arms."""
    return random.beta(1 + wins, 1 + pulls - wins).argmax(axis=1)


def ucb(wins: np.ndarray, pulls: np.ndarray, t: int, random: np.random.RandomState) -> np.ndarray:
    """UCB1 (Auer et al., 2002)."""
    bound = np.where(pulls > 0, wins / np.maximum(pulls, 1) + np.sqrt(2 * np.log(t + 1) / np.maximum(pulls, 1)), np.inf)
    return (bound + 1e-9 * random.uniform(size=bound.shape)).argmax(axis=1)


def baseline(choose: Choose, variant: str, count: int = 2000, seed: int = 99) -> np.ndarray:
    """Cumulative regret of a rule that knows the wins and pulls of each arm, mean over `count` bandits."""
    random = np.random.RandomState(seed)
    arms = bandits(variant, count, random)
    wins, pulls, regret = np.zeros((count, 2)), np.zeros((count, 2)), []
    rows = np.arange(count)
    for t in range(PULLS):
        actions = choose(wins, pulls, t, random)
        chosen = arms[rows, actions]
        wins[rows, actions] += random.uniform(size=count) < chosen
        pulls[rows, actions] += 1
        regret.append((arms.max(axis=1) - chosen).mean())
    return np.cumsum(regret)


def curves() -> dict[str, dict[str, np.ndarray]]:
    """Cumulative regret by variant and by player; the agents' are one curve a seed."""
    agents = {"Deep meta-RL": [trained(seed) for seed in SEEDS]}
    agents["memory cut"] = [trained(seed, forget_always=True) for seed in SEEDS[:1]]
    found: dict[str, dict[str, np.ndarray]] = {}
    for variant in VARIANTS:
        rules = {name: baseline(rule, variant) for name, rule in (("Thompson sampling", thompson), ("UCB", ucb))}
        learned = {name: [fixed_regret(agent, variant) for agent in group] for name, group in agents.items()}
        found[variant] = {name: np.stack(group) for name, group in learned.items()} | rules
    return found


def draw(found: dict[str, dict[str, np.ndarray]], path: str) -> None:
    """The regret curves, a panel for each variant."""
    colours = dict(zip(next(iter(found.values())), ("#0072B2", "#CC79A7", "#D55E00", "#009E73"), strict=True))
    figure, axes = plt.subplots(1, len(found), figsize=(10, 2.8), layout="constrained")
    for panel, (variant, players) in zip(axes, found.items(), strict=True):
        for name, regret in players.items():
            lines = panel.plot(np.atleast_2d(regret).T, color=colours[name], linewidth=1.2)
            lines[0].set_label(name)
        panel.set(title=variant, xlabel="Pull", ylim=(0, 12))
    axes[0].set_ylabel("Cumulative regret")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Print cumulative regret after the last pull, and draw the curves."""
    found = curves()
    rows = {
        variant: {name: np.atleast_2d(regret)[:, -1].round(2).tolist() for name, regret in players.items()}
        for variant, players in found.items()
    }
    print(f"Regret after {PULLS} pulls, weights fixed after {EPISODES} episodes on {CURRICULUM}, seeds {SEEDS}")
    print(pd.DataFrame(rows).T.to_string())
    draw(found, "docs/bandits.png")


if __name__ == "__main__":
    main()
