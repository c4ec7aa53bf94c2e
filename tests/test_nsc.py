"""Neural Structure Codes against Sections 1 and 2 of the paper."""

import itertools

import numpy as np
import pytest

from nasdmrl.config.sections import Recipe
from nasdmrl.errors import NetworkError
from nasdmrl.space.costs import blockqnn_reward, costs, density
from nasdmrl.space.nsc import (
    InvalidNetworkError,
    Layer,
    LayerType,
    canonical,
    encode,
    from_rows,
    is_multi_branch,
    is_valid,
    leaves,
    parse,
    shapes,
    to_rows,
    to_text,
)

PAPER = Recipe()
FIGURE_4 = [
    [0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0],
    [1, 1, 1, 0, 0],
    [2, 2, 2, 1, 0],
    [3, 1, 3, 0, 0],
    [4, 3, 2, 3, 0],
    [5, 1, 5, 0, 0],
    [6, 2, 2, 5, 0],
    [7, 5, 0, 2, 4],
    [8, 7, 0, 0, 0],
]


def test_figure_4_shapes():
    network = from_rows(FIGURE_4)
    assert shapes(network, (84, 84, 3), PAPER.filters_of) == [
        (84, 84, 3),
        (84, 84, 32),
        (42, 42, 32),
        (82, 82, 32),
        (41, 41, 32),
        (80, 80, 32),
        (40, 40, 32),
        (42, 42, 32),
        (42, 42, 32),
        (42, 42, 64),
    ]
    assert leaves(network) == [6, 7]
    assert is_multi_branch(network)
    assert to_text(network) == "conv1 max2 conv3@0 avg2 conv5@0 max2 add@2,4 terminal"


def test_rows_round_trip():
    assert to_rows(from_rows(FIGURE_4), 10).tolist() == FIGURE_4


def test_encoding_of_figure_4():
    # By hand from Section 2: one-hot type (8), kernel (6), pred1 (11), pred2 (11).
    code = encode(from_rows(FIGURE_4), 10, multi_branch=True)
    assert (code.shape, code.dtype) == ((10, 36), np.float32)
    assert np.flatnonzero(code[0]).tolist() == [0, 8, 14, 25]
    assert np.flatnonzero(code[5]).tolist() == [3, 8 + 2, 14 + 3, 25]
    assert np.flatnonzero(code[8]).tolist() == [5, 8, 14 + 2, 25 + 4]
    assert np.flatnonzero(code[9]).tolist() == [7, 8, 14, 25]
    assert encode(parse("conv3 max2"), 10, multi_branch=False).shape == (10, 25)


@pytest.mark.parametrize(
    "text",
    ["input", "conv3 conv3 max2", "conv5 avg3 terminal", "conv1 conv3@0 add@1,2 max2@0", "conv1 conv3@0 concat@2,1"],
)
def test_text_round_trip(text):
    assert to_text(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv4", "conv has kernel 4"),
        ("con3", "`con3` .layer 1.: expected a layer such as conv3"),
        ("conv3 add@1", r"expected 2 predecessor\(s\)"),
        ("conv3 max2@2", "must lie between 0 and 1"),
        ("terminal conv3", "ends the network"),
        ("add2@0,0", "add has kernel 2"),
    ],
)
def test_bad_text_is_named(text, message):
    with pytest.raises(NetworkError, match=message):
        parse(text)


def test_bad_rows_are_named():
    with pytest.raises(NetworkError, match="expected index 1"):
        from_rows([[2, 1, 3, 0, 0]])
    with pytest.raises(NetworkError, match="unknown type 4"):
        from_rows([[1, 4, 0, 0, 0]])
    with pytest.raises(NetworkError, match="2 layers do not fit into 1 rows"):
        to_rows(parse("conv3 max2"), 1)


# --- canonical form -----------------------------------------------------------------------------------------


def test_terminal_and_empty_rows_do_not_matter():
    # D7
    assert canonical(from_rows(FIGURE_4)) == canonical(from_rows(FIGURE_4[2:9]))
    assert canonical(parse("conv3 max2 terminal")) == parse("conv3 max2")
    assert canonical(parse("terminal")) == ()


def permuted(network, order):
    """The same graph with its layers in another order; `order` holds old indices."""
    new = {0: 0, **{old: position for position, old in enumerate(order, start=1)}}
    return tuple(
        network[i - 1]._replace(pred1=new[network[i - 1].pred1], pred2=new[network[i - 1].pred2]) for i in order
    )


def test_isomorphic_orders_have_one_form():
    network = parse("conv1 max2 conv3@0 avg2 conv5@0 add@2,4 concat@5,6")
    forms = set()
    for order in itertools.permutations(range(1, 8)):
        place = {index: position for position, index in enumerate(order)}
        if all(place[p] < place[i] for i, layer in enumerate(network, 1) for p in layer.predecessors if p):
            forms.add(canonical(permuted(network, order)))
    assert len(forms) == 1


