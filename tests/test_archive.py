"""Archives of a run: what is in them, what `verify` finds, and that figures and tables follow from the logs."""

import functools
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from urllib.parse import unquote

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import save as save_images
from golden import REPEATS, write_golden
from PIL import Image

from nasdmrl.analysis.claims import claims_table
from nasdmrl.analysis.episodes import read_logs
from nasdmrl.analysis.figures import run as figures_run
from nasdmrl.analysis.figures.panels import save
from nasdmrl.analysis.figures.registry import TABLES, panels
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.random_replay import compared
from nasdmrl.analysis.tables import read_table, search_summary, table3, table6, write_everywhere, write_table
from nasdmrl.analysis.times import times_table
from nasdmrl.config.model import Config, load
from nasdmrl.config.sections import Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.errors import ConfigError, DataError, NasdmrlError
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.files import write_json
from nasdmrl.paper.datasets import DATASETS, with_role
from nasdmrl.paper.experiments import EXPERIMENTS
from nasdmrl.report.archiving import crate, unpacking
from nasdmrl.report.archiving.contents import kept_config
from nasdmrl.report.archiving.differences import lines_differ, pixels_differ
from nasdmrl.report.archiving.packing import archive
from nasdmrl.report.archiving.verifying import verify

METHODS = ("meta_a2c", "dqn", "random_search")
SEARCHED = {
    "exp1": (METHODS, with_role("training")),
    "exp2": (("meta_a2c", "random_search"), with_role("evaluation")),
    "exp3": (("sigma0.0", "sigma0.1"), ["omniglot"]),
    "appendix_a": (("meta_a2c",), list(DATASETS)),
}
FIGURE16, TABLE7, LOG = "figures/fig16.png", "tables/table7.csv", "exp3/sigma0.1/omniglot/seed1024/steps.csv"


# --- a whole run, as the workflow leaves it -----------------------------------------------------------------


@pytest.fixture(scope="module")
def config(root):
    values = load(root / "config/quick.yaml").model_dump(mode="json")
    changes = {"exp2": {"repeats": REPEATS}, "plots": {"dpi": 50, "bin_episodes": 10}}
    return Config.model_validate({**values, **{key: {**values[key], **change} for key, change in changes.items()}})


def logs_of(results, experiment):
    methods, datasets = SEARCHED[experiment]
    return [results / experiment / method / name / "seed1024/steps.csv" for method in methods for name in datasets]


def draw(root, results, config, experiment):
    """Draw an experiment's figures with the tracked notebook's own code, PNG files only."""
    notebook = nbformat.read(root / f"workflow/notebooks/{experiment}.ipynb", as_version=4)
    datasets = SEARCHED[experiment][1]
    best = sorted((results / experiment).glob("best/*/best*.json"))
    inputs = [*logs_of(results, experiment), *best, *(results / f"data/{name}/images" for name in datasets)]
    cells = ["".join(cell["source"]) for cell in notebook.cells if cell["cell_type"] == "code"]
    values = {"inputs": [str(path) for path in inputs], "figures": str(results / "figures")}
    exec("\n".join(cells[1:]), values | {"config": config.model_dump_json()})


def tabulate(results, config, stamp):
    """What the workflow's rules for tables do."""
    for item in TABLES:
        steps = read_logs(logs_of(results, item.experiment))
        if item.name == "table6":
            table = table6(results, REPEATS)
        elif item.name in ("table3", "table8"):
            names = DATASETS if item.name == "table8" else [*with_role("training"), *with_role("evaluation")]
            table = table3([results / f"data/{name}/records" for name in names])
        else:
            table = times_table(steps, item.experiment)
        write_everywhere(table, results / f"tables/{item.name}.csv", stamp)
    shutil.copy(results / "tables/table6.csv", results / "exp2/table.csv")
    classes = {name: dataset.classes for name, dataset in DATASETS.items()}
    for name in EXPERIMENTS:
        write_table(search_summary(read_logs(logs_of(results, name)), classes), results / name / "summary.csv", stamp)
    write_table(claims_table(results, config, stamp), results / "claims.csv", stamp)


