"""Decoded images, made once and memory-mapped: uint8 of one size, with labels and a fingerprint (Section 6)."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nasdmrl.data import IMAGES_FORMAT
from nasdmrl.data.catalogue import SOURCES
from nasdmrl.data.members import Member, pixel_digest, read_record_members, write_image_members
from nasdmrl.data.records import check_format, read_spec, record_path
from nasdmrl.errors import DataError
from nasdmrl.files import atomic_path, write_json
from nasdmrl.progress import Progress

if TYPE_CHECKING:
    from nasdmrl.config.sections import Data

IMAGES, LABELS, CARD = "images.npy", "labels.npy", "card.json"
BATCH = 256


@dataclass(frozen=True)
class ImageData:
    """One dataset, ready to train on.

    images: uint8 of shape (n, height, width, 3), memory-mapped so that the jobs of a machine share its pages; labels:
    int32 of shape (n,), 0..n_classes - 1; fingerprint: SHA-256 of both.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    n_classes: int
    fingerprint: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self.images.shape[1:]

    @cached_property
    def resident(self) -> tuple[Any, Any]:
        """Images and labels as TensorFlow tensors: on a GPU once for a whole search, on the CPU the mapped pages."""
        import tensorflow as tf

        on_cpu = not tf.config.list_physical_devices("GPU")
        shared = on_cpu and isinstance(self.images, np.memmap)
        return _without_copy(self.images) if shared else tf.constant(self.images), tf.constant(self.labels)

    def split(self, test_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices of training and test images, int32: a seeded permutation cut in two (Section 4).

        floor(n x (1. - test_fraction)) in floating point train, as in the authors' handler: 6,699 of 10,000.
        """
        order = np.random.RandomState(seed).permutation(len(self.labels)).astype(np.int32)
        cut = int(len(order) * (1.0 - test_fraction))
        return order[:cut], order[cut:]


def _without_copy(images: np.ndarray) -> Any:
    """A CPU tensor of the array's own memory."""
    import tensorflow as tf

    return tf.experimental.dlpack.from_dlpack(np.asarray(images).__dlpack__())


def read_card(folder: Path | str) -> dict[str, Any]:
    """What `decode` says of the images in its folder: dataset, source, class names, number, size, fingerprint."""
    return json.loads((Path(folder) / CARD).read_text(encoding="utf-8"))


def load(folder: Path | str) -> ImageData:
    """Open a folder made by `decode`. Raises `DataError` where it is missing or damaged."""
    folder = Path(folder)
    try:
        card = read_card(folder)
        # Copy on write: the file can't be changed through it, and DLPack refuses an array that is read-only.
        images = np.load(folder / IMAGES, mmap_mode="c", allow_pickle=False)
        labels = np.load(folder / LABELS, allow_pickle=False)
        return ImageData(card["dataset"], images, labels, len(card["class_names"]), card["fingerprint"])
    except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
        raise DataError(f"{folder}: cannot be read ({error}); decode the records again") from error


def decode(records: Path | str, output: Path | str, options: "Data", threads: int = 1) -> dict:
    """Decode the records in one folder into arrays in another, within the limits that `options` has for the dataset.

    Returns the card written beside them: format, dataset, source, class names, number of images, size, `antialias` and
    fingerprint; the images themselves are listed in `members.csv`. Raises `DataError` for damaged records and for those
    of another format; `output` is then left as it was.
    """
    spec = read_spec(records)
    check_format(records, spec)
    options, counts = options.of(spec["name"]), _counts(spec)
    paths = read_record_members(records, counts)
    chosen = choose(counts, options)
    total = sum(len(positions) for positions in chosen.values())
    with atomic_path(output) as folder:
        folder.mkdir(parents=True)
        shape = (total, options.image_size, options.image_size, 3)
        images = np.lib.format.open_memmap(folder / IMAGES, mode="w+", dtype=np.uint8, shape=shape)
        labels = np.concatenate(
            [np.full(len(positions), new, np.int32) for new, positions in enumerate(chosen.values())]
        )
        digests = _fill(images, _decoded(records, counts, chosen, options, threads), f"decode {spec['name']}")
        images.flush()
        names = [(paths[c][place], spec["class_names"][str(c)]) for c in chosen for place in chosen[c]]
        write_image_members(folder, map(Member, *zip(*names, strict=True), digests))
        np.save(folder / LABELS, labels)
        card = _card(spec, options, list(chosen), images, labels)
        write_json(folder / CARD, card)
    return card


def choose(counts: list[int], options: "Data") -> dict[int, np.ndarray]:
    """The classes to use, in order, and the positions of the images to use of each; seeded (limit_seed)."""
    random = np.random.RandomState(options.limit_seed)
    classes = np.sort(random.permutation(len(counts))[: options.classes])
    return {int(c): np.sort(random.permutation(counts[c])[: options.images_per_class]) for c in classes}


def _counts(spec: dict) -> list[int]:
    return [spec["images_per_class"][str(label)] for label in range(len(spec["images_per_class"]))]


def _decoded(
    records: Path | str, counts: list[int], chosen: dict[int, np.ndarray], options: "Data", threads: int
) -> Iterator[np.ndarray]:
    """Yield batches of decoded images, uint8, class after class."""
    import tensorflow as tf

    dataset = _chosen_records(records, counts, chosen).map(
        lambda record: _image(record, options.image_size, options.antialias), num_parallel_calls=threads
    )
    try:
        for batch in dataset.batch(BATCH).prefetch(1):
            yield batch.numpy()
    except tf.errors.OpError as error:
        raise DataError(
            f"{records}: damaged or incomplete ({error.message}); remove it and run the conversion again"
        ) from error


def _chosen_records(records: Path | str, counts: list[int], chosen: dict[int, np.ndarray]) -> Any:
    """A `tf.data.Dataset` of the chosen images' records, class after class."""
    import tensorflow as tf

    keep = np.concatenate([np.isin(np.arange(counts[label]), positions) for label, positions in chosen.items()])
    dataset = tf.data.TFRecordDataset([record_path(records, label) for label in chosen])
    if keep.all():  # choosing goes record by record, which for small images takes longer than decoding
        return dataset
    kept = tf.constant(keep)
    return dataset.enumerate().filter(lambda i, _: kept[i]).map(lambda _, record: record)


def _image(record: Any, size: int, antialias: bool) -> Any:
    """Parse one tf.train.Example; grey images are widened to RGB, values rounded to uint8."""
    import tensorflow as tf

    example = tf.io.parse_single_example(record, {"image": tf.io.FixedLenFeature([], tf.string)})
    image = tf.io.decode_jpeg(example["image"], channels=3, dct_method="INTEGER_ACCURATE")
    return tf.cast(tf.clip_by_value(tf.round(resized(image, size, antialias)), 0, 255), tf.uint8)


def resized(image: Any, size: int, antialias: bool) -> Any:
    """An image, uint8 (height, width, 3), as float32 (size, size, 3), in 0..255 but for rounding.

    As the authors' handler (Section 6): TensorFlow 1's bilinear with aligned corners, which maps the corners' centres
    on each other and reads four pixels for each new one. Averaging (`antialias`) over all pixels that are merged exists
    only in TensorFlow 2's resize, which aligns the images' edges.
    """
    import tensorflow as tf

    if antialias:
        return tf.image.resize(image, (size, size), method="bilinear", antialias=True)
    return tf.raw_ops.ResizeBilinear(images=image[None], size=(size, size), align_corners=True)[0]


def _fill(images: np.ndarray, batches: Iterator[np.ndarray], title: str) -> list[str]:
    """Copy the batches into `images`; returns the digest of each image."""
    done = 0
    digests: list[str] = []
    with Progress(title, -(-len(images) // BATCH)) as progress:
        for batch in batches:
            images[done : done + len(batch)] = batch
            done += len(batch)
            digests += map(pixel_digest, batch)
            progress.advance()
    if done != len(images):
        raise DataError(
            f"{title}: {done} images where {len(images)} were listed; remove the records and run the conversion again"
        )
    return digests


def _card(spec: dict, options: "Data", classes: list[int], images: np.ndarray, labels: np.ndarray) -> dict:
    digest = hashlib.sha256(str(images.shape).encode())
    digest.update(images.data)
    digest.update(labels.data)
    return {
        "format": IMAGES_FORMAT,
        "dataset": spec["name"],
        "source": options.source if spec["name"] in SOURCES else "own",
        "class_names": [spec["class_names"][str(label)] for label in classes],
        "images": len(labels),
        "image_size": options.image_size,
        "antialias": options.antialias,
        "fingerprint": digest.hexdigest(),
    }
