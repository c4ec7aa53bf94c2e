"""From a Neural Structure Code to a model that can be trained (Section 1)."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Any

import tensorflow as tf

from nasdmrl.config.sections import LongRecipe, Recipe
from nasdmrl.space.nsc import Layer, LayerType, Network, Shape, convolution_filters, leaves, shapes
from nasdmrl.training import layers

# Layers of one network get seeds of their own from the recipe's; no network has so many layers.
SEEDS_PER_NETWORK = 1000
MERGES = {LayerType.ADDITION: layers.addition, LayerType.CONCATENATION: layers.concatenation}


class Chain(tf.Module):
    """Layers one after the other."""

    def __init__(self, *parts: Callable[..., Any]) -> None:
        super().__init__()
        self.parts = parts

    def __call__(self, maps: Any, training: bool) -> Any:
        """Outputs of the last layer."""
        return reduce(lambda outputs, part: part(outputs, training), self.parts, maps)


class Model(tf.Module):
    """A network with its weights, and its prediction module.

    trainable_variables and variables (with statistics and dropout's seed) are in the order of the layers.
    """

    def __init__(self, network: Network, parts: Sequence[Callable[..., Any] | None], prediction: Chain) -> None:
        super().__init__()
        self.parts: list[Any] = [*parts, prediction]
        self._inputs, self._leaves = [layer.predecessors for layer in network], leaves(network)

    def features(self, images: Any, training: bool = False) -> Any:
        """The leaves' maps, concatenated, of images in [0, 1] of shape (n, height, width, channels)."""
        maps = [images]
        for part, inputs in zip(self.parts, self._inputs, strict=False):
            maps.append(part(*(maps[index] for index in inputs), training) if inputs else maps[-1])
        return reduce(lambda a, b: layers.concatenation(a, b, training), (maps[index] for index in self._leaves))

    def __call__(self, images: Any, training: bool = False) -> Any:
        """Logits (n, n_classes); the softmax of Section 1 is left to the loss."""
        return self.parts[-1](self.features(images, training), training)


def build(network: Network, input_shape: Shape, n_classes: int, recipe: Recipe) -> Model:
    """The network as a model. Its first weights depend on `recipe.seed` alone.

    Raises `InvalidNetworkError` for a network that cannot be built on images of this shape.
    """
    *known, features = shapes(network, input_shape, recipe.filters_of)
    filters = convolution_filters(network, recipe.filters_of)
    parts = [
        _part(layer, known[layer.pred1][2], filters[index - 1], recipe, _seed(recipe, index))
        for index, layer in enumerate(network, start=1)
    ]
    return Model(network, parts, _prediction_module(features, n_classes, recipe))


def _seed(recipe: Recipe, index: int) -> int:
    return recipe.seed * SEEDS_PER_NETWORK + index


def _part(layer: Layer, channels: int, filters: int, recipe: Recipe, seed: int) -> Callable[..., Any] | None:
    if layer.type == LayerType.CONVOLUTION:
        return _cell(layer.kernel, channels, filters, recipe, seed)
    if layer.type == LayerType.MAX_POOLING:
        return _max_pooling(layer.kernel, recipe)
    if layer.type == LayerType.AVERAGE_POOLING:
        return layers.Pooling("AVG", layer.kernel)
    return MERGES.get(layer.type)


def _max_pooling(size: int, recipe: Recipe) -> layers.Pooling | layers.WindowMax:
    return layers.WindowMax(size) if recipe.xla else layers.Pooling("MAX", size)


def _cell(size: int, channels: int, filters: int, recipe: Recipe, seed: int) -> Chain:
    """Pre-activation cell: ReLU, convolution without padding, batch normalisation (D2: with fixed statistics)."""
    frozen = recipe.frozen_norm
    convolution = layers.Convolution(channels, filters, size, seed, without_bias=not frozen)
    norm = layers.Normalization(filters, recipe.norm_momentum, recipe.norm_epsilon, frozen)
    return Chain(layers.relu, convolution, norm)


def _prediction_module(features: Shape, n_classes: int, recipe: Recipe) -> Chain:
    """Flatten, dense ReLU, dropout, dense (Section 1)."""
    first, last = (_seed(recipe, -index) % 2**31 for index in (1, 2))
    hidden = layers.Dense(math.prod(features), recipe.dense_units, first)
    dropout = layers.Dropout(recipe.dropout, recipe.seed)
    logits = layers.Dense(recipe.dense_units, n_classes, last, open_units=True)
    return Chain(layers.flatten, hidden, layers.relu, dropout, logits)


def build_vgg19_cut(input_shape: Shape, n_classes: int, recipe: LongRecipe) -> Chain:
    """VGG19 (Simonyan and Zisserman, 2015) cut to its first two blocks (Section 7), to logits of (n, n_classes)."""
    height, width, channels = input_shape
    first, second, units = recipe.vgg_filters, 2 * recipe.vgg_filters, recipe.dense_units
    seeds = (_seed(recipe, index) for index in itertools.count(1))
    blocks = [*_vgg_block(channels, first, seeds, recipe), *_vgg_block(first, second, seeds, recipe)]
    sizes = [(height // 4) * (width // 4) * second, units]
    dense = [part for size in sizes for part in (layers.Dense(size, units, next(seeds)), layers.relu)]
    return Chain(*blocks, layers.flatten, *dense, layers.Dense(units, n_classes, next(seeds)))


def _vgg_block(channels: int, filters: int, seeds: Iterator[int], recipe: LongRecipe) -> list[Callable[..., Any]]:
    """Two convolutions of 3 x 3 with padding and ReLU, then max pooling by 2."""
    parts: list[Callable[..., Any]] = []
    for inputs in (channels, filters):
        parts += [layers.Convolution(inputs, filters, 3, next(seeds), padding="SAME"), layers.relu]
    return [*parts, _max_pooling(2, recipe)]
