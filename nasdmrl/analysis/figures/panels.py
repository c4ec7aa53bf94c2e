"""What all figures share: axes of one panel, a legend below it, and saving with the stamp of the run."""

import json
import textwrap
from collections.abc import Iterable
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL.Image import Image

from nasdmrl.analysis.provenance import visible
from nasdmrl.analysis.styles import FIGURE_RC
from nasdmrl.files import atomic_path

FORMATS = ("pdf", "png")
PANEL_INCHES = (4.2, 3.4)
WIDE_INCHES = (6.4, 3.6)
STAMP = "stamp"
STAMP_POINTS = 6
STAMP_GAP_INCHES = 0.06
POINTS_PER_INCH = 72
EM_PER_CHARACTER = 0.6
"""Width of a character by the font's size; rather wide, so that no line leaves the figure."""

in_style = matplotlib.rc_context(FIGURE_RC)
"""Decorator of functions that draw."""


def new_axes(size: tuple[float, float] = PANEL_INCHES) -> Axes:
    """Axes of a new figure of this width and height (inches), which makes room for labels and legend.

    The figure is matplotlib's own and not pyplot's, which would keep every figure in memory.
    """
    return Figure(figsize=size, layout="constrained").add_subplot()


def legend_below(axes: Axes) -> None:
    """A legend of all labelled artists below the axes, in as few rows as fit into the figure's width."""
    handles, labels = axes.get_legend_handles_labels()
    for columns in range(len(handles), 0, -1):
        legend = axes.figure.legend(handles, labels, loc="outside lower center", ncols=columns)
        if columns == 1 or legend.get_window_extent().width <= axes.figure.bbox.width:
            return
        legend.remove()


def wrapped(text: str, inches: float, points: float) -> str:
    """The text in lines of at most this width at a font size (points)."""
    return textwrap.fill(text, int(inches * POINTS_PER_INCH / (points * EM_PER_CHARACTER)))


def no_data(axes: Axes, text: str) -> None:
    """Say within empty axes why they are empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="0.4")


@in_style
def save(figure: Figure, path: Path | str, stamp: dict[str, str], dpi: int, formats: Iterable[str] = FORMATS) -> None:
    """Save a figure as `path`.pdf and `path`.png with the stamp below it and in the files' metadata.

    The files are as wide as the figure, so that panels of one size stay of one size.
    """
    _fix_layout(figure)
    _write_stamp(figure, visible(stamp))
    box = _everything(figure)
    metadata = {
        "pdf": {"Subject": visible(stamp), "Keywords": json.dumps(stamp)},
        "png": {"Description": json.dumps(stamp)},
    }
    for kind in formats:
        with atomic_path(Path(f"{path}.{kind}")) as temporary:
            figure.savefig(temporary, format=kind, dpi=dpi, bbox_inches=box, metadata=metadata[kind])


def stamp_of(image: Image) -> dict[str, str]:
    """The stamp in the metadata of a PNG file that `save` wrote; empty where there is none."""
    return json.loads(image.info.get("Description", "{}"))


def _fix_layout(figure: Figure) -> None:
    """Leave everything where it is now; a file that shows more than the figure would have its legend moved."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0, 0, 1, 1), figure.transFigure)


def _write_stamp(figure: Figure, text: str) -> None:
    """Put the stamp, in as many lines as it needs, below all that the figure shows; an earlier stamp goes."""
    for old in [old for old in figure.texts if old.get_gid() == STAMP]:
        old.remove()
    width, height = figure.get_size_inches()
    top = (_everything(figure).y0 - STAMP_GAP_INCHES) / height
    text = wrapped(text, 0.98 * width, STAMP_POINTS)
    figure.text(0.01, top, text, fontsize=STAMP_POINTS, color="0.3", va="top", gid=STAMP)


def _everything(figure: Figure) -> Bbox:
    """The figure and what may stick out of it, inches."""
    return Bbox.union([Bbox.from_bounds(0, 0, *figure.get_size_inches()), figure.get_tightbbox()])
