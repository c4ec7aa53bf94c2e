"""`nasdmrl doctor`: what a run needs, checked before anything is submitted; what fails says how to fix it.

Snakemake and SLURM find most faults of an installation hours later, in a job. A check looks for one of them now.
"""

import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from nasdmrl import __version__
from nasdmrl.config.model import ARCHIVES_VARIABLE, Config, load
from nasdmrl.config.sections import Recipe
from nasdmrl.data.archives import ArchiveFile
from nasdmrl.data.catalogue import SOURCES, open_index
from nasdmrl.errors import DataError, NasdmrlError
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.preflight import slurm
from nasdmrl.preflight.checks import Answer, Check, ask, guarded
from nasdmrl.preflight.disk import datasets_used, disk_needs, trainings_at_once
from nasdmrl.training.runtime import cores

WORKFLOW_PACKAGES = ("snakemake", "snakemake-executor-plugin-slurm", "papermill")
INSTALL = "make install"
GPU_INSTALL = "bash envs/gpu.sh; if TensorFlow still sees none, see by nvidia-smi whether the driver is too old"
PROBE = (
    "import json, tensorflow as tf; gpus = tf.config.list_physical_devices('GPU'); "
    "details = tf.config.experimental.get_device_details; "
    "print(json.dumps({'version': tf.__version__, 'cuda': tf.test.is_built_with_cuda(), "
    "'gpus': [details(gpu).get('device_name', 'GPU') for gpu in gpus]}))"
)
IMPORT_SECONDS = 180.0
"""The first import of TensorFlow from a shared file system may take a minute."""
ADDRESS_SECONDS = 20.0
SEEN_SECONDS = 90.0
"""A network file system may show another machine's new line a minute later."""
QUEUE_SECONDS = 300.0
"""Longest wait for a node."""


def examine(
    config: str | None = None,
    profile_folder: Path | None = None,
    folder: Path = Path("results"),
    offline: bool = False,
    srun: bool = False,
    default_config: str = "",
) -> Iterator[Check]:
    """Yield the checks one by one, as they are done; none raises.

    config: by default the profile's configuration file, else `default_config`; folder: the results; offline: addresses
    are not tried; srun: a job is run on each kind of node.
    """
    profile: dict[str, Any] = {}
    settings: Config | None = None
    try:
        profile = slurm.read_profile(profile_folder) if profile_folder else {}
        source = config or slurm.config_file(profile) or default_config
        settings = load(source)
        yield Check("configuration", "ok", source)
    except NasdmrlError as error:
        yield Check("configuration", "FAILED", str(error))
    gpus = any(map(slurm.wants_gpu, slurm.resources_of_rules(profile).values()))
    yield from guarded("software", check_software)
    yield from guarded("TensorFlow", check_tensorflow, gpus)
    yield from guarded("Snakemake's cache", check_snakemake_cache)
    yield from guarded("SLURM", slurm.check_slurm, profile_folder if profile else None, profile)
    if settings:
        rounding = "on" if settings.early_stop.precision == "tf32" else "off"
        found = f"{settings.early_stop.precision}, TensorFloat-32 {rounding} (early_stop.precision)"
        yield Check("precision", "ok", found)
        yield from guarded("archives", check_archives, settings, folder, offline)
        yield from guarded("free disk", check_space, settings, folder, profile.get("jobs"))
    yield from guarded("results folder", check_shared_folder, folder)
    if srun:
        yield from guarded("srun", check_nodes, profile, folder)


# --- software -------------------------------------------------------------------------------------------------


def check_software() -> Check:
    """Python and the packages that run the workflow are of the versions that this package's metadata name."""
    found = {"Python": platform.python_version(), **{name: _installed(name) for name in WORKFLOW_PACKAGES}}
    wrong = [
        f"{name} {number or 'is missing'} (needed: {wanted_version(name)})"
        for name, number in found.items()
        if not number or not SpecifierSet(wanted_version(name)).contains(number, prereleases=True)
    ]
    if wrong:
        fix = f"{INSTALL}; with another Python: make PYTHON=python3.11 install"
        return Check("software", "FAILED", f"{'; '.join(wrong)}, {sys.executable}", fix)
    if not shutil.which("snakemake"):
        return Check("software", "FAILED", "`snakemake` is not on the PATH", "source .venv/bin/activate")
    return Check("software", "ok", ", ".join(f"{name} {number}" for name, number in found.items()))


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def wanted_version(name: str) -> str:
    """Versions of Python or a package that this one's metadata name, such as `>=9.3,<10`."""
    if name == "Python":
        return metadata("nasdmrl")["Requires-Python"]
    wanted = map(Requirement, metadata("nasdmrl").get_all("Requires-Dist", []))
    return next(str(one.specifier) for one in wanted if one.name in (name, f"{name}-cpu"))


