"""The examples: a dataset, an agent and a claim of one's own."""

import importlib
import json
import os
import re
import subprocess
import sys
import tarfile
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from conftest import save, stripes
from golden import write_golden
from PIL import Image
from test_env import table

from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.agents.search import Noted, TrialOver, interact
from nasdmrl.analysis.claims import claims_table
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.tables import read_table
from nasdmrl.config.model import load
from nasdmrl.data.archives import open_index
from nasdmrl.errors import NasdmrlError
from nasdmrl.files import write_json
from nasdmrl.space.environment import NASEnv

EXAMPLES = ("own_dataset", "own_agent", "own_claim")
TINY = [
    "early_stop={epochs: 1, filters: 2, dense_units: 8, batch_size: 16}",
    "exp1={meta_a2c: {omniglot: 3, vgg_flower: 3, dtd: 3}}",
    "exp2={evaluation_steps: 4}",
    "data={source: standin, image_size: 12, classes: 3, images_per_class: 12, require_official_counts: false}",
]


@pytest.fixture
def example(root, monkeypatch):
    """Imports an example."""
    monkeypatch.syspath_prepend(root / "examples")
    return importlib.import_module


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_short(root, name):
    assert len((root / f"examples/{name}.py").read_text().splitlines()) < 60


def class_folders(folder, classes=3, images=6):
    """Drawn images: each class has a brightness of its own."""
    random = np.random.RandomState(0)
    for label in range(classes):
        (folder / f"class{label}").mkdir(parents=True)
        for number in range(images):
            pixels = random.randint(0, 60, (20, 20, 3)) + 60 * label
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"class{label}/{number}.png")
    return folder


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("dtd", None, "`dtd` is a dataset of the paper; give yours another name"),
        ("My Pets", None, "expected lower-case letters, digits and `_`"),
        ("pets", "class", "1 class folders, at least 2 are needed"),
        ("pets", "image", "2 images, a class of pets needs at least 3"),
        ("pets", "link", "class9: is a link that leaves"),
        ("pets", "hidden", "1 class folders, at least 2 are needed"),
        ("pets", "folder", "no such folder; data.own.pets must name a folder"),
    ],
)
def test_a_dataset_that_will_not_do_is_refused(example, root, tmp_path, name, spoil, message):
    folder = class_folders(tmp_path / "pets", classes=1 if spoil == "class" else 2, images=2 if spoil == "image" else 3)
    if spoil == "link":
        (folder / "class9").symlink_to(class_folders(tmp_path / "elsewhere") / "class0")
    if spoil == "hidden":
        (folder / "class1").rename(folder / ".class1")
    place = tmp_path / "missing" if spoil == "folder" else folder
    with pytest.raises(NasdmrlError, match=message):
        example("own_dataset").write_config(place, name, root / "config/quick.yaml", tmp_path / "own.yaml")
    assert not (tmp_path / "own.yaml").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"base\.yaml: cannot be read"),
        ("data: [", r"base\.yaml: is not YAML"),
        ("data:", r"base\.yaml: data: "),
        ("sale: quick", r"base\.yaml: sale: unknown key; did you mean `scale`"),
    ],
)
def test_a_base_that_will_not_do_is_named(example, tmp_path, text, message):
    base, folder = tmp_path / "base.yaml", class_folders(tmp_path / "pets")
    if text is not None:
        base.write_text(text)
    with pytest.raises(NasdmrlError, match=message):
        example("own_dataset").write_config(folder, "pets", base, tmp_path / "own.yaml")
    assert not (tmp_path / "own.yaml").exists()


def test_a_second_dataset_joins_the_first(example, root, tmp_path):
    folder, first, both = class_folders(tmp_path / "pets"), tmp_path / "pets.yaml", tmp_path / "cars.yaml"
    example("own_dataset").write_config(folder, "pets", root / "config/quick.yaml", first)
    example("own_dataset").write_config(folder, "cars", first, both)
    assert load(both).data.own == {"pets": str(folder), "cars": str(folder)}
    assert load(both).data.image_size == load(root / "config/quick.yaml").data.image_size == 32


