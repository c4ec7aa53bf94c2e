"""The workflow from end to end at the quick scale with shorter trials: what it makes, and what makes it run again."""

import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pandas as pd
import papermill
import pytest
from doc_blocks import run_documented
from test_data import REAL
from test_search import check_multi_branch_log

from nasdmrl.analysis.claims import CLAIMS
from nasdmrl.analysis.figures.registry import TABLES, notebooks, panels
from nasdmrl.analysis.tables import read_table
from nasdmrl.config.model import ARCHIVES_VARIABLE, Config
from nasdmrl.data.standins import CLASSES

SHORT = "{omniglot: 5, vgg_flower: 5, dtd: 5}"
SHORTER = [
    f"exp1={{meta_a2c: {SHORT}, dqn: {SHORT}, random_search: {{omniglot: 5, vgg_flower: 5, dtd: 40}}}}",
    "exp2={evaluation_steps: 4, epochs: 1}",
    "exp3={steps: 60}",
    "appendix_a={steps: 4}",
    "dqn={learning_starts: 2}",
]
SEARCHES = {"random_search", "dqn", "meta_a2c", "evaluate_policy", "multi_branch", "hardness_study"}
FIGURES = {f"figures_{notebook}" for notebook in notebooks()}
FROM_LOGS = {*FIGURES, "running_times", "search_summary", "claims", "report"}
CHAIN, UNSEEN = ("omniglot", "vgg_flower", "dtd"), ("aircraft", "cu_birds")
ALL = (*CHAIN, *UNSEEN, "traffic_sign")


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


def read(folder, name):
    return read_table(folder / f"results/{name}.csv")


def check_searches(folder, hardness):
    runs = {}
    for experiment in ("exp1", "exp2", "exp3", "appendix_a"):
        summary = read(folder, f"{experiment}/summary")
        runs |= {(experiment, row["method"], row["dataset"]): row["steps"] for _, row in summary.iterrows()}
    assert runs == {
        **{("exp1", method, dataset): 5 for method in ("meta_a2c", "dqn") for dataset in CHAIN},
        **{("exp1", "random_search", dataset): steps for dataset, steps in zip(CHAIN, (5, 5, 40), strict=True)},
        **{("exp2", method, dataset): 4 for method in ("meta_a2c", "random_search") for dataset in UNSEEN},
        **{("exp3", f"sigma{sigma}", "omniglot"): 60 for sigma in (0.0, 0.1)},
        **{("appendix_a", "meta_a2c", dataset): 4 for dataset in hardness},
    }
    check_policies(folder / "results/exp1")
    for sigma in (0.0, 0.1):
        check_multi_branch_log(folder / f"results/exp3/sigma{sigma}/omniglot/seed1024/steps.csv", sigma)
    # Random search's rewards spread by more than the chance of which images test, so that there is something to learn;
    # textures are the hardest to tell apart.
    table = read(folder, "exp1/summary").set_index(["method", "dataset"])
    textures, card = table.loc[("random_search", "dtd")], folder / "results/data/dtd/images/card.json"
    best, test_images = textures["best_reward"], 0.33 * json.loads(card.read_text())["images"]
    assert best >= 3 * textures["chance"]
    assert best - textures["median_reward"] > 3 * (best * (1 - best) / test_images) ** 0.5


def check_long_trainings(folder):
    """Table 6 is made of the last epochs, and its networks are the two best distinct ones of the policy's log."""
    table = read(folder, "exp2/table").set_index(["dataset", "network"])
    assert len(table) == 6
    for dataset in UNSEEN:
        steps = pd.read_csv(folder / f"results/exp2/meta_a2c/{dataset}/seed1024/steps.csv")
        best, second = (
            json.loads((folder / f"results/exp2/best/{dataset}/best{rank}.json").read_text()) for rank in (1, 2)
        )
        assert best["network"] != second["network"]
        assert best["reward"] == steps["reward"].max() >= second["reward"]
        row = table.loc[(dataset, "best at early stop")]
        logs = [folder / f"results/exp2/long/{dataset}/best1/repeat{repeat}/epochs.csv" for repeat in (0, 1)]
        first, other = (100 * pd.read_csv(log)["accuracy"].iloc[-1] for log in logs)
        assert row["mean_percent"] == pytest.approx((first + other) / 2, abs=1e-3)
        assert row["two_sd"] == pytest.approx(abs(first - other), abs=1e-3)  # the population's sd of two is half of it
        assert row["two_sample_sd"] == pytest.approx(2**0.5 * abs(first - other), abs=1e-3)
        assert (row["layers"], row["n"], row["epochs"]) == (best["network"], 2, 1)


