"""The examples: a dataset and an agent in the package, a custom folder, an agent of a library, a claim."""

import importlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import save, stripes
from PIL import Image
from test_env import table

from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.agents.search import Noted, TrialOver, interact
from nasdmrl.analysis.claims import claims_table
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.tables import read_table
from nasdmrl.config.model import load
from nasdmrl.data.catalogue import open_index
from nasdmrl.data.custom import class_folders
from nasdmrl.errors import NasdmrlError
from nasdmrl.files import write_json
from nasdmrl.paper.datasets import with_role
from nasdmrl.space.environment import NASEnv


def small_config(root, folder, **data):
    """The quick scale in a file, with smaller images and shorter trials."""
    values = yaml.safe_load((root / "config/quick.yaml").read_text())
    values["data"] |= {"image_size": 12, "classes": 3, "images_per_class": 12, **data}
    values["early_stop"] = {"epochs": 1, "filters": 2, "dense_units": 8, "batch_size": 16}
    steps = {"meta_a2c": 3, "dqn": 3, "random_search": 12}
    values["exp1"] = {method: dict.fromkeys(with_role("training"), number) for method, number in steps.items()}
    write_json(folder / "config.json", values | {"exp2": {"evaluation_steps": 4}, "exp3": {"steps": 4}})
    return folder / "config.json"


@pytest.mark.parametrize("name", ["own_dataset", "own_agent", "library_agent", "own_claim"])
def test_examples_are_short(root, name):
    assert len((root / f"examples/{name}.py").read_text().splitlines()) < 60


# --- a dataset and an agent in the package ------------------------------------------------------------------


