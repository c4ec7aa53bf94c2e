"""Drawn networks: what they say, and that nothing overlaps, is cut or runs through a box."""

import itertools
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text

from nasdmrl.analysis.figures.drawings import COLORS, best_network_figure, draw_network
from nasdmrl.analysis.figures.layout import Spacing, crossings, layered, longest_paths
from nasdmrl.analysis.figures.panels import save
from nasdmrl.analysis.provenance import provenance
from nasdmrl.config.model import Config
from nasdmrl.config.sections import LongRecipe, Recipe
from nasdmrl.space.nsc import KERNELS, InvalidNetworkError, Layer, LayerType, is_valid, parse

FIGURE_4 = "conv1 max2 conv3@0 avg2 conv5@0 max2 add@2,4 terminal"
PUBLISHED = [
    "conv5 max3 conv1 conv5 conv1 conv5 conv1 max2 avg3",
    "conv3 conv3 max2 max2 max2 max2",
    "conv3 conv1 conv3 max2 max2 max2 max2",
    "conv3 conv5 max2 max2",
    "conv1 conv3 conv3 max2 max3",
    "conv1 conv3 conv3 max2 conv3 max2 max2 max2 max2",
    "conv3 conv1 conv3 conv5 max2 max2 max2 max2",
]
# A skip over nine layers; seven branches, four of them leaves; ten leaves; layers that feed five others and far-away
# ones; a layer merged with itself, twice.
DIFFICULT = [
    "conv3 conv5 max2 conv3 conv1 conv3 max2 conv3 conv1 add@9,1",
    "conv1 conv3@0 conv5@0 max2@0 max3@0 avg2@0 avg3@0 add@1,7 concat@2,6 add@8,9",
    "max2 max3@0 avg2@0 avg3@0 conv1@0 conv3@0 conv5@0 max2@0 avg3@0 conv1@0",
    "conv3 conv3 conv3@1 conv5@0 add@2,4 concat@5,1 max2@0 add@6,7 conv3@3 add@8,1",
    "conv1 add@1,1 conv3@1 concat@2,2 max2@0 add@4,1 max3@1 add@3,7 conv5 concat@9,5",
    "conv3 max2@0 conv3@1 max2@2 conv3@3 max2@4 conv3@5 max2@6 conv5@0 add@9,1",
]
PREDICTION = ["flatten", "dense", "dropout", "classes"]
CLOSE = 0.005
"""Inches: half a line's width."""
SPACING = Spacing(box=1.0, between_boxes=0.2, beside_edges=0.1)


def random_network(random, layers=10):
    """A valid network on 84 pixels whose types, kernels and predecessors are drawn at random."""
    network = ()
    while len(network) < layers:
        kind = LayerType(random.choice([1, 2, 3, 5, 6]))
        kernel = int(random.choice(KERNELS.get(kind, (0,))))
        pred1, pred2 = (int(i) for i in random.randint(0, len(network) + 1, 2))
        longer = (*network, Layer(kind, kernel, pred1, pred2 if kernel == 0 else 0))
        network = longer if is_valid(longer, (84, 84, 3)) else network
    return network


RANDOM = [random_network(np.random.RandomState(seed)) for seed in range(15)]
NETWORKS = [(), *map(parse, [FIGURE_4, *PUBLISHED, *DIFFICULT]), *RANDOM]


class Drawn(NamedTuple):
    """A figure and where things are in it: inches, y upwards, boxes as left, bottom, right, top."""

    figure: Figure
    size: tuple[float, float]
    boxes: dict[str, np.ndarray]
    texts: dict[str, Text]
    lines: list[np.ndarray]

    def said(self):
        """Name and size in each box."""
        said = {gid: text.get_text() for gid, text in self.texts.items()}
        return {gid: (said[f"{gid}-name"], said[f"{gid}-size"]) for gid in self.boxes}

    def edges(self):
        """Ids of the boxes that each arrow leaves at the bottom and reaches at the top, by where it is drawn."""
        return [(self.side(line[0], 1), self.side(line[-1], 3)) for line in self.lines]

    def side(self, point, side):
        x, y = point
        (gid,) = [gid for gid, box in self.boxes.items() if box[0] < x < box[2] and abs(y - box[side]) < 4 * CLOSE]
        return gid


