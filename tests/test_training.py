"""Training and scoring against Keras, hand values and itself in another process."""

import json
import subprocess
import sys
import time

import keras
import keras_reference
import numpy as np
import pytest
import tensorflow as tf
from conftest import stripes

from benchmarks import keras_networks
from nasdmrl.config.model import Config
from nasdmrl.config.sections import Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.evaluation.store import evaluation_key
from nasdmrl.space.nsc import parse
from nasdmrl.training import early_stop as training
from nasdmrl.training import networks
from nasdmrl.training.early_stop import BatchStream, Program, Trainer, training_of
from nasdmrl.training.networks import build
from nasdmrl.training.optimizers import FusedAdam, learning_rate


def test_learning_rate_falls_every_five_epochs():
    # Section 4: 0.001, x 0.2 every five epochs; D1: never.
    rates = [learning_rate(Recipe(), epoch, 999) for epoch in range(12)]
    assert rates == pytest.approx([1e-3] * 5 + [2e-4] * 5 + [4e-5] * 2)
    released = Config(fidelity="released").recipe()
    assert {learning_rate(released, epoch, 0) for epoch in range(12)} == {1e-3}


def test_fused_adam_is_keras_adam():
    random = np.random.RandomState(0)
    start, gradients = random.normal(size=(4, 3)), random.normal(size=(20, 4, 3)).astype(np.float32)
    ours, theirs = tf.Variable(start, dtype=tf.float32), keras.Variable(start, dtype="float32")
    fused, adam = FusedAdam([ours], 0.9, 0.999, 1e-7), keras.optimizers.Adam(0.001, 0.9, 0.999, 1e-7)
    for gradient in gradients:
        fused.apply([tf.constant(gradient)], 0.001)
        adam.apply([tf.constant(gradient)], [theirs])
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("frozen", [False, True])
def test_an_epoch_is_keras_fit(recipe, frozen):
    """Without dropout, one epoch in the stream's order equals Keras's fit; its last batch ends in the next order.

    A bias before a normalisation has no gradient but rounding, which Adam blows up: it and the mean are left out.
    """
    data = stripes(50)
    plain = recipe.model_copy(update={"dropout": 0.0, "frozen_norm": frozen, "seed": 5})
    network = parse("conv3 max2 conv1@0 avg2 concat@4,2 conv3")
    ours, theirs = (module.build(network, data.shape, 3, plain) for module in (networks, keras_networks))
    keras_reference.copy(ours, theirs)
    random, train = np.random.RandomState(5), data.split(0.33, 32)[0]
    order = np.concatenate([random.permutation(train), random.permutation(train)])[:48]
    assert len(train) == 33
    assert plain.batch_size == 16
    training_of(ours, data, plain).epoch()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    theirs.compile(keras.optimizers.Adam(0.01, 0.9, 0.999, 1e-7), loss)
    theirs.fit(data.images[order] / np.float32(255), data.labels[order], plain.batch_size, shuffle=False, verbose=0)
    drifting = set() if frozen else {name for i in range(3) for name in (f"convolution {i} bias", f"norm {i} mean")}
    first, second = keras_reference.ours(ours), keras_reference.theirs(theirs)
    for name in first.keys() - drifting:
        np.testing.assert_allclose(first[name].numpy(), second[name].numpy(), rtol=2e-3, atol=2e-4, err_msg=name)
    assert len(first) == 3 * 6 + 2 * 2


def test_it_learns_and_scores_as_numpy_does(data, recipe):
    network = parse("conv3 max2")
    outcome = Trainer()(network, data, recipe.model_copy(update={"epochs": 15}))
    assert outcome.status == "ok"
    assert outcome.accuracy > 0.8  # chance is 1/3
    model = build(network, data.shape, 3, recipe)
    test = data.split(0.33, 32)[1]
    guesses = model(tf.constant(data.images[test] / np.float32(255)), False).numpy().argmax(axis=1)
    assert training_of(model, data, recipe).score() == np.mean(guesses == data.labels[test])


def test_split_is_67_to_33_disjoint_and_fixed(data):
    train, test = data.split(0.33, 32)
    assert (len(train), len(test)) == (60, 30)
    # The authors' handler computes n x (1. - 0.33) in floating point, a little less than 0.67 n.
    blank = ImageData("blank", np.zeros((10_000, 1, 1, 3), np.uint8), np.zeros(10_000, np.int32), 1, "blank")
    assert len(blank.split(0.33, 32)[0]) == 6699
    few = ImageData("blank", blank.images[:1200], blank.labels[:1200], 1, "blank")
    assert len(few.split(0.33, 32)[0]) == 803
    assert sorted([*train, *test]) == list(range(90))
    expected = np.random.RandomState(32).permutation(90)
    np.testing.assert_array_equal(np.concatenate([train, test]), expected)


