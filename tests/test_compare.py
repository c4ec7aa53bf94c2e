"""The page on two runs: what differs is on it in words and in tables, what is missing is named."""

import json
import re
import shutil

import pandas as pd
import pytest
from golden import write_golden
from test_report import Page, browser, check_layout, plain, rows_of  # noqa: F401 (a fixture)

from nasdmrl.analysis.claims import CLAIMS, claims_table
from nasdmrl.analysis.episodes import read_logs
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.tables import read_table, search_summary, write_table
from nasdmrl.config.model import load
from nasdmrl.config.sections import Recipe
from nasdmrl.errors import DataError
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.files import write_json
from nasdmrl.paper.datasets import DATASETS
from nasdmrl.report.comparison import change, differences, write_comparison

TABLE6 = {"dataset": ["aircraft", "cu_birds"], "network": ["VGG19 cut"] * 2, "n": [5, 5], "mean_percent": [30.0, 7.25]}
VERDICT = "C1"


def fill_store(results, device, accuracies):
    store = EvaluationStore(results / "store")
    for key, accuracy in accuracies.items():
        known = {"status": "ok", "training_seconds": 1.0, "threads": 2, "versions": {"numpy": "2.4.6"}}
        store.put({"key": key, "device": device, "accuracy": accuracy, **known}, Recipe())


@pytest.fixture(scope="module")
def first(root, tmp_path_factory):
    """Run A."""
    results, config = tmp_path_factory.mktemp("a") / "results", load(root / "config/quick.yaml")
    stamp = provenance(config) | {"commit": "aaaaaaa"}
    write_golden(results, steps=60)
    write_json(results / "config.json", config.model_dump(mode="json"))
    write_table(claims_table(results, config, stamp), results / "claims.csv", stamp)
    write_table(pd.DataFrame(TABLE6 | {"paper_mean_percent": [30.18, 6.66]}), results / "tables/table6.csv", stamp)
    write_table(pd.DataFrame({"dataset": ["dtd"], "classes": [47]}), results / "tables/table3.csv", stamp)
    write_table(pd.DataFrame({"method": ["dqn"], "steps": [60]}), results / "tables/table9.csv", stamp)
    steps = read_logs(sorted(results.glob("exp1/*/*/seed*/steps.csv")))
    classes = {name: dataset.classes for name, dataset in DATASETS.items()}
    write_table(search_summary(steps, classes), results / "exp1/summary.csv", stamp)
    fill_store(results, "GPU X", {"1": 0.5, "2": 0.25, "3": 0.75})
    return results


@pytest.fixture(scope="module")
def second(first, tmp_path_factory):
    """Run B: A at the released fidelity, with another verdict, accuracy and times, and without Table 9 and a log."""
    results = tmp_path_factory.mktemp("b <i>") / "results"
    shutil.copytree(first, results)
    settings = json.loads((results / "config.json").read_text())
    settings["fidelity"], settings["early_stop"]["epochs"] = "released", 9
    write_json(results / "config.json", settings)
    claims = (results / "claims.csv").read_text().replace("# commit: aaaaaaa", "# commit: bbbbbbb+")
    start, end = re.search(rf"^{VERDICT},.*?,Figure 9 a,([a-z ]+),", claims, re.MULTILINE).span(1)
    (results / "claims.csv").write_text(claims[:start] + "not run" + claims[end:])
    table = (results / "tables/table6.csv").read_text()
    (results / "tables/table6.csv").write_text(table.replace("7.25", "9.5"))
    summary = read_table(results / "exp1/summary.csv")
    write_table(summary.assign(training_seconds=1.0), results / "exp1/summary.csv", {})
    (results / "tables/table9.csv").unlink()
    shutil.rmtree(results / "exp1/dqn/dtd")
    shutil.rmtree(results / "store")
    fill_store(results, "CPU", {"1": 0.5, "2": 0.3, "4": 0.75})
    return results


@pytest.fixture(scope="module")
def page(first, second, tmp_path_factory):
    return compared(first, second, tmp_path_factory.mktemp("page"))


def compared(first, second, folder):
    write_comparison(first, second, folder / "compare.html")
    return Page((folder / "compare.html").read_text(encoding="utf-8"))


def words(page):
    """The list at the top: texts by heading."""
    box = page.of_class("words")[0]
    heads, texts = ([plain(e.text) for e in page.all(tag) if box in e.within] for tag in ("dt", "dd"))
    return dict(zip(heads, texts, strict=True))


def test_what_differs_is_said_in_words(page, first):
    verdict = pd.read_csv(first / "claims.csv", comment="#").set_index("claim").loc[VERDICT, "verdict"]
    said = words(page)
    assert said["Runs"] == "Commit (aaaaaaa / bbbbbbb+)."
    assert said["Settings"].startswith("2 of ")
    assert said["Settings"].endswith(" differ: fidelity (paper / released), early_stop.epochs (12 / 9).")
    assert said["Hardware and software"] == (
        "Other devices and software. 2 evaluations of the same network, images and recipe are in both stores, "
        "1 of them with another accuracy, by 5.00 percentage points at most."
    )
    assert said["Verdicts"] == f"1 of {len(CLAIMS)} verdicts differ: {VERDICT} ({verdict} / not run)."
    assert said["Tables"].startswith(
        "Other values: Table 6 (Mean (%)); Searches of Experiment 1 (only times). Equal: Table 3. Missing: A: tables/"
    )
    assert "; B: tables/table9.csv was not made;" in said["Tables"]
    assert said["Step logs"] == "B lacks exp1/dqn/dtd/seed1024/steps.csv."


