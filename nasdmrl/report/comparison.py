"""One page on what differs between two runs, A and B: settings, hardware, verdicts, tables, curves."""

import base64
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from pandas.api.types import is_numeric_dtype

from nasdmrl.analysis.cells import NAMES, NO_VALUE, label_of, number, shown
from nasdmrl.analysis.claims import NOT_RUN
from nasdmrl.analysis.episodes import episodes, read_logs
from nasdmrl.analysis.figures.curves import curve_panel
from nasdmrl.analysis.figures.panels import PANEL_INCHES, in_style
from nasdmrl.analysis.figures.registry import TABLES
from nasdmrl.analysis.provenance import flat
from nasdmrl.analysis.styles import name_of
from nasdmrl.errors import DataError
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.files import write_text
from nasdmrl.paper.experiments import EXPERIMENTS
from nasdmrl.report.archive import listed, run_stamp, stamps
from nasdmrl.report.page import CSS_PIXELS_PER_INCH, Column, Table, read, rendered

POINTS, DPI = 20, 160
"""About how many points a curve has where no configuration says so; resolution of a panel."""
STAMP_KEYS = ("scale", "data", "fidelity", "seeds", "commit", "versions", "date")
LONG_TEXT = 24  # characters of a cell that may be broken into lines


class Run(NamedTuple):
    """What a results folder says of its run.

    stamp: empty where no table or figure has one; settings: every key of the configuration with its value as text,
    none where there is no configuration; evaluations: of its store, by key; logs: names of its step logs.
    """

    name: str
    results: Path
    stamp: dict[str, str]
    settings: dict[str, str]
    evaluations: dict[str, dict[str, Any]]
    logs: list[str]


def read_run(name: str, results: Path) -> Run:
    """Read the run `A` or `B`. Raises `DataError` where the folder holds nothing of a run."""
    settings, stamp = {}, {}
    with suppress(OSError, ValueError, AttributeError):
        settings = dict(flat(json.loads((results / "config.json").read_text(encoding="utf-8"))))
    with suppress(DataError):
        stamp = run_stamp(results)
    logs = sorted(path.relative_to(results).as_posix() for path in results.glob("*/*/*/seed*/steps.csv"))
    if not (settings or logs or stamps(results)):
        raise DataError(f"{results}: holds no step log, table or figure of a run; name a folder of results")
    evaluations = {record["key"]: record for record in EvaluationStore(results / "store")}
    return Run(name, results, stamp, settings, evaluations, logs)


class Section(NamedTuple):
    """A part of the page: its heading, what differs in a sentence, and the tables that show it."""

    title: str
    summary: str
    tables: list[Table]


def write_comparison(first: Path, second: Path, output: Path) -> None:
    """Write the page on two results folders. What one of them lacks is named on it.

    Raises `DataError` where a folder holds nothing of a run.
    """
    a, b = read_run("A", first), read_run("B", second)
    parts = (stamps_of, settings_of, evaluations_of, verdicts_of, tables_of, logs_of)
    size = [round(inches * CSS_PIXELS_PER_INCH) for inches in PANEL_INCHES]
    values = {"sections": [part(a, b) for part in parts], "curves": list(curves(a, b)), "image_size": size}
    write_text(output, rendered("compare.html", **values))


def pairs(title: str, head: str, rows: list[tuple[str, ...]]) -> Table:
    """A table of three columns: what, in A, in B."""
    cells = [[row[place] for row in rows] for place in range(3)]
    return Table(
        title,
        "",
        [],
        [Column(head, "", "text", cells[0]), Column("A", "", "long", cells[1]), Column("B", "", "long", cells[2])],
    )


# --- settings, hardware and verdicts ------------------------------------------------------------------------


def stamps_of(a: Run, b: Run) -> Section:
    """Folders and stamps, all of them."""
    rows = [(key.capitalize(), *(run.stamp.get(key, "unknown") for run in (a, b))) for key in STAMP_KEYS]
    differing = [f"{key} ({one} / {other})" for key, one, other in rows if one != other]
    summary = f"{', '.join(differing)}." if differing else "The same scale, data, seeds, commit and date."
    return Section("Runs", summary, [pairs("Stamps", "Stamp", [("Folder", str(a.results), str(b.results)), *rows])])


