"""Packed runs: what is in them, what `verify` refuses or finds, and that figures and tables follow from the logs."""

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from rocrate.rocrate import ROCrate
from support.packed_run import contents, small_config, with_sums, write, write_run

from nasdmrl.agents.registry import AGENTS, Entry
from nasdmrl.analysis.episodes import read_logs
from nasdmrl.analysis.figures.registry import TABLES, panels
from nasdmrl.analysis.figures.run import save_curves
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.tables import search_summary, write_table
from nasdmrl.config.model import Config
from nasdmrl.errors import ConfigError, DataError, NasdmrlError
from nasdmrl.files import write_json
from nasdmrl.paper.experiments import EXPERIMENTS
from nasdmrl.report import archive
from nasdmrl.report.archive import METADATA, SUMS, kept_config, pack, verify
from nasdmrl.report.rebuild import lines_differ, pixels_differ

FIGURE16, TABLE7 = "results/figures/fig16.png", "results/tables/table7.csv"
LOG = "results/exp3/sigma0.1/omniglot/seed1024/steps.csv"


@pytest.fixture(scope="module")
def config(root):
    return small_config(root)


@pytest.fixture(scope="module")
def results(root, config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "results"
    write_run(root, folder, config)
    return folder


@pytest.fixture(scope="module")
def packed(results, tmp_path_factory):
    return pack(results, tmp_path_factory.mktemp("archive") / "run.zip")


@pytest.fixture(scope="module")
def small(results, tmp_path_factory):
    """An archive that says that it is incomplete: Figure 16 and the tables of Exp. 3, with what they need."""
    folder = tmp_path_factory.mktemp("part")
    shutil.copytree(results / "exp3", folder / "results/exp3")
    for name in ("results/config.json", "results/data/omniglot/images/card.json", FIGURE16, TABLE7):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(results.parent / name, folder / name)
    return pack(folder / "results", folder / "part.zip", partial=True).path


def found(path, again=False):
    """Problems of an archive: name and what differs."""
    return [(outcome.name, outcome.difference) for outcome in verify(path, again) if outcome.difference]


# --- packing ------------------------------------------------------------------------------------------------


def test_a_whole_run_comes_back_identical(packed, config):
    outcomes = list(verify(packed.path))
    assert [outcome for outcome in outcomes if outcome.difference or not outcome.made] == []
    expected = [f"figures/{item.name}.png" for item in panels(config)]
    expected += [f"tables/{item.name}.{kind}" for item in TABLES for kind in ("csv", "md", "tex")]
    expected += ["claims.csv", "exp2/table.csv", "exact/random_search_lengths.csv"]
    expected += [f"{name}/summary.csv" for name in EXPERIMENTS]
    assert sorted(outcome.name for outcome in outcomes) == sorted(f"results/{name}" for name in expected)


def test_same_contents_give_same_bytes_whatever_their_times(results, packed, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(results, copy)
    for path in copy.rglob("*"):
        os.utime(path, (1e9, 1e9))
    assert pack(copy, tmp_path / "again.zip").path.read_bytes() == packed.path.read_bytes()


def test_images_and_unfinished_work_stay_out(packed):
    names = set(contents(packed.path))
    assert len(names) == packed.files
    assert {"requirements.lock", "CITATION.cff", "workflow/rules/common.smk", "results/config.json", LOG} <= names
    assert "results/exp2/long/aircraft/vgg19_cut/repeat4/epochs.csv" in names
    assert "results/data/dtd/images/card.json" in names
    unwanted = ("images.npy", "labels.npy", ".tfrecords", ".hidden", ".npz", ".tar.gz")
    assert not [name for name in names if name.endswith(unwanted)]


def test_a_store_on_another_disk_is_packed(small, results, tmp_path):
    """A link to a folder is followed."""
    shutil.copytree(results / "exp3", tmp_path / "results/exp3")
    (tmp_path / "results/store").symlink_to(results / "store")
    names = contents(pack(tmp_path / "results", tmp_path / "a.zip", partial=True).path)
    assert [name for name in names if name.startswith("results/store/")]


def test_sums_are_those_of_sha256sum(packed, tmp_path):
    with zipfile.ZipFile(packed.path) as file:
        file.extractall(tmp_path)
    command = ["sha256sum", "--check", "--strict", "--quiet", SUMS]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")
    assert len((tmp_path / SUMS).read_text().splitlines()) == packed.files - 1


def test_the_crate_describes_every_file_the_run_and_the_paper(packed, tmp_path):
    """Read by the library, whose profile asks for a workflow, an action that ran it, and the profiles' addresses."""
    with zipfile.ZipFile(packed.path) as file:
        file.extractall(tmp_path)
    crate = ROCrate(tmp_path)
    root, workflow = crate.root_dataset, crate.mainEntity
    parts = {unquote(part.id): part for part in root["hasPart"]}
    members = contents(packed.path)
    assert parts.keys() == members.keys() - {METADATA, SUMS}
    assert all(part["contentSize"] == str(len(members[name])) for name, part in parts.items())
    assert parts["results/figures/fig09a.png"]["encodingFormat"] == "image/png"
    profiles = {"https://w3id.org/ro/wfrun/process/0.5", "https://w3id.org/ro/wfrun/workflow/0.5"}
    assert profiles <= {profile.id for profile in root["conformsTo"]}
    assert (workflow.id, workflow.lang["name"]) == ("workflow/Snakefile", "Snakemake")
    run = root["mentions"]
    assert (run.type, run["instrument"]) == ("CreateAction", workflow)
    assert [result.id for result in run["result"]] == ["results/claims.csv", "results/report.html"]
    assert [author["name"] for author in root["citation"]["author"]] == ["Jorge Gomez Robles", "Joaquin Vanschoren"]
    software = {tool["name"]: tool["softwareVersion"] for tool in workflow["softwareRequirements"]}
    assert software["numpy"] == np.__version__
    assert root["license"].id == "https://spdx.org/licenses/MIT"
    assert (root["creativeWorkStatus"], root["datePublished"]) == ("Complete", run["endTime"])
    assert "cannot decide the paper's claim" in root["description"]


def test_the_commits_are_there_and_uncommitted_changes_are_said(results, tmp_path):
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    table = copy / "tables/table7.csv"
    table.write_text("".join("# commit: 0abcdef+\n" if "# commit" in x else x for x in table.open()))
    packed = pack(copy, tmp_path / "run.zip")
    assert "0abcdef+" in packed.commits
    assert "changes that no commit holds" in packed.commits
    assert packed.commits in contents(packed.path)[METADATA].decode()


NEEDED = [
    LOG, FIGURE16, TABLE7, "results/config.json", "results/exp3/best/sigma0.0/best1.json",
    "results/data/dtd/images/card.json", "results/exp1/dqn/dtd/seed1024/progress.csv",
]  # fmt: skip


@pytest.mark.parametrize("name", NEEDED)
def test_an_unfinished_run_is_refused_by_name_or_packed_as_partial(results, tmp_path, name):
    shutil.copytree(results, tmp_path / "results")
    (tmp_path / name).unlink()
    with pytest.raises(NasdmrlError, match=f"{name.removeprefix('results/')}.*--partial"):
        pack(tmp_path / "results", tmp_path / "run.zip")
    assert not list(tmp_path.glob("*.zip*"))
    path = pack(tmp_path / "results", tmp_path / "run.zip", partial=True).path
    assert b'"creativeWorkStatus": "Incomplete"' in contents(path)[METADATA]


def test_what_another_run_made_is_no_part_of_a_whole_one(results, tmp_path):
    shutil.copytree(results, tmp_path / "results")
    table = (tmp_path / TABLE7).read_text()
    (tmp_path / TABLE7).write_text(table.replace("# scale: quick", "# scale: reduced"))
    with pytest.raises(NasdmrlError, match=r"tables/table7.csv \(made by another run: scale reduced\)"):
        pack(tmp_path / "results", tmp_path / "run.zip")


def test_a_dataset_that_a_run_may_do_without(results, tmp_path):
    """Whether this machine has its archive does not matter: what the run has counts."""
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    settings = json.loads((copy / "config.json").read_text())
    settings["appendix_a"]["traffic_sign"] = "optional"
    settings["data"] |= {"source": "archives", "archives": str(tmp_path / "none")}
    optional = Config.model_validate(settings)
    log = "appendix_a/meta_a2c/traffic_sign/seed1024/steps.csv"
    assert [search.dataset for search in archive.run_searches(copy, optional)].count("traffic_sign") == 1
    (copy / log).unlink()
    assert "traffic_sign" not in [search.dataset for search in archive.run_searches(copy, optional)]
    settings["appendix_a"]["traffic_sign"] = "required"
    write_json(copy / "config.json", settings)
    assert log in archive.missing(copy)


def test_agents_of_ones_own_are_part_of_a_run(results, monkeypatch):
    """One that learns leaves its progress too."""
    monkeypatch.setitem(AGENTS, "evo", Entry("evo", "Evolution", "own"))
    monkeypatch.setitem(AGENTS, "learner", Entry("learner", "Learner", "own", learns=True))
    wanted = {f"exp1/{name}/dtd/seed1024/{log}.csv" for name, log in (("evo", "steps"), ("learner", "progress"))}
    lacking = archive.missing(results)
    assert wanted <= set(lacking)
    assert "exp1/evo/dtd/seed1024/progress.csv" not in lacking


def test_a_folder_that_is_no_results(tmp_path):
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(DataError, match="holds no table and no figure of a run"):
        pack(tmp_path, tmp_path / "run.zip", partial=True)


def test_a_configuration_of_another_version(tmp_path):
    with pytest.raises(ConfigError, match="config.json: cannot be read"):
        kept_config(tmp_path)
    write_json(tmp_path / "config.json", {"early_stop": {"epoch": 3}})
    with pytest.raises(ConfigError, match=r"no configuration of this version \(early_stop.epoch: .*check out the comm"):
        kept_config(tmp_path)


# --- altered archives ---------------------------------------------------------------------------------------


def test_an_altered_a_missing_and_an_extra_file(packed, tmp_path):
    members = contents(packed.path)
    altered = bytearray(members[LOG])
    altered[-2] ^= 1
    assert found(write(tmp_path / "a.zip", members | {LOG: bytes(altered)})) == [
        ("", f"{LOG}: altered, its sum differs")
    ]
    extra = write(tmp_path / "b.zip", members | {"results/extra.csv": b"a,b\n"})
    assert found(extra) == [("", "results/extra.csv: not listed in SHA256SUMS, an extra file")]
    del members[LOG]
    lacks = ("", f"{LOG.removeprefix('results/')}: of a whole run, and not in the archive")
    assert found(write(tmp_path / "c.zip", members)) == [("", f"{LOG}: missing from the archive"), lacks]
    assert found(write(tmp_path / "d.zip", with_sums(members))) == [lacks]


def test_a_damaged_zip_file_and_one_of_somebody_else(packed, tmp_path):
    content = bytearray(packed.path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(content)
    (tmp_path / "b.zip").write_bytes(b"no zip file")
    write(tmp_path / "c.zip", {"results/config.json": b"{}"})
    for name in ("a.zip", "b.zip", "c.zip"):
        with pytest.raises(DataError, match=f"{name}: is damaged, or no archive of ours"):
            found(tmp_path / name)
    with pytest.raises(DataError, match=r"d.zip: no such file"):
        found(tmp_path / "d.zip")


@pytest.mark.parametrize("name", ["../evil.txt", "results/../../evil.txt", "/tmp/evil.txt", "..\\evil.txt"])
def test_a_member_that_leaves_the_folder(small, tmp_path, name):
    path = write(tmp_path / "a.zip", contents(small) | {name: b"evil"})
    with pytest.raises(DataError, match=r"leaves the archive's folder; nothing was unpacked"):
        archive.unpack(path, tmp_path / "inner/folder")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_link_and_a_member_that_is_there_twice(small, tmp_path):
    link = zipfile.ZipInfo("results/link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    shutil.copy(small, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match=r"member `results/link` is a link, or no plain file; nothing was unpacked"):
        found(tmp_path / "a.zip")
    shutil.copy(small, tmp_path / "b.zip")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "b.zip", "a") as file:
        file.writestr("LICENSE", "another")
    with pytest.raises(DataError, match="`LICENSE` is there twice"):
        found(tmp_path / "b.zip")


def test_a_zip_bomb(small, tmp_path, monkeypatch):
    """64 MiB of zeros in 64 KiB: refused by the size that it tells; one that lies about it is cut there."""
    shutil.copy(small, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip", "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("results/bomb.csv", bytes(2**26))
    assert (tmp_path / "a.zip").stat().st_size < small.stat().st_size + 2**17
    monkeypatch.setattr(archive, "LARGEST_BYTES", 2**25)
    with pytest.raises(DataError, match=r"files of 0.1 GiB; at most 500000 of 0 GiB are unpacked"):
        archive.unpack(tmp_path / "a.zip", tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    lying = (tmp_path / "a.zip").read_bytes().replace((2**26).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    (tmp_path / "b.zip").write_bytes(lying)
    with pytest.raises(DataError, match="is damaged"):
        archive.unpack(tmp_path / "b.zip", tmp_path / "folder")
    assert sum(path.stat().st_size for path in (tmp_path / "folder").rglob("*") if path.is_file()) < 2**25
    monkeypatch.setattr(archive, "MOST_FILES", 3)
    with pytest.raises(DataError, match="at most 3 of 0 GiB are unpacked"):
        found(small)


# --- made again from the logs -------------------------------------------------------------------------------


def test_an_altered_log_shows_in_what_follows_from_it(small, tmp_path):
    """One step of 60 now took another action and 100 seconds more; the sums are forged to fit."""
    members = contents(small)
    assert found(small, again=True) == []
    (tmp_path / "steps.csv").write_bytes(members[LOG])
    steps = pd.read_csv(tmp_path / "steps.csv")
    steps.loc[0, "action_name"] = "conv1" if steps.loc[0, "action_name"] != "conv1" else "conv3"
    steps.loc[0, "spent_seconds"] += 100
    forged = write(tmp_path / "a.zip", with_sums(members | {LOG: steps.to_csv(index=False).encode()}))
    assert found(forged) == []
    problems = dict(found(forged, again=True))
    assert problems.keys() == {FIGURE16, TABLE7}
    assert "pixels differ, at x " in problems[FIGURE16]
    spent = steps["spent_seconds"].sum()
    assert f"{spent:.6g}" in problems[TABLE7].split("from the logs")[1]
    assert f"{spent - 100:.6g}" in problems[TABLE7].split("from the logs")[0]


def test_an_altered_length_of_random_search_is_found(results, tmp_path):
    shutil.copytree(results, tmp_path / "results", ignore=shutil.ignore_patterns("figures", "tables"))
    table = tmp_path / "results/exact/random_search_lengths.csv"
    table.write_text(table.read_text().replace("dtd,,0,20,94,", "dtd,,0,20,95,"))
    path = pack(tmp_path / "results", tmp_path / "run.zip", partial=True).path
    ((name, difference),) = [(o.name, o.difference) for o in verify(path) if o.difference and o.made]
    assert name == "results/exact/random_search_lengths.csv"
    assert "`dtd,,0,20,95," in difference
    assert "from the logs `dtd,,0,20,94," in difference


def test_what_cannot_be_made_is_a_problem_of_a_whole_archive_only(small, tmp_path):
    broken = with_sums(contents(small) | {LOG: b"\xff\xff"})
    outcomes = [outcome for outcome in verify(write(tmp_path / "a.zip", broken)) if outcome.difference]
    assert {outcome.name for outcome in outcomes} == {FIGURE16, TABLE7, "results/exp3/summary.csv"}
    assert all("cannot be made from the logs" in outcome.difference for outcome in outcomes)
    assert not any(outcome.made for outcome in outcomes)
    whole = with_sums(broken | {METADATA: broken[METADATA].replace(b"Incomplete", b"Complete")})
    outcomes = [outcome for outcome in verify(write(tmp_path / "b.zip", whole)) if outcome.difference]
    assert all(outcome.made for outcome in outcomes)
    assert "claims.csv: of a whole run, and not in the archive" in [outcome.difference for outcome in outcomes]


def test_a_figure_of_other_pixels_and_one_that_is_no_image(small, tmp_path):
    members = contents(small)
    (tmp_path / "old.png").write_bytes(members[FIGURE16])
    with Image.open(tmp_path / "old.png") as image:
        info, pixels = image.info, np.array(image.convert("RGBA"))
    pixels[5, 7] = (1, 2, 3, 255)
    text = PngInfo()
    for key in ("Description", "Software"):
        text.add_text(key, info[key])
    Image.fromarray(pixels).save(tmp_path / "new.png", pnginfo=text)
    forged = write(tmp_path / "a.zip", with_sums(members | {FIGURE16: (tmp_path / "new.png").read_bytes()}))
    count = pixels.shape[0] * pixels.shape[1]
    assert found(forged, again=True) == [(FIGURE16, f"1 of {count} pixels differ, at x 7 to 7, y 5 to 5")]
    broken = write(tmp_path / "b.zip", with_sums(members | {FIGURE16: b"no image"}))
    ((name, message),) = found(broken, again=True)
    assert (name, message.split(": ")[:2]) == (FIGURE16, ["cannot be made from the logs", "UnidentifiedImageError"])


def test_a_dataset_of_ones_own_has_curves_and_stays_out_of_figure_13(results, config, tmp_path):
    """As the workflow has it: in the summary and in figures of its own, not in the paper's figures."""
    part, names = tmp_path / "results", ["aircraft", "cu_birds", "pets"]
    shutil.copytree(results / "exp2", part / "exp2")
    shutil.copytree(part / "exp2/best/aircraft", part / "exp2/best/pets")
    for method in ("meta_a2c", "random_search"):
        shutil.copytree(part / f"exp2/{method}/aircraft", part / f"exp2/{method}/pets")
    for name, classes in {"aircraft": 100, "cu_birds": 200, "pets": 3}.items():
        card = {"dataset": name, "class_names": [str(label) for label in range(classes)]}
        write_json(part / f"data/{name}/images/card.json", card)
    own = Config.model_validate(config.model_dump() | {"data": config.data.model_dump() | {"own": {"pets": "photos"}}})
    write_json(part / "config.json", own.model_dump(mode="json"))
    logs = [part / f"exp2/{m}/{name}/seed1024/steps.csv" for m in ("meta_a2c", "random_search") for name in names]
    classes = {"aircraft": 100, "cu_birds": 200, "pets": 3}
    write_table(search_summary(read_logs(logs), classes), part / "exp2/summary.csv", provenance(own))
    save_curves([log for log in logs if "pets" in log.parts], part / "figures/own", own)
    shutil.copy(results / "figures/fig13.png", part / "figures")
    outcomes = list(verify(pack(part, tmp_path / "own.zip", partial=True).path))
    assert [outcome for outcome in outcomes if outcome.difference] == []
    drawn = {f"figures/own_pets_{metric}.png" for metric in ("best_reward", "length", "accumulated_reward")}
    others = {"figures/fig13.png", "exp2/summary.csv", "exp2/table.csv"}
    assert {outcome.name for outcome in outcomes} == {f"results/{name}" for name in drawn | others}


def test_pixels_differ():
    old = np.zeros((4, 6, 4), np.uint8)
    new = old.copy()
    assert pixels_differ(old, new) == ""
    new[1, 2, 3] = new[3, 5, 0] = 1
    assert pixels_differ(old, new) == "2 of 24 pixels differ, at x 2 to 5, y 1 to 3"
    assert pixels_differ(old, new[:, :5]) == "is of 6 x 4 pixels, from the logs 5 x 4"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# a\nx,y\n1,2\n", "# a\nx,y\n1,2\n", ""),
        ("# a\nx,y\n1,2\n", "# a\nx,y\n1,3\n", "line 3: `1,2`, from the logs `1,3`"),
        ("x\n1\n", "x\n1\n2\n", "line 3: `nothing`, from the logs `2`"),
        ("a\n" + 50 * "b" + "c", "a\n" + 50 * "b" + "d", f"line 2: `{20 * 'b'}c`, from the logs `{20 * 'b'}d`"),
    ],
)
def test_lines_differ(tmp_path, old, new, message):
    (tmp_path / "old.csv").write_text(old)
    (tmp_path / "new.csv").write_text(new)
    assert lines_differ(tmp_path / "old.csv", tmp_path / "new.csv") == message


SCRIPT = """import sys
from nasdmrl.cli import main
sys.argv = ["nasdmrl", "verify", sys.argv[1]]
try:
    main()
finally:
    assert sys.modules["tensorflow"] is None and "keras.src" not in sys.modules and "rocrate" not in sys.modules"""


def test_the_command_line_verifies_without_tensorflow(small, tmp_path):
    result = subprocess.run([sys.executable, "-c", SCRIPT, str(small)], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    *lines, last = result.stdout.splitlines()
    assert f"{FIGURE16}: identical" in lines
    assert last == f"{small}: no problem, 3 figures and tables made again from the logs and identical"
    path = write(tmp_path / "a.zip", contents(small) | {"results/extra.csv": b""})
    command = [sys.executable, "-m", "nasdmrl.cli", "verify", str(path), "--no-rebuild"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1
    assert "archive: results/extra.csv: not listed in SHA256SUMS, an extra file" in result.stdout
    assert result.stdout.splitlines()[-1] == f"{path}: 1 problem"


def test_the_command_line_refuses_an_unfinished_run(results, tmp_path):
    shutil.copytree(results / "exp3", tmp_path / "results/exp3")
    command = [sys.executable, "-m", "nasdmrl.cli", "archive"]
    refused = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: results: is not a whole run, it lacks a usable configuration (")
    assert not list(tmp_path.glob("*.zip"))
    partial = subprocess.run([*command, "--partial"], capture_output=True, text=True, cwd=tmp_path)
    assert partial.returncode == 0
    assert partial.stderr.startswith("Incomplete: lacks a usable configuration (")
    (path,) = tmp_path.glob("nasdmrl-quick-*.zip")
    assert partial.stdout.splitlines()[-1].startswith(f"{path.name}: ")
