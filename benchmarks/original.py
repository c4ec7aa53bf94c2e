"""The original's way to train a network, written by us as a stand-in for its code.

Keras layers, Keras's Adam and `fit`, fed by tf.data from TFRecords of JPEG images that are decoded, resized and scaled
anew in every epoch, with TensorFlow's own choice of threads. Nothing is looked up.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.keras_networks import build
from nasdmrl.config.sections import Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.space.nsc import Network, Shape


def train_and_score(network: Network, records: Path | str, shape: Shape, n_classes: int, recipe: Recipe) -> float:
    """Train on `records/train.tfrecords`, score on `records/test.tfrecords`; accuracy in [0, 1]."""
    train, test = (batches(Path(records) / f"{part}.tfrecords", shape, recipe.batch_size) for part in ("train", "test"))
    model = build(network, shape, n_classes, recipe)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    adam = keras.optimizers.Adam(recipe.learning_rate, recipe.beta1, recipe.beta2, recipe.epsilon)
    model.compile(adam, loss, metrics=["accuracy"])
    model.fit(train, epochs=recipe.epochs, verbose=0)
    accuracy = model.evaluate(test, verbose=0, return_dict=True)["accuracy"]
    keras.backend.clear_session()
    return accuracy


def batches(file: Path, shape: Shape, batch_size: int) -> tf.data.Dataset:
    """Batches of a file of TFRecords: decoded, resized and scaled whenever they are read."""

    def image_and_label(record: Any) -> tuple[Any, Any]:
        features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
        example = tf.io.parse_single_example(record, features)
        image = tf.image.resize(tf.io.decode_jpeg(example["image"], channels=3), shape[:2])
        return tf.ensure_shape(image, shape) / 255.0, example["label"]

    records = tf.data.TFRecordDataset(str(file)).shuffle(1000).map(image_and_label, tf.data.AUTOTUNE)
    return records.batch(batch_size).prefetch(1)


def write_records(folder: Path | str, data: ImageData, recipe: Recipe) -> None:
    """Write the images as TFRecords of JPEG, the training and the test part of the recipe's split in a file each."""
    for part, indices in zip(("train", "test"), data.split(recipe.test_fraction, recipe.split_seed), strict=True):
        with tf.io.TFRecordWriter(str(Path(folder) / f"{part}.tfrecords")) as writer:
            for example in _examples(data.images[indices], data.labels[indices]):
                writer.write(example)


def _examples(images: np.ndarray, labels: np.ndarray) -> Iterator[bytes]:
    for image, label in zip(images, labels, strict=True):
        jpeg = tf.train.BytesList(value=[tf.io.encode_jpeg(image).numpy()])
        value = tf.train.Int64List(value=[int(label)])
        features = {"image": tf.train.Feature(bytes_list=jpeg), "label": tf.train.Feature(int64_list=value)}
        yield tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
