"""Checks of the images' source: a folder of archives, the official addresses, or nothing for stand-ins."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import requests

from nasdmrl.config.model import ARCHIVES_VARIABLE, Config
from nasdmrl.data.archives import ArchiveFile
from nasdmrl.data.catalogue import SOURCES, open_index
from nasdmrl.data.custom import class_of_images
from nasdmrl.errors import DataError
from nasdmrl.paper.datasets import DATASETS
from nasdmrl.preflight.disk import datasets_used
from nasdmrl.preflight.doctor.checks import Check, failed, guarded, ok, warning

ANSWER_SECONDS = 20.0


def check_archives(settings: Config, folder: Path, offline: bool) -> Iterator[Check]:
    """Yield the checks of the archives that the configuration uses; `folder` holds what the workflow downloads."""
    source, used = settings.data.source, datasets_used(settings)
    if source == "standin":
        yield ok("archives", "drawn stand-ins: nothing to look for")
    elif source == "archives":
        yield from (_in_folder(name, settings) for name in used)
    else:
        yield _at_addresses(used, folder / "archives" / "download", offline)
    if source == "archives" and settings.appendix_a.traffic_sign == "optional":
        unused = [name for name in DATASETS if name not in used]
        yield from (warning(name, "left out of Appendix A", _get(name, settings)) for name in unused)
    for name, own in settings.data.own.items():
        yield from guarded(name, _own, name, own)


def _own(dataset: str, folder: str) -> Check:
    images = class_of_images(dataset, folder)
    return ok(dataset, f"{folder}: {len(set(images.values())):,} classes, {len(images):,} images of yours")


def _get(dataset: str, settings: Config) -> str:
    """What to do for a dataset whose files are missing from the folder."""
    return f"put into {settings.data.archives}: {' '.join(file.url for file in SOURCES[dataset].files)}"


def _in_folder(dataset: str, settings: Config) -> Check:
    """The official files are there; of the published size, or, where subsets are allowed, readable to the end."""
    folder, files = Path(settings.data.archives), SOURCES[dataset].files
    missing = SOURCES[dataset].missing_from(folder)
    if missing:
        found = f"{folder} lacks {', '.join(missing)}"
        return failed(dataset, found, f"{_get(dataset, settings)}, or name another folder in ${ARCHIVES_VARIABLE}")
    sizes = {file.name: (folder / file.name).stat().st_size for file in files}
    other = [file for file in files if file.bytes and sizes[file.name] != file.bytes]
    if not other:
        return ok(dataset, f"{', '.join(sizes)}, {sum(sizes.values()) / 1e6:,.0f} MB")
    if settings.data.require_official_counts:
        return failed(dataset, _wrong_size(folder / other[0].name, other[0]), f"fetch it again from {other[0].url}")
    return _subset(dataset, folder)


def _wrong_size(path: Path, file: ArchiveFile) -> str:
    return f"{path} has {path.stat().st_size:,} bytes, the official file {file.bytes:,}"


def _subset(dataset: str, folder: Path) -> Check:
    """Files of another size than the official ones are read to the end, labels included."""
    try:
        counts = open_index(dataset, folder).images_per_class()
    except DataError as error:
        official = SOURCES[dataset].files[0].url
        return failed(dataset, str(error), f"fetch or make it again; the official ones: {official}")
    facts = SOURCES[dataset].facts
    official = f"officially {facts.classes:,} and {facts.images:,}"
    return ok(dataset, f"not the official files; {len(counts):,} classes, {sum(counts):,} images ({official})")


def _at_addresses(datasets: list[str], home: Path, offline: bool) -> Check:
    """The files are downloaded, or their addresses answer."""
    files = {(name, file) for name in datasets for file in SOURCES[name].files}
    missing = sorted(
        (file for name, file in files if not (home / name / file.name).is_file()), key=lambda file: file.url
    )
    if not missing:
        return ok("archives", f"downloaded, in {home}")
    found = f"{len(missing)} files to download, {sum(file.bytes or 0 for file in missing) / 1e6:,.0f} MB"
    cure = "fetch them where there is network (addresses: nasdmrl/data/DATASET.py), then: "
    cure += f"export {ARCHIVES_VARIABLE}=FOLDER"
    if offline:
        return warning("archives", f"{found}; addresses not tried (--offline)", cure)
    with ThreadPoolExecutor() as pool:
        problems = [problem for problem in pool.map(address_problem, missing) if problem]
    if problems:
        return failed("archives", f"{found}; {'; '.join(dict.fromkeys(problems))}", cure)
    return ok("archives", f"{found}; the addresses answer here (compute nodes need network too, where they download)")


def address_problem(file: ArchiveFile) -> str:
    """Why an archive cannot be fetched from its address, or offers another size; empty where it can."""
    host = urlsplit(file.url).netloc
    try:
        answer = requests.head(file.url, allow_redirects=True, timeout=ANSWER_SECONDS)
    except requests.Timeout:
        return f"{host} does not answer within {ANSWER_SECONDS:g} s"
    except requests.RequestException as error:
        return f"no connection to {host} ({type(error).__name__})"
    if not answer.ok:
        return f"{file.url}: the server answers {answer.status_code} {answer.reason}"
    length = int(answer.headers.get("Content-Length", 0))
    if length and file.bytes and length != file.bytes:
        return f"{file.url}: offers {length:,} bytes, the official file has {file.bytes:,}"
    return ""