def test_a_configuration_of_ones_own_is_not_replaced(example, root, tmp_path):
    folder, quick, output = class_folders(tmp_path / "pets"), root / "config/quick.yaml", tmp_path / "pets.yaml"
    example("own_dataset").write_config(folder, "pets", quick, output)
    output.write_text(output.read_text().replace("scale: quick", "scale: mine # and why"))
    mine = output.read_text()
    with pytest.raises(NasdmrlError, match=r"pets\.yaml: has other settings; remove it, give it as CONFIG"):
        example("own_dataset").write_config(folder, "pets", quick, output)
    example("own_dataset").write_config(folder, "pets", output, output)
    assert output.read_text() == mine


def test_links_of_images_are_not_followed_out_of_the_folder(tmp_path):
    folder = class_folders(tmp_path / "pets", images=3)
    (folder / "class0/same.png").symlink_to(folder / "class1/0.png")  # within it, a link is an image
    (folder / "class0/notes.txt").write_text("no image")
    assert open_index("pets", folder).images_per_class() == [4, 3, 3]
    contents = {image.name: image.content for image in open_index("pets", folder).images()}
    assert contents["class0/same.png"] == (folder / "class1/0.png").read_bytes()
    outside = class_folders(tmp_path / "outside") / "class0/0.png"
    (folder / "class2/other.png").symlink_to(outside)
    with pytest.raises(NasdmrlError, match=r"other\.png: is a link that leaves"):
        open_index("pets", folder)
    (folder / "class2/other.png").unlink()
    (folder / "class2/other.png").symlink_to(folder / "class2/nothing.png")
    with pytest.raises(NasdmrlError, match=r"other\.png: cannot be read"):
        list(open_index("pets", folder).images())


def snakemake(root, folder, *arguments, config):
    command = ["snakemake", *arguments, "--snakefile", f"{root}/workflow/Snakefile", "--directory", str(folder)]
    command += ["--configfile", str(config), "--config", *TINY[:3]]
    return subprocess.run(command, capture_output=True, text=True, cwd=root)


def configured(example, root, folder, images):
    """A tiny configuration with the dataset `pets`."""
    small = folder / "small.yaml"
    text = (root / "config/quick.yaml").read_text().replace("image_size: 32", "image_size: 12")
    small.write_text(text.replace("classes: 16", "classes: 3").replace("images_per_class: 120", "images_per_class: 12"))
    return example("own_dataset").write_config(images, "pets", small, folder / "pets.yaml")


def test_own_dataset(example, root, tmp_path):
    """Converted, decoded and searched by the fixed policy and by random search; then nothing of it is left to do."""
    config = configured(example, root, tmp_path, class_folders(tmp_path / "images"))
    wanted = example("own_dataset").targets("pets")
    result = snakemake(root, tmp_path, *wanted, "--cores", "2", config=config)
    assert result.returncode == 0, result.stdout + result.stderr
    spec = json.loads((tmp_path / "results/data/pets/records/dataset_spec.json").read_text())
    assert set(spec["class_names"].values()) == {"class0", "class1", "class2"}
    for method in ("meta_a2c", "random_search"):
        steps = pd.read_csv(tmp_path / f"results/exp2/{method}/pets/seed1024/steps.csv")
        assert len(steps) == 4
        assert (steps["status"] == "ok").any()
    best = json.loads((tmp_path / wanted[0]).read_text())
    assert (best["dataset"], best["n_classes"]) == ("pets", 3)
    assert (tmp_path / wanted[1]).stat().st_size > 1000
    assert "Nothing to be done" in snakemake(root, tmp_path, "-n", *wanted, config=config).stdout
    os.utime(tmp_path / "images/class0")  # as `touch` does, after an image was replaced under its name
    assert "Convert pets to TFRecords" in snakemake(root, tmp_path, "-n", *wanted, config=config).stdout
    os.utime(tmp_path / "images/class0", (0, 0))
    Image.new("RGB", (20, 20)).save(tmp_path / "images/class0/new.png")
    assert "Convert pets to TFRecords" in snakemake(root, tmp_path, "-n", *wanted, config=config).stdout
    # Searches for comparison; the transfer chain itself ends with the paper's datasets.
    searches = [f"results/exp1/{method}/pets/seed1024/steps.csv" for method in ("random_search", "dqn", "meta_a2c")]
    assert snakemake(root, tmp_path, "-n", *searches[:2], config=config).returncode == 0
    refused = snakemake(root, tmp_path, "-n", searches[2], config=config)
    assert "MissingRuleException" in refused.stdout + refused.stderr
    # The paper's datasets do not notice it, there or gone.
    paper = "results/exp1/meta_a2c/dtd/seed1024/steps.csv"
    assert "Nothing to be done" in snakemake(root, tmp_path, "-n", paper, config=tmp_path / "small.yaml").stdout


