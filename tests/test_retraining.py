"""Long trainings of Exp. 2b (Section 7): networks, schedule, and going on after a kill."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import stripes

from benchmarks import keras_networks
from nasdmrl.config.model import Config
from nasdmrl.config.sections import LongRecipe
from nasdmrl.errors import NetworkError
from nasdmrl.paper.experiments import VGG19_CUT
from nasdmrl.space.costs import costs
from nasdmrl.space.nsc import convolution_filters, parse
from nasdmrl.training import long as retraining
from nasdmrl.training.checkpoints import CheckpointError, load_checkpoint
from nasdmrl.training.early_stop import training_of
from nasdmrl.training.long import COLUMNS, model_of, parameters, retrain
from nasdmrl.training.networks import build_vgg19_cut
from nasdmrl.training.optimizers import learning_rate

SMALL = LongRecipe(epochs=3, batch_size=16, filters=2, vgg_filters=2, dense_units=8, norm_momentum=0.8)
SECTION_8 = {  # The paper's best networks of the evaluation datasets
    "aircraft": ("conv3 conv5 max2 max2", "conv1 conv3 conv3 max2 max3"),
    "cu_birds": (
        "conv1 conv3 conv3 max2 conv3 max2 max2 max2 max2",
        "conv3 conv1 conv3 conv5 max2 max2 max2 max2 max2",
    ),
}


def test_rate_is_that_of_section_7():
    recipe = Config().long_recipe(0)
    # 0.001 x 0.9^(step / 100)
    expected = [0.001, 0.0009, 0.001 * 0.9**52]
    assert [learning_rate(recipe, 0, step) for step in (0, 100, 5200)] == pytest.approx(expected)
    assert learning_rate(recipe, 7, 100) == learning_rate(recipe, 0, 100)  # the epoch does not matter


def test_rates_go_on_from_epoch_to_epoch(data):
    training = training_of(model_of("max3", data, SMALL), data, SMALL)
    training.skip(2)
    # 60 training images: 4 steps an epoch
    np.testing.assert_allclose(training.rates(), [0.001 * 0.2 ** (step / 100) for step in (8, 9, 10, 11)], rtol=1e-6)


@pytest.mark.parametrize(("fidelity", "filters"), [("paper", (32, 64, 128)), ("released", (16, 32, 64))])
def test_widened_filters(fidelity, filters):
    recipe = Config(fidelity=fidelity).long_recipe(3)
    found = convolution_filters(parse("conv1 max2 conv3 conv5 max2"), recipe.filters_of)
    assert found == [filters[0], 0, filters[1], filters[2], 0]
    assert (recipe.dense_units, recipe.epochs, recipe.seed) == (4096, 100, 3)
    assert Config(fidelity=fidelity).recipe().filters_of(3) == 32  # the search does not widen


def by_hand(text, size, classes, first, dense):
    """Trainable parameters of a widened chain network: weights, bias, scale and shift of each convolution."""
    channels, total, filters = 3, 0, first
    for word in text.split():
        kernel = int(word[-1])
        if word.startswith("conv"):
            total += kernel**2 * channels * filters + 3 * filters
            channels, filters, size = filters, 2 * filters, size - kernel + 1
        else:
            size //= kernel
    features = size * size * channels
    return total + (features + 1) * dense + (dense + 1) * classes


@pytest.mark.parametrize("text", [text for texts in SECTION_8.values() for text in texts])
def test_parameters_of_the_papers_best_networks(text):
    paper = Config().long_recipe(0)
    assert costs(parse(text), (84, 84, 3), 100, paper).parameters == by_hand(text, 84, 100, 32, 4096)
    data = stripes(9, size=42)
    assert parameters(model_of(text, data, SMALL)) == by_hand(text, 42, 3, 2, 8)


def test_vgg19_cut_has_the_layers_of_section_7():
    """Two blocks of two padded convolutions and a pooling, then three dense layers; the same logits as by Keras."""
    recipe = LongRecipe(dense_units=10)
    model, reference = build_vgg19_cut((12, 12, 3), 5, recipe), keras_networks.build_vgg19_cut((12, 12, 3), 5, recipe)
    block = ["Conv2D", "Conv2D", "MaxPooling2D"]
    names = [type(layer).__name__ for layer in reference.layers]
    assert names == ["InputLayer", *block, *block, "Flatten", "Dense", "Dense", "Dense"]
    convolutions = [layer for layer in reference.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [64, 64, 128, 128]
    images = np.random.RandomState(0).rand(4, 12, 12, 3).astype(np.float32)
    np.testing.assert_allclose(model(tf.constant(images), False), reference(images), rtol=1e-4, atol=1e-5)
    # weights and biases; two poolings by 2 leave 3 x 3 x 128 features
    blocks = (9 * 3 + 1) * 64 + (9 * 64 + 1) * 64 + (9 * 64 + 1) * 128 + (9 * 128 + 1) * 128
    assert parameters(model) == blocks + (3 * 3 * 128 + 1) * 10 + 11 * 10 + 11 * 5


def rows(log):
    with open(log, newline="") as file:
        return list(csv.DictReader(file))


def test_log_has_a_row_an_epoch_and_repeats_differ(data, tmp_path):
    logs = []
    for repeat, network in ((0, "conv3 max2"), (1, "conv3 max2"), (0, VGG19_CUT)):
        recipe = SMALL.model_copy(update={"seed": repeat, "learning_rate": 0.01})
        last = retrain(network, data, recipe, tmp_path / "epochs.csv", tmp_path / "checkpoint.npz")
        logs.append(rows(tmp_path / "epochs.csv"))
        assert list(logs[-1][0]) == list(COLUMNS)
        assert [int(row["epoch"]) for row in logs[-1]] == [1, 2, 3]
        assert float(logs[-1][-1]["accuracy"]) == last["accuracy"]
        # the rate of an epoch's last step: step 3, 7, 11
        expected = [0.01 * 0.2 ** (step / 100) for step in (3, 7, 11)]
        assert [float(row["learning_rate"]) for row in logs[-1]] == pytest.approx(expected)
    assert [row["loss"] for row in logs[0]] != [row["loss"] for row in logs[1]]
    assert [path.name for path in tmp_path.iterdir()] == ["epochs.csv"]


RETRAIN = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import stripes
from nasdmrl.config.sections import LongRecipe
from nasdmrl.training.long import retrain
recipe = LongRecipe.model_validate_json(sys.argv[2])
retrain("conv3 conv3 max2", stripes(2400, 20), recipe, sys.argv[3] + ".csv", sys.argv[3] + ".npz")
"""


