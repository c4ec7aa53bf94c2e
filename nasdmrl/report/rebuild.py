"""Figures and tables of a run made again from its logs, without TensorFlow, and compared with those that it has."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from nasdmrl import results as paths
from nasdmrl.analysis.claims import claims_table
from nasdmrl.analysis.figures.panels import save, stamp_of
from nasdmrl.analysis.figures.registry import TIMES, Item, curves_of, panels_with_own
from nasdmrl.analysis.figures.run import Run
from nasdmrl.analysis.random_replay import compared
from nasdmrl.analysis.tables import read_stamp, search_summary, table3, table6, write_everywhere, write_table
from nasdmrl.analysis.times import times_table
from nasdmrl.config.model import Config
from nasdmrl.paper.datasets import DATASETS, with_role
from nasdmrl.paper.experiments import EXPERIMENTS, Search, best_networks
from nasdmrl.software import commit

Table = Callable[[], pd.DataFrame]
"""What makes a table."""


class Outcome(NamedTuple):
    """What came of making a file again: its name in the archive, and how the new one differs; nothing if it does not.

    made: whether it could be made at all.
    """

    name: str
    difference: str = ""
    made: bool = True


def rebuild(results: Path, config: Config, searches: list[Search]) -> Iterator[Outcome]:
    """Make every figure and table that these results have again from the logs of the searches, and compare.

    PNG files are compared by their pixels, tables line by line; both are made with the old one's stamp.
    """
    runs = {name: _experiment(results, name, config, searches) for name in EXPERIMENTS}
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for _, panels in itertools.groupby(panels_with_own(config), key=lambda item: item.group):
            items = list(panels)
            names = [paths.figure(item.name) for item in items]
            yield from _compare(results, folder, names, _draw, items, runs[items[0].experiment])
        for name, table in _tables(results, config, searches, runs).items():
            kinds = paths.TABLE_FORMATS if name.startswith(f"{paths.TABLES}/") else ["csv"]
            names = [Path(name).with_suffix(f".{kind}").as_posix() for kind in kinds]
            yield from _compare(results, folder, names, _tabulate, name, table)


def _experiment(results: Path, name: str, config: Config, searches: list[Search]) -> Run:
    """Logs, best networks and cards of the images of an experiment."""
    searches = [search for search in searches if search.experiment == name]
    files = [paths.steps(*search.place, seed) for search in searches for seed in config.seeds]
    files += [paths.best(*network) for network in best_networks(searches)]
    files += [paths.images(dataset) for dataset in dict.fromkeys(search.dataset for search in searches)]
    run = Run(name, [str(paths.within(results, file)) for file in files], "", "")
    run.settings = config
    return run


def _draw(results: Path, folder: Path, items: list[Item], run: Run) -> None:
    """Draw the panels of a figure that the results have, into another folder of results."""
    panels = curves_of(items[0].own)(run) if items[0].own else run.draw(items[0].figure)
    for item, panel in zip(items, panels, strict=True):
        name = paths.figure(item.name)
        if (old := paths.within(results, name)).is_file():
            save(panel, paths.within(folder, name).with_suffix(""), stamp_in(old), run.settings.plots.dpi, ["png"])


def _tabulate(results: Path, folder: Path, name: str, table: Table) -> None:
    """Write a table, those of the paper in all formats, into another folder of results."""
    write = write_everywhere if name.startswith(f"{paths.TABLES}/") else write_table
    write(table(), paths.within(folder, name), stamp_in(paths.within(results, name)))


def _tables(results: Path, config: Config, searches: list[Search], runs: dict[str, Run]) -> dict[str, Table]:
    """What makes each table, by its name."""
    hardness = [search.dataset for search in searches if search.experiment == "appendix_a"]

    def counted(datasets: Iterable[str], absent: Iterable[str] = ()) -> pd.DataFrame:
        return table3([paths.within(results, paths.records(dataset)) for dataset in datasets], absent)

    def times(experiment: str) -> pd.DataFrame:
        return times_table(runs[experiment].steps, experiment)

    def summary(experiment: str) -> pd.DataFrame:
        return search_summary(runs[experiment].steps, runs[experiment].classes)

    return {
        **{paths.table(name): partial(times, of) for name, of in TIMES.items()},
        paths.table("table3"): lambda: counted([*with_role("training"), *with_role("evaluation")]),
        paths.table("table6"): lambda: table6(results, config.exp2.repeats),
        paths.table("table8"): lambda: counted(hardness, [name for name in DATASETS if name not in hardness]),
        paths.EXP2_TABLE: lambda: table6(results, config.exp2.repeats),
        **{paths.summary(of): partial(summary, of) for of in EXPERIMENTS},
        paths.CLAIMS: lambda: claims_table(results, config, stamp_in(paths.within(results, paths.CLAIMS))),
        f"{paths.EXACT_LENGTHS}.csv": compared,
    }


# --- comparing ----------------------------------------------------------------------------------------------


def _compare(results: Path, folder: Path, names: list[str], make: Callable, *what: Any) -> Iterator[Outcome]:
    """Compare the files of these names that the results have with those that `make` writes into another folder."""
    present = {name: paths.within(results, name) for name in names if paths.within(results, name).is_file()}
    try:
        if present:
            make(results, folder, *what)
        yield from [Outcome(name, _difference(old, paths.within(folder, name))) for name, old in present.items()]
    except Exception as error:  # whatever damaged or forged files lead to
        why = f"cannot be made from the logs: {type(error).__name__}: {message_of(error)}"
        yield from (Outcome(name, why, made=False) for name in present)


def message_of(error: Exception) -> str:
    """What an error says, without the folder that an archive was unpacked into."""
    return str(error).rpartition(f"/{paths.ROOT}/")[2]


def stamp_in(path: Path) -> dict[str, str]:
    """The stamp of a table (CSV) or figure (PNG)."""
    if path.suffix == ".csv":
        return read_stamp(path)
    with Image.open(path, formats=["PNG"]) as image:
        return dict(stamp_of(image))


def _difference(old: Path, new: Path) -> str:
    """Where a figure or table differs from the one made again, in words, and what may be why; nothing if not."""
    if old.suffix != ".png":
        stamp, difference, tools = stamp_in(old.with_suffix(".csv")), lines_differ(old, new), ["", ""]
    else:
        with Image.open(old, formats=["PNG"]) as before, Image.open(new) as after:
            tools = [image.info.get("Software", "unknown software").split(",")[0] for image in (before, after)]
            stamp, pixels = stamp_of(before), [np.asarray(image.convert("RGBA")) for image in (before, after)]
        difference = pixels_differ(*pixels)
    made_at = stamp.get("commit", commit())
    reasons = [f"made at commit {made_at}, this code is {commit()}"] if made_at != commit() else []
    reasons += ["drawn with {}, here with {}".format(*tools)] if tools[0] != tools[1] else []
    return f"{difference} ({', '.join(reasons)})" if difference and reasons else difference


def pixels_differ(old: np.ndarray, new: np.ndarray) -> str:
    """Where two images, arrays of shape (height, width, 4), differ, in words; nothing if they do not."""
    if old.shape != new.shape:
        return "is of {1} x {0} pixels, from the logs {3} x {2}".format(*old.shape[:2], *new.shape[:2])
    rows, columns = np.nonzero((old != new).any(axis=2))
    if not len(rows):
        return ""
    box = f"x {columns.min()} to {columns.max()}, y {rows.min()} to {rows.max()}"
    return f"{len(rows)} of {old.shape[0] * old.shape[1]} pixels differ, at {box}"


def lines_differ(old: Path, new: Path) -> str:
    """Where a text file first differs from the one made again, in words; nothing if it does not."""
    texts = [path.read_text(encoding="utf-8", errors="replace").splitlines() for path in (old, new)]
    for number, (was, now) in enumerate(itertools.zip_longest(*texts, fillvalue="nothing"), start=1):
        if was != now:
            apart = next(place for place, pair in enumerate(itertools.zip_longest(was, now)) if pair[0] != pair[1])
            start = max(0, apart - 20)
            return f"line {number}: `{was[start : start + 60]}`, from the logs `{now[start : start + 60]}`"
    return ""
