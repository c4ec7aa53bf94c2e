"""The report for reviewers: verdicts, figures, tables and provenance of a run as one HTML page that needs nothing else.

The page is made of what the workflow left in the results folder. What is missing there, or cannot be read, leaves a
gap that names it; nothing is computed anew but sums over the EvaluationStore.
"""

import base64
import contextlib
import itertools
import os
import platform
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import jinja2
import pandas as pd
import yaml
from PIL import Image

from nasdmrl.analysis.cells import NAMES, NO_VALUE, label_of, number, people_columns, shown
from nasdmrl.analysis.figures.panels import stamp_of
from nasdmrl.analysis.figures.registry import FIGURES, TABLES, Item, notebooks, of_experiment, panels_with_own
from nasdmrl.analysis.provenance import changed_settings, is_genuine, provenance
from nasdmrl.analysis.random_replay import EXACT, agreement, verdict
from nasdmrl.analysis.tables import read_stamp, read_table
from nasdmrl.analysis.times import duration
from nasdmrl.config.model import Config
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.files import write_text
from nasdmrl.paper.experiments import EXPERIMENTS

CSS_PIXELS_PER_INCH = 96
TABLE_FORMATS = {"CSV": "csv", "Markdown": "md", "LaTeX": "tex"}
HERE, PAPER = "This run", "Paper"
PART_END = re.compile(r"(?<=\)); ")  # each measured part of a claim ends with its word in brackets
NUMBERLIKE = re.compile(rf"\d|{NO_VALUE}|missing$")
SUMMARY = "Searches with their best networks; rewards beside chance level"
LONG_TEXT = 24  # characters of a cell that may be broken into lines
EXACT_CAPTION = "Bins of the published curves, and those whose number, sum and sum of squares of lengths are equal"
AS_TRAINED = (
    "“As trained” is the time as if the run had trained each of its networks itself, to compare with the paper's on "
    "one K40m GPU; “spent here” is less where the store knew networks."
)
Place = tuple[Path, Path]
"""The results folder, and the folder that the page is in."""


def write_report(results: Path, output: Path, config: Config) -> None:
    """Write the page on the results of a run with this configuration to `output`; links are relative to its folder.

    Missing or unreadable figures and tables leave named gaps (Section 8 says what there should be).
    """
    place, stamp = (Path(results).resolve(), Path(output).resolve().parent), provenance(config, config.own_datasets)
    page = rendered(
        "report.html",
        stamp=stamp,
        genuine=is_genuine(stamp),
        standins=config.data.source == "standin",
        short=f"{config.scale}, stand-ins" if config.data.source == "standin" else config.scale,
        changes=changed_settings(config),
        claims=_claims(place, stamp),
        exact=_exact(place),
        experiments=[_experiment(name, place, config, stamp) for name in EXPERIMENTS],
        hardware=hardware(),
        store=_store(place),
        configuration=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
    )
    write_text(output, page)


def rendered(template: str, **values: Any) -> str:
    """One of the package's templates with these values; text in them is escaped."""
    loader = jinja2.PackageLoader("nasdmrl.report")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(values)


# --- experiments --------------------------------------------------------------------------------------------


class Picture(NamedTuple):
    """An image as a data URI with its size in CSS pixels and its stamp, or why there is none (`gap`)."""

    gap: str = ""
    address: str = ""
    width: int = 0
    height: int = 0
    stamp: dict[str, str] = {}  # noqa: RUF012 (never changed)


class Panel(NamedTuple):
    """A figure's panel: its image as a data URI with its size in CSS pixels, or why there is none (`gap`)."""

    item: Item
    links: list[tuple[str, str]]
    gap: str = ""
    image: str = ""
    width: int = 0
    height: int = 0
    other_run: str = ""


class Column(NamedTuple):
    """A column of a table: heading, group (`This run`, `Paper` or none), kind (`number`, `text`, `long`), cells."""

    label: str
    group: str
    kind: str
    cells: list[str]