def test_tables_show_what_differs(page, first, second):
    assert rows_of(page, "Settings") == [
        ["Setting", "A", "B"], ["fidelity", "paper", "released"], ["early_stop.epochs", "12", "9"],
    ]  # fmt: skip
    assert rows_of(page, "Stamps")[1] == ["Folder", str(first), str(second)]
    assert rows_of(page, "Evaluations in the stores")[1:] == [
        ["CPU, threads 2, numpy 2.4.6", "0", "3"], ["GPU X, threads 2, numpy 2.4.6", "3", "0"],
    ]  # fmt: skip
    verdicts = {name: (a, b) for name, a, b in rows_of(page, "Verdicts")}
    assert verdicts[VERDICT][1].startswith("not run: ")
    assert verdicts["C3"][0] == verdicts["C3"][1]
    assert rows_of(page, "Table 6") == [
        ["", "Mean (%)"], ["Dataset", "Network", "A", "B", "B − A"],
        ["CUB-200-2011", "VGG19 cut", "7.25", "9.50", "+2.25"],
    ]  # fmt: skip


def test_curves_of_both_runs_are_in_one_panel(page):
    images = page.all("img")
    assert len(images) == 9 + 4 + 2  # 3 x 3 in Exp. 1, 2 x 2 in Exp. 2, 2 sigmas
    assert images[0].attributes["alt"] == "Deep meta-RL on Omniglot: best reward of an episode in A and in B"


def test_the_page_needs_nothing_from_elsewhere_and_is_escaped(page):
    assert not page.all("script", "link", "iframe", "i")
    assert all(e.attributes["src"].startswith("data:image/png;base64,") for e in page.all("img"))
    anchors = {e.attributes.get("id") for e in page.elements}
    targets = [e.attributes["href"] for e in page.all("a") if not e.attributes["href"].startswith("https://arxiv.org")]
    assert len(targets) == 5
    assert all(target[1:] in anchors for target in targets)


def test_a_run_equals_itself(first, tmp_path):
    page = compared(first, first, tmp_path)
    said = words(page)
    assert said["Settings"] == "Every setting is the same."
    assert said["Verdicts"] == f"0 of {len(CLAIMS)} verdicts differ."
    assert said["Tables"].startswith("Equal: Table 3, Table 6, Table 9, Searches of Experiment 1.")
    assert said["Hardware and software"].endswith("are in both stores, all with the same accuracy.")
    assert not page.of_class("difference")


def test_logs_alone_are_a_run(first, tmp_path):
    """A run without configuration, tables and store is compared by its logs; each gap is named."""
    shutil.copytree(first / "exp3", tmp_path / "logs/exp3")
    page = compared(first, tmp_path / "logs", tmp_path)
    assert words(page)["Settings"] == "Unknown: B has no readable config.json."
    assert words(page)["Verdicts"] == "B: claims.csv was not made."
    assert len(page.all("img")) == 15


def test_folders_that_are_no_results(first, tmp_path):
    (tmp_path / "photos").mkdir()
    for pair in ((tmp_path / "photos", tmp_path / "none"), (first, tmp_path / "photos")):
        with pytest.raises(DataError, match="photos: holds no step log, table or figure of a run"):
            write_comparison(*pair, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("name", "difference", "shown"),
    [
        ("steps", 30, "+30"), ("steps", 0, "0"), ("networks", -1480.4, "-1,480"), ("spent_seconds", 3660.0, "+1h 1m"),
        ("spent_seconds", -1.5, "-1.5s"), ("best_reward", 0.125, "+12.5 points"), ("mean_percent", -1.5, "-1.50"),
        ("classes", float("nan"), "–"),
    ],
)  # fmt: skip
def test_changes_are_for_people(name, difference, shown):
    assert change(name, difference) == shown


def test_rows_of_one_run_only_and_times_stand_once():
    columns = ["method", "dataset", "steps", "spent_seconds", "spent", "paper"]
    a = pd.DataFrame([["dqn", "dtd", 20, 2.0, "2.0s", "1d 0h"]], columns=columns)
    rows = [["meta_a2c", "dtd", 20, 5.0, "5.0s", "1d 0h"], ["dqn", "dtd", 20, 3.0, "3.0s", "1d 0h"]]
    table = differences("Table 4", a, pd.DataFrame(rows, columns=columns))
    assert [(column.group, column.label) for column in table.columns] == [
        ("", "Method"), ("", "Dataset"), ("Steps", "A"), ("Steps", "B"), ("Steps", "B − A"),
        ("Spent time", "A"), ("Spent time", "B"), ("Spent time", "B − A"),
    ]  # fmt: skip
    dtd = "Describable Textures"
    assert [[cell for _, cell in row] for row in table.rows] == [
        ["DQN", dtd, "20", "20", "0", "2.0s", "3.0s", "+1.0s"],
        ["Deep meta-RL", dtd, "–", "20", "–", "–", "5.0s", "–"],
    ]


def test_text_that_differs_has_no_difference_of_numbers():
    a = pd.DataFrame({"dataset": ["dtd", "omniglot"], "best_network": ["conv3", "conv5"], "classes": ["16", "4"]})
    b = a.assign(best_network=["conv3", "max2"])
    table = differences("Searches", a, b)
    assert [(column.group, column.label, column.cells) for column in table.columns] == [
        ("", "Dataset", ["Omniglot"]), ("Best network", "A", ["conv5"]), ("Best network", "B", ["max2"]),
    ]  # fmt: skip
    assert differences("Searches", a, a).columns == []


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_scrolls_sideways_and_no_image_is_broken(first, second, browser, width, tmp_path):  # noqa: F811
    write_comparison(first, second, tmp_path / "compare.html")
    check_layout(browser, tmp_path / "compare.html", width, tmp_path, 15)
