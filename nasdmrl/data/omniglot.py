"""Omniglot (Lake et al., 2015): 1,623 handwritten characters of 50 alphabets, black on white, 20 drawings of each."""

from collections.abc import Iterable
from pathlib import Path

from nasdmrl.data.archives import ArchiveFile, Source, by_name
from nasdmrl.data.standins import CLASSES, Drawn, write_archive
from nasdmrl.paper.datasets import DATASETS

_FOLDER = "https://github.com/brendenlake/omniglot/raw/master/python"


def write_standin(paths: list[Path], pictures: Iterable[Drawn]) -> None:
    """Half of the classes go into each archive."""
    halves: list[dict] = [{}, {}]
    for label, number, image in pictures:
        half = label * 2 // CLASSES
        folder = f"{paths[half].stem}/Standin_{label // 4}/character{label % 4 + 1:02d}"
        halves[half][f"{folder}/{label:04d}_{number + 1:02d}.png"] = image
    for path, members in zip(paths, halves, strict=True):
        write_archive(path, members)


SOURCE = Source(
    facts=DATASETS["omniglot"],
    files=(
        ArchiveFile(f"{_FOLDER}/images_background.zip", 9464212, "68d2efa1b9178cc56df9314c21c6e718"),
        ArchiveFile(f"{_FOLDER}/images_evaluation.zip", 6462886, "6b91aef0f799c5bb55b94e3f2daec811"),
    ),
    # Alphabet and character are folders: images_background/Balinese/character01/0108_01.png
    read=by_name(r"[^/]*/([^/]*/[^/]*)/[^/]*\.png"),
    write_standin=write_standin,
    style="glyph",
    seed=0,
    standin_images=20,
    inverted=True,
)
