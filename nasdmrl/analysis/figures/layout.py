"""Layered layout of a directed graph (Sugiyama et al., 1981): rows, few crossings, straight edges.

Nodes are 0, 1, ... and every edge goes from a lower to a higher number. A long edge passes the rows between its ends
through dummy nodes, which keep their distance from the boxes of these rows, so no edge runs through a box. Lengths
are in any unit; x grows to the right.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog

Edge = tuple[int, int]
Chain = list[int]
"""Nodes and dummies on an edge's way, one in every row."""
SWEEPS, SHUFFLES = 3, 20
"""Sweeps from each first order of the rows, and how many of these are shuffled: the sweeps get stuck from some."""
# A bend costs by what it bends: the chain of boxes stays straight, and a long edge bends at its ends alone
# (Gansner et al., 1993).
BOX_TO_BOX, BOX_TO_DUMMY, DUMMY_TO_DUMMY = 2, 1, 8


class Layout(NamedTuple):
    """Rows of the nodes (0 is the first), x of their centres, and for each edge the x at which it is in every row.

    The first x of a route is its source's centre, the last one the edge's own place on its target. All lies between
    0 and `width`.
    """

    rows: list[int]
    x: list[float]
    routes: list[list[float]]
    width: float


class Spacing(NamedTuple):
    """Width of a box; smallest distances between boxes, and of an edge from boxes and other edges."""

    box: float
    between_boxes: float
    beside_edges: float


def layered(edges: Sequence[Edge], spacing: Spacing) -> Layout:
    """Lay out a connected graph whose only node without predecessors is 0. Equal edges are kept apart."""
    rows = longest_paths(edges)
    chains = _chains(edges, rows)
    order = _fewest_crossings(chains, rows)
    offsets = _offsets(chains, order, spacing.box)
    x = _positions(chains, order, offsets, len(rows), spacing)
    sides = np.full(len(x), spacing.beside_edges / 2)
    sides[: len(rows)] = spacing.box / 2
    x -= min(x - sides)
    ends = [x[chain[-1]] + offset for chain, offset in zip(chains, offsets, strict=True)]
    routes = [[*x[chain[:-1]].tolist(), float(end)] for chain, end in zip(chains, ends, strict=True)]
    return Layout(rows, x[: len(rows)].tolist(), routes, float(max(x + sides)))


def longest_paths(edges: Sequence[Edge]) -> list[int]:
    """Number of edges on the longest path from node 0 to each node."""
    lengths = [0] * (1 + max(target for _, target in edges))
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        lengths[target] = max(lengths[target], lengths[source] + 1)
    return lengths


def _chains(edges: Sequence[Edge], rows: list[int]) -> list[Chain]:
    """The edges, with new numbers for the dummies."""
    dummies = itertools.count(len(rows))
    return [[a, *itertools.islice(dummies, rows[b] - rows[a] - 1), b] for a, b in edges]


# --- order within the rows ----------------------------------------------------------------------------------


def _fewest_crossings(chains: list[Chain], rows: list[int]) -> list[list[int]]:
    """Nodes and dummies of each row from left to right: the best that sweeps find from some first orders."""
    random, segments = np.random.RandomState(0), _segments(chains)
    members = [sorted(row) for row in _members(chains, rows)]
    starts = [members, *([random.permutation(row).tolist() for row in members] for _ in range(SHUFFLES))]
    orders = (order for start in starts for order in _sweeps(start, segments))
    return min(orders, key=lambda order: crossings(order, segments))


def _segments(chains: list[Chain]) -> list[Edge]:
    return [segment for chain in chains for segment in itertools.pairwise(chain)]


def _sweeps(order: list[list[int]], segments: list[Edge]) -> Iterator[list[list[int]]]:
    """An order and what barycentre sweeps down and up make of it, one after the other."""
    yield order
    upward = [(b, a) for a, b in segments]
    for _ in range(SWEEPS):
        order = _swept(order, segments)
        yield order
        order = _swept(order[::-1], upward)[::-1]
        yield order


def _members(chains: list[Chain], rows: list[int]) -> list[set[int]]:
    members: list[set[int]] = [set() for _ in range(max(rows) + 1)]
    for chain in chains:
        for row, node in enumerate(chain, start=rows[chain[0]]):
            members[row].add(node)
    return members


