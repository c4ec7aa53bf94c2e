"""The page on two runs: what differs is on it in words and in tables, what is missing is named."""

import json
import re
import shutil

import pandas as pd
import pytest
from golden import write_golden
from test_report import Page, browser, check_layout, plain, rows_of  # noqa: F401 (a fixture)

from nasdmrl.analysis.claims import claims_table
from nasdmrl.analysis.episodes import read_logs
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.tables import search_summary, write_table
from nasdmrl.config.model import load
from nasdmrl.config.sections import Recipe
from nasdmrl.errors import DataError
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.files import write_json
from nasdmrl.paper.datasets import DATASETS
from nasdmrl.report.comparison.page import write_comparison
from nasdmrl.report.comparison.tables import change, joined

CLASSES = {name: dataset.classes for name, dataset in DATASETS.items()}
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
    write_table(search_summary(steps, CLASSES), results / "exp1/summary.csv", stamp)
    fill_store(results, "GPU X", {"1": 0.5, "2": 0.25, "3": 0.75})
    return results


@pytest.fixture(scope="module")
def second(first, tmp_path_factory):
    """Run B: A at the released fidelity, with another verdict, another accuracy, and without Table 9 and a log."""
    results = tmp_path_factory.mktemp("b <i>") / "results"
    shutil.copytree(first, results)
    settings = json.loads((results / "config.json").read_text())
    settings["fidelity"], settings["early_stop"]["epochs"] = "released", 9
    write_json(results / "config.json", settings)
    claims = (results / "claims.csv").read_text().replace("# commit: aaaaaaa", "# commit: bbbbbbb+")
    was = re.search(rf"^{VERDICT},.*?,Figure 9 a,([a-z ]+),", claims, re.MULTILINE)
    start, end = was.span(1)
    (results / "claims.csv").write_text(claims[:start] + "not run" + claims[end:])
    table = (results / "tables/table6.csv").read_text()
    (results / "tables/table6.csv").write_text(table.replace("7.25", "9.5"))
    (results / "tables/table9.csv").unlink()
    shutil.rmtree(results / "exp1/dqn/dtd")
    shutil.rmtree(results / "store")
    fill_store(results, "CPU", {"1": 0.5, "2": 0.3, "4": 0.75})
    return results


@pytest.fixture(scope="module")
def page(first, second, tmp_path_factory):
    output = tmp_path_factory.mktemp("page") / "compare.html"
    write_comparison(first, second, output)
    return Page(output.read_text(encoding="utf-8"))


def words(page):
    """The list at the top: texts by heading."""
    box = page.of_class("words")[0]
    heads, texts = ([plain(e.text) for e in page.all(tag) if box in e.within] for tag in ("dt", "dd"))
    return dict(zip(heads, texts, strict=True))


def rows_with(page, label):
    """Rows of the table with this label: the element and its cells' texts."""
    box = next(e for e in page.of_class("scroll") if e.attributes["aria-label"] == label)
    rows = [row for row in page.all("tr") if box in row.within]
    return [(row, [plain(cell.text) for cell in page.all("th", "td") if row in cell.within]) for row in rows]


def test_what_differs_is_said_in_words(page, first):
    verdict = pd.read_csv(first / "claims.csv", comment="#").set_index("claim").loc[VERDICT, "verdict"]
    assert words(page) == {
        "Settings": "2 settings differ: fidelity (paper / released), early_stop.epochs (12 / 9).",
        "Run": "Commit: aaaaaaa / bbbbbbb+.",
        "Hardware and software": "Only A has evaluations on GPU X, threads 2, numpy 2.4.6. "
        "Only B has evaluations on CPU, threads 2, numpy 2.4.6.",
        "Evaluations": "2 evaluations of the same network, images and recipe are in both stores; "
        "1 of them with another accuracy, by 5.00 percentage points at most.",
        "Verdicts": f"1 of 17 verdicts differ: {VERDICT} ({verdict} / not run).",
        "Tables": "Other values: Table 6 (Mean (%)). Equal: Table 3, Searches of Experiment 1.",
        "Missing": words(page)["Missing"],
    }


def test_what_is_missing_is_named(page):
    missing = words(page)["Missing"]
    assert "B: tables/table9.csv was not made" in missing
    assert "A: tables/table4.csv was not made; B: tables/table4.csv was not made" in missing
    assert "B: 1 step log that A has (exp1/dqn/dtd/seed1024/steps.csv)" in missing
    gaps = [plain(gap.text) for gap in page.of_class("gap")]
    assert "Table 9: missing. Running times of the hardness study. B: tables/table9.csv was not made." in gaps


def test_only_settings_that_differ_are_listed(page):
    assert [cells for _, cells in rows_with(page, "Settings that differ")] == [
        ["Setting", "A", "B"], ["fidelity", "paper", "released"], ["early_stop.epochs", "12", "9"],
    ]  # fmt: skip


def test_the_runs_are_named_with_their_stamps(page, first, second):
    rows = {cells[0]: (row, cells[1:]) for row, cells in rows_with(page, "Stamps of the two runs")}
    assert rows["Folder"][1] == [str(first), str(second)]
    assert rows["Commit"][1] == ["aaaaaaa", "bbbbbbb+"]
    assert rows["Commit"][0].attributes.get("class") == "differs"
    assert rows["Scale"][0].attributes.get("class") is None


