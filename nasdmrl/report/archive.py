"""A finished run as one zip file for a repository such as Zenodo, and the checks of one that somebody else has packed.

SHA-256 sums decide whether its files are whole and unaltered; its metadata are a Workflow Run RO-Crate.
"""

import datetime
import glob
import hashlib
import json
import re
import stat
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from mimetypes import MimeTypes
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import quote
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from PIL import Image
from pydantic import ValidationError

import nasdmrl
from nasdmrl import results as paths
from nasdmrl.agents.registry import AGENTS, searches
from nasdmrl.analysis.claims import caveat
from nasdmrl.analysis.figures.registry import TABLES, panels_with_own
from nasdmrl.analysis.provenance import provenance
from nasdmrl.config.model import Config
from nasdmrl.data.containers import leaves_folder
from nasdmrl.data.images import CARD
from nasdmrl.data.records import SPEC_NAME
from nasdmrl.errors import ConfigError, DataError, NasdmrlError
from nasdmrl.files import atomic_path, read_yaml
from nasdmrl.paper.datasets import with_role
from nasdmrl.paper.experiments import EXPERIMENTS, LONG_NETWORKS, Search, best_networks
from nasdmrl.report.rebuild import Outcome, message_of, rebuild, stamp_in

METADATA, SUMS = "ro-crate-metadata.json", "SHA256SUMS"
CHECKOUT = Path(nasdmrl.__file__).resolve().parent.parent
MAIN_WORKFLOW = "workflow/Snakefile"
OF_THE_CHECKOUT = ("CITATION.cff", "LICENSE", "requirements.lock", "workflow/**")
LEFT_OUT = ("archives", "checkpoints")
"""Folders of the results that are made again from elsewhere, or are of use to an unfinished run only."""
CARDS = (f"images/{CARD}", f"records/{SPEC_NAME}")
"""Of `data/DATASET/`, only these: number and names of the classes, number of images, fingerprint."""
LARGEST_BYTES, MOST_FILES = 8 * 2**30, 500_000
"""Limits of an archive's unpacked size and number of files: far above a run of ten seeds at the paper's scale."""
SAME_RUN = ("scale", "data", "fidelity", "seeds")
"""What all stamps of one run have in common; `config` differs, since a job knows only the settings that reach it."""
COMPLETE, INCOMPLETE = "Complete", "Incomplete"
"""Status of a crate: whether it has every file of a whole run."""
PROFILES = {
    "Process Run Crate": "https://w3id.org/ro/wfrun/process/0.5",
    "Workflow Run Crate": "https://w3id.org/ro/wfrun/workflow/0.5",
    "Workflow RO-Crate": "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
}


# --- what a run has left ------------------------------------------------------------------------------------


def kept_config(results: Path) -> Config:
    """The configuration that a run has left. Raises `ConfigError` where there is none, or one of another version."""
    path = paths.within(results, paths.KEPT_CONFIG)
    try:
        return Config.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); `snakemake all` makes it") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{path}: is no configuration of this version ({where}: {first['msg']}); check out the commit that made it"
        ) from error


def stamps(results: Path) -> dict[str, dict[str, str]]:
    """Stamps of the verdicts, tables and figures, by file; files that cannot be read are left out."""
    patterns, found = ("claims.csv", "tables/*.csv", "*/summary.csv", "exp2/table.csv", "figures/*.png"), {}
    for path in [path for pattern in patterns for path in sorted(results.glob(pattern))]:
        with suppress(OSError, SyntaxError, ValueError, TypeError, Image.DecompressionBombError):  # of a damaged PNG
            found[path.relative_to(results).as_posix()] = stamp_in(path)
    return found


def run_stamp(results: Path) -> dict[str, str]:
    """The stamp of the run: that of the verdicts, which know the whole configuration, else of what there is.

    Raises `DataError` where nothing has one.
    """
    for stamp in stamps(results).values():
        if {"commit", "versions", "date", *SAME_RUN} <= stamp.keys():
            return stamp
    raise DataError(f"{results}: holds no table and no figure of a run; name the folder of results that a run has made")


