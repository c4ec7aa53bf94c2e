"""Datasets of one's own: a folder of class folders, `FOLDER/CLASS/*.jpg` or `.png`, read as the archives are."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from nasdmrl.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png")
FEWEST_CLASSES, FEWEST_IMAGES = 2, 3
"""A classification task has two classes, and a class needs images to train on and to test with."""
LAYOUT = f"FOLDER/CLASS/*{', *'.join(SUFFIXES)}"


def class_folders(dataset: str, folder: Path | str) -> list[Path]:
    """The class folders of a dataset of one's own, by name; hidden ones are left out.

    Raises `DataError` where `folder` is missing or has fewer than two class folders of three images, or where a
    folder is a link that leaves it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; data.own.{dataset} must name a folder with the layout {LAYOUT}")
    found = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(found) < FEWEST_CLASSES:
        raise DataError(
            f"{root}: {len(found)} class folders, at least {FEWEST_CLASSES} are needed; data.own.{dataset} has the "
            f"layout {LAYOUT}"
        )
    for path in found:
        check_inside(root, path)
        images = len(list(islice(_images(path), FEWEST_IMAGES)))
        if images < FEWEST_IMAGES:
            raise DataError(
                f"{path}: {images} images, a class of {dataset} needs at least {FEWEST_IMAGES}; add images "
                f"({', '.join(SUFFIXES)}) or take the folder away"
            )
    return found


def check_inside(root: Path, path: Path) -> None:
    """Raise `DataError` where a link leads from `path` out of the folder `root`."""
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise DataError(f"{path}: is a link that leaves {root}, and is not followed; put a copy in its place")


def class_of_images(dataset: str, folder: Path | str) -> dict[str, str]:
    """The class of each image by its path below `folder`, such as `tulip/3.jpg`; raises `DataError` as above."""
    root, found = Path(folder), {}
    for path in class_folders(dataset, folder):
        for image in sorted(_images(path)):
            check_inside(root, image)
            found[f"{path.name}/{image.name}"] = path.name
    return found


def _images(folder: Path) -> Iterator[Path]:
    paths = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return (path for path in paths if not path.name.startswith(".") and (path.is_file() or path.is_symlink()))
