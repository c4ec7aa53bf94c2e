"""The EvaluationStore: nothing lost, nothing torn, nothing computed twice."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from nasdmrl.config.sections import Environment, LongRecipe, Recipe
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.evaluation.store import EvaluationStore, evaluation_key, recipe_digest
from nasdmrl.space.costs import blockqnn_reward, costs
from nasdmrl.space.nsc import parse
from nasdmrl.training.early_stop import Trainer


def record(key, accuracy=0.5):
    return {
        "key": key,
        "network": "conv3",
        "dataset": "dtd",
        "accuracy": accuracy,
        "status": "ok",
        "training_seconds": 1,
    }


def test_records_survive_and_merge(tmp_path):
    first, second = EvaluationStore(tmp_path), EvaluationStore(tmp_path)
    first.put(record("a"), Recipe())
    second.put(record("b"), Recipe(seed=1))
    assert first.get("b")["accuracy"] == 0.5  # another writer's line is picked up
    again = EvaluationStore(tmp_path)
    assert len(again) == 2
    assert again.recipes[recipe_digest(Recipe(seed=1))]["seed"] == 1
    assert again.get("c") is None


def test_first_record_of_a_key_counts(tmp_path):
    store = EvaluationStore(tmp_path)
    store.put(record("a", 0.1), Recipe())
    store.put(record("a", 0.2), Recipe())
    assert store.get("a")["accuracy"] == 0.1


def test_torn_and_damaged_lines_are_passed_over(tmp_path, capsys):
    EvaluationStore(tmp_path).put(record("a"), Recipe())
    (tmp_path / "killed.jsonl").write_bytes(json.dumps(record("b")).encode() + b"\n" + b'{"key": "c", "accu')
    (tmp_path / "damaged.jsonl").write_bytes(b"\x00\x00garbage\n" + json.dumps(record("d")).encode() + b"\n")
    store = EvaluationStore(tmp_path)
    assert {r["key"] for r in store} == {"a", "b", "d"}
    assert "skipped a damaged line" in capsys.readouterr().err


def test_lines_that_make_a_whole_only_together_are_damaged(tmp_path, capsys):
    halves = b'{"key": "b"\n"accuracy": 1}\n'
    (tmp_path / "a.jsonl").write_bytes(json.dumps(record("a")).encode() + b"\n" + halves)
    (tmp_path / "b.jsonl").write_bytes(b'{"key": "c"}, {"key": "d"}\n')
    assert [r["key"] for r in EvaluationStore(tmp_path)] == ["a"]
    assert capsys.readouterr().err.count("skipped a damaged line") == 3


@pytest.mark.parametrize("damaged", [b"", b"17", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"key": ["a"]}', b"{}"])
def test_of_many_lines_only_the_damaged_one_is_lost(damaged, tmp_path, capsys):
    lines = [json.dumps(record(f"{i}")).encode() for i in range(50)]
    lines[20] = damaged
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert [r["key"] for r in EvaluationStore(tmp_path)] == [f"{i}" for i in range(50) if i != 20]
    assert capsys.readouterr().err.count("skipped a damaged line") == 1


def test_a_line_in_the_making_is_read_once_it_is_whole(tmp_path):
    store, line = EvaluationStore(tmp_path), json.dumps(record("a")).encode() + b"\n"
    with (tmp_path / "other.jsonl").open("ab", buffering=0) as file:
        file.write(line[:20])
        assert store.get("a") is None
        file.write(line[20:])
    assert store.get("a") == record("a")


WRITER = """
import sys
from nasdmrl.config.sections import Recipe
from nasdmrl.evaluation.store import EvaluationStore
store = EvaluationStore(sys.argv[1])
for i in range(int(sys.argv[3])):
    key = f"{sys.argv[2]}-{i}"
    store.put({"key": key, "accuracy": i, "status": "ok"}, Recipe())
    print(key, flush=True)
