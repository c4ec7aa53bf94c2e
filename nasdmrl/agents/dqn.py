"""Deep Q-learning with experience replay (Mnih et al., 2015) and double Q (van Hasselt et al., 2016); Section 5."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from nasdmrl.agents import Trial
from nasdmrl.agents.descent import Adam
from nasdmrl.agents.policies import WEIGHTS, Spaces, load_policy, save_policy
from nasdmrl.agents.q_network import QNetwork
from nasdmrl.agents.weights import Weights
from nasdmrl.config.sections import DQN as Settings

ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


class ReplayBuffer:
    """The last `size` transitions, drawn from uniformly."""

    def __init__(self, size: int, inputs: int) -> None:
        self._observations = np.zeros((size, inputs), np.float32)
        self._following = np.zeros((size, inputs), np.float32)
        self._actions, self._rewards = np.zeros(size, np.int32), np.zeros(size, np.float32)
        self._ends = np.zeros(size, np.float32)
        self._count = 0

    def add(self, observation: np.ndarray, action: int, reward: float, following: np.ndarray, ended: bool) -> None:
        """Remember a transition in the place of the oldest."""
        place = self._count % len(self._actions)
        self._observations[place], self._following[place] = observation.ravel(), following.ravel()
        self._actions[place], self._rewards[place], self._ends[place] = action, reward, ended
        self._count += 1

    def sample(self, batch: int, random: np.random.RandomState) -> tuple[np.ndarray, ...]:
        """Observations, actions, rewards, following observations and ends of `batch` transitions."""
        places = random.randint(min(self._count, len(self._actions)), size=batch)
        arrays = (self._observations, self._actions, self._rewards, self._following, self._ends)
        return tuple(array[places] for array in arrays)


class DQN:
    """The agent. spaces: as in `MetaA2C`; steps: length of the trial, over which exploration falls."""

    name = "dqn"

    def __init__(self, spaces: Spaces, seed: int, steps: int, settings: Settings | None = None) -> None:
        self.spaces, self.settings, self.trial_steps = spaces, settings or Settings(), steps
        self.progress: list[dict[str, float]] = []
        self._random = np.random.RandomState(seed)
        inputs = math.prod(spaces.observation)
        self.network, self.target = (QNetwork(inputs, spaces.actions, self.settings, seed) for _ in range(2))
        self._optimizer = Adam(self.network.weights.flat.size, **ADAM)
        self.buffer = ReplayBuffer(max(1, int(self.settings.buffer_fraction * steps)), inputs)
        self.steps = 0

    @property
    def exploration(self) -> float:
        """Share of random actions: linear from epsilon_first to epsilon_last over the trial (Section 5)."""
        first, last = self.settings.epsilon_first, self.settings.epsilon_last
        return first + (last - first) * min(self.steps / self.trial_steps, 1.0)

    def act(self, observation: np.ndarray) -> int:
        """A random action with probability `exploration`, else the one of the largest value."""
        chance, action = self._random.random_sample(), self._random.randint(self.spaces.actions)
        if chance < self.exploration:
            return int(action)
        return self.best_action(observation)

    def best_action(self, observation: np.ndarray) -> int:
        """The action of the largest value."""
        return int(self.network.values(np.asarray(observation, np.float32).reshape(1, -1)).argmax())

    def observe(self, observation: np.ndarray, action: int, reward: float, following: np.ndarray, ended: bool) -> None:
        """Remember the step; after `learning_starts`, learn from a batch and renew the target network.

        Steps count from 0 here, as in Baselines' loop: by default the first update is at step 1001, when 1,002
        transitions are known, and the first copy to the target network at step 1100.
        """
        self.buffer.add(observation, action, reward, following, ended)
        step = self.steps
        self.steps += 1
        if step <= self.settings.learning_starts:
            return
        if step % self.settings.train_every == 0:
            numbers = self._learn(*self.buffer.sample(self.settings.batch_size, self._random))
            self.progress.append({"step": self.steps, "exploration": self.exploration, **numbers})
        if step % self.settings.target_every == 0:
            self._renew_target()

    def save(self, folder: Path | str, history: list[dict[str, Any]]) -> None:
        """Write weights and card (see `policies`); not Adam's moments, since no policy is passed on (Section 5)."""
        weights = self.network.weights
        save_policy(folder, {WEIGHTS: weights.flat}, weights.shapes, self._architecture(), self.spaces, history)

    def load(self, folder: Path | str) -> list[dict[str, Any]]:
        """Take over saved weights; returns their history. Raises `PolicyError` where the policy does not fit."""
        history = load_policy(folder, {WEIGHTS: self.network.weights.flat}, self._architecture(), self.spaces)
        self._renew_target()
        return history

    def _architecture(self) -> dict[str, Any]:
        keys = ("hidden_units", "hidden_layers", "dueling", "dueling_units")
        return {"agent": self.name, **{key: getattr(self.settings, key) for key in keys}}

    def _renew_target(self) -> None:
        self.target.weights.flat[:] = self.network.weights.flat

    def _learn(
        self,
        observations: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        following: np.ndarray,
        ends: np.ndarray,
    ) -> dict[str, float]:
        """One step on a batch: Huber loss to the double-Q target, each variable's gradient clipped, Adam."""
        rows, largest = np.arange(len(actions)), self.settings.max_gradient_norm
        outputs = self.network.forward(np.concatenate([observations, following]))
        values, values_after = outputs.values[: len(rows)], outputs.values[len(rows) :]
        future = self.target.values(following)[rows, values_after.argmax(axis=1)]
        errors = values[rows, actions] - rewards - np.float32(self.settings.discount) * (1 - ends) * future

        # Huber's loss (1964) is half the square up to 1 and linear beyond, so its slope is the error, cut to +-1.
        cut = np.minimum(np.maximum(errors, -1), 1) / np.float32(len(rows))
        slopes = np.zeros_like(values)
        slopes[rows, actions] = cut
        gradient = self.network.gradient(outputs.first(len(rows)), slopes)
        norm = math.sqrt(gradient.flat @ gradient.flat)
        if norm > largest:  # if not, no variable's is either
            clip_each(gradient, largest)
        self._optimizer.apply(self.network.weights.flat, gradient.flat, self.settings.learning_rate)
        loss = cut @ (errors - len(rows) * cut / 2)
        return {"loss": float(loss), "gradient_norm": norm}


def clip_each(gradient: Weights, largest: float) -> None:
    """Scale every variable's gradient, in place, to at most this norm."""
    for part in gradient.arrays.values():
        norm = math.sqrt(part.ravel() @ part.ravel())
        if norm > largest:
            part *= np.float32(largest / norm)


def make(trial: Trial) -> DQN:
    """The agent for a trial."""
    return DQN(trial.spaces, trial.seed, trial.steps, trial.config.dqn)
