"""Early-stop training and scoring of one network (Section 4), fast and deterministic.

Images stay on the device as uint8; an epoch is one compiled call. The optimiser is TensorFlow's fused Adam
kernel: the mathematics of Keras's Adam in one pass over the weights instead of one for every operation.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from nasdmrl.config import Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.networks import build
from nasdmrl.nsc import Network
from nasdmrl.optimizers import FusedAdam

Status = Literal["ok", "diverged", "out_of_memory"]
SCORING_BATCH = 256


@dataclass(frozen=True)
class Outcome:
    """Test accuracy in [0, 1] (0 unless the status is `ok`), status, and seconds from building to scoring."""

    accuracy: float
    status: Status
    seconds: float


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """Adam's learning rate in epoch 0, 1, ...: x decay_factor every decay_epochs (Section 4; D1)."""
    return recipe.learning_rate * recipe.decay_factor ** (epoch // recipe.decay_epochs)


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
        # Keras and TensorFlow keep graphs in reference cycles; without this, memory grows with every network.
        keras.backend.clear_session()
        gc.collect()
    return Outcome(accuracy, status, time.monotonic() - start)


def _train_and_score(network: Network, data: ImageData, recipe: Recipe) -> tuple[float, Status]:
    train, test = data.split(recipe.train_fraction, recipe.split_seed)
    model = build(network, data.shape, data.n_classes, recipe)
    epoch = compiled_epoch(model, data, recipe)
    random = np.random.RandomState(recipe.seed)
    for number in range(recipe.epochs):
        loss = epoch(tf.constant(random.permutation(train)), learning_rate(recipe, number))
        if not np.isfinite(float(loss)):
            return 0.0, "diverged"
    return score(model, data, test), "ok"


def compiled_epoch(model: keras.Model, data: ImageData, recipe: Recipe) -> Callable[[Any, float], Any]:
    """A function of (order of training images, int32; learning rate) that trains one epoch, returns the last loss.

    The last batch is as short as it comes; batches have no fixed length, so it costs no second trace.
    """
    images, labels = data.resident
    step = _training_step(model, recipe)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.float32)], autograph=True)
    def epoch(order: Any, rate: Any) -> Any:
        loss = tf.constant(0.0)
        for first in tf.range(0, tf.shape(order)[0], recipe.batch_size):
            batch = order[first : first + recipe.batch_size]
            loss = step(tf.gather(images, batch), tf.gather(labels, batch), rate)
        return loss

    return epoch


def _training_step(model: keras.Model, recipe: Recipe) -> Callable[[Any, Any, Any], Any]:
    weights = [variable.value for variable in model.trainable_variables]
    adam = FusedAdam(weights, recipe.beta1, recipe.beta2, recipe.epsilon)

    def step(images: Any, labels: Any, rate: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(scaled(images), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        adam.apply(tape.gradient(loss, weights), rate)
        return loss

    return step


def scaled(images: Any) -> Any:
    """uint8 images as float32 in [0, 1] (Section 1)."""
    return tf.cast(images, tf.float32) / 255.0


def score(model: keras.Model, data: ImageData, indices: np.ndarray) -> float:
    """Share of these images whose largest logit is their label's."""
    images, labels = data.resident

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def correct(batch: Any) -> Any:
        logits = model(scaled(tf.gather(images, batch)), training=False)
        hits = tf.argmax(logits, axis=1, output_type=tf.int32) == tf.gather(labels, batch)
        return tf.math.count_nonzero(hits)

    batches = range(0, len(indices), SCORING_BATCH)
    hits = sum(int(correct(tf.constant(indices[first : first + SCORING_BATCH]))) for first in batches)
    return hits / len(indices)