def add_rest(results, config):
    """Data, store, and files whose content does not matter here; some that no archive holds."""
    for name, dataset in DATASETS.items():
        counts = {str(label): 20 for label in range(dataset.classes)}
        write_json(results / f"data/{name}/records/dataset_spec.json", {"name": name, "images_per_class": counts})
        (results / f"data/{name}/records/0.tfrecords").write_bytes(b"images")
        data = ImageData(name, np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1, np.int32), 1, "f")
        save_images(data, results / f"data/{name}/images")
        classes = [str(label) for label in range(dataset.classes)]
        write_json(
            results / f"data/{name}/images/card.json", {"dataset": name, "class_names": classes, "fingerprint": "f"}
        )
    write_table(compared(), results / "exact/random_search_lengths.csv", {"seeds": "1024"})
    for kind in ("pdf", "png"):
        (results / f"exact/random_search_lengths.{kind}").write_bytes(b"a figure")
    record = {"key": "1", "device": "GPU X", "status": "ok", "accuracy": 0.5, "training_seconds": 1.0}
    EvaluationStore(results / "store").put(record, Recipe())
    for name in ("archives/dtd.tar.gz", "checkpoints/dtd/best1.npz", "exp1/.hidden"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_bytes(b"not for an archive")
    for name in EXPERIMENTS:
        (results / "notebooks").mkdir(exist_ok=True)
        (results / f"notebooks/{name}.ipynb").write_text("{}")
    (results / "report.html").write_text("<html></html>")
    (results / "logs").mkdir()
    (results / "logs/a log of # one job.log").write_text("done")
    write_json(results / "config.json", config.model_dump(mode="json"))


@pytest.fixture(scope="module")
def results(root, config, tmp_path_factory):
    """Made by the notebooks and the functions of the rules, not by what is tested."""
    results, stamp = tmp_path_factory.mktemp("run") / "results", provenance(config)
    write_golden(results, steps=60)
    add_rest(results, config)
    tabulate(results, config, stamp)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures_run, "save", functools.partial(save, formats=["png"]))  # PDF takes longer
        for name in EXPERIMENTS:
            draw(root, results, config, name)
    for item in panels(config):
        (results / f"figures/{item.name}.pdf").write_bytes(b"%PDF-1.4\n")
    return results


@pytest.fixture(scope="module")
def packed(results, tmp_path_factory):
    return archive(results, tmp_path_factory.mktemp("archive") / "run.zip")


@pytest.fixture(scope="module")
def small(results, tmp_path_factory):
    """An archive that says that it is incomplete: Figure 16 and the tables of Exp. 3, with what they need."""
    part = tmp_path_factory.mktemp("part") / "results"
    shutil.copytree(results / "exp3", part / "exp3")
    for name in ("config.json", "data/omniglot/images/card.json", FIGURE16, TABLE7):
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(results / name, part / name)
    return archive(part, part.parent / "part.zip", partial=True).path


