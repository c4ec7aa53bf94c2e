"""Optimisers on flat float32 vectors, as TensorFlow 1 has them."""

import math

import numpy as np

FLOOR = np.float32(1e-30)
"""Added to moments at each update, far below what changes a weight. Moments of weights that have no gradient fall for
ever; without a floor they reach the denormal numbers, which take a processor a hundred times as long."""


class RMSProp:
    """RMSProp (Hinton, 2012) as in TensorFlow 1: epsilon is below the root; mean squares start at `initial`.

    squares = decay squares + (1 - decay) g^2; weights -= rate g / sqrt(squares + epsilon). `squares` is all that it
    remembers between two updates.
    """

    def __init__(self, size: int, decay: float, epsilon: float, initial: float) -> None:
        self.squares = np.full(size, initial, np.float32)
        self._decay, self._epsilon = np.float32(decay), np.float32(epsilon)
        self._scratch = np.empty(size, np.float32)

    def apply(self, weights: np.ndarray, gradient: np.ndarray, rate: float) -> None:
        """One update of `weights` in place; `gradient` is left as it is."""
        squares, scratch = self.squares, self._scratch
        squares *= self._decay
        np.multiply(gradient, gradient, out=scratch)
        scratch *= 1 - self._decay
        scratch += FLOOR
        squares += scratch
        np.add(squares, self._epsilon, out=scratch)
        np.sqrt(scratch, out=scratch)
        np.divide(gradient, scratch, out=scratch)
        scratch *= np.float32(rate)
        weights -= scratch


class Adam:
    """Adam (Kingma and Ba, 2015) as in TensorFlow 1: epsilon is added to the root of the uncorrected second moment.

    m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
    weights -= rate sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon) at update t = 1, 2, ... So epsilon is
    the paper's "epsilon hat", not the one of its Algorithm 1.
    """

    def __init__(self, size: int, beta1: float, beta2: float, epsilon: float) -> None:
        # Kept as m / (1 - beta1) and v / (1 - beta2), which takes fewer passes.
        self._first, self._second, self._scratch = np.zeros((3, size), np.float32)
        self._beta1, self._beta2, self._epsilon = beta1, beta2, epsilon
        self._updates = 0

    def apply(self, weights: np.ndarray, gradient: np.ndarray, rate: float) -> None:
        """One update of `weights` in place; `gradient` is left as it is."""
        self._updates += 1
        first, second, scratch = self._first, self._second, self._scratch
        first *= np.float32(self._beta1)
        first += gradient
        first += FLOOR
        np.multiply(gradient, gradient, out=scratch)
        second *= np.float32(self._beta2)
        second += scratch
        second += FLOOR
        np.sqrt(second, out=scratch)
        root = math.sqrt(1 - self._beta2)
        scratch += np.float32(self._epsilon / root)
        np.divide(first, scratch, out=scratch)
        corrected = rate * math.sqrt(1 - self._beta2**self._updates) / (1 - self._beta1**self._updates)
        scratch *= np.float32(corrected * (1 - self._beta1) / root)
        weights -= scratch