def seen(figure):
    figure.draw_without_rendering()
    boxes = {box.get_gid(): inches(figure, box) for box in figure.findobj(FancyBboxPatch)}
    texts = {text.get_gid(): text for text in figure.findobj(Text) if text.get_text()}
    lines = [points(figure, arrow) for arrow in figure.findobj(FancyArrowPatch)]
    return Drawn(figure, tuple(figure.get_size_inches()), boxes, texts, lines)


def inches(figure, artist):
    return np.array(artist.get_window_extent().extents) / figure.dpi


def points(figure, arrow):
    """Points of an arrow's line from its start on, one every hundredth of an inch or closer."""
    path = arrow.get_transform().transform_path(arrow.get_path())
    line = path.to_polygons(closed_only=False)[0]  # what follows is the head
    pieces = [np.linspace(a, b, 2 + int(np.hypot(*(b - a)))) for a, b in itertools.pairwise(line)]
    return np.concatenate(pieces) / figure.dpi


def drawn(network, filters=lambda _: 32, title="Omniglot", subtitle="early-stop accuracy 66.1 %"):
    return seen(draw_network(network, (84, 84, 3), 1623, filters, 1024, title, subtitle))


@pytest.fixture(scope="module", params=range(len(NETWORKS)))
def drawing(request):
    return NETWORKS[request.param], drawn(NETWORKS[request.param])


def expected_edges(network):
    """From the rows (Section 1): pred1, for merges pred2 too; what feeds nothing is merged if it is more than one."""
    layers = [layer for layer in network if layer.type != 7]
    pairs = [(layer.pred1, i) for i, layer in enumerate(layers, start=1)]
    pairs += [(layer.pred2, i) for i, layer in enumerate(layers, start=1) if layer.type in (5, 6)]
    unused = sorted(set(range(1, len(layers) + 1)) - {source for source, _ in pairs}) or [0]
    names = ["image", *(f"layer{i}" for i in range(1, len(layers) + 1))]
    end = ["leaves", *PREDICTION] if len(unused) > 1 else PREDICTION
    found = [(names[a], names[b]) for a, b in pairs] + [(names[i], end[0]) for i in unused]
    return Counter([*found, *itertools.pairwise(end)])


# --- what a drawing says ------------------------------------------------------------------------------------


def test_figure_4_by_hand():
    assert drawn(parse(FIGURE_4)).said() == {
        "image": ("Image", "84 x 84 x 3"),
        "layer1": ("Convolution 1 x 1", "84 x 84 x 32"),
        "layer2": ("Max pooling 2 x 2", "42 x 42 x 32"),
        "layer3": ("Convolution 3 x 3", "82 x 82 x 32"),
        "layer4": ("Average pooling 2 x 2", "41 x 41 x 32"),
        "layer5": ("Convolution 5 x 5", "80 x 80 x 32"),
        "layer6": ("Max pooling 2 x 2", "40 x 40 x 32"),
        "layer7": ("Addition", "42 x 42 x 32"),
        "leaves": ("Concatenation of leaves", "42 x 42 x 64"),
        "flatten": ("Flatten", "112,896 features"),  # 42 x 42 x 64
        "dense": ("Dense, ReLU", "1,024 units"),
        "dropout": ("Dropout", "1,024 units"),
        "classes": ("Dense, softmax", "1,623 classes"),
    }


def test_figure_4_edges_by_hand():
    assert sorted(drawn(parse(FIGURE_4)).edges()) == [
        ("dense", "dropout"),
        ("dropout", "classes"),
        ("flatten", "dense"),
        ("image", "layer1"),
        ("image", "layer3"),
        ("image", "layer5"),
        ("layer1", "layer2"),
        ("layer2", "layer7"),
        ("layer3", "layer4"),
        ("layer4", "layer7"),
        ("layer5", "layer6"),
        ("layer6", "leaves"),
        ("layer7", "leaves"),
        ("leaves", "flatten"),
    ]


def test_every_layer_once_and_edges_equal_the_predecessors(drawing):
    network, picture = drawing
    expected = expected_edges(network)
    ids = [box.get_gid() for box in picture.figure.findobj(FancyBboxPatch)]
    assert sorted(ids) == sorted({gid for pair in expected for gid in pair})
    assert Counter(picture.edges()) == expected


