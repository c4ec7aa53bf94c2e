"""All networks of a small space, against plain enumeration."""

import itertools

from nasdmrl.config.sections import Recipe
from nasdmrl.space.enumeration import networks_of
from nasdmrl.space.nsc import KERNELS, MERGES, Layer, canonical, is_valid, shapes


def all_networks(depth, shape):
    """All valid networks of at most `depth` layers."""
    grown, networks = [()], [()]
    for index in range(1, depth + 1):
        layers = [Layer(kind, size, p) for kind, sizes in KERNELS.items() for size in sizes for p in range(index)]
        pairs = itertools.product(MERGES, range(1, index), range(1, index))
        layers += [Layer(kind, 0, p, q) for kind, p, q in pairs]
        grown = [(*network, layer) for network in grown for layer in layers if is_valid((*network, layer), shape)]
        networks += grown
    return networks


def test_a_form_has_one_shape_of_features():
    networks = all_networks(3, (84, 84, 3))
    assert len(networks) == 3368
    found = {}
    for network in networks:
        found.setdefault(canonical(network), set()).add(shapes(network, (84, 84, 3), Recipe().filters_of)[-1])
    assert all(len(of_one_form) == 1 for of_one_form in found.values())
    assert len(found) < len(networks)


def test_multi_branch_space_is_complete():
    """Against all sequences of layers, brought into canonical form afterwards."""
    shape = (20, 20, 3)
    found = list(networks_of("multi_branch", 3, shape))
    assert found[0] == ()
    assert [len(network) for network in found] == sorted(len(network) for network in found)
    assert len(set(found)) == len(found)
    assert set(found) == {canonical(network) for network in all_networks(3, shape)}


def test_size_of_the_miniature_chain_space():
    # By recursion on the pixels that are left, without the package.
    def count(size, layers):
        smaller = [size - 0, size - 2, size - 4] + [size // 2, size // 3] * 2
        kernels = [1, 3, 5, 2, 3, 2, 3]
        following = [new for new, kernel in zip(smaller, kernels, strict=True) if kernel <= size]
        return 1 + (sum(count(new, layers - 1) for new in following) if layers else 0)

    assert sum(1 for _ in networks_of("chain", 5, (20, 20, 3))) == count(20, 5) == 7039
