"""`nasdmrl archive`, `verify` and `compare`."""

import stat
import zipfile
from pathlib import Path
from unittest import mock

from support.packed_run import contents, with_sums, write

from nasdmrl.analysis.episodes import read_logs
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.tables import write_everywhere, write_table
from nasdmrl.analysis.times import times_table
from nasdmrl.config.model import Config
from nasdmrl.files import write_json
from nasdmrl.report import archive
from nasdmrl.report.archive import METADATA, SUMS, pack
from provocations.scene import Printed, Scene
from provocations.searches import step_log

CONFIG, LOG = "results/config.json", "results/exp3/sigma0.0/omniglot/seed1024/steps.csv"
TABLE = "results/tables/table7.csv"


# --- packing ------------------------------------------------------------------------------------------------


def results() -> Path:
    """Exp. 3 of a run, with a table of its times."""
    folder, stamp = Path("results"), provenance(Config())
    steps = read_logs([step_log(folder, f"exp3/{name}/omniglot") for name in ("sigma0.0", "sigma0.1")])
    write_table(steps[["method", "dataset", "seed"]].drop_duplicates(), folder / "exp3/summary.csv", stamp)
    write_everywhere(times_table(steps, "exp3"), folder / "tables/table7.csv", stamp)
    write_json(folder / "config.json", Config().model_dump(mode="json"))
    return folder


def unfinished(scene: Scene) -> Printed:
    return scene.run("archive", "--results", results())


def packed_partly(scene: Scene) -> Printed:
    return scene.run("archive", "--results", results(), "--partial", "--output", "a.zip")


def installed_without_checkout(scene: Scene) -> Printed:
    with mock.patch.object(archive, "CHECKOUT", Path("elsewhere")):
        return packed_partly(scene)


ARCHIVE = {
    "FOLDER: holds no table and no figure of a run; name the folder of results that a run has made": (
        lambda scene: scene.run("archive", "--results", "nowhere")
    ),
    "FOLDER: is not a whole run, it lacks NAMES; finish it with `snakemake all`, with the scale's --configfile, or "
    "pack what is there with --partial": unfinished,
    "Incomplete: lacks NAMES": packed_partly,
    "FILE: not found; an archive needs the package's checkout (pip install --editable)": installed_without_checkout,
}


# --- verifying and comparing --------------------------------------------------------------------------------


def changed(change):
    """Verify an archive, which says that it is incomplete, whose members were changed."""
    return lambda scene: scene.run(
        "verify", write("changed.zip", change(contents(pack(results(), "whole.zip", partial=True).path)))
    )


def without(name: str):
    return lambda members: {other: content for other, content in members.items() if other != name}


def said_to_be_whole(members):
    """The members of an archive that does not say that it is incomplete."""
    return with_sums(members | {METADATA: members[METADATA].replace(b"Incomplete", b"Complete")})


def altered_log(members):
    return with_sums(members | {LOG: b"".join(members[LOG].splitlines(keepends=True)[:-5])})


def with_member(scene: Scene, *names: str | zipfile.ZipInfo) -> Printed:
    """Verify an archive with the sums, metadata and members of these names, of which one may be a link."""
    with zipfile.ZipFile("changed.zip", "w") as file:
        for name in (SUMS, METADATA, *names):
            file.writestr(name, "content")
    return scene.run("verify", "changed.zip")


def linked(scene: Scene) -> Printed:
    link = zipfile.ZipInfo("results/link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return with_member(scene, link)


def there_twice(scene: Scene) -> Printed:
    with_member(scene, "results/a.csv", "results/b.csv")
    Path("changed.zip").write_bytes(Path("changed.zip").read_bytes().replace(b"results/b.csv", b"results/a.csv"))
    return scene.run("verify", "changed.zip")


def beyond_limits(scene: Scene) -> Printed:
    with mock.patch.object(archive, "MOST_FILES", 0):
        return with_member(scene, "results/a.csv")


def no_zip(scene: Scene) -> Printed:
    return scene.run("verify", scene.write("a.zip", "no zip file"))


VERIFY = {
    "FILE: no such file; name an archive that `nasdmrl archive` has made": lambda scene: scene.run("verify", "a.zip"),
    "FILE: is damaged, or no archive of ours (...); fetch it again": no_zip,
    "FILE: member `NAME` leaves the archive's folder; nothing was unpacked": lambda scene: with_member(
        scene, "../evil"
    ),
    "FILE: member `NAME` is a link, or no plain file; nothing was unpacked": linked,
    "FILE: member `NAME` is there twice; nothing was unpacked": there_twice,
    "FILE: NUMBER files of NUMBER GiB; at most NUMBER of NUMBER GiB are unpacked": beyond_limits,
    "archive: NAME: altered, its sum differs": changed(lambda members: members | {TABLE: b"forged"}),
    "archive: NAME: missing from the archive": changed(without(TABLE)),
    "archive: NAME: not listed in SHA256SUMS, an extra file": changed(lambda members: members | {"extra": b""}),
    "archive: NAME: of a whole run, and not in the archive": changed(said_to_be_whole),
    "archive: nothing can be made again: FILE: cannot be read (...); `snakemake all` makes it": changed(
        without(CONFIG)
    ),
    "archive: nothing can be made again: FILE: is no configuration of this version (...); check out the commit that "
    "made it": changed(lambda members: with_sums(members | {CONFIG: b'{"epoch": 3}'})),
    "NAME: differs: ...": changed(altered_log),
    "NAME: differs: cannot be made from the logs: ...": changed(
        lambda members: said_to_be_whole(members | {LOG: b"\xff"})
    ),
}
COMPARE = {
    "FOLDER: holds no step log, table or figure of a run; name a folder of results": lambda scene: scene.run(
        "compare", "nowhere", "elsewhere"
    ),
}
PROVOCATIONS = ARCHIVE | VERIFY | COMPARE
