"""Episodes, bins, tables and figures against hand-made logs."""

import json
import math
import re

import pandas as pd
import pytest
from PIL import Image

from nasdmrl.agents.registry import AGENTS
from nasdmrl.analysis.episodes import binned, episodes, read_logs
from nasdmrl.analysis.figures.curves import curve_panel
from nasdmrl.analysis.figures.panels import save
from nasdmrl.analysis.provenance import changed_settings, provenance, scale_of, visible
from nasdmrl.analysis.styles import styles_of
from nasdmrl.analysis.tables import read_table, search_summary, write_table
from nasdmrl.config.model import Config
from nasdmrl.errors import DataError, NasdmrlError
from nasdmrl.report.notebooks import run_notebook

# Three episodes of 2, 1 and 3 steps, and one that the trial's end cuts off.
REWARDS = [(1, 0.1, 0), (1, 0.4, 1), (2, 0.2, 1), (3, 0.3, 0), (3, 0.0, 0), (3, 0.6, 1), (4, 0.9, 0)]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "exp1/random_search/dtd/seed7/steps.csv"
    path.parent.mkdir(parents=True)
    table = pd.DataFrame(REWARDS, columns=["episode", "reward", "episode_end"])
    names = ["conv1", "conv1 max2", "conv1", "conv3", "conv3 conv1", "conv3 max2", "conv5"]
    table = table.assign(
        network=names,
        looked_up=[0, 0, 1, 0, 0, 0, 0],
        valid=[1, 1, 1, 1, 0, 1, 1],
        training_seconds=2.0,
        parameters=9,
        step=range(7),
    )
    table.assign(status="ok").to_csv(path, index=False)
    return path


def test_episodes_by_hand(log):
    """The fourth is unfinished and does not count."""
    table = episodes(read_logs([log]))
    assert table["best_reward"].tolist() == [0.4, 0.2, 0.6]
    assert table["length"].tolist() == [2, 1, 3]
    assert table["accumulated_reward"].tolist() == pytest.approx([0.5, 0.2, 0.9])
    assert table[["method", "dataset", "seed"]].drop_duplicates().to_numpy().tolist() == [["random_search", "dtd", 7]]


def test_bins_by_hand(log):
    points = binned(episodes(read_logs([log])), "best_reward", 2)
    assert points["episode"].tolist() == [2, 3]
    assert points["mean"].tolist() == pytest.approx([0.3, 0.6])
    # pandas' deviation: sqrt((0.1^2 + 0.1^2) / 1), and none of one episode.
    assert points["sd"].tolist() == pytest.approx([math.sqrt(0.02), math.nan], nan_ok=True)
    assert points["n"].tolist() == [2, 1]


def test_summary_by_hand(log):
    (row,) = search_summary(read_logs([log]), {"dtd": 4}).to_dict("records")
    assert (row["steps"], row["episodes"], row["networks"]) == (7, 4, 6)
    assert (row["best_reward"], row["best_network"], row["chance"]) == (0.9, "conv5", 0.25)
    assert row["median_reward"] == pytest.approx(0.3)
    assert row["valid_share"] == pytest.approx(6 / 7)
    assert row["training_seconds"] == 12


def test_logs_elsewhere_are_refused(tmp_path):
    with pytest.raises(DataError, match="no step log was given"):
        read_logs([])
    with pytest.raises(DataError, match=r"expected a step log METHOD/DATASET/seedSEED/steps\.csv"):
        read_logs([tmp_path / "a/b/seed1/steps.csv"])


def test_every_method_has_a_style_of_its_own():
    styles = styles_of(AGENTS)
    assert list(styles) == list(AGENTS)
    for part in ("color", "marker", "hatch"):
        assert len({getattr(style, part) for style in styles.values()}) == len(AGENTS)


def test_figure_shows_and_holds_its_provenance(log, tmp_path):
    stamp = provenance(Config(scale="quick"))
    figure = curve_panel(episodes(read_logs([log])), "dtd", "length", 2)
    assert any("scale: quick" in text.get_text() for text in figure.texts) is False
    save(figure, tmp_path / "fig", stamp, 80)
    assert any("scale: quick" in text.get_text() for text in figure.texts)
    (axes,) = figure.axes
    assert axes.get_ylabel() == "Episode length (steps)"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Random search"]
    assert axes.lines[0].get_ydata().tolist() == [1.5, 3.0]
    assert json.loads(Image.open(tmp_path / "fig.png").text["Description"]) == stamp
    assert re.search(rb"/Keywords.*commit", (tmp_path / "fig.pdf").read_bytes(), re.DOTALL)


