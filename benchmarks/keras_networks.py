"""Networks of Keras's layers: what the package's plain functions must compute, and the naive way of the benchmarks."""

import itertools
from collections.abc import Iterator
from functools import reduce
from typing import Any

import keras

from nasdmrl.config.sections import LongRecipe, Recipe
from nasdmrl.space.nsc import Layer, LayerType, Network, Shape, convolution_filters, leaves

# Layers of one network get seeds of their own from the recipe's; no network has so many layers.
SEEDS_PER_NETWORK = 1000


def build(network: Network, input_shape: Shape, n_classes: int, recipe: Recipe) -> keras.Model:
    """The network with its prediction module; maps float images in [0, 1] to logits of shape (n, n_classes).

    The softmax of Section 1 is left to the loss. Weights depend on `recipe.seed` alone. The network must be
    valid (see `nsc.is_valid`).
    """
    image = keras.Input(input_shape)
    maps, filters = [image], convolution_filters(network, recipe.filters_of)
    for index, layer in enumerate(network, start=1):
        inputs, seed = [maps[i] for i in layer.predecessors], _seed(recipe, index)
        maps.append(_layer(layer, inputs, filters[index - 1], recipe, seed) if inputs else maps[-1])
    features = reduce(_concatenation, [maps[index] for index in leaves(network)])
    return keras.Model(image, _prediction_module(features, n_classes, recipe))


def _seed(recipe: Recipe, index: int) -> int:
    return recipe.seed * SEEDS_PER_NETWORK + index


def _layer(layer: Layer, inputs: list[Any], filters: int, recipe: Recipe, seed: int) -> Any:
    if layer.type == LayerType.CONVOLUTION:
        return _convolution(inputs[0], layer.kernel, filters, recipe, seed)
    if layer.type == LayerType.MAX_POOLING:
        return keras.layers.MaxPooling2D(layer.kernel)(inputs[0])
    if layer.type == LayerType.AVERAGE_POOLING:
        return keras.layers.AveragePooling2D(layer.kernel)(inputs[0])
    return (_addition if layer.type == LayerType.ADDITION else _concatenation)(*inputs)


def _convolution(inputs: Any, kernel: int, filters: int, recipe: Recipe, seed: int) -> Any:
    """Pre-activation cell: ReLU, convolution without padding, batch normalisation (D2: with fixed statistics)."""
    weights = keras.initializers.GlorotUniform(seed=seed)
    outputs = keras.layers.Conv2D(filters, kernel, kernel_initializer=weights)(keras.layers.ReLU()(inputs))
    norm = FrozenNormalization if recipe.frozen_norm else keras.layers.BatchNormalization
    return norm(momentum=recipe.norm_momentum, epsilon=recipe.norm_epsilon)(outputs)


class FrozenNormalization(keras.layers.BatchNormalization):
    """Batch normalisation of the released code (D2): its first statistics in training too, scale and shift learned."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise with the moving statistics, which therefore stay as they are."""
        return super().call(inputs, training=False, mask=mask)


def _addition(a: Any, b: Any) -> Any:
    return keras.layers.Add()(_padded(a, b))


def _concatenation(a: Any, b: Any) -> Any:
    return keras.layers.Concatenate()(_padded(a, b))


def _padded(a: Any, b: Any) -> list[Any]:
    """Zeros around both up to the larger height, width and channels; the odd one goes after (Section 1)."""
    target = [max(sizes) for sizes in zip(a.shape[1:], b.shape[1:], strict=True)]
    padded = []
    for maps in (a, b):
        missing = [size - have for size, have in zip(target, maps.shape[1:], strict=True)]
        around = [(count // 2, count - count // 2) for count in missing]
        padded.append(keras.ops.pad(maps, [(0, 0), *around]) if any(missing) else maps)
    return padded


def _prediction_module(features: Any, n_classes: int, recipe: Recipe) -> Any:
    """Flatten, dense ReLU, dropout, dense (Section 1)."""
    first, last = (keras.initializers.GlorotUniform(seed=_seed(recipe, -i) % 2**31) for i in (1, 2))
    hidden = keras.layers.Flatten()(features)
    hidden = keras.layers.Dense(recipe.dense_units, activation="relu", kernel_initializer=first)(hidden)
    hidden = keras.layers.Dropout(recipe.dropout, seed=recipe.seed)(hidden)
    return keras.layers.Dense(n_classes, kernel_initializer=last)(hidden)


def build_vgg19_cut(input_shape: Shape, n_classes: int, recipe: LongRecipe) -> keras.Model:
    """VGG19 (Simonyan and Zisserman, 2015) cut to its first two blocks (Section 7), to logits of (n, n_classes)."""
    image = keras.Input(input_shape)
    seeds = (_seed(recipe, index) for index in itertools.count(1))
    maps = _vgg_block(image, recipe.vgg_filters, seeds)
    hidden = keras.layers.Flatten()(_vgg_block(maps, 2 * recipe.vgg_filters, seeds))
    for _ in range(2):
        hidden = keras.layers.Dense(recipe.dense_units, activation="relu", kernel_initializer=_glorot(seeds))(hidden)
    return keras.Model(image, keras.layers.Dense(n_classes, kernel_initializer=_glorot(seeds))(hidden))


def _vgg_block(maps: Any, filters: int, seeds: Iterator[int]) -> Any:
    """Two convolutions of 3 x 3 with padding and ReLU, then max pooling by 2."""
    for _ in range(2):
        weights = _glorot(seeds)
        maps = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer=weights)(maps)
    return keras.layers.MaxPooling2D(2)(maps)


def _glorot(seeds: Iterator[int]) -> keras.Initializer:
    return keras.initializers.GlorotUniform(seed=next(seeds))
