"""Zip and tar files, and folders, read member by member: nothing is extracted, so nothing can leave a folder."""

import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from nasdmrl.errors import DataError

_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the many ways in which a damaged archive fails into one message."""
    try:
        yield
    except _DAMAGED as error:
        raise DataError(
            f"{path}: the archive is damaged or cut short ({error}); fetch it again and compare its size"
        ) from error


def leaves_folder(name: str) -> bool:
    """Whether a member's name would leave the folder that it is unpacked into."""
    return name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts


def check_member(path: Path, name: str) -> None:
    """Raise `DataError` for a member whose name would leave the folder that it is unpacked into."""
    if leaves_folder(name):
        raise DataError(
            f"{path}: member `{name}` leaves the archive's folder; do not use it, fetch the official archive"
        )


def member_names(path: Path) -> list[str]:
    """Names of the plain files in an archive, in its order.

    Raises `DataError` for a missing or damaged archive and for names that leave its folder.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; put the official archive there or set data.source to `download`")
    with _explained(path):
        names = _zip_names(path) if path.suffix == ".zip" else _tar_names(path)
    for name in names:
        check_member(path, name)
    return names


def _zip_names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return [info.filename for info in archive.infolist() if not info.is_dir()]


def _tar_names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return [member.name for member in archive if member.isfile()]


def read_members(path: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of these members; a zip in the order of `names`, a tar in its own.

    `path` may be a folder, too. Raises `DataError` where the archive turns out damaged, or a file cannot be read.
    """
    if path.is_dir():
        yield from _read_folder(path, names)
        return
    reader = _read_zip if path.suffix == ".zip" else _read_tar
    members = reader(path, names)
    while True:
        with _explained(path):
            member = next(members, None)
        if member is None:
            return
        yield member


def _read_folder(path: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        try:
            yield name, (path / name).read_bytes()
        except OSError as error:
            raise DataError(f"{path / name}: cannot be read ({error.strerror}); replace it or take it away") from error


def _read_zip(path: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for name in names:
            yield name, archive.read(name)


def _read_tar(path: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    wanted = set(names)
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name in wanted:
                yield member.name, archive.extractfile(member).read()  # type: ignore[union-attr]