def check_tensorflow(gpus_wanted: bool, python: str = sys.executable, seconds: float = IMPORT_SECONDS) -> Check:
    """TensorFlow imports, in a process of its own, has the right version, and sees the GPUs that there are.

    `gpus_wanted`: the profile asks for GPUs, so a TensorFlow that cannot use any is a failure.
    """
    answer, tensorflow = probe_tensorflow(python, seconds)
    if tensorflow is None:
        fix = f"see the whole message with: python -c 'import tensorflow'; to install it again: rm -rf .venv, {INSTALL}"
        if "SIGILL" in answer.problem:
            fix = "this CPU lacks instructions (AVX) that TensorFlow is built with; run on another machine"
        return Check("TensorFlow", "FAILED", answer.problem or "it printed nothing", fix)
    number, gpus, wanted = tensorflow["version"], tensorflow["gpus"], wanted_version("tensorflow")
    if not SpecifierSet(wanted).contains(number, prereleases=True):
        return Check("TensorFlow", "FAILED", f"{number} where the package wants {wanted}", INSTALL)
    if gpus:
        return Check("TensorFlow", "ok", f"{number}, sees {len(gpus)} GPU: {', '.join(gpus)}")
    if gpus_wanted and not tensorflow["cuda"]:
        return Check("TensorFlow", "FAILED", f"{number}, built for the CPU, but the profile asks for GPUs", GPU_INSTALL)
    if card := re.search(r"^GPU.*?(?= \(UUID|$)", ask(["nvidia-smi", "-L"], 20).output, re.MULTILINE):
        return Check("TensorFlow", "warning", f"{number} sees no GPU, but nvidia-smi does: {card[0]}", GPU_INSTALL)
    return Check("TensorFlow", "ok", f"{number}, no GPU on this machine, {cores()} CPU cores")


def probe_tensorflow(python: str, seconds: float) -> tuple[Answer, dict[str, Any] | None]:
    """What a Python's TensorFlow says of itself: `version`, `cuda` (built for it) and names of `gpus`; or None."""
    answer = ask([python, "-c", PROBE], seconds, {"TF_CPP_MIN_LOG_LEVEL": "3"})
    return answer, None if answer.problem or not answer.output else _last_line(answer)


def _last_line(answer: Answer) -> dict[str, Any]:
    """JSON that a program printed at its end."""
    return json.loads(answer.output.splitlines()[-1])


def check_snakemake_cache() -> Check:
    """Snakemake can write its cache of sources, without which it ends in a traceback."""
    from platformdirs import user_cache_dir  # which comes with Snakemake

    folder = Path(user_cache_dir("snakemake", "snakemake"))
    try:
        with temporary_folder(folder):
            return Check("Snakemake's cache", "ok", f"{folder} can be written")
    except OSError as error:
        found = f"{folder}: cannot be written ({error.strerror}), and Snakemake would end in a traceback"
        return Check("Snakemake's cache", "FAILED", found, "export XDG_CACHE_HOME=/path/to/a/folder/of/yours")


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder in `folder`; when the block ends, it goes, and so do the folders made for it."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder, ignore_cleanup_errors=True) as path:
            yield Path(path)
    finally:
        with suppress(OSError):  # somebody else may use it by now
            for parent in made:
                parent.rmdir()


# --- archives and disk ----------------------------------------------------------------------------------------


def check_archives(settings: Config, folder: Path, offline: bool) -> Iterator[Check]:
    """Yield the checks of the archives that the configuration uses; `folder` holds what the workflow downloads."""
    source, used = settings.data.source, datasets_used(settings)
    if source == "standin":
        yield Check("archives", "ok", "drawn stand-ins: nothing to look for")
    elif source == "archives":
        for name in used:
            yield from guarded(name, _check_in_folder, name, settings)
        if settings.appendix_a.traffic_sign == "optional" and "traffic_sign" not in used:
            yield Check("traffic_sign", "warning", "left out of Appendix A", _put("traffic_sign", settings))
    else:
        yield _check_addresses(used, folder / "archives/download", offline)
    for name, path in settings.data.own.items():
        yield from guarded(name, _check_readable, name, Path(path), "a custom dataset")


def _put(dataset: str, settings: Config) -> str:
    """What to do for a dataset whose files are missing from the folder."""
    urls = " ".join(file.url for file in SOURCES[dataset].files)
    return f"put into {settings.data.archives}: {urls}, or name another folder in ${ARCHIVES_VARIABLE}"


