"""The workflow from end to end at the quick scale with shorter trials: what it makes, and what makes it run again."""

import json
import os
import re
import subprocess
from pathlib import Path

from test_data import REAL

from nasdmrl.analysis.tables import read_table
from nasdmrl.config import ARCHIVES_VARIABLE
from nasdmrl.data.standins import CLASSES

SHORT = "{omniglot: 5, vgg_flower: 5, dtd: 5}"
SHORTER = [
    f"exp1={{meta_a2c: {SHORT}, dqn: {SHORT}, random_search: {{omniglot: 5, vgg_flower: 5, dtd: 40}}}}",
    "exp2={evaluation_steps: 4}",
    "dqn={learning_starts: 2}",
]
SEARCHES = {"random_search", "dqn", "meta_a2c", "evaluate_policy"}
CHAIN, UNSEEN = ("omniglot", "vgg_flower", "dtd"), ("aircraft", "cu_birds")
PANELS = [f"results/figures/fig09{panel}.{kind}" for panel in "abcdefghi" for kind in ("pdf", "png")]


def snakemake(root, folder, *arguments, archives=None, config=()):
    environment = {**os.environ, **({ARCHIVES_VARIABLE: str(archives)} if archives else {})}
    command = ["snakemake", *arguments, "--snakefile", f"{root}/workflow/Snakefile", "--directory", str(folder)]
    command += ["--configfile", f"{root}/config/quick.yaml", "--config", *SHORTER, *config]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root)


def planned(result):
    """Rules that a dry run would run."""
    assert result.returncode == 0, result.stderr
    text = result.stdout + result.stderr
    if "Nothing to be done" in text:
        return set()
    table = text.split("Job stats:")[1].split("total")[0]
    return set(re.findall(r"^(\w+)\s+\d+$", table, re.MULTILINE)) - {"all"}


def check_policies(folder):
    """Each policy of the chain knows the datasets it came through; DQN starts anew on each."""
    for place, dataset in enumerate(CHAIN):
        card = json.loads((folder / f"meta_a2c/{dataset}/seed1024/policy/card.json").read_text())
        assert [trial["dataset"] for trial in card["history"]] == list(CHAIN[: place + 1])
        assert (card["history"][-1]["steps"], card["history"][-1]["seed"]) == (5, 1024)
        card = json.loads((folder / f"dqn/{dataset}/seed1024/policy/card.json").read_text())
        assert [trial["dataset"] for trial in card["history"]] == [dataset]
        progress = (folder / f"meta_a2c/{dataset}/seed1024/progress.csv").read_text().splitlines()
        assert progress[0] == "step,entropy,policy_loss,value_loss,explained_variance,gradient_norm"
        assert [line.split(",")[0] for line in progress[1:]] == ["5"]


def check_outputs(folder):
    for panel in PANELS:
        assert (folder / panel).stat().st_size > 1000
    assert (folder / "results/notebooks/exp1.ipynb").exists()
    runs = {}
    for experiment in ("exp1", "exp2"):
        summary = read_table(folder / f"results/{experiment}/summary.csv")
        runs |= {(experiment, row["method"], row["dataset"]): row["steps"] for _, row in summary.iterrows()}
    assert runs == {
        **{("exp1", method, dataset): 5 for method in ("meta_a2c", "dqn") for dataset in CHAIN},
        **{("exp1", "random_search", dataset): steps for dataset, steps in zip(CHAIN, (5, 5, 40), strict=True)},
        **{("exp2", method, dataset): 4 for method in ("meta_a2c", "random_search") for dataset in UNSEEN},
    }
    check_policies(folder / "results/exp1")
    # Random search's rewards spread, so that there is something to learn; textures are the hardest to tell apart.
    table = read_table(folder / "results/exp1/summary.csv").set_index(["method", "dataset"])
    textures = table.loc[("random_search", "dtd")]
    assert textures["best_reward"] >= 3 * textures["chance"]
    assert textures["best_reward"] >= textures["median_reward"] + 0.1


def test_standins_end_to_end(root, tmp_path):
    result = snakemake(root, tmp_path, "all")
    assert result.returncode == 0, result.stderr
    check_outputs(tmp_path)
    table = read_table(tmp_path / "results/tables/table3.csv")
    assert (table["classes"] == CLASSES).all()
    assert "stand-ins, not the paper's images" in (tmp_path / "results/tables/table3.csv").read_text()

    assert planned(snakemake(root, tmp_path, "-n", "all")) == set()
    training = planned(snakemake(root, tmp_path, "-n", "all", config=["early_stop={epochs: 3}"]))
    assert training == {*SEARCHES, "figure_9", "search_summary"}
    assert planned(snakemake(root, tmp_path, "-n", "all", config=["plots={dpi: 100}"])) == {"figure_9"}
    learner = planned(snakemake(root, tmp_path, "-n", "all", config=["meta_a2c={discount: 0.8}"]))
    assert learner == {"meta_a2c", "evaluate_policy", "figure_9", "search_summary"}
    # A deleted result comes back without training anything.
    log = tmp_path / "results/exp1/random_search/dtd/seed1024/steps.csv"
    before, store = log.read_text(), sorted(tmp_path.glob("results/store/*"))
    log.unlink()
    assert snakemake(root, tmp_path, str(log.relative_to(tmp_path))).returncode == 0
    assert sorted(tmp_path.glob("results/store/*")) == store
    assert [line.rsplit(",", 1)[0] for line in log.read_text().splitlines()] == [
        line.rsplit(",", 1)[0] for line in before.splitlines()
    ]


