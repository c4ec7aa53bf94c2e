"""Step logs to episodes, points of a curve, shares of actions and networks met (Section 8)."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from nasdmrl.analysis.styles import in_order, sigma_of
from nasdmrl.errors import DataError
from nasdmrl.space.actions import MULTI_BRANCH, OUT_OF_BOUNDS, SPACES
from nasdmrl.space.nsc import LayerType, parse

RUN = ["method", "dataset", "seed"]
MULTI_BRANCH_NETWORKS = "multi_branch_networks"
"""Per-episode measure of Figure 15 b: see `multi_branch_counts`."""


# --- reading ------------------------------------------------------------------------------------------------


def read_logs(paths: Iterable[Path | str]) -> pd.DataFrame:
    """Step logs as one table, with method, dataset and seed from `.../METHOD/DATASET/seedSEED/steps.csv`.

    Raises `DataError` where a log is missing or not at such a place.
    """
    return _read_all(paths, "step log", "steps.csv")


def read_progress(paths: Iterable[Path | str]) -> pd.DataFrame:
    """Progress of learning agents as one table, from `.../METHOD/DATASET/seedSEED/progress.csv` (Figures 10, 15 a).

    One row an update of an agent; columns that another kind of agent writes are empty. Raises `DataError` where a
    file is missing or not at such a place.
    """
    return _read_all(paths, "progress file", "progress.csv")


def experiment_of(log: Path) -> str:
    """The experiment of a log `EXPERIMENT/METHOD/DATASET/seedSEED/NAME`; empty where the path is shorter."""
    return log.parts[-5] if len(log.parts) >= 5 else ""


def _read_all(paths: Iterable[Path | str], kind: str, name: str) -> pd.DataFrame:
    """Runs in the order of legends, whatever that of the paths: pandas' sums depend on it in the last digit."""
    frames = {Path(path): _read_run(Path(path), kind, name) for path in paths}
    if not frames:
        raise DataError(f"no {kind} was given; run a search first, for instance `snakemake all`")
    methods, datasets = (in_order(path.parts[part] for path in frames) for part in (-4, -3))
    ordered = sorted(frames, key=lambda path: (methods.index(path.parts[-4]), datasets.index(path.parts[-3])))
    return pd.concat([frames[path] for path in ordered], ignore_index=True)


def _read_run(path: Path, kind: str, name: str) -> pd.DataFrame:
    try:
        method, dataset, seed = path.parts[-4:-1]
        return _read_rows(path).assign(method=method, dataset=dataset, seed=int(seed.removeprefix("seed")))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected a {kind} METHOD/DATASET/seedSEED/{name} ({error})") from error


def _read_rows(path: Path) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path)
    except pd.errors.EmptyDataError:  # a trial shorter than one update
        return pd.DataFrame({"step": []})
    if not {"step", "episode"} & set(rows):
        raise ValueError("it has no column `step`")
    return rows


# --- episodes -----------------------------------------------------------------------------------------------


def episodes(steps: pd.DataFrame) -> pd.DataFrame:
    """One row an episode of each run: its number (1, 2, ...), best reward, length and accumulated reward.

    The last episode of a trial that the trial's end cuts off is left out, as in the authors' notebooks.
    """
    by_episode = _finished(steps).groupby([*RUN, "episode"], sort=False)["reward"]
    measures = by_episode.agg(best_reward="max", length="size", accumulated_reward="sum")
    return measures.reset_index()


def _finished(steps: pd.DataFrame) -> pd.DataFrame:
    """The steps of episodes whose last step is there."""
    return steps[steps.groupby([*RUN, "episode"], sort=False)["episode_end"].transform("max") == 1]


def multi_branch_counts(steps: pd.DataFrame) -> pd.DataFrame:
    """One row a finished episode of each run: at how many steps its network was multi-branch (Figure 15 b).

    As in the authors' notebook, every step counts: shifts, terminal and invalid ones too. Column
    `multi_branch_networks`.
    """
    states = _finished(steps)
    counted = states.assign(**{MULTI_BRANCH_NETWORKS: multi_branch_states(states["network"]).astype(int)})
    return counted.groupby([*RUN, "episode"], sort=False)[MULTI_BRANCH_NETWORKS].sum().reset_index()


