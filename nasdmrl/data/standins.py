"""What stand-ins share: small archives in the official layouts, of pictures drawn by a seeded generator (`drawing`).

They let the same readers run where no images may be fetched. Nothing learned from them says anything about the
paper's datasets, and every output says that they were used.
"""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nasdmrl.files import atomic_path

CLASSES = 16
IMAGES_PER_CLASS = 40
JPEG_QUALITY = 85
Drawn = tuple[int, int, Any]
"""Label, number within the class, and picture, a Pillow image."""
Member = tuple[str, bytes]


def pictures(style: str, seed: int, per_class: int) -> Iterator[Drawn]:
    """Draw so many pictures of each class, class after class; the same arguments draw the same pictures."""
    from nasdmrl.data.drawing import draw  # Pillow and NumPy, which a list of datasets does without

    for label in range(CLASSES):
        for number in range(per_class):
            yield label, number, draw(style, seed, label, number)


def encoded(image: Any, kind: str = "JPEG") -> bytes:
    """A Pillow image as a file of this kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": JPEG_QUALITY} if kind == "JPEG" else {}))
    return buffer.getvalue()


def write_zip(path: Path, members: Iterable[Member]) -> None:
    """Write a zip file whose bytes do not tell the time."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def write_tar(path: Path, members: Iterable[Member]) -> None:
    """Write a compressed tar file whose bytes do not tell the time, which gzip's own header would."""
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
