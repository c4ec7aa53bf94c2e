"""The package's networks beside the same of Keras's layers: weights by one name in both."""

import keras

from nasdmrl.training.layers import Convolution, Dense, Normalization
from nasdmrl.training.networks import Chain

KINDS = {keras.layers.Conv2D: "convolution", keras.layers.BatchNormalization: "norm", keras.layers.Dense: "dense"}
FIELDS = {
    "norm": ("scale", "shift", "mean", "variance"),
    "convolution": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
}
OURS = {Convolution: "convolution", Normalization: "norm", Dense: "dense"}


def ours(model):
    """Variables of a model of the package by name, such as `convolution 0 kernel`."""
    parts = getattr(model, "parts", ())
    flat = [part for chain in parts for part in (chain.parts if isinstance(chain, Chain) else [chain])]
    counts, found = dict.fromkeys(FIELDS, 0), {}
    for part in flat:
        kind = OURS.get(type(part))
        for field in FIELDS.get(kind, ()):
            found[f"{kind} {counts[kind]} {field}"] = getattr(part, field)
        if kind:
            counts[kind] += 1
    return found


def theirs(model):
    """Variables of a Keras model by the same names; layers of a kind are in the order in which they were made."""
    found = {}
    for layers, kind in KINDS.items():
        of_kind = sorted((layer for layer in model.layers if isinstance(layer, layers)), key=_number)
        for count, layer in enumerate(of_kind):
            found |= {f"{kind} {count} {field}": v for field, v in zip(FIELDS[kind], layer.weights, strict=True)}
    return found


def _number(layer):
    last = layer.name.rsplit("_", 1)[-1]
    return int(last) if last.isdigit() else 0


def copy(source, target):
    """Give a Keras model the weights of one of ours."""
    values, variables = ours(source), theirs(target)
    assert values.keys() == variables.keys()
    for name, value in values.items():
        variables[name].assign(value.numpy())