def _check_in_folder(dataset: str, settings: Config) -> Check:
    """The official files are there; of the published size, or, where subsets are allowed, readable to the end."""
    folder, source = Path(settings.data.archives), SOURCES[dataset]
    if missing := source.missing_from(folder):
        return Check(dataset, "FAILED", f"{folder} lacks {', '.join(missing)}", _put(dataset, settings))
    sizes = {file: (folder / file.name).stat().st_size for file in source.files}
    other = next((file for file, size in sizes.items() if file.bytes and size != file.bytes), None)
    if other is None:
        return Check(dataset, "ok", f"{', '.join(file.name for file in sizes)}, {sum(sizes.values()) / 1e6:,.0f} MB")
    if settings.data.require_official_counts:
        found = f"{folder / other.name} has {sizes[other]:,} bytes, the official file {other.bytes:,}"
        return Check(dataset, "FAILED", found, f"fetch it again from {other.url}")
    official = f"{source.facts.classes:,} and {source.facts.images:,}"
    return _check_readable(dataset, folder, f"not the official files, which hold {official}")


def _check_readable(dataset: str, folder: Path, what: str) -> Check:
    """Files are read to the end, labels included."""
    try:
        images = open_index(dataset, folder).images_per_class()
    except DataError as error:
        return Check(dataset, "FAILED", str(error), "replace the files that the message names")
    return Check(dataset, "ok", f"{folder}: {len(images):,} classes, {sum(images):,} images ({what})")


def _check_addresses(datasets: list[str], downloads: Path, offline: bool) -> Check:
    """The files are downloaded, or their addresses answer."""
    files = [(downloads / name / file.name, file) for name in datasets for file in SOURCES[name].files]
    missing = [file for path, file in files if not path.is_file()]
    if not missing:
        return Check("archives", "ok", f"downloaded, in {downloads}")
    found = f"{len(missing)} files to download, {sum(file.bytes or 0 for file in missing) / 1e6:,.0f} MB"
    fix = "fetch them where there is network (addresses: nasdmrl/data/DATASET.py), then: "
    fix += f"export {ARCHIVES_VARIABLE}=FOLDER"
    if offline:
        return Check("archives", "warning", f"{found}; addresses not tried (--offline)", fix)
    with ThreadPoolExecutor() as pool:
        problems = dict.fromkeys(filter(None, pool.map(address_problem, missing)))
    if problems:
        return Check("archives", "FAILED", f"{found}; {'; '.join(problems)}", fix)
    return Check("archives", "ok", f"{found}; the addresses answer here (compute nodes need network too, to download)")


def address_problem(file: ArchiveFile) -> str:
    """Why an archive cannot be fetched from its address, or offers another size; empty where it can."""
    try:
        answer = requests.head(file.url, allow_redirects=True, timeout=ADDRESS_SECONDS)
    except requests.RequestException as error:
        return f"no connection to {urlsplit(file.url).netloc} ({type(error).__name__})"
    if not answer.ok:
        return f"{file.url}: the server answers {answer.status_code} {answer.reason}"
    length = int(answer.headers.get("Content-Length", 0))
    if length and file.bytes and length != file.bytes:
        return f"{file.url}: offers {length:,} bytes, the official file has {file.bytes:,}"
    return ""


def check_space(settings: Config, folder: Path, jobs: Any = None) -> Check:
    """The file system of `folder` has room for what a run of this scale still writes.

    jobs: as many jobs run at once; None: as many as this machine has cores for.
    """
    needs = disk_needs(settings, trainings_at_once(settings) if jobs is None else slurm.limit_of(jobs))
    archives, data = _bytes_in(folder / "archives"), _bytes_in(folder / "data")
    there = min(needs["archives"], archives) + min(needs["records"] + needs["images"], data)
    missing = sum(needs.values()) - there
    free = shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.exists())).free
    kinds = ", ".join(f"{kind} {_size(number)}" for kind, number in needs.items() if number >= 0.01 * missing)
    found = f"{_size(free)} free (quotas are not seen), about {_size(missing)} still needed ({kinds})"
    if free >= missing:
        return Check("free disk", "ok", found)
    checkpoint = disk_needs(settings, 1)["checkpoints"]
    if jobs is not None and free >= missing - needs["checkpoints"] + checkpoint:
        fix = f"lower `jobs` in the profile: a long training takes up to {_size(checkpoint)}"
        return Check("free disk", "warning", found, fix)
    fix = f"free {_size(missing - free)}, put the checkout on a larger disk, or take a smaller scale (--config)"
    return Check("free disk", "FAILED", found, fix)


def _size(number: int) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"


def _bytes_in(folder: Path) -> int:
    return sum((Path(parent) / name).lstat().st_size for parent, _, names in os.walk(folder) for name in names)


# --- the folder that all jobs share ---------------------------------------------------------------------------


