"""The list of the datasets that come in archives: the paper's six, and those that you add (docs/extending.md).

Only the standard library is loaded for it. A folder of class folders (`custom`) needs no entry.
"""

import difflib
import re
from collections.abc import Collection
from importlib import import_module
from pathlib import Path

from nasdmrl.data.archives import Index, Part, Source
from nasdmrl.data.custom import class_of_images
from nasdmrl.data.standins import pictures
from nasdmrl.errors import DataError

LISTED = (
    "omniglot",
    "vgg_flower",
    "dtd",
    "aircraft",
    "cu_birds",
    "traffic_sign",
)
"""Modules of this folder, each with the `SOURCE` of a dataset: the paper's in the order of its tables, then others."""
SOURCES: dict[str, Source] = {name: import_module(f"nasdmrl.data.{name}").SOURCE for name in LISTED}
"""Datasets by id, which is the module's name."""
LISTED_OWN = tuple(name for name, source in SOURCES.items() if source.facts.role == "own")
"""Ids of the listed datasets that the paper has not."""
_OWN_NAME = re.compile(r"(?!sigma)[a-z][a-z0-9_]*")


def open_index(dataset: str, folder: Path | str) -> Index:
    """Read the labels of a dataset's archives in `folder`, which has the official file names.

    A dataset that the list lacks has class folders in `folder` (see `custom`). Raises `DataError` for a missing or
    damaged file, a label without an image, an image without a label, and a class without images.
    """
    folder = Path(folder)
    if dataset not in SOURCES:
        class_of = class_of_images(dataset, folder)
        return Index(dataset, sorted(set(class_of.values())), [Part(folder, class_of)])
    names, parts = SOURCES[dataset].read([folder / file.name for file in SOURCES[dataset].files])
    empty = [part.path for part in parts if not part.class_of]
    if empty:
        raise DataError(
            f"{empty[0]}: holds no image in the layout of the official {dataset} archive; put that in its place"
        )
    index = Index(dataset, names, parts)
    for name, count in zip(names, index.images_per_class(), strict=True):
        if count == 0:
            raise DataError(
                f"{parts[0].path}: class `{name}` has no image; fetch the archive again, or take it out of the list"
            )
    return index


def write_standins(dataset: str, folder: Path | str) -> list[Path]:
    """Draw a dataset's archives into `folder` under their official names; the bytes are always the same."""
    source = SOURCES[dataset]
    paths = [Path(folder) / file.name for file in source.files]
    source.write_standin(paths, pictures(source.style, source.seed, source.standin_images))
    return paths


def check_own_name(name: str) -> None:
    """Raise `ValueError` for what cannot name a folder of one's own: names of folders and series of the results."""
    if name in SOURCES:
        raise ValueError(f"`{name}` is a listed dataset; give yours another name")
    if not _OWN_NAME.fullmatch(name):
        raise ValueError(
            f"`{name}`: expected lower-case letters, digits and `_` that begin with a letter, and not with `sigma`"
        )


def check_known(name: str, own: Collection[str]) -> None:
    """Raise `ValueError`, which has the closest name, for what is neither a listed dataset nor one of `own`."""
    known = [*SOURCES, *own]
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
        raise ValueError(f"`{name}`: no such dataset; did you mean `{close}`? Known here: {', '.join(known)}")
