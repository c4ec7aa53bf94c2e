"""Networks as diagrams, from the image to the prediction module (Figures 18 to 21)."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

from nasdmrl.analysis.figures.layout import Edge, Layout, Spacing, layered
from nasdmrl.analysis.styles import name_of
from nasdmrl.config.sections import Recipe
from nasdmrl.space import nsc

IMAGE, LEAVES, PREDICTION = "image", "leaves", "prediction"
# Okabe and Ito's colours, light within the box and full around it; grey for what is not searched. In grey print
# the names tell the layers apart.
COLORS = {
    IMAGE: "#666666",
    nsc.LayerType.CONVOLUTION: "#0072B2",
    nsc.LayerType.MAX_POOLING: "#D55E00",
    nsc.LayerType.AVERAGE_POOLING: "#E69F00",
    nsc.LayerType.ADDITION: "#009E73",
    nsc.LayerType.CONCATENATION: "#CC79A7",
    LEAVES: "#CC79A7",
    PREDICTION: "#666666",
}
FILL_ALPHA = 0.22
TITLE, NAME, SMALL = (FontProperties(size=points) for points in (10, 8, 7))
POINTS_PER_INCH = 72
ARROW = {"color": "0.3", "linewidth": 0.9, "arrowstyle": "-|>", "mutation_scale": 7, "zorder": 0.5}
# Lengths in inches.
MARGIN = 0.12
SMALLEST_WIDTH = 4.2
HEADER, SUBTITLE = 0.48, 0.2
BOX_HEIGHT, BOX_PADDING = 0.38, 0.12
BETWEEN_BOXES, BESIDE_EDGES = 0.22, 0.16
GAP, LARGEST_GAP = 0.24, 0.6
GAP_PER_SHIFT = 0.06
"""Rows lie further apart where an edge goes far aside, so that it stays steep enough to be followed."""
LINE_GAP = 0.03


class Box(NamedTuple):
    """A box of a drawing: its id in the figure, kind (a key of `COLORS`), name and the size of its output."""

    id: str
    kind: Any
    name: str
    size: str


def best_network_figure(best: dict[str, Any], image_size: int, n_classes: int, recipe: Recipe) -> Figure:
    """Draw a best network (Figures 18 to 21) from the content of its `best*.json`.

    `image_size` is in pixels; `recipe` is the search's, to which the file's accuracy and parameters belong.
    """
    subject, title = best["subject"], name_of(best["dataset"])
    which = f"best network {best['rank']}"
    if subject != best["dataset"]:
        which = f"sigma {subject.removeprefix('sigma')}, {which}"
    subtitle = f"early-stop accuracy {100 * best['accuracy']:.1f} %, {_count(best['parameters'])} parameters"
    shape = (image_size, image_size, 3)
    network = nsc.parse(best["network"])
    return draw_network(network, shape, n_classes, recipe.filters_of, recipe.dense_units, f"{title}, {which}", subtitle)


def draw_network(
    network: nsc.Network,
    input_shape: nsc.Shape,
    n_classes: int,
    filters: nsc.FiltersOf,
    dense_units: int,
    title: str,
    subtitle: str,
) -> Figure:
    """Draw a network and its prediction module (Section 1): a box a layer, in rows by longest path from the image.

    A box tells the layer's name and its feature map (height x width x channels). `filters` gives the filters of the
    first, second, ... convolution. A terminal row adds nothing and is not drawn. The figure is as large as the
    network needs. Boxes, texts and arrows have ids (`gid`): `layer2`, `layer2-name`, `layer2-size`, `layer2->layer3`.
    Raises `nsc.InvalidNetworkError` for a network that cannot be built.
    """
    boxes = _boxes(network, input_shape, n_classes, filters, dense_units)
    edges = _edges(network, len(boxes))
    width = _box_width(boxes)
    layout = layered(edges, Spacing(width, BETWEEN_BOXES, BESIDE_EDGES))
    depths = _depths(layout, [layout.rows[source] for source, _ in edges])
    axes = _canvas(layout.width, depths[-1], title, subtitle)
    for (source, target), route in zip(edges, layout.routes, strict=True):
        points = list(zip(route, depths[layout.rows[source] :], strict=False))
        _draw_edge(axes, f"{boxes[source].id}->{boxes[target].id}", points)
    for box, x, row in zip(boxes, layout.x, layout.rows, strict=True):
        _draw_box(axes, box, x, depths[row], width)
    return axes.figure


# --- the graph ----------------------------------------------------------------------------------------------


def _boxes(
    network: nsc.Network, input_shape: nsc.Shape, n_classes: int, filters: nsc.FiltersOf, dense_units: int
) -> list[Box]:
    """Boxes of the image, of every layer, of the merged leaves if there are several, and of the prediction module."""
    image, *maps, merged = nsc.shapes(network, input_shape, filters)
    boxes = [Box(IMAGE, IMAGE, "Image", nsc.shape_text(image))]
    for index, (layer, shape) in enumerate(zip(network, maps, strict=True), start=1):
        if layer.type != nsc.LayerType.TERMINAL:
            boxes.append(Box(f"layer{index}", layer.type, _name(layer), nsc.shape_text(shape)))
    if len(nsc.leaves(network)) > 1:
        boxes.append(Box(LEAVES, LEAVES, "Concatenation of leaves", nsc.shape_text(merged)))
    return boxes + _prediction_module(math.prod(merged), dense_units, n_classes)


def _prediction_module(features: int, units: int, n_classes: int) -> list[Box]:
    return [
        Box("flatten", PREDICTION, "Flatten", f"{features:,} features"),
        Box("dense", PREDICTION, "Dense, ReLU", f"{units:,} units"),
        Box("dropout", PREDICTION, "Dropout", f"{units:,} units"),
        Box("classes", PREDICTION, "Dense, softmax", f"{n_classes:,} classes"),
    ]


def _edges(network: nsc.Network, n_boxes: int) -> list[Edge]:
    """Edges between boxes, by number: layer i is box i, and what follows the layers is one chain."""
    edges = [(source, target) for target, layer in enumerate(network, start=1) for source in layer.predecessors]
    first = 1 + sum(layer.type != nsc.LayerType.TERMINAL for layer in network)
    edges += [(leaf, first) for leaf in nsc.leaves(network)]
    return edges + list(itertools.pairwise(range(first, n_boxes)))


def _name(layer: nsc.Layer) -> str:
    name = layer.type.name.replace("_", " ").capitalize()
    return f"{name} {layer.kernel} x {layer.kernel}" if layer.kernel else name


def _count(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M" if parameters >= 1e6 else f"{parameters:,}"


# --- the drawing --------------------------------------------------------------------------------------------
# Axes are in inches: x from the layout's left side, y downwards from the centre of the first row.


def _box_width(boxes: Sequence[Box]) -> float:
    widths = [_text_width(text, size) for box in boxes for text, size in ((box.name, NAME), (box.size, SMALL))]
    return max(widths) + 2 * BOX_PADDING


def _text_width(text: str, font: FontProperties) -> float:
    """Width of a text, inches."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return width / POINTS_PER_INCH


