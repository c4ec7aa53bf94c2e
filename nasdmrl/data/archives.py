"""Readers of the official archives (Section 6): which member is an image of which class.

Each reader checks names and labels before an image is read, so a wrong archive fails at once.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nasdmrl.data.containers import member_names, read_members
from nasdmrl.data.custom import class_of_images
from nasdmrl.errors import DataError
from nasdmrl.paper.datasets import DATASETS

Box = tuple[int, int, int, int]
"""Left, upper, right and lower bound of what a photograph is cut to, as Pillow's `crop` takes them."""


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
            names = sorted(part.class_of, key=lambda name, part=part: (label[part.class_of[name]], name))
            for name, content in read_members(part.path, names):
                yield Picture(part.path, name, label[part.class_of[name]], content, part.box_of.get(name))


def open_index(dataset: str, folder: Path | str) -> Index:
    """Read the labels of a dataset's archives in `folder`, which has the official file names.

    A dataset of one's own, whose name is not one of the six, has class folders in `folder` (see `folders`). Raises
    `DataError` for a missing or damaged file, a label without an image, an image without a label, and a class without
    images.
    """
    folder = Path(folder)
    if dataset not in DATASETS:
        class_of = class_of_images(dataset, folder)
        return Index(dataset, sorted(set(class_of.values())), [Part(folder, class_of)])
    paths = [folder / file.name for file in DATASETS[dataset].files]
    index = _READERS[dataset](paths)
    if not index.class_names:
        raise DataError(f"{paths[0]}: holds no image in the layout of the official {dataset} archive")
    for name, count in zip(index.class_names, index.images_per_class(), strict=True):
        if count == 0:
            raise DataError(f"{paths[0]}: class `{name}` has no image; the archive is incomplete")
    return index


def _by_folder(dataset: str, paths: list[Path], class_of: Callable[[str], str | None]) -> Index:
    parts = []
    for path in paths:
        classes = {name: class_of(name) for name in member_names(path)}
        parts.append(Part(path, {name: value for name, value in classes.items() if value is not None}))
        if not parts[-1].class_of:
            raise DataError(f"{path}: holds no image in the layout of the official {dataset} archive")
    return Index(dataset, sorted({name for part in parts for name in part.class_of.values()}), parts)


def _omniglot(paths: list[Path]) -> Index:
    def character(name: str) -> str | None:
        parts = name.split("/")
        return "/".join(parts[1:3]) if len(parts) == 4 and name.endswith(".png") else None

    return _by_folder("omniglot", paths, character)


def _dtd(paths: list[Path]) -> Index:
    def texture(name: str) -> str | None:
        parts = name.split("/")
        return parts[2] if len(parts) == 4 and parts[:2] == ["dtd", "images"] and name.endswith(".jpg") else None

    return _by_folder("dtd", paths, texture)


def _traffic_sign(paths: list[Path]) -> Index:
    def sign(name: str) -> str | None:
        return name.split("/")[-2] if "/Images/" in name and name.endswith(".ppm") else None

    return _by_folder("traffic_sign", paths, sign)


def _vgg_flower(paths: list[Path]) -> Index:
    archive, label_file = paths
    images = [name for name in member_names(archive) if re.fullmatch(r"jpg/image_\d+\.jpg", name)]
    labels = _flower_labels(label_file)
    class_of = {}
    for name in images:
        number = int(Path(name).stem.removeprefix("image_"))
        if not 1 <= number <= len(labels):
            raise DataError(f"{label_file}: {len(labels)} labels, but {archive.name} holds `{name}`")
        class_of[name] = f"flower {labels[number - 1]:03d}"
    return Index("vgg_flower", sorted(set(class_of.values())), [Part(archive, class_of)])


