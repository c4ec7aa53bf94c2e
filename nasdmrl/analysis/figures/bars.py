"""Bars and boxes: proportions of actions (Figures 11, 13, 16) and how hard the datasets are (Figure 17)."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasdmrl.analysis.figures.panels import (
    PANEL_INCHES,
    WIDE_INCHES,
    in_style,
    legend_below,
    new_axes,
    no_data,
    wrapped,
)
from nasdmrl.analysis.statistics import PairedTest, signed_rank_test
from nasdmrl.analysis.styles import in_order, name_of, style_of, styles_of

WIDTH = 0.8
"""Of a group of bars; places lie 1 apart."""
MANY_ACTIONS = 8
NOTE_POINTS = 7.5
EDGE = {"edgecolor": "black", "linewidth": 0.6}

# --- actions ------------------------------------------------------------------------------------------------


@in_style
def action_panel(proportions: pd.DataFrame, note: str = "") -> Figure:
    """Figures 11, 13 and 16: the proportion of each action, a bar for each dataset or sigma.

    `proportions` is what `action_proportions` returns. note: a line above the bars, such as the result of the
    Wilcoxon test of Figure 13.
    """
    size = WIDE_INCHES if len(proportions) > MANY_ACTIONS else PANEL_INCHES
    axes = new_axes(size)
    width = WIDTH / len(proportions.columns)
    first = np.arange(len(proportions)) - (WIDTH - width) / 2
    for place, (name, style) in enumerate(styles_of(proportions.columns).items()):
        look = {"color": style.color, "hatch": style.hatch, **EDGE}
        axes.bar(first + place * width, proportions[name], width, label=name_of(name), **look)
    axes.set_ylabel("Proportion of actions")
    axes.set_title(wrapped(note, size[0] - 0.8, NOTE_POINTS), loc="left", fontsize=NOTE_POINTS)
    _name_places(axes, proportions.index, 45)
    legend_below(axes)
    return axes.figure


def _name_places(axes: Axes, names: Iterable[str], degrees: float) -> None:
    names = list(names)
    axes.set_xticks(range(len(names)), names, rotation=degrees, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")


def wilcoxon(shares: pd.DataFrame, datasets: Sequence[str]) -> PairedTest:
    """Wilcoxon's signed-rank test between the action proportions of two datasets, paired by action (Figure 13)."""
    first, second = (shares[dataset].to_numpy() for dataset in datasets)
    return signed_rank_test(first, second)


def wilcoxon_note(test: PairedTest) -> str:
    """The test's outcome in a line: statistic W, exact p, matched-pairs rank-biserial correlation in [-1, 1]."""
    if test.nonzero == 0:
        return "Wilcoxon signed-rank: no action's proportion differs, so there is nothing to test"
    return f"Wilcoxon signed-rank: W = {test.statistic:g}, p = {test.p:.2f}, effect {test.effect:+.2f}"


# --- hardness -----------------------------------------------------------------------------------------------


@in_style
def hardness_box(
    accuracies: pd.DataFrame, missing: Iterable[str] = (), classes: Mapping[str, int] | None = None
) -> Figure:
    """Figure 17 a: box plot of the accuracies met on each dataset.

    `accuracies` is what `episodes.accuracies` returns. Boxes hold the middle half and the median, whiskers reach to the
    last value within 1.5 boxes, what lies beyond is drawn singly. missing: datasets that were not run keep a place
    that says so. classes: number of classes of datasets, to mark chance level (1 / classes).
    """
    return _hardness(accuracies, missing, classes or {}, _box)


@in_style
def hardness_bars(
    accuracies: pd.DataFrame, missing: Iterable[str] = (), classes: Mapping[str, int] | None = None
) -> Figure:
    """Figure 17 b: mean accuracy met on each dataset with 1 sd (of the population), and the maximum.

    Arguments as of `hardness_box`.
    """
    return _hardness(accuracies, missing, classes or {}, _bar)


def _hardness(
    accuracies: pd.DataFrame,
    missing: Iterable[str],
    classes: Mapping[str, int],
    draw: Callable[[Axes, int, str, np.ndarray], None],
) -> Figure:
    axes = new_axes()
    values = {name: rows.to_numpy() for name, rows in accuracies.groupby("dataset")["accuracy"]}
    names = in_order([*values, *missing])
    for place, name in enumerate(names):
        if name in values:
            draw(axes, place, name, values[name])
            _chance(axes, place, classes.get(name))
        else:
            axes.text(place, 0.03, "missing", rotation=90, ha="center", transform=axes.get_xaxis_transform())
    if not names:
        no_data(axes, "no networks")
    axes.set_ylabel("Early-stop accuracy")
    axes.set_ylim(0, min(axes.get_ylim()[1], 1))
    _name_places(axes, [name_of(name) for name in names], 30)
    _legend_once(axes)
    return axes.figure


def _box(axes: Axes, place: int, name: str, values: np.ndarray) -> None:
    style = style_of(name)
    points = {"markersize": 3, "marker": "o", "markerfacecolor": "none", "markeredgewidth": 0.6}
    boxes = axes.boxplot(
        [values],
        positions=[place],
        widths=0.6,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": style.color, "hatch": style.hatch, **EDGE},
        medianprops={"color": "black", "linewidth": 2},
        flierprops=points,
    )
    boxes["medians"][0].set_label("Median")


def _bar(axes: Axes, place: int, name: str, values: np.ndarray) -> None:
    style, mean = style_of(name), values.mean()
    axes.bar(place, mean, 0.6, color=style.color, hatch=style.hatch, **EDGE)
    axes.errorbar(place, mean, values.std(), color="black", linewidth=1, capsize=3, label="Mean ± 1 sd")
    axes.plot(place, values.max(), "kv", markerfacecolor="white", clip_on=False, label="Maximum", linestyle="none")


def _chance(axes: Axes, place: int, classes: int | None) -> None:
    if classes:
        axes.hlines(1 / classes, place - 0.4, place + 0.4, color="black", linestyle=":", label="Chance, 1 / classes")


def _legend_once(axes: Axes) -> None:
    """A legend that tells each kind of mark once, though every dataset has it."""
    named = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    for artist, label in zip(*axes.get_legend_handles_labels(), strict=True):
        if artist is not named[label]:
            artist.set_label("_")
    legend_below(axes)
