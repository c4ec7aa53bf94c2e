"""One step of a network of convolutions and poolings beside its parts, each measured alone."""

import math
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import tensorflow as tf

from benchmarks.table import seconds
from nasdmrl.config.sections import Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.space.nsc import LayerType, Network, Shape, shapes
from nasdmrl.training.early_stop import training_of
from nasdmrl.training.networks import build
from nasdmrl.training.optimizers import FusedAdam

REPEATS = 3


def step_and_parts(network: Network, data: ImageData, recipe: Recipe) -> tuple[float, dict[str, float]]:
    """Seconds of a step of training, and of each of its products and convolutions and of Adam's pass, by name."""
    tf.random.set_seed(1)  # random numbers must have a seed where operations are deterministic
    parts = {name: timed(work) for name, work in works(network, data, recipe)}
    shapes_of_weights = [
        weight.shape for weight in build(network, data.shape, data.n_classes, recipe).trainable_variables
    ]
    parts["one pass of fused Adam"] = timed(adams_pass(shapes_of_weights))
    return seconds_of_step(network, data, recipe), parts


def seconds_of_step(network: Network, data: ImageData, recipe: Recipe) -> float:
    training = training_of(build(network, data.shape, data.n_classes, recipe), data, recipe)
    training.epoch()
    return median(seconds(training.epoch) for _ in range(REPEATS)) / training.steps


def works(network: Network, data: ImageData, recipe: Recipe) -> Iterator[tuple[str, Callable[[], Any]]]:
    *known, merged = shapes(network, data.shape, recipe.filters_of)
    for index, layer in enumerate(network, start=1):
        if layer.type == LayerType.CONVOLUTION:
            yield from convolution(f"layer {index}", known[index - 1], known[index], layer.kernel, recipe)
    sizes = (math.prod(merged), recipe.dense_units, data.n_classes)
    for number in (1, 2):
        yield from product(f"dense {number}", recipe.batch_size, sizes[number - 1], sizes[number])


def convolution(
    name: str, inputs: Shape, outputs: Shape, size: int, recipe: Recipe
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The images get no gradient, so the first layer's is not measured."""
    x, to_outputs = (tf.random.uniform((recipe.batch_size, *shape)) for shape in (inputs, outputs))
    kernel = tf.random.uniform((size, size, inputs[2], outputs[2]))
    strides = {"strides": [1, 1, 1, 1], "padding": "VALID"}
    yield f"{name}: convolution", lambda: tf.nn.conv2d(x, kernel, **strides)
    yield (
        f"{name}: gradient to its kernel",
        lambda: tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=kernel.shape, out_backprop=to_outputs, **strides),
    )
    if name != "layer 1":
        yield (
            f"{name}: gradient to its input",
            lambda: tf.raw_ops.Conv2DBackpropInput(
                input_sizes=x.shape, filter=kernel, out_backprop=to_outputs, **strides
            ),
        )


def product(name: str, rows: int, inputs: int, outputs: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The gradient to the input by the faster of TensorFlow's two kernels."""
    x, weights, to_outputs = (
        tf.random.uniform(shape) for shape in ((rows, inputs), (inputs, outputs), (rows, outputs))
    )
    yield f"{name}: product", lambda: tf.matmul(x, weights)
    yield f"{name}: gradient to its input", lambda: tf.matmul(to_outputs[None], weights[None], transpose_b=True)
    yield f"{name}: gradient to its weights", lambda: tf.matmul(x, to_outputs, transpose_a=True)


def adams_pass(weights: list[Any]) -> Callable[[], None]:
    """An update of weights of these shapes."""
    variables, gradients = [tf.Variable(tf.zeros(shape)) for shape in weights], [tf.zeros(shape) for shape in weights]
    adam = FusedAdam(variables, 0.9, 0.999, 1e-7)
    return lambda: adam.apply(gradients, tf.constant(0.001))


def timed(work: Callable[[], Any]) -> float:
    """Median seconds of a compiled call."""
    compiled = tf.function(work, autograph=False)
    compiled()
    return median(seconds(compiled) for _ in range(REPEATS))
