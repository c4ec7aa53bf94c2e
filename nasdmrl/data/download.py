"""Fetches the official archives: named with size before they start, resumed where they stopped, verified."""

import hashlib
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import BinaryIO

import requests

from nasdmrl.data.archives import ArchiveFile
from nasdmrl.data.catalogue import SOURCES
from nasdmrl.errors import DataError
from nasdmrl.progress import Progress

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60
PARTIAL_SUFFIX = ".part"


def download(dataset: str, folder: Path | str, names: Collection[str]) -> list[Path]:
    """Fetch these of a dataset's official archives into `folder`; whole files there are kept.

    Raises `DataError` where a server fails, the size differs or the MD5 does not match. What arrived before a
    broken connection is kept as `NAME.part`, and the next call goes on from there.
    """
    paths = []
    for file in (file for file in SOURCES[dataset].files if file.name in names):
        path = Path(folder) / file.name
        print(f"{dataset}: {file.name}, {_size(file)}, from {file.url}", file=sys.stderr)
        if not path.exists():
            fetch(file, path)
        paths.append(path)
    return paths


def _size(file: ArchiveFile) -> str:
    return f"{file.bytes / 1e6:,.1f} MB" if file.bytes else "size not published"


def fetch(file: ArchiveFile, path: Path) -> None:
    """Fetch one file to `path`, in one step at the end. Raises `DataError` as `download` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    try:
        _receive(file, partial)
    except (requests.RequestException, OSError) as error:
        kept = partial.stat().st_size if partial.exists() else 0
        raise DataError(
            f"{file.url}: {error}; {kept:,} bytes are kept in {partial}, run again to go on, or put the file at {path}"
        ) from error
    _verify(file, partial)
    partial.rename(path)


def _receive(file: ArchiveFile, partial: Path) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    if file.bytes is not None and have >= file.bytes:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(file.url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
        answer.raise_for_status()
        # A server that ignores the range sends all of it again.
        resumed = answer.status_code == requests.codes.partial_content
        size = int(answer.headers.get("Content-Length", 0)) + (have if resumed else 0)
        with partial.open("ab" if resumed else "wb") as output:
            _write(answer.iter_content(CHUNK), output, file.name, (size or file.bytes or 0) // CHUNK + 1)


def _write(chunks: Iterable[bytes], output: BinaryIO, name: str, total: int) -> None:
    with Progress(f"download {name} (MB)", total) as progress:
        for chunk in chunks:
            output.write(chunk)
            progress.advance()


def _verify(file: ArchiveFile, partial: Path) -> None:
    size = partial.stat().st_size
    if file.bytes is not None and size != file.bytes:
        problem = f"{size:,} bytes arrived, expected {file.bytes:,}"
        if size < file.bytes:
            raise DataError(f"{file.url}: {problem}; run again to go on")
    elif file.md5 is None or _md5(partial) == file.md5:
        return
    else:
        problem = f"the MD5 is not {file.md5}"
    partial.unlink()
    raise DataError(f"{file.url}: {problem}; the file was removed, run again to fetch it anew")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