def settings_of(a: Run, b: Run) -> Section:
    """Keys of the configuration whose values differ."""
    lacking = [run.name for run in (a, b) if not run.settings]
    if lacking:
        return Section("Settings", f"Unknown: {' and '.join(lacking)} has no readable config.json.", [])
    keys = dict.fromkeys([*a.settings, *b.settings])
    rows = [(key, *(run.settings.get(key, NO_VALUE) or "empty" for run in (a, b))) for key in keys]
    rows = [row for row in rows if row[1] != row[2]]
    if not rows:
        return Section("Settings", "Every setting is the same.", [])
    named = listed([f"{key} ({one} / {other})" for key, one, other in rows])
    return Section("Settings", f"{len(rows)} of {len(keys)} differ: {named}.", [pairs("Settings", "Setting", rows)])


def evaluations_of(a: Run, b: Run) -> Section:
    """On what the stores' evaluations were made, and whether those of the same network, images and recipe agree."""
    made_on = [Counter(map(_hardware, run.evaluations.values())) for run in (a, b)]
    rows = [(place, *(number(counts[place]) for counts in made_on)) for place in sorted(made_on[0] | made_on[1])]
    same = "The same" if made_on[0].keys() == made_on[1].keys() else "Other"
    common = a.evaluations.keys() & b.evaluations.keys()
    apart = [abs(a.evaluations[key]["accuracy"] - b.evaluations[key]["accuracy"]) for key in common]
    other = [difference for difference in apart if difference > 0]
    summary = f"{same} devices and software. {number(len(common))} evaluations of the same network, images and recipe "
    summary += "are in both stores" if other or not common else "are in both stores, all with the same accuracy"
    if other:
        most = f"{100 * max(other):.2f} percentage points at most"
        summary += f", {number(len(other))} of them with another accuracy, by {most}"
    table = pairs("Evaluations in the stores", "Device, threads and software", rows)
    return Section("Hardware and software", f"{summary}.", [table] if rows else [])


def _hardware(record: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items()) or "unknown"
    return f"{record.get('device', 'unknown')}, threads {record.get('threads', 'unknown')}, {versions}"


def verdicts_of(a: Run, b: Run) -> Section:
    """Verdicts on the claims and what each run has measured."""
    claims, rows, differing = [], [], []
    for run in (a, b):
        table, gap = read(run.results, "claims.csv")
        if gap:
            return Section("Verdicts", f"{run.name}: {gap}.", [])
        claims.append(table.astype(object).fillna("").set_index("claim").to_dict("index"))
    for name in dict.fromkeys([*claims[0], *claims[1]]):
        one, other = (of.get(name, {"verdict": NOT_RUN, "measured": ""}) for of in claims)
        rows.append((name, *(f"{claim['verdict']}: {claim['measured']}" for claim in (one, other))))
        differing += [f"{name} ({one['verdict']} / {other['verdict']})"] if one["verdict"] != other["verdict"] else []
    summary = f"{len(differing)} of {len(rows)} verdicts differ" + (f": {', '.join(differing)}." if differing else ".")
    return Section("Verdicts", summary, [pairs("Verdicts", "Claim", rows)])


# --- tables -------------------------------------------------------------------------------------------------


def tables_of(a: Run, b: Run) -> Section:
    """Each table of the paper, and the summaries of the searches: which are equal, and where the others differ."""
    files = {f"tables/{item.name}.csv": item.title for item in TABLES}
    files |= {f"{name}/summary.csv": f"Searches of {title.split(':')[0]}" for name, title in EXPERIMENTS.items()}
    equal, differing, lacking = [], [], []
    for file, title in files.items():
        (first, gap_a), (second, gap_b) = read(a.results, file), read(b.results, file)
        gaps = [f"{run.name}: {gap}" for run, gap in ((a, gap_a), (b, gap_b)) if gap]
        table = differences(title, first, second) if not gaps else None
        lacking += gaps
        equal += [title] if table and not table.columns else []
        differing += [table] if table and table.columns else []
    named = [f"{table.title} ({_columns_named(table)})" for table in differing]
    parts = {"Other values": "; ".join(named), "Equal": ", ".join(equal), "Missing": "; ".join(lacking)}
    return Section("Tables", " ".join(f"{head}: {text}." for head, text in parts.items() if text), differing)


