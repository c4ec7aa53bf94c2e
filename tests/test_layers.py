"""Layers against Keras's, SciPy and hand formulas; gradients against those that TensorFlow derives by itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from nasdmrl.training import layers


def maps(shape=(4, 7, 6, 3), seed=0):
    return np.random.RandomState(seed).normal(1, 2, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(3, 3, 5, 8), (40, 7)])
def test_first_weights_are_those_of_keras(shape):
    expected = keras.initializers.GlorotUniform(seed=17)(shape)
    np.testing.assert_array_equal(layers.glorot_uniform(shape, 17), expected)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_convolution_is_keras_convolution(padding):
    ours = layers.Convolution(3, 5, 3, seed=1, padding=padding)
    ours.bias.assign(np.arange(5))
    theirs = keras.layers.Conv2D(5, 3, padding=padding.lower())
    theirs.build((None, 7, 6, 3))
    theirs.set_weights([ours.kernel, ours.bias])
    np.testing.assert_allclose(ours(maps(), True), theirs(maps()), rtol=1e-5, atol=1e-5)
    without = layers.Convolution(3, 5, 3, seed=1, padding=padding, without_bias=True)
    np.testing.assert_allclose(without(maps(), True), theirs(maps()) - np.arange(5), rtol=1e-5, atol=1e-5)


def normalised(x, mean, variance):
    return (x - mean) / np.sqrt(variance + 0.001)


def test_normalization_by_the_batch_then_by_moving_statistics():
    norm, x = layers.Normalization(3, momentum=0.9, epsilon=0.001, frozen=False), maps()
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    np.testing.assert_allclose(norm(x, True), normalised(x, mean, variance), rtol=1e-4, atol=1e-5)
    # Moving statistics start at 0 and 1; the variance is that by n, as Keras has it.
    np.testing.assert_allclose(norm.mean, 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(norm.variance, 0.9 + 0.1 * variance, rtol=1e-5)
    norm.scale.assign([1, 2, 3]), norm.shift.assign([0, 1, -1])
    expected = normalised(x, 0.1 * mean, 0.9 + 0.1 * variance) * [1, 2, 3] + [0, 1, -1]
    np.testing.assert_allclose(norm(x, False), expected, rtol=1e-4, atol=1e-5)


def test_normalization_of_a_single_value_has_a_finite_variance():
    norm = layers.Normalization(3, momentum=0.9, epsilon=0.001, frozen=False)
    norm(maps((1, 1, 1, 3)), True)
    np.testing.assert_allclose(norm.variance, 0.9, rtol=1e-5)  # the variance of one value is 0


def test_frozen_normalization_keeps_its_first_statistics():
    norm = layers.Normalization(3, momentum=0.9, epsilon=0.001, frozen=True)
    np.testing.assert_allclose(norm(maps(), True), normalised(maps(), 0, 1), rtol=1e-5)
    np.testing.assert_array_equal([norm.mean, norm.variance], [[0] * 3, [1] * 3])


def windows(image, size):
    n, m = (length // size for length in image.shape[1:3])
    return image[:, : n * size, : m * size].reshape(len(image), n, size, m, size, -1)


@pytest.mark.parametrize("size", [2, 3])
def test_pooling_drops_pixels_that_fill_no_window(size):
    expected = windows(maps(), size)
    np.testing.assert_allclose(layers.Pooling("MAX", size)(maps(), True), expected.max(axis=(2, 4)), rtol=1e-6)
    np.testing.assert_allclose(layers.Pooling("AVG", size)(maps(), True), expected.mean(axis=(2, 4)), rtol=1e-4)


def test_product_and_its_gradients():
    features, weights, upstream = (maps(shape, seed) for seed, shape in enumerate([(5, 4), (4, 3), (5, 3)]))
    with tf.GradientTape() as tape:
        inputs = [tf.constant(features), tf.constant(weights)]
        tape.watch(inputs)
        total = tf.reduce_sum(layers.product(*inputs) * upstream)
    np.testing.assert_allclose(layers.product(features, weights), features @ weights, rtol=1e-5)
    for found, expected in zip(
        tape.gradient(total, inputs), (upstream @ weights.T, features.T @ upstream), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_pooling_for_xla_is_the_kernel_with_equal_values_too():
    # Many equal values: the gradient must go to the same one of them.
    x, upstream = np.round(maps((3, 7, 8, 2))), tf.constant(maps((3, 2, 2, 2), seed=1))
    found = []
    for pool in (layers.Pooling("MAX", 3), layers.WindowMax(3)):
        with tf.GradientTape() as tape:
            inputs = tf.constant(x)
            tape.watch(inputs)
            outputs = pool(inputs, True)
        found.append((outputs, tape.gradient(outputs, inputs, upstream)))
    for kernel, compiled in zip(*found, strict=True):
        np.testing.assert_array_equal(kernel, compiled)


def test_cross_entropy_and_its_gradient():
    logits, labels = maps((6, 4)) * 3, np.array([0, 1, 2, 3, 3, 0], np.int32)
    loss, gradient = layers.cross_entropy(tf.constant(logits), tf.constant(labels))
    assert float(loss) == pytest.approx(-log_softmax(logits, axis=1)[np.arange(6), labels].mean(), rel=1e-5)
    with tf.GradientTape() as tape:
        inputs = tf.constant(logits)
        tape.watch(inputs)
        expected = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, inputs, from_logits=True))
    np.testing.assert_allclose(gradient, tape.gradient(expected, inputs), rtol=1e-4, atol=1e-6)


def test_dropout_drops_a_share_scales_the_rest_and_never_repeats():
    dropout, ones = layers.Dropout(0.4, seed=3), np.ones((50, 200), np.float32)
    first, second = (dropout(ones, True).numpy() for _ in range(2))
    assert set(np.unique(first)) == {np.float32(0), np.float32(1) / np.float32(0.6)}
    assert np.mean(first == 0) == pytest.approx(0.4, abs=4 * np.sqrt(0.24 / first.size))
    assert np.mean((first == 0) & (second == 0)) == pytest.approx(0.16, abs=0.015)  # independent of each other
    np.testing.assert_array_equal(layers.Dropout(0.4, seed=3)(ones, True), first)
    assert dropout(ones, False) is ones


def test_dropout_is_keras_dropout():
    ours, theirs = layers.Dropout(0.3, seed=9), keras.layers.Dropout(0.3, seed=9)
    for _ in range(3):
        np.testing.assert_array_equal(ours(maps(), True), theirs(maps(), training=True))


def test_in_bfloat16_maps_are_bfloat16_and_weights_float32():
    x = tf.cast(maps(), tf.bfloat16)
    norms = [layers.Normalization(3, 0.9, 0.001, frozen) for frozen in (False, True)]
    for part in (layers.Convolution(3, 5, 3, seed=1), *norms):
        exact, rounded = part(tf.cast(x, tf.float32), True), part(x, True)
        assert rounded.dtype == tf.bfloat16
        assert {variable.dtype for variable in part.variables} == {tf.float32}
        np.testing.assert_allclose(tf.cast(rounded, tf.float32), exact, rtol=0.02, atol=0.05)
