"""The workflow from end to end at the quick scale with shorter trials: what it makes, and what makes it run again."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from test_data import REAL

from nasdmrl.analysis.tables import read_table
from nasdmrl.config import ARCHIVES_VARIABLE
from nasdmrl.data.standins import CLASSES

SHORTER = "exp1={random_search: {omniglot: 40, vgg_flower: 40, dtd: 40}}"
PANELS = [f"results/figures/fig09{panel}.{kind}" for panel in "abcdefghi" for kind in ("pdf", "png")]


def snakemake(root, folder, *arguments, archives=None, config=()):
    environment = {**os.environ, **({ARCHIVES_VARIABLE: str(archives)} if archives else {})}
    command = ["snakemake", *arguments, "--snakefile", f"{root}/workflow/Snakefile", "--directory", str(folder)]
    command += ["--configfile", f"{root}/config/quick.yaml", "--config", SHORTER, *config]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root)


def planned(result):
    """Rules that a dry run would run."""
    assert result.returncode == 0, result.stderr
    text = result.stdout + result.stderr
    if "Nothing to be done" in text:
        return set()
    table = text.split("Job stats:")[1].split("total")[0]
    return set(re.findall(r"^(\w+)\s+\d+$", table, re.MULTILINE)) - {"all"}


def check_outputs(folder):
    for panel in PANELS:
        assert (folder / panel).stat().st_size > 1000
    assert (folder / "results/notebooks/exp1.ipynb").exists()
    summary = read_table(folder / "results/exp1/summary.csv")
    assert summary["dataset"].tolist() == ["omniglot", "vgg_flower", "dtd"]
    # Random search's rewards spread, so that there is something to learn.
    assert (summary["best_reward"] >= 3 * summary["chance"]).all(), summary
    assert (summary["best_reward"] >= summary["median_reward"] + 0.1).all(), summary


def test_standins_end_to_end(root, tmp_path):
    result = snakemake(root, tmp_path, "all")
    assert result.returncode == 0, result.stderr
    check_outputs(tmp_path)
    table = read_table(tmp_path / "results/tables/table3.csv")
    assert (table["classes"] == CLASSES).all()
    assert "stand-ins, not the paper's images" in (tmp_path / "results/tables/table3.csv").read_text()

    assert planned(snakemake(root, tmp_path, "-n", "all")) == set()
    training = planned(snakemake(root, tmp_path, "-n", "all", config=["early_stop={epochs: 3}"]))
    assert training == {"search", "figure_9", "exp1_summary"}
    assert planned(snakemake(root, tmp_path, "-n", "all", config=["plots={dpi: 100}"])) == {"figure_9"}
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


@pytest.mark.parametrize("scale", ["reduced", "paper"])
def test_other_scales_plan_without_error(root, tmp_path, scale):
    command = ["snakemake", "-n", "all", "--snakefile", f"{root}/workflow/Snakefile", "--directory", str(tmp_path)]
    result = subprocess.run([*command, "--configfile", f"{root}/config/{scale}.yaml"], capture_output=True, text=True)
    assert {"download", "convert", "decode", "search", "figure_9"} <= planned(result)
