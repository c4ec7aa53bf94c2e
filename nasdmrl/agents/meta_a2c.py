"""Deep meta-RL: an advantage actor-critic whose memory lives through a whole trial (Section 5, Figure 7, eq. 1).

The LSTM sees the state, its own last action, the reward that came of it, and the step within the episode; so it can
find out, within a trial, which task it is in, and act on that although its weights stay as they are (Wang et al.,
2016; Duan et al., 2016).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nasdmrl.agents import Trial
from nasdmrl.agents.descent import RMSProp
from nasdmrl.agents.policies import SQUARES, WEIGHTS, Spaces, load_policy, save_policy
from nasdmrl.agents.recurrent import RecurrentActorCritic, Step
from nasdmrl.config.sections import MetaA2C as Settings


@dataclass(frozen=True)
class Released:
    """Where the released code departs from the paper (Section 9): all false follow the paper.

    forgets: the LSTM's state is set to zero at the end of every episode (D3). shifted_inputs: in the update, the
    previous reward is the discounted return, the step counter is that after the step, and the advantage is the return
    less the value predicted when acting (D4). starts_with_zero: the first "previous action" of a trial is action 0,
    where the paper draws it uniformly (D10).
    """

    forgets: bool = False
    shifted_inputs: bool = False
    starts_with_zero: bool = False


class Taken(NamedTuple):
    """A step of the window: what the network computed, the actions, rewards and ends (1 or 0) of all workers."""

    step: Step
    actions: np.ndarray
    rewards: np.ndarray
    ends: np.ndarray


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
        inputs = math.prod(spaces.observation) + spaces.actions + 2
        self.network = RecurrentActorCritic(inputs, self.settings.lstm_units, spaces.actions, seed)
        constants = (self.settings.rmsprop_decay, self.settings.rmsprop_epsilon, self.settings.rmsprop_initial)
        self._optimizer = RMSProp(self.network.weights.flat.size, *constants)
        self.steps = 0
        self.new_trial()

    def new_trial(self) -> None:
        """Forget everything but what was learned: the start of an interaction with one environment.

        There is no previous action yet: one is drawn, by the same seed as actions are (Section 5; D10).
        """
        self._state = self.network.zero_state(self.workers)
        choices = 1 if self.released.starts_with_zero else self.spaces.actions
        self._last_action = self._one_hot(self._random.randint(choices, size=self.workers))
        self._last_reward = np.zeros(self.workers, np.float32)
        self._last_return = np.zeros(self.workers, np.float32)
        self._episode_step = np.zeros(self.workers, np.float32)
        self._start_window()

    def act(self, observation: np.ndarray) -> Any:
        """Sample an action (an int; with several workers an array) from the policy."""
        self._step = self.network.step(self._input(observation), *self._state)
        actions = self._sampled(self._step.logits)
        return int(actions[0]) if self.workers == 1 else actions

    def observe(self, observation: np.ndarray, action: Any, reward: Any, following: np.ndarray, ended: Any) -> None:
        """Remember a step; after every `update_steps` steps, learn from them."""
        self.steps += 1
        actions, rewards, ends = np.atleast_1d(action), np.atleast_1d(reward).astype(np.float32), np.atleast_1d(ended)
        self._window.append(Taken(self._step, actions, rewards, ends.astype(np.float32)))
        self._last_action = self._one_hot(actions)
        self._last_reward = rewards
        self._episode_step = np.where(ends, np.float32(0), self._episode_step + 1)
        keep = self._keep(ends)[:, None]
        self._state = (self._step.hidden * keep, self._step.cell * keep)
        if len(self._window) == self.settings.update_steps:
            if self.learning:
                self._update(following)
            self._start_window()

    def save(self, folder: Path | str, history: list[dict[str, Any]]) -> None:
        """Write weights, mean squares and card (see `policies`); `history` tells which trials they learned in."""
        save_policy(folder, self._learned(), self.network.weights.shapes, self._architecture(), self.spaces, history)

    def load(self, folder: Path | str) -> list[dict[str, Any]]:
        """Take over saved weights, and RMSProp's mean squares but for `restart_rmsprop`; returns their history.

        Call it at the start of a trial. Raises `PolicyError` where the policy does not fit.
        """
        wanted = self._learned()
        if self.settings.restart_rmsprop:
            del wanted[SQUARES]
        return load_policy(folder, wanted, self._architecture(), self.spaces)

    def _learned(self) -> dict[str, np.ndarray]:
        """What is passed on from one environment to the next (Section 5)."""
        return {WEIGHTS: self.network.weights.flat, SQUARES: self._optimizer.squares}

    def _architecture(self) -> dict[str, Any]:
        return {"agent": self.name, "lstm_units": self.settings.lstm_units}

    def _start_window(self) -> None:
        self._window: list[Taken] = []
        self._window_state = self._state

    def _keep(self, ends: np.ndarray) -> np.ndarray:
        """Per worker, 1 where the LSTM's state goes on to the next step and 0 where it is forgotten."""
        if self.forget_always:
            return np.zeros(self.workers, np.float32)
        return np.float32(1) - ends.astype(np.float32) * self.released.forgets

    def _input(self, observation: np.ndarray) -> np.ndarray:
        """Flattened state, one-hot previous action, previous reward, step: float32 of shape (workers, inputs)."""
        flat = np.asarray(observation, np.float32).reshape(self.workers, -1)
        step = (self._episode_step * self.step_scale)[:, None]
        return np.concatenate([flat, self._last_action, self._last_reward[:, None], step], axis=1, dtype=np.float32)

    def _one_hot(self, actions: np.ndarray) -> np.ndarray:
        """Float32 of shape (workers, actions)."""
        return (actions[:, None] == np.arange(self.spaces.actions)).astype(np.float32)

    def _sampled(self, logits: np.ndarray) -> np.ndarray:
        weights = np.exp(logits - logits.max(axis=1, keepdims=True)).cumsum(axis=1)
        chance = self._random.random_sample((self.workers, 1)) * weights[:, -1:]
        return np.minimum((weights <= chance).sum(axis=1), self.spaces.actions - 1)

    def _update(self, following: np.ndarray) -> None:
        """Learn from the window, whose last step led to the observation `following`."""
        value_after = self.network.step(self._input(following), *self._state).values
        steps, *rest = zip(*self._window, strict=True)
        actions, rewards, ends = (np.stack(parts) for parts in rest)
        returns = discounted_returns(rewards, ends, value_after, self.settings.discount)
        advantages = returns - np.stack([step.values for step in steps])
        # A window starts from the state as it then is, so there is nothing left to forget before its first step.
        keep = np.stack([np.ones(self.workers, np.float32), *(self._keep(end) for end in ends[:-1])])
        if self.released.shifted_inputs:
            steps = self._unrolled(self._shifted(steps, ends, returns), keep)
        # Otherwise the weights are still those that the steps were computed with: no need to compute them again.
        self._last_return = returns[-1]
        self.progress.append({"step": self.steps, **self._learn(steps, keep, actions, returns, advantages)})

    def _shifted(self, steps: tuple[Step, ...], ends: np.ndarray, returns: np.ndarray) -> np.ndarray:
        """The inputs as the released code's update has them (D4), (T, workers, inputs): those of after the step."""
        inputs = np.stack([step.inputs[:, : self.network.inputs] for step in steps])
        inputs[..., -2] = np.stack([self._last_return, *returns[:-1]])
        inputs[..., -1] = (1 - ends) * (inputs[..., -1] + np.float32(self.step_scale))
        return inputs

    def _unrolled(self, inputs: np.ndarray, keep: np.ndarray) -> tuple[Step, ...]:
        """The window's steps computed from these inputs, from the state before the window."""
        hidden, cell = self._window_state
        steps = []
        for now, kept in zip(inputs, keep[..., None], strict=True):
            steps.append(self.network.step(now, hidden * kept, cell * kept))
            hidden, cell = steps[-1].hidden, steps[-1].cell
        return tuple(steps)

    def _learn(
        self,
        steps: tuple[Step, ...],
        keep: np.ndarray,
        actions: np.ndarray,
        returns: np.ndarray,
        advantages: np.ndarray,
    ) -> dict[str, float]:
        """One step of A2C on a window (eq. 1): policy gradient, value loss, entropy; clipped; RMSProp.

        actions, returns and advantages have shape (T, workers); each part of the loss is a mean over all of them.
        """
        settings, share = self.settings, np.float32(1 / actions.size)
        logits, values = np.stack([step.logits for step in steps]), np.stack([step.values for step in steps])
        log_policy = log_softmax(logits)
        policy = np.exp(log_policy)
        entropies = -(policy * log_policy).sum(axis=-1)
        chosen = actions[..., None] == np.arange(self.spaces.actions)
        errors = values - returns

        logit_slopes = advantages[..., None] * (policy - chosen)
        logit_slopes += np.float32(settings.entropy_weight) * policy * (log_policy + entropies[..., None])
        value_slopes = np.float32(2 * settings.value_weight) * errors
        gradient = self.network.gradient(steps, keep, share * logit_slopes, share * value_slopes)
        norm = math.sqrt(gradient @ gradient)
        if norm > settings.max_gradient_norm:
            gradient *= np.float32(settings.max_gradient_norm / norm)
        self._optimizer.apply(self.network.weights.flat, gradient, settings.learning_rate)
        return {
            "entropy": float(share * entropies.sum()),
            "policy_loss": float(-share * (log_policy[chosen] @ advantages.ravel())),
            "value_loss": float(share * (errors.ravel() @ errors.ravel())),
            "explained_variance": explained_variance(errors, returns),
            "gradient_norm": norm,
        }


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithms of the probabilities, over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def explained_variance(errors: np.ndarray, returns: np.ndarray) -> float:
    """Share of the returns' variance that the values explain; 0 where the returns do not vary."""
    total = float(returns.var())
    return 1 - float(errors.var()) / total if total > 0 else 0.0


def discounted_returns(rewards: np.ndarray, ends: np.ndarray, bootstrap: np.ndarray, discount: float) -> np.ndarray:
    """n-step returns: R_t = r_t + discount R_(t+1), cut where an episode ends; bootstrap is R after the last step.

    rewards and ends have shape (T, B), bootstrap (B,); float32 of shape (T, B).
    """
    returns, following = np.empty_like(rewards), bootstrap
    for t in reversed(range(len(rewards))):
        following = rewards[t] + np.float32(discount) * (1 - ends[t]) * following
        returns[t] = following
    return returns


def make(trial: Trial) -> MetaA2C:
    """The agent for a trial."""
    released = Released(
        forgets=trial.config.released("D3"),
        shifted_inputs=trial.config.released("D4"),
        starts_with_zero=trial.config.released("D10"),
    )
    return MetaA2C(trial.spaces, trial.seed, trial.config.meta_settings(trial.space), released, trial.learning)