class Table(NamedTuple):
    """A table with its columns, or why there is none (`gap`)."""

    title: str
    caption: str
    links: list[tuple[str, str]]
    columns: list[Column]
    gap: str = ""
    note: str = ""
    other_run: str = ""

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Neighbouring columns of one group: its name and their number."""
        return [(name, len(list(same))) for name, same in itertools.groupby(column.group for column in self.columns)]

    @property
    def rows(self) -> list[list[tuple[Column, str]]]:
        """Cells of each row, each with its column."""
        cells = zip(*(column.cells for column in self.columns), strict=True)
        return [list(zip(self.columns, row, strict=True)) for row in cells]


def _experiment(name: str, place: Place, config: Config, stamp: dict[str, str]) -> dict[str, Any]:
    """What the page shows of an experiment."""
    panels, tables = of_experiment(panels_with_own(config), name), of_experiment(list(TABLES), name)
    return {
        "id": name,
        "title": EXPERIMENTS[name],
        "links": _links(place, {"Summary": f"{name}/summary.csv", **_notebooks(name)}),
        "figures": [
            {"title": figure, "panels": [_panel(item, place, stamp) for item in same]}
            for figure, same in itertools.groupby(panels, key=lambda item: item.group)
        ],
        "tables": [_table(f"tables/{item.name}", item.title, item.caption, place, stamp) for item in tables],
        "summary": _table(f"{name}/summary", "Summary", SUMMARY, place, stamp),
    }


def _notebooks(experiment: str) -> dict[str, str]:
    """Executed notebooks of an experiment, by the text of their links."""
    return {
        f"Notebook of Figure {', '.join(str(int(name[3:])) for name in names)}": f"notebooks/{notebook}.ipynb"
        for notebook, names in notebooks().items()
        if FIGURES[names[0]].experiment == experiment
    }


def _links(place: Place, files: dict[str, str]) -> list[tuple[str, str]]:
    """Texts and addresses of links to those of the files, given by their texts, that exist."""
    results, page = place
    found = {text: results / file for text, file in files.items() if (results / file).is_file()}
    return [(text, quote(Path(os.path.relpath(path, page)).as_posix())) for text, path in found.items()]


def _panel(item: Item, place: Place, stamp: dict[str, str]) -> Panel:
    links = _links(place, {"PDF": f"figures/{item.name}.pdf"})
    picture = _picture(place[0], f"figures/{item.name}.png")
    if picture.gap:
        return Panel(item, links, picture.gap)
    return Panel(item, links, "", *picture[1:4], _other_run(picture.stamp, stamp))


def _picture(results: Path, file: str) -> Picture:
    """A PNG file of the results, or why it cannot be shown."""
    try:
        content = (results / file).read_bytes()
        with Image.open(results / file, formats=["PNG"]) as image:
            image.load()
        found = stamp_of(image)
    except FileNotFoundError:
        return Picture(f"{file} was not made")
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's word for a damaged PNG is SyntaxError
        return Picture(f"{file} cannot be read ({error})")
    scale = CSS_PIXELS_PER_INCH / image.info.get("dpi", (CSS_PIXELS_PER_INCH,))[0]
    width, height = (max(1, round(scale * pixels)) for pixels in image.size)
    return Picture("", "data:image/png;base64," + base64.b64encode(content).decode(), width, height, found)


def _other_run(found: dict[str, str], stamp: dict[str, str]) -> str:
    """A warning if something was made at another scale or from other data than the page's."""
    if all(found.get(key, stamp[key]) == stamp[key] for key in ("scale", "data")):
        return ""
    return f"Made by another run: scale {found.get('scale')}, data: {found.get('data')}."


# --- tables -------------------------------------------------------------------------------------------------


