"""What a notebook shows: it reads an experiment's results and saves its figures under the paper's names."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from nasdmrl.analysis.drawings import best_network_figure
from nasdmrl.analysis.episodes import (
    METRICS,
    MULTI_BRANCH_NETWORKS,
    accuracies,
    action_proportions,
    episodes,
    multi_branch_counts,
    read_logs,
    read_progress,
)
from nasdmrl.analysis.items import figures, of_experiment, sigma_names
from nasdmrl.analysis.plots import (
    action_panel,
    curve_panel,
    entropy_chain,
    entropy_panel,
    hardness_bars,
    hardness_box,
    save,
)
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.statistics import PairedTest, signed_rank_test
from nasdmrl.analysis.styles import in_order
from nasdmrl.config.model import Config, load
from nasdmrl.data.images import load as load_images
from nasdmrl.errors import DataError
from nasdmrl.paper.datasets import DATASETS, with_role

PATTERNS = ("*/*/seed*/steps.csv", "best/*/best*.json", "../data/*/images")
"""What a notebook reads below its experiment's folder when it is opened by hand."""


@dataclass
class Exhibition:
    """Results of one experiment (`exp1`, ...) and the folder of its figures.

    inputs: step logs, best*.json files and folders of decoded images; without any, those of the last run in
    `results/`, looked for here and in the folders above. config: as of `load`.
    """

    experiment: str
    inputs: Sequence[str]
    folder: str
    config: str

    @cached_property
    def settings(self) -> Config:
        """The configuration of the run."""
        return load(_above(self.config))

    @cached_property
    def stamp(self) -> dict[str, str]:
        """Where the results come from."""
        return provenance(self.settings, self.steps["dataset"])

    @cached_property
    def steps(self) -> pd.DataFrame:
        """All step logs."""
        return read_logs(self._files("steps.csv"))

    @cached_property
    def progress(self) -> pd.DataFrame:
        """What the learning agents noted at their updates."""
        beside = [path.with_name("progress.csv") for path in self._files("steps.csv")]
        return read_progress([path for path in beside if path.exists()])

    @cached_property
    def best(self) -> list[dict[str, Any]]:
        """The best networks, in the order of their files."""
        return [json.loads(path.read_text(encoding="utf-8")) for path in self._files(".json")]

    @cached_property
    def classes(self) -> dict[str, int]:
        """Number of classes of each dataset whose images are among the inputs."""
        return {data.name: data.n_classes for data in map(load_images, self._files("images"))}

    def best_of(self, subject: str) -> list[dict[str, Any]]:
        """The best networks of a dataset or sigma, best first."""
        return sorted((best for best in self.best if best["subject"] == subject), key=lambda best: best["rank"])

    def curves(self, table: pd.DataFrame, datasets: Iterable[str]) -> Iterator[Figure]:
        """Panels of Figure 9, 12 or 14: a row a dataset, a column a metric."""
        plots = self.settings.plots
        for dataset in datasets:
            for metric in METRICS:
                yield curve_panel(table, dataset, metric, plots.bin_episodes, plots.statistic)

    def drawing(self, best: dict[str, Any]) -> Figure:
        """A panel of Figures 18 to 21."""
        space = "chain" if best["subject"] == best["dataset"] else "multi_branch"
        return best_network_figure(best, best["image_size"], best["n_classes"], self.settings.recipe(space))

    def show(self, figure: str) -> None:
        """Save the panels of a figure (`fig09`) under their names, and display them in the notebook."""
        from IPython.display import Image, display

        items = [item for item in of_experiment(figures(self.settings), self.experiment) if item.name[:5] == figure]
        for item, panel in zip(items, FIGURES[figure](self), strict=True):
            path = Path(self.folder) / item.name
            save(panel, path, self.stamp, self.settings.plots.dpi)
            display(Image(f"{path}.png", width=480, alt=f"{item.title}: {item.caption}"))

    def _files(self, ending: str) -> list[Path]:
        files = [Path(path) for path in self.inputs] or self._last_run()
        return [path for path in files if path.name.endswith(ending)]

    def _last_run(self) -> list[Path]:
        folder = Path(_above(f"results/{self.experiment}"))
        found = [path for pattern in PATTERNS for path in sorted(folder.glob(pattern))]
        if not found:
            raise DataError(f"{folder}: no results; run `snakemake all` first, or name the inputs")
        return found


