"""Where two images, or two text files, differ, in words."""

import csv
import itertools
from pathlib import Path

import numpy as np

LONGEST, BEFORE = 60, 20
"""Characters of a text that a message shows, and how many of them before the difference."""


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
    if old.read_bytes() == new.read_bytes():
        return ""
    texts = [path.read_text(encoding="utf-8", errors="replace").splitlines() for path in (old, new)]
    if old.suffix == ".csv" and (cell := _cells_differ(*texts)):
        return cell
    for number, (before, after) in enumerate(itertools.zip_longest(*texts, fillvalue="nothing"), start=1):
        if before != after:
            return f"line {number}: {_apart(before, after)}"
    return "line ends differ"


def _cells_differ(old: list[str], new: list[str]) -> str:
    """The first cell that differs between two tables of the same columns."""
    (heads, *before), (new_heads, *after) = (
        list(csv.reader(line for line in text if line[:1] != "#")) for text in (old, new)
    )
    if heads != new_heads or len(before) != len(after):
        return ""
    for number, rows in enumerate(zip(before, after, strict=True), start=1):
        for head, was, now in zip(heads, *rows, strict=False):
            if was != now:
                return f"row {number} ({rows[0][0]}), {head}: {_apart(was, now)}"
    return ""


def _apart(was: str, now: str) -> str:
    """Two texts where they first differ."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(was, now, strict=False))
    start = max(0, len(list(same)) - BEFORE)
    return "`{}`, from the logs `{}`".format(*(text[start : start + LONGEST] for text in (was, now)))
