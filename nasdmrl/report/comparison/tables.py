"""Two runs' versions of a table as one: equal columns once, others with both values and their difference."""

from typing import Any, NamedTuple

import pandas as pd

from nasdmrl.analysis.cells import NAMES, NO_VALUE, SHARES, label_of, number, shown
from nasdmrl.analysis.times import duration
from nasdmrl.report.page import PAPER, Column, Table

DIFFERENCE = "B − A"
EQUAL = "Equal in both"
Rows = dict[tuple[str, ...], dict[str, Any]]


class Joined(NamedTuple):
    """Two versions of a table: for the page, and the headings of its columns that differ."""

    table: Table
    differing: list[str]


def joined(title: str, caption: str, first: pd.DataFrame, second: pd.DataFrame) -> Joined:
    """Join two versions of a table by the columns that say what a row is about. The paper's columns are left out."""
    both = [*first.columns, *(name for name in second.columns if name not in first.columns)]
    keys = [name for name in both if name in NAMES and name in first.columns and name in second.columns]
    values = [name for name in both if name not in keys and f"{name}_seconds" not in both and not _of_the_paper(name)]
    ours, theirs = _rows(first, keys), _rows(second, keys)
    order = list(dict.fromkeys([*ours, *theirs]))
    columns = [Column(label_of(key), "", "text", [shown(key, row[i]) for row in order]) for i, key in enumerate(keys)]
    differing = []
    for name in values:
        label = label_of(twin if (twin := name.removesuffix("_seconds")) in both else name)
        pairs = [(ours.get(row, {}).get(name), theirs.get(row, {}).get(name)) for row in order]
        new = _columns(name, label, pairs)
        differing += [label] if len(new) > 1 else []
        columns += new
    return Joined(Table(title, caption, [], columns), differing)


def _of_the_paper(name: str) -> bool:
    return name.split("_")[0] == PAPER.lower()


def _rows(table: pd.DataFrame, keys: list[str]) -> Rows:
    """Rows by their keys as text."""
    return {tuple(str(row[key]) for key in keys): row for row in table.to_dict("records")}


def _columns(name: str, label: str, pairs: list[tuple[Any, Any]]) -> list[Column]:
    """One column if all values are equal, else both runs' and their difference."""
    shown_pairs = [tuple(NO_VALUE if value is None else shown(name, value) for value in pair) for pair in pairs]
    if all(_same(*pair) for pair in pairs):
        return [_column(label, EQUAL, [first for first, _ in shown_pairs])]
    changes = Column(DIFFERENCE, label, "number difference", [change(name, *pair) for pair in pairs])
    return [
        _column(side, label, list(cells)) for side, cells in zip("AB", zip(*shown_pairs, strict=True), strict=True)
    ] + [changes]


def _column(label: str, group: str, cells: list[str]) -> Column:
    number = all(cell[:1].isdigit() or cell[:1] in "-–" for cell in cells)
    return Column(label, group, "number" if number else "text" if max(map(len, cells)) < 24 else "long", cells)


def _same(first: Any, second: Any) -> bool:
    if first is None or second is None:
        return first is second
    return bool(first == second or (pd.isna(first) and pd.isna(second)))


def change(name: str, first: Any, second: Any) -> str:
    """The second value minus the first, for people: in the unit of the column, percent in points."""
    if first is None or second is None:
        return f"only in {'B' if first is None else 'A'}"
    if _same(first, second):
        return "0" if _is_number(first) else ""
    if not (_is_number(first) and _is_number(second)):
        return "other"
    difference = float(second) - float(first)
    if name.endswith("_seconds"):
        return f"{_sign(difference)}{duration(abs(difference))}"
    if name.endswith(("_percent", "two_sd", "two_sample_sd")):
        return f"{difference:+.2f}"
    return f"{100 * difference:+.1f} points" if name in SHARES else f"{_sign(difference)}{number(abs(difference))}"


def _sign(difference: float) -> str:
    return "+" if difference > 0 else "-"


def _is_number(value: Any) -> bool:
    try:
        return not pd.isna(float(value))
    except (TypeError, ValueError):
        return False