def test_genuine_images_end_to_end(root, tmp_path, real_archives):
    result = snakemake(root, tmp_path, "all", archives=real_archives)
    assert result.returncode == 0, result.stderr
    check_outputs(tmp_path)
    table = read_table(tmp_path / "results/tables/table3.csv").set_index("dataset")
    assert {name: (row["classes"], row["images"]) for name, row in table.iterrows()} == REAL


def test_bad_configuration_is_one_clear_message(root, tmp_path):
    result = snakemake(root, tmp_path, "-n", "all", config=["early_stop={epoch: 3}"])
    assert result.returncode != 0
    assert "early_stop.epoch: unknown key; did you mean `epochs`" in result.stdout + result.stderr


def test_damaged_archive_stops_with_its_message(root, tmp_path, standins):
    archives = tmp_path / "archives"
    archives.mkdir()
    for path in Path(standins).iterdir():
        (archives / path.name).write_bytes(path.read_bytes())
    (archives / "dtd-r1.0.1.tar.gz").write_bytes(b"\x1f\x8b broken")
    result = snakemake(root, tmp_path, "results/data/dtd/images", archives=archives)
    assert result.returncode != 0
    assert "dtd-r1.0.1.tar.gz: the archive is damaged or cut short" in result.stderr + result.stdout
    assert not (tmp_path / "results/data/dtd/records").exists()


# Section 7 of the paper: method, dataset, t_max.
PAPER_SEARCHES = {
    ("meta_a2c", "omniglot", 8000),
    ("meta_a2c", "vgg_flower", 7000),
    ("meta_a2c", "dtd", 7000),
    ("dqn", "omniglot", 6500),
    ("dqn", "vgg_flower", 5500),
    ("dqn", "dtd", 7000),
    ("random_search", "omniglot", 6500),
    ("random_search", "vgg_flower", 5500),
    ("random_search", "dtd", 7000),
    ("meta_a2c", "aircraft", 2000),
    ("meta_a2c", "cu_birds", 2000),
    ("random_search", "aircraft", 2000),
    ("random_search", "cu_birds", 2000),
}


def test_paper_scale_plans_the_jobs_of_section_7(root, tmp_path):
    command = ["snakemake", "-n", "all", "--printshellcmds", "--snakefile", f"{root}/workflow/Snakefile"]
    command += ["--directory", str(tmp_path), "--configfile", f"{root}/config/paper.yaml"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    jobs = re.findall(r"nasdmrl search (\w+) (\w+) --seed 1024 --steps (\d+)", text)
    assert len(jobs) == len(PAPER_SEARCHES)
    assert {(method, dataset, int(steps)) for method, dataset, steps in jobs} == PAPER_SEARCHES
    assert text.count("--fixed") == 2
    documented = re.findall(
        r"^\| (\w+) \| `(\w+)` \| (\d+) \|", (root / "docs/experiments.md").read_text(), re.MULTILINE
    )
    assert {(method, dataset, int(steps)) for dataset, method, steps in documented} == PAPER_SEARCHES


def test_several_seeds_are_several_chains(root, tmp_path):
    result = snakemake(root, tmp_path, "-n", "all", config=["seeds=[1, 2]"])
    jobs = dict(re.findall(r"^(\w+)\s+(\d+)$", result.stdout.split("Job stats:")[1].split("total")[0], re.MULTILINE))
    assert {name: int(jobs[name]) for name in SEARCHES} == {
        "random_search": 10,
        "dqn": 6,
        "meta_a2c": 6,
        "evaluate_policy": 4,
    }


def test_reduced_scale_plans_without_error(root, tmp_path):
    result = snakemake(root, tmp_path, "-n", "all")
    assert {"draw_standins", "convert", "decode", *SEARCHES} <= planned(result)
    command = ["snakemake", "-n", "all", "--snakefile", f"{root}/workflow/Snakefile", "--directory", str(tmp_path)]
    reduced = subprocess.run([*command, "--configfile", f"{root}/config/reduced.yaml"], capture_output=True, text=True)
    assert {"download", "convert", "decode", *SEARCHES, "figure_9"} <= planned(reduced)