def commands(root, folder, config):
    """What a run from nothing would call, every parameter in it, by the log of each job."""
    result = snakemake(root, folder, "-n", "all", "--printshellcmds", config=config)
    assert result.returncode == 0, result.stdout + result.stderr
    text = re.sub(r"\S+/source-cache/\S+", "NOTEBOOK", result.stdout)  # its place changes from run to run
    return {re.search(r"results/logs/(\S+)\.log", line)[1]: line for line in text.splitlines() if "nasdmrl " in line}


def test_own_dataset_changes_no_job_of_the_papers(example, root, tmp_path):
    config = configured(example, root, tmp_path, class_folders(tmp_path / "images"))
    without, with_own = (commands(root, tmp_path, place) for place in (tmp_path / "small.yaml", config))
    assert len(without) > 60
    searches = [f"{place}/pets/seed1024" for place in ("exp2/meta_a2c", "exp2/random_search", "appendix_a/meta_a2c")]
    new = {"convert/pets", "decode/pets", "own_curves/pets", "exp2/best/pets/best1", *searches}
    assert with_own.keys() - without.keys() == new
    # What has one row, box or section more. The claims and the figures of Exp. 2 stay the paper's.
    tables = {"table5", "table8", "table9", "exp2/summary", "appendix_a/summary"}
    changed = {log for log, command in without.items() if with_own[log] != command}
    assert changed == {*tables, "figures_appendix_a", "report"}


def test_a_folder_of_genuine_images_is_searched(tmp_path, real_archives):
    """Three classes of textures, unpacked, by the commands that the workflow calls."""
    images, counts = tmp_path / "images", Counter()
    with tarfile.open(real_archives / "dtd-r1.0.1.tar.gz") as archive:
        names = [name for name in archive.getnames() if name.startswith("dtd/images/") and name.endswith(".jpg")]
        for name in names:
            label = name.split("/")[2]
            if label in counts or len(counts) < 3:
                counts[label] += 1
                (images / label).mkdir(parents=True, exist_ok=True)
                (images / label / name.split("/")[3]).write_bytes(archive.extractfile(name).read())
    small = {"data": {"image_size": 16}, "early_stop": {"epochs": 1, "filters": 2, "dense_units": 8}}
    config, records, decoded = ["--config", json.dumps(small)], tmp_path / "records", tmp_path / "decoded"
    nasdmrl("convert", "textures", images, records, "--own")
    spec = json.loads((records / "dataset_spec.json").read_text())
    assert sorted(spec["images_per_class"].values()) == sorted(counts.values())
    nasdmrl("decode", records, decoded, *config)
    place = ["--images", decoded, "--store", tmp_path / "store", "--output", tmp_path / "steps.csv"]
    nasdmrl("search", "random_search", "textures", "--steps", "5", *place, *config)
    assert pd.read_csv(tmp_path / "steps.csv")["reward"].max() > 0


