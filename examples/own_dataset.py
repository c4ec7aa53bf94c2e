"""Oxford-IIIT Pets (Parkhi et al., 2012): photographs of 37 breeds of cats and dogs, which the paper has not.

Copy this file to nasdmrl/data/pets.py and put "pets" into the list of nasdmrl/data/catalogue.py (docs/extending.md).
"""

import re
from collections.abc import Iterable
from pathlib import Path

from nasdmrl.data.archives import ArchiveFile, Index, Source, by_member_name
from nasdmrl.data.standins import Drawn, encoded, write_tar
from nasdmrl.paper.datasets import Dataset

_URL = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz"


def read(paths: list[Path]) -> Index:
    """The breed is in the name: `images/great_pyrenees_100.jpg`."""
    return by_member_name("pets", paths, _breed)


def _breed(name: str) -> str | None:
    found = re.fullmatch(r"images/(\w+)_\d+\.jpg", name)
    return found[1] if found else None


def write_standin(paths: list[Path], pictures: Iterable[Drawn]) -> None:
    """Drawn pictures under such names."""
    members = [(f"images/Standin_{label}_{number + 1}.jpg", encoded(image)) for label, number, image in pictures]
    write_tar(paths[0], members)


SOURCE = Source(
    facts=Dataset("pets", "Oxford-IIIT Pets", "own", 37, 7390),
    files=(ArchiveFile(_URL, 791918971, "5c4f3ee8e5d25df40f4fd59a7f44e54c"),),
    read=read,
    write_standin=write_standin,
    style="bird",
    seed=6,
)
