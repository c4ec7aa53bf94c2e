"""FGVC-Aircraft (Maji et al., 2013): photographs of 100 variants of aircraft, which are cut to their boxes."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nasdmrl.data.archives import ArchiveFile, Box, Part, Source, check_labels, label_files, pairs
from nasdmrl.data.containers import member_names
from nasdmrl.data.standins import CLASSES, Drawn, write_archive
from nasdmrl.errors import DataError
from nasdmrl.paper.datasets import DATASETS

_URL = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz"
_FOLDER = "fgvc-aircraft-2013b/data/"
_BOXES = f"{_FOLDER}images_box.txt"
_SPLITS = ("train", "val", "test")
MOST_MARGIN = 24
"""Pixels that a stand-in's photograph has around its box, at each side."""


def read(paths: list[Path]) -> tuple[list[str], list[Part]]:
    """Three tables `images_variant_*.txt` say the variant, `images_box.txt` says the box."""
    path, names = paths[0], member_names(paths[0])
    tables = [f"{_FOLDER}images_variant_{split}.txt" for split in _SPLITS]
    texts = label_files(path, names, [*tables, f"{_FOLDER}variants.txt", _BOXES])
    lines = {image: variant for table in tables for image, variant in pairs(path, table, texts[table])}
    class_of = {f"{_FOLDER}images/{image}.jpg": variant for image, variant in lines.items()}
    variants = texts[f"{_FOLDER}variants.txt"].splitlines()
    check_labels(path, class_of, names, variants)
    box_of = {f"{_FOLDER}images/{image}.jpg": box for image, box in _boxes(path, texts[_BOXES]).items()}
    without = sorted(set(class_of) - set(box_of))
    if without:
        text = f"{path}: {len(without)} images have no box in `{_BOXES}`, the first is `{without[0]}`"
        raise DataError(f"{text}; fetch the archive again")
    return variants, [Part(path, class_of, box_of)]


def _boxes(path: Path, text: str) -> dict[str, Box]:
    """The box of each photograph by its name, from lines `name xmin ymin xmax ymax`.

    The archive counts pixels from 1 and includes both ends. Meta-Dataset hands the four numbers to Pillow's `crop`,
    which counts from 0 and leaves out the right and lower end: a box loses its first column and row, and here, too.
    """
    boxes = {}
    for name, numbers in pairs(path, _BOXES, text):
        if not re.fullmatch(r"-?\d+( -?\d+){3}", numbers):
            raise DataError(
                f"{path}: `{_BOXES}` gives image `{name}` the box `{numbers}`, expected `xmin ymin xmax ymax` in whole "
                "pixels; fetch the archive again, or correct the line"
            )
        boxes[name] = tuple(map(int, numbers.split()))
    return boxes  # type: ignore[return-value]


def write_standin(paths: list[Path], pictures: Iterable[Drawn]) -> None:
    """Each picture lies somewhere in a larger photograph."""
    lines: dict[str, list[str]] = {split: [] for split in _SPLITS}
    boxes, members = [], {}
    for label, number, image in pictures:
        name = f"{label * 1000 + number:07d}"
        photograph, box = _framed(image, label, number)
        lines[_SPLITS[number % 3]].append(f"{name} Stand-in {label}")
        boxes.append(f"{name} {' '.join(map(str, box))}\n")
        members[f"{_FOLDER}images/{name}.jpg"] = photograph
    variants = "".join(f"Stand-in {label}\n" for label in range(CLASSES))
    texts = {f"{_FOLDER}images_variant_{split}.txt": "\n".join(rows) + "\n" for split, rows in lines.items()}
    texts |= {f"{_FOLDER}variants.txt": variants, _BOXES: "".join(boxes)}
    write_archive(paths[0], {name: text.encode() for name, text in texts.items()} | members)


def _framed(image: Any, label: int, number: int) -> tuple[Any, Box]:
    """The picture somewhere in a larger photograph of one colour, and the box that cuts it out again."""
    import numpy as np
    from PIL import Image

    random = np.random.RandomState([label, number])
    left, upper, right, lower = (int(margin) for margin in random.randint(4, MOST_MARGIN + 1, 4))
    size = (left + image.width + right, upper + image.height + lower)
    photograph = Image.new("RGB", size, tuple(int(value) for value in random.randint(0, 256, 3)))
    photograph.paste(image, (left, upper))
    return photograph, (left, upper, left + image.width, upper + image.height)


SOURCE = Source(
    facts=DATASETS["aircraft"],
    files=(ArchiveFile(_URL, 2753340328, "d4acdd33327262359767eeaa97a4f732"),),
    read=read,
    write_standin=write_standin,
    style="aircraft",
    seed=3,
)
