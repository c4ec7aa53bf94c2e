"""The paper's six datasets (Section 6, Tables 3 and 8) and the official archives that they come from."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["training", "evaluation", "hardness"]


@dataclass(frozen=True)
class ArchiveFile:
    """One file of an official download: its name, address, size in bytes and MD5, where they are published."""

    name: str
    url: str
    bytes: int | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Dataset:
    """One dataset: its id, printed name, part in the paper, official counts and archive files."""

    id: str
    title: str
    role: Role
    classes: int
    images: int
    files: tuple[ArchiveFile, ...]


_OMNIGLOT = "https://github.com/brendenlake/omniglot/raw/master/python/"
_VGG = "https://www.robots.ox.ac.uk/~vgg/data/"
_CALTECH = "https://data.caltech.edu/records/65de6-vp158/files/"
_GTSRB = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"


def _file(base: str, name: str, size: int | None = None, md5: str | None = None) -> ArchiveFile:
    return ArchiveFile(name.rsplit("/", 1)[-1], base + name, size, md5)


_ALL = (
    Dataset(
        "omniglot", "Omniglot", "training", 1623, 32460,
        (
            _file(_OMNIGLOT, "images_background.zip", 9464212, "68d2efa1b9178cc56df9314c21c6e718"),
            _file(_OMNIGLOT, "images_evaluation.zip", 6462886, "6b91aef0f799c5bb55b94e3f2daec811"),
        ),
    ),
    Dataset(
        "vgg_flower", "VGG Flower", "training", 102, 8189,
        (
            _file(_VGG, "flowers/102/102flowers.tgz", 344862509, "52808999861908f626f3c1f4e79d11fa"),
            _file(_VGG, "flowers/102/imagelabels.mat", 502, "e0620be6f572b9609742df49c70aed4d"),
        ),
    ),
    Dataset(
        "dtd", "Describable Textures", "training", 47, 5640,
        (_file(_VGG, "dtd/download/dtd-r1.0.1.tar.gz", 625239812, "fff73e5086ae6bdbea199a49dfb8a4c1"),),
    ),
    Dataset(
        "aircraft", "FGVC-Aircraft", "evaluation", 100, 10000,
        (
            _file(
                _VGG, "fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",
                2753340328, "d4acdd33327262359767eeaa97a4f732",
            ),
        ),
    ),
    Dataset(
        "cu_birds", "CUB-200-2011", "evaluation", 200, 11788,
        (_file(_CALTECH, "CUB_200_2011.tgz", 1150585339, "97eceeb196236b17998738112f37df78"),),
    ),
    Dataset(
        "traffic_sign", "GTSRB", "hardness", 43, 39209,
        (_file(_GTSRB, "GTSRB_Final_Training_Images.zip", 276294756),),
    ),
)  # fmt: skip

DATASETS: dict[str, Dataset] = {dataset.id: dataset for dataset in _ALL}
"""The six datasets by id, in the order of the paper's tables."""


# Figures of an agent of one's own are called own_agent_..., those of a dataset own_NAME_...
_OWN_NAME = re.compile(r"(?!sigma|agent_)[a-z][a-z0-9_]*")


def check_own_name(name: str) -> None:
    """Raise `ValueError` for what cannot name a dataset of one's own: names of folders and series of the results."""
    if name in DATASETS:
        raise ValueError(f"`{name}` is a dataset of the paper; give yours another name")
    if not _OWN_NAME.fullmatch(name):
        raise ValueError(
            f"`{name}`: expected lower-case letters, digits and `_` that begin with a letter, "
            "and not with `sigma` or `agent_`"
        )


def check_known(name: str, known: Sequence[str]) -> None:
    """Raise `ValueError`, which has the closest of the known datasets, for a name that is none of them."""
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
        raise ValueError(f"`{name}`: no such dataset; did you mean `{close}`? Known here: {', '.join(known)}")


def with_role(role: Role) -> list[str]:
    """Ids of the datasets with this part in the paper; the training ones in the order of the transfer chain."""
    return [dataset.id for dataset in _ALL if dataset.role == role]
