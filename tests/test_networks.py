"""Keras models against shape inference, hand formulas and NumPy."""

import keras
import numpy as np
import pytest
from test_nsc import FIGURE_4, random_network

from nasdmrl.costs import costs
from nasdmrl.networks import build
from nasdmrl.nsc import from_rows, is_valid, parse, shapes
from nasdmrl.sections import Recipe

SMALL = Recipe(filters=3, dense_units=5)


def merged_shape(model):
    flatten = next(layer for layer in model.layers if isinstance(layer, keras.layers.Flatten))
    return tuple(flatten.input.shape[1:])


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_figure_4_as_a_model():
    network = from_rows(FIGURE_4)
    model = build(network, (84, 84, 3), 7, SMALL)
    assert merged_shape(model) == (42, 42, 6)
    assert trainable(model) == costs(network, (84, 84, 3), 7, SMALL).parameters


def test_random_networks_have_the_inferred_shape_and_size():
    random, built = np.random.RandomState(1), 0
    while built < 25:
        network = random_network(random, layers=random.randint(1, 7))
        if not is_valid(network, (20, 20, 3)):
            continue
        model = build(network, (20, 20, 3), 4, SMALL)
        assert merged_shape(model) == shapes(network, (20, 20, 3), SMALL.filters_of)[-1]
        assert trainable(model) == costs(network, (20, 20, 3), 4, SMALL).parameters
        built += 1


def features(network, image):
    """Values of the merged map for one image."""
    model = build(network, image.shape, 4, SMALL)
    flatten = next(layer for layer in model.layers if isinstance(layer, keras.layers.Flatten))
    return keras.Model(model.input, flatten.input)(image[None]).numpy()[0]


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


def test_cell_is_relu_convolution_normalisation():
    names = [type(layer).__name__ for layer in build(parse("conv3"), (8, 8, 3), 4, SMALL).layers]
    assert names == ["InputLayer", "ReLU", "Conv2D", "BatchNormalization", "Flatten", "Dense", "Dropout", "Dense"]


@pytest.mark.parametrize("text", ["input", "terminal"])
def test_network_without_layers_is_the_prediction_module(text):
    assert merged_shape(build(parse(text), (8, 8, 3), 4, SMALL)) == (8, 8, 3)


def test_weights_depend_on_the_recipes_seed_alone():
    first, same, other = (
        build(parse("conv3 max2"), (8, 8, 3), 4, SMALL.model_copy(update={"seed": s})) for s in (1, 1, 2)
    )
    for a, b, c in zip(first.get_weights(), same.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.ndim == 1 or not np.array_equal(a, c)