def test_addition_commutes_and_concatenation_does_not():
    assert canonical(parse("conv1 conv3@0 add@1,2")) == canonical(parse("conv1 conv3@0 add@2,1"))
    assert canonical(parse("conv1 conv3@0 concat@1,2")) != canonical(parse("conv1 conv3@0 concat@2,1"))


def test_order_of_leaves_is_part_of_the_form():
    """Each merge of leaves pads to twice the wider side, so the first two may change places, the others may not."""
    shape = {text: shapes(parse(text), (84, 84, 3), PAPER.filters_of)[-1][2] for text in (
        "avg2 conv5@0 avg2@0", "avg2 avg2@0 conv5@0", "conv5 avg2@0 avg2@0")}  # fmt: skip
    assert list(shape.values()) == [128, 64, 128]  # by hand: 2 x 64; 2 x max(6, 32); 2 x 64
    assert canonical(parse("avg2 conv5@0 avg2@0")) == canonical(parse("conv5 avg2@0 avg2@0"))
    assert canonical(parse("avg2 conv5@0 avg2@0")) != canonical(parse("avg2 avg2@0 conv5@0"))


def test_different_networks_keep_different_forms():
    texts = ["conv1 conv3", "conv3 conv1", "conv1 conv3@0", "conv1 conv3@0 add@1,2", "conv1 conv3@0 add@1,1", "conv1"]
    assert len({canonical(parse(text)) for text in texts}) == len(texts)


def random_network(random, layers=6):
    """A random multi-branch network; merges take any two earlier layers."""
    network = []
    for index in range(1, layers + 1):
        kinds = [(1, k) for k in (1, 3, 5)] + [(t, k) for t in (2, 3) for k in (2, 3)]
        kinds += [(5, 0), (6, 0)] * 2 * (index > 1)
        kind, kernel = kinds[random.randint(len(kinds))]
        low = 1 if kind in (5, 6) else 0
        preds = random.randint(low, index, 2)
        network.append(Layer(LayerType(kind), kernel, int(preds[0]), int(preds[1]) if kind in (5, 6) else 0))
    return tuple(network)


def test_canonical_form_is_stable_and_keeps_shapes():
    random = np.random.RandomState(0)
    for _ in range(300):
        network = random_network(random)
        form = canonical(network)
        assert canonical(form) == form
        assert is_valid(form, (84, 84, 3)) == is_valid(network, (84, 84, 3))
        if is_valid(form, (84, 84, 3)):
            assert sorted(shapes(form, (84, 84, 3), PAPER.filters_of)) == sorted(
                shapes(network, (84, 84, 3), PAPER.filters_of)
            )


# --- validity -----------------------------------------------------------------------------------------------


def test_vanishing_maps_and_merged_images_are_invalid():
    assert is_valid(parse("max3 max3 max3 max3"), (84, 84, 3))  # 28, 9, 3, 1
    with pytest.raises(InvalidNetworkError, match="kernel 2 on a map of 1 x 1"):
        shapes(parse("max3 max3 max3 max3 max2"), (84, 84, 3), PAPER.filters_of)
    with pytest.raises(InvalidNetworkError, match="needs two layers"):
        shapes(parse("conv3 add@0,1"), (84, 84, 3), PAPER.filters_of)
    assert is_valid(parse("max3 max3 max3 max3 conv1"), (84, 84, 3))


# --- costs --------------------------------------------------------------------------------------------------


def test_flops_by_hand():
    # conv3 on 4 x 4 x 3 with 2 filters: 2 x 2 x 2 outputs of 27 multiply-adds and a bias; ReLU on 48 values;
    # normalisation 2 x 8. Dense 8 -> 5 and 5 -> 3 with biases.
    cost = costs(parse("conv3"), (4, 4, 3), 3, Recipe(filters=2, dense_units=5))
    assert cost.flops == (8 * 27 * 2 + 8) + 48 + 16 + (2 * 8 + 1) * 5 + (2 * 5 + 1) * 3
    assert (
        costs(parse("max2"), (4, 4, 3), 3, Recipe(dense_units=5)).flops == 12 * 4 + (2 * 12 + 1) * 5 + (2 * 5 + 1) * 3
    )


def test_density_and_blockqnn_reward_by_hand():
    assert density(parse("conv3 max2")) == 2 / 3
    assert density(parse("conv1 conv3@0 add@1,2")) == 4 / 4
    cost = costs(parse("conv3 max2"), (84, 84, 3), 100, Recipe())
    expected = (60 - 0.5 * np.log(cost.flops) - 8 * np.log(2 / 3)) / 100
    assert blockqnn_reward(0.6, cost, mu=0.5, rho=8) == pytest.approx(expected)
    # Below 0 too: nothing is cut.
    assert blockqnn_reward(0.01, cost, mu=0.5, rho=0) == pytest.approx((1 - 0.5 * np.log(cost.flops)) / 100)
    assert blockqnn_reward(0.01, cost, mu=0.5, rho=0) < 0