def _depths(layout: Layout, first_rows: list[int]) -> list[float]:
    """How far the centre of each row is below the first one's, inches."""
    shifts = [0.0] * max(layout.rows)
    for first, route in zip(first_rows, layout.routes, strict=True):
        for gap, (x1, x2) in enumerate(itertools.pairwise(route), start=first):
            shifts[gap] = max(shifts[gap], abs(x2 - x1))
    steps = [BOX_HEIGHT + min(GAP + GAP_PER_SHIFT * shift, LARGEST_GAP) for shift in shifts]
    return [0.0, *itertools.accumulate(steps)]


def _canvas(layout_width: float, last: float, title: str, subtitle: str) -> Axes:
    """Axes that fill a figure just large enough for the layout, whose last row is at `last`, and its title."""
    width = max(layout_width, _text_width(title, TITLE), _text_width(subtitle, NAME), SMALLEST_WIDTH) + 2 * MARGIN
    top, bottom = -BOX_HEIGHT / 2 - HEADER - MARGIN, last + BOX_HEIGHT / 2 + MARGIN
    figure, middle = Figure(figsize=(width, bottom - top)), layout_width / 2
    axes = figure.add_axes((0, 0, 1, 1), xlim=(middle - width / 2, middle + width / 2), ylim=(bottom, top))
    axes.set_axis_off()
    axes.text(middle, top + MARGIN, title, font=TITLE, ha="center", va="top", gid="title")
    axes.text(middle, top + MARGIN + SUBTITLE, subtitle, font=NAME, ha="center", va="top", gid="subtitle")
    return axes


def _draw_box(axes: Axes, box: Box, x: float, y: float, width: float) -> None:
    color, shape = COLORS[box.kind], "round,pad=0,rounding_size=0.05"
    style = {"facecolor": (color, FILL_ALPHA), "edgecolor": color, "linewidth": 0.9}
    corner = (x - width / 2, y - BOX_HEIGHT / 2)
    axes.add_patch(FancyBboxPatch(corner, width, BOX_HEIGHT, boxstyle=shape, gid=box.id, **style))
    axes.text(x, y - LINE_GAP, box.name, font=NAME, ha="center", va="baseline", gid=f"{box.id}-name")
    axes.text(x, y + LINE_GAP, box.size, font=SMALL, ha="center", va="top", gid=f"{box.id}-size")


def _draw_edge(axes: Axes, gid: str, points: list[tuple[float, float]]) -> None:
    """An arrow through places in successive rows: upright within a row, curved between rows."""
    half = BOX_HEIGHT / 2
    vertices, codes = [], []
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        middle = (y1 + y2) / 2
        vertices += [(x1, y1 + half), (x1, middle), (x2, middle), (x2, y2 - half)]
        codes += [Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    path = Path(vertices, [Path.MOVETO, *codes[1:]])
    axes.add_patch(FancyArrowPatch(path=path, gid=gid, **ARROW))