def test_layers_have_their_types_colors():
    figure = drawn(parse("conv3 max2 avg2 conv1@0 add@1,4 concat@1,4")).figure
    fills = {box.get_gid(): box.get_facecolor() for box in figure.findobj(FancyBboxPatch)}
    assert fills["layer1"] == fills["layer4"]
    assert len({fills[f"layer{i}"] for i in (1, 2, 3, 5, 6)} | {fills["image"]}) == 6
    assert {LayerType(i) for i in (1, 2, 3, 5, 6)} <= COLORS.keys()


def test_dark_text_on_light_fills():
    # WCAG 2: contrast of at least 7 for the strictest level; black on a fill of luminance L has (L + 0.05) / 0.05.
    for box in drawn(parse(DIFFICULT[1])).figure.findobj(FancyBboxPatch):
        *color, alpha = box.get_facecolor()
        seen = alpha * np.array(color) + 1 - alpha
        linear = np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4)
        assert (linear @ [0.2126, 0.7152, 0.0722] + 0.05) / 0.05 > 7


def test_widened_network_shows_growing_filters():
    # Exp. 2b, Section 7: 2^(4 + i) filters in convolution i.
    sizes = drawn(parse("conv3 max2 conv3"), LongRecipe(filters=32).filters_of).said()
    assert [sizes[f"layer{i}"][1] for i in (1, 2, 3)] == ["82 x 82 x 32", "41 x 41 x 32", "39 x 39 x 64"]


def test_invalid_network_is_refused():
    with pytest.raises(InvalidNetworkError, match="layer 5: kernel 2"):
        drawn(parse("max3 max3 max3 max3 max2"))


# --- best networks ------------------------------------------------------------------------------------------


def best(**changes):
    same = {"rank": 1, "subject": "aircraft", "dataset": "aircraft", "network": "conv3 conv5 max2 max2"}
    return {**same, "accuracy": 0.48218, "parameters": 23_651_234, **changes}


@pytest.mark.parametrize(
    ("changes", "title", "subtitle"),
    [
        ({}, "FGVC-Aircraft, best network 1", "early-stop accuracy 48.2 %, 23.7 M parameters"),
        (
            {"rank": 2, "parameters": 935_046},
            "FGVC-Aircraft, best network 2",
            "early-stop accuracy 48.2 %, 935,046 parameters",
        ),
        (
            {"dataset": "omniglot", "subject": "sigma0.1", "accuracy": 0.0},
            "Omniglot, sigma 0.1, best network 1",
            "early-stop accuracy 0.0 %, 23.7 M parameters",
        ),
    ],
)
def test_best_network_by_hand(changes, title, subtitle):
    picture = seen(best_network_figure(best(**changes), 84, 100, Recipe(filters=16, dense_units=512)))
    assert [picture.texts[gid].get_text() for gid in ("title", "subtitle")] == [title, subtitle]
    said = picture.said()
    assert said["layer4"] == ("Max pooling 2 x 2", "19 x 19 x 16")
    assert (said["dense"][1], said["classes"][1]) == ("512 units", "100 classes")


def test_saved_figure_has_its_stamp_below(tmp_path):
    figure = best_network_figure(best(), 84, 100, Recipe())
    save(figure, tmp_path / "fig", provenance(Config()), 100)
    picture = seen(figure)
    (stamp,) = [text for text in figure.findobj(Text) if "scale: paper" in text.get_text()]
    assert inches(figure, stamp)[3] < min(box[1] for box in picture.boxes.values())


# --- how it looks -------------------------------------------------------------------------------------------


def apart(a, b, distance=0.0):
    """Whether two rectangles are further apart, aside or one below the other."""
    gaps = np.maximum(a[:2] - b[2:], b[:2] - a[2:])
    return (gaps >= distance).any()


def test_boxes_keep_their_distance(drawing):
    assert all(apart(a, b, 0.1) for a, b in itertools.combinations(drawing[1].boxes.values(), 2))


def test_texts_stay_in_their_boxes_and_do_not_overlap(drawing):
    _, picture = drawing
    places = {gid: inches(picture.figure, text) for gid, text in picture.texts.items()}
    for gid, (left, bottom, right, top) in places.items():
        frame = picture.boxes.get(gid.rsplit("-", 1)[0], (0, 0, *picture.size))
        assert frame[0] < left < right < frame[2]
        assert frame[1] < bottom < top < frame[3]
        assert picture.texts[gid].get_fontsize() >= 7
    assert all(apart(a, b) for a, b in itertools.combinations(places.values(), 2))