"""


def writer(folder, name, count):
    command = [sys.executable, "-c", WRITER, str(folder), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_writers_at_once_lose_nothing(tmp_path):
    processes = [writer(tmp_path, name, 200) for name in "ab"]
    written = {line for process in processes for line in process.communicate(timeout=120)[0].split()}
    assert written == {r["key"] for r in EvaluationStore(tmp_path)}
    assert len(written) == 400


def test_sigkill_loses_no_acknowledged_record(tmp_path):
    written = set()
    for name in "abc":
        process = writer(tmp_path, name, 100000)
        written |= {process.stdout.readline().strip() for _ in range(20)}
        process.send_signal(signal.SIGKILL)
        written |= set(process.communicate()[0].splitlines())
    assert len(written) >= 60
    assert written <= {r["key"] for r in EvaluationStore(tmp_path)}


def test_digests_of_recipes_are_pinned():
    """By hand: SHA-256 of the JSON of format, kind and what differs from the kind's defaults.

    If this fails since a default has changed, `TRAINING_FORMAT` must go up: stored evaluations mean something else.
    """

    def digest(kind, **changes):
        return hashlib.sha256(json.dumps([2, kind, changes], sort_keys=True).encode()).hexdigest()[:24]

    assert recipe_digest(Recipe()) == digest("Recipe") == "a373da6588c810fb1c703aa0"
    small = Recipe(seed=3, epochs=2, decay_factor=1.0, batch_size=64)
    assert (
        recipe_digest(small)
        == digest("Recipe", batch_size=64, decay_factor=1.0, epochs=2, seed=3)
        == "e75a2b924e526418ca00229e"
    )
    assert recipe_digest(LongRecipe(filters=16)) == digest("LongRecipe", filters=16) == "de6646a3430ae2ec03f5a558"
    # Naming a default's value changes nothing, so a key that is added later leaves these digests alone.
    assert recipe_digest(Recipe(epochs=12)) == recipe_digest(Recipe())


def test_defaults_that_keys_rest_on_are_pinned():
    """Another default under the same key would let an old evaluation stand for a new training."""
    defaults = LongRecipe().model_dump(mode="json")
    text = json.dumps(defaults, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:24] == "62336d96d2aa9ded29fb7896", (
        "raise TRAINING_FORMAT, then pin anew"
    )


def test_evaluations_of_an_older_version_are_not_looked_up(tmp_path, data, recipe, root, trained):
    """Ten lines that the package wrote before concatenations padded channels and batches were full."""
    shutil.copy(root / "tests/data/store_format1.jsonl", tmp_path)
    store = EvaluationStore(tmp_path)
    networks = [parse(record["network"]) for record in store]
    assert len(networks) == 9
    assert {record["fingerprint"] for record in store} == {data.fingerprint}
    evaluator = Evaluator(data, recipe.model_copy(update={"epochs": 1}), store)
    valid = [network for network in networks if evaluator(network).status == "ok"]
    assert sorted(trained) == sorted(valid) != []


def test_key_depends_on_data_network_recipe_and_seed():
    base = ("fingerprint", parse("conv3"), Recipe())
    others = [
        ("other", parse("conv3"), Recipe()),
        ("fingerprint", parse("conv5"), Recipe()),
        ("fingerprint", parse("conv3"), Recipe(epochs=3)),
        ("fingerprint", parse("conv3"), Recipe(seed=1)),
    ]
    assert len({evaluation_key(*parts) for parts in (base, *others)}) == 5
    assert evaluation_key(*base) == evaluation_key(*base)


# --- evaluator ----------------------------------------------------------------------------------------------


@pytest.fixture
def trained(monkeypatch):
    """Networks that were really trained, in order."""
    networks, original = [], Trainer.__call__
    monkeypatch.setattr(
        Trainer, "__call__", lambda self, network, *rest: (networks.append(network), original(self, network, *rest))[1]
    )
    return networks


def test_nothing_is_computed_twice(tmp_path, data, recipe, trained):
    first = Evaluator(data, recipe, EvaluationStore(tmp_path))
    results = [first(parse(text)) for text in ("conv3", "conv3 terminal", "conv3", "conv5")]
    assert [result.from_store for result in results] == [False, True, True, False]
    assert len({result.accuracy for result in results[:3]}) == 1
    second = Evaluator(data, recipe, EvaluationStore(tmp_path))
    assert second(parse("conv5 terminal")).accuracy == results[3].accuracy
    assert trained == [parse("conv3"), parse("conv5")]


def test_invalid_networks_are_neither_trained_nor_stored(tmp_path, data, recipe, trained):
    starts = []

    def started():
        starts.append(len(trained))
        return Trainer()

    evaluator = Evaluator(data, recipe, EvaluationStore(tmp_path), make_trainer=started)
    evaluation = evaluator(parse("max3 max3 max3"))
    assert (evaluation.status, evaluation.reward, trained) == ("invalid", 0.0, [])
    assert list(tmp_path.iterdir()) == starts == []
    for text in ("conv3", "conv5"):
        evaluator(parse(text))
    assert (len(trained), starts) == (2, [0])  # started once, before the first training
    again = Evaluator(data, recipe, EvaluationStore(tmp_path), make_trainer=started)
    assert (again(parse("conv3")).from_store, starts) == (True, [0])


def test_a_record_tells_how_it_was_made(tmp_path, data, recipe):
    store = EvaluationStore(tmp_path)
    Evaluator(data, recipe, store)(parse("conv3 max2"))
    (made,) = store
    assert made["network"] == "conv3 max2"
    assert made["fingerprint"] == data.fingerprint
    assert (made["device"], made["threads"]) == ("CPU", 1)
    assert {"python", "tensorflow", "numpy", "nasdmrl"} <= set(made["versions"])
    assert made["parameters"] == costs(parse("conv3 max2"), data.shape, 3, recipe).parameters
    assert store.recipes[made["recipe"]] == recipe.model_dump(mode="json")


def test_blockqnn_reward_is_another_view_of_the_same_record(tmp_path, data, recipe, trained):
    store, network = EvaluationStore(tmp_path), parse("conv3")
    plain = Evaluator(data, recipe, store)(network)
    settings = Environment(reward="blockqnn", rho=0)
    other = Evaluator(data, recipe, store, settings)(network)
    cost = costs(network, data.shape, 3, recipe)
    assert other.reward == blockqnn_reward(plain.accuracy, cost, 0.5, 0.0) != plain.reward
    assert len(trained) == 1


def test_folder_that_cannot_be_written_is_an_error_of_the_system(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OSError, match="file"):
        EvaluationStore(blocked / "store").put(record("a"), Recipe())
    assert os.listdir(tmp_path) == ["file"]


def test_the_earliest_record_counts_in_whatever_order_segments_are_read(tmp_path):
    times = ((0.2, "2026-01-02"), (0.1, "2026-01-01"))
    late, early = ({**record("a", accuracy), "time": time} for accuracy, time in times)
    (tmp_path / "a.jsonl").write_text(json.dumps(late) + "\n")
    (tmp_path / "b.jsonl").write_text(json.dumps(early) + "\n")
    assert EvaluationStore(tmp_path).get("a")["accuracy"] == 0.1


FULL_DISK = """
import resource, signal, sys
from nasdmrl.config.sections import Recipe
from nasdmrl.evaluation.store import EvaluationStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = EvaluationStore(sys.argv[1])
store.put({"key": "a"}, Recipe())
size = sum(path.stat().st_size for path in store.folder.iterdir())
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))  # room for half a record
try:
    store.put({"key": "b"}, Recipe())
except OSError as error:
    print("refused:", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.put({"key": "c"}, Recipe())
"""


def test_a_full_disk_is_an_error_and_costs_no_later_record(tmp_path):
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "refused: [Errno 27] File too large" in result.stdout
    assert {r["key"] for r in EvaluationStore(tmp_path)} == {"a", "c"}
