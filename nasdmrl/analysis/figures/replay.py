"""The figure of random search played again (`random_replay`): published and played lengths of episodes."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasdmrl.analysis.figures.panels import in_style
from nasdmrl.analysis.styles import name_of, style_of

SIZE_INCHES = (7.2, 5.0)
PUBLISHED_COLOR, BAND_ALPHA = "0.35", 0.15
PANELS = (("omniglot",), ("vgg_flower",), ("dtd",), ("aircraft", "cu_birds"))
"""Datasets of each panel; the curves of the last two are the same."""


@in_style
def replay_figure(table: pd.DataFrame) -> Figure:
    """Four panels of what `random_replay.compared` gives: a point a bin, full where the bin is exact.

    Omniglot is drawn as played, without an episode that ends early.
    """
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    panels = figure.subplots(2, 2, sharey=True)
    for axes in panels[1]:
        axes.set_xlabel("Episode, as the paper's axis counts it")
    for axes, datasets in zip(panels.flat, PANELS, strict=True):
        _panel(axes, table[(table["dataset"] == datasets[0]) & (table["ended_early_at"] == "")])
        axes.set_title(", ".join(map(name_of, datasets)), loc="left")
    figure.supylabel("Episode length (steps), mean of a bin", fontsize="medium")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _panel(axes: Axes, bins: pd.DataFrame) -> None:
    x, (mean, sd), (played, _) = bins["x"].to_numpy(), _moments(bins, "paper_"), _moments(bins, "")
    exact, color = bins["exact"].to_numpy(bool), style_of("random_search").color
    axes.plot(x, mean, color=PUBLISHED_COLOR, linewidth=1, label="published")
    axes.fill_between(x, mean - sd, mean + sd, color=PUBLISHED_COLOR, alpha=BAND_ALPHA, linewidth=0, label="± 1 sd")
    points = {"linestyle": "none", "marker": "o", "markersize": 4.5, "color": color}
    axes.plot(x[exact], played[exact], **points, label="played, exact")
    axes.plot(x[~exact], played[~exact], **points, markerfacecolor="white", label="played, differs")
    axes.text(0.98, 0.04, f"{exact.sum()} of {len(exact)} bins exact", transform=axes.transAxes, ha="right")
    axes.set(xlim=(-0.03 * x.max(), None), ylim=(0, 10))


def _moments(bins: pd.DataFrame, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (divisor n - 1) of each bin, from its sums."""
    n, total, squares = (bins[prefix + name].to_numpy(float) for name in ("episodes", "sum", "sum_of_squares"))
    return total / n, np.sqrt((squares - total**2 / n) / (n - 1))
