"""Deep Q-learning with experience replay (Mnih et al., 2015) and double Q (van Hasselt et al., 2016); Section 5."""

import itertools
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nasdmrl.agents.policy_files import Spaces, load_policy, save_policy
from nasdmrl.agents.recurrent import orthogonal
from nasdmrl.optimizers import FusedAdam
from nasdmrl.sections import DQN as Settings

CPU = "/CPU:0"
ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


class QNetwork(tf.Module):
    """Action values of flat observations: tanh layers and a linear one. The weights depend on the seed."""

    def __init__(self, sizes: list[int], seed: int) -> None:
        super().__init__()
        random = np.random.RandomState(seed)
        pairs = list(itertools.pairwise(sizes))
        self.matrices = [tf.Variable(orthogonal(random, *pair), name="matrix") for pair in pairs]
        self.biases = [tf.Variable(tf.zeros(size), name="bias") for size in sizes[1:]]

    def __call__(self, observations: Any) -> Any:
        """Values of shape (B, actions) for observations of shape (B, inputs)."""
        values = observations
        for matrix, bias in zip(self.matrices[:-1], self.biases[:-1], strict=True):
            values = tf.tanh(values @ matrix + bias)
        return values @ self.matrices[-1] + self.biases[-1]


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
        inputs = prod(spaces.observation)
        sizes = [inputs, *[self.settings.hidden_units] * self.settings.hidden_layers, spaces.actions]
        with tf.device(CPU):
            self.network, self.target = QNetwork(sizes, seed), QNetwork(sizes, seed)
            self._optimizer = FusedAdam(self.network.trainable_variables, **ADAM)
            self._values, self._train = self._compiled(inputs)
        self.buffer = ReplayBuffer(max(1, int(self.settings.buffer_fraction * steps)), inputs)
        self.steps = 0

    def _compiled(self, inputs: int) -> tuple[Any, Any]:
        """Functions that give the values of observations, and that learn from a batch.

        They are traced here, once: to look for the trace that fits takes a third of a call.
        """
        flat, one = tf.TensorSpec([None, inputs]), tf.TensorSpec([None])
        values, update = tf.function(self.network.__call__), tf.function(self._one_update)
        learn = update.get_concrete_function(flat, tf.TensorSpec([None], tf.int32), one, flat, one)
        return values.get_concrete_function(flat), learn

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
        with tf.device(CPU):
            return int(np.argmax(self._values(tf.constant(np.float32(observation).reshape(1, -1)))))

    def observe(self, observation: np.ndarray, action: int, reward: float, following: np.ndarray, ended: bool) -> None:
        """Remember the step; after the first `learning_starts`, learn from a batch and renew the target network."""
        self.buffer.add(observation, action, reward, following, ended)
        self.steps += 1
        if self.steps <= self.settings.learning_starts:
            return
        if self.steps % self.settings.train_every == 0:
            self._learn()
        if self.steps % self.settings.target_every == 0:
            self._renew_target()

    def save(self, folder: Path | str, history: list[dict[str, Any]]) -> None:
        """Write weights and card (see `policy_files`)."""
        save_policy(folder, self.network.trainable_variables, self._architecture(), self.spaces, history)

    def load(self, folder: Path | str) -> list[dict[str, Any]]:
        """Take over saved weights; returns their history. Raises `PolicyError` where the policy does not fit."""
        history = load_policy(folder, self.network.trainable_variables, self._architecture(), self.spaces)
        self._renew_target()
        return history

    def _architecture(self) -> dict[str, Any]:
        sizes = {"hidden_units": self.settings.hidden_units, "hidden_layers": self.settings.hidden_layers}
        return {"agent": self.name, **sizes}

    def _learn(self) -> None:
        batch = self.buffer.sample(self.settings.batch_size, self._random)
        with tf.device(CPU):
            numbers = self._train(*(tf.constant(array) for array in batch))
        row = {name: float(number) for name, number in numbers.items()}
        self.progress.append({"step": self.steps, "exploration": self.exploration, **row})

    def _renew_target(self) -> None:
        for ours, theirs in zip(self.network.trainable_variables, self.target.trainable_variables, strict=True):
            theirs.assign(ours)

    def _one_update(self, observations: Any, actions: Any, rewards: Any, following: Any, ends: Any) -> dict[str, Any]:
        """One step on a batch: Huber loss to the double-Q target, each gradient clipped, Adam."""
        best = tf.argmax(self.network(following), axis=1, output_type=tf.int32)
        future = tf.gather(self.target(following), best, batch_dims=1)
        targets = rewards + self.settings.discount * (1 - ends) * future
        weights = self.network.trainable_variables
        with tf.GradientTape() as tape:
            errors = tf.gather(self.network(observations), actions, batch_dims=1) - targets
            size = tf.abs(errors)
            loss = tf.reduce_mean(tf.where(size < 1, 0.5 * tf.square(errors), size - 0.5))
        gradients = tape.gradient(loss, weights)
        clipped = [tf.clip_by_norm(gradient, self.settings.max_gradient_norm) for gradient in gradients]
        self._optimizer.apply(clipped, self.settings.learning_rate)
        return {"loss": loss, "gradient_norm": tf.linalg.global_norm(gradients)}