def nasdmrl(*arguments):
    subprocess.run([sys.executable, "-m", "nasdmrl.cli", *map(str, arguments)], check=True, capture_output=True)


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


class Scripted:
    """What random search does, with the loop in the agent's hands."""

    def __init__(self, env, seed):
        self.env, self._random = env, np.random.RandomState(seed)

    def learn(self):
        while True:
            self.env.reset()
            self.env.reset()  # some libraries do it twice
            ended = False
            while not ended:
                *_, ended, _, _ = self.env.step(np.int64(self._random.randint(8)))


def test_rows_are_those_of_our_own_loop():
    rows = []
    with pytest.raises(TrialOver):
        Scripted(Noted(NASEnv(table), 60, rows.append), 3).learn()
    ours = list(interact(RandomSearch(8, 3), NASEnv(table), 60))
    assert [{**row, "spent_seconds": 0} for row in rows] == [{**row, "spent_seconds": 0} for row in ours]


def check_own_agent(example, tmp_path, agent):
    results = tmp_path / "results"
    save(stripes(60), results / "data/dtd/images")
    small = {"early_stop": {"epochs": 1, "filters": 2, "dense_units": 8}, "environment": {"max_actions": 4}}
    write_json(results / "config.json", {"scale": "test", **small})
    settings = load(results / "config.json")
    log = example("own_agent").search(agent, "dtd", 25, results, settings)
    steps = pd.read_csv(log)
    assert log == results / f"exp1/own_{agent.__name__.lower()}/dtd/seed1024/steps.csv"
    assert list(steps["step"]) == list(range(1, 26))
    assert steps["episode_step"].max() == 4
    assert list(steps["episode"].diff().fillna(0)) == [0, *steps["episode_end"].iloc[:-1]]
    assert steps["reward"].max() > 0
    write_golden(results)  # logs of the paper's methods
    figures = example("own_agent").draw("dtd", results, settings)
    assert figures[0].name == "own_agent_dtd_best_reward.png"
    assert all(figure.stat().st_size > 1000 for figure in figures)


def test_own_agent(example, tmp_path):
    check_own_agent(example, tmp_path, Tabular)


def test_own_agent_of_stable_baselines(example, tmp_path):
    check_own_agent(example, tmp_path, pytest.importorskip("stable_baselines3").A2C)


class Faulty(Tabular):
    """An agent with a mistake in it."""

    def learn(self, steps):
        self.policy.act()


def run_example(root, folder, name, *arguments):
    command = [sys.executable, root / "examples" / name, *arguments]
    paths = os.pathsep.join(map(str, (root, root / "tests")))
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": paths})


@pytest.mark.parametrize("name", ["Tabular", "no_such_package.Agent", "test_examples.NoSuchAgent", "os.path"])
def test_a_name_that_is_no_agents_is_one_message(root, tmp_path, name):
    write_json(tmp_path / "results/config.json", {"scale": "test"})
    result = run_example(root, tmp_path, "own_agent.py", name, "dtd")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"Error: {name}: no such class; expected MODULE.CLASS of a package, or of a file in this folder"
    ]


def test_a_number_of_steps_that_is_none_shows_the_usage(root, tmp_path):
    result = run_example(root, tmp_path, "own_agent.py", "test_examples.Tabular", "dtd", "many")
    assert result.returncode == 1
    assert "stable_baselines3.A2C dtd [STEPS]" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [["own_agent.py", "test_examples.Tabular", "dtd"], ["own_claim.py"]])
def test_without_results_there_is_one_message(root, tmp_path, arguments):
    result = run_example(root, tmp_path, *arguments)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "Error: results/config.json: cannot be read (No such file or directory); `snakemake all` makes it"
    )


