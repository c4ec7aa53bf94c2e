"""Deep meta-RL: an advantage actor-critic whose memory lives through a whole trial (Section 5, Figure 7, eq. 1).

The LSTM sees the state, its own last action, the reward that came of it, and the step within the episode; so it can
find out, within a trial, which task it is in, and act on that although its weights stay as they are (Wang et al.,
2016; Duan et al., 2016).
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nasdmrl.agents.policy_files import Spaces, load_policy, save_policy
from nasdmrl.agents.recurrent import RecurrentActorCritic
from nasdmrl.optimizers import FusedRMSProp
from nasdmrl.sections import MetaA2C as Settings

CPU = "/CPU:0"  # A GPU would only slow down one small step after the other.


@dataclass(frozen=True)
class Released:
    """Where the released code departs from the paper (Section 9): both false follow the paper.

    forgets: the LSTM's state is set to zero at the end of every episode (D3). shifted_inputs: in the update, the
    previous reward is the discounted return and the step counter is one ahead (D4).
    """

    forgets: bool = False
    shifted_inputs: bool = False


class MetaA2C:
    """The agent. It acts in `workers` environments at once; the paper has one, which needs no batch axis.

    spaces: shape of an observation and number of actions. step_scale multiplies the step within the episode, for
    tasks with long episodes. learning: false keeps the weights as they are (Exp. 2a). forget_always: the memory is
    cut before every step, to show what it is good for.
    """

    name = "meta_a2c"

    def __init__(
        self,
        spaces: Spaces,
        seed: int,
        settings: Settings | None = None,
        released: Released | None = None,
        learning: bool = True,
        workers: int = 1,
        step_scale: float = 1.0,
        forget_always: bool = False,
    ) -> None:
        self.spaces, self.settings, self.released = spaces, settings or Settings(), released or Released()
        self.learning, self.workers, self.step_scale, self.forget_always = learning, workers, step_scale, forget_always
        self.progress: list[dict[str, float]] = []
        self._random = np.random.RandomState(seed)
        inputs = prod(spaces.observation) + spaces.actions + 2
        with tf.device(CPU):
            self.network = RecurrentActorCritic(inputs, self.settings.lstm_units, spaces.actions, seed)
            weights = self.network.trainable_variables
            constants = (self.settings.rmsprop_decay, self.settings.rmsprop_epsilon, self.settings.rmsprop_initial)
            self._optimizer = FusedRMSProp(weights, *constants)
        self._step = tf.function(self.network.step, reduce_retracing=True)
        self._train = tf.function(self._one_update)
        self.steps = 0
        self.new_trial()

    def new_trial(self) -> None:
        """Forget everything but the weights: the start of an interaction with one environment."""
        self._state = self.network.zero_state(self.workers)
        self._last_action = np.zeros((self.workers, self.spaces.actions), np.float32)
        self._last_reward = np.zeros(self.workers, np.float32)
        self._episode_step = np.zeros(self.workers, np.float32)
        self._start_window()

    def act(self, observation: np.ndarray) -> Any:
        """Sample an action (an int; with several workers an array) from the policy."""
        self._inputs = self._input(observation)
        logits, _, *self._state = self._forward(self._inputs)
        actions = self._sampled(logits)
        return int(actions[0]) if self.workers == 1 else actions

    def observe(self, observation: np.ndarray, action: Any, reward: Any, following: np.ndarray, ended: Any) -> None:
        """Remember a step; after every `update_steps` steps, learn from them."""
        self.steps += 1
        actions, rewards, ends = np.atleast_1d(action), np.float32(np.atleast_1d(reward)), np.atleast_1d(ended)
        self._window.append((self._inputs, actions, rewards, np.float32(ends)))
        self._last_action = np.eye(self.spaces.actions, dtype=np.float32)[actions]
        self._last_reward = rewards
        self._episode_step = np.where(ends, np.float32(0), self._episode_step + 1)
        keep = self._keep(ends)[:, None]
        self._state = [state * keep for state in self._state]
        if len(self._window) == self.settings.update_steps:
            if self.learning:
                self._update(following)
            self._start_window()

    def save(self, folder: Path | str, history: list[dict[str, Any]]) -> None:
        """Write weights and card (see `policy_files`); `history` tells which trials they learned in."""
        save_policy(folder, self.network.trainable_variables, self._architecture(), self.spaces, history)

    def load(self, folder: Path | str) -> list[dict[str, Any]]:
        """Take over saved weights; returns their history. Raises `PolicyError` where the policy does not fit."""
        return load_policy(folder, self.network.trainable_variables, self._architecture(), self.spaces)

    def _architecture(self) -> dict[str, Any]:
        return {"agent": self.name, "lstm_units": self.settings.lstm_units}

    def _start_window(self) -> None:
        self._window: list[tuple[np.ndarray, ...]] = []
        self._window_state = self._state

    def _keep(self, ends: np.ndarray) -> np.ndarray:
        """Per worker, 1 where the LSTM's state goes on to the next step and 0 where it is forgotten."""
        if self.forget_always:
            return np.zeros(self.workers, np.float32)
        return np.float32(1) - np.float32(ends) * self.released.forgets

    def _input(self, observation: np.ndarray) -> np.ndarray:
        """Flattened state, one-hot previous action, previous reward, step: float32 of shape (workers, inputs)."""
        flat = np.asarray(observation, np.float32).reshape(self.workers, -1)
        step = (self._episode_step * self.step_scale)[:, None]
        return np.concatenate([flat, self._last_action, self._last_reward[:, None], step], axis=1, dtype=np.float32)

    def _forward(self, inputs: np.ndarray) -> list[np.ndarray]:
        with tf.device(CPU):
            return [array.numpy() for array in self._step(*(tf.constant(a) for a in (inputs, *self._state)))]

    def _sampled(self, logits: np.ndarray) -> np.ndarray:
        weights = np.exp(logits - logits.max(axis=1, keepdims=True)).cumsum(axis=1)
        chance = self._random.random_sample((self.workers, 1)) * weights[:, -1:]
        return np.minimum((weights <= chance).sum(axis=1), self.spaces.actions - 1)

    def _update(self, following: np.ndarray) -> None:
        _, values, *_ = self._forward(self._input(following))
        inputs, actions, rewards, ends = (np.stack(parts) for parts in zip(*self._window, strict=True))
        returns = discounted_returns(rewards, ends, values, self.settings.discount)
        # A window starts from the state as it then is, so there is nothing left to forget before its first step.
        keep = np.stack([np.ones(self.workers, np.float32), *(self._keep(end) for end in ends[:-1])])
        if self.released.shifted_inputs:
            inputs = self._shifted(inputs, returns)
        with tf.device(CPU):
            arrays = (inputs, keep, actions.astype(np.int32), returns, *self._window_state)
            numbers = self._train(*(tf.constant(array) for array in arrays))
        self.progress.append({"step": self.steps, **{name: float(number) for name, number in numbers.items()}})

    def _shifted(self, inputs: np.ndarray, returns: np.ndarray) -> np.ndarray:
        """The inputs as the released code's update has them (D4): the returns for the rewards, steps one ahead."""
        shifted = inputs.copy()
        shifted[1:, :, -2] = returns[:-1]
        shifted[:, :, -1] += self.step_scale
        return shifted

    def _one_update(self, inputs: Any, keep: Any, actions: Any, returns: Any, hidden: Any, cell: Any) -> dict[str, Any]:
        """One step of A2C on a window (eq. 1): policy gradient, value loss, entropy; clipped; RMSProp."""
        settings, weights = self.settings, self.network.trainable_variables
        with tf.GradientTape() as tape:
            logits, values = self.network.unroll(inputs, keep, hidden, cell)
            log_policy = tf.nn.log_softmax(logits)
            chosen = tf.gather(log_policy, actions, batch_dims=2)
            advantages = tf.stop_gradient(returns - values)
            policy_loss = -tf.reduce_mean(chosen * advantages)
            value_loss = tf.reduce_mean(tf.square(returns - values))
            entropy = -tf.reduce_mean(tf.reduce_sum(tf.exp(log_policy) * log_policy, axis=-1))
            loss = policy_loss + settings.value_weight * value_loss - settings.entropy_weight * entropy
        gradients, norm = tf.clip_by_global_norm(tape.gradient(loss, weights), settings.max_gradient_norm)
        self._optimizer.apply(gradients, settings.learning_rate)
        left, total = tf.math.reduce_variance(returns - values), tf.math.reduce_variance(returns)
        explained = tf.where(total > 0, 1 - left / total, 0.0)
        return {
            "entropy": entropy,
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "explained_variance": explained,
            "gradient_norm": norm,
        }


def discounted_returns(rewards: np.ndarray, ends: np.ndarray, bootstrap: np.ndarray, discount: float) -> np.ndarray:
    """n-step returns: R_t = r_t + discount R_(t+1), cut where an episode ends; bootstrap is R after the last step.

    rewards and ends have shape (T, B), bootstrap (B,); float32 of shape (T, B).
    """
    returns, following = np.empty_like(rewards), bootstrap
    for t in reversed(range(len(rewards))):
        following = rewards[t] + np.float32(discount) * (1 - ends[t]) * following
        returns[t] = following
    return returns