def test_verdicts_are_side_by_side(page):
    row = page.all("tr", id=VERDICT)[0]
    badges = [plain(e.text) for e in page.of_class("badge") if row in e.within]
    assert badges[1] == "– not run"
    assert row.attributes["class"] == "differs"
    same = page.all("tr", id="C3")[0]
    badges = [plain(e.text) for e in page.of_class("badge") if same in e.within]
    assert badges[0] == badges[1]
    assert "class" not in same.attributes


def test_tables_have_both_values_and_their_difference(page):
    assert rows_of(page, "Table 6") == [
        ["", "Equal in both", "Mean (%)"],
        ["Dataset", "Network", "Trainings", "A", "B", "B − A"],
        ["FGVC-Aircraft", "VGG19 cut", "5", "30.00", "30.00", "0"],
        ["CUB-200-2011", "VGG19 cut", "5", "7.25", "9.50", "+2.25"],
    ]
    assert rows_of(page, "Table 3")[0] == ["", "Equal in both"]


def test_curves_of_both_runs_are_in_one_panel(page):
    images = page.all("img")
    # 3 x 3 in Exp. 1, 2 x 2 in Exp. 2, 2 sigmas
    assert len(images) == 9 + 4 + 2
    assert images[0].attributes["alt"] == "Deep meta-RL on Omniglot: best reward of an episode in A and in B"
    captions = [plain(e.text) for e in page.all("figcaption")]
    assert [text for text in captions if "no log" in text] == ["DQN on Describable Textures. B has no log of it."]


def test_the_page_needs_nothing_from_elsewhere_and_is_escaped(page):
    assert not page.all("script", "link", "iframe", "i")
    assert all(e.attributes["src"].startswith("data:image/png;base64,") for e in page.all("img"))
    anchors = {e.attributes.get("id") for e in page.elements}
    targets = [e.attributes["href"] for e in page.all("a") if not e.attributes["href"].startswith("https://arxiv.org")]
    assert all(target[1:] in anchors for target in targets)


def test_a_run_equals_itself(first, tmp_path):
    write_comparison(first, first, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    told = words(page)
    assert told["Settings"] == "Every setting is the same."
    assert told["Verdicts"] == "All 17 verdicts are the same."
    assert told["Tables"] == "Equal: Table 3, Table 6, Table 9, Searches of Experiment 1."
    assert told["Evaluations"].endswith("all with the same accuracy.")
    assert "Run" not in told
    assert not page.of_class("difference")


def test_logs_alone_are_a_run(first, tmp_path):
    """A run without configuration, tables and store is compared by its logs; each gap is named."""
    shutil.copytree(first / "exp3", tmp_path / "logs/exp3")
    write_comparison(first, tmp_path / "logs", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    told = words(page)
    assert told["Settings"].startswith("Unknown: B has no readable config.json")
    assert told["Verdicts"] == "Missing: B: claims.csv was not made."
    assert told["Hardware and software"] == "Unknown: B has an empty store."
    assert [text for text in (plain(e.text) for e in page.all("figcaption")) if "no log" not in text] == [
        "σ = 0.0 on Omniglot.", "σ = 0.1 on Omniglot.",
    ]  # fmt: skip


def test_folders_that_are_no_results(first, tmp_path):
    (tmp_path / "photos").mkdir()
    for pair in ((tmp_path / "photos", tmp_path / "none"), (first, tmp_path / "photos")):
        with pytest.raises(DataError, match="photos: holds no step log, table or figure of a run"):
            write_comparison(*pair, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("name", "first", "second", "shown"),
    [
        ("steps", 20, 50, "+30"), ("steps", 20, 20, "0"), ("networks", 1500.4, 20, "-1,480"),
        ("spent_seconds", 30.0, 3690.0, "+1h 1m"), ("spent_seconds", 3.0, 1.5, "-1.5s"),
        ("best_reward", 0.5, 0.625, "+12.5 points"), ("mean_percent", 48.0, 46.5, "-1.50"),
        ("best_network", "conv3", "conv5", "other"), ("best_network", "conv3", "conv3", ""),
        ("classes", "missing", 43, "other"), ("classes", "16", 43, "+27"), ("classes", None, 43, "only in B"),
        ("classes", 43, None, "only in A"),
    ],
)  # fmt: skip
def test_changes_are_for_people(name, first, second, shown):
    assert change(name, first, second) == shown


def test_rows_of_one_run_only_and_times_stand_once():
    columns = ["method", "steps", "spent_seconds", "spent", "paper"]
    a = pd.DataFrame([["dqn", 20, 2.0, "2.0s", "1d 0h"]], columns=columns)
    b = pd.DataFrame([["meta_a2c", 20, 5.0, "5.0s", "1d 0h"], ["dqn", 20, 3.0, "3.0s", "1d 0h"]], columns=columns)
    table, differing = joined("Table 4", "", a, b)
    assert differing == ["Steps", "Time spent here"]
    assert [(column.group, column.label) for column in table.columns] == [
        ("", "Method"), ("Steps", "A"), ("Steps", "B"), ("Steps", "B − A"),
        ("Time spent here", "A"), ("Time spent here", "B"), ("Time spent here", "B − A"),
    ]  # fmt: skip
    assert [[cell for _, cell in row] for row in table.rows] == [
        ["DQN", "20", "20", "0", "2.0s", "3.0s", "+1.0s"],
        ["Deep meta-RL", "–", "20", "only in B", "–", "5.0s", "only in B"],
    ]


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_scrolls_sideways_and_no_image_is_broken(first, second, browser, width, tmp_path):  # noqa: F811
    write_comparison(first, second, tmp_path / "compare.html")
    check_layout(browser, tmp_path / "compare.html", width, tmp_path, 15)
