"""The results that a notebook reads, and its figures, saved under the paper's names."""

import copy
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from nasdmrl.analysis.episodes import episodes, read_logs, read_progress
from nasdmrl.analysis.figures.curves import curve_panel
from nasdmrl.analysis.figures.panels import save
from nasdmrl.analysis.figures.registry import FIGURES, panels, searches_of
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.styles import METRICS, in_order
from nasdmrl.config.model import Config, load
from nasdmrl.data.images import read_card
from nasdmrl.errors import DataError
from nasdmrl.results import ROOT

PATTERNS = ("*/*/seed*/steps.csv", "best/*/best*.json", "../data/*/images")
"""What a notebook reads below its experiment's folder when it is opened by hand."""


@dataclass
class Run:
    """Results of one experiment (`exp1`, ...) and the folder of its figures.

    inputs: step logs, best*.json files and folders of decoded images; without any, those of the last run in
    `results/`. config: as of `load`. Relative paths are looked for here and in the folders above, so that an executed
    notebook runs again from its own folder.
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
        datasets = self.steps["dataset"] if self._files("steps.csv") else [best["dataset"] for best in self.best]
        return provenance(self.settings, datasets)

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
        cards = map(read_card, self._files("images"))
        return {card["dataset"]: len(card["class_names"]) for card in cards}

    def show(self, figure: str) -> None:
        """Save the panels of a figure (`fig09`) under their names, and display them in the notebook."""
        from IPython.display import Image, display

        for item, panel in zip(panels(self.settings, [figure]), self.draw(figure), strict=True):
            path = Path(_above(self.folder)) / item.name
            save(panel, path, self.stamp, self.settings.plots.dpi)
            display(Image(f"{path}.png", width=480, alt=f"{item.title}: {item.caption}"))

    def draw(self, figure: str) -> Iterable[Figure]:
        """The panels of a figure, made from no other searches than those it needs."""
        entry = FIGURES[figure]
        series = {search.series for search in searches_of(entry, self.settings)}
        view = copy.copy(self)
        if series:
            view.steps = self.steps[self.steps["method"].isin(series)]
        return entry.draw(view)

    def _files(self, ending: str) -> list[Path]:
        files = [Path(_above(path)) for path in self.inputs] or self._last_run()
        return [path for path in files if path.name.endswith(ending)]

    def _last_run(self) -> list[Path]:
        folder = Path(_above(f"{ROOT}/{self.experiment}"))
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

    A panel has a curve for each method, custom ones among them. Returns the paths without ending.
    """
    table, plots, saved = episodes(read_logs(logs)), settings.plots, []
    for dataset in in_order(table["dataset"]):
        for metric in METRICS:
            saved.append(Path(f"{prefix}_{dataset}_{metric}"))
            panel = curve_panel(table, dataset, metric, plots.bin_episodes, plots.statistic)
            save(panel, saved[-1], provenance(settings, [dataset]), plots.dpi)
    return saved
