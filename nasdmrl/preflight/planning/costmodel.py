"""Seconds of a training by formula, its few coefficients fitted to trainings that were measured on this machine.

A training sets up once (build, trace, score for the first time) and then takes steps. Both are sums of terms that can
only add time, so the fit is a non-negative least-squares one, of relative errors.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import nnls

from nasdmrl.config.sections import LongRecipe, Recipe
from nasdmrl.errors import NasdmrlError
from nasdmrl.paper.experiments import VGG19_CUT
from nasdmrl.space.costs import SCORING_BATCH, costs, vgg19_cut_costs
from nasdmrl.space.nsc import LayerType, Network, Shape, parse, shapes

FORWARD_SHARE = 1 / 3
"""Forward pass by training step, which goes back over the weights and over the values too."""
FEWEST_MEASURED = 6


@dataclass(frozen=True)
class Load:
    """What a training is made of: operations (calls of layers), parameters; FLOPs and values of one forward image.

    Values are those of all feature maps: what is written to memory and read again.
    """

    operations: int
    parameters: int
    flops: int
    values: int


def load_of(network: str, shape: Shape, n_classes: int, recipe: Recipe) -> Load:
    """The load of a valid network (its text), or of the VGG19 cut (Section 7)."""
    if network == VGG19_CUT:
        assert isinstance(recipe, LongRecipe)
        return _vgg19_cut_load(shape, n_classes, recipe)
    return network_load(parse(network), shape, n_classes, recipe)


@cache
def network_load(network: Network, shape: Shape, n_classes: int, recipe: Recipe) -> Load:
    """The load of a valid network with its prediction module (Section 1)."""
    cost = costs(network, shape, n_classes, recipe)
    values = sum(math.prod(one) for one in shapes(network, shape, recipe.filters_of))
    convolutions = sum(layer.type == LayerType.CONVOLUTION for layer in network)
    # A convolution comes with ReLU and normalisation, the prediction module has four.
    return Load(len(network) + 2 * convolutions + 4, cost.parameters, cost.flops, values)


def _vgg19_cut_load(shape: Shape, n_classes: int, recipe: LongRecipe) -> Load:
    parameters, flops = vgg19_cut_costs(shape, n_classes, recipe)
    first, second = shape[0] * shape[1], (shape[0] // 2) * (shape[1] // 2)
    # Two convolutions and their activations in each block, the second at half the size with twice the filters.
    return Load(10, parameters, flops, 4 * recipe.vgg_filters * (first + 2 * second))


@dataclass(frozen=True)
class Measured:
    """A training that was measured: its load and batch, seconds of setting up, and of a step."""

    load: Load
    batch: int
    setup: float
    step: float


@dataclass(frozen=True)
class Amount:
    """How much is trained and scored: images of each, epochs, images a step, and how often it is scored."""

    training: int
    test: int
    epochs: int
    batch: int
    scorings: int


@dataclass(frozen=True)
class CostModel:
    """Coefficients of the two sums, in seconds: of setting up (`_setup_terms`) and of a step (`_step_terms`)."""

    setup: tuple[float, ...]
    step: tuple[float, ...]

    def seconds(self, load: Load, amount: Amount) -> float:
        """Seconds of a training, from building to the last scoring."""
        trained = amount.epochs * self._passes(load, amount.training, amount.batch)
        scored = amount.scorings * FORWARD_SHARE * self._passes(load, amount.test, SCORING_BATCH, weights=0)
        return self.setup_seconds(load) + trained + scored

    def setup_seconds(self, load: Load) -> float:
        """Seconds of setting a training up."""
        return float(np.dot(self.setup, _setup_terms(load)))

    def _passes(self, load: Load, images: int, batch: int, weights: int = 1) -> float:
        """Seconds of one pass over images; the short last batch costs its part."""
        once = np.dot(self.step[:3], _step_terms(load, 0)[:3] * [1, 1, weights])
        each = np.dot(self.step[3:], _step_terms(load, 1)[3:])
        return float(math.ceil(images / batch) * once + images * each)


def _setup_terms(load: Load) -> np.ndarray:
    return np.array([1, load.operations, load.parameters])


def _step_terms(load: Load, batch: int) -> np.ndarray:
    """A step as such, its layers' calls, the update of the weights, arithmetic, and memory traffic of the maps."""
    return np.array([1, load.operations, load.parameters, batch * load.flops, batch * load.values])


def fit(measured: list[Measured]) -> CostModel:
    """The coefficients that fit best, by relative error. Raises `NasdmrlError` for too few trainings."""
    if len(measured) < FEWEST_MEASURED:
        raise NasdmrlError(
            f"only {len(measured)} trainings were measured, {FEWEST_MEASURED} are needed; give --probe-seconds more"
        )
    setup = _fitted([_setup_terms(one.load) for one in measured], [one.setup for one in measured])
    step = _fitted([_step_terms(one.load, one.batch) for one in measured], [one.step for one in measured])
    return CostModel(setup, step)


def _fitted(terms: list[np.ndarray], seconds: list[float]) -> tuple[float, ...]:
    """Non-negative coefficients; each row is divided by its seconds, so that relative errors count alike."""
    rows = np.array(terms) / np.array(seconds)[:, None]
    scale = np.maximum(rows.max(axis=0), np.finfo(float).tiny)
    return tuple(float(value) for value in nnls(rows / scale, np.ones(len(rows)))[0] / scale)


def relative_errors(measured: list[Measured], amount: Amount) -> np.ndarray:
    """Errors of whole trainings of this amount, by what was measured of them; each is forecast from the others alone.

    Empty where there are too few to leave one out.
    """
    if len(measured) <= FEWEST_MEASURED:
        return np.array([])
    return np.array([_error(one, fit([*measured[:i], *measured[i + 1 :]]), amount) for i, one in enumerate(measured)])


def _error(one: Measured, model: CostModel, amount: Amount) -> float:
    """Of a training with the measured one's batch size and as many steps as the amount has."""
    steps = amount.epochs * math.ceil(amount.training / amount.batch)
    actual = one.setup + steps * one.step
    forecast = model.setup_seconds(one.load) + steps * float(np.dot(model.step, _step_terms(one.load, one.batch)))
    return forecast / actual - 1
