"""GTSRB (Stallkamp et al., 2012): photographs of 43 traffic signs, a folder for each."""

from collections.abc import Iterable
from pathlib import Path

from nasdmrl.data.archives import ArchiveFile, Index, Source, by_member_name
from nasdmrl.data.standins import Drawn, encoded, write_zip
from nasdmrl.paper.datasets import DATASETS

_URL = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/GTSRB_Final_Training_Images.zip"


def read(paths: list[Path]) -> Index:
    """The sign is a folder: `GTSRB/Final_Training/Images/00000/00000_00000.ppm`."""
    return by_member_name("traffic_sign", paths, _sign)


def _sign(name: str) -> str | None:
    return name.split("/")[-2] if "/Images/" in name and name.endswith(".ppm") else None


def write_standin(paths: list[Path], pictures: Iterable[Drawn]) -> None:
    """One folder a class."""
    write_zip(
        paths[0],
        [
            (f"GTSRB/Final_Training/Images/{label:05d}/00000_{number:05d}.ppm", encoded(image, "PPM"))
            for label, number, image in pictures
        ],
    )


SOURCE = Source(
    facts=DATASETS["traffic_sign"],
    files=(ArchiveFile(_URL, 276294756),),
    read=read,
    write_standin=write_standin,
    style="sign",
    seed=5,
)