def _table(file: str, title: str, caption: str, place: Place, stamp: dict[str, str]) -> Table:
    """A table of the results; `file` is its path without ending."""
    links = _links(place, {kind: f"{file}.{ending}" for kind, ending in TABLE_FORMATS.items()})
    table, gap = read(place[0], f"{file}.csv")
    if gap:
        return Table(title, caption, links, [], gap)
    note = AS_TRAINED if "as_trained" in table else ""
    return Table(title, caption, links, columns_of(table), "", note, _other_run(table.attrs, stamp))


def read(results: Path, file: str) -> tuple[pd.DataFrame, str]:
    """A table with its stamp as `attrs`, and why there is none."""
    try:
        table = read_table(results / file)
        table.attrs = read_stamp(results / file)
        return table, ""
    except FileNotFoundError:
        return pd.DataFrame(), f"{file} was not made"
    except (OSError, ValueError) as error:
        return pd.DataFrame(), f"{file} cannot be read ({error})"


def columns_of(table: pd.DataFrame) -> list[Column]:
    """Columns for people."""
    return [_column(name, table[name]) for name in people_columns(table)]


def _column(name: str, values: pd.Series) -> Column:
    cells = [shown(name, value) for value in values]
    number = name not in NAMES and all(NUMBERLIKE.match(cell) for cell in cells)
    long = max(map(len, cells), default=0) > LONG_TEXT
    group = PAPER if name.split("_")[0] == "paper" else "" if name in NAMES else HERE
    return Column(label_of(name), group, "number" if number else "long" if long else "text", cells)


def _exact(place: Place) -> dict[str, Any]:
    """Random search's episode lengths beside the published ones, which belong to no scale: table, sentence, figure."""
    links = _links(place, {"All bins as CSV": f"{EXACT}.csv", "Figure as PDF": f"{EXACT}.pdf"})
    table, gap = read(place[0], f"{EXACT}.csv")
    found = table if gap else agreement(table)
    shown = Table("Agreement", EXACT_CAPTION, links, [] if gap else columns_of(found), gap)
    return {"table": shown, "verdict": "" if gap else verdict(found), "picture": _picture(place[0], f"{EXACT}.png")}


# --- verdicts and provenance --------------------------------------------------------------------------------


def _claims(place: Place, stamp: dict[str, str]) -> dict[str, Any]:
    """Rows of `claims.csv` with their measured parts, and the caveats; or a gap."""
    table, gap = read(place[0], "claims.csv")
    if gap:
        return {"rows": [], "gap": gap}
    other_run, table = _other_run(table.attrs, stamp), table.astype(object).fillna("")
    rows = [{**row, "parts": PART_END.split(row["measured"])} for row in table.to_dict("records")]
    links = _links(place, {"Claims as CSV": "claims.csv"})
    caveats = list(filter(None, table["caveat"].unique()))
    return {"rows": rows, "gap": "", "caveats": caveats, "links": links, "other_run": other_run}


def hardware() -> dict[str, str]:
    """Processor, cores and memory of this machine, and its system; what cannot be found out is left out."""
    found = {"system": f"{platform.system()} {platform.machine()}", "cores": str(os.cpu_count())}
    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"^model name\s*: (.+)$", cpuinfo.read_text() if cpuinfo.is_file() else "", re.MULTILINE)
    found |= {"processor": models[0]} if models else {}
    with contextlib.suppress(AttributeError, OSError, ValueError):  # not POSIX, or unknown there
        found["memory"] = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"
    return found


def _store(place: Place) -> dict[str, Any]:
    """Evaluations in the store by device and status, with their number and training time in all."""
    records = [{"device": "unknown", **record, "evaluations": 1} for record in EvaluationStore(place[0] / "store")]
    if not records:
        return {"count": 0}
    groups = pd.DataFrame(records).groupby(["device", "status"], as_index=False)
    table = groups[["evaluations", "training_seconds"]].sum()
    caption = "Evaluations in the store, by device and status"
    total = duration(table["training_seconds"].sum())
    return {"count": number(len(records)), "time": total, "table": Table("Store", caption, [], columns_of(table))}
