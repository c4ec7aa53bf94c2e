"""Datasets that come in official archives (Section 6): what the entry of one says, and what readers share.

A reader says which member of an archive is an image of which class. It checks names and labels before an image is
read, so a wrong archive fails at once.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nasdmrl.data.containers import member_names, read_members
from nasdmrl.data.standins import IMAGES_PER_CLASS, Writer
from nasdmrl.errors import DataError
from nasdmrl.paper.datasets import Dataset

Box = tuple[int, int, int, int]
"""Left, upper, right and lower bound of what a photograph is cut to, as Pillow's `crop` takes them."""


@dataclass(frozen=True)
class ArchiveFile:
    """One file of an official download: its address, size in bytes and MD5, where they are published."""

    url: str
    bytes: int | None = None
    md5: str | None = None

    @property
    def name(self) -> str:
        """The official file name, the last part of the address."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Part:
    """One archive file, the class of each of its images, by member name, and their boxes where it has such."""

    path: Path
    class_of: dict[str, str]
    box_of: dict[str, Box] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """One image as the archive has it: the archive, the member's name and bytes, label (0, 1, ...) and box, if any."""

    archive: Path
    name: str
    label: int
    content: bytes
    box: Box | None = None


@dataclass(frozen=True)
class Index:
    """What a dataset's archives hold: class names in order and, for each archive, its images."""

    dataset: str
    class_names: list[str]
    parts: list[Part]

    def images_per_class(self) -> list[int]:
        """Number of images of each class, in the order of `class_names`."""
        counts = Counter(name for part in self.parts for name in part.class_of.values())
        return [counts[name] for name in self.class_names]

    def images(self) -> Iterator[Picture]:
        """Yield all images; classes together where the archive allows."""
        label = {name: number for number, name in enumerate(self.class_names)}
        for part in self.parts:
            by_class = sorted((label[class_name], name) for name, class_name in part.class_of.items())
            for name, content in read_members(part.path, [name for _, name in by_class]):
                yield Picture(part.path, name, label[part.class_of[name]], content, part.box_of.get(name))


Reader = Callable[[list[Path]], tuple[list[str], list[Part]]]
"""From the paths of a dataset's archives to its class names in order, and the images of each archive."""


@dataclass(frozen=True)
class Source:
    """The entry of a dataset: facts, archives, their reader, and how their stand-ins are laid out (`standins`).

    style: of the stand-ins' pictures (`drawing.STYLES`); seed: apart from those of other datasets in this style;
    standin_images: of each class. inverted: the converter makes white strokes on black of black ones on white.
    """

    facts: Dataset
    files: tuple[ArchiveFile, ...]
    read: Reader
    write_standin: Writer
    style: str
    seed: int
    standin_images: int = IMAGES_PER_CLASS
    inverted: bool = False

    def missing_from(self, folder: Path | str) -> list[str]:
        """Names of the archives that a folder lacks."""
        return [file.name for file in self.files if not (Path(folder) / file.name).is_file()]


def by_name(pattern: str) -> Reader:
    """A reader of archives whose images match a pattern, the first group of which is the class."""

    def read(paths: list[Path]) -> tuple[list[str], list[Part]]:
        parts = []
        for path in paths:
            matches = {name: re.fullmatch(pattern, name) for name in member_names(path)}
            parts.append(Part(path, {name: match[1] for name, match in matches.items() if match}))
        return sorted({name for part in parts for name in part.class_of.values()}), parts

    return read


def label_files(path: Path, names: list[str], wanted: list[str]) -> dict[str, str]:
    """Texts of these members, the label files; `names` are all members. Raises `DataError` where one is missing."""
    missing = sorted(set(wanted) - set(names))
    if missing:
        raise DataError(f"{path}: lacks the label file `{missing[0]}`; fetch the official archive")
    texts = {}
    for name, content in read_members(path, wanted):
        texts[name] = content.decode("utf-8")
        if len(texts) == len(wanted):
            break
    return texts


def pairs(path: Path, file: str, text: str) -> list[tuple[str, str]]:
    """The lines `key value` of a label file. Raises `DataError` for a line that is none."""
    lines = [tuple(line.split(" ", 1)) for line in text.splitlines()]
    if not all(len(line) == 2 for line in lines):
        raise DataError(f"{path}: label file `{file}` has a line that is not `key value`; fetch the archive again")
    return lines  # type: ignore[return-value]


def check_labels(path: Path, class_of: dict[str, str], names: list[str], classes: list[str]) -> None:
    """Raise `DataError` unless labels, images (members `*.jpg` among `names`) and list of classes fit each other."""
    missing = sorted(set(class_of) - set(names))
    if missing:
        raise DataError(
            f"{path}: {len(missing)} labelled images are missing, the first is `{missing[0]}`; fetch the archive again"
        )
    unlabelled = sorted({name for name in names if name.endswith(".jpg")} - set(class_of))
    if unlabelled:
        raise DataError(
            f"{path}: {len(unlabelled)} images have no label, the first is `{unlabelled[0]}`; fetch the archive again"
        )
    unknown = [name for name, label in class_of.items() if label not in classes]
    if unknown:
        raise DataError(
            f"{path}: image `{unknown[0]}` has a class that the list of classes lacks; fetch the archive again"
        )
