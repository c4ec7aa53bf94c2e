"""Curves over episodes and over updates: Figures 9, 10, 12, 14 and 15 (Section 8)."""

import itertools
import math
from collections.abc import Mapping
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nasdmrl.analysis.episodes import MULTI_BRANCH_NETWORKS, RUN, binned, binned_updates
from nasdmrl.analysis.figures.panels import WIDE_INCHES, in_style, legend_below, new_axes, no_data
from nasdmrl.analysis.statistics import binned_iqm
from nasdmrl.analysis.styles import METRICS, Style, in_order, name_of, styles_of
from nasdmrl.config.sections import Space
from nasdmrl.paper.datasets import with_role
from nasdmrl.space.actions import SPACES

Statistic = Literal["mean_sd", "iqm"]
LABELS = {**METRICS, MULTI_BRANCH_NETWORKS: "Multi-branch networks\nin an episode"}
LARGEST = {"best_reward": 1.0}
"""Largest possible values; a reward is an accuracy."""
BAND_ALPHA, THIN_ALPHA, FAINT_ALPHA = 0.18, 0.5, 0.25
MARKERS_ON_A_CURVE = 25


# --- over episodes ------------------------------------------------------------------------------------------


def curve_points(table: pd.DataFrame, metric: str, bin_episodes: int, statistic: Statistic = "mean_sd") -> pd.DataFrame:
    """Points of the curves: method, dataset, bin, episode, n, `middle`, and the band's ends `low` and `high`.

    `mean_sd` (as published): mean +- 1 sd of the bin's episodes, all seeds together. `iqm`: interquartile mean over
    seeds with its 95 % interval, which one seed has not.
    """
    if statistic == "iqm":
        return binned_iqm(table, metric, bin_episodes).rename(columns={"iqm": "middle"})
    points = binned(table, metric, bin_episodes).rename(columns={"mean": "middle"})
    return points.assign(low=points["middle"] - points["sd"], high=points["middle"] + points["sd"])


@in_style
def curve_panel(
    table: pd.DataFrame, dataset: str, metric: str, bin_episodes: int, statistic: Statistic = "mean_sd"
) -> Figure:
    """One panel of Figures 9, 12, 14 or 15 b: a metric on a dataset, a point every `bin_episodes` episodes.

    `table` is what `episodes` or `multi_branch_counts` returns; a curve for each of its methods (or sigmas) with rows
    for the dataset. Methods that the paper does not know have curves as well. Bands are as published, cut where the
    axis ends: at 0, and at 1 for the reward of one network, since no value lies beyond.
    """
    axes = new_axes()
    axes.set_title(name_of(dataset), loc="left")
    axes.set(xlabel=_episode_label(bin_episodes, statistic), ylabel=LABELS[metric])
    here = table[table["dataset"] == dataset]
    if here.empty:
        no_data(axes, "no episodes")
        return axes.figure
    points = curve_points(here, metric, bin_episodes, statistic)
    for method, style in styles_of(in_order(table["method"])).items():
        _curve(axes, points[points["method"] == method], name_of(method), style)
    _limit(axes, LARGEST.get(metric, math.inf))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(axes)
    return axes.figure


def _episode_label(bin_episodes: int, statistic: Statistic) -> str:
    shown = "mean ± 1 sd" if statistic == "mean_sd" else "IQM over seeds with 95 % interval"
    return f"Episode\n({shown}, every {bin_episodes} episodes)"


def _curve(axes: Axes, points: pd.DataFrame, label: str, style: Style) -> None:
    if points.empty:
        return
    _line(axes, points["episode"], points["middle"], label, style)
    band = (points["episode"], points["low"], points["high"])
    axes.fill_between(*band, color=style.color, alpha=BAND_ALPHA, linewidth=0)