def contents(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def write(path, members):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def with_sums(members):
    """The members with the sums, sizes and parts that they have now: what a careful forger would write."""
    files = {name: content for name, content in members.items() if name not in (crate.METADATA, crate.SUMS)}
    document = json.loads(members[crate.METADATA])
    for entity in document["@graph"]:
        if content := files.get(unquote(entity["@id"])):
            entity |= {"sha256": hashlib.sha256(content).hexdigest(), "contentSize": str(len(content))}
    files[crate.METADATA] = json.dumps(document).encode()
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    return files | {crate.SUMS: sums.encode()}


def found(path, again=False):
    """Problems of an archive: name and what differs."""
    return [(outcome.name, outcome.difference) for outcome in verify(path, again) if outcome.difference]


# --- packing ------------------------------------------------------------------------------------------------


def test_a_whole_run_comes_back_identical(packed, config):
    outcomes = list(verify(packed.path))
    assert [outcome for outcome in outcomes if outcome.difference or not outcome.made] == []
    pictures = {f"figures/{item.name}.png" for item in panels(config)}
    tables = {f"tables/{item.name}.{kind}" for item in TABLES for kind in ("csv", "md", "tex")}
    others = {
        "claims.csv",
        "exp2/table.csv",
        "exact/random_search_lengths.csv",
        *(f"{name}/summary.csv" for name in EXPERIMENTS),
    }
    names = [outcome.name for outcome in outcomes]
    assert len(names) == len(set(names))
    assert set(names) == pictures | tables | others


def test_an_altered_length_of_random_search_is_found(results, tmp_path):
    copy = tmp_path / "results"
    shutil.copytree(results, copy, ignore=shutil.ignore_patterns("figures"))
    table = copy / "exact/random_search_lengths.csv"
    table.write_text(table.read_text().replace("dtd,,0,20,94,", "dtd,,0,20,95,"))
    path = archive(copy, tmp_path / "run.zip", partial=True).path
    wrong = [outcome for outcome in verify(path) if outcome.difference and outcome.made]
    assert [one.name for one in wrong] == ["exact/random_search_lengths.csv"]
    assert wrong[0].difference.endswith(", sum: `95`, from the logs `94`")


def test_same_contents_give_same_bytes_whatever_their_times(results, packed, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(results, copy)
    for path in copy.rglob("*"):
        os.utime(path, (1e9, 1e9))
    again = archive(copy, tmp_path / "again.zip")
    assert again.path.read_bytes() == packed.path.read_bytes()
    with zipfile.ZipFile(packed.path) as file:
        date = read_stamp_date(results)
        assert {info.date_time for info in file.infolist()} == {(*map(int, date.split("-")), 0, 0, 0)}


def read_stamp_date(results):
    lines = (results / "claims.csv").read_text().splitlines()
    return next(line.removeprefix("# date: ") for line in lines if line.startswith("# date: "))


def test_images_and_unfinished_work_stay_out(packed):
    names = set(contents(packed.path))
    assert len(names) == packed.files
    assert {"requirements.lock", "CITATION.cff", "results/config.json", f"results/{LOG}"} <= names
    assert "results/exp2/long/aircraft/vgg19_cut/repeat4/epochs.csv" in names
    assert "results/data/dtd/images/card.json" in names
    unwanted = ("images.npy", "labels.npy", ".tfrecords", ".hidden", ".npz", ".tar.gz")
    assert not [name for name in names if name.endswith(unwanted)]


def test_sums_are_those_of_sha256sum(packed, tmp_path):
    with zipfile.ZipFile(packed.path) as file:
        file.extractall(tmp_path)
    command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout == ""
    assert len((tmp_path / "SHA256SUMS").read_text().splitlines()) == packed.files - 1


def test_metadata_describe_every_file_the_run_and_the_paper(packed, results):
    members = contents(packed.path)
    document = json.loads(members["ro-crate-metadata.json"])
    assert document["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    root = entities["./"]
    parts = [unquote(part["@id"]) for part in root["hasPart"]]
    assert set(parts) == members.keys() - {"ro-crate-metadata.json", "SHA256SUMS"}
    for part in root["hasPart"]:
        content = members[unquote(part["@id"])]
        assert entities[part["@id"]]["sha256"] == hashlib.sha256(content).hexdigest()
        assert entities[part["@id"]]["contentSize"] == str(len(content))
    assert entities["results/figures/fig09a.png"]["encodingFormat"] == "image/png"
    assert entities["results/figures/fig09a.png"]["description"].startswith("Figure 9 a: Best reward")
    assert root["datePublished"] == read_stamp_date(results)
    assert root["license"]["@id"] == "https://spdx.org/licenses/MIT"
    paper = entities[root["citation"]["@id"]]
    assert [entities[author["@id"]]["name"] for author in paper["author"]] == [
        "Jorge Gomez Robles",
        "Joaquin Vanschoren",
    ]
    assert "cannot decide the paper's claim" in root["description"]
    run = entities["#run"]
    assert (run["@type"], run["endTime"]) == ("CreateAction", read_stamp_date(results))
    software = {entities[tool["@id"]]["name"]: entities[tool["@id"]]["softwareVersion"] for tool in run["instrument"]}
    assert {"python", "nasdmrl", "numpy", "snakemake"} <= software.keys()
    assert software["numpy"] == np.__version__
    assert "1 evaluations on GPU X" in run["description"]


def test_the_commit_is_there_and_uncommitted_changes_are_said(results, tmp_path):
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    for path in copy.rglob("*.csv"):
        text = path.read_text()
        path.write_text("\n".join("# commit: 0abcdef+" if x.startswith("# commit: ") else x for x in text.split("\n")))
    packed = archive(copy, tmp_path / "run.zip")
    assert "0abcdef+" in packed.commits
    assert "changes that no commit holds" in packed.commits
    assert packed.commits in contents(packed.path)["ro-crate-metadata.json"].decode()


@pytest.mark.parametrize(
    "name", [LOG, FIGURE16, TABLE7, "config.json", "exp3/best/sigma0.0/best1.json", "data/dtd/images/card.json"]
)
def test_an_incomplete_run_is_refused_by_name_or_packed_as_partial(results, tmp_path, name):
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    (copy / name).unlink()
    with pytest.raises(NasdmrlError, match="--partial") as error:
        archive(copy, tmp_path / "run.zip")
    assert name in str(error.value)
    assert not list(tmp_path.glob("*.zip*"))
    packed = archive(copy, tmp_path / "run.zip", partial=True)
    assert [lack for lack in packed.lacks if name in lack]
    assert found(packed.path) == []
    status = json.loads(contents(packed.path)["ro-crate-metadata.json"])["@graph"][1]["creativeWorkStatus"]
    assert status == "Incomplete: 1 files are missing"


def test_what_another_run_made_is_no_part_of_a_whole_one(results, tmp_path):
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    table = (copy / TABLE7).read_text()
    (copy / TABLE7).write_text(table.replace("# scale: quick", "# scale: reduced"))
    with pytest.raises(NasdmrlError, match=r"tables/table7.csv \(made by another run: scale reduced\)"):
        archive(copy, tmp_path / "run.zip")


def test_a_folder_that_is_no_results(tmp_path):
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(DataError, match="holds no table and no figure of a run"):
        archive(tmp_path, tmp_path / "run.zip", partial=True)


def test_a_configuration_of_another_version(tmp_path):
    with pytest.raises(ConfigError, match="config.json: cannot be read"):
        kept_config(tmp_path)
    write_json(tmp_path / "config.json", {"early_stop": {"epoch": 3}})
    with pytest.raises(
        ConfigError, match=r"no configuration of this version \(early_stop.epoch: .*check out the commit"
    ):
        kept_config(tmp_path)


# --- altered archives ---------------------------------------------------------------------------------------


def test_an_altered_byte(packed, tmp_path):
    members = contents(packed.path)
    log = bytearray(members[f"results/{LOG}"])
    log[-2] ^= 1
    altered = write(tmp_path / "a.zip", members | {f"results/{LOG}": bytes(log)})
    problems = [difference for _, difference in found(altered)]
    assert problems[0] == f"results/{LOG}: altered, its sum differs"
    assert f"size or sha256 of results/{LOG} is not the file's" in problems[1]


def test_a_damaged_zip_file(packed, tmp_path):
    content = bytearray(packed.path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"a.zip: is damaged, or no archive of ours"):
        found(tmp_path / "a.zip")
    (tmp_path / "b.zip").write_bytes(b"no zip file")
    with pytest.raises(DataError, match=r"b.zip: is damaged"):
        found(tmp_path / "b.zip")
    with pytest.raises(DataError, match=r"c.zip: no such file"):
        found(tmp_path / "c.zip")


def test_a_missing_file(packed, tmp_path):
    members = contents(packed.path)
    del members[f"results/{LOG}"]
    problems = [difference for _, difference in found(write(tmp_path / "a.zip", members))]
    assert problems[0] == f"results/{LOG}: missing from the archive, and listed in SHA256SUMS"
    assert f"names the part results/{LOG}, which the archive lacks" in problems[1]
    assert problems[2] == f"{LOG}: of a whole run, and not in the archive"


def test_a_missing_file_that_nothing_lists(packed, tmp_path):
    members = contents(packed.path)
    del members[f"results/{LOG}"]
    document = json.loads(members[crate.METADATA])
    graph = [entity for entity in document["@graph"] if entity["@id"] != f"results/{LOG}"]
    graph[1]["hasPart"] = [part for part in graph[1]["hasPart"] if part["@id"] != f"results/{LOG}"]
    members[crate.METADATA] = json.dumps(document | {"@graph": graph}).encode()
    assert found(write(tmp_path / "a.zip", with_sums(members))) == [
        ("", f"{LOG}: of a whole run, and not in the archive")
    ]


def test_an_extra_file(packed, tmp_path):
    members = contents(packed.path) | {"results/extra.csv": b"a,b\n"}
    problems = [difference for _, difference in found(write(tmp_path / "a.zip", members))]
    assert problems[0] == "results/extra.csv: not listed in SHA256SUMS, an extra file"
    assert "does not name results/extra.csv, which the archive has" in problems[1]


def test_sums_that_are_missing_or_no_sums(small, tmp_path):
    members = contents(small)
    broken = members | {"SHA256SUMS": members["SHA256SUMS"] + b"nonsense\n"}
    count = len(members["SHA256SUMS"].splitlines()) + 1
    assert found(write(tmp_path / "a.zip", broken)) == [
        ("", f"SHA256SUMS: line {count} is not a sum, two spaces and a name")
    ]
    del members["SHA256SUMS"]
    assert found(write(tmp_path / "b.zip", members)) == [("", "SHA256SUMS: missing from the archive")]


@pytest.mark.parametrize("name", ["../evil.txt", "results/../../evil.txt", "/tmp/evil.txt", "..\\evil.txt"])
def test_a_member_that_leaves_the_folder(small, tmp_path, name):
    path = write(tmp_path / "a.zip", contents(small) | {name: b"evil"})
    with pytest.raises(DataError, match=r"leaves the archive's folder; nothing was unpacked"):
        unpacking.unpack(path, tmp_path / "inner/folder")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_link(small, tmp_path):
    write(tmp_path / "a.zip", contents(small))
    link = zipfile.ZipInfo("results/link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match=r"member `results/link` is a link; nothing was unpacked"):
        found(tmp_path / "a.zip")


def test_a_member_that_is_there_twice(small, tmp_path):
    write(tmp_path / "a.zip", contents(small))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "a.zip", "a") as file:
        file.writestr("LICENSE", "another")
    with pytest.raises(DataError, match="`LICENSE` is there twice"):
        found(tmp_path / "a.zip")


def test_limits(small, monkeypatch):
    monkeypatch.setattr(unpacking, "LARGEST_BYTES", 1000)
    with pytest.raises(DataError, match=r"files of 0.0 GiB; at most"):
        found(small)
    monkeypatch.undo()
    monkeypatch.setattr(unpacking, "MOST_FILES", 3)
    with pytest.raises(DataError, match="at most 3 of 8 GiB are unpacked"):
        found(small)


def edited(members, edit):
    document = json.loads(members[crate.METADATA])
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    edit(document, entities)
    return with_sums(members | {crate.METADATA: json.dumps(document).encode()})


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda document, _: document.pop("@graph"), "is no RO-Crate (KeyError('@graph'))"),
        (lambda document, _: document.update({"@graph": [1]}), "is no RO-Crate (TypeError("),
        (
            lambda document, _: document.update({"@context": "elsewhere"}),
            "@context lacks https://w3id.org/ro/crate/1.1",
        ),
        (lambda _, entities: entities[crate.METADATA].pop("conformsTo"), "must be about ./ and conform to"),
        (lambda _, entities: entities["./"].update({"@type": "Thing"}), "the root entity ./ must be a Dataset"),
        (lambda _, entities: entities["./"].pop("license"), "the root entity ./ has no license"),
        (lambda _, entities: entities["#run"].update({"agent": {"@id": "#me"}}), "#run refers to #me, which is not"),
        (lambda _, entities: entities["./"]["hasPart"].append({"@id": "results/a%20b"}), "names the part results/a b"),
        (lambda _, entities: entities["./"]["hasPart"].pop(), "does not name results/"),
    ],
)
def test_damaged_metadata(small, tmp_path, edit, message):
    members = contents(small)
    if message.startswith("is no RO-Crate"):
        document = json.loads(members[crate.METADATA])
        edit(document, {})
        text = json.dumps(document).encode()
        problems = crate.problems(text.decode(), {})
    else:
        problems = [difference for _, difference in found(write(tmp_path / "a.zip", edited(members, edit)))]
    assert any(message in problem for problem in problems), problems


