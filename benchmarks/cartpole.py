"""DQN on CartPole-v1: solved is a mean return of 195 or more over 100 episodes."""

import gymnasium
import numpy as np

from nasdmrl.agents.dqn import DQN
from nasdmrl.agents.policies import Spaces
from nasdmrl.config.sections import DQN as Settings

STEPS, SEEDS, EPISODES, SOLVED = 200_000, (0, 1, 2, 3), 100, 195
# Exploration that falls over the whole trial, as in the paper, must start low here: random actions end episodes
# before the cart has moved far, and the policy never sees the edges that it later drifts to. Small steps on larger
# batches, and a target network that is renewed seldom, keep the last policies from swinging.
SETTINGS = Settings(
    hidden_units=128,
    learning_rate=0.0001,
    buffer_fraction=0.25,
    batch_size=128,
    discount=0.99,
    epsilon_first=0.3,
    epsilon_last=0.02,
    learning_starts=2000,
    train_every=2,
    target_every=500,
)


def trained(seed: int) -> DQN:
    """DQN after STEPS steps of CartPole-v1."""
    env = gymnasium.make("CartPole-v1")
    agent = DQN(Spaces.of(env), seed, STEPS, SETTINGS)
    observation, _ = env.reset(seed=seed)
    for _ in range(STEPS):
        action = agent.act(observation)
        following, reward, ended, truncated, _ = env.step(action)
        agent.observe(observation, action, reward, following, ended)
        observation = env.reset()[0] if ended or truncated else following
    return agent


def mean_return(agent: DQN, seed: int = 1000) -> float:
    """Mean return of the greedy policy over EPISODES episodes."""
    env, total = gymnasium.make("CartPole-v1"), 0.0
    for episode in range(EPISODES):
        observation, ended = env.reset(seed=seed + episode)[0], False
        while not ended:
            observation, reward, terminated, truncated, _ = env.step(agent.best_action(observation))
            ended, total = terminated or truncated, total + reward
    return total / EPISODES


def main() -> None:
    """Print the mean return of each seed's policy."""
    returns = [mean_return(trained(seed)) for seed in SEEDS]
    print(
        f"CartPole-v1, mean return over {EPISODES} episodes after {STEPS} steps, seeds {SEEDS}: {np.round(returns, 1)}"
    )
    print(f"solved ({SOLVED} or more): {[bool(value >= SOLVED) for value in returns]}")


if __name__ == "__main__":
    main()
