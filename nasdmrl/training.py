"""Training and scoring of one network (Section 4), fast and deterministic.

Images stay on the device as uint8; a step, from the choice of a batch's images to the optimiser, is one compiled
call. What makes it fast, and how that was measured, is in docs/performance_training.md.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from nasdmrl.costs import SCORING_BATCH
from nasdmrl.data.images import ImageData
from nasdmrl.layers import cross_entropy
from nasdmrl.networks import Chain, Model, build
from nasdmrl.nsc import Network
from nasdmrl.optimizers import FusedAdam
from nasdmrl.sections import Recipe

Status = Literal["ok", "diverged", "out_of_memory"]
INDICES = tf.TensorSpec([None], tf.int32)


@dataclass(frozen=True)
class Outcome:
    """Test accuracy in [0, 1] (0 unless the status is `ok`), status, and seconds from building to scoring."""

    accuracy: float
    status: Status
    seconds: float


def train_and_score(network: Network, data: ImageData, recipe: Recipe) -> Outcome:
    """Train a valid network on the training part of `data`, score it on the rest.

    The same arguments give the same accuracy, bit for bit, on one kind of hardware with one number of threads.
    A loss that is not finite and memory that runs out end the training; the status says so.
    """
    start = time.monotonic()
    _set_libraries_aside()
    try:
        accuracy, status = _train_and_score(network, data, recipe)
    except (tf.errors.ResourceExhaustedError, MemoryError):
        accuracy, status = 0.0, "out_of_memory"
    finally:
        # TensorFlow keeps graphs in reference cycles; without this, memory grows with every network.
        gc.collect()
    return Outcome(accuracy, status, time.monotonic() - start)


@cache
def _set_libraries_aside() -> None:
    """Keep what the libraries made on import, never garbage, out of each network's collection: ten times as fast."""
    gc.freeze()


def _train_and_score(network: Network, data: ImageData, recipe: Recipe) -> tuple[float, Status]:
    training = Training(build(network, data.shape, data.n_classes, recipe), data, recipe)
    for _ in range(recipe.epochs):
        if not np.isfinite(training.epoch()):
            return 0.0, "diverged"
    return training.score(), "ok"


class Training:
    """A model that is trained on one part of `data` and scored on the other (Section 4), epoch by epoch.

    model: as `networks.build` and `networks.build_vgg19_cut` make it. With `recipe.precision` bfloat16, maps and
    products are of that type, from the scaled image to the logits.
    """

    def __init__(self, model: Model | Chain, data: ImageData, recipe: Recipe) -> None:
        self.model, self.recipe, self.epochs_done = model, recipe, 0
        self._train, self._test = data.split(recipe.train_fraction, recipe.split_seed)
        self._random = np.random.RandomState(recipe.seed)
        self._adam = FusedAdam(model.trainable_variables, recipe.beta1, recipe.beta2, recipe.epsilon)
        self._step = compiled_step(model, self._adam, data, recipe)
        self._hits = compiled_hits(model, data, recipe)

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last batch is as short as it comes."""
        return -(-len(self._train) // self.recipe.batch_size)

    @property
    def variables(self) -> list[Any]:
        """All that training changes, dropout's seeds too, in a fixed order."""
        return [*self.model.variables, *self._adam.variables]

    def rates(self) -> np.ndarray:
        """Learning rate of each step of the next epoch, float32."""
        first = self.epochs_done * self.steps
        rates = [self.recipe.rate(self.epochs_done, first + step) for step in range(self.steps)]
        return np.array(rates, np.float32)

    def epoch(self) -> float:
        """Train one epoch; the last batch's loss."""
        order, size, loss = self._random.permutation(self._train), self.recipe.batch_size, float("nan")
        for step, rate in enumerate(self.rates()):
            loss = self._step(tf.constant(order[step * size : (step + 1) * size]), tf.constant(rate))
        self.epochs_done += 1
        return float(loss)

    def skip(self, epochs: int) -> None:
        """Go on as if so many epochs had been trained; their outcome must be put into `variables`."""
        for _ in range(epochs):
            self._random.permutation(self._train)
        self.epochs_done += epochs

    def score(self) -> float:
        """Accuracy in [0, 1]: share of test images whose largest logit is their label's."""
        batches = range(0, len(self._test), SCORING_BATCH)
        hits = sum(int(self._hits(tf.constant(self._test[first : first + SCORING_BATCH]))) for first in batches)
        return hits / len(self._test)


def compiled_step(
    model: Model | Chain, optimizer: FusedAdam, data: ImageData, recipe: Recipe
) -> Callable[[Any, Any], Any]:
    """A function of (indices of a batch's images, int32; learning rate) that trains one step, returns the loss.

    Batches have no fixed length, so the short last one costs no second trace. A loop around the steps is not compiled
    with them: to trace it takes longer than it saves.
    """
    (images, labels), weights = data.resident, model.trainable_variables

    @tf.function(input_signature=[INDICES, tf.TensorSpec([], tf.float32)], autograph=False, jit_compile=recipe.xla)
    def step(batch: Any, rate: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = model(scaled(tf.gather(images, batch), recipe.precision), training=True)
            logits = tf.cast(outputs, tf.float32)
        loss, to_logits = cross_entropy(logits, tf.gather(labels, batch))
        # A bias that is left out has no gradient (see `layers.Convolution`): it is zero.
        none = tf.UnconnectedGradients.ZERO
        optimizer.apply(tape.gradient(logits, weights, to_logits, unconnected_gradients=none), rate)
        return loss

    return step.get_concrete_function()


def scaled(images: Any, precision: str = "float32") -> Any:
    """uint8 images as floats in [0, 1] (Section 1)."""
    return tf.cast(tf.cast(images, tf.float32) / 255.0, precision)


def compiled_hits(model: Model | Chain, data: ImageData, recipe: Recipe) -> Callable[[Any], Any]:
    """A function of indices of images, int32, that counts those whose largest logit is their label's."""
    images, labels = data.resident

    @tf.function(input_signature=[INDICES], autograph=False, jit_compile=recipe.xla)
    def hits(batch: Any) -> Any:
        logits = model(scaled(tf.gather(images, batch), recipe.precision), training=False)
        correct = tf.argmax(logits, axis=1, output_type=tf.int32) == tf.gather(labels, batch)
        return tf.math.count_nonzero(correct)

    return hits.get_concrete_function()
