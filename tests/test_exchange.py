"""The original software's db_experiments.csv, out and in."""

import csv
import hashlib

import pytest
from conftest import stripes

from nasdmrl.config.sections import Recipe
from nasdmrl.errors import DataError
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.evaluation.original_db import HEADER, export_db, import_db
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.space.nsc import parse

# A row as the original software writes it: NumPy's print of the state, over several lines.
ORIGINAL = """dataset-nethash,netstring,reward,accuracy,density,flops,timestamp,running_time,is_valid
dtd-0a,"[[0 0 0 0 0]
 [1 1 3 0 0]
 [2 2 2 1 0]
 [3 7 0 0 0]]",31.0,0.31,0.66,1000,2019-08-16 19:05:03,21,True
dtd-0b,"[[1 1 3 0 0]
 [2 2 2 1 0]]",32.0,0.32,0.66,1000,2019-08-16 19:05:03,21,True
aircraft-0c,"[[1 1 3 0 0]]",32.0,0.32,0.66,1000,2019-08-16 19:05:03,21,True
dtd-0d,"[[1 2 3 0 0]]",0,0,0,0.0,2019-08-16 19:05:03,1,False
"""


def test_export_has_the_originals_schema(tmp_path, data, recipe):
    store = EvaluationStore(tmp_path / "store")
    evaluation = Evaluator(data, recipe, store)(parse("conv3 max2"))
    assert export_db(store, tmp_path / "db.csv") == 1
    with (tmp_path / "db.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert tuple(row) == HEADER
    state = "0-0-0-0-0;" * 8 + "1-1-3-0-0;2-2-2-1-0;"
    assert row["dataset-nethash"] == "dtd-" + hashlib.md5(state.encode()).hexdigest()
    assert float(row["accuracy"]) == evaluation.accuracy
    assert float(row["reward"]) == 100 * evaluation.accuracy
    assert float(row["density"]) == 2 / 3
    assert row["is_valid"] == "True"


def test_import_of_an_original_file(tmp_path):
    (tmp_path / "db.csv").write_text(ORIGINAL)
    store, data = EvaluationStore(tmp_path / "store"), stripes()
    counts = import_db(tmp_path / "db.csv", store, {"dtd": data}, Recipe())
    # The second row is the first network without its terminal row (D7).
    assert counts == {"added": 2, "known": 1, "other datasets": 1}
    evaluation = Evaluator(data, Recipe(), store)(parse("conv3 max2"))
    assert (evaluation.accuracy, evaluation.training_seconds, evaluation.from_store) == (0.31, 21, True)
    assert Evaluator(data, Recipe(), store)(parse("max3")).status == "invalid"


def test_export_and_import_round_trip(tmp_path, data, recipe):
    store = EvaluationStore(tmp_path / "store")
    evaluator = Evaluator(data, recipe, store)
    accuracies = [evaluator(parse(text)).accuracy for text in ("conv3", "max3")]
    export_db(store, tmp_path / "db.csv")
    other = EvaluationStore(tmp_path / "other")
    assert import_db(tmp_path / "db.csv", other, {"dtd": data}, recipe)["added"] == 2
    again = Evaluator(data, recipe, other)
    assert [again(parse(text)).accuracy for text in ("conv3", "max3")] == accuracies


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "lacks the columns"),
        (ORIGINAL.replace("[3 7 0 0 0]", "[3 9 0 0 0]"), "row 2 is not an experiment .layer 3: unknown type 9"),
        (ORIGINAL.replace("31.0,0.31", "31.0,31"), "row 2 is not an experiment .accuracy 31.0 is not between 0 and 1"),
        (ORIGINAL.replace("31.0,0.31", "31.0,nan"), "accuracy nan is not between"),
        (ORIGINAL.replace("[3 7 0 0 0]", "[3 7 0]"), "row 2 is not an experiment .netstring has 18 numbers"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    (tmp_path / "db.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        import_db(tmp_path / "db.csv", EvaluationStore(tmp_path / "store"), {"dtd": stripes()}, Recipe())
