"""What stand-ins share: small archives in the official layouts, of pictures drawn by a seeded generator (`drawing`).

They let the same readers run where no images may be fetched. Nothing learned from them says anything about the
paper's datasets, and every output says that they were used.
"""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from nasdmrl.files import atomic_path

CLASSES = 16
IMAGES_PER_CLASS = 40
JPEG_QUALITY = 85
Drawn = tuple[int, int, Any]
"""Label, number within the class, and picture, a Pillow image."""
Writer = Callable[[list[Path], Iterable[Drawn]], None]
"""Writes drawn pictures into archives of the official layout at these paths."""


def pictures(style: str, seed: int, per_class: int) -> Iterator[Drawn]:
    """Draw so many pictures of each class, class after class; the same arguments draw the same pictures."""
    from nasdmrl.data.drawing import draw  # Pillow and NumPy, which the list of datasets does without

    for label in range(CLASSES):
        for number in range(per_class):
            yield label, number, draw(style, seed, label, number)


def named(pattern: str) -> Writer:
    """A writer of one archive whose members' names follow from `label` and `number`: `{label:02d}/{number}.jpg`."""

    def write(paths: list[Path], drawn: Iterable[Drawn]) -> None:
        write_archive(paths[0], {pattern.format(label=label, number=number): image for label, number, image in drawn})

    return write


def write_archive(path: Path, members: dict[str, Any]) -> None:
    """Write members, bytes or Pillow images, to a zip or a compressed tar file whose bytes do not tell the time."""
    contents = {name: value if isinstance(value, bytes) else _encoded(name, value) for name, value in members.items()}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        (_write_zip if path.suffix == ".zip" else _write_tar)(file, contents)


def _encoded(name: str, image: Any) -> bytes:
    buffer, kind = io.BytesIO(), {".jpg": "JPEG"}.get(Path(name).suffix) or Path(name).suffix[1:].upper()
    image.save(buffer, kind, **({"quality": JPEG_QUALITY} if kind == "JPEG" else {}))
    return buffer.getvalue()


def _write_zip(file: io.BufferedWriter, contents: dict[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def _write_tar(file: io.BufferedWriter, contents: dict[str, bytes]) -> None:
    # gzip's own header would hold the time.
    with (
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
