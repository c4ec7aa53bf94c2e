"""Recorded evaluations: complete, resumable, shared out, and what the files say."""

import csv
import gzip
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import save, stripes

from nasdmrl.data.images import ImageData
from nasdmrl.data.members import Member, pixel_digest, write_image_members
from nasdmrl.errors import NasdmrlError
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.evaluation.recording import FOLDER, Task, files, load, record, sample, write
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.space.actions import SPACES
from nasdmrl.space.enumeration import networks_of
from nasdmrl.space.nsc import is_valid, parse, to_text
from nasdmrl.training.early_stop import Trainer

FACTS = {"source": "archives", "class_names": ["a", "b", "c"]}
TASK = Task("chain", 1, 5)


@pytest.fixture
def short(recipe):
    return recipe.model_copy(update={"epochs": 1})


@pytest.fixture
def datasets():
    first, second = stripes(60), stripes(60, seed=1)
    return [first, ImageData("omniglot", second.images, second.labels % 2, 2, "others")]


def recorded(task, datasets, recipe, store, folder, **options):
    complete = record(task, datasets, recipe, store, folder, **options)
    for data in datasets:
        write(task, data, recipe, store, FACTS, folder)
    return complete


def test_every_network_is_recorded_with_what_was_measured(datasets, short, tmp_path):
    store = EvaluationStore(tmp_path / "store")
    assert recorded(TASK, datasets, short, store, tmp_path / "recorded")
    for data in datasets:
        recording = load(data.name, "chain", tmp_path / "recorded")
        texts = [to_text(network) for network in networks_of("chain", 1, data.shape)]
        assert [text for text, _ in recording.rows] == texts
        assert len(texts) == 8
        card = recording.card
        assert (card["closed_layers"], card["evaluations"], card["n_classes"]) == (1, 8, data.n_classes)
        assert sum(card["test_images"]) == len(data.split(0.33, 32)[1]) == 20
        assert sum(part["evaluations"] for part in card["parts"]) == 8
        for text in texts:
            row, alone = recording.rows[text, 0], Trainer()(parse(text), data, short)
            assert (row.accuracy, row.status) == (alone.accuracy, "ok")
            assert (row.hits_even, row.hits_odd) == alone.hits
            assert row.accuracy == (row.hits_even + row.hits_odd) / 20
            assert row.cpu_seconds > 0


def test_processes_share_the_work_and_nothing_is_evaluated_twice(datasets, short, tmp_path, monkeypatch):
    trained, original = [], Trainer.__call__

    def noted(self, network, data, recipe):
        trained.append((network, data.name))
        return original(self, network, data, recipe)

    monkeypatch.setattr(Trainer, "__call__", noted)
    for number in (0, 1):
        recorded(TASK, datasets, short, EvaluationStore(tmp_path / "store"), tmp_path / "recorded", part=(number, 2))
    assert len(trained) == len(set(trained)) == 2 * 8
    assert load("dtd", "chain", tmp_path / "recorded").card["closed_layers"] == 1
    # The recordings suffice to go on, without the store that they were made from.
    store = EvaluationStore(tmp_path / "another store")
    assert recorded(TASK, datasets, short, store, tmp_path / "recorded")
    assert len(trained) == 2 * 8
    before = load("dtd", "chain", tmp_path / "recorded")
    recorded(Task("chain", 2, 5), datasets[:1], short, store, tmp_path / "recorded")
    after = load("dtd", "chain", tmp_path / "recorded")
    assert before.rows.items() <= after.rows.items()
    assert after.card["closed_layers"] == 2
    assert sum(part["evaluations"] for part in after.card["parts"]) == len(after.rows) > 8


def test_time_that_is_over_leaves_a_whole_recording(datasets, short, tmp_path):
    store = EvaluationStore(tmp_path / "store")
    assert not recorded(TASK, datasets, short, store, tmp_path / "recorded", seconds=0)
    assert load("dtd", "chain", tmp_path / "recorded").card["closed_layers"] == -1
    Evaluator(datasets[0], short, store)(parse("input"))
    write(TASK, datasets[0], short, store, FACTS, tmp_path / "recorded")
    assert load("dtd", "chain", tmp_path / "recorded").card["closed_layers"] == 0


def test_other_images_and_recipes_start_a_new_recording(datasets, short, tmp_path):
    store, first = EvaluationStore(tmp_path / "store"), datasets[0]
    recorded(Task("chain", 0, 5), [first], short, store, tmp_path)
    content = load("dtd", "chain", tmp_path).card["content"]
    other = ImageData("dtd", first.images, first.labels, 3, "other pixels")
    recorded(Task("chain", 0, 5), [other], short, store, tmp_path)
    card = load("dtd", "chain", tmp_path).card
    assert (card["fingerprint"], card["evaluations"]) == ("other pixels", 1)
    assert card["content"] != content
    longer = short.model_copy(update={"epochs": 2})
    recorded(Task("chain", 0, 5), [other], longer, store, tmp_path)
    assert load("dtd", "chain", tmp_path).card["recipe"]["epochs"] == 2


