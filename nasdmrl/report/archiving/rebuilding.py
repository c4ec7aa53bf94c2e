"""Figures and tables of a run made again from its logs, without TensorFlow, and compared with those that it has."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from nasdmrl.analysis.claims import claims_table
from nasdmrl.analysis.figures.panels import save, stamp_of
from nasdmrl.analysis.figures.registry import TABLES, Item, curves_of, of_experiment, panels_with_own
from nasdmrl.analysis.figures.run import Run
from nasdmrl.analysis.random_replay import compared
from nasdmrl.analysis.tables import read_stamp, search_summary, table3, table6, write_everywhere, write_table
from nasdmrl.analysis.times import times_table
from nasdmrl.config.model import Config
from nasdmrl.errors import NasdmrlError
from nasdmrl.paper.datasets import DATASETS, with_role
from nasdmrl.paper.experiments import EXPERIMENTS
from nasdmrl.report.archiving.contents import (
    CLAIMS,
    IMAGE_CARD,
    LENGTHS,
    RESULTS,
    TABLE_FORMATS,
    best_files,
    kept_config,
    other_run,
    runs,
)
from nasdmrl.report.archiving.differences import lines_differ, pixels_differ
from nasdmrl.software import commit

FAILURES = (NasdmrlError, OSError, SyntaxError, ArithmeticError, ValueError, LookupError, TypeError, AttributeError)
FAILURES += (Image.DecompressionBombError,)
"""What damaged logs, tables and images raise in analysis."""


class Outcome(NamedTuple):
    """What came of making a file again: its name in the results, and how the new one differs; nothing if it does not.

    made: whether it could be made at all.
    """

    name: str
    difference: str = ""
    made: bool = True


def rebuild(results: Path) -> Iterator[Outcome]:
    """Make every figure and table that these results have again from their logs, and compare.

    PNG files are compared by their pixels, tables by their bytes; both are made with the old one's stamp. Raises
    `ConfigError` where the results keep no usable configuration.
    """
    config = kept_config(results)
    exhibitions = {name: exhibition(results, name, config) for name in EXPERIMENTS}
    with TemporaryDirectory() as scratch:
        for run in exhibitions.values():
            yield from _figures(results, run, Path(scratch))
        for name, make in _tables(results, config, exhibitions).items():
            if (results / name).is_file():
                yield from _table(results, name, make, config, Path(scratch))
        if (results / LENGTHS).is_file():
            yield _lengths(results / LENGTHS, Path(scratch))


def exhibition(results: Path, experiment: str, config: Config) -> Run:
    """An experiment's results below this folder: its runs as its summary lists them, its best networks."""
    logs = [results / place / "steps.csv" for _, _, place in runs(results, experiment)]
    best = [results / name for name in best_files(config, experiment) if (results / name).is_file()]
    run = Run(experiment, [str(path) for path in (*logs, *best)], "", "")
    run.settings = config
    run.classes = _classes(results, experiment)
    return run


def _classes(results: Path, experiment: str) -> dict[str, int]:
    """Number of classes of each dataset searched on, from the cards of the images."""
    cards = {dataset: results / "data" / dataset / IMAGE_CARD for _, dataset, _ in runs(results, experiment)}
    read = {name: json.loads(card.read_text(encoding="utf-8")) for name, card in cards.items() if card.is_file()}
    return {name: len(card["class_names"]) for name, card in read.items()}


# --- figures ------------------------------------------------------------------------------------------------


def _figures(results: Path, run: Run, scratch: Path) -> Iterator[Outcome]:
    items = of_experiment(panels_with_own(run.settings), run.experiment)
    for _, same in itertools.groupby(items, key=lambda item: item.group):
        panels = list(same)
        paths = [results / f"figures/{item.name}.png" for item in panels]
        if any(path.is_file() for path in paths):
            yield from _panels(panels[0], paths, run, scratch)


def _drawn(first: Item, run: Run) -> Iterable[Figure]:
    """The panels of the figure whose first panel is given."""
    if first.own:
        return curves_of(first.own)(run)
    return run.draw(first.figure)


def _panels(first: Item, paths: list[Path], run: Run, scratch: Path) -> Iterator[Outcome]:
    """The panels of a figure; one that fails leaves those after it unmade."""
    names = [f"figures/{path.name}" for path in paths]
    try:
        for path, panel in zip(paths, _drawn(first, run), strict=True):
            difference = _redrawn(path, panel, run.settings, scratch) if path.is_file() else None
            name = names.pop(0)
            if difference is not None:
                yield Outcome(name, difference)
    except FAILURES as error:
        yield from (Outcome(name, _failure(error), made=False) for name in names)