def multi_branch_states(networks: pd.Series) -> pd.Series:
    """Whether networks, as texts, are multi-branch by the authors' rule (`is_branched`)."""
    return networks.map({text: is_branched(text) for text in networks.unique()}).astype(bool)


def is_branched(network: str) -> bool:
    """Whether a network is multi-branch by the rule of the authors' notebook (Section 8, C7).

    Some row's first predecessor is neither 0 nor one more than the first predecessor of the row before (0 before the
    first). `nsc.is_multi_branch`, this package's own reading, is wider: any layer that does not follow the one before.
    """
    if "@" not in network:  # only a chain names no predecessor
        return False
    before = 0
    for layer in parse(network):
        if layer.pred1 not in (0, before + 1):
            return True
        before = layer.pred1
    return False


def adds_layer(steps: pd.DataFrame) -> pd.Series:
    """Whether a step's action made a new network: it neither shifted a pointer nor ended the network."""
    others = [action.name for action in MULTI_BRANCH if action.is_shift or action.type == LayerType.TERMINAL]
    return ~steps["action_name"].isin(others)


def binned(table: pd.DataFrame, metric: str, bin_episodes: int) -> pd.DataFrame:
    """Mean and standard deviation of a metric over every `bin_episodes` episodes, all seeds together.

    Returns one row a method, dataset and bin: `episode` (the bin's last, or the run's), mean, sd (the sample's,
    divisor n - 1, as in the authors' notebooks; NaN for one episode) and n episodes. The last bin may be short.
    """
    bins = (table["episode"] - 1) // bin_episodes
    grouped = table.assign(bin=bins).groupby(["method", "dataset", "bin"], sort=False)
    points = grouped.agg(episode=("episode", "max"), mean=(metric, "mean"), sd=(metric, "std"), n=(metric, "size"))
    return points.reset_index()


# --- updates ------------------------------------------------------------------------------------------------


def binned_updates(progress: pd.DataFrame, column: str, bin_updates: int) -> pd.DataFrame:
    """Mean of a column of `read_progress` over every `bin_updates` updates of each run.

    Returns one row a run and bin: mean `step`, and the column. The last bin may be short.
    """
    ordered = progress.sort_values([*RUN, "step"])
    bins = ordered.groupby(RUN).cumcount() // bin_updates
    return ordered.assign(bin=bins).groupby([*RUN, "bin"], as_index=False)[["step", column]].mean()


# --- actions and networks -----------------------------------------------------------------------------------


def action_proportions(steps: pd.DataFrame) -> pd.DataFrame:
    """Share of each action in all steps of each dataset, or of each sigma in Exp. 3 (Figures 11, 13, 16).

    Index `action_name` in the order of the action ids, one column a dataset or sigma, each of sum 1; an action never
    chosen has 0. Seeds are counted together. The multi-branch actions are all there for steps of Exp. 3, or where one
    of them occurs. Raises `DataError` for steps of several methods, whose shares make no sense as one.
    """
    methods = in_order(steps["method"])
    sigmas = all(sigma_of(method) is not None for method in methods)
    if len(methods) > 1 and not sigmas:
        raise DataError(f"action proportions of several methods at once ({', '.join(methods)}): choose one")
    wide = sigmas or (steps["action"] >= len(SPACES["chain"])).any()
    names = pd.Index([action.name for action in SPACES["multi_branch" if wide else "chain"]], name="action_name")
    groups = steps["method" if sigmas else "dataset"]
    shares = pd.crosstab(steps["action_name"], groups, normalize="columns").rename_axis(columns=None)
    return shares.reindex(index=names, columns=in_order(groups), fill_value=0.0)


def first_meetings(steps: pd.DataFrame) -> pd.DataFrame:
    """The steps at which a run met a network for the first time, valid or not: each distinct network once a run."""
    return steps[(steps["looked_up"] == 0) & (steps["status"] != OUT_OF_BOUNDS)]


def accuracies(steps: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of every valid network that a run met, each distinct network once a run (Figure 17)."""
    met = first_meetings(steps)
    return met.loc[met["valid"] == 1, [*RUN, "network", "accuracy"]].reset_index(drop=True)
