"""Which member of which archive an image is: lists that lie beside records and beside decoded images, as CSV.

They let whoever has the same archives check, image by image, that a recording was made of the same pixels.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nasdmrl.errors import DataError
from nasdmrl.files import atomic_path

MEMBERS = "members.csv"
OF_RECORDS = ("label", "member")
OF_IMAGES = ("member", "class", "sha256")


class Member(NamedTuple):
    """One decoded image: the member's path in its archive, its class's name, and the digest of its pixels."""

    path: str
    class_name: str
    sha256: str


def pixel_digest(image: np.ndarray) -> str:
    """SHA-256 of an image's pixels, uint8 (height, width, 3), row by row, red, green and blue of each pixel."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def write_record_members(folder: Path, paths: Mapping[int, Sequence[str]]) -> None:
    """Write the members' paths by label, in the order of each label's records."""
    _write(folder, OF_RECORDS, ((label, path) for label in sorted(paths) for path in paths[label]))


def read_record_members(folder: Path | str, counts: Sequence[int]) -> list[list[str]]:
    """The members' paths of label 0, 1, ...; raises `DataError` where they are not as many of each as `counts` says."""
    path = Path(folder) / MEMBERS
    found: list[list[str]] = [[] for _ in counts]
    try:
        for label, member in _read(path, OF_RECORDS):
            found[int(label)].append(member)
        if [len(members) for members in found] != list(counts):
            raise ValueError("it does not list the images of dataset_spec.json")
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); run the conversion again") from error
    return found


def write_image_members(folder: Path, members: Iterable[Member]) -> None:
    """Write a line for each decoded image, in their order."""
    _write(folder, OF_IMAGES, members)


def read_image_members(folder: Path | str) -> list[Member]:
    """What `write_image_members` wrote. Raises `DataError` where it is missing or damaged."""
    path = Path(folder) / MEMBERS
    try:
        return [Member(*row) for row in _read(path, OF_IMAGES)]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); decode the records again") from error


# Names of files need not be valid text; what is not, is kept as it is.
_open = partial(open, encoding="utf-8", errors="surrogateescape", newline="")


def _write(folder: Path, columns: tuple[str, ...], rows: Iterable[Sequence[object]]) -> None:
    with atomic_path(folder / MEMBERS) as temporary, _open(temporary, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _read(path: Path, columns: tuple[str, ...]) -> Iterator[list[str]]:
    with _open(path) as file:
        rows = csv.reader(file)
        if next(rows, None) != list(columns):
            raise ValueError(f"its first line is not `{','.join(columns)}`")
        for row in rows:
            if len(row) != len(columns):
                raise ValueError(f"line {rows.line_num} does not have {len(columns)} columns")
            yield row