@pytest.fixture(scope="module")
def extended(root, tmp_path_factory):
    """A checkout to which a user has added one file and one entry for each of a dataset and two agents."""
    checkout = tmp_path_factory.mktemp("checkout")
    for folder in ("nasdmrl", "workflow", "config", "envs"):
        shutil.copytree(root / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    data, agents = checkout / "nasdmrl/data", checkout / "nasdmrl/agents"
    shutil.copy(root / "examples/own_dataset.py", data / "pets.py")
    add_after(data / "catalogue.py", '"traffic_sign",', '"pets",')
    shutil.copy(root / "examples/own_agent.py", agents / "climber.py")
    (agents / "deep.py").write_text("from nasdmrl.agents.dqn import make as make\n")
    further = 'Entry("climber", "Hill climbing", "own"), Entry("deep", "Deep", "own", learns=True, sections=("dqn",)),'
    add_after(agents / "registry.py", 'Entry("random_search", "Random search", "paper"),', further)
    return checkout


def add_after(path, entry, further):
    text = path.read_text()
    assert text.count(entry) == 1
    path.write_text(text.replace(entry, f"{entry} {further}"))


def call(checkout, folder, *command):
    """Run a command on a checkout's package in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=folder, env=environment)


def snakemake(checkout, config, *arguments):
    """Run Snakemake in the folder of a configuration."""
    command = ["snakemake", *arguments, "--snakefile", checkout / "workflow/Snakefile", "--configfile", config]
    return call(checkout, config.parent, *command)


def commands(checkout, config):
    """What a run from nothing would call, every parameter in it, by the log of each job."""
    result = snakemake(checkout, config, "-n", "all", "--printshellcmds")
    assert result.returncode == 0, result.stdout + result.stderr
    text = re.sub(r"\S+/source-cache/\S+", "NOTEBOOK", result.stdout)  # its place changes from run to run
    return {re.search(r"results/logs/(\S+)\.log", line)[1]: line for line in text.splitlines() if "nasdmrl " in line}


def searches_of(dataset):
    return {f"{place}/{dataset}/seed1024" for place in ("exp2/meta_a2c", "exp2/random_search", "appendix_a/meta_a2c")}


OF_AGENTS = {f"exp1/{agent}/{data}/seed1024" for agent in ("climber", "deep") for data in with_role("training")}
OF_A_DATASET = {"table5", "table8", "table9", "exp2/summary", "appendix_a/summary", "figures_appendix_a"}
"""What has one row, box or section more. The claims and the figures of Exp. 2 stay the paper's."""


def test_an_added_dataset_and_agent_join_the_run_and_change_no_job_of_the_papers(root, extended, tmp_path):
    config = small_config(root, tmp_path)
    without, with_own = commands(root, config), commands(extended, config)
    assert len(without) > 60
    rules = ("draw_standins", "convert", "decode", "own_curves")
    new = {"exp2/best/pets/best1", *(f"{rule}/pets" for rule in rules), *searches_of("pets")}
    assert with_own.keys() - without.keys() == new | OF_AGENTS
    changed = {log for log, command in without.items() if with_own[log] != command}
    assert changed == OF_A_DATASET | {"table4", "exp1/summary", "figures_exp1_curves"}
    assert "--steps 12 " in with_own["exp1/climber/dtd/seed1024"]  # as long as random search


FOLLOWING = """
from pathlib import Path
from nasdmrl.analysis.figures.registry import panels_with_own
from nasdmrl.analysis.styles import in_order, name_of
from nasdmrl.config.model import load
from nasdmrl.preflight.plan import Study
from nasdmrl.report.archive import missing, packed_files
config, results = load("config.json"), Path("results")
def new(names): print(*(name for name in names if any(own in name for own in ("climber", "deep", "pets"))))
new(job.output for job in Study(config, from_scratch=True).jobs())
(results / "config.json").write_text(config.model_dump_json())
new(missing(results))
new(packed_files(results))
print(*[item.caption for item in panels_with_own(config) if item.own][:1])
print(*map(name_of, in_order(["pets", "climber", "meta_a2c"])), sep="; ")
"""


def test_an_added_dataset_and_agent_run_and_are_planned_and_archived(root, extended, tmp_path):
    """Stand-ins are drawn, converted, decoded and searched by the fixed policy; then nothing of it is left to do."""
    config, learned = small_config(root, tmp_path), "exp1/deep/dtd/seed1024"
    curve, log = "results/figures/own_pets_best_reward.png", "results/exp1/climber/dtd/seed1024/steps.csv"
    wanted = [curve, log, *(f"results/{learned}/{name}" for name in ("steps.csv", "progress.csv", "policy"))]
    result = snakemake(extended, config, *wanted, "--cores", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Nothing to be done" in snakemake(extended, config, "-n", *wanted).stdout
    card = json.loads((tmp_path / "results/data/pets/images/card.json").read_text())
    assert (card["source"], card["images"], card["class_names"][0][:8]) == ("standin", 36, "Standin_")
    steps = pd.read_csv(tmp_path / log)
    assert len(steps) == 12
    assert steps["reward"].max() > 0

    (tmp_path / f"results/{learned}/progress.csv").unlink()
    found = call(extended, tmp_path, sys.executable, "-c", FOLLOWING)
    assert found.returncode == 0, found.stderr
    planned, missed, packed, caption, names = found.stdout.splitlines()
    searches = {*searches_of("pets"), *OF_AGENTS}
    assert set(planned.split()) == {"results/data/pets/images", *(f"results/{name}/steps.csv" for name in searches)}
    made = {"exp1/climber/dtd/seed1024", *(search for search in searches_of("pets") if search.startswith("exp2"))}
    expected = {f"{search}/steps.csv" for search in searches - made - {learned}}
    expected |= {f"{search}/progress.csv" for search in searches if "deep" in search or "appendix" in search}
    assert set(missed.split()) == {*expected, "exp2/best/pets/best1.json"}
    assert {log, f"results/{learned}/policy/card.json", curve} <= set(packed.split())
    assert caption == "Best reward of an episode, Oxford-IIIT Pets"
    assert names == "Deep meta-RL; Hill climbing; Oxford-IIIT Pets"


# --- a custom folder ----------------------------------------------------------------------------------------


def draw_folders(folder, classes=3, images=6):
    """Drawn images: each class has a brightness of its own."""
    draw = np.random.RandomState(0)
    for label in range(classes):
        (folder / f"class{label}").mkdir(parents=True)
        for number in range(images):
            pixels = draw.randint(0, 60, (20, 20, 3)) + 60 * label
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"class{label}/{number}.png")
    return folder


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("class", "1 class folders, at least 2 are needed"),
        ("image", "2 images, a class of pets needs at least 3"),
        ("link", "class9: is a link that leaves"),
        ("hidden", "1 class folders, at least 2 are needed"),
        ("folder", "no such folder; data.own.pets must name a folder"),
    ],
)
def test_a_folder_that_will_not_do_is_refused(tmp_path, spoil, message):
    folder = draw_folders(tmp_path / "pets", classes=1 if spoil == "class" else 2, images=2 if spoil == "image" else 3)
    if spoil == "link":
        (folder / "class9").symlink_to(draw_folders(tmp_path / "elsewhere") / "class0")
    if spoil == "hidden":
        (folder / "class1").rename(folder / ".class1")
    with pytest.raises(NasdmrlError, match=message):
        class_folders("pets", tmp_path / "missing" if spoil == "folder" else folder)


