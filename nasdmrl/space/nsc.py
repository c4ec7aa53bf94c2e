"""Neural Structure Codes: the paper's description of a network (Section 1), and what the agent sees (Section 2).

A network is a tuple of layers; layer i (i = 1, 2, ...) is element i - 1, predecessor 0 is the input image. Rows
`[index, type, kernel, pred1, pred2]` are the paper's form of it, text such as `conv3 max2 conv3` a reader's.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from functools import reduce
from typing import NamedTuple

import numpy as np

from nasdmrl.errors import NetworkError

MAX_KERNEL = 5
Shape = tuple[int, int, int]
"""Height, width (pixels) and channels of a feature map."""
FiltersOf = Callable[[int], int]
"""Filters of the first, second, ... convolution of a network: the same number in a search, growing in Exp. 2b."""


class LayerType(IntEnum):
    """Types of Table 1 (identity is BlockQNN's; the paper does not use it)."""

    EMPTY = 0
    CONVOLUTION = 1
    MAX_POOLING = 2
    AVERAGE_POOLING = 3
    IDENTITY = 4
    ADDITION = 5
    CONCATENATION = 6
    TERMINAL = 7


NAMES = {
    LayerType.CONVOLUTION: "conv",
    LayerType.MAX_POOLING: "max",
    LayerType.AVERAGE_POOLING: "avg",
    LayerType.ADDITION: "add",
    LayerType.CONCATENATION: "concat",
    LayerType.TERMINAL: "terminal",
}
KERNELS = {
    LayerType.CONVOLUTION: (1, 3, 5),
    LayerType.MAX_POOLING: (2, 3),
    LayerType.AVERAGE_POOLING: (2, 3),
}
POOLINGS = (LayerType.MAX_POOLING, LayerType.AVERAGE_POOLING)
MERGES = (LayerType.ADDITION, LayerType.CONCATENATION)
EMPTY_NETWORK_TEXT = "input"


class Layer(NamedTuple):
    """One layer: type, kernel size (0 if it has none) and indices of its predecessors (0 is the image)."""

    type: LayerType
    kernel: int = 0
    pred1: int = 0
    pred2: int = 0

    @property
    def predecessors(self) -> tuple[int, ...]:
        """Indices of the layers that feed this one: two for a merge, none for a terminal row, else one."""
        if self.type in MERGES:
            return (self.pred1, self.pred2)
        return () if self.type == LayerType.TERMINAL else (self.pred1,)


Network = tuple[Layer, ...]


class InvalidNetworkError(ValueError):
    """The network breaks a building rule of Section 1: no such predecessor, or a feature map that vanishes."""


# --- rows ---------------------------------------------------------------------------------------------------


def from_rows(rows: Iterable[Sequence[int]]) -> Network:
    """Read rows `[index, type, kernel, pred1, pred2]`; empty rows are skipped, indices must run 1, 2, ...

    Raises `NetworkError` for a row that is not of this form.
    """
    filled = sorted((row for row in rows if row[0] != 0), key=lambda row: row[0])
    return _terminal_last(_layer_from_row(position, row) for position, row in enumerate(filled, start=1))


def _terminal_last(layers: Iterable[Layer]) -> Network:
    network = tuple(layers)
    if any(layer.type == LayerType.TERMINAL for layer in network[:-1]):
        raise NetworkError("a terminal row ends the network; found layers after it")
    return network


def _layer_from_row(position: int, row: Sequence[int]) -> Layer:
    if len(row) != 5:
        raise NetworkError(f"row {list(row)}: expected [index, type, kernel, pred1, pred2]")
    index, kind, kernel, pred1, pred2 = (int(value) for value in row)
    if index != position:
        raise NetworkError(f"row {list(row)}: expected index {position}; indices run 1, 2, ... without gaps")
    return check_layer(position, kind, kernel, pred1, pred2)


def check_layer(index: int, kind: int, kernel: int, pred1: int, pred2: int) -> Layer:
    """A layer whose type is known, whose kernel fits the type and whose predecessors come before `index`.

    Raises `NetworkError` otherwise.
    """
    if kind not in NAMES:
        raise NetworkError(f"layer {index}: unknown type {kind}; known are {sorted(int(t) for t in NAMES)}")
    allowed = KERNELS.get(LayerType(kind), (0,))
    if kernel not in allowed:
        raise NetworkError(f"layer {index}: {NAMES[LayerType(kind)]} has kernel {kernel}; allowed are {allowed}")
    if not (0 <= pred1 < index and 0 <= pred2 < index):
        raise NetworkError(f"layer {index}: predecessors {pred1}, {pred2} must lie between 0 and {index - 1}")
    return Layer(LayerType(kind), kernel, pred1, pred2)


def to_rows(network: Network, max_layers: int) -> np.ndarray:
    """Rows of the network, empty rows first: int array of shape (max_layers, 5) (Section 1).

    Raises `NetworkError` for a network with more layers.
    """
    if len(network) > max_layers:
        raise NetworkError(f"{len(network)} layers do not fit into {max_layers} rows")
    rows = np.zeros((max_layers, 5), dtype=np.int64)
    for index, layer in enumerate(network, start=1):
        rows[max_layers - len(network) + index - 1] = (index, *layer)
    return rows


def encode(network: Network, max_layers: int, multi_branch: bool) -> np.ndarray:
    """What the agent sees (Section 2): one-hot type, kernel, pred1 (and pred2) of each row, the index dropped.

    float32 of shape (max_layers, 8 + 6 + (max_layers + 1) x (1 or 2)), values 0 and 1.
    """
    rows = to_rows(network, max_layers)
    sizes = [len(LayerType), MAX_KERNEL + 1, max_layers + 1] + [max_layers + 1] * multi_branch
    columns = [np.eye(size, dtype=np.float32)[rows[:, 1 + i]] for i, size in enumerate(sizes)]
    return np.concatenate(columns, axis=1)


# --- structure ----------------------------------------------------------------------------------------------


def leaves(network: Sequence[Layer]) -> list[int]:
    """Indices of the layers that feed no other, in order; `[0]`, the image, for a network without layers."""
    used = {index for layer in network for index in layer.predecessors}
    layers = [index for index, layer in enumerate(network, start=1) if layer.type != LayerType.TERMINAL]
    return [index for index in layers if index not in used] or [0]


def is_multi_branch(network: Network) -> bool:
    """Whether the network is more than one chain: some layer does not follow the one before it, or merges."""
    layers = [layer for layer in network if layer.type != LayerType.TERMINAL]
    return any(layer.predecessors != (index,) for index, layer in enumerate(layers))


def canonical(network: Network) -> Network:
    """One form for networks that differ only in what does not matter to the trained function.

    - A terminal row adds nothing and is dropped (D7).
    - An addition's predecessors are sorted: it is commutative, padding included. A concatenation's are not,
      since a later addition pads channels and so tells them apart.
    - Layers that feed others come first, sorted by depth, then by the text of the sub-network that ends in them, so
      every predecessor stands before its layer.
    - Leaves follow in the order in which they are merged, since each merge pads both sides to the same channels and
      the shape depends on it. Only the first two may change places: their merge feeds, by way of further merges, the
      flattened dense layer alone, to which the order of channels is nothing.

    Layers with equal sub-networks keep their order, so some isomorphic networks keep two forms: that costs a
    second training and never confuses two different networks.
    """
    layers = [layer for layer in network if layer.type != LayerType.TERMINAL]
    keys = _subnetwork_keys(layers)
    ends = [index for index in leaves(layers) if index]
    inner = sorted(set(range(1, len(layers) + 1)) - set(ends), key=lambda index: (keys[index], index))
    order = [*inner, *sorted(ends[:2], key=lambda index: (keys[index], index)), *ends[2:]]
    new_index = {0: 0, **{old: new for new, old in enumerate(order, start=1)}}
    return tuple(_renumbered(layers[old - 1], new_index) for old in order)


def _subnetwork_keys(layers: Sequence[Layer]) -> list[tuple[int, str]]:
    """For the image and every layer: depth (longest path from the image) and text of the sub-network."""
    keys = [(0, "0")]
    for layer in layers:
        inputs = [keys[index] for index in layer.predecessors]
        if layer.type == LayerType.ADDITION:
            inputs.sort()
        text = ",".join(text for _, text in inputs)
        keys.append((1 + max(depth for depth, _ in inputs), f"{layer.type:d}.{layer.kernel}({text})"))
    return keys


def _renumbered(layer: Layer, new_index: dict[int, int]) -> Layer:
    predecessors = [new_index[index] for index in layer.predecessors]
    if layer.type == LayerType.ADDITION:
        predecessors.sort()
    return Layer(layer.type, layer.kernel, *predecessors)


# --- shapes and validity ------------------------------------------------------------------------------------


def convolution_filters(network: Network, filters_of: FiltersOf) -> list[int]:
    """Filters of each layer: `filters_of(i)` for the i-th convolution (i = 1, 2, ...), 0 for other layers."""
    convolutions = itertools.count(1)
    kinds = [layer.type == LayerType.CONVOLUTION for layer in network]
    return [filters_of(next(convolutions)) if is_convolution else 0 for is_convolution in kinds]


def shapes(network: Network, input_shape: Shape, filters_of: FiltersOf) -> list[Shape]:
    """Shapes of the image, of every layer and, last, of the leaves merged by concatenation one by one (Section 1).

    A terminal row has the shape of what it ends. Raises `InvalidNetworkError` for a broken building rule.
    """
    known, filters = [input_shape], convolution_filters(network, filters_of)
    for index, layer in enumerate(network, start=1):
        if layer.type == LayerType.TERMINAL:
            known.append(known[-1])
        else:
            known.append(_layer_shape(index, layer, [known[i] for i in layer.predecessors], filters[index - 1]))
    return [*known, reduce(_concatenated, (known[index] for index in leaves(network)))]


def _layer_shape(index: int, layer: Layer, inputs: list[Shape], filters: int) -> Shape:
    if layer.type in MERGES:
        if 0 in layer.predecessors:
            raise InvalidNetworkError(f"layer {index}: {NAMES[layer.type]} needs two layers, not the image")
        return _added(*inputs) if layer.type == LayerType.ADDITION else _concatenated(*inputs)
    height, width, channels = inputs[0]
    if layer.kernel > min(height, width):
        raise InvalidNetworkError(f"layer {index}: kernel {layer.kernel} on a map of {height} x {width} pixels")
    if layer.type == LayerType.CONVOLUTION:
        return height - layer.kernel + 1, width - layer.kernel + 1, filters
    return height // layer.kernel, width // layer.kernel, channels


def _added(a: Shape, b: Shape) -> Shape:
    return max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2])