def start(root, place, process):
    recipe = SMALL.model_copy(update={"epochs": 6, "filters": 8})
    command = [sys.executable, "-c", RETRAIN, str(root / "tests"), recipe.model_dump_json(), str(place)]
    return process(command, stderr=subprocess.DEVNULL)


def finished(checkpoint):
    """Epochs that a checkpoint knows of."""
    if not checkpoint.exists():
        return 0
    with np.load(checkpoint, allow_pickle=False) as file:
        return len(json.loads(str(file["rows"])))


def kill_within_epoch(process, checkpoint, epoch):
    """SIGKILL once so many epochs are finished, a little later: within the next one."""
    while finished(checkpoint) < epoch and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.1)
    assert process.poll() is None, "the training ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert finished(checkpoint) < 6


def test_killed_training_goes_on_byte_for_byte(root, tmp_path):
    start(root, tmp_path / "calm", subprocess.run)
    for epoch in (1, 3):
        kill_within_epoch(start(root, tmp_path / "killed", subprocess.Popen), tmp_path / "killed.npz", epoch)
        assert not (tmp_path / "killed.csv").exists()
    start(root, tmp_path / "killed", subprocess.run)
    calm, killed = rows(tmp_path / "calm.csv"), rows(tmp_path / "killed.csv")
    assert len(calm) == 6
    for row in (*calm, *killed):
        del row["seconds"]
    assert calm == killed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calm.csv", "killed.csv"]


def checkpointed(data, recipe, folder):
    """A checkpoint after all epochs of a training that could not write its log."""
    (folder / "log").mkdir()
    (folder / "log/other").write_text("not ours")
    with pytest.raises(Exception, match="is a folder with other files"):
        retrain("max3", data, recipe, folder / "log", folder / "checkpoint.npz")
    return folder / "checkpoint.npz"


def test_checkpoint_of_another_training_is_refused(data, tmp_path):
    path = checkpointed(data, SMALL, tmp_path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"made with epochs 3 instead of 4, seed 0 instead of 1; delete it"):
        retrain("max3", data, SMALL.model_copy(update={"epochs": 4, "seed": 1}), tmp_path / "log.csv", path)
    with pytest.raises(CheckpointError, match="network max3 instead of max2"):
        retrain("max2", data, SMALL, tmp_path / "log.csv", path)
    assert path.read_bytes() == before
    path.write_bytes(before[:-100])
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(path, [], {})


def test_checkpoint_of_an_older_format_starts_anew(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(retraining, "TRAINING_FORMAT", 1)
    path = checkpointed(data, SMALL, tmp_path)
    monkeypatch.undo()
    assert finished(path) == 3
    retrain("max3", data, SMALL, tmp_path / "log.csv", path)
    assert "made by an older version" in capsys.readouterr().out
    assert len(rows(tmp_path / "log.csv")) == 3
    calm = tmp_path / "calm.csv"
    retrain("max3", data, SMALL, calm, tmp_path / "none.npz")
    assert [row["loss"] for row in rows(calm)] == [row["loss"] for row in rows(tmp_path / "log.csv")]


def test_invalid_network_is_refused(data, tmp_path):
    with pytest.raises(NetworkError, match="`max3 max3 max3` is invalid on images of 12 x 12 x 3"):
        retrain("max3 max3 max3", data, SMALL, tmp_path / "log.csv", tmp_path / "checkpoint.npz")
