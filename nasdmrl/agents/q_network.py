"""The network of DQN: action values of flat observations, dueling (Section 5), and its gradient by hand."""

import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from nasdmrl.agents.weights import Weights, orthogonal, xavier_uniform
from nasdmrl.config.sections import DQN as Settings

TRUNK_SCALE = math.sqrt(2)
"""Scale of the trunk's first weights, as in OpenAI Baselines."""
ZERO = np.float32(0)


class Layer:
    """x W + b, and where its gradient goes: views of a network's weights and of their gradient, by the layer's name."""

    def __init__(self, name: str, weights: Weights, gradient: Weights) -> None:
        self._matrix, self._bias = weights[f"{name}_weights"], weights[f"{name}_bias"]
        self._matrix_slopes, self._bias_slopes = gradient[f"{name}_weights"], gradient[f"{name}_bias"]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs of shape (B, units) for inputs of shape (B, n)."""
        outputs = inputs @ self._matrix
        outputs += self._bias
        return outputs

    def collect(self, inputs: np.ndarray, slopes: np.ndarray) -> None:
        """Set the layer's gradient: slopes are the loss's derivatives by its outputs for these inputs."""
        np.matmul(inputs.T, slopes, out=self._matrix_slopes)
        slopes.sum(axis=0, out=self._bias_slopes)

    def back(self, slopes: np.ndarray) -> np.ndarray:
        """The loss's derivatives by the inputs, from those by the outputs."""
        return slopes @ self._matrix.T


class Outputs(NamedTuple):
    """What a network gave for B observations, float32: action values (B, actions), and what its layers did.

    trunk: the observations, and each layer's output (B, units); hidden: of each stream's ReLU layer, (B, units).
    """

    values: np.ndarray
    trunk: list[np.ndarray]
    hidden: list[np.ndarray]

    def first(self, count: int) -> "Outputs":
        """Those of the first observations."""
        return Outputs(self.values[:count], *([part[:count] for part in parts] for parts in self[1:]))


class QNetwork:
    """A trunk of tanh layers; on it two streams of one ReLU layer each, action values and state value.

    Dueling (Wang et al., 2016): Q(s, a) = V(s) + A(s, a) - mean over a' of A(s, a'), as in OpenAI Baselines' `deepq`.
    Without `settings.dueling` the stream of action values is all, and gives Q. inputs: length of an observation. The
    weights depend on the seed.
    """

    def __init__(self, inputs: int, actions: int, settings: Settings, seed: int) -> None:
        random = np.random.RandomState(seed)
        sizes = [inputs, *[settings.hidden_units] * settings.hidden_layers]
        trunk = {f"trunk{i}": orthogonal(random, *pair, TRUNK_SCALE) for i, pair in enumerate(pairwise(sizes), 1)}
        ends = {"action": actions, "state": 1} if settings.dueling else {"action": actions}
        streams = {}
        for stream, columns in ends.items():
            streams[f"{stream}_hidden"] = xavier_uniform(random, sizes[-1], settings.dueling_units)
            streams[f"{stream}_values"] = xavier_uniform(random, settings.dueling_units, columns)
        arrays: dict[str, np.ndarray] = {}
        for name, matrix in (trunk | streams).items():
            arrays |= {f"{name}_weights": matrix, f"{name}_bias": np.zeros(matrix.shape[1])}
        self.weights = Weights(arrays)
        self._gradient = self.weights.zeros()
        layers = {name: Layer(name, self.weights, self._gradient) for name in trunk | streams}
        self._trunk = [layers[name] for name in trunk]
        self._streams = [(layers[f"{stream}_hidden"], layers[f"{stream}_values"]) for stream in ends]

    def values(self, observations: np.ndarray) -> np.ndarray:
        """Action values (B, actions) of observations (B, inputs), float32."""
        return self.forward(observations).values

    def forward(self, observations: np.ndarray) -> Outputs:
        """What the network and its layers give for observations (B, inputs), float32."""
        trunk = [observations]
        for layer in self._trunk:
            outputs = layer(trunk[-1])
            trunk.append(np.tanh(outputs, out=outputs))
        hidden, ends = [], []
        for into, out in self._streams:
            outputs = into(trunk[-1])
            hidden.append(np.maximum(outputs, ZERO, out=outputs))
            ends.append(out(outputs))
        return Outputs(_joined(*ends), trunk, hidden)

    def gradient(self, outputs: Outputs, slopes: np.ndarray) -> Weights:
        """The loss's gradient by all weights; valid until the next call.

        outputs: of `forward`, with the weights as they are; slopes: the loss's derivatives by action values, (B,
        actions).
        """
        into_trunk: Any = ZERO
        for (into, out), hidden, end in zip(self._streams, outputs.hidden, self._parted(slopes), strict=True):
            out.collect(hidden, end)
            into_hidden = out.back(end)
            into_hidden *= hidden > ZERO
            into.collect(outputs.trunk[-1], into_hidden)
            into_trunk = into_trunk + into.back(into_hidden)
        for number in reversed(range(len(self._trunk))):
            output = outputs.trunk[number + 1]
            into_trunk *= 1 - output * output
            self._trunk[number].collect(outputs.trunk[number], into_trunk)
            if number > 0:
                into_trunk = self._trunk[number].back(into_trunk)
        return self._gradient

    def _parted(self, slopes: np.ndarray) -> list[np.ndarray]:
        """The loss's derivatives by what each stream gives, from those by action values."""
        if len(self._streams) == 1:
            return [slopes]
        total = slopes.sum(axis=1, keepdims=True)
        return [slopes - total / np.float32(slopes.shape[1]), total]


def _joined(advantages: np.ndarray, state_value: np.ndarray | None = None) -> np.ndarray:
    """Action values (B, actions) from what the streams gave."""
    if state_value is None:
        return advantages
    mean = advantages.sum(axis=1, keepdims=True) / np.float32(advantages.shape[1])
    return advantages + (state_value - mean)