def _line(axes: Axes, x: pd.Series, y: pd.Series, label: str, style: Style) -> None:
    """A line with markers, few enough to see the line; not cut at the axis, on which values may lie."""
    every, wider = max(1, len(x) // MARKERS_ON_A_CURVE), _wider(axes)
    markers = {"marker": style.marker, "markersize": 3.5 + wider, "markevery": every}
    axes.plot(x, y, label=label, color=style.color, linewidth=1.2 + wider, clip_on=False, **markers)


def _wider(axes: Axes) -> float:
    """Points by which the first curves are wider than later ones, so that none is hidden by an equal one."""
    drawn = len(axes.get_legend_handles_labels()[1])
    return max(0.0, 1.2 - 0.6 * drawn)


def _limit(axes: Axes, largest: float) -> None:
    """Begin both axes at 0 and end the upright one at the largest possible value or before."""
    axes.set_xlim(left=0)
    axes.set_ylim(0, min(axes.get_ylim()[1], largest))


# --- over updates -------------------------------------------------------------------------------------------


@in_style
def entropy_chain(
    progress: pd.DataFrame, bin_updates: int = 20, lengths: Mapping[str, int] | None = None, space: Space = "chain"
) -> Figure:
    """Figure 10: entropy of the policy over the steps of the training datasets, one after the other.

    `progress` is what `read_progress` returns; rows without entropy (of DQN) and of other datasets are left out.
    lengths: steps of each trial; without them a trial ends with its last update.
    """
    rows = _with_entropy(progress)
    datasets = [name for name in with_role("training") if name in set(rows["dataset"])]
    rows = rows[rows["dataset"].isin(datasets)]
    lengths = lengths or rows.groupby("dataset")["step"].max()
    ends = dict(zip(datasets, itertools.accumulate(lengths[name] for name in datasets), strict=True))
    starts = {name: ends[name] - lengths[name] for name in datasets}
    axes = new_axes(WIDE_INCHES)
    _entropy(axes, rows.assign(step=rows["step"] + rows["dataset"].map(starts)), bin_updates, space)
    for name in datasets:
        middle = (starts[name] + ends[name]) / 2
        axes.text(middle, 1.02, name_of(name), transform=axes.get_xaxis_transform(), ha="center")
        axes.axvline(ends[name], color="0.3", linewidth=1, linestyle=":")
    if datasets:
        axes.set_xlim(right=ends[datasets[-1]])
    return axes.figure


@in_style
def entropy_panel(progress: pd.DataFrame, bin_updates: int = 20, space: Space = "multi_branch") -> Figure:
    """Figure 15 a: entropy of the policy over the steps of a trial, a curve for each sigma.

    `progress` is what `read_progress` returns, of one dataset; rows without entropy are left out.
    """
    axes, rows = new_axes(), _with_entropy(progress)
    axes.set_title(", ".join(name_of(name) for name in in_order(rows["dataset"])), loc="left")
    _entropy(axes, rows, bin_updates, space)
    return axes.figure


def _with_entropy(progress: pd.DataFrame) -> pd.DataFrame:
    if "entropy" not in progress:
        return progress.assign(entropy=math.nan).iloc[:0]
    return progress.dropna(subset="entropy").sort_values([*RUN, "step"])


def _entropy(axes: Axes, rows: pd.DataFrame, bin_updates: int, space: Space) -> None:
    """Curves of each method, the entropy of a uniform policy, axes and legend; `step` is the place on the axis."""
    actions, largest = len(SPACES[space]), math.log(len(SPACES[space]))
    axes.set(xlabel=f"Step\n({_entropy_label(rows, bin_updates)})", ylabel="Policy entropy (nats)")
    if rows.empty:
        no_data(axes, "no updates")
    for method, style in styles_of(in_order(rows["method"])).items():
        _entropy_curves(axes, rows[rows["method"] == method], bin_updates, name_of(method), style)
    uniform = f"Uniform policy, ln {actions} = {largest:.2f} nats"
    axes.axhline(largest, color="0.3", linewidth=1, linestyle="--", label=uniform)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.08 * largest)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(axes)


def _entropy_label(rows: pd.DataFrame, bin_updates: int) -> str:
    seeds = rows["seed"].nunique()
    if seeds > 1:
        return f"mean of {seeds} seeds and {bin_updates} updates;\nthin: each seed; faint: every update"
    return f"mean of {bin_updates} updates; faint: every update"


def _entropy_curves(axes: Axes, rows: pd.DataFrame, bin_updates: int, label: str, style: Style) -> None:
    """Faint: every update. Thin, with several seeds: each seed's bins. Thick: their mean over seeds."""
    bins = binned_updates(rows, "entropy", bin_updates)
    for _, run in rows.groupby(RUN):
        axes.plot(run["step"], run["entropy"], color=style.color, alpha=FAINT_ALPHA, linewidth=0.5)
    if rows["seed"].nunique() > 1:
        for _, run in bins.groupby(RUN):
            axes.plot(run["step"], run["entropy"], color=style.color, alpha=THIN_ALPHA, linewidth=0.7)
    means = bins.groupby(["dataset", "bin"], as_index=False)[["step", "entropy"]].mean()
    for dataset in in_order(means["dataset"]):
        points = means[means["dataset"] == dataset]
        _line(axes, points["step"], points["entropy"], label, style)
        label = ""  # the legend names a method once
