"""`nasdmrl doctor`, `archive`, `verify` and `compare`."""

import stat
import zipfile
from pathlib import Path
from unittest import mock

import requests
from stub_programs import program
from test_archive import contents, with_sums, write
from test_doctor_slurm import PROFILE, SLURM

from nasdmrl.analysis.episodes import read_logs
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.tables import write_everywhere, write_table
from nasdmrl.analysis.times import times_table
from nasdmrl.config.model import Config, from_dict
from nasdmrl.files import write_json
from nasdmrl.preflight.doctor.archives import check_archives
from nasdmrl.preflight.doctor.checks import guarded
from nasdmrl.preflight.doctor.examination import Examination, examine
from nasdmrl.preflight.doctor.nodes import check_nodes
from nasdmrl.preflight.doctor.slurm import check_slurm
from nasdmrl.preflight.doctor.software import check_packages, check_python, check_tensorflow
from nasdmrl.preflight.doctor.storage import check_file_system, check_space
from nasdmrl.preflight.doctor.waiting import check_arrays
from nasdmrl.report.archiving import crate, packing, unpacking
from nasdmrl.report.archiving.packing import archive
from provocations.scene import Printed, Scene
from provocations.searches import step_log

TABLE = "results/tables/table7.csv"


# --- archive ------------------------------------------------------------------------------------------------


def results(scene: Scene) -> Path:
    """Exp. 3 of a run, with a table of its times."""
    folder, stamp = Path("results"), provenance(Config())
    logs = [step_log(folder, f"exp3/{name}/omniglot") for name in ("sigma0.0", "sigma0.1")]
    steps = read_logs(logs)
    write_table(steps[["method", "dataset", "seed"]].drop_duplicates(), folder / "exp3/summary.csv", stamp)
    write_everywhere(times_table(steps, "exp3"), folder / "tables/table7.csv", stamp)
    write_json(folder / "config.json", Config().model_dump(mode="json"))
    return folder


def packed(scene: Scene) -> dict[str, bytes]:
    """Members of an archive that says that it is incomplete."""
    return contents(archive(results(scene), "whole.zip", partial=True).path)


def verified(change):
    """Verify an archive whose members were changed."""
    return lambda scene: scene.run("verify", write("changed.zip", change(packed(scene))))


def without(name: str):
    return lambda members: {other: content for other, content in members.items() if other != name}


def said_to_be_whole(members):
    """The members of an archive that does not say that it is incomplete."""
    return with_sums(members | {crate.METADATA: members[crate.METADATA].replace(b"Incomplete", b"Complete")})


def other_version(members):
    return said_to_be_whole(members | {"results/config.json": b'{"epoch": 3}'})


def altered_log(members):
    name = "results/exp3/sigma0.0/omniglot/seed1024/steps.csv"
    lines = members[name].decode().splitlines()
    return with_sums(members | {name: "\n".join(lines[:-5]).encode()})


def broken_log(members):
    return said_to_be_whole(members | {"results/exp3/sigma0.0/omniglot/seed1024/steps.csv": b"\xff"})


def unfinished(scene: Scene) -> Printed:
    return scene.run("archive", "--results", results(scene))


def packed_partly(scene: Scene) -> Printed:
    return scene.run("archive", "--results", results(scene), "--partial", "--output", "a.zip")


def strange_name(scene: Scene) -> Printed:
    results(scene)
    scene.write("results/two\nlines.csv")
    return packed_partly(scene)


def summary_of_something_else(scene: Scene) -> Printed:
    results(scene)
    scene.write("results/exp3/summary.csv", "a,b\n1,2\n")
    return scene.run("archive", "--partial", "--output", "a.zip")


def too_large(scene: Scene) -> Printed:
    with mock.patch.object(packing, "LARGEST_BYTES", 1000):
        return packed_partly(scene)


def installed_without_checkout(scene: Scene) -> Printed:
    with mock.patch.object(packing, "CHECKOUT", Path("elsewhere")):
        return packed_partly(scene)