def test_stamp_tells_standins_from_archives():
    standin = Config.model_validate({"data": {"source": "standin"}})
    assert "not the paper's images" in provenance(standin)["data"]
    assert provenance(standin)["config"] != provenance(Config())["config"]
    assert {"scale", "data", "precision", "config", "commit", "versions", "date"} <= provenance(Config()).keys()


def test_tables_carry_their_stamp(tmp_path):
    table = pd.DataFrame({"dataset": ["dtd"], "value": [0.5]})
    write_table(table, tmp_path / "t.csv", provenance(Config()))
    assert (tmp_path / "t.csv").read_text().startswith("# scale: paper\n# data: official archives\n")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv"), table)


def test_notebook_refuses_unknown_and_missing_parameters(root, tmp_path):
    notebook = root / "workflow/notebooks/exp1_curves.ipynb"
    with pytest.raises(NasdmrlError, match=r"unknown parameters \['log'\], missing parameters \['figures', 'inputs'\]"):
        run_notebook(notebook, tmp_path / "out.ipynb", {"log": [], "config": ""})


def test_executed_copy_of_a_notebook_that_fails_is_kept(tmp_path):
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**cell, "source": "x = 0", "metadata": {"tags": ["parameters"]}}, {**cell, "source": "1 / x"}]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    content = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
    (tmp_path / "in.ipynb").write_text(json.dumps(content))
    with pytest.raises(NasdmrlError, match=r"a cell failed; it is marked in the executed copy, .*out\.ipynb"):
        run_notebook(tmp_path / "in.ipynb", tmp_path / "out.ipynb", {"x": 0})
    assert "ZeroDivisionError" in (tmp_path / "out.ipynb").read_text()


def test_notebooks_are_kept_without_outputs(root):
    for path in (root / "workflow/notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in cells), path


def test_stamp_names_single_deviations():
    config = Config.model_validate({"deviations": {"D3": "released", "D1": "paper"}})
    assert provenance(config)["fidelity"] == "paper, D3 released"


def test_a_table_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "dqn/dtd/seed1/steps.csv"
    path.parent.mkdir(parents=True)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"expected a step log METHOD/DATASET/seedSEED/steps.csv \(it has no column"):
        read_logs([path])


def test_a_stamp_names_images_of_ones_own():
    """Beside where the paper's images are from; outputs without such a dataset say nothing of it."""
    assert "own_data" not in provenance(Config(), ["dtd", "aircraft"])
    stamp = provenance(Config(), ["dtd", "pets", "pets"])
    assert stamp["own_data"] == "pets"
    assert "data: official archives; images of one's own: pets | " in visible(stamp)


def test_changed_settings():
    """Where the images are from, and the threads of a job, are no choice of the paper's."""
    assert changed_settings(Config()) == []
    assert changed_settings(Config(seeds=(1, 2))) == [("seeds", "[1, 2]", "[1024]")]
    changes = {"data": {"source": "archives", "archives": "a"}, "resources": {"search_threads": 8}}
    assert changed_settings(Config.model_validate(changes)) == []
    limited = Config.model_validate({"data": {"limits": {"dtd": {"classes": 9}}, "own": {"pets": "photos"}}})
    assert changed_settings(limited) == [("data.limits.dtd.classes", "9", "null")]
    assert provenance(limited)["changed"] == "data.limits.dtd.classes"


def test_a_stamp_of_the_papers_scale_names_what_is_not_the_papers():
    changes = {"early_stop": {"epochs": 1}, "exp1": {"dqn": {"omniglot": 9}}, "seeds": [1, 2], "plots": {"dpi": 99}}
    stamp = provenance(Config.model_validate(changes))
    assert scale_of(stamp) == "paper, changed in early_stop.epochs, exp1.dqn.omniglot"
    assert visible(stamp).startswith("scale: paper, changed in early_stop.epochs, exp1.dqn.omniglot | data: ")
    assert scale_of({**stamp, "changed": "a, b, c, d, e"}) == "paper, changed in a, b, c and 2 more"
    assert "changed" not in provenance(Config(seeds=(1, 2), fidelity="released"))
    assert "changed" not in provenance(Config.model_validate({"scale": "quick", **changes}))
