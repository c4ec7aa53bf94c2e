"""The LSTM with a policy and a value head of deep meta-RL (Section 5, Figure 7): acting, and its gradient by hand."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nasdmrl.agents.weights import Weights, orthogonal

POLICY_SCALE, VALUE_SCALE = 0.01, 1.0
"""Scales of the heads' first weights: a nearly uniform policy, as in OpenAI Baselines."""


class Step(NamedTuple):
    """What one step of B sequences computed, as its gradient needs it; float32.

    inputs: (B, inputs + units), the input and the hidden state before the step; cell_before: (B, units); gates:
    (B, 4 units), those of input, forgetting and output, and the candidate, after their nonlinearities; squashed: tanh
    of the new cell state; hidden, cell: (B, units), the state after the step; logits: (B, actions); values: (B,).
    """

    inputs: np.ndarray
    cell_before: np.ndarray
    gates: np.ndarray
    squashed: np.ndarray
    hidden: np.ndarray
    cell: np.ndarray
    logits: np.ndarray
    values: np.ndarray


class RecurrentActorCritic:
    """Policy and value of a sequence of inputs; all methods take a batch of B sequences.

    inputs: length of an input; units: of the LSTM; actions: number of actions. The weights depend on the seed.
    """

    def __init__(self, inputs: int, units: int, actions: int, seed: int) -> None:
        random = np.random.RandomState(seed)
        self.inputs, self.units, self.actions = inputs, units, actions
        of_input, of_state = (orthogonal(random, rows, 4 * units) for rows in (inputs, units))
        heads = ((actions, POLICY_SCALE), (1, VALUE_SCALE))
        of_heads = [orthogonal(random, units, columns, scale) for columns, scale in heads]
        self.weights = Weights(
            {
                "lstm_weights": np.concatenate([of_input, of_state]),
                "lstm_bias": np.zeros(4 * units),
                "head_weights": np.concatenate(of_heads, axis=1),
                "head_bias": np.zeros(actions + 1),
            }
        )
        self._gradient = self.weights.zeros()

    def zero_state(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Hidden and cell state at the start of a trial: zeros of shape (B, units)."""
        return np.zeros((batch, self.units), np.float32), np.zeros((batch, self.units), np.float32)

    def step(self, inputs: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> Step:
        """One step of the LSTM (Hochreiter and Schmidhuber, 1997) and its heads, after inputs of shape (B, inputs)."""
        weights, units = self.weights, self.units
        joined = np.concatenate([inputs, hidden], axis=1)
        gates = joined @ weights["lstm_weights"]
        gates += weights["lstm_bias"]
        opening = gates[:, : 3 * units]
        opening *= np.float32(0.5)  # sigmoid(x) = (1 + tanh(x / 2)) / 2, which cannot overflow
        np.tanh(gates, out=gates)
        opening += np.float32(1)
        opening *= np.float32(0.5)
        into, forget, out, candidate = self._split(gates)
        new_cell = forget * cell
        new_cell += into * candidate
        squashed = np.tanh(new_cell)
        new_hidden = out * squashed
        heads = new_hidden @ weights["head_weights"]
        heads += weights["head_bias"]
        logits, values = heads[:, : self.actions], heads[:, self.actions]
        return Step(joined, cell, gates, squashed, new_hidden, new_cell, logits, values)

    def gradient(
        self, steps: Sequence[Step], keep: np.ndarray, logit_slopes: np.ndarray, value_slopes: np.ndarray
    ) -> np.ndarray:
        """The loss's gradient by all weights, through time; valid until the next call.

        steps: T steps one after the other, computed with the weights as they are; keep, of shape (T, B): the state
        before step t was multiplied by keep[t]; logit_slopes (T, B, actions) and value_slopes (T, B): the loss's
        derivatives by logits and values. The state before the first step is taken as given.
        """
        head_slopes = np.concatenate([logit_slopes, value_slopes[..., None]], axis=2)
        from_heads = head_slopes @ self.weights["head_weights"].T
        gate_slopes = _rows(self._gate_slopes(steps, keep[..., None], from_heads))
        joined, hidden = (np.concatenate(parts) for parts in zip(*((s.inputs, s.hidden) for s in steps), strict=True))
        head_slopes = _rows(head_slopes)
        gradient = self._gradient
        np.matmul(joined.T, gate_slopes, out=gradient["lstm_weights"])
        gate_slopes.sum(axis=0, out=gradient["lstm_bias"])
        np.matmul(hidden.T, head_slopes, out=gradient["head_weights"])
        head_slopes.sum(axis=0, out=gradient["head_bias"])
        return gradient.flat

    def _gate_slopes(self, steps: Sequence[Step], keep: np.ndarray, from_heads: np.ndarray) -> np.ndarray:
        """Derivatives by the gates before their nonlinearities, (T, B, 4 units), from the last step to the first."""
        gates, squashed, cell_before = (
            np.stack(parts) for parts in zip(*((s.gates, s.squashed, s.cell_before) for s in steps), strict=True)
        )
        into, forget, out, candidate = self._split(gates)
        to_cell = out * (1 - squashed * squashed)  # a new cell state's effect on the hidden state
        slopes = gates - gates * gates  # the sigmoid's slope, g (1 - g)
        by_into, by_forget, by_out, by_candidate = self._split(slopes)
        np.subtract(1, candidate * candidate, out=by_candidate)  # tanh's
        by_into *= candidate
        by_forget *= cell_before
        by_out *= squashed
        by_candidate *= into
        of_state = self.weights["lstm_weights"][self.inputs :].T
        hidden_slope = cell_slope = np.float32(0)
        for t in reversed(range(len(steps))):
            hidden_slope = hidden_slope + from_heads[t]
            cell_slope = cell_slope + hidden_slope * to_cell[t]
            by_into[t] *= cell_slope
            by_forget[t] *= cell_slope
            by_out[t] *= hidden_slope
            by_candidate[t] *= cell_slope
            hidden_slope = (slopes[t] @ of_state) * keep[t]
            cell_slope = cell_slope * forget[t] * keep[t]
        return slopes

    def _split(self, gates: np.ndarray) -> list[np.ndarray]:
        """Views of the four gates along the last axis, each of `units`."""
        return [gates[..., start : start + self.units] for start in range(0, 4 * self.units, self.units)]


def _rows(steps: np.ndarray) -> np.ndarray:
    """An array of shape (T, B, n) as one of shape (T B, n)."""
    return steps.reshape(-1, steps.shape[-1])