def _columns_named(table: Table) -> str:
    """The columns in which two versions of a table differ; only times, if these are all."""
    names = list(dict.fromkeys(column.group for column in table.columns if column.group))
    return "only times" if all("time" in name.lower() for name in names) else ", ".join(names)


def differences(title: str, first: pd.DataFrame, second: pd.DataFrame) -> Table:
    """Rows and columns in which two versions of a table differ: both values, and B - A of numbers; none if equal.

    The paper's columns are left out, and of times that are there as text and in seconds, the text.
    """
    keys = [name for name in first if name in NAMES and name in second]
    a, b = (table.set_index(keys) for table in (first, second))
    columns = [name for name in [*a, *(name for name in b if name not in a)] if not name.startswith("paper")]
    columns = [name for name in columns if f"{name}_seconds" not in columns]
    a, b = (table.reindex(index=a.index.union(b.index, sort=False), columns=columns) for table in (a, b))
    changed = a.compare(b, keep_equal=True, result_names=("A", "B"))
    cells = [Column(label_of(key), "", "text", [shown(key, of) for of in changed.index.get_level_values(key)])
             for key in keys]  # fmt: skip
    for name in changed.columns.unique(0):
        both, label = changed[name], label_of(name)
        for run in ("A", "B"):
            texts = [shown(name, value) for value in both[run]]
            kind = "number" if is_numeric_dtype(both[run]) else "long" if max(map(len, texts)) > LONG_TEXT else "text"
            cells.append(Column(run, label, kind, texts))
        if is_numeric_dtype(both["A"]) and is_numeric_dtype(both["B"]):
            changes = [change(name, value) for value in both["B"] - both["A"]]
            cells.append(Column("B − A", label, "number difference", changes))
    return Table(title, "", [], cells if len(changed) else [])


def change(name: str, difference: float) -> str:
    """A difference for people, with its sign and the unit of the column: of shares, percentage points."""
    sign = "+" if difference > 0 else "-" if difference < 0 else ""
    return sign + shown(name, abs(difference)).replace(" %", " points")


# --- curves -------------------------------------------------------------------------------------------------


def logs_of(a: Run, b: Run) -> Section:
    """Step logs that only one run has."""
    gaps = {run.name: [log for log in other.logs if log not in run.logs] for run, other in ((a, b), (b, a))}
    lacking = [f"{name} lacks {listed(logs)}" for name, logs in gaps.items() if logs]
    return Section("Step logs", f"{'; '.join(lacking) or 'Both have the same'}.", [])


class Overlay(NamedTuple):
    """A panel with the curves of both runs, as a data URI."""

    title: str
    image: str


def curves(a: Run, b: Run) -> Iterator[Overlay]:
    """A panel for each method, or sigma, and dataset of Figures 9, 12 and 14 that either run has step logs of."""
    told = max(int(run.settings.get("plots.bin_episodes", 0)) for run in (a, b))
    for experiment in ("exp1", "exp2", "exp3"):
        logs = [(run, [run.results / log for log in run.logs if log.startswith(f"{experiment}/")]) for run in (a, b)]
        tables = [episodes(read_logs(paths)).assign(run=run.name) for run, paths in logs if paths]
        by_search = pd.concat(tables).groupby(["method", "dataset"], sort=False) if tables else ()
        for (method, dataset), rows in by_search:
            width = told or max(1, rows["episode"].max() // POINTS)
            panel = curve_panel(rows.assign(method=rows["run"]), dataset, "best_reward", width)
            yield Overlay(f"{name_of(method)} on {name_of(dataset)}", _image(panel))


@in_style
def _image(figure: Figure) -> str:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
