"""The page that compares two runs: first what differs in words, then all of it. It needs nothing from elsewhere."""

from collections.abc import Iterator
from pathlib import Path

from nasdmrl.analysis.cells import NO_VALUE, number
from nasdmrl.analysis.claims import caveat
from nasdmrl.analysis.figures.registry import TABLES
from nasdmrl.files import write_text
from nasdmrl.paper.experiments import EXPERIMENTS
from nasdmrl.report.comparison.curves import IMAGE_SIZE, overlays
from nasdmrl.report.comparison.sides import Side
from nasdmrl.report.comparison.tables import Joined, joined
from nasdmrl.report.comparison.verdicts import verdicts
from nasdmrl.report.comparison.words import Settings, evaluations_in_words, in_words
from nasdmrl.report.page import Column, Table, rendered

CURVES = ("exp1", "exp2", "exp3")
STAMP_KEYS = ("scale", "data", "fidelity", "seeds", "commit", "versions", "date")


def write_comparison(first: Path, second: Path, output: Path) -> None:
    """Write the page on two results folders, A and B. Parts that one of them lacks are named on it.

    Raises `DataError` where a folder holds nothing of a run.
    """
    sides = (Side("A", first), Side("B", second))
    settings, claims, tables = _settings(*sides), verdicts(*sides), list(_tables(*sides))
    page = rendered(
        "compare.html",
        sides=sides,
        stamps=[(key, *(side.stamp.get(key, "unknown") for side in sides)) for key in STAMP_KEYS],
        caveats=[caveat(side.stamp) if side.stamp else "" for side in sides],
        differences=list(in_words(sides, settings, claims, tables)),
        settings=settings,
        hardware=_hardware(sides),
        evaluations=evaluations_in_words(*sides),
        verdicts=claims,
        curves={EXPERIMENTS[name]: list(overlays(name, *sides)) for name in CURVES},
        image_size=IMAGE_SIZE,
        tables=tables,
    )
    write_text(output, page)


# --- settings and hardware ----------------------------------------------------------------------------------


def _settings(a: Side, b: Side) -> Settings:
    """Keys whose values differ, with both values; none where a side's configuration is unknown."""
    if a.settings is None or b.settings is None:
        return []
    keys = dict.fromkeys([*a.settings, *b.settings])
    pairs = [(key, *(side.settings.get(key, NO_VALUE) or "empty" for side in (a, b))) for key in keys]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _hardware(sides: tuple[Side, Side]) -> Table:
    rows = [(side.name, *group, number(n)) for side in sides for group, n in sorted(side.hardware.items())]
    heads = (
        ("Run", "text"),
        ("Device", "text"),
        ("Threads", "number"),
        ("Software", "long"),
        ("Evaluations", "number"),
    )
    cells = zip(*rows, strict=True) if rows else [()] * len(heads)
    columns = [Column(head, "", kind, list(column)) for (head, kind), column in zip(heads, cells, strict=True)]
    return Table("Hardware", "Evaluations in the stores by device, threads and software", [], columns)


# --- tables -------------------------------------------------------------------------------------------------


def _tables(a: Side, b: Side) -> Iterator[tuple[Joined, str]]:
    """Each table of the paper, then the summaries of the searches: joined, and what is missing of it."""
    files = {f"tables/{item.name}.csv": (item.title, item.caption) for item in TABLES}
    for side in (a, b):
        others = sorted(path.name for path in (side.results / "tables").glob("*.csv"))
        files |= {f"tables/{name}": (name, "") for name in others if f"tables/{name}" not in files}
    files |= {
        f"{name}/summary.csv": (f"Searches of {title.split(':')[0]}", "One row a search")
        for name, title in EXPERIMENTS.items()
    }
    for file, (title, caption) in files.items():
        (first, gap_a), (second, gap_b) = a.table(file), b.table(file)
        gaps = "; ".join(f"{side.name}: {gap}" for side, gap in ((a, gap_a), (b, gap_b)) if gap)
        yield (Joined(Table(title, caption, [], []), []) if gaps else joined(title, caption, first, second)), gaps
