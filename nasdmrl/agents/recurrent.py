"""The LSTM with a policy and a value head of deep meta-RL (Section 5, Figure 7)."""

from typing import Any

import numpy as np
import tensorflow as tf

POLICY_SCALE, VALUE_SCALE = 0.01, 1.0
"""Scales of the heads' first weights: a nearly uniform policy, as in OpenAI Baselines."""


def orthogonal(random: np.random.RandomState, rows: int, columns: int, scale: float = 1.0) -> np.ndarray:
    """A random matrix with orthogonal rows or columns (Saxe et al., 2014), float32."""
    flat = random.normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(flat)
    q = q * np.sign(np.diag(r))
    return (scale * (q if rows >= columns else q.T)).astype(np.float32)


class RecurrentActorCritic(tf.Module):
    """Policy and value of a sequence of inputs; all methods take a batch of B sequences.

    inputs: length of an input; units: of the LSTM; actions: number of actions. The weights depend on the seed.
    """

    def __init__(self, inputs: int, units: int, actions: int, seed: int) -> None:
        super().__init__()
        random = np.random.RandomState(seed)
        self.units = units
        self.input_weights = tf.Variable(orthogonal(random, inputs, 4 * units), name="input_weights")
        self.state_weights = tf.Variable(orthogonal(random, units, 4 * units), name="state_weights")
        self.bias = tf.Variable(tf.zeros(4 * units), name="bias")
        self.policy_weights = tf.Variable(orthogonal(random, units, actions, POLICY_SCALE), name="policy_weights")
        self.policy_bias = tf.Variable(tf.zeros(actions), name="policy_bias")
        self.value_weights = tf.Variable(orthogonal(random, units, 1, VALUE_SCALE), name="value_weights")
        self.value_bias = tf.Variable(tf.zeros(1), name="value_bias")

    def zero_state(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Hidden and cell state at the start of a trial: zeros of shape (B, units)."""
        return np.zeros((batch, self.units), np.float32), np.zeros((batch, self.units), np.float32)

    def cell(self, inputs: Any, hidden: Any, cell: Any) -> tuple[Any, Any]:
        """One step of the LSTM (Hochreiter and Schmidhuber, 1997): new hidden and cell state."""
        gates = inputs @ self.input_weights + hidden @ self.state_weights + self.bias
        into, forget, out, candidate = tf.split(gates, 4, axis=1)
        cell = tf.sigmoid(forget) * cell + tf.sigmoid(into) * tf.tanh(candidate)
        return tf.sigmoid(out) * tf.tanh(cell), cell

    def heads(self, hidden: Any) -> tuple[Any, Any]:
        """Logits of shape (B, actions) and values of shape (B,)."""
        logits = hidden @ self.policy_weights + self.policy_bias
        return logits, tf.squeeze(hidden @ self.value_weights + self.value_bias, axis=1)

    def step(self, inputs: Any, hidden: Any, cell: Any) -> tuple[Any, Any, Any, Any]:
        """Logits, values, hidden and cell state after inputs of shape (B, inputs)."""
        hidden, cell = self.cell(inputs, hidden, cell)
        return *self.heads(hidden), hidden, cell

    def unroll(self, inputs: Any, keep: Any, hidden: Any, cell: Any) -> tuple[Any, Any]:
        """Logits (T, B, actions) and values (T, B) of inputs (T, B, inputs), from a state before them.

        keep, of shape (T, B): the state before step t is multiplied by keep[t] (0 forgets it).
        """
        logits, values = [], []
        for now, kept in zip(tf.unstack(inputs), tf.unstack(keep[..., None]), strict=True):
            hidden, cell = self.cell(now, hidden * kept, cell * kept)
            logit, value = self.heads(hidden)
            logits.append(logit)
            values.append(value)
        return tf.stack(logits), tf.stack(values)