def test_metadata_that_are_no_json_or_missing(small, tmp_path):
    members = contents(small)
    problems = [difference for _, difference in found(write(tmp_path / "a.zip", members | {crate.METADATA: b"{"}))]
    assert any("ro-crate-metadata.json: is no RO-Crate (JSONDecodeError" in problem for problem in problems)
    del members[crate.METADATA]
    problems = [difference for _, difference in found(write(tmp_path / "b.zip", members))]
    assert "ro-crate-metadata.json: missing from the archive" in problems


# --- made again from the logs -------------------------------------------------------------------------------


def test_an_altered_log_shows_in_what_follows_from_it(small, tmp_path):
    """One step of 60 now took another action and 100 seconds more; sums and metadata are forged to fit."""
    members = contents(small)
    assert found(small, again=True) == []
    name = f"results/{LOG}"
    (tmp_path / "steps.csv").write_bytes(members[name])
    steps = pd.read_csv(tmp_path / "steps.csv")
    steps.loc[0, "action_name"] = "conv1" if steps.loc[0, "action_name"] != "conv1" else "conv3"
    steps.loc[0, "spent_seconds"] += 100
    forged = with_sums(members | {name: steps.to_csv(index=False).encode()})
    assert found(write(tmp_path / "a.zip", forged)) == []
    problems = dict(found(write(tmp_path / "a.zip", forged), again=True))
    assert problems.keys() == {FIGURE16, TABLE7}
    assert "pixels differ, at x " in problems[FIGURE16]
    was = read_table_bytes(members[f"results/{TABLE7}"], tmp_path).loc[1, "spent_seconds"]
    assert problems[TABLE7] == f"row 2 (sigma0.1), spent_seconds: `{was:.6g}`, from the logs `{was + 100:.6g}`"


