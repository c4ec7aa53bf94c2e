"""Adam by TensorFlow's fused kernel: one pass over the weights instead of one for every operation."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from nasdmrl.config.sections import LongRecipe, Recipe


def learning_rate(recipe: Recipe, epoch: int, step: int) -> float:
    """Adam's learning rate in epoch 0, 1, ..., before step 0, 1, ... of the whole training.

    Early stop: x decay_factor every decay_epochs (Section 4; D1). A long training: exponential decay (Section 7).
    """
    passed = step / recipe.decay_steps if isinstance(recipe, LongRecipe) else epoch // recipe.decay_epochs
    return recipe.learning_rate * recipe.decay_factor**passed


class FusedAdam:
    """Adam (Kingma and Ba, 2015); equal to Keras's Adam to rounding."""

    def __init__(self, weights: Sequence[Any], beta1: float, beta2: float, epsilon: float) -> None:
        self._weights, self._constants = weights, {"beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        self._first = [tf.Variable(tf.zeros_like(w), trainable=False, shape=w.shape) for w in weights]
        self._second = [tf.Variable(tf.zeros_like(w), trainable=False, shape=w.shape) for w in weights]
        self._steps = tf.Variable(0.0, trainable=False)

    @property
    def variables(self) -> list[Any]:
        """What it remembers between two updates, in a fixed order."""
        return [self._steps, *self._first, *self._second]

    def restart(self) -> None:
        """Forget all updates."""
        self._steps.assign(0.0)
        for weight, first, second in zip(self._weights, self._first, self._second, strict=True):
            first.assign(tf.zeros_like(weight))
            second.assign(tf.zeros_like(weight))

    def apply(self, gradients: Sequence[Any], rate: Any) -> None:
        """One update of all weights at this learning rate.

        It waits for all gradients: a weight that is updated while a gradient still reads its old value is copied
        first, and the first dense layer's, without pooling, take up to a gigabyte.
        """
        with tf.control_dependencies([tf.group(*gradients)]):
            self._apply(gradients, rate)

    def _apply(self, gradients: Sequence[Any], rate: Any) -> None:
        steps = self._steps.assign_add(1.0)
        constants = {name: tf.constant(value) for name, value in self._constants.items()}
        powers = {f"{name}_power": tf.pow(constants[name], steps) for name in ("beta1", "beta2")}
        for weight, m, v, gradient in zip(self._weights, self._first, self._second, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle, m=m.handle, v=v.handle, grad=gradient, lr=rate, **powers, **constants
            )