def _swept(order: list[list[int]], segments: list[Edge]) -> list[list[int]]:
    """Each row but the first sorted by the mean place of its nodes' neighbours in the row before."""
    neighbours = defaultdict(list)
    for a, b in segments:
        neighbours[b].append(a)
    place, swept = _places(order), [order[0]]
    for row in order[1:]:
        means = {i: np.mean([place[j] for j in neighbours[i]]) if neighbours[i] else place[i] for i in row}
        swept.append(sorted(row, key=means.__getitem__))
        place.update(_places([swept[-1]]))
    return swept


def _places(order: list[list[int]]) -> dict[int, int]:
    return {node: place for row in order for place, node in enumerate(row)}


def crossings(order: list[list[int]], segments: Sequence[Edge]) -> int:
    """Pairs of segments that cross, where each segment goes from one row of `order` to the next."""
    place, row_of = _places(order), {node: number for number, row in enumerate(order) for node in row}
    between = defaultdict(list)
    for a, b in segments:
        between[row_of[a]].append((place[a], place[b]))
    pairs = (pair for gap in between.values() for pair in itertools.combinations(gap, 2))
    return sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in pairs)


# --- places -------------------------------------------------------------------------------------------------


def _offsets(chains: list[Chain], order: list[list[int]], box: float) -> list[float]:
    """Where each edge reaches its target, from its centre: evenly over the box, in the order of the row before."""
    place, offsets, arriving = _places(order), [0.0] * len(chains), defaultdict(list)
    for number, chain in enumerate(chains):
        arriving[chain[-1]].append(number)
    for numbers in arriving.values():
        numbers.sort(key=lambda number: place[chains[number][-2]])
        for rank, number in enumerate(numbers):
            offsets[number] = box * ((rank + 0.5) / len(numbers) - 0.5)
    return offsets


def _positions(
    chains: list[Chain], order: list[list[int]], offsets: list[float], n_boxes: int, spacing: Spacing
) -> np.ndarray:
    """x of nodes and dummies, in their order, at their distances or more, with the least bend."""
    neighbours = [pair for row in order for pair in itertools.pairwise(row)]
    distances = [_distance(a, b, n_boxes, spacing) for a, b in neighbours]
    segments = _segments(chains)
    weights = [_weight(a, b, n_boxes) for a, b in segments]
    ends = [offset for chain, offset in zip(chains, offsets, strict=True) for offset in _at_last(chain, offset)]
    return _least_bend(neighbours, distances, segments, ends, weights)


def _at_last(chain: Chain, offset: float) -> list[float]:
    return [0.0] * (len(chain) - 2) + [offset]


def _distance(a: int, b: int, n_boxes: int, spacing: Spacing) -> float:
    boxes = (a < n_boxes) + (b < n_boxes)
    return boxes * spacing.box / 2 + (spacing.between_boxes if boxes == 2 else spacing.beside_edges)


def _weight(a: int, b: int, n_boxes: int) -> int:
    return (DUMMY_TO_DUMMY, BOX_TO_DUMMY, BOX_TO_BOX)[(a < n_boxes) + (b < n_boxes)]


def _least_bend(
    neighbours: list[Edge], distances: list[float], segments: list[Edge], ends: list[float], weights: list[int]
) -> np.ndarray:
    """Minimise the weighted sum of |x_b + end - x_a| over the segments, with x_b - x_a >= distance for neighbours.

    A linear programme whose unknowns are x and, for each segment, its bend: at least the difference, either way.
    """
    nodes = np.eye(1 + max(b for _, b in segments))
    right_of, across = (_differences(pairs, nodes) for pairs in (neighbours, segments))
    bend, none = np.eye(len(segments)), np.zeros((len(neighbours), len(segments)))
    matrix = np.block([[-right_of, none], [across, -bend], [-across, -bend]])
    limits = np.concatenate([-np.array(distances), -np.array(ends), np.array(ends)])
    costs = np.concatenate([np.zeros(len(nodes)), weights])
    return linprog(costs, A_ub=matrix, b_ub=limits, bounds=(0, None)).x[: len(nodes)]


def _differences(pairs: list[Edge], nodes: np.ndarray) -> np.ndarray:
    """One row a pair: 1 at its second node, -1 at its first."""
    return np.array([nodes[b] - nodes[a] for a, b in pairs]).reshape(-1, len(nodes))