def read_table_bytes(content, folder):
    (folder / "table.csv").write_bytes(content)
    return read_table(folder / "table.csv")


def test_what_cannot_be_made_is_a_problem_of_a_whole_archive_only(small, tmp_path):
    members = contents(small)
    name = f"results/{LOG}"
    broken = with_sums(members | {name: b"\xff\xff"})
    outcomes = [outcome for outcome in verify(write(tmp_path / "a.zip", broken)) if outcome.difference]
    assert {outcome.name for outcome in outcomes} == {FIGURE16, TABLE7, "exp3/summary.csv"}
    assert all("cannot be made from the logs" in outcome.difference for outcome in outcomes)
    assert not any(outcome.made for outcome in outcomes)
    complete = broken[crate.METADATA].replace(b"Incomplete", b"Complete")
    whole = with_sums(broken | {crate.METADATA: complete})
    outcomes = [outcome for outcome in verify(write(tmp_path / "b.zip", whole)) if outcome.difference]
    assert all(outcome.made for outcome in outcomes)
    assert "claims.csv: of a whole run, and not in the archive" in [outcome.difference for outcome in outcomes]


def test_a_figure_of_other_pixels_and_one_that_is_no_image(small, tmp_path):
    members = contents(small)
    name = f"results/{FIGURE16}"
    (tmp_path / "old.png").write_bytes(members[name])
    with Image.open(tmp_path / "old.png") as image:
        info, pixels = image.info, np.array(image.convert("RGBA"))
    pixels[5, 7] = (1, 2, 3, 255)
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Description", info["Description"])
    text.add_text("Software", info["Software"])
    Image.fromarray(pixels).save(tmp_path / "new.png", pnginfo=text)
    forged = with_sums(members | {name: (tmp_path / "new.png").read_bytes()})
    count = pixels.shape[0] * pixels.shape[1]
    assert found(write(tmp_path / "a.zip", forged), again=True) == [
        (FIGURE16, f"1 of {count} pixels differ, at x 7 to 7, y 5 to 5")
    ]
    broken = with_sums(members | {name: b"no image"})
    ((broken_name, message),) = found(write(tmp_path / "b.zip", broken), again=True)
    assert (broken_name, message.split(" (")[0]) == (FIGURE16, "cannot be read as an image")