def run_searches(results: Path, config: Config) -> list[Search]:
    """The searches of the run. One that a run may do without counts if its log is there, whatever images are here."""
    if config.appendix_a.traffic_sign != "optional":
        return searches(config)
    required = config.appendix_a.model_copy(update={"traffic_sign": "required"})
    every = searches(config.model_copy(update={"appendix_a": required}))
    logs = {search: paths.within(results, paths.steps(*search.place, config.seeds[0])) for search in every}
    return [search for search, log in logs.items() if log.is_file() or not search.optional]


def missing(results: Path) -> list[str]:
    """Files of a whole run with its configuration that these results lack, or that another run has made."""
    try:
        config = kept_config(results)
    except ConfigError as error:
        return [f"a usable configuration ({error})"]
    lacking = [path for path in _expected(results, config) if not paths.within(results, path).is_file()]
    lacking += [] if any(paths.within(results, paths.STORE).glob("*.jsonl")) else [f"{paths.STORE}/*.jsonl"]
    here = provenance(config)
    for name, stamp in stamps(results).items():
        differing = [f"{key} {stamp.get(key, 'unknown')}" for key in SAME_RUN if stamp.get(key) != here[key]]
        lacking += [f"{name} (made by another run: {', '.join(differing)})"] if differing else []
    return [name.removeprefix(f"{paths.ROOT}/") for name in lacking]


def _expected(results: Path, config: Config) -> Iterator[str]:
    yield from (paths.KEPT_CONFIG, paths.CLAIMS, paths.REPORT, paths.EXP2_TABLE, f"{paths.EXACT_LENGTHS}.csv")
    for kind in paths.FIGURE_FORMATS:
        yield f"{paths.EXACT_LENGTHS}.{kind}"
        yield from (paths.figure(item.name, kind) for item in panels_with_own(config))
    yield from (paths.table(item.name, kind) for item in TABLES for kind in paths.TABLE_FORMATS)
    yield from map(paths.summary, EXPERIMENTS)
    of_run = run_searches(results, config)
    for search in of_run:
        yield from (paths.steps(*search.place, seed) for seed in config.seeds)
        if AGENTS[search.method].learns and not search.fixed:
            yield from (paths.progress(*search.place, seed) for seed in config.seeds)
    for dataset in dict.fromkeys(search.dataset for search in of_run):
        yield from (f"{paths.images(dataset)}/{CARD}", f"{paths.records(dataset)}/{SPEC_NAME}")
    yield from (paths.best(*network) for network in best_networks(of_run))
    for dataset in with_role("evaluation"):
        for repeat in range(config.exp2.repeats):
            yield from (paths.long_training(dataset, name, repeat) for name in LONG_NETWORKS)


# --- packing ------------------------------------------------------------------------------------------------


class Packed(NamedTuple):
    """A written archive: its path, number of files, what it lacks, and a note on the code's commits."""

    path: Path
    files: int
    lacks: list[str]
    commits: str


def pack(results: Path | str, output: Path | str | None = None, partial: bool = False) -> Packed:
    """Pack the results of a run with their metadata and sums. The same contents give the same bytes.

    output: by default `nasdmrl-SCALE-DATE.zip` here. Raises `NasdmrlError` where files of a whole run are missing,
    unless `partial`; nothing is then written.
    """
    results = Path(results)
    stamp, lacks = run_stamp(results), missing(results)
    if lacks and not partial:
        raise NasdmrlError(f"{results}: is not a whole run, it lacks {listed(lacks)}; finish it with `snakemake all`, "
                           "with the scale's --configfile, or pack what is there with --partial")  # fmt: skip
    files, commits = packed_files(results), commit_note(results, stamp)
    path = Path(output or f"nasdmrl-{re.sub(r'[^a-zA-Z0-9_.-]+', '-', stamp['scale'])}-{stamp['date']}.zip")
    sizes, sums, day = {}, {}, datetime.date.fromisoformat(stamp["date"])
    with atomic_path(path) as temporary, ZipFile(temporary, "w") as target:
        for name, file in files.items():
            content = file.read_bytes()  # once, so that size and sum are of the bytes packed, whoever still writes
            sizes[name], sums[name] = len(content), _add(target, name, content, day)
        metadata = json.dumps(described(sizes, stamp, commits, INCOMPLETE if lacks else COMPLETE), indent=2)
        sums[METADATA] = _add(target, METADATA, metadata.encode(), day)
        _add(target, SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())).encode(), day)
    return Packed(path, len(sums) + 1, lacks, commits)