IN_ANOTHER_PROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import stripes
from nasdmrl.config.sections import Recipe
from nasdmrl.space.nsc import parse
from nasdmrl.training.early_stop import Trainer
recipe = Recipe.model_validate_json(sys.argv[2])
print([Trainer()(parse(t), stripes(), recipe).accuracy.hex() for t in ("conv3 conv1 max2", "conv5 avg2")])
"""


def test_two_processes_compute_the_same_bits(root, recipe):
    short = recipe.model_copy(update={"epochs": 2})
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(root / "tests"), short.model_dump_json()]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert first == second != ""
    # What was trained before in this process does not matter either.
    Trainer()(parse("conv3"), stripes(), short)
    here = [Trainer()(parse(t), stripes(), short).accuracy.hex() for t in ("conv3 conv1 max2", "conv5 avg2")]
    assert json.loads(first.replace("'", '"')) == here


def test_seed_changes_the_training(data, recipe):
    short = recipe.model_copy(update={"epochs": 1})
    accuracies = {
        Trainer()(parse("conv3"), data, short.model_copy(update={"seed": seed})).accuracy for seed in range(4)
    }
    assert len(accuracies) > 1


def test_frozen_norm_keeps_its_statistics(data, recipe):
    # D2: the released code's layers never update their moving averages, scale and shift are learned.
    for frozen in (False, True):
        used = recipe.model_copy(update={"frozen_norm": frozen})
        model = build(parse("conv3"), data.shape, 3, used)
        norm = [keras_reference.ours(model)[f"norm 0 {name}"] for name in ("mean", "variance", "scale")]
        before = [variable.numpy() for variable in norm]
        training_of(model, data, used).epoch()
        same = [np.array_equal(a, b.numpy()) for a, b in zip(before, norm, strict=True)]
        assert same == [frozen, frozen, False]


def test_bias_before_normalisation_by_the_batch_stays_zero(data, recipe):
    # The batch's mean takes away what a bias adds, so its gradient is zero; with frozen statistics it learns.
    for frozen in (False, True):
        used = recipe.model_copy(update={"frozen_norm": frozen})
        model = build(parse("conv3 max2"), data.shape, 3, used)
        training_of(model, data, used).epoch()
        assert np.all(keras_reference.ours(model)["convolution 0 bias"].numpy() == 0) != frozen


@pytest.mark.parametrize(("change", "tolerance"), [({"precision": "bfloat16"}, 0.02), ({"xla": True}, 1e-4)])
def test_bfloat16_and_xla_learn_the_same(data, recipe, change, tolerance):
    # Without dropout, of which XLA draws other masks.
    network, exact = parse("conv3 max2 avg2"), recipe.model_copy(update={"dropout": 0.0})
    recipes = [exact, exact.model_copy(update=change)]
    losses = [training_of(build(network, data.shape, 3, used), data, used).epoch() for used in recipes]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)
    changed = recipe.model_copy(update={**change, "epochs": 15})
    outcome = Trainer()(network, data, changed)
    assert (outcome.status, outcome.accuracy > 0.8) == ("ok", True)  # chance is 1/3


def test_precision_and_xla_are_part_of_the_key():
    recipes = [Recipe(), Recipe(precision="bfloat16"), Recipe(precision="tf32"), Recipe(xla=True)]
    assert len({evaluation_key("images", parse("conv3"), one) for one in recipes}) == 4


def test_tensor_float_32_is_off_unless_asked_for(data, recipe):
    for precision in ("tf32", "float32"):
        Trainer()(parse("input"), data, recipe.model_copy(update={"epochs": 1, "precision": precision}))
        assert tf.config.experimental.tensor_float_32_execution_enabled() == (precision == "tf32")


def test_stream_gives_full_batches_across_the_borders_of_orders():
    """Section 6: the released handler shuffles and repeats before it makes batches."""
    images, random = np.arange(100, 110, dtype=np.int32), np.random.RandomState(3)
    orders = np.concatenate([random.permutation(images) for _ in range(4)])
    stream = BatchStream(images, 4, 3)
    assert stream.steps == 3  # ceil(10 / 4)
    first, second = stream.epoch(), stream.epoch()
    np.testing.assert_array_equal(np.concatenate([first, second]).ravel(), orders[:24])
    assert first.shape == (3, 4)
    large = BatchStream(images, 25, 3)  # more than there are images
    np.testing.assert_array_equal(large.epoch()[0], orders[:25])


def test_a_skipped_epoch_leaves_the_stream_and_the_rates_where_it_would(data, recipe):
    decaying = recipe.model_copy(update={"decay_epochs": 2})
    whole, skipped = (training_of(build(parse("max2"), data.shape, 3, decaying), data, decaying) for _ in range(2))
    whole.epoch(), whole.epoch()
    skipped.skip(2)
    for there, here in zip(whole.variables, skipped.variables, strict=True):
        here.assign(there)
    np.testing.assert_array_equal(whole.rates(), skipped.rates())
    assert whole.rates()[0] == np.float32(0.01 * 0.2)
    assert whole.epoch() == skipped.epoch()


def test_one_program_serves_other_images_classes_and_seeds_with_the_same_bits(recipe):
    """A trainer that keeps its program between trainings of a network against one that makes it anew each time."""
    network, short = parse("conv3 max2 conv1@0 concat@1,2 conv3@4"), recipe.model_copy(update={"epochs": 2})
    few, many = stripes(90, seed=1), stripes(120, seed=2)
    more_classes = ImageData("other", many.images, (np.arange(120) % 7).astype(np.int32), 7, "other")
    tasks = [(few, 0), (more_classes, 0), (few, 3), (few, 0)]
    kept, programs = Trainer(), set()
    for data, seed in tasks:
        used = short.model_copy(update={"seed": seed})
        again, anew = kept(network, data, used), Trainer()(network, data, used)
        assert (again.accuracy, again.hits) == (anew.accuracy, anew.hits)
        assert sum(again.hits) == round(again.accuracy * len(data.split(0.33, 32)[1]))
        programs.add(id(kept._program))
    assert len(programs) == 1
    trained = training_of(build(network, few.shape, 3, short), few, short)
    trained.epoch()
    program = trained.program
    program.restart(build(network, few.shape, 7, short))
    weights = [variable.numpy() for variable in program.model.variables]
    fresh = Program(build(network, few.shape, 7, short), few.shape, short)
    for variable, first in zip(weights, fresh.model.variables, strict=True):
        np.testing.assert_array_equal(variable, first.numpy())
    assert all(np.all(variable.numpy() == 0) for variable in program.adam.variables)


def test_divergence_is_caught(data, recipe):
    outcome = Trainer()(parse("conv3"), data, recipe.model_copy(update={"learning_rate": 1e30, "epochs": 6}))
    assert (outcome.status, outcome.accuracy) == ("diverged", 0.0)


def test_out_of_memory_is_caught(data, recipe):
    # A first dense layer of 72 x 1e12 weights cannot be had on any machine.
    outcome = Trainer()(parse("max2"), data, recipe.model_copy(update={"dense_units": 10**12}))
    assert (outcome.status, outcome.accuracy) == ("out_of_memory", 0.0)


def test_memory_does_not_grow(data, recipe):
    short = recipe.model_copy(update={"epochs": 1})

    def resident_mb():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096 / 2**20

    for _ in range(5):
        Trainer()(parse("conv3 max2"), data, short)
    before = resident_mb()
    for _ in range(20):
        Trainer()(parse("conv3 max2"), data, short)
    assert (resident_mb() - before) / 20 < 1.0  # MB a network


def own_memory(name):
    """Bytes of this process: VmRSS, resident now; VmHWM, the most since `forget_the_most`."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


def forget_the_most():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pytest.skip("the system does not let a process reset its peak of memory")


def test_a_step_copies_no_weights():
    data = ImageData("blank", np.zeros((4, 84, 84, 3), np.uint8), np.array([0, 1, 0, 1], np.int32), 2, "blank")
    recipe = Recipe(batch_size=2, test_fraction=0.5, dense_units=256)
    training = training_of(build(parse("conv1 conv1"), data.shape, 2, recipe), data, recipe)
    largest = 4 * 84 * 84 * 32 * 256  # bytes of the first dense layer's weights; their gradient takes as much
    forget_the_most()
    before = own_memory("VmRSS")
    training.epoch()
    assert own_memory("VmHWM") - before < 1.6 * largest


def test_seconds_are_those_of_the_clock(data, recipe, monkeypatch):
    monkeypatch.setattr(training, "_hits", lambda _: (time.sleep(0.05), (np.array([True, False]), "ok"))[1])
    outcome = Trainer()(parse("conv3"), data, recipe)
    assert (outcome.accuracy, outcome.hits) == (0.5, (1, 0))
    assert 0.05 <= outcome.seconds < 5
    assert 0 < outcome.tracing_seconds < 5
    assert outcome.cpu_seconds < 0.05  # asleep