def _flower_labels(path: Path) -> list[int]:
    # Slow to import, and needed by nothing else.
    import scipy.io
    from scipy.io.matlab import MatReadError

    if not path.is_file():
        raise DataError(f"{path}: no such file; it holds the labels of the images and comes beside the archive")
    try:
        return [int(label) for label in scipy.io.loadmat(path)["labels"].ravel()]
    except (MatReadError, ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{path}: is not the official label file, a MATLAB file with `labels` ({error})") from error


def _aircraft(paths: list[Path]) -> Index:
    base = "fgvc-aircraft-2013b/data/"
    tables = [f"{base}images_variant_{split}.txt" for split in ("train", "val", "test")]
    box_file = f"{base}images_box.txt"
    names = member_names(paths[0])
    texts = _texts(paths[0], names, [*tables, f"{base}variants.txt", box_file])
    lines = {image: variant for table in tables for image, variant in _pairs(paths[0], table, texts[table])}
    class_of = {f"{base}images/{image}.jpg": variant for image, variant in lines.items()}
    _check_images(paths[0], class_of, names)
    variants = texts[f"{base}variants.txt"].splitlines()
    _check_classes(paths[0], class_of, variants)
    boxes = _boxes(paths[0], box_file, texts[box_file])
    box_of = {f"{base}images/{image}.jpg": box for image, box in boxes.items()}
    without = sorted(set(class_of) - set(box_of))
    if without:
        raise DataError(f"{paths[0]}: {len(without)} images have no box in `{box_file}`, the first is `{without[0]}`")
    return Index("aircraft", variants, [Part(paths[0], class_of, box_of)])


def _boxes(path: Path, file: str, text: str) -> dict[str, Box]:
    """The box of each photograph by its name, from lines `name xmin ymin xmax ymax`.

    The archive counts pixels from 1 and includes both ends. Meta-Dataset hands the four numbers to Pillow's `crop`,
    which counts from 0 and leaves out the right and lower end: a box loses its first column and row, and here, too.
    """
    boxes = {}
    for name, numbers in _pairs(path, file, text):
        if not re.fullmatch(r"-?\d+( -?\d+){3}", numbers):
            raise DataError(
                f"{path}: `{file}` gives image `{name}` the box `{numbers}`, expected `xmin ymin xmax ymax` in whole "
                "pixels"
            )
        boxes[name] = tuple(map(int, numbers.split()))
    return boxes  # type: ignore[return-value]


def _cu_birds(paths: list[Path]) -> Index:
    base = "CUB_200_2011/"
    names = member_names(paths[0])
    files = [base + name for name in ("images.txt", "image_class_labels.txt", "classes.txt")]
    texts = _texts(paths[0], names, files)
    images, labels, classes = (dict(_pairs(paths[0], file, texts[file])) for file in files)
    if images.keys() != labels.keys():
        raise DataError(f"{paths[0]}: {len(labels)} labels for {len(images)} images; the label files do not fit")
    class_of = {f"{base}images/{path}": classes.get(labels[number], "") for number, path in images.items()}
    _check_images(paths[0], class_of, names)
    _check_classes(paths[0], class_of, list(classes.values()))
    return Index("cu_birds", sorted(classes.values()), [Part(paths[0], class_of)])


def _texts(path: Path, names: list[str], wanted: list[str]) -> dict[str, str]:
    missing = sorted(set(wanted) - set(names))
    if missing:
        raise DataError(f"{path}: lacks the label file `{missing[0]}`; this is not the official archive")
    texts = {}
    for name, content in read_members(path, wanted):
        texts[name] = content.decode("utf-8")
        if len(texts) == len(wanted):
            break
    return texts


def _pairs(path: Path, file: str, text: str) -> list[tuple[str, str]]:
    """The lines `key value` of a label file."""
    pairs = [tuple(line.split(" ", 1)) for line in text.splitlines()]
    if not all(len(pair) == 2 for pair in pairs):
        raise DataError(f"{path}: label file `{file}` has a line that is not `key value`; it is damaged")
    return pairs  # type: ignore[return-value]


def _check_classes(path: Path, class_of: dict[str, str], known: list[str]) -> None:
    unknown = [name for name, label in class_of.items() if label not in known]
    if unknown:
        raise DataError(f"{path}: image `{unknown[0]}` has a class that the list of classes lacks")


def _check_images(path: Path, class_of: dict[str, str], names: list[str]) -> None:
    missing = sorted(set(class_of) - set(names))
    if missing:
        raise DataError(f"{path}: {len(missing)} labelled images are missing, the first is `{missing[0]}`")
    unlabelled = sorted({name for name in names if name.endswith(".jpg")} - set(class_of))
    if unlabelled:
        raise DataError(f"{path}: {len(unlabelled)} images have no label, the first is `{unlabelled[0]}`")


_READERS: dict[str, Callable[[list[Path]], Index]] = {
    "omniglot": _omniglot,
    "vgg_flower": _vgg_flower,
    "dtd": _dtd,
    "aircraft": _aircraft,
    "cu_birds": _cu_birds,
    "traffic_sign": _traffic_sign,
}