def test_the_agent_of_the_documentation_searches(root, tmp_path):
    """A module of the current folder, with the seeds of the configuration."""
    save(stripes(60), tmp_path / "results/data/dtd/images")
    small = {"early_stop": {"epochs": 1, "filters": 2, "dense_units": 8}, "seeds": [1, 2]}
    write_json(tmp_path / "results/config.json", {"scale": "test", **small})
    page = (root / "docs/extending.md").read_text()
    (tmp_path / "mine.py").write_text(re.search(r"```python\n(.*?class Climber.*?)```", page, re.DOTALL)[1])
    result = run_example(root, tmp_path, "own_agent.py", "mine.Climber", "dtd", "12")
    assert result.returncode == 0, result.stderr
    logs = [f"results/exp1/own_climber/dtd/seed{seed}/steps.csv: 12 of 12 steps" for seed in (1, 2)]
    assert result.stdout.splitlines()[:2] == logs
    assert (tmp_path / "results/figures/own_agent_dtd_best_reward.png").exists()


def test_curves_take_each_search_once(example, tmp_path, monkeypatch):
    """Baselines of Exp. 2 where Exp. 1 has none, and no seed that the configuration does not name."""
    kept = ["exp1/own_a2c/dtd/seed1", "exp1/dqn/dtd/seed1", "exp2/meta_a2c/dtd/seed1", "exp1/random_search/dtd/seed1"]
    for place in (*kept, "exp2/random_search/dtd/seed1", "exp1/own_a2c/dtd/seed2", "exp1/dqn/omniglot/seed1"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "steps.csv").touch()
    drawn = []
    monkeypatch.setattr(example("own_agent"), "save_curves", lambda logs, *_: drawn.extend(logs) or [])
    example("own_agent").draw("dtd", tmp_path, load('{"seeds": [1]}'))
    assert sorted(drawn) == sorted(tmp_path / place / "steps.csv" for place in kept)


def test_a_mistake_in_the_agent_is_told_with_its_place(root, tmp_path):
    save(stripes(60), tmp_path / "results/data/dtd/images")
    write_json(tmp_path / "results/config.json", {"scale": "test"})
    result = run_example(root, tmp_path, "own_agent.py", "test_examples.Faulty", "dtd", "2")
    assert result.returncode == 1
    assert "in learn" in result.stderr
    assert "AttributeError: 'Faulty' object has no attribute 'policy'" in result.stderr
    assert not list(tmp_path.glob("results/exp1/**/*.csv"))


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
def test_own_claim(example, tmp_path, difference, seeds, verdict, word):
    """Rewards of each seed near two means; random search goes on for longer, which does not count."""
    write_json(tmp_path / "config.json", {"scale": "test", "seeds": list(seeds)})
    for seed in seeds:
        rewards = 0.5 + 0.001 * seed + np.resize([0.01, -0.01], 60) + np.linspace(0, 0.001, 60)
        write_rewards(tmp_path, "dqn", rewards + difference, seed)
        write_rewards(tmp_path, "random_search", [*rewards, *[0.9] * 40], seed)
    row = example("own_claim").judged(tmp_path).iloc[0]
    assert (row["claim"], row["verdict"]) == ("M1", verdict)
    assert word in row["measured"]
    assert "decide the paper's claim" in row["caveat"]


def test_own_claim_is_kept_once_beside_others(example, tmp_path):
    write_json(tmp_path / "config.json", {"scale": "test"})
    write_rewards(tmp_path, "dqn", [0.5])
    assert example("own_claim").judged(tmp_path).iloc[0]["verdict"] == "not run"
    kept = tmp_path / "own_claims.csv"
    kept.write_text(kept.read_text().replace("\nM1,", "\nM0,"))
    write_rewards(tmp_path, "random_search", [0.5])
    for _ in range(2):
        example("own_claim").judged(tmp_path)
    table = read_table(kept)
    assert list(zip(table["claim"], table["verdict"], strict=True)) == [("M0", "not run"), ("M1", "undecided")]
    settings = load(tmp_path / "config.json")
    assert list(table) == list(claims_table(tmp_path, settings, provenance(settings)))