def linked(scene: Scene) -> Printed:
    link = zipfile.ZipInfo("results/link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return with_member(scene, link)


def with_member(scene: Scene, member) -> Printed:
    with zipfile.ZipFile("changed.zip", "w") as file:
        file.writestr(member, "content")
    return scene.run("verify", "changed.zip")


def encrypted(scene: Scene) -> Printed:
    with_member(scene, "results/a.csv")
    content = bytearray(Path("changed.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    Path("changed.zip").write_bytes(content)
    return scene.run("verify", "changed.zip")


def there_twice(scene: Scene) -> Printed:
    with zipfile.ZipFile("changed.zip", "w") as file:
        for name in ("results/a.csv", "results/b.csv"):
            file.writestr(name, name)
    content = Path("changed.zip").read_bytes().replace(b"results/b.csv", b"results/a.csv")
    Path("changed.zip").write_bytes(content)
    return scene.run("verify", "changed.zip")


def beyond_limits(scene: Scene) -> Printed:
    with mock.patch.object(unpacking, "MOST_FILES", 0):
        return with_member(scene, "results/a.csv")


def no_zip(scene: Scene) -> Printed:
    return scene.run("verify", scene.write("a.zip", "no zip file"))


ARCHIVE = {
    "FOLDER: holds no table and no figure of a run; name the folder of results that a run has made": (
        lambda scene: scene.run("archive", "--results", "nowhere")
    ),
    "FOLDER: is not a whole run, it lacks NAMES; finish it with `snakemake all`, with the scale's --configfile, or "
    "pack what is there with --partial": unfinished,
    "Incomplete: lacks NAMES": packed_partly,
    "FILE: a file's name with control characters cannot be packed; rename it": strange_name,
    "FILE: expected columns method, dataset, seed (...); make it again": summary_of_something_else,
    "more than NUMBER GiB of files, which `nasdmrl verify` refuses; move out of the results what is not of the run": (
        too_large
    ),
    "FILE: not found; an archive needs the package's checkout (pip install --editable)": installed_without_checkout,
}
VERIFY = {
    "FILE: no such file; name an archive that `nasdmrl archive` has made": lambda scene: scene.run("verify", "a.zip"),
    "FILE: is damaged, or no archive of ours (...); fetch it again": no_zip,
    "FILE: member `NAME` leaves the archive's folder; nothing was unpacked": lambda scene: with_member(
        scene, "../evil.txt"
    ),
    "FILE: member `NAME` is ...; nothing was unpacked": linked,
    "FILE: member `NAME` is encrypted; nothing was unpacked": encrypted,
    "FILE: member `NAME` is there twice; nothing was unpacked": there_twice,
    "FILE: NUMBER files of NUMBER GiB; at most NUMBER of NUMBER GiB are unpacked": beyond_limits,
    "archive: NAME: altered, its sum differs": verified(lambda members: members | {TABLE: b"forged"}),
    "archive: NAME: missing from the archive, and listed in SHA256SUMS": verified(without(TABLE)),
    "archive: NAME: not listed in SHA256SUMS, an extra file": verified(lambda members: members | {"extra": b""}),
    "archive: NAME: missing from the archive": verified(without(crate.SUMS)),
    "archive: SHA256SUMS: line NUMBER is not a sum, two spaces and a name": verified(
        lambda members: members | {crate.SUMS: members[crate.SUMS] + b"nonsense\n"}
    ),
    "archive: ro-crate-metadata.json: ...": verified(lambda members: members | {crate.METADATA: b"{"}),
    "archive: NAME: of a whole run, and not in the archive": verified(said_to_be_whole),
    "archive: nothing can be made again: ...": verified(without("results/config.json")),
    "FILE: cannot be read (...); `snakemake all` makes it": verified(
        lambda members: said_to_be_whole(without("results/config.json")(members))
    ),
    "FILE: is no configuration of this version (...); check out the commit that made it": verified(other_version),
    "NAME: differs: ...": verified(altered_log),
    "NAME: differs: cannot be made from the logs: ...": verified(broken_log),
}
COMPARE = {
    "FOLDER: holds no step log, table or figure of a run; name a folder of results": lambda scene: scene.run(
        "compare", "nowhere", "elsewhere"
    ),
}


# --- doctor -------------------------------------------------------------------------------------------------


def site(**changes: str | None):
    """Check SLURM at a site whose commands are stubs, some of them changed or, with None, left out."""

    def provoke(scene: Scene) -> Printed:
        folder = Path("bin").absolute()
        folder.mkdir()
        for name, body in {**SLURM, **changes}.items():
            if body is not None:
                program(folder, name, body.format(folder=folder))
        with mock.patch.dict("os.environ", PATH=str(folder)):
            return scene.checked(check_slurm(Path("profile"), {**PROFILE, "slurm-status-command": "sacct"}))

    return provoke


def without_snakemake(scene: Scene) -> Printed:
    with mock.patch.dict("os.environ", PATH="/nowhere"):
        return scene.checked(check_packages())


def without_srun(scene: Scene) -> Printed:
    with mock.patch.dict("os.environ", PATH="/nowhere"):
        return scene.checked(guarded("srun", check_nodes, {}, Path("results")))


def old_python(scene: Scene) -> Printed:
    with mock.patch("platform.python_version", return_value="3.9.1"):
        return scene.checked(check_python())


def crashing_tensorflow(scene: Scene) -> Printed:
    return scene.checked(check_tensorflow(False, str(scene.program("python", "kill -ILL $$"))))


def archives(source: dict, **settings):
    """Check the images' source."""

    def provoke(scene: Scene) -> Printed:
        with mock.patch("requests.head", side_effect=requests.ConnectionError):
            return scene.checked(check_archives(from_dict({"data": source, **settings}, "x"), Path("results"), False))

    return provoke


DOCTOR = {
    "FAILED configuration ...": lambda scene: scene.checked(next(examine(Examination("missing.yaml", offline=True)))),
    "FAILED profile ...": lambda scene: scene.checked(next(examine(Examination(profile=Path("nowhere"))))),
    "FAILED Python ...": old_python,
    "FAILED packages ...": without_snakemake,
    "FAILED TensorFlow ...": crashing_tensorflow,
    "FAILED NAME FOLDER lacks NAMES": archives({"source": "archives", "archives": "nowhere"}),
    "FAILED archives ...": archives({"source": "download"}),
    "FAILED free disk ...": lambda scene: scene.checked(
        check_space(from_dict({"data": {"image_size": 100_000}}, "x"), Path("results"))
    ),
    "FAILED results folder ...": lambda scene: scene.checked(
        guarded("results folder", check_file_system, scene.write("file") / "results")
    ),
    "FAILED srun srun is not on the PATH; leave out --srun, or run this on the cluster's login node": without_srun,
    "FAILED SLURM ...": site(squeue="exit 1"),
    "FAILED SLURM account ...": site(sacctmgr="echo other"),
    "FAILED SLURM partition ...": site(sinfo="echo 'cpu*|up|(null)'"),
    "FAILED SLURM request ...": site(sbatch="echo no quota; exit 1"),
    "FAILED SLURM job states ...": site(sacct="exit 1"),
    "FAILED SLURM array jobs ...": lambda scene: scene.checked(
        check_arrays(Path("profile/config.yaml"), {**PROFILE, "slurm-array-jobs": "decode", "jobs": 100}, Config())
    ),
}
PROVOCATIONS = ARCHIVE | VERIFY | COMPARE | DOCTOR
