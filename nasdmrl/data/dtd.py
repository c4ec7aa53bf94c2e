"""Describable Textures (Cimpoi et al., 2014): photographs of 47 textures, a folder for each."""

from collections.abc import Iterable
from pathlib import Path

from nasdmrl.data.archives import ArchiveFile, Index, Source, by_member_name
from nasdmrl.data.standins import Drawn, encoded, write_tar
from nasdmrl.paper.datasets import DATASETS

_URL = "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz"


def read(paths: list[Path]) -> Index:
    """The texture is a folder: `dtd/images/banded/banded_0002.jpg`."""
    return by_member_name("dtd", paths, _texture)


def _texture(name: str) -> str | None:
    parts = name.split("/")
    return parts[2] if len(parts) == 4 and parts[:2] == ["dtd", "images"] and name.endswith(".jpg") else None


def write_standin(paths: list[Path], pictures: Iterable[Drawn]) -> None:
    """One folder a class."""
    write_tar(
        paths[0],
        [
            (f"dtd/images/standin{label:02d}/standin{label:02d}_{number:04d}.jpg", encoded(image))
            for label, number, image in pictures
        ],
    )


SOURCE = Source(
    facts=DATASETS["dtd"],
    files=(ArchiveFile(_URL, 625239812, "fff73e5086ae6bdbea199a49dfb8a4c1"),),
    read=read,
    write_standin=write_standin,
    style="texture",
    seed=2,
)