def _failure(error: Exception) -> str:
    """Why something cannot be made, without the folder that the results are in."""
    return f"cannot be made from the logs: {type(error).__name__}: {str(error).rsplit(f'/{RESULTS}/', 1)[-1]}"


def _redrawn(path: Path, panel: Figure, config: Config, scratch: Path) -> str:
    try:
        old, stamp, software = _read_png(path)
    except FAILURES as error:
        return f"cannot be read as an image ({type(error).__name__})"
    save(panel, scratch / path.stem, stamp, config.plots.dpi, ["png"])
    new, _, here = _read_png(scratch / path.name)
    other = f"drawn with {software}, here with {here}" if software != here else ""
    return _explained(pixels_differ(old, new), stamp, config, other)


def _read_png(path: Path) -> tuple[np.ndarray, dict[str, str], str]:
    """Pixels of shape (height, width, 4), stamp and drawing software of an image."""
    with Image.open(path, formats=["PNG"]) as image:
        pixels = np.asarray(image.convert("RGBA"))
        return pixels, stamp_of(image), image.info.get("Software", "unknown software").split(",")[0]


def _explained(difference: str, stamp: dict[str, str], config: Config, other: str = "") -> str:
    """A difference with what may have made it: another commit, other software (`other`), another run."""
    old_code = f"made at commit {stamp['commit']}, this code is {commit()}" if stamp["commit"] != commit() else ""
    reasons = ", ".join(filter(None, [old_code, other]))
    told = f"{difference} ({reasons})" if difference and reasons else difference
    return "; ".join(filter(None, [told, other_run(stamp, config)]))


# --- tables -------------------------------------------------------------------------------------------------

Make = Callable[[], pd.DataFrame]


def _tables(results: Path, config: Config, shown: dict[str, Run]) -> dict[str, Make]:
    """What makes each table again, by its file."""
    hardness = list(dict.fromkeys(dataset for _, dataset, _ in runs(results, "appendix_a")))
    absent = [dataset for dataset in DATASETS if dataset not in hardness]
    both = [*with_role("training"), *with_role("evaluation")]
    counted = {
        "tables/table3.csv": lambda: table3(_records(results, both)),
        "tables/table8.csv": lambda: table3(_records(results, hardness), absent),
    }
    long = lambda: table6(results, config.exp2.repeats)  # noqa: E731
    return {
        CLAIMS: lambda: claims_table(results, config, read_stamp(results / CLAIMS)),
        **{f"tables/{item.name}.csv": lambda of=item.experiment: times_table(shown[of].steps, of) for item in TABLES},
        **counted,
        "tables/table6.csv": long,
        "exp2/table.csv": long,
        **{f"{of}/summary.csv": lambda of=of: search_summary(shown[of].steps, shown[of].classes) for of in EXPERIMENTS},
    }


def _records(results: Path, datasets: list[str]) -> list[Path]:
    return [results / "data" / dataset / "records" for dataset in datasets]


def _table(results: Path, name: str, make: Make, config: Config, scratch: Path) -> Iterator[Outcome]:
    """A table, and where it is one of the paper's, its Markdown and LaTeX."""
    path, everywhere = results / name, name.startswith("tables/")
    kinds = [path.with_suffix(f".{kind}") for kind in TABLE_FORMATS] if everywhere else [path]
    try:
        stamp = read_stamp(path)
        (write_everywhere if everywhere else write_table)(make(), scratch / path.name, stamp)
        for old in filter(Path.is_file, kinds):
            difference = _explained(lines_differ(old, scratch / old.name), stamp, config)
            yield Outcome(old.relative_to(results).as_posix(), difference)
    except FAILURES as error:
        yield Outcome(name, _failure(error), made=False)


def _lengths(path: Path, scratch: Path) -> Outcome:
    """Random search's episode lengths, which follow from no logs and belong to no scale."""
    try:
        write_table(compared(), scratch / path.name, read_stamp(path))
        return Outcome(LENGTHS, lines_differ(path, scratch / path.name))
    except FAILURES as error:
        return Outcome(LENGTHS, _failure(error), made=False)