def test_a_dataset_of_ones_own_has_curves_and_stays_out_of_figure_13(results, config, tmp_path):
    """As the workflow has it: in the summary and in figures of its own, not in the paper's figures."""
    part, names = tmp_path / "results", ["aircraft", "cu_birds", "pets"]
    shutil.copytree(results / "exp2", part / "exp2")
    for method in ("meta_a2c", "random_search"):
        shutil.copytree(part / f"exp2/{method}/aircraft", part / f"exp2/{method}/pets")
    for name, dataset in zip(names, ("aircraft", "cu_birds", "aircraft"), strict=True):
        shutil.copytree(results / f"data/{dataset}", part / f"data/{name}")
    own = Config.model_validate(config.model_dump() | {"data": config.data.model_dump() | {"own": {"pets": "photos"}}})
    write_json(part / "config.json", own.model_dump(mode="json"))
    logs = [part / f"exp2/{m}/{name}/seed1024/steps.csv" for m in ("meta_a2c", "random_search") for name in names]
    classes = {"aircraft": 100, "cu_birds": 200, "pets": 100}
    write_table(search_summary(read_logs(logs), classes), part / "exp2/summary.csv", provenance(own))
    figures_run.save_curves([log for log in logs if "pets" in log.parts], part / "figures/own", own)
    shutil.copy(results / "figures/fig13.png", part / "figures")
    outcomes = list(verify(archive(part, tmp_path / "own.zip", partial=True).path))
    assert [outcome for outcome in outcomes if outcome.difference] == []
    drawn = {f"figures/own_pets_{metric}.png" for metric in ("best_reward", "length", "accumulated_reward")}
    assert {outcome.name for outcome in outcomes} == drawn | {"figures/fig13.png", "exp2/summary.csv", "exp2/table.csv"}


