"""Models against shape inference, hand formulas, NumPy, and Keras's layers with the same weights."""

import keras
import keras_reference
import numpy as np
import pytest
import tensorflow as tf
from test_nsc import FIGURE_4, random_network

from benchmarks import keras_networks
from nasdmrl.config.sections import Recipe
from nasdmrl.space.costs import costs
from nasdmrl.space.nsc import from_rows, is_valid, parse, shapes
from nasdmrl.training.networks import build

SMALL = Recipe(filters=3, dense_units=5)


def merged_shape(model, size):
    return tuple(model.features(tf.zeros((1, size, size, 3))).shape[1:])


def trainable(model):
    return sum(v.numpy().size for v in model.trainable_variables)


def test_figure_4_as_a_model():
    network = from_rows(FIGURE_4)
    model = build(network, (84, 84, 3), 7, SMALL)
    assert merged_shape(model, 84) == (42, 42, 6)
    assert trainable(model) == costs(network, (84, 84, 3), 7, SMALL).parameters


def test_random_networks_have_the_inferred_shape_and_size():
    random, built = np.random.RandomState(1), 0
    while built < 25:
        network = random_network(random, layers=random.randint(1, 7))
        if not is_valid(network, (20, 20, 3)):
            continue
        model = build(network, (20, 20, 3), 4, SMALL)
        assert merged_shape(model, 20) == shapes(network, (20, 20, 3), SMALL.filters_of)[-1]
        assert trainable(model) == costs(network, (20, 20, 3), 4, SMALL).parameters
        built += 1


def features(network, image):
    """Values of the merged map for one image."""
    return build(network, image.shape, 4, SMALL).features(tf.constant(image[None])).numpy()[0]


def pool(image, size):
    n = image.shape[0] // size
    return image[: n * size, : n * size].reshape(n, size, n, size, -1).max(axis=(1, 3))


def test_padding_puts_the_odd_pixel_after():
    image = np.random.RandomState(2).rand(7, 7, 3).astype(np.float32)
    by2, by3 = pool(image, 2), pool(image, 3)  # 3 and 2 pixels
    expected = by2 + np.pad(by3, [(0, 1), (0, 1), (0, 0)])
    np.testing.assert_allclose(features(parse("max2 max3@0 add@1,2"), image), expected, rtol=1e-6)


def test_addition_pads_channels_and_leaves_are_concatenated_in_order():
    image = np.random.RandomState(3).rand(6, 6, 3).astype(np.float32)
    by2, by3 = pool(image, 2), pool(image, 3)  # 3 and 2 pixels, 3 channels
    both = np.concatenate([by2, np.pad(by3, [(0, 1), (0, 1), (0, 0)])], axis=2)
    np.testing.assert_allclose(features(parse("max2 max3@0"), image), both, rtol=1e-6)
    # 6 channels and 3: one and a half zero channels on each side, the odd one after.
    expected = both + np.pad(by2, [(0, 0), (0, 0), (1, 2)])
    np.testing.assert_allclose(features(parse("max2 max3@0 concat@1,2 add@3,1"), image), expected, rtol=1e-6)


def test_concatenation_pads_channels_too():
    """Three channels beside six: the three get a zero channel before and two after, and twelve come out (Section 1)."""
    image = np.random.RandomState(3).rand(6, 6, 3).astype(np.float32)
    by2, by3 = pool(image, 2), pool(image, 3)  # 3 and 2 pixels
    by3_around = np.pad(by3, [(0, 1), (0, 1), (0, 0)])
    both = np.concatenate([by2, by3_around], axis=2)
    expected = np.concatenate([np.pad(by2, [(0, 0), (0, 0), (1, 2)]), both], axis=2)
    np.testing.assert_allclose(features(parse("max2 max3@0 concat@1,2 concat@1,3"), image), expected, rtol=1e-6)
    # Leaves are merged one after the other, so the third one is padded up to the six channels of the first two.
    leaves = np.concatenate([both, np.pad(by2, [(0, 0), (0, 0), (1, 2)])], axis=2)
    np.testing.assert_allclose(features(parse("max2 max3@0 max2@0"), image), leaves, rtol=1e-6)


def test_random_networks_compute_what_keras_layers_compute():
    """Multi-branch networks with all kinds of layers and random weights and statistics; logits of the scoring."""
    random, built = np.random.RandomState(4), 0
    images = random.rand(3, 14, 14, 3).astype(np.float32)
    while built < 15:
        network = random_network(random, layers=random.randint(1, 7))
        if not is_valid(network, (14, 14, 3)):
            continue
        ours = build(network, (14, 14, 3), 4, SMALL)
        for name, variable in keras_reference.ours(ours).items():
            if not (name.startswith("convolution") and name.endswith("bias")):
                variable.assign(random.uniform(0.1, 1, variable.numpy().shape))
        keras.backend.clear_session()
        theirs = keras_networks.build(network, (14, 14, 3), 4, SMALL)
        keras_reference.copy(ours, theirs)
        np.testing.assert_allclose(ours(tf.constant(images), False), theirs(images), rtol=1e-4, atol=1e-4)
        built += 1


def test_cell_is_relu_convolution_normalisation():
    """By NumPy: a 1 x 1 convolution is a product of channels; its normalisation here multiplies by 2 and adds 1."""
    model = build(parse("conv1"), (2, 2, 3), 4, SMALL)
    image = np.random.RandomState(5).normal(size=(1, 2, 2, 3)).astype(np.float32)
    weights = keras_reference.ours(model)
    weights["norm 0 scale"].assign([2.0] * 3)
    weights["norm 0 shift"].assign([1.0] * 3)
    product = np.maximum(image, 0) @ weights["convolution 0 kernel"].numpy()[0, 0]
    expected = 2 * product / np.sqrt(1 + SMALL.norm_epsilon) + 1
    np.testing.assert_allclose(model.features(tf.constant(image)), expected, rtol=1e-5)


@pytest.mark.parametrize("seed", [1, 3])
def test_first_weights_are_those_of_keras(seed):
    recipe = SMALL.model_copy(update={"seed": seed})
    ours = keras_reference.ours(build(parse("conv3 max2 conv5"), (12, 12, 3), 4, recipe))
    theirs = keras_reference.theirs(keras_networks.build(parse("conv3 max2 conv5"), (12, 12, 3), 4, recipe))
    assert len(ours) == 2 * 2 + 2 * 4 + 2 * 2
    for name, variable in ours.items():
        np.testing.assert_allclose(variable.numpy(), theirs[name].numpy(), rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("text", ["input", "terminal"])
def test_network_without_layers_is_the_prediction_module(text):
    assert merged_shape(build(parse(text), (8, 8, 3), 4, SMALL), 8) == (8, 8, 3)


def test_weights_depend_on_the_recipes_seed_alone():
    first, same, other = (
        build(parse("conv3 max2"), (8, 8, 3), 4, SMALL.model_copy(update={"seed": s})) for s in (1, 1, 2)
    )
    for a, b, c in zip(first.variables, same.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a, b)
        assert len(a.shape) == 1 or not np.array_equal(a, c)