def _concatenated(a: Shape, b: Shape) -> Shape:
    """Both are padded to the larger height, width and channels first (Section 1)."""
    height, width, channels = _added(a, b)
    return height, width, 2 * channels


def shape_text(shape: Shape) -> str:
    """Height x width x channels, as in `84 x 84 x 3`."""
    return " x ".join(str(size) for size in shape)


def require_valid(network: Network, input_shape: Shape) -> None:
    """Raise `NetworkError`, which says why, for a network that cannot be built on images of this shape."""
    try:
        shapes(network, input_shape, lambda _: 1)
    except InvalidNetworkError as error:
        raise NetworkError(
            f"`{to_text(network)}` is invalid on images of {shape_text(input_shape)}: {error}"
        ) from error


def is_valid(network: Network, input_shape: Shape) -> bool:
    """Whether the network can be built on images of this shape (Section 1)."""
    try:
        shapes(network, input_shape, lambda _: 1)
    except InvalidNetworkError:
        return False
    return True


# --- text ---------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"(?P<name>[a-z]+)(?P<kernel>\d*)(?:@(?P<preds>\d+(?:,\d+)?))?")
_TYPES = {name: kind for kind, name in NAMES.items()}


def to_text(network: Network) -> str:
    """Readable form: `conv3 max2`, with `@` before predecessors that are not the layer before: `add@2,4`."""
    tokens = [_token(index, layer) for index, layer in enumerate(network, start=1)]
    return " ".join(tokens) or EMPTY_NETWORK_TEXT