def test_further_seeds_of_a_sample(datasets, short, tmp_path):
    store, task = EvaluationStore(tmp_path / "store"), Task("chain", 1, 5, (1, 2), sampled=3)
    recorded(task, datasets[:1], short, store, tmp_path / "recorded")
    rows = load("dtd", "chain", tmp_path / "recorded").rows
    networks = [to_text(network) for network in task.networks((12, 12, 3))]
    assert set(rows) == {(text, seed) for text in networks for seed in (1, 2)}
    assert len(networks) == 3
    everything = list(networks_of("chain", 2, (12, 12, 3)))
    assert sample(everything, 5) == sample(everything, 5)
    assert sample(everything, len(everything)) == everything


def test_same_content_makes_the_same_bytes(datasets, short, tmp_path):
    store = EvaluationStore(tmp_path / "store")
    for folder in ("one", "two"):
        recorded(Task("chain", 0, 5), datasets[:1], short, store, tmp_path / folder)
    for one, two in zip(*(files(tmp_path / folder, "dtd", "chain") for folder in ("one", "two")), strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_damage_is_told(datasets, short, tmp_path):
    recorded(Task("chain", 0, 5), datasets[:1], short, EvaluationStore(tmp_path / "store"), tmp_path)
    card_path, table_path = files(tmp_path, "dtd", "chain")
    content, card = table_path.read_bytes(), card_path.read_text()
    forged = gzip.decompress(content).replace(b"ok,", b"ok,9")
    for broken in (content[:-9], b"", gzip.compress(forged)):
        table_path.write_bytes(broken)
        with pytest.raises(NasdmrlError, match=r"dtd_chain.csv.gz: cannot be read with its card"):
            load("dtd", "chain", tmp_path)
    table_path.write_bytes(content)
    card_path.write_text(json.dumps(json.loads(card) | {"format": 99}))
    with pytest.raises(NasdmrlError, match="format 99, expected 1"):
        load("dtd", "chain", tmp_path)
    assert load("aircraft", "chain", tmp_path) is None


def test_datasets_of_several_sizes_are_refused(short, tmp_path):
    both = [stripes(60), stripes(60, size=14)]
    with pytest.raises(NasdmrlError, match="several sizes"):
        record(TASK, both, short, EvaluationStore(tmp_path), tmp_path)


def test_command(root, tmp_path):
    data = stripes(60)
    save(data, tmp_path / "data/dtd/images")
    members = [Member(f"dtd/{number}.jpg", "a", pixel_digest(image)) for number, image in enumerate(data.images)]
    write_image_members(tmp_path / "data/dtd/images", members)
    config = {"early_stop": {"epochs": 1, "filters": 2, "dense_units": 4, "batch_size": 32}}
    command = [sys.executable, "-m", "nasdmrl.cli", "record", "dtd", "--layers", "1", "--parts", "2"]
    command += ["--data", tmp_path / "data", "--store", tmp_path / "store", "--output", tmp_path / "recorded"]
    command += ["--config", json.dumps(config)]
    outputs = [
        subprocess.run([*command, "--part", str(part)], capture_output=True, text=True, check=True).stdout
        for part in (0, 1)
    ]
    assert "closed up to 0 layers" in outputs[0]
    assert "8 evaluations, closed up to 1 layers" in outputs[1]
    assert np.all([row.status == "ok" for row in load("dtd", "chain", tmp_path / "recorded").rows.values()])
    lines = gzip.decompress((tmp_path / "recorded/dtd_images.csv.gz").read_bytes()).decode().splitlines()
    assert len(lines) == 1 + 60
    assert lines[1] == f"dtd/0.jpg,a,{hashlib.sha256(data.images[0].tobytes()).hexdigest()}"
    refused = subprocess.run([*command, "--part", "2"], capture_output=True, text=True)
    assert "the processes are 0 to 1" in refused.stderr
    assert refused.returncode == 1


@pytest.mark.parametrize("card", sorted(FOLDER.glob("*.json")), ids=lambda card: card.stem)
def test_recordings_of_the_package_are_whole(card):
    dataset, space = next((card.stem.removesuffix(f"_{name}"), name) for name in SPACES if card.stem.endswith(name))
    recording = load(dataset, space)
    test_images = sum(recording.card["test_images"])
    assert len(recording.rows) == sum(part["evaluations"] for part in recording.card["parts"])
    for row in recording.rows.values():
        assert is_valid(parse(row.network), (recording.card["image_size"],) * 2 + (3,))
        assert row.accuracy == (row.hits_even + row.hits_odd) / test_images or row.status != "ok"
    with gzip.open(FOLDER / f"{dataset}_images.csv.gz", "rt") as file:
        assert len(list(csv.reader(file))) == 1 + recording.card["images"]
