"""VGG Flower (Nilsback and Zisserman, 2008): photographs of 102 flowers, numbered, their labels in a file beside."""

import io
import re
from collections.abc import Iterable
from pathlib import Path

from nasdmrl.data.archives import ArchiveFile, Part, Source
from nasdmrl.data.containers import member_names
from nasdmrl.data.standins import Drawn, write_archive
from nasdmrl.errors import DataError
from nasdmrl.files import atomic_path
from nasdmrl.paper.datasets import DATASETS

_FOLDER = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"


def read(paths: list[Path]) -> tuple[list[str], list[Part]]:
    """The label of `jpg/image_00001.jpg` is the first of the label file."""
    archive, label_file = paths
    images = [name for name in member_names(archive) if re.fullmatch(r"jpg/image_\d+\.jpg", name)]
    labels = _labels(label_file)
    class_of = {}
    for name in images:
        number = int(Path(name).stem.removeprefix("image_"))
        if not 1 <= number <= len(labels):
            raise DataError(f"{label_file}: {len(labels)} labels, but {archive.name} holds `{name}`; fetch both again")
        class_of[name] = f"flower {labels[number - 1]:03d}"
    return sorted(set(class_of.values())), [Part(archive, class_of)]


def _labels(path: Path) -> list[int]:
    import scipy.io  # slow to import
    from scipy.io.matlab import MatReadError

    if not path.is_file():
        raise DataError(f"{path}: no such file; put the official one, which holds the labels, beside the archive")
    try:
        return [int(label) for label in scipy.io.loadmat(path)["labels"].ravel()]
    except (MatReadError, ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(
            f"{path}: is not the official label file, a MATLAB file with `labels` ({error}); fetch it again"
        ) from error


def write_standin(paths: list[Path], pictures: Iterable[Drawn]) -> None:
    """As in the official archive, the labels of the numbered images are not in order."""
    import numpy as np
    import scipy.io

    drawn = list(pictures)
    order = np.random.RandomState(0).permutation(len(drawn))
    write_archive(paths[0], {f"jpg/image_{i + 1:05d}.jpg": drawn[place][2] for i, place in enumerate(order)})
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"labels": np.array([[drawn[place][0] + 1 for place in order]], dtype=np.uint8)})
    with atomic_path(paths[1]) as temporary:
        # A MATLAB file begins with 116 bytes of text, in which SciPy puts the time.
        temporary.write_bytes(b"MATLAB 5.0 MAT-file, stand-in".ljust(116) + buffer.getvalue()[116:])


SOURCE = Source(
    facts=DATASETS["vgg_flower"],
    files=(
        ArchiveFile(f"{_FOLDER}/102flowers.tgz", 344862509, "52808999861908f626f3c1f4e79d11fa"),
        ArchiveFile(f"{_FOLDER}/imagelabels.mat", 502, "e0620be6f572b9609742df49c70aed4d"),
    ),
    read=read,
    write_standin=write_standin,
    style="flower",
    seed=1,
)
