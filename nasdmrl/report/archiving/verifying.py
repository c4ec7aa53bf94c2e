"""Is an archive whole and unaltered, and do its figures and tables follow from its logs?"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from nasdmrl.errors import NasdmrlError
from nasdmrl.report.archiving.contents import RESULTS, kept_config, missing
from nasdmrl.report.archiving.crate import METADATA, Part, is_incomplete, problems
from nasdmrl.report.archiving.rebuilding import FAILURES, Outcome, rebuild
from nasdmrl.report.archiving.unpacking import check_sums, unpack


def verify(archive: Path | str, again: bool = True) -> Iterator[Outcome]:
    """Check an archive's sums, metadata and completeness, then make its figures and tables from its logs alone.

    Yields an outcome without name for each thing wrong with the archive itself, then, if `again`, one for every figure
    and table. An archive that says that it is incomplete may lack files, and what then cannot be made is no problem
    (`made` is false). Raises `DataError` for what cannot be unpacked.
    """
    with TemporaryDirectory() as folder:
        unpack(archive, Path(folder))
        parts, wrong = check_sums(Path(folder))
        wrong += _described(Path(folder), parts)
        complete = not _says_incomplete(Path(folder))
        wrong += _lacking(Path(folder, RESULTS)) if complete else []
        yield from (Outcome("", problem) for problem in wrong)
        for outcome in _rebuilt(Path(folder, RESULTS)) if again else ():
            yield outcome._replace(made=outcome.made or complete)


def _described(folder: Path, parts: dict[str, Part]) -> list[str]:
    """What is wrong with the metadata."""
    if METADATA not in parts:
        return [f"{METADATA}: missing from the archive"]
    described = {name: part for name, part in parts.items() if name != METADATA}
    return problems((folder / METADATA).read_text(encoding="utf-8", errors="replace"), described)


def _says_incomplete(folder: Path) -> bool:
    try:
        return is_incomplete((folder / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _lacking(results: Path) -> list[str]:
    """Files that an archive of a whole run must have, and lacks."""
    try:
        lacks = missing(results, kept_config(results))
    except NasdmrlError as error:
        return [_inside(error)]
    return [f"{name}: of a whole run, and not in the archive" for name in lacks]


def _rebuilt(results: Path) -> Iterator[Outcome]:
    try:
        yield from rebuild(results)
    except FAILURES as error:
        yield Outcome("", f"nothing can be made again: {_inside(error)}")


def _inside(error: Exception) -> str:
    """A message about an unpacked file, without the temporary folder's name."""
    return str(error).rsplit(f"/{RESULTS}/", 1)[-1]