def test_links_of_images_are_not_followed_out_of_the_folder(tmp_path):
    folder = draw_folders(tmp_path / "pets", images=3)
    (folder / "class0/same.png").symlink_to(folder / "class1/0.png")  # within it, a link is an image
    (folder / "class0/notes.txt").write_text("no image")
    assert open_index("pets", folder).images_per_class() == [4, 3, 3]
    contents = {image.name: image.content for image in open_index("pets", folder).images()}
    assert contents["class0/same.png"] == (folder / "class1/0.png").read_bytes()
    outside = draw_folders(tmp_path / "outside") / "class0/0.png"
    (folder / "class2/other.png").symlink_to(outside)
    with pytest.raises(NasdmrlError, match=r"other\.png: is a link that leaves"):
        open_index("pets", folder)
    (folder / "class2/other.png").unlink()
    (folder / "class2/other.png").symlink_to(folder / "class2/nothing.png")
    with pytest.raises(NasdmrlError, match=r"other\.png: cannot be read"):
        list(open_index("pets", folder).images())


def test_a_folder_joins_the_run_and_changes_no_job_of_the_papers(root, tmp_path):
    without = commands(root, small_config(root, tmp_path))
    config = small_config(root, tmp_path, own={"shapes": str(draw_folders(tmp_path / "shapes"))})
    with_own = commands(root, config)
    new = {"convert/shapes", "decode/shapes", "own_curves/shapes", "exp2/best/shapes/best1", *searches_of("shapes")}
    assert with_own.keys() - without.keys() == new
    assert {log for log, command in without.items() if with_own[log] != command} == {*OF_A_DATASET, "report"}
    # Searches for comparison; the transfer chain itself ends with the paper's datasets.
    logs = [f"results/exp1/{method}/shapes/seed1024/steps.csv" for method in ("random_search", "dqn", "meta_a2c")]
    assert snakemake(root, config, "-n", *logs[:2]).returncode == 0
    refused = snakemake(root, config, "-n", logs[2])
    assert "MissingRuleException" in refused.stdout + refused.stderr


def test_a_changed_folder_is_converted_again(root, tmp_path):
    images, wanted = draw_folders(tmp_path / "images"), "results/data/shapes/images"
    config = small_config(root, tmp_path, own={"shapes": str(images)})
    assert snakemake(root, config, wanted, "--cores", "1").returncode == 0
    spec = json.loads((tmp_path / "results/data/shapes/records/dataset_spec.json").read_text())
    assert set(spec["class_names"].values()) == {"class0", "class1", "class2"}
    assert "Nothing to be done" in snakemake(root, config, "-n", wanted).stdout
    os.utime(images / "class0")  # as `touch` does, after an image was replaced under its name
    assert "Convert shapes to TFRecords" in snakemake(root, config, "-n", wanted).stdout
    os.utime(images / "class0", (0, 0))
    Image.new("RGB", (20, 20)).save(images / "class0/new.png")
    assert "Convert shapes to TFRecords" in snakemake(root, config, "-n", wanted).stdout