def check_outputs(folder, hardness):
    for item in panels(Config()):
        for kind in ("pdf", "png"):
            assert (folder / f"results/figures/{item.name}.{kind}").stat().st_size > 1000
    for item in TABLES:
        for kind in ("csv", "md", "tex"):
            assert (folder / f"results/tables/{item.name}.{kind}").stat().st_size > 100
    exact = read(folder, "exact/random_search_lengths")
    assert exact.loc[exact["dataset"] != "omniglot", "exact"].tolist() == [1] * 52
    check_searches(folder, hardness)
    check_long_trainings(folder)
    claims = read(folder, "claims").set_index("claim")
    assert list(claims.index) == [claim.id for claim in CLAIMS]
    assert "not run" not in set(claims["verdict"])
    assert "this run cannot decide the paper's claim" in claims.loc["C1", "caveat"]
    assert (folder / "results/report.html").stat().st_size > 100_000
    for name in notebooks():
        assert (folder / f"results/notebooks/{name}.ipynb").exists()
    assert not list(folder.glob("results/checkpoints/*/*/*"))
    made = folder / "results"
    logs = [*made.glob("*/*/*/seed*/steps.csv"), *made.glob("exp2/long/*/*/*/epochs.csv")]
    assert len(logs) == 3 * 3 + 2 * 2 + 2 + len(hardness) + 12
    for log in logs:  # each job that trains was measured
        measured = pd.read_csv(made / "benchmarks" / f"{log.parent.relative_to(made)}.tsv", sep="\t")
        assert measured["s"][0] > 0


def check_notebook_by_hand(root, folder):
    """A notebook opened in a folder below the results' finds those of the last run."""
    parameters = {"config": f"{root}/config/quick.yaml", "figures": "by_hand"}
    place = folder / "results/notebooks"
    papermill.execute_notebook(
        f"{root}/workflow/notebooks/exp2_networks.ipynb",
        None,
        parameters,
        kernel_name="python3",
        progress_bar=False,
        cwd=place,
    )
    assert (place / "by_hand/fig20b.pdf").exists()


def test_standins_end_to_end(root, tmp_path):
    result = snakemake(root, tmp_path, "all")
    assert result.returncode == 0, result.stderr
    check_outputs(tmp_path, ALL)
    check_notebook_by_hand(root, tmp_path)
    archive = tmp_path / "report.zip"
    assert snakemake(root, tmp_path, "all", "--report", str(archive)).returncode == 0
    assert zipfile.is_zipfile(archive)
    run_documented(root, tmp_path)
    table = read(tmp_path, "tables/table8")
    assert (table["classes"] == CLASSES).all()
    assert "stand-ins, not the paper's images" in (tmp_path / "results/tables/table3.csv").read_text()

    assert planned(snakemake(root, tmp_path, "-n", "all")) == set()
    training = planned(snakemake(root, tmp_path, "-n", "all", config=["early_stop={epochs: 3}"]))
    assert training == {*SEARCHES, "best_network", "long_training", "table6", *FROM_LOGS}
    assert planned(snakemake(root, tmp_path, "-n", "all", config=["plots={dpi: 100}"])) == {*FIGURES, "report"}
    memory, filters = (
        planned(snakemake(root, tmp_path, "-n", "all", config=[f"deviations={{{name}: released}}"]))
        for name in ("D3", "D5")
    )
    assert SEARCHES - memory == {"random_search", "dqn"}
    assert "long_training" in filters
    assert not filters & {*SEARCHES, "best_network"}
    learner = planned(snakemake(root, tmp_path, "-n", "all", config=["meta_a2c={discount: 0.8}"]))
    assert not learner & {"random_search", "dqn", "decode"}
    assert {"meta_a2c", "evaluate_policy", "multi_branch", "hardness_study"} <= learner
    long = SHORTER[1].replace("epochs: 1", "epochs: 1, decay_steps: 50")
    assert planned(snakemake(root, tmp_path, "-n", "all", config=[long])) == {
        "long_training",
        "table6",
        "claims",
        "report",
    }
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
    there = (real_archives / "GTSRB_Final_Training_Images.zip").exists()
    check_outputs(tmp_path, ALL if there else ALL[:-1])
    table = read(tmp_path, "tables/table3").set_index("dataset")
    counts = {name: (row["classes"], row["images"]) for name, row in table.iterrows()}
    assert counts == {name: REAL[name] for name in (*CHAIN, *UNSEEN)}
    # The dataset whose archive is missing has a row that says so.
    last = {
        name: read(tmp_path, f"tables/{name}").set_index("dataset").loc["traffic_sign"] for name in ("table8", "table9")
    }
    assert (last["table8"]["classes"] == "missing") == (last["table9"]["as_trained"] == "missing") == (not there)
    assert not there or tuple(map(int, last["table8"][["classes", "images"]])) == REAL["traffic_sign"]


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


