"""Size and cost of a network by formula, without TensorFlow: parameters, FLOPs and density."""

import itertools
import math
from dataclasses import dataclass

from nasdmrl.config.sections import LongRecipe, Recipe
from nasdmrl.space.nsc import MERGES, POOLINGS, Layer, LayerType, Network, Shape, shapes

SCORING_BATCH = 256
"""Images that are scored at once."""


@dataclass(frozen=True)
class Costs:
    """Trainable parameters; floating-point operations of one image's forward pass; edges by nodes."""

    parameters: int
    flops: int
    density: float


def costs(network: Network, input_shape: Shape, n_classes: int, recipe: Recipe) -> Costs:
    """Costs of the network with its prediction module (Section 1).

    A multiplication and an addition are two operations. For each value, ReLU counts one operation, batch
    normalisation two (scale and shift), a merge one, and pooling one for every pixel that it reads. Density is
    BlockQNN's: edges by nodes of the graph of image and layers.
    Raises `InvalidNetworkError` for a network that cannot be built.
    """
    known = shapes(network, input_shape, recipe.filters_of)
    parts = [
        _layer_costs(layer, [known[i] for i in layer.predecessors], known[index])
        for index, layer in enumerate(network, start=1)
    ]
    parts += _head_costs(math.prod(known[-1]), recipe.dense_units, n_classes)
    parameters, flops = (sum(values) for values in zip(*parts, strict=True))
    return Costs(parameters, flops, density(network))


def _layer_costs(layer: Layer, inputs: list[Shape], output: Shape) -> tuple[int, int]:
    values = math.prod(output)
    if layer.type == LayerType.CONVOLUTION:
        weights = layer.kernel**2 * inputs[0][2] * output[2]
        relu, normalisation = math.prod(inputs[0]), 2 * values
        pixels = output[0] * output[1]
        return weights + 3 * output[2], 2 * weights * pixels + values + relu + normalisation
    if layer.type in POOLINGS:
        return 0, values * layer.kernel**2
    return 0, values if layer.type in MERGES else 0


def _head_costs(features: int, units: int, n_classes: int) -> list[tuple[int, int]]:
    sizes = [(features, units), (units, n_classes)]
    return [((inputs + 1) * outputs, (2 * inputs + 1) * outputs) for inputs, outputs in sizes]


def vgg19_cut_costs(input_shape: Shape, n_classes: int, recipe: LongRecipe) -> tuple[int, int]:
    """Trainable parameters of the VGG19 cut (Section 7), and FLOPs of its products for one image's forward pass."""
    height, width, channels = input_shape
    parameters = flops = 0
    for filters in (recipe.vgg_filters, 2 * recipe.vgg_filters):
        for inputs in (channels, filters):
            weights = 9 * inputs * filters
            parameters, flops = parameters + weights + filters, flops + 2 * weights * height * width
        height, width, channels = height // 2, width // 2, filters
    sizes = [height * width * channels, recipe.dense_units, recipe.dense_units, n_classes]
    dense = sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(sizes))
    return parameters + dense, flops + 2 * dense


def density(network: Network) -> float:
    """Edges by nodes of the graph of the image and the layers (BlockQNN, Section 3.3)."""
    layers = [layer for layer in network if layer.type != LayerType.TERMINAL]
    return sum(len(layer.predecessors) for layer in layers) / (len(layers) + 1)


def blockqnn_reward(accuracy: float, cost: Costs, mu: float, rho: float) -> float:
    """BlockQNN's reward as nasgym has it: (100 accuracy - mu log FLOPs - rho log density) / 100 (Section 4).

    Logarithms are natural; log density of an empty network, which has no edges, is 0. Nothing is cut: a small accuracy
    gives a negative reward.
    """
    log_density = math.log(cost.density) if cost.density > 0 else 0.0
    return (100 * accuracy - mu * math.log(cost.flops) - rho * log_density) / 100