def test_a_folder_of_genuine_images_is_searched(tmp_path, real_archives):
    """Some textures, unpacked, by the commands that the workflow calls."""
    with tarfile.open(real_archives / "dtd-r1.0.1.tar.gz") as archive:
        members = [member for member in archive.getmembers() if re.match("dtd/images/[a-c].*jpg$", member.name)]
        archive.extractall(tmp_path, members, filter="data")
    counts = Counter(member.name.split("/")[2] for member in members)
    small = {"data": {"image_size": 16}, "early_stop": {"epochs": 1, "filters": 2, "dense_units": 8}}
    config, records, decoded = ["--config", json.dumps(small)], tmp_path / "records", tmp_path / "decoded"
    nasdmrl("convert", "textures", tmp_path / "dtd/images", records, "--own")
    spec = json.loads((records / "dataset_spec.json").read_text())
    assert sorted(spec["images_per_class"].values()) == sorted(counts.values())
    nasdmrl("decode", records, decoded, *config)
    place = ["--images", decoded, "--store", tmp_path / "store", "--output", tmp_path / "steps.csv"]
    nasdmrl("search", "random_search", "textures", "--steps", "5", *place, *config)
    assert pd.read_csv(tmp_path / "steps.csv")["reward"].max() > 0


def nasdmrl(*arguments):
    subprocess.run([sys.executable, "-m", "nasdmrl.cli", *map(str, arguments)], check=True, capture_output=True)


# --- an agent of a library ----------------------------------------------------------------------------------


class Tabular:
    """Q-learning on the step within the episode; with the interface of Stable-Baselines3's agents."""

    def __init__(self, policy, env, seed):
        self.env, self._random = env, np.random.RandomState(seed)
        self.values = np.zeros((11, env.action_space.n))

    def learn(self, steps):
        ended, place = True, 0
        for _ in range(steps + 7):  # one that rounds up, as libraries do
            if ended:
                self.env.reset()
                place = 0
            greedy = self._random.rand() < 0.5
            action = int(self.values[place].argmax() if greedy else self._random.randint(self.env.action_space.n))
            _, reward, ended, _, _ = self.env.step(action)
            future = 0.0 if ended else self.values[place + 1].max()
            self.values[place, action] += 0.5 * (reward + future - self.values[place, action])
            place += 1


class Faulty(Tabular):
    """An agent with a mistake in it."""

    def learn(self, steps):
        self.policy.act()


class Scripted:
    """What random search does, with the loop in the agent's hands."""

    def __init__(self, env, seed):
        self.env, self._random = env, random.Random(str(seed))

    def learn(self):
        while True:
            self.env.reset()
            self.env.reset()  # some libraries do it twice
            ended = False
            while not ended:
                *_, ended, _, _ = self.env.step(np.int64(self._random.randint(0, 7)))


def test_rows_are_those_of_our_own_loop():
    rows = []
    with pytest.raises(TrialOver):
        Scripted(Noted(NASEnv(table), 60, rows.append), 3).learn()
    ours = list(interact(RandomSearch(8, 3), NASEnv(table), 60))
    assert [{**row, "spent_seconds": 0} for row in rows] == [{**row, "spent_seconds": 0} for row in ours]


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """The current folder, with the images and the configuration of a run."""
    save(stripes(60), tmp_path / "results/data/dtd/images")
    small = {"early_stop": {"epochs": 1, "filters": 2, "dense_units": 8}, "environment": {"max_actions": 4}}
    write_json(tmp_path / "results/config.json", {"scale": "test", "seeds": [1, 2], **small})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_example(root, folder, name, *arguments):
    command = [sys.executable, root / "examples" / name, *arguments]
    paths = os.pathsep.join(map(str, (root, root / "tests")))
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": paths})


def test_library_agent_with_every_seed_and_its_curve(root, run_folder):
    result = run_example(root, run_folder, "library_agent.py", "test_examples.Tabular", "dtd", "25")
    logs = [f"results/exp1/own_tabular/dtd/seed{seed}/steps.csv" for seed in (1, 2)]
    assert result.stdout.splitlines() == [f"{log}: 25 of 25 steps" for log in logs], result.stderr
    steps = pd.read_csv(logs[0])
    assert list(steps["step"]) == list(range(1, 26))
    assert steps["episode_step"].max() == 4
    assert list(steps["episode"].diff().fillna(0)) == [0, *steps["episode_end"].iloc[:-1]]
    assert steps["reward"].max() > 0
    nasdmrl("curves", *logs, "--output", "mine/curves", "--config", "results/config.json")
    assert (run_folder / "mine/curves_dtd_best_reward.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["Tabular", "no_such_package.Agent", "test_examples.NoSuchAgent", "os.path"])
def test_a_name_that_is_no_agents_is_one_message(root, run_folder, name):
    result = run_example(root, run_folder, "library_agent.py", name, "dtd")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"Error: {name}: no such class; expected MODULE.CLASS of a package, or of a file in this folder"
    ]


