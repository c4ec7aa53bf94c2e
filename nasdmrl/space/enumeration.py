"""All networks of a small search space (Sections 1 and 3)."""

from collections.abc import Iterator
from itertools import product

from nasdmrl.config.sections import Space
from nasdmrl.space.actions import SPACES
from nasdmrl.space.nsc import MERGES, Layer, LayerType, Network, Shape, canonical, is_valid


def networks_of(space: Space, depth: int, input_shape: Shape) -> Iterator[Network]:
    """All valid networks of at most `depth` layers on images of this shape, each canonical form once.

    The empty network comes first, then those of one layer, and so on; the order is always the same. A network is a
    smaller one with a further layer, so a level follows from the forms of the level before.
    """
    grown: list[Network] = [()]
    for length in range(depth + 1):
        yield from grown
        if length < depth:
            longer = (canonical((*network, layer)) for network in grown for layer in _further_layers(space, length))
            grown = [network for network in dict.fromkeys(longer) if is_valid(network, input_shape)]


def _further_layers(space: Space, length: int) -> list[Layer]:
    """The layers that may follow `length` others: on the last one in the chain space, on any in the other."""
    inputs = [length] if space == "chain" else range(length + 1)
    actions = [action for action in SPACES[space] if action.type not in (None, LayerType.TERMINAL)]
    plain = [action.layer(p1, 0) for action in actions if action.type not in MERGES for p1 in inputs]
    pairs = list(product(range(1, length + 1), repeat=2))
    return plain + [action.layer(p1, p2) for action in actions if action.type in MERGES for p1, p2 in pairs]
