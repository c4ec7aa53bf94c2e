"""Two runs' learning curves in the same panels."""

import base64
import io
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from nasdmrl.analysis.episodes import episodes
from nasdmrl.analysis.figures.curves import curve_panel
from nasdmrl.analysis.figures.panels import PANEL_INCHES, in_style
from nasdmrl.analysis.styles import in_order, name_of
from nasdmrl.paper.experiments import EXPERIMENTS
from nasdmrl.report.comparison.sides import Side
from nasdmrl.report.page import CSS_PIXELS_PER_INCH

METRIC, POINTS, DPI = "best_reward", 20, 160
"""What the curves show; about how many points, where no configuration says so; resolution."""
IMAGE_SIZE = tuple(round(inches * CSS_PIXELS_PER_INCH) for inches in PANEL_INCHES)
"""Width and height of a panel on the page, CSS pixels."""


class Overlay(NamedTuple):
    """A panel: both runs' curves of a method on a dataset as a data URI, or why there is none (`gap`)."""

    title: str
    image: str = ""
    note: str = ""
    gap: str = ""


def overlays(experiment: str, a: Side, b: Side) -> Iterator[Overlay]:
    """A panel for each method, or sigma, and dataset of an experiment that either run has step logs of."""
    logs = {side.name: side.steps(experiment)[0] for side in (a, b)}
    tables = {name: episodes(steps) for name, steps in logs.items() if len(steps)}
    if not tables:
        yield Overlay(EXPERIMENTS[experiment], gap="neither run has step logs of it")
        return
    every = pd.concat(tables.values())
    width = _bin(a, b, every)
    for dataset in in_order(every["dataset"]):
        for method in in_order(every.loc[every["dataset"] == dataset, "method"]):
            yield _overlay(tables, method, dataset, width)


def _bin(a: Side, b: Side, every: pd.DataFrame) -> int:
    """Episodes a point: the larger of the two configurations' numbers."""
    told = [
        int(side.settings["plots.bin_episodes"]) for side in (a, b) if "plots.bin_episodes" in (side.settings or {})
    ]
    return max(told, default=max(1, every["episode"].max() // POINTS))


def _overlay(tables: dict[str, pd.DataFrame], method: str, dataset: str, width: int) -> Overlay:
    """The runs take the place of methods in the panel of Figures 9, 12 and 14."""
    here = {name: table[(table["method"] == method) & (table["dataset"] == dataset)] for name, table in tables.items()}
    lacking = [name for name in "AB" if name not in here or here[name].empty]
    runs = pd.concat([rows.assign(method=name) for name, rows in here.items()])
    note = f"{lacking[0]} has no log of it." if lacking else ""
    return Overlay(f"{name_of(method)} on {name_of(dataset)}", _image(curve_panel(runs, dataset, METRIC, width)), note)


@in_style
def _image(figure: Figure) -> str:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