def test_images_of_an_earlier_format_are_made_again(root, tmp_path):
    """A checkout whose records and images were made before this version: nothing but the rule's params tells."""

    target, other = "results/data/traffic_sign/images", tmp_path / "other"
    assert snakemake(root, tmp_path, target, "--cores", "1").returncode == 0
    assert planned(snakemake(root, tmp_path, "-n", target)) == set()
    for folder in ("workflow", "config"):
        shutil.copytree(root / folder, other / folder)
    text = (root / "workflow/rules/data.smk").read_text()
    for name, expected in (("RECORDS_FORMAT", {"convert", "decode"}), ("IMAGES_FORMAT", {"decode"})):
        (other / "workflow/rules/data.smk").write_text(text.replace(f"format={name}", "format=1"))
        assert planned(snakemake(other, tmp_path, "-n", target)) == expected


def test_limits_of_a_dataset_decode_it_alone(root, tmp_path):
    def calls(*config):
        result = snakemake(root, tmp_path, "-n", "all", "--printshellcmds", config=[*config])
        return set(re.findall(r"nasdmrl (?:convert|decode) .*", result.stdout + result.stderr))

    changed = calls() ^ calls("data={limits: {dtd: {classes: 3}}}")
    assert len(changed) == 2
    assert all("decode results/data/dtd/records" in call for call in changed)


# Section 7 of the paper: experiment, dataset, method or sigma, t_max.
PAPER_SEARCHES = {
    ("exp1", "omniglot", "meta_a2c", 8000),
    ("exp1", "vgg_flower", "meta_a2c", 7000),
    ("exp1", "dtd", "meta_a2c", 7000),
    ("exp1", "omniglot", "dqn", 6500),
    ("exp1", "vgg_flower", "dqn", 5500),
    ("exp1", "dtd", "dqn", 7000),
    ("exp1", "omniglot", "random_search", 6500),
    ("exp1", "vgg_flower", "random_search", 5500),
    ("exp1", "dtd", "random_search", 7000),
    *(("exp2", dataset, method, 2000) for dataset in UNSEEN for method in ("meta_a2c", "random_search")),
    *(("exp3", "omniglot", sigma, 20000) for sigma in ("sigma0.0", "sigma0.1")),
    *(("appendix_a", dataset, "meta_a2c", 200) for dataset in ALL),
}


