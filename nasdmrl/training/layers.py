"""Layers of a network as plain functions of TensorFlow, with their weights (Section 1).

They compute what Keras's layers of the same names compute. To trace them takes a fraction of the time, which is most of
what a short training costs. Maps are (n, height, width, channels).
A layer works in the type of the maps it is given (float32 or bfloat16); its weights and statistics are float32.
"""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def glorot_uniform(shape: Sequence[int], seed: int) -> Any:
    """First weights (Glorot and Bengio, 2010): float32, uniform within sqrt(6 / (inputs + outputs)) of 0.

    The same numbers as Keras's initialiser of that name gives for a seed below 2^24.
    """
    limit = math.sqrt(6 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1])))
    return tf.random.stateless_uniform(shape, [seed, 0], -limit, limit)


class Convolution(tf.Module):
    """Convolution with `padding` VALID or SAME.

    without_bias: the bias is left out. That is for a convolution whose outputs are normalised by the batch: what the
    bias adds, the batch's mean takes away, and its gradient is zero but for rounding, which Adam would blow up to
    steps of full length.
    """

    def __init__(
        self, channels: int, filters: int, size: int, seed: int, padding: str = "VALID", without_bias: bool = False
    ) -> None:
        super().__init__()
        self.kernel = tf.Variable(glorot_uniform((size, size, channels, filters), seed))
        self.bias = tf.Variable(tf.zeros(filters))
        self._padding, self._without_bias = padding, without_bias

    def __call__(self, maps: Any, training: bool) -> Any:
        """The convolved maps."""
        outputs = tf.nn.conv2d(maps, tf.cast(self.kernel, maps.dtype), strides=1, padding=self._padding)
        return outputs if self._without_bias else tf.nn.bias_add(outputs, tf.cast(self.bias, maps.dtype))


class Normalization(tf.Module):
    """Batch normalisation. Frozen: by its first statistics in training too, scale and shift learned (D2)."""

    def __init__(self, channels: int, momentum: float, epsilon: float, frozen: bool) -> None:
        super().__init__()
        self.scale, self.shift = tf.Variable(tf.ones(channels)), tf.Variable(tf.zeros(channels))
        self.mean = tf.Variable(tf.zeros(channels), trainable=False)
        self.variance = tf.Variable(tf.ones(channels), trainable=False)
        self._momentum, self._epsilon, self._frozen = momentum, epsilon, frozen

    def __call__(self, maps: Any, training: bool) -> Any:
        """The maps normalised by the batch's statistics in training, by the moving ones otherwise."""
        return self._by_batch(maps) if training and not self._frozen else self._by_moving(maps)

    def _by_batch(self, maps: Any) -> Any:
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=maps, scale=self.scale, offset=self.shift, mean=[], variance=[], epsilon=self._epsilon, is_training=True
        )
        # TensorFlow's kernel divides the variance by n - 1; Keras's layer keeps the one by n.
        values = tf.cast(tf.size(maps), tf.float32) / maps.shape[3]
        self.mean.assign_sub((self.mean - mean) * (1 - self._momentum))
        self.variance.assign_sub((self.variance - variance * (1 - 1 / values)) * (1 - self._momentum))
        return outputs

    def _by_moving(self, maps: Any) -> Any:
        factor = self.scale * tf.math.rsqrt(self.variance + self._epsilon)
        outputs = tf.cast(maps, tf.float32) * factor + (self.shift - self.mean * factor)
        return tf.cast(outputs, maps.dtype)


class Pooling(tf.Module):
    """Pooling, MAX or AVG, of windows of size x size pixels that do not overlap."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__()
        self._kind, self._size = kind, size

    def __call__(self, maps: Any, training: bool) -> Any:
        """The pooled maps; pixels that fill no window are dropped."""
        pool = tf.nn.max_pool2d if self._kind == "MAX" else tf.nn.avg_pool2d
        return pool(maps, self._size, self._size, "VALID")


class WindowMax(tf.Module):
    """Max pooling of operations that XLA compiles deterministically, which it does not do to TensorFlow's own.

    The gradient goes to the first of a window's largest pixels, as that of `Pooling` does.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def __call__(self, maps: Any, training: bool) -> Any:
        """The pooled maps; pixels that fill no window are dropped."""
        size, channels = self._size, maps.shape[3]
        rows, columns = maps.shape[1] // size, maps.shape[2] // size
        whole = tf.reshape(maps[:, : rows * size, : columns * size], (-1, rows, size, columns, size, channels))
        windows = tf.reshape(tf.transpose(whole, (0, 1, 3, 5, 2, 4)), (-1, rows, columns, channels, size * size))
        first = tf.one_hot(tf.argmax(windows, axis=4), size * size, dtype=maps.dtype)
        return tf.reduce_sum(windows * first, axis=4)


