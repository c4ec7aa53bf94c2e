"""Stand-ins: small archives in the official layouts, drawn by a seeded generator (see `drawing` for the styles).

They let the same readers run where no images may be fetched. Nothing learned from them says anything about the
paper's datasets, and every output says that they were used.
"""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from nasdmrl.data.drawing import draw
from nasdmrl.files import atomic_path
from nasdmrl.paper.datasets import DATASETS

CLASSES = 16
IMAGES_PER_CLASS = 40
OMNIGLOT_IMAGES_PER_CLASS = 20
JPEG_QUALITY = 85
MOST_MARGIN = 24
"""Pixels that a stand-in of an aircraft's photograph has around its box, at each side."""
Member = tuple[str, bytes]


def write_standins(dataset: str, folder: Path | str) -> list[Path]:
    """Draw a dataset's archives into `folder` under their official names; the bytes are always the same."""
    paths = [Path(folder) / file.name for file in DATASETS[dataset].files]
    _WRITERS[dataset](paths)
    return paths


def _pictures(dataset: str, per_class: int = IMAGES_PER_CLASS) -> Iterator[tuple[int, int, Image.Image]]:
    for label in range(CLASSES):
        for number in range(per_class):
            yield label, number, draw(dataset, label, number)


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": JPEG_QUALITY} if kind == "JPEG" else {}))
    return buffer.getvalue()


def _omniglot(paths: list[Path]) -> None:
    halves: list[list[Member]] = [[], []]
    for label, number, image in _pictures("omniglot", OMNIGLOT_IMAGES_PER_CLASS):
        half = label * 2 // CLASSES
        folder = f"{paths[half].stem}/Standin_{label // 4}/character{label % 4 + 1:02d}"
        halves[half].append((f"{folder}/{label:04d}_{number + 1:02d}.png", _encoded(image, "PNG")))
    for path, members in zip(paths, halves, strict=True):
        _write_zip(path, members)


def _vgg_flower(paths: list[Path]) -> None:
    # As in the official archive, the labels of the numbered images are not in order.
    order = np.random.RandomState(0).permutation(CLASSES * IMAGES_PER_CLASS)
    pictures = list(_pictures("vgg_flower"))
    members = [
        (f"jpg/image_{i + 1:05d}.jpg", _encoded(pictures[picture][2], "JPEG")) for i, picture in enumerate(order)
    ]
    _write_tar(paths[0], members)
    _write_mat(paths[1], {"labels": np.array([[pictures[p][0] + 1 for p in order]], dtype=np.uint8)})


def _write_mat(path: Path, values: dict[str, np.ndarray]) -> None:
    # A MATLAB file begins with 116 bytes of text, in which SciPy puts the time.
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, values)
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"MATLAB 5.0 MAT-file, stand-in".ljust(116) + buffer.getvalue()[116:])


def _dtd(paths: list[Path]) -> None:
    members = [
        (f"dtd/images/standin{label:02d}/standin{label:02d}_{number:04d}.jpg", _encoded(image, "JPEG"))
        for label, number, image in _pictures("dtd")
    ]
    _write_tar(paths[0], members)


def _aircraft(paths: list[Path]) -> None:
    base = "fgvc-aircraft-2013b/data/"
    lines: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    boxes, members = [], []
    for label, number, image in _pictures("aircraft"):
        name = f"{label * 1000 + number:07d}"
        photograph, box = _framed(image, np.random.RandomState([label, number]))
        lines[list(lines)[number % 3]].append(f"{name} Stand-in {label}")
        boxes.append(f"{name} {' '.join(map(str, box))}\n")
        members.append((f"{base}images/{name}.jpg", _encoded(photograph, "JPEG")))
    variants = "".join(f"Stand-in {label}\n" for label in range(CLASSES))
    texts = [(f"{base}images_variant_{split}.txt", "\n".join(rows) + "\n") for split, rows in lines.items()]
    texts += [(f"{base}variants.txt", variants), (f"{base}images_box.txt", "".join(boxes))]
    _write_tar(paths[0], [(name, text.encode()) for name, text in texts] + members)


def _framed(image: Image.Image, random: np.random.RandomState) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """The picture somewhere in a larger photograph of one colour, and the box that cuts it out again."""
    left, upper, right, lower = (int(margin) for margin in random.randint(4, MOST_MARGIN + 1, 4))
    size = (left + image.width + right, upper + image.height + lower)
    photograph = Image.new("RGB", size, tuple(int(value) for value in random.randint(0, 256, 3)))
    photograph.paste(image, (left, upper))
    return photograph, (left, upper, left + image.width, upper + image.height)


def _cu_birds(paths: list[Path]) -> None:
    base = "CUB_200_2011/"
    images, labels, members = [], [], []
    for count, (label, number, image) in enumerate(_pictures("cu_birds"), start=1):
        name = f"{label + 1:03d}.Standin_{label}/Standin_{label}_{number:04d}.jpg"
        images.append(f"{count} {name}\n")
        labels.append(f"{count} {label + 1}\n")
        members.append((f"{base}images/{name}", _encoded(image, "JPEG")))
    classes = [f"{label + 1} {label + 1:03d}.Standin_{label}\n" for label in range(CLASSES)]
    texts = {"images.txt": images, "image_class_labels.txt": labels, "classes.txt": classes}
    _write_tar(paths[0], [(base + name, "".join(lines).encode()) for name, lines in texts.items()] + members)


def _traffic_sign(paths: list[Path]) -> None:
    members = [
        (f"GTSRB/Final_Training/Images/{label:05d}/00000_{number:05d}.ppm", _encoded(image, "PPM"))
        for label, number, image in _pictures("traffic_sign")
    ]
    _write_zip(paths[0], members)


def _write_zip(path: Path, members: list[Member]) -> None:
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def _write_tar(path: Path, members: list[Member]) -> None:
    # gzip's own header would hold the time and so change the bytes.
    with (
        atomic_path(path) as temporary,
        temporary.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


_WRITERS = {
    "omniglot": _omniglot,
    "vgg_flower": _vgg_flower,
    "dtd": _dtd,
    "aircraft": _aircraft,
    "cu_birds": _cu_birds,
    "traffic_sign": _traffic_sign,
}