def test_a_summary_cannot_name_files_elsewhere(small, tmp_path):
    members = contents(small)
    name = "results/exp3/summary.csv"
    forged = with_sums(members | {name: members[name].replace(b"sigma0.1,omniglot", b"../..,omniglot")})
    ((_, message),) = found(write(tmp_path / "a.zip", forged), again=True)
    assert message.startswith("nothing can be made again: exp3/summary.csv: expected columns method, dataset, seed")
    assert "a name that leaves the results" in message


def test_pixels_differ():
    old = np.zeros((4, 6, 4), np.uint8)
    new = old.copy()
    assert pixels_differ(old, new) == ""
    new[1, 2, 3] = new[3, 5, 0] = 1
    assert pixels_differ(old, new) == "2 of 24 pixels differ, at x 2 to 5, y 1 to 3"
    assert pixels_differ(old, new[:, :5]) == "is of 6 x 4 pixels, from the logs 5 x 4"


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("t.csv", "# a\nx,y\n1,2\n", "# a\nx,y\n1,2\n", ""),
        ("t.csv", "# a\nx,y\nm,2\nn,3\n", "# a\nx,y\nm,2\nn,4\n", "row 2 (n), y: `3`, from the logs `4`"),
        ("t.csv", "# a\nx,y\n1,2\n", "# b\nx,y\n1,2\n", "line 1: `# a`, from the logs `# b`"),
        ("t.csv", "x\n1\n", "x\n1\n2\n", "line 3: `nothing`, from the logs `2`"),
        ("t.md", "a\n" + 50 * "b" + "c", "a\n" + 50 * "b" + "d", f"line 2: `{20 * 'b'}c`, from the logs `{20 * 'b'}d`"),
        ("t.md", "a\n", "a\r\n", "line ends differ"),
    ],
)
def test_lines_differ(tmp_path, name, old, new, message):
    (tmp_path / "new").mkdir()
    (tmp_path / name).write_bytes(old.encode())
    (tmp_path / "new" / name).write_bytes(new.encode())
    assert lines_differ(tmp_path / name, tmp_path / "new" / name) == message


SCRIPT = """import sys
from nasdmrl.cli import main
sys.argv = ["nasdmrl", "verify", sys.argv[1]]
try:
    main()
finally:
    assert sys.modules["tensorflow"] is None and "keras.src" not in sys.modules"""


def test_the_command_line_verifies_without_tensorflow(small, tmp_path):
    result = subprocess.run([sys.executable, "-c", SCRIPT, str(small)], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    *lines, last = result.stdout.splitlines()
    assert f"{FIGURE16}: identical" in lines
    assert last == f"{small}: no problem, 3 figures and tables made again from the logs and identical"
    members = contents(small) | {"results/extra.csv": b""}
    path = write(tmp_path / "a.zip", members)
    command = [sys.executable, "-m", "nasdmrl.cli", "verify", str(path), "--no-rebuild"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1
    assert "archive: results/extra.csv: not listed in SHA256SUMS, an extra file" in result.stdout
    assert result.stdout.splitlines()[-1] == f"{path}: 2 problems"
