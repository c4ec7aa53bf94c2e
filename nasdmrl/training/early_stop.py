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

from nasdmrl.config.sections import Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.space.costs import SCORING_BATCH
from nasdmrl.space.nsc import Network, Shape
from nasdmrl.training.layers import cross_entropy
from nasdmrl.training.networks import Chain, Model, build
from nasdmrl.training.optimizers import FusedAdam, learning_rate

Status = Literal["ok", "diverged", "out_of_memory"]
INDICES = tf.TensorSpec([None], tf.int32)


@dataclass(frozen=True)
class Outcome:
    """What came of one network's early-stop evaluation.

    accuracy: on the test images, in [0, 1] (0 unless the status is `ok`); hits: test images classified rightly, of
    those at even and at odd places of the test set; seconds: from building to scoring; cpu_seconds: of all threads of
    this process, without building and tracing, and tracing_seconds those.
    """

    accuracy: float
    status: Status
    seconds: float
    hits: tuple[int, int] = (0, 0)
    cpu_seconds: float = 0.0
    tracing_seconds: float = 0.0


class BatchStream:
    """Endless full batches of training images.

    Random orders of the images, drawn one after the other, are cut into batches across their borders, as shuffling and
    repeating before batching does in the authors' handler. An epoch is as many batches as one order fills, the last one
    completed from the next order: after e epochs the stream has given e x ceil(n / size) x size indices.
    """

    def __init__(self, images: np.ndarray, size: int, seed: int) -> None:
        self._images, self._size = images, size
        self._random = np.random.RandomState(seed)
        self._left = images[:0]

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-len(self._images) // self._size)

    def epoch(self) -> np.ndarray:
        """Indices of the next epoch's images, of shape (steps, size)."""
        count = self.steps * self._size
        while len(self._left) < count:
            self._left = np.concatenate([self._left, self._random.permutation(self._images)])
        indices, self._left = self._left[:count], self._left[count:]
        return indices.reshape(self.steps, self._size)


class Program:
    """A model with its optimiser, and the compiled functions that train it one step and score it.

    Images and labels are their arguments and the classes are open, so one program serves all datasets, seeds and
    repeats of a network: to trace it takes a fifth of a short training. step: of (images, labels, indices of a batch,
    learning rate), returns the loss. hits: of (images, labels, indices), whether each is classified rightly.
    """

    def __init__(self, model: Model | Chain, image_shape: Shape, recipe: Recipe) -> None:
        self.model = model
        self.adam = FusedAdam(model.trainable_variables, recipe.beta1, recipe.beta2, recipe.epsilon)
        self.step = compiled_step(model, self.adam, image_shape, recipe)
        self.hits = compiled_hits(model, image_shape, recipe)

    def restart(self, model: Model | Chain) -> None:
        """Take over the first weights of another model of the same layers; Adam forgets all."""
        for variable, first in zip(self.model.variables, model.variables, strict=True):
            variable.assign(first)
        self.adam.restart()


class Training:
    """A network's training on one part of `data` and its scoring on the other (Section 4), epoch by epoch.

    With `recipe.precision` bfloat16, maps and products are of that type, from the scaled image to the logits.
    """

    def __init__(self, program: Program, data: ImageData, recipe: Recipe) -> None:
        self.program, self.recipe, self.epochs_done = program, recipe, 0
        train, self._test = data.split(recipe.test_fraction, recipe.split_seed)
        self._batches = BatchStream(train, recipe.batch_size, recipe.seed)
        self._data = data.resident

    @property
    def steps(self) -> int:
        """Steps of an epoch, ceil(n / batch_size) for n training images; all batches are full."""
        return self._batches.steps

    @property
    def variables(self) -> list[Any]:
        """All that training changes, dropout's seeds too, in a fixed order."""
        return [*self.program.model.variables, *self.program.adam.variables]

    def rates(self) -> np.ndarray:
        """Learning rate of each step of the next epoch, float32; steps are counted through all epochs."""
        first = self.epochs_done * self.steps
        rates = [learning_rate(self.recipe, self.epochs_done, first + step) for step in range(self.steps)]
        return np.array(rates, np.float32)

    def epoch(self) -> float:
        """Train one epoch; the last batch's loss."""
        loss = float("nan")
        for batch, rate in zip(self._batches.epoch(), self.rates(), strict=True):
            loss = self.program.step(*self._data, tf.constant(batch), tf.constant(rate))
        self.epochs_done += 1
        return float(loss)

    def skip(self, epochs: int) -> None:
        """Go on as if so many epochs had been trained; their outcome must be put into `variables`."""
        for _ in range(epochs):
            self._batches.epoch()
        self.epochs_done += epochs

    def hits(self) -> np.ndarray:
        """For each test image, in the order of the split, whether its largest logit is its label's."""
        batches = range(0, len(self._test), SCORING_BATCH)
        parts = [self.program.hits(*self._data, tf.constant(self._test[i : i + SCORING_BATCH])) for i in batches]
        return np.concatenate([part.numpy() for part in parts])

    def score(self) -> float:
        """Accuracy in [0, 1]: share of test images whose largest logit is their label's."""
        return float(self.hits().mean())