def listed(names: list[str], most: int = 12) -> str:
    """Names in a row, the first few of many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def packed_files(results: Path) -> dict[str, Path]:
    """Files that an archive of these results holds, by their names in it: no images, hidden files or zip files.

    Links are followed, since a store is often one to a larger disk.
    """
    if not (workflow := CHECKOUT / MAIN_WORKFLOW).is_file():
        raise NasdmrlError(f"{workflow}: not found; an archive needs the package's checkout (pip install --editable)")
    names = filter(_is_packed, glob.glob("**", root_dir=results, recursive=True))
    files = {f"{paths.ROOT}/{name}": results / name for name in names}
    for pattern in OF_THE_CHECKOUT:
        files |= {name: CHECKOUT / name for name in glob.glob(pattern, root_dir=CHECKOUT, recursive=True)}
    return {name: path for name, path in sorted(files.items()) if path.is_file()}


def _is_packed(name: str) -> bool:
    folder, *below = PurePath(name).parts
    of_images = folder == "data" and "/".join(below[1:]) not in CARDS
    return not (folder in LEFT_OUT or of_images or name.endswith(".zip"))


def commit_note(results: Path, stamp: dict[str, str]) -> str:
    """At which commits of the code tables and figures were made, and whether any of these had changes."""
    others = {other["commit"] for other in stamps(results).values() if "commit" in other} - {stamp["commit"]}
    note = f"Code at commit {', '.join([stamp['commit'], *sorted(others)])}."
    if "+" in note:
        note += " + marks a working tree with changes that no commit holds: that code cannot be found again."
    return note


def _add(target: ZipFile, name: str, content: bytes, day: datetime.date) -> str:
    """Write a member, a plain file of that day, and return its SHA-256 sum."""
    member = ZipInfo(name, (max(day.year, 1980), day.month, day.day, 0, 0, 0))
    member.create_system, member.external_attr = 3, (stat.S_IFREG | 0o644) << 16  # 3: Unix
    target.writestr(member, content, ZIP_DEFLATED)
    return hashlib.sha256(content).hexdigest()


def described(sizes: dict[str, int], stamp: dict[str, str], commits: str, status: str) -> dict[str, Any]:
    """The content of `ro-crate-metadata.json` of an archive whose files have these sizes (bytes)."""
    from rocrate.model import ContextEntity
    from rocrate.rocrate import ROCrate

    citation = read_yaml(CHECKOUT / "CITATION.cff", "the checkout is incomplete")
    crate = ROCrate(version="1.1")

    def add(identifier: str, kind: str, **properties: Any) -> ContextEntity:
        return crate.add(ContextEntity(crate, identifier, {"@type": kind, **properties}))

    def people(authors: list[dict[str, str]]) -> list[ContextEntity]:
        names = [author.get("name") or f"{author['given-names']} {author['family-names']}" for author in authors]
        kinds = ["Organization" if "name" in author else "Person" for author in authors]
        return [add(f"#{quote(name)}", kind, name=name) for name, kind in zip(names, kinds, strict=True)]

    def file(name: str) -> dict[str, str]:
        kind = MimeTypes().guess_type(name)[0] or "text/plain"
        return {"name": name, "contentSize": str(sizes[name]), "encodingFormat": kind}

    for name in sizes:
        if name != MAIN_WORKFLOW:
            crate.add_file(dest_path=name, properties=file(name))
    workflow = crate.add_workflow(
        dest_path=MAIN_WORKFLOW, properties=file(MAIN_WORKFLOW) | {"version": stamp["commit"]},
        main=True, lang="snakemake", lang_version=version("snakemake"),
    )  # fmt: skip
    workflow["softwareRequirements"] = [
        add(f"#{quote(name)}", "SoftwareApplication", name=name, softwareVersion=number)
        for name, _, number in (item.rpartition(" ") for item in stamp["versions"].split(", "))
    ]
    paper = citation["preferred-citation"]
    article = add(paper["url"], "ScholarlyArticle", name=paper["title"], author=people(paper["authors"]))
    action = {"name": "Run of the workflow", "description": commits, "endTime": stamp["date"], "instrument": workflow}
    action["object"] = [crate.get(name) for name in (paths.KEPT_CONFIG, "requirements.lock") if name in sizes]
    action["result"] = [crate.get(name) for name in (paths.CLAIMS, paths.REPORT) if name in sizes]
    settings = "; ".join(f"{key}: {stamp[key]}" for key in SAME_RUN)
    root = {
        "name": f"Results of nasdmrl on arXiv 1911.03769, scale {stamp['scale']}",
        "description": f"Logs, evaluations, figures, tables and verdicts of a run. {settings}. {caveat(stamp)}".strip(),
        "datePublished": stamp["date"],
        "creativeWorkStatus": status,
        "license": add(f"https://spdx.org/licenses/{citation['license']}", "CreativeWork", name=citation["license"]),
        "author": people(citation["authors"]),
        "citation": article,
        "mentions": add("#run", "CreateAction", **action),
        "conformsTo": [
            add(uri, "CreativeWork", name=name, version=uri.rpartition("/")[2]) for name, uri in PROFILES.items()
        ],
    }
    for key, value in root.items():
        crate.root_dataset[key] = value
    return crate.metadata.generate()


# --- verifying ----------------------------------------------------------------------------------------------


def verify(archive: Path | str, again: bool = True) -> Iterator[Outcome]:
    """Check an archive's sums and completeness, then make its figures and tables from its logs alone.

    Yields an outcome without name for each thing wrong with the archive itself, then, if `again`, one for every figure
    and table. An archive that says that it is incomplete may lack files, and what then cannot be made is no problem
    (`made` is false). Raises `DataError` for what cannot be unpacked.
    """
    with TemporaryDirectory() as temporary:
        folder, results = Path(temporary), Path(temporary, paths.ROOT)
        unpack(Path(archive), folder)
        yield from (Outcome("", problem) for problem in wrong_sums(folder))
        try:
            config = kept_config(results)
        except ConfigError as error:
            yield Outcome("", f"nothing can be made again: {message_of(error)}")
            return
        complete = f'"creativeWorkStatus": "{INCOMPLETE}"'.encode() not in (folder / METADATA).read_bytes()
        lacks = missing(results) if complete else []
        yield from (Outcome("", f"{name}: of a whole run, and not in the archive") for name in lacks)
        for outcome in rebuild(results, config, run_searches(results, config)) if again else ():
            yield outcome._replace(made=outcome.made or complete)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into an empty folder.

    Raises `DataError` for what is no zip file, is damaged, or has members that leave the folder, that are no plain
    files, or that are too many or too large. All members are looked at before the first is unpacked.
    """
    try:
        with ZipFile(archive) as source:
            members = source.infolist()
            times = Counter(member.filename for member in members)
            if not {SUMS, METADATA} <= times.keys():
                raise BadZipFile(f"it lacks {SUMS} or {METADATA}")
            for member in members:
                if reason := _refused(member, times[member.filename]):
                    raise DataError(f"{archive}: member `{member.filename}` {reason}; nothing was unpacked")
            size = sum(member.file_size for member in members)  # zipfile reads no more of a member than it says
            if size > LARGEST_BYTES or len(members) > MOST_FILES:
                raise DataError(
                    f"{archive}: {len(members)} files of {size / 2**30:.1f} GiB; at most {MOST_FILES} of "
                    f"{LARGEST_BYTES / 2**30:.0f} GiB are unpacked"
                )
            source.extractall(folder)
    except FileNotFoundError as error:
        raise DataError(f"{archive}: no such file; name an archive that `nasdmrl archive` has made") from error
    except (BadZipFile, zlib.error, EOFError, RuntimeError, FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{archive}: is damaged, or no archive of ours ({error}); fetch it again") from error


def _refused(member: ZipInfo, times: int) -> str:
    """Why a member that is there so many times is not unpacked; nothing for a plain file or folder."""
    if leaves_folder(member.filename):
        return "leaves the archive's folder"
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link, or no plain file"
    return "is there twice" if times > 1 else ""


def wrong_sums(folder: Path) -> list[str]:
    """How the files of an unpacked archive differ from its list of SHA-256 sums."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    told = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    sums = {name: _sha256(path) for name, path in files.items() if name != SUMS}
    problems = [f"{name}: missing from the archive" for name in sorted(told.keys() - sums.keys())]
    problems += [f"{name}: not listed in {SUMS}, an extra file" for name in sorted(sums.keys() - told.keys())]
    both = sorted(sums.keys() & told.keys())
    return problems + [f"{name}: altered, its sum differs" for name in both if sums[name] != told[name]]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
