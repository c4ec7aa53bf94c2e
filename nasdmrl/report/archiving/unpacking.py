"""Unpacking an archive that somebody else has made: nothing leaves the folder, nothing grows without limit."""

import hashlib
import shutil
import stat
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from nasdmrl.data.containers import leaves_folder
from nasdmrl.errors import DataError
from nasdmrl.report.archiving.crate import SUMS, Part

LARGEST_BYTES, MOST_FILES = 8 * 2**30, 500_000
"""Limits of an archive's unpacked size and number of files: far above a run of ten seeds at the paper's scale."""
ENCRYPTED = 1


def unpack(path: Path | str, folder: Path) -> None:
    """Unpack an archive into an empty folder.

    Raises `DataError` for what is no zip file, is damaged, or has members that leave the folder, that are no plain
    files, or that are too many or too large. All members are looked at before the first is unpacked.
    """
    path = Path(path)
    with _explained(path), ZipFile(path) as source:
        members = [member for member in source.infolist() if not _is_folder(path, member)]
        _check(path, members)
        for member in members:
            target = folder / member.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open(member) as content, target.open("xb") as file:
                shutil.copyfileobj(content, file)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; name an archive that `nasdmrl archive` has made") from error
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{path}: is damaged, or no archive of ours ({error}); fetch it again") from error


def _is_folder(path: Path, member: ZipInfo) -> bool:
    """Whether a member is a folder; these are made as they are needed, but may not lie elsewhere either."""
    if leaves_folder(member.filename):
        raise DataError(f"{path}: member `{member.filename}` leaves the archive's folder; nothing was unpacked")
    return member.is_dir()


def _check(path: Path, members: list[ZipInfo]) -> None:
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            what = "a link" if kind == stat.S_IFLNK else "no plain file"
            raise DataError(f"{path}: member `{member.filename}` is {what}; nothing was unpacked")
        if member.flag_bits & ENCRYPTED:
            raise DataError(f"{path}: member `{member.filename}` is encrypted; nothing was unpacked")
    twice = [name for name, count in Counter(member.filename for member in members).items() if count > 1]
    if twice:
        raise DataError(f"{path}: member `{twice[0]}` is there twice; nothing was unpacked")
    # The sizes told are also the limits of what is unpacked of each member.
    size = sum(member.file_size for member in members)
    if size > LARGEST_BYTES or len(members) > MOST_FILES:
        raise DataError(
            f"{path}: {len(members)} files of {size / 2**30:.1f} GiB; at most {MOST_FILES} of "
            f"{LARGEST_BYTES / 2**30:.0f} GiB are unpacked"
        )


def check_sums(folder: Path) -> tuple[dict[str, Part], list[str]]:
    """All files of an unpacked archive but the sums themselves, and how they differ from the sums."""
    found = {path.relative_to(folder).as_posix(): _part(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    if found.pop(SUMS, None) is None:
        return found, [f"{SUMS}: missing from the archive"]
    told, problems = _read_sums(folder / SUMS)
    problems += [
        f"{name}: missing from the archive, and listed in {SUMS}" for name in sorted(told.keys() - found.keys())
    ]
    problems += [f"{name}: not listed in {SUMS}, an extra file" for name in sorted(found.keys() - told.keys())]
    both = sorted(told.keys() & found.keys())
    return found, problems + [f"{name}: altered, its sum differs" for name in both if told[name] != found[name].sha256]


def _read_sums(path: Path) -> tuple[dict[str, str], list[str]]:
    told, problems = {}, []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        digest, _, name = line.partition("  ")
        if len(digest) == 2 * hashlib.sha256().digest_size and name:
            told[name] = digest
        else:
            problems.append(f"{SUMS}: line {number} is not a sum, two spaces and a name")
    return told, problems


def _part(path: Path) -> Part:
    with path.open("rb") as file:
        return Part(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