def training_of(model: Model | Chain, data: ImageData, recipe: Recipe) -> Training:
    """The training of a model by a program of its own."""
    set_tf32(recipe)
    return Training(Program(model, data.shape, recipe), data, recipe)


class Trainer:
    """Trains and scores one network after the other; the program of the last one serves its further trainings."""

    def __init__(self) -> None:
        self._key: Any = None
        self._program: Program | None = None
        _set_libraries_aside()

    def __call__(self, network: Network, data: ImageData, recipe: Recipe) -> Outcome:
        """Train a valid network on the training part of `data`, score it on the rest.

        The same arguments give the same accuracy, bit for bit, on one kind of hardware with one number of threads.
        A loss that is not finite and memory that runs out end the training; the status says so.
        """
        start, started = time.monotonic(), time.process_time()
        try:
            program = self._prepared(network, data, recipe)
            traced = time.process_time()
            hits, status = _hits(Training(program, data, recipe))
        except (tf.errors.ResourceExhaustedError, MemoryError):
            self._forget()
            return Outcome(0.0, "out_of_memory", time.monotonic() - start)
        now = time.process_time()
        accuracy = float(hits.mean()) if len(hits) else 0.0
        halves = (int(hits[::2].sum()), int(hits[1::2].sum()))
        return Outcome(accuracy, status, time.monotonic() - start, halves, now - traced, traced - started)

    def _prepared(self, network: Network, data: ImageData, recipe: Recipe) -> Program:
        """The network's program with the first weights of this dataset and recipe."""
        key = (network, data.shape, recipe.model_copy(update={"seed": 0, "split_seed": 0}))
        if key != self._key:
            self._forget()
        set_tf32(recipe)
        model = build(network, data.shape, data.n_classes, recipe)
        if self._program is None:
            self._program, self._key = Program(model, data.shape, recipe), key
        else:
            self._program.restart(model)
        return self._program

    def _forget(self) -> None:
        self._program = self._key = None
        # TensorFlow keeps graphs in reference cycles; without this, memory grows with every network.
        gc.collect()


@cache
def _set_libraries_aside() -> None:
    """Keep what the libraries made on import, never garbage, out of each network's collection: ten times as fast."""
    gc.freeze()


def _hits(training: Training) -> tuple[np.ndarray, Status]:
    for _ in range(training.recipe.epochs):
        if not np.isfinite(training.epoch()):
            return np.zeros(0), "diverged"
    return training.hits(), "ok"


def set_tf32(recipe: Recipe) -> None:
    """Let GPUs that can, Ampere and newer, round to TensorFloat-32 only where the recipe says so.

    TensorFlow does it unless told otherwise, also where everything is declared float32.
    """
    tf.config.experimental.enable_tensor_float_32_execution(recipe.precision == "tf32")


def compiled_step(
    model: Model | Chain, optimizer: FusedAdam, image_shape: Shape, recipe: Recipe
) -> Callable[[Any, Any, Any, Any], Any]:
    """A function of (images, uint8; labels, int32; indices of a batch's images, int32; learning rate) that trains one
    step, returns the loss.

    A loop around the steps is not compiled with them: to trace it takes longer than it saves.
    """
    weights = model.trainable_variables
    batch_of_full_size, rate_of_step = tf.TensorSpec([recipe.batch_size], tf.int32), tf.TensorSpec([], tf.float32)
    arguments = [_images(image_shape), INDICES, batch_of_full_size, rate_of_step]

    @tf.function(input_signature=arguments, autograph=False, jit_compile=recipe.xla)
    def step(images: Any, labels: Any, batch: Any, rate: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = model(scaled(tf.gather(images, batch), recipe.precision), training=True)
            logits = tf.cast(outputs, tf.float32)
        loss, to_logits = cross_entropy(logits, tf.gather(labels, batch))
        # A bias that is left out has no gradient (see `layers.Convolution`): it is zero.
        none = tf.UnconnectedGradients.ZERO
        optimizer.apply(tape.gradient(logits, weights, to_logits, unconnected_gradients=none), rate)
        return loss

    return step.get_concrete_function()


def _images(image_shape: Shape) -> tf.TensorSpec:
    return tf.TensorSpec([None, *image_shape], tf.uint8)


def scaled(images: Any, precision: str = "float32") -> Any:
    """uint8 images as floats in [0, 1] (Section 1)."""
    return tf.cast(tf.cast(images, tf.float32) / 255.0, "bfloat16" if precision == "bfloat16" else "float32")


def compiled_hits(model: Model | Chain, image_shape: Shape, recipe: Recipe) -> Callable[[Any, Any, Any], Any]:
    """A function of (images, labels, indices of images) that says of each whether its largest logit is its label's."""

    arguments = [_images(image_shape), INDICES, INDICES]

    @tf.function(input_signature=arguments, autograph=False, jit_compile=recipe.xla)
    def hits(images: Any, labels: Any, batch: Any) -> Any:
        logits = model(scaled(tf.gather(images, batch), recipe.precision), training=False)
        return tf.argmax(logits, axis=1, output_type=tf.int32) == tf.gather(labels, batch)

    return hits.get_concrete_function()