def test_paper_scale_plans_the_jobs_of_section_7(root, tmp_path):
    command = ["snakemake", "-n", "all", "--printshellcmds", "--snakefile", f"{root}/workflow/Snakefile"]
    command += ["--directory", str(tmp_path), "--configfile", f"{root}/config/paper.yaml"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    jobs = re.findall(
        r"nasdmrl search \w+ \w+ --seed 1024 --steps (\d+) .*--output results/(\w+)/([\w.]+)/(\w+)/seed1024/", text
    )
    assert len(jobs) == len(PAPER_SEARCHES) == 21
    assert {(experiment, dataset, method, int(steps)) for steps, experiment, method, dataset in jobs} == PAPER_SEARCHES
    assert text.count("--fixed") == 2
    assert text.count("--space multi_branch") == 2
    long = re.findall(r"nasdmrl retrain (\w+) results/exp2/best/\1/(best[12]).json --repeat ([0-4])", text)
    assert len(set(long)) == 2 * 2 * 5
    assert len(set(re.findall(r"nasdmrl retrain (\w+) vgg19_cut --repeat ([0-4])", text))) == 2 * 5
    tasks = re.findall(r"nasdmrl prewarm (\w+) --part (\d+) --steps (\d+)", text)
    random_steps = {dataset: steps for _, dataset, method, steps in PAPER_SEARCHES if method == "random_search"}
    assert set(tasks) == {(name, str(part), str(steps)) for name, steps in random_steps.items() for part in range(16)}
    page = (root / "docs/experiments.md").read_text()
    documented = re.findall(r"^\| `(\w+)` \| (\w+) \| `([\w.]+)` \| (\d+) \|", page, re.MULTILINE)
    assert {(*row[:3], int(row[3])) for row in documented} == PAPER_SEARCHES


def titles(figure, letters):
    return [f"Figure {figure} {letter}" for letter in letters]


# Rows of Section 8's table, and the targets that each asks for. It gives the drawings no letters.
SECTION_8 = {
    "Fig. 9 a-i": titles(9, "abcdefghi"),
    "Fig. 10": ["Figure 10"],
    "Fig. 11": ["Figure 11"],
    "Table 4": ["Table 4"],
    "Fig. 12 a-f": titles(12, "abcdef"),
    "Fig. 13": ["Figure 13"],
    "Table 5": ["Table 5"],
    "Table 6": ["Table 6"],
    "Fig. 14 a-c": titles(14, "abc"),
    "Table 7": ["Table 7"],
    "Fig. 15 a, b": titles(15, "ab"),
    "Fig. 16": ["Figure 16"],
    "Fig. 17 a, b, Table 9": [*titles(17, "ab"), "Table 9"],
    "Tables 3, 8": ["Table 3", "Table 8"],
    "Fig. 18-21": [*titles(18, "abc"), *titles(19, "ab"), *titles(20, "ab"), *titles(21, "ab")],
}


def test_items_are_those_of_section_8(root):
    page = (root / "docs/paper.md").read_text()
    rows = re.findall(r"^\| ((?:Fig\.|Tables?) [^|]+) \|", page[page.index("## 8") :], re.MULTILINE)
    assert rows == list(SECTION_8)
    found = [item.title for item in (*panels(Config()), *TABLES)]
    assert sorted(found) == sorted(title for row in SECTION_8.values() for title in row)


def test_table6_alone_builds_what_it_needs(root, tmp_path):
    result = snakemake(root, tmp_path, "-n", "results/exp2/table.csv")
    jobs = planned(result)
    assert {"long_training", "best_network", "evaluate_policy", "meta_a2c", "table6"} <= jobs
    assert not jobs & {"dqn", "random_search", "multi_branch", "hardness_study", *FIGURES, "report"}


def test_prewarm_is_off_at_small_scales_and_on_by_one_key(root, tmp_path):
    assert "prewarm_task" not in planned(snakemake(root, tmp_path, "-n", "all"))
    result = snakemake(root, tmp_path, "-n", "prewarm", config=["prewarm={depth: 2, tasks: 3}"])
    assert re.search(r"^prewarm_task\s+15$", result.stdout, re.MULTILINE)
    assert planned(result) == {"draw_standins", "convert", "decode", "prewarm_task", "prewarm"}


def test_several_seeds_are_several_chains(root, tmp_path):
    result = snakemake(root, tmp_path, "-n", "all", config=["seeds=[1, 2]"])
    jobs = dict(re.findall(r"^(\w+)\s+(\d+)$", result.stdout.split("Job stats:")[1].split("total")[0], re.MULTILINE))
    assert {name: int(jobs[name]) for name in SEARCHES} == {
        "random_search": 10,
        "dqn": 6,
        "meta_a2c": 6,
        "evaluate_policy": 4,
        "multi_branch": 4,
        "hardness_study": 12,
    }


@pytest.mark.parametrize("scale", ["quick", "miniature", "paper"])
def test_every_scale_plans_without_error(root, tmp_path, scale):
    command = ["snakemake", "-n", "all", "--snakefile", f"{root}/workflow/Snakefile", "--directory", str(tmp_path)]
    result = subprocess.run([*command, "--configfile", f"{root}/config/{scale}.yaml"], capture_output=True, text=True)
    assert {"convert", "decode", *SEARCHES, *FIGURES} <= planned(result)


def test_a_figure_asks_for_no_more_than_it_needs(root, tmp_path):
    """Figure 10 shows deep meta-RL alone: its three searches on one chain, and their images."""
    result = snakemake(root, tmp_path, "-n", "results/figures/fig10.pdf")
    jobs = dict(re.findall(r"^(\w+)\s+(\d+)$", result.stdout.split("Job stats:")[1].split("total")[0], re.MULTILINE))
    expected = {"draw_standins": 3, "convert": 3, "decode": 3, "meta_a2c": 3, "figures_exp1_policy": 1}
    assert {name: int(count) for name, count in jobs.items()} == expected
