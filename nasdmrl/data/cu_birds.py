"""CUB-200-2011 (Wah et al., 2011): photographs of 200 birds."""

from collections.abc import Iterable
from pathlib import Path

from nasdmrl.data.archives import ArchiveFile, Part, Source, check_labels, label_files, pairs
from nasdmrl.data.containers import member_names
from nasdmrl.data.standins import CLASSES, Drawn, write_archive
from nasdmrl.errors import DataError
from nasdmrl.paper.datasets import DATASETS

_URL = "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz"
_FOLDER = "CUB_200_2011/"


def read(paths: list[Path]) -> tuple[list[str], list[Part]]:
    """`images.txt`, `image_class_labels.txt` and `classes.txt` say path, class number and name of each image."""
    path, names = paths[0], member_names(paths[0])
    files = [_FOLDER + name for name in ("images.txt", "image_class_labels.txt", "classes.txt")]
    texts = label_files(path, names, files)
    images, labels, classes = (dict(pairs(path, file, texts[file])) for file in files)
    if images.keys() != labels.keys():
        raise DataError(f"{path}: {len(labels)} labels for {len(images)} images; fetch the archive again")
    class_of = {f"{_FOLDER}images/{image}": classes.get(labels[number], "") for number, image in images.items()}
    check_labels(path, class_of, names, list(classes.values()))
    return sorted(classes.values()), [Part(path, class_of)]


def write_standin(paths: list[Path], pictures: Iterable[Drawn]) -> None:
    """One folder a class, and the three label files."""
    images, labels, members = [], [], {}
    for count, (label, number, image) in enumerate(pictures, start=1):
        name = f"{label + 1:03d}.Standin_{label}/Standin_{label}_{number:04d}.jpg"
        images.append(f"{count} {name}\n")
        labels.append(f"{count} {label + 1}\n")
        members[f"{_FOLDER}images/{name}"] = image
    classes = [f"{label + 1} {label + 1:03d}.Standin_{label}\n" for label in range(CLASSES)]
    texts = {"images.txt": images, "image_class_labels.txt": labels, "classes.txt": classes}
    write_archive(paths[0], {_FOLDER + name: "".join(lines).encode() for name, lines in texts.items()} | members)


SOURCE = Source(
    facts=DATASETS["cu_birds"],
    files=(ArchiveFile(_URL, 1150585339, "97eceeb196236b17998738112f37df78"),),
    read=read,
    write_standin=write_standin,
    style="bird",
    seed=4,
)