def _above(path: str) -> str:
    """A path that is relative to the checkout, from wherever in it the notebook was opened."""
    places = [Path.cwd(), *Path.cwd().parents]
    return next((str(place / path) for place in places if not path.startswith("{") and (place / path).exists()), path)


def save_curves(logs: Iterable[Path | str], prefix: Path | str, settings: Config) -> list[Path]:
    """Save panels as of Figure 9 from any step logs: `PREFIX_DATASET_METRIC.pdf` and `.png` for every dataset of them.

    A panel has a curve for each method, one's own among them. Returns the paths without ending.
    """
    table, plots, saved = episodes(read_logs(logs)), settings.plots, []
    for dataset in in_order(table["dataset"]):
        for metric in METRICS:
            saved.append(Path(f"{prefix}_{dataset}_{metric}"))
            panel = curve_panel(table, dataset, metric, plots.bin_episodes, plots.statistic)
            save(panel, saved[-1], provenance(settings, [dataset]), plots.dpi)
    return saved


def wilcoxon(steps: pd.DataFrame, datasets: Sequence[str]) -> PairedTest:
    """Wilcoxon's test between the action proportions of two datasets (Figure 13)."""
    shares = action_proportions(steps)
    first, second = (shares[dataset].to_numpy() for dataset in datasets)
    return signed_rank_test(first, second)


def wilcoxon_note(test: PairedTest) -> str:
    """The test's outcome in a line: statistic W, exact p, matched-pairs rank-biserial correlation in [-1, 1]."""
    if test.nonzero == 0:
        return "Wilcoxon signed-rank: no action's proportion differs, so there is nothing to test"
    return f"Wilcoxon signed-rank: W = {test.statistic:g}, p = {test.p:.2f}, effect {test.effect:+.2f}"


# --- the panels of each figure (Section 8) --------------------------------------------------------------------


def _learned(run: Exhibition) -> pd.DataFrame:
    return run.steps[run.steps["method"] == "meta_a2c"]


def _figure10(run: Exhibition) -> list[Figure]:
    return [entropy_chain(run.progress, run.settings.plots.bin_episodes, run.settings.exp1.meta_a2c.model_dump())]


def _figure13(run: Exhibition) -> list[Figure]:
    datasets = with_role("evaluation")  # without datasets of one's own, which are in the tables
    steps = _learned(run)[_learned(run)["dataset"].isin(datasets)]
    return [action_panel(action_proportions(steps), wilcoxon_note(wilcoxon(steps, datasets)))]


def _figure15(run: Exhibition) -> list[Figure]:
    plots, counts = run.settings.plots, multi_branch_counts(run.steps)
    panel = curve_panel(counts, "omniglot", MULTI_BRANCH_NETWORKS, plots.bin_episodes, plots.statistic)
    return [entropy_panel(run.progress, plots.bin_episodes), panel]


def _figure17(run: Exhibition) -> list[Figure]:
    met = accuracies(run.steps)
    absent = [dataset for dataset in DATASETS if dataset not in set(met["dataset"])]
    return [panel(met, absent, run.classes) for panel in (hardness_box, hardness_bars)]


def _best(run: Exhibition, subjects: Iterable[str]) -> Iterator[Figure]:
    return (run.drawing(best) for subject in subjects for best in run.best_of(subject))


FIGURES: dict[str, Callable[[Exhibition], Iterable[Figure]]] = {
    "fig09": lambda run: run.curves(episodes(run.steps), with_role("training")),
    "fig10": _figure10,
    "fig11": lambda run: [action_panel(action_proportions(_learned(run)))],
    "fig12": lambda run: run.curves(episodes(run.steps), with_role("evaluation")),
    "fig13": _figure13,
    "fig14": lambda run: run.curves(episodes(run.steps), ["omniglot"]),
    "fig15": _figure15,
    "fig16": lambda run: [action_panel(action_proportions(run.steps))],
    "fig17": _figure17,
    "fig18": lambda run: _best(run, with_role("training")),
    "fig19": lambda run: _best(run, with_role("evaluation")[:1]),
    "fig20": lambda run: _best(run, with_role("evaluation")[1:]),
    "fig21": lambda run: _best(run, sigma_names(run.settings)),
}
"""The panels of each figure, in order: what notebooks show, and what `nasdmrl verify` makes again."""