def _token(index: int, layer: Layer) -> str:
    word = NAMES[layer.type] + (str(layer.kernel) if layer.kernel else "")
    if layer.predecessors in ((), (index - 1,)):
        return word
    return f"{word}@{','.join(str(i) for i in layer.predecessors)}"


def parse(text: str) -> Network:
    """Read `to_text`'s form. Raises `NetworkError`, which names the word and what it could be."""
    words = [] if text.strip() == EMPTY_NETWORK_TEXT else text.split()
    return _terminal_last(_parse_word(index, word) for index, word in enumerate(words, start=1))


def _parse_word(index: int, word: str) -> Layer:
    match = _TOKEN.fullmatch(word)
    if match is None or match["name"] not in _TYPES:
        raise NetworkError(
            f"`{word}` (layer {index}): expected a layer such as conv3, max2, avg3, add@1,2, concat@1,2 "
            "or terminal, with @ and the index of its predecessor where that is not the layer before"
        )
    kind = _TYPES[match["name"]]
    preds = [int(i) for i in (match["preds"] or "").split(",") if i]
    default = [] if kind == LayerType.TERMINAL else [index - 1]
    wanted = 2 if kind in MERGES else len(default)
    if len(preds) != wanted and (preds or wanted == 2):
        raise NetworkError(f"`{word}` (layer {index}): expected {wanted} predecessor(s) after @, found {len(preds)}")
    preds = preds or default
    return check_layer(index, kind, int(match["kernel"] or 0), *preds, *[0] * (2 - len(preds)))
