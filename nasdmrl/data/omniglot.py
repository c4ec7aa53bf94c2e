"""Omniglot (Lake et al., 2015): 1,623 handwritten characters of 50 alphabets, black on white, 20 drawings of each."""

from collections.abc import Iterable
from pathlib import Path

from nasdmrl.data.archives import ArchiveFile, Index, Source, by_member_name
from nasdmrl.data.standins import CLASSES, Drawn, Member, encoded, write_zip
from nasdmrl.paper.datasets import DATASETS

_FOLDER = "https://github.com/brendenlake/omniglot/raw/master/python"


def read(paths: list[Path]) -> Index:
    """Alphabet and character are folders: `images_background/Balinese/character01/0108_01.png`."""
    return by_member_name("omniglot", paths, _character)


def _character(name: str) -> str | None:
    parts = name.split("/")
    return "/".join(parts[1:3]) if len(parts) == 4 and name.endswith(".png") else None


def write_standin(paths: list[Path], pictures: Iterable[Drawn]) -> None:
    """Half of the classes go into each archive."""
    halves: list[list[Member]] = [[], []]
    for label, number, image in pictures:
        half = label * 2 // CLASSES
        folder = f"{paths[half].stem}/Standin_{label // 4}/character{label % 4 + 1:02d}"
        halves[half].append((f"{folder}/{label:04d}_{number + 1:02d}.png", encoded(image, "PNG")))
    for path, members in zip(paths, halves, strict=True):
        write_zip(path, members)


SOURCE = Source(
    facts=DATASETS["omniglot"],
    files=(
        ArchiveFile(f"{_FOLDER}/images_background.zip", 9464212, "68d2efa1b9178cc56df9314c21c6e718"),
        ArchiveFile(f"{_FOLDER}/images_evaluation.zip", 6462886, "6b91aef0f799c5bb55b94e3f2daec811"),
    ),
    read=read,
    write_standin=write_standin,
    style="glyph",
    seed=0,
    standin_images=20,
    inverted=True,
)
