"""The network of DQN: action values of flat observations, dueling (Section 5), and its gradient by hand."""

import math
from itertools import pairwise

import numpy as np

from nasdmrl.agents.weights import Weights, orthogonal, xavier_uniform
from nasdmrl.config.sections import DQN as Settings

TRUNK_SCALE = math.sqrt(2)
"""Scale of the trunk's first weights, as in OpenAI Baselines."""
Outputs = dict[str, np.ndarray]
"""What each layer gave for B observations, by its name, float32 of shape (B, units)."""


class QNetwork:
    """A trunk of tanh layers; on it two streams of one ReLU layer each, action values and state value.

    Dueling (Wang et al., 2016): Q(s, a) = V(s) + A(s, a) - mean over a' of A(s, a'), as in OpenAI Baselines' `deepq`.
    Without `settings.dueling` the stream of action values is all, and gives Q. inputs: length of an observation. The
    weights depend on the seed.
    """

    def __init__(self, inputs: int, actions: int, settings: Settings, seed: int) -> None:
        random = np.random.RandomState(seed)
        sizes = [inputs, *[settings.hidden_units] * settings.hidden_layers]
        matrices = {f"trunk{i}": orthogonal(random, *pair, TRUNK_SCALE) for i, pair in enumerate(pairwise(sizes), 1)}
        self.trunk = list(matrices)
        self.streams = {"action": ["action_hidden", "action_values"]}
        if settings.dueling:
            self.streams["state"] = ["state_hidden", "state_value"]
        for (hidden, output), columns in zip(self.streams.values(), (actions, 1), strict=False):
            matrices[hidden] = xavier_uniform(random, sizes[-1], settings.dueling_units)
            matrices[output] = xavier_uniform(random, settings.dueling_units, columns)
        arrays = {}
        for name, matrix in matrices.items():
            arrays |= {f"{name}_weights": matrix, f"{name}_bias": np.zeros(matrix.shape[1])}
        self.weights = Weights(arrays)
        self._gradient = self.weights.zeros()

    def values(self, observations: np.ndarray) -> np.ndarray:
        """Action values (B, actions) of observations (B, inputs), float32."""
        return self.joined(self.forward(observations))

    def forward(self, observations: np.ndarray) -> Outputs:
        """What every layer gives for observations (B, inputs), float32."""
        outputs: Outputs = {}
        values = observations
        for name in self.trunk:
            values = outputs[name] = np.tanh(self._affine(name, values))
        for hidden, output in self.streams.values():
            outputs[hidden] = np.maximum(self._affine(hidden, values), np.float32(0))
            outputs[output] = self._affine(output, outputs[hidden])
        return outputs

    def joined(self, outputs: Outputs) -> np.ndarray:
        """Action values (B, actions) from what the streams gave."""
        advantages = outputs["action_values"]
        if "state" not in self.streams:
            return advantages
        mean = advantages.sum(axis=1, keepdims=True) / np.float32(advantages.shape[1])
        return advantages + (outputs["state_value"] - mean)

    def gradient(self, observations: np.ndarray, outputs: Outputs, slopes: np.ndarray) -> Weights:
        """The loss's gradient by all weights; valid until the next call.

        outputs: of `forward` for these observations; slopes: the loss's derivatives by action values, (B, actions).
        """
        total = slopes.sum(axis=1, keepdims=True)
        by_output = {"action": slopes}
        if "state" in self.streams:
            by_output = {"action": slopes - total / np.float32(slopes.shape[1]), "state": total}
        inputs = [observations, *(outputs[name] for name in self.trunk)]
        into_trunk = np.zeros_like(inputs[-1])
        for stream, (hidden, output) in self.streams.items():
            into_hidden = self._back(output, outputs[hidden], by_output[stream])
            into_hidden *= outputs[hidden] > 0
            into_trunk += self._back(hidden, inputs[-1], into_hidden)
        for number in reversed(range(len(self.trunk))):
            output = inputs[number + 1]
            into_trunk *= 1 - output * output
            self._collect(self.trunk[number], inputs[number], into_trunk)
            if number > 0:
                into_trunk = into_trunk @ self.weights[f"{self.trunk[number]}_weights"].T
        return self._gradient

    def _affine(self, name: str, values: np.ndarray) -> np.ndarray:
        result = values @ self.weights[f"{name}_weights"]
        result += self.weights[f"{name}_bias"]
        return result

    def _back(self, name: str, inputs: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """Collect an affine layer's gradient; the derivatives by its inputs, from those by its outputs."""
        self._collect(name, inputs, slopes)
        return slopes @ self.weights[f"{name}_weights"].T

    def _collect(self, name: str, inputs: np.ndarray, slopes: np.ndarray) -> None:
        np.matmul(inputs.T, slopes, out=self._gradient[f"{name}_weights"])
        slopes.sum(axis=0, out=self._gradient[f"{name}_bias"])