def test_a_number_of_steps_that_is_none_shows_the_usage(root, tmp_path):
    result = run_example(root, tmp_path, "library_agent.py", "test_examples.Tabular", "dtd", "many")
    assert result.returncode == 1
    assert "stable_baselines3.A2C dtd [STEPS]" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_mistake_in_the_agent_is_told_with_its_place(root, run_folder):
    result = run_example(root, run_folder, "library_agent.py", "test_examples.Faulty", "dtd", "2")
    assert result.returncode == 1
    assert "in learn" in result.stderr
    assert "AttributeError: 'Faulty' object has no attribute 'policy'" in result.stderr
    assert not list(run_folder.glob("results/exp1/**/*.csv"))


# --- a claim ------------------------------------------------------------------------------------------------


@pytest.fixture
def own_claim(root, monkeypatch):
    """The example as a module."""
    monkeypatch.syspath_prepend(root / "examples")
    return importlib.import_module("own_claim")


def write_rewards(results, method, rewards, seed=1024):
    """A step log on dtd of as many episodes of one step."""
    log = results / f"exp1/{method}/dtd/seed{seed}/steps.csv"
    log.parent.mkdir(parents=True, exist_ok=True)
    number = range(1, len(rewards) + 1)
    steps = {"step": number, "episode": number, "reward": rewards, "episode_end": 1}
    pd.DataFrame(steps).to_csv(log, index=False)
    return log


@pytest.mark.parametrize(
    ("difference", "seeds", "verdict", "word"),
    [
        (0.05, (1, 2, 3), "reproduced", "5.00 percentage points, 95 % interval"),
        (-0.005, (1, 2, 3), "reproduced", "-0.50 percentage points"),  # half a point worse does not matter
        (-0.05, (1, 2, 3), "not reproduced", "-5.00 percentage points, 95 % interval"),
        (-0.01, (1, 2, 3), "undecided", "-1.00 percentage points, 95 % interval"),
        (0.05, (1,), "undecided", "(holds in this one run)"),
    ],
)
def test_own_claim(own_claim, tmp_path, difference, seeds, verdict, word):
    """Rewards of each seed near two means; random search goes on for longer, which does not count."""
    write_json(tmp_path / "config.json", {"scale": "test", "seeds": list(seeds)})
    for seed in seeds:
        rewards = 0.5 + 0.001 * seed + np.resize([0.01, -0.01], 60) + np.linspace(0, 0.001, 60)
        write_rewards(tmp_path, "dqn", rewards + difference, seed)
        write_rewards(tmp_path, "random_search", [*rewards, *[0.9] * 40], seed)
    row = own_claim.judged(tmp_path).iloc[0]
    assert (row["claim"], row["verdict"]) == ("M1", verdict)
    assert word in row["measured"]
    assert "decide the paper's claim" in row["caveat"]


def test_own_claim_is_kept_once_beside_others(own_claim, tmp_path):
    write_json(tmp_path / "config.json", {"scale": "test"})
    write_rewards(tmp_path, "dqn", [0.5])
    assert own_claim.judged(tmp_path).iloc[0]["verdict"] == "not run"
    kept = tmp_path / "own_claims.csv"
    kept.write_text(kept.read_text().replace("\nM1,", "\nM0,"))
    write_rewards(tmp_path, "random_search", [0.5])
    for _ in range(2):
        own_claim.judged(tmp_path)
    table = read_table(kept)
    assert list(zip(table["claim"], table["verdict"], strict=True)) == [("M0", "not run"), ("M1", "undecided")]
    settings = load(tmp_path / "config.json")
    assert list(table) == list(claims_table(tmp_path, settings, provenance(settings)))