def exchange(store: Path | str, mine: str, other: str, seconds: float) -> None:
    """Put a record with the key `mine` into a store and wait for one with the key `other`, as searches do all day.

    Raises `NasdmrlError` where it does not come.
    """
    records, start = EvaluationStore(store), time.monotonic()
    records.put({"key": mine}, Recipe())
    while records.get(other) is None:
        if time.monotonic() - start > seconds:
            raise NasdmrlError(f"nothing seen within {seconds:g} s")
        time.sleep(0.05)


def _exchanging(store: Path, mine: str, other: str, seconds: float) -> list[str]:
    """The command of a process that does it, and prints, as JSON, what it found where it ran."""
    return [sys.executable, "-m", __name__, str(store.absolute()), mine, other, str(seconds)]


def check_shared_folder(folder: Path) -> Check:
    """Two processes see the lines that the other appends to a store in the folder."""
    try:
        with temporary_folder(folder) as temporary, ThreadPoolExecutor(2) as pool:
            pairs = (("first", "second"), ("second", "first"))
            commands = [_exchanging(temporary / "store", *pair, 20) for pair in pairs]
            problems = [answer.problem for answer in pool.map(ask, commands, [60, 60]) if answer.problem]
    except OSError as error:
        fix = f"name a folder of yours with --folder, or see its owner and rights with: ls -ld {folder}"
        return Check("results folder", "FAILED", f"{folder}: no folder can be made in it ({error.strerror})", fix)
    if problems:
        found = f"{folder}: of two processes, one did not see what the other appended ({problems[0]})"
        fix = "use a folder on another file system: move the checkout there, or name it with --folder"
        return Check("results folder", "FAILED", found, fix)
    return Check("results folder", "ok", f"{folder}: two processes see what the other appends")


def check_nodes(profile: Mapping[str, Any], folder: Path) -> Iterator[Check]:
    """Yield, for each kind of node that the profile asks for, whether a job there works with the results folder."""
    if not shutil.which("srun"):
        raise NasdmrlError("srun is not on the PATH; leave out --srun, or run this on the cluster's login node")
    kinds = {tuple(slurm.place_options(asked)): asked for asked in slurm.resources_of_rules(profile).values()}
    for options, asked in kinds.items():
        with temporary_folder(folder) as temporary:
            yield _check_node(temporary / "store", options, asked)


def _check_node(store: Path, options: tuple[str, ...], asked: slurm.Resources) -> Check:
    of_kind, records = " ".join(options) or "no options", EvaluationStore(store)
    records.put({"key": "login node"}, Recipe())
    command = ["srun", *options, "--job-name=nasdmrl-doctor", "--ntasks=1", "--mem=4000", "--time=10"]
    command += [f"--immediate={QUEUE_SECONDS:.0f}", *_exchanging(store, "compute node", "login node", SEEN_SECONDS)]
    answer = ask(command + ["tensorflow"] * slurm.wants_gpu(asked), QUEUE_SECONDS + SEEN_SECONDS + IMPORT_SECONDS)
    if answer.problem:
        fix = f"see `sinfo` and try by hand: srun {of_kind} --time=1 {sys.executable} --version"
        if re.search("nothing seen|No such file|No module", answer.problem):
            fix = f"put the checkout with {sys.prefix} and the results on a file system that the nodes share"
        return Check("srun", "FAILED", f"{of_kind}: {answer.problem}", fix)
    node = _last_line(answer)
    found = f"{of_kind}: on {node['host']}: nasdmrl {__version__} runs, each machine sees what the other appends"
    if records.get("compute node") is None:
        fix = "raise latency-wait in the profile"
        return Check("srun", "warning", f"{of_kind}: what {node['host']} wrote is not yet seen here", fix)
    if not slurm.wants_gpu(asked):
        return Check("srun", "ok", found)
    if node["problem"] or not node["tensorflow"]["gpus"]:
        return Check("srun", "FAILED", f"{found}; TensorFlow sees no GPU {node['problem']}".rstrip(), GPU_INSTALL)
    return Check("srun", "ok", f"{found}; TensorFlow sees {', '.join(node['tensorflow']['gpus'])}")


def main(store: str, mine: str, other: str, seconds: str, *more: str) -> None:
    """The process of `exchange`; with `tensorflow`, it says also what TensorFlow sees there."""
    exchange(store, mine, other, float(seconds))
    found: dict[str, Any] = {"host": platform.node()}
    if more:
        answer, found["tensorflow"] = probe_tensorflow(sys.executable, IMPORT_SECONDS)
        found["problem"] = answer.problem
    print(json.dumps(found))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except NasdmrlError as error:
        sys.exit(str(error))
