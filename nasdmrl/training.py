"""Training and scoring of one network (Section 4), fast and deterministic.

Images stay on the device as uint8; an epoch is one compiled call. The optimiser is TensorFlow's fused Adam
kernel: the mathematics of Keras's Adam in one pass over the weights instead of one for every operation.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from nasdmrl.data.images import ImageData
from nasdmrl.networks import build
from nasdmrl.nsc import Network
from nasdmrl.optimizers import FusedAdam
from nasdmrl.sections import Recipe

Status = Literal["ok", "diverged", "out_of_memory"]
SCORING_BATCH = 256


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
    try:
        accuracy, status = _train_and_score(network, data, recipe)
    except (tf.errors.ResourceExhaustedError, MemoryError):
        accuracy, status = 0.0, "out_of_memory"
    finally:
        # TensorFlow keeps graphs in reference cycles; without this, memory grows with every network.
        gc.collect()
    return Outcome(accuracy, status, time.monotonic() - start)


def _train_and_score(network: Network, data: ImageData, recipe: Recipe) -> tuple[float, Status]:
    training = Training(build(network, data.shape, data.n_classes, recipe), data, recipe)
    for _ in range(recipe.epochs):
        if not np.isfinite(training.epoch()):
            return 0.0, "diverged"
    return training.score(), "ok"


class Training:
    """A model that is trained on one part of `data` and scored on the other (Section 4), epoch by epoch.

    model: as `networks.build` makes it.
    """

    def __init__(self, model: Any, data: ImageData, recipe: Recipe) -> None:
        self.model, self.recipe, self.epochs_done = model, recipe, 0
        self._train, self._test = data.split(recipe.train_fraction, recipe.split_seed)
        self._random = np.random.RandomState(recipe.seed)
        self._adam = FusedAdam(model.trainable_variables, recipe.beta1, recipe.beta2, recipe.epsilon)
        self._epoch = compiled_epoch(model, self._adam, data, recipe)
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
        loss = self._epoch(tf.constant(self._random.permutation(self._train)), tf.constant(self.rates()))
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


def compiled_epoch(model: Any, optimizer: FusedAdam, data: ImageData, recipe: Recipe) -> Callable[[Any, Any], Any]:
    """A function of (order of training images, int32; rate of each step) that trains one epoch, returns the last loss.

    Batches have no fixed length, so the short last one costs no second trace.
    """
    (images, labels), size = data.resident, recipe.batch_size
    step = _training_step(model, optimizer, recipe)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.float32)], autograph=False)
    def epoch(order: Any, rates: Any) -> Any:
        def body(number: Any, loss: Any) -> Any:
            batch = order[number * size : (number + 1) * size]
            return number + 1, step(tf.gather(images, batch), tf.gather(labels, batch), rates[number])

        return tf.while_loop(lambda number, loss: number < tf.size(rates), body, (0, 0.0))[1]

    return epoch


def _training_step(model: Any, optimizer: FusedAdam, recipe: Recipe) -> Callable[[Any, Any, Any], Any]:
    weights = model.trainable_variables

    def step(images: Any, labels: Any, rate: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = tf.cast(model(scaled(images, recipe.precision), training=True), tf.float32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO), rate)
        return loss

    return tf.function(step, autograph=False, jit_compile=True) if recipe.xla else step


def scaled(images: Any, precision: str = "float32") -> Any:
    """uint8 images as floats in [0, 1] (Section 1)."""
    return tf.cast(tf.cast(images, tf.float32) / 255.0, precision)


def compiled_hits(model: Any, data: ImageData, recipe: Recipe) -> Callable[[Any], Any]:
    """A function of indices of images, int32, that counts those whose largest logit is their label's."""
    images, labels = data.resident

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
    def hits(batch: Any) -> Any:
        logits = model(scaled(tf.gather(images, batch), recipe.precision), training=False)
        correct = tf.argmax(logits, axis=1, output_type=tf.int32) == tf.gather(labels, batch)
        return tf.math.count_nonzero(correct)

    return hits