def test_nothing_is_cut_and_no_edge_comes_near_the_title(drawing):
    _, picture = drawing
    subtitle = inches(picture.figure, picture.texts["subtitle"])
    for line in [*picture.lines, *(box.reshape(2, 2) for box in picture.boxes.values())]:
        assert (line > 0).all()
        assert (line[:, 0] < picture.size[0]).all()
        assert (line[:, 1] < subtitle[1]).all()


def test_no_edge_runs_through_a_box(drawing):
    _, picture = drawing
    for line, box in itertools.product(picture.lines, picture.boxes.values()):
        inside = (line > box[:2] + CLOSE) & (line < box[2:] - CLOSE)
        assert not inside.all(axis=1).any()


@pytest.mark.parametrize("text", [*PUBLISHED, "input"])
def test_chains_are_one_straight_column(text):
    picture = drawn(parse(text))
    centres = [(box[0] + box[2]) / 2 for box in picture.boxes.values()]
    assert np.ptp([*centres, *(x for line in picture.lines for x in line[:, 0])]) < 0.001


def test_long_titles_are_not_cut():
    picture = drawn(parse("conv3"), title="A title that is far wider than a column of boxes " * 2, subtitle="")
    left, _, right, _ = inches(picture.figure, picture.texts["title"])
    assert 0 < left < right < picture.size[0]


# --- layout -------------------------------------------------------------------------------------------------


def test_rows_are_longest_paths():
    # 0 -> 1 -> 2 -> 4, with the short ways 0 -> 2, 0 -> 3 and 3 -> 4.
    assert longest_paths([(3, 4), (0, 1), (1, 2), (0, 2), (2, 4), (0, 3)]) == [0, 1, 2, 1, 3]


def test_crossings_by_hand():
    ladder = [(0, 3), (1, 2)]
    assert crossings([[0, 1], [2, 3]], ladder) == 1
    assert crossings([[0, 1], [3, 2]], ladder) == 0
    assert crossings([[0, 1], [2, 3]], [(0, 2), (0, 3), (1, 3)]) == 0
    assert crossings([[0, 1, 2], [3, 4, 5]], list(itertools.product([0, 1, 2], [3, 4, 5]))) == 9  # C(3, 2)^2


def test_crossed_branches_are_uncrossed():
    # Drawn in the order of their numbers, branches 1-5, 2-4 and 3-6 cross; so would long edge 0-8 between them.
    edges = [(0, 1), (0, 2), (0, 3), (2, 4), (1, 5), (3, 6), (4, 7), (5, 7), (6, 8), (7, 8), (0, 8)]
    layout = layered(edges, SPACING)
    assert layout.rows == [0, 1, 1, 1, 2, 2, 2, 3, 4]
    between = [
        (row, ends)
        for (source, _), route in zip(edges, layout.routes, strict=True)
        for row, ends in enumerate(itertools.pairwise(route), start=layout.rows[source])
    ]
    for (row, a), (other, b) in itertools.combinations(between, 2):
        assert row != other or (a[0] - b[0]) * (a[1] - b[1]) >= 0


def test_least_bend_by_hand():
    # A chain of boxes with one long edge beside it: the chain and the edge's middle are straight, and the last box
    # lies so that the chain meets its left port straight (boxes 1 wide: ports at -0.25 and 0.25).
    layout = layered([(0, 1), (1, 2), (2, 3), (0, 3)], SPACING)
    assert layout.x[:3] == pytest.approx([layout.x[0]] * 3)
    assert abs(layout.x[3] - layout.x[0]) == pytest.approx(0.25)
    start, *beside, end = layout.routes[3]
    assert beside == pytest.approx([beside[0]] * 2)
    assert abs(beside[0] - start) == pytest.approx(0.6)  # half a box and the distance of an edge
    assert abs(end - start) == pytest.approx(0.5)


def test_equal_edges_are_kept_apart():
    layout = layered([(0, 1), (1, 2), (1, 2)], SPACING)
    assert [route[-1] - layout.x[2] for route in layout.routes[1:]] == pytest.approx([-0.25, 0.25])


def test_layout_lies_within_its_width():
    layout = layered([(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4), (0, 4)], SPACING)
    assert min(layout.x) >= 0.5
    assert max(layout.x) <= layout.width - 0.5
    assert sorted(layout.rows) == [0, 1, 1, 1, 2]