class Dense(tf.Module):
    """Dense layer: features (n, inputs) to (n, units).

    open_units: the variables take other numbers of units later, so that what is compiled serves all numbers of classes.
    """

    def __init__(self, inputs: int, units: int, seed: int, open_units: bool = False) -> None:
        super().__init__()
        size = None if open_units else units
        self.kernel = tf.Variable(glorot_uniform((inputs, units), seed), shape=(inputs, size))
        self.bias = tf.Variable(tf.zeros(units), shape=(size,))

    def __call__(self, features: Any, training: bool) -> Any:
        """The layer's outputs, without an activation."""
        outputs = product(features, tf.cast(self.kernel, features.dtype))
        return tf.nn.bias_add(outputs, tf.cast(self.bias, features.dtype))


def product(features: Any, weights: Any) -> Any:
    """Matrix product of (n, inputs) and (inputs, units).

    It is a batch product of one, for the sake of its gradient to the features: TensorFlow's kernel takes half the time
    of the one for a single product with transposed weights. Where inputs are many, that is most of a step.
    """
    return tf.squeeze(tf.matmul(tf.expand_dims(features, 0), tf.expand_dims(weights, 0)), 0)


class Dropout(tf.Module):
    """Dropout: the masks follow from the seed and the number of earlier calls in training (XLA draws other ones)."""

    def __init__(self, rate: float, seed: int) -> None:
        super().__init__()
        self.seed = tf.Variable([seed, 0], trainable=False, dtype=tf.int64)
        self._rate = rate

    def __call__(self, features: Any, training: bool) -> Any:
        """The features, in training with a share `rate` of them zero and the others scaled up."""
        if not (training and self._rate):
            return features
        chances = tf.random.stateless_uniform(tf.shape(features), tf.cast(self.seed, tf.int32))
        self.seed.assign_add([0, 1])
        return features * tf.cast(tf.cast(chances >= self._rate, tf.float32) / (1 - self._rate), features.dtype)


def cross_entropy(logits: Any, labels: Any) -> tuple[Any, Any]:
    """Mean cross-entropy of the softmax of logits (n, n_classes) with integer labels (n,); its gradient to the logits.

    By the formula: TensorFlow's own takes about seventy operations where they must be deterministic.
    """
    count = tf.cast(tf.size(labels), tf.float32)
    expected, logarithms = tf.one_hot(labels, tf.shape(logits)[1]), tf.nn.log_softmax(logits)
    return -tf.reduce_sum(expected * logarithms) / count, (tf.exp(logarithms) - expected) / count


def relu(maps: Any, training: bool) -> Any:
    """The positive part."""
    return tf.nn.relu(maps)


def flatten(maps: Any, training: bool) -> Any:
    """Features (n, height x width x channels) of maps."""
    return tf.reshape(maps, (-1, math.prod(maps.shape[1:])))


def addition(a: Any, b: Any, training: bool) -> Any:
    """The sum of maps, each with zeros around it up to the larger height, width and channels (Section 1)."""
    return tf.add(*_padded(a, b))


def concatenation(a: Any, b: Any, training: bool) -> Any:
    """The channels of both maps, each first padded with zeros as for an addition: twice the wider one's (Section 1)."""
    return tf.concat(_padded(a, b), axis=3)


def _padded(a: Any, b: Any) -> list[Any]:
    """Both maps with zeros around them up to the larger height, width and channels; the odd one goes after."""
    target = [max(sizes) for sizes in zip(a.shape[1:], b.shape[1:], strict=True)]
    return [
        _surrounded(maps, [size - have for size, have in zip(target, maps.shape[1:], strict=True)]) for maps in (a, b)
    ]


def _surrounded(maps: Any, missing: list[int]) -> Any:
    around = [(count // 2, count - count // 2) for count in missing]
    return tf.pad(maps, [(0, 0), *around]) if any(missing) else maps
