"""Running times against hand-made logs and the paper's tables."""

import math
from pathlib import Path

import pandas as pd
import pytest
from golden import write_golden

from nasdmrl.analysis.episodes import experiment_of, read_logs
from nasdmrl.analysis.times import duration, running_times, times_table
from nasdmrl.paper.numbers import published

COLUMNS = ["episode", "looked_up", "status", "training_seconds", "spent_seconds"]


def run(rows, method="dqn", dataset="dtd", seed=1):
    return pd.DataFrame(rows, columns=COLUMNS).assign(method=method, dataset=dataset, seed=seed)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (982800, "11d 9h"),  # Table 4
        (35340, "9h 49m"),  # Table 9
        (192, "3m 12s"),
        (4.23, "4.2s"),
        (0, "0.0s"),
        (59.6, "1m 0s"),
        (3599.7, "1h 0m"),
        (86399, "1d 0h"),
        (6000, "1h 40m"),
        (172800, "2d 0h"),
        (math.nan, ""),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_every_training_counts_once_and_every_step_as_spent():
    """Looked-up steps repeat the training's seconds; a pointer out of bounds evaluates nothing."""
    rows = [
        (1, 0, "ok", 100.0, 101.0),
        (1, 0, "ok", 50.0, 0.5),  # trained by another search: the store knew it
        (2, 1, "ok", 100.0, 0.25),
        (2, 0, "invalid", 0.0, 0.25),
        (3, 0, "out_of_bounds", 0.0, 0.0),
    ]
    (row,) = running_times(run(rows)).to_dict("records")
    assert (row["method"], row["dataset"], row["seeds"]) == ("dqn", "dtd", 1)
    assert (row["steps"], row["episodes"], row["networks"]) == (5, 3, 3)
    assert (row["as_trained_seconds"], row["as_trained"]) == (150, "2m 30s")
    assert (row["spent_seconds"], row["spent"]) == (102, "1m 42s")
    assert math.isnan(row["paper_seconds"])
    assert row["paper"] == ""


def test_seeds_are_averaged():
    first = run([(1, 0, "ok", 10.0, 10.0), (2, 0, "ok", 20.0, 20.0)], seed=1)
    second = run([(1, 0, "ok", 50.0, 4.0), (1, 1, "ok", 50.0, 0.0)], seed=2)
    (row,) = running_times(pd.concat([first, second])).to_dict("records")
    assert (row["seeds"], row["steps"], row["episodes"], row["networks"]) == (2, 2, 1.5, 1.5)
    assert (row["as_trained_seconds"], row["spent_seconds"]) == (40, 17)


def test_a_run_that_only_left_bounds_took_no_training():
    (row,) = running_times(run([(1, 0, "out_of_bounds", 0.0, 0.5)], "sigma0.0", "omniglot")).to_dict("records")
    assert (row["networks"], row["as_trained_seconds"], row["spent_seconds"]) == (0, 0, 0.5)


def test_the_papers_times_stand_beside(tmp_path):
    write_golden(tmp_path, steps=40, traffic_sign=False)
    expected = {
        "exp1": ["11d 9h", "7d 23h", "6d 17h", "6d 14h", "5d 15h", "6d 4h", "", "", ""],  # Table 4
        "exp2": ["2d 6h", "2d 22h", "", ""],  # Table 5
        "exp3": ["13d 9h", "15d 14h"],  # Table 7
        "appendix_a": ["3h 38m", "4h 56m", "5h 38m", "9h 49m", "16h 20m"],  # Table 9
    }
    for experiment, times in expected.items():
        steps = read_logs(sorted(tmp_path.glob(f"{experiment}/*/*/seed*/steps.csv")))
        table = running_times(steps, published().running_times[experiment].times)
        assert table["paper"].tolist() == times
        assert (table["steps"] == 40).all()
    assert table["dataset"].tolist() == ["omniglot", "vgg_flower", "dtd", "aircraft", "cu_birds"]
    assert table.loc[3, "paper_seconds"] == 9 * 3600 + 49 * 60


def test_searches_that_are_none_of_the_papers(tmp_path):
    steps = run([(1, 0, "ok", 4.0, 1.0)])
    (row,) = times_table(steps, "").to_dict("records")
    assert (row["as_trained"], row["paper"]) == ("4.0s", "")
    assert experiment_of(Path("dqn/dtd/seed1/steps.csv")) == ""
    assert experiment_of(Path("results/exp1/dqn/dtd/seed1/steps.csv")) == "exp1"


def test_a_search_of_the_paper_without_a_log_has_a_row_that_says_so(tmp_path):
    """Table 9 without the traffic signs, whose archive may be missing; the paper's time stays: 4h33m."""
    write_golden(tmp_path, traffic_sign=False)
    steps = read_logs(sorted(tmp_path.glob("appendix_a/*/*/*/steps.csv")))
    table = times_table(steps, "appendix_a").set_index("dataset")
    assert len(table) == 6
    assert table.loc["traffic_sign", ["as_trained", "spent"]].tolist() == ["missing", "missing"]
    assert table.loc["traffic_sign", "paper_seconds"] == 4 * 3600 + 33 * 60
    assert (table.drop("traffic_sign")["as_trained_seconds"] > 0).all()
