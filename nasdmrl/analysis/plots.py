"""How figures look and how they are saved; the one place of colours and names."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nasdmrl.agents import METHODS
from nasdmrl.analysis.episodes import METRICS, binned
from nasdmrl.datasets import DATASETS
from nasdmrl.files import atomic_path
from nasdmrl.provenance import visible

# Okabe and Ito's colours, told apart by colour-blind readers; markers tell them apart in grey print.
METHOD_STYLES = {
    "meta_a2c": {"color": "#0072B2", "marker": "o"},
    "dqn": {"color": "#D55E00", "marker": "s"},
    "random_search": {"color": "#009E73", "marker": "^"},
}
FORMATS = ("pdf", "png")
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "pdf.fonttype": 42,
    "savefig.bbox": "tight",
}
PANEL_INCHES = (4.2, 3.0)


def curve_panel(table: pd.DataFrame, dataset: str, metric: str, bin_episodes: int) -> Figure:
    """One panel of Figures 9, 12 or 14: a metric on a dataset, mean +- 1 sd every `bin_episodes` episodes.

    `table` is what `episodes` returns; methods without rows for the dataset are left out.
    """
    points = binned(table[table["dataset"] == dataset], metric, bin_episodes)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=PANEL_INCHES)
        for method in METHODS:
            _curve(axes, points[points["method"] == method], method)
        axes.set(xlabel=f"Episode (mean and 1 sd of every {bin_episodes})", ylabel=METRICS[metric])
        axes.set_title(DATASETS[dataset].title, loc="left")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=len(METHODS), frameon=False)
    return figure


def _curve(axes: Axes, points: pd.DataFrame, method: str) -> None:
    if points.empty:
        return
    style = METHOD_STYLES[method]
    axes.plot(points["episode"], points["mean"], label=METHODS[method], markersize=3, linewidth=1.2, **style)
    low, high = points["mean"] - points["sd"], points["mean"] + points["sd"]
    axes.fill_between(points["episode"], low, high, color=style["color"], alpha=0.18, linewidth=0)


def save(figure: Figure, path: Path | str, stamp: dict[str, str], dpi: int) -> None:
    """Save a figure as `path`.pdf and `path`.png with the stamp below the plot and in the files' metadata."""
    figure.text(0.01, -0.13, visible(stamp), fontsize=5, color="0.4", ha="left", va="top")
    text = json.dumps(stamp)
    metadata = {"pdf": {"Subject": visible(stamp), "Keywords": text}, "png": {"Description": text}}
    for kind in FORMATS:
        target = Path(f"{path}.{kind}")
        with atomic_path(target) as temporary, plt.rc_context(STYLE):
            figure.savefig(temporary, format=kind, dpi=dpi, metadata=metadata[kind])
