"""Meta-Dataset's layout: `{class}.tfrecords` of `image` (JPEG bytes) and `label`, and `dataset_spec.json`.

Beside them, `members.csv` says which member of the archive each image is (see `members`), and the specification has one
key more, `format`; Meta-Dataset's readers pass over both.

What happens to an image is what Meta-Dataset's converter does (Section 6): an RGB JPEG keeps its bytes, any other
image (Omniglot's inverted PNG, aircraft cut to their boxes, GTSRB's PPM, grey photographs) is encoded anew.
"""

import errno
import io
import json
import os
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from multiprocessing.pool import Pool, ThreadPool
from pathlib import Path

from PIL import Image, ImageOps

from nasdmrl.data import RECORDS_FORMAT
from nasdmrl.data.archives import Box, Index, Picture
from nasdmrl.data.catalogue import SOURCES, open_index
from nasdmrl.data.members import write_record_members
from nasdmrl.errors import DataError
from nasdmrl.files import atomic_path, write_json
from nasdmrl.progress import Progress

SPEC_NAME = "dataset_spec.json"
# Place of the byte with the bits a channel in a PNG file. Pillow cuts colours of 16 bits to 8 without a word.
PNG_BITS = 24
# Images that a worker gets at once: many small ones cost little to hand over, few large ones little memory.
CHUNK, CHUNK_OF_MANY = 16, 256
# Datasets of so many images have small ones (Omniglot, GTSRB). To decode these is mostly Python's own work, which
# threads cannot share; processes can, but take a third of a second to start.
MANY_IMAGES = 20_000


def convert(
    dataset: str, archives: Path | str, output: Path | str, require_official_counts: bool, threads: int = 1
) -> dict:
    """Convert a dataset's official archives in folder `archives` to records in folder `output`.

    threads: images decoded at once; the records are the same for any number.
    A dataset of one's own has no archives but class folders there, and no official counts.
    Returns the content of `dataset_spec.json`. Raises `DataError` for bad archives, images that do not decode,
    counts other than the official ones where they are required, and a full disk; `output` is then left as it was.
    """
    index = open_index(dataset, archives)
    if require_official_counts:
        check_official_counts(dataset, index.images_per_class())
    with atomic_path(output) as folder, _disk_errors(output):
        folder.mkdir(parents=True)
        write_record_members(folder, _write_records(index, folder, threads))
        spec = _spec(index)
        write_json(folder / SPEC_NAME, spec)
    return spec


def check_official_counts(dataset: str, images_per_class: list[int]) -> None:
    """Raise `DataError`, which names the difference, unless classes and images are the official ones (Table 3)."""
    expected, found = SOURCES[dataset].facts, (len(images_per_class), sum(images_per_class))
    if found != (expected.classes, expected.images):
        raise DataError(
            f"{dataset}: officially {expected.classes} classes and {expected.images} images, the archives hold "
            f"{found[0]} and {found[1]}; use the full archives or set data.require_official_counts to false"
        )


@contextmanager
def _disk_errors(output: Path | str) -> Iterator[None]:
    import tensorflow as tf

    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise DataError(_full_disk(output)) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DataError(_full_disk(output)) from error


def _full_disk(output: Path | str) -> str:
    return f"{output}: the disk is full; free some space there and run again, nothing half-written was kept"


def _write_records(index: Index, folder: Path, threads: int) -> dict[int, list[str]]:
    """One file a class; a class's file is closed once all of its images are in, so few are open at a time.

    Returns the members' names by label, in the order of the records.
    """
    import tensorflow as tf

    left = Counter(dict(enumerate(index.images_per_class())))
    writers: dict[int, tf.io.TFRecordWriter] = {}
    written: dict[int, list[str]] = {label: [] for label in left}
    with Progress(f"convert {index.dataset}", left.total()) as progress:
        for label, name, image in _jpegs(index, threads):
            if label not in writers:
                writers[label] = tf.io.TFRecordWriter(str(folder / f"{label}.tfrecords"))
            writers[label].write(_example(image, label))
            written[label].append(name)
            left[label] -= 1
            if left[label] == 0:
                writers.pop(label).close()
            progress.advance()
    if left.total():
        raise DataError(
            f"{index.parts[0].path}: {left.total()} images of the archive's list could not be read; fetch it again"
        )
    return written


def _jpegs(index: Index, threads: int) -> Iterator[tuple[int, str, bytes]]:
    """Yield label, name and JPEG of each image in the archive's order; so many threads, or processes, decode."""
    many = sum(index.images_per_class()) >= MANY_IMAGES
    images, size = index.images(), CHUNK_OF_MANY if many else CHUNK
    with _workers(threads, many) as pool:
        waiting: deque = deque()
        while chunk := list(islice(images, size)):
            waiting.append(pool.apply_async(_chunk_of_jpegs, (index.dataset, chunk)))
            if len(waiting) > 2 * threads:
                yield from waiting.popleft().get()
        for done in waiting:
            yield from done.get()


def _workers(count: int, many: bool) -> Pool:
    """Threads, or for many images processes, which end with this one also where it is killed."""
    return get_context("spawn").Pool(count) if many and count > 1 else ThreadPool(count)


def _chunk_of_jpegs(dataset: str, chunk: list[Picture]) -> list[tuple[int, str, bytes]]:
    return [(picture.label, picture.name, jpeg(dataset, picture)) for picture in chunk]


def jpeg(dataset: str, picture: Picture) -> bytes:
    """The image as JPEG as Meta-Dataset's converter makes it: cut to its box, and inverted where the dataset's are.

    Raises `DataError` for an image that does not decode, is too large, or has more than 8 bits a channel, and for a box
    without a pixel of its image.
    """
    content, name = picture.content, picture.name
    invert = dataset in SOURCES and SOURCES[dataset].inverted
    try:
        with Image.open(io.BytesIO(content)) as image:
            changed = picture.box is not None or invert
            keep = image.format == "JPEG" and image.mode == "RGB" and not changed
            if keep:
                # Reads every byte, so it finds what is damaged, but computes only an eighth of the pixels.
                image.draft(None, (1, 1))
            image.load()
            if image.mode.startswith(("I", "F")) or (image.format == "PNG" and content[PNG_BITS] > 8):
                raise DataError(f"{dataset}: image `{name}` has more than 8 bits a channel; convert it to 8 bits")
            _check_box(picture, *image.size)
            return content if keep else _encoded(image, picture.box, invert)
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{dataset}: image `{name}` has more pixels than Pillow opens ({error}); make it smaller"
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{dataset}: image `{name}` is damaged ({error}); replace it or fetch the archive") from error


def _check_box(picture: Picture, width: int, height: int) -> None:
    if picture.box is None:
        return
    left, upper, right, lower = picture.box
    if max(left, 0) >= min(right, width) or max(upper, 0) >= min(lower, height):
        raise DataError(
            f"{picture.archive}: the box of image `{picture.name}`, {left} {upper} {right} {lower}, holds none of its "
            f"{width} x {height} pixels; correct it, or fetch the archive again"
        )


def _encoded(image: Image.Image, box: Box | None, invert: bool) -> bytes:
    """JPEG of Pillow's default quality, 75. A grey image decodes to the same pixels as if it were stored in colour."""
    image = image.convert("L" if image.mode in ("1", "L") else "RGB")
    if box is not None:
        # Black where a box reaches beyond the photograph. Official boxes do not; a copy's may by rounding.
        image = image.crop(box)
    if invert:
        image = ImageOps.invert(image)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def _example(image: bytes, label: int) -> bytes:
    import tensorflow as tf

    features = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def _spec(index: Index) -> dict:
    counts = index.images_per_class()
    return {
        "__class__": "DatasetSpecification",
        "name": index.dataset,
        # The paper classifies all classes, so all are in one split.
        "classes_per_split": {"TRAIN": len(counts), "VALID": 0, "TEST": 0},
        "images_per_class": {str(label): count for label, count in enumerate(counts)},
        "class_names": dict(zip(map(str, range(len(counts))), index.class_names, strict=True)),
        "path": index.dataset,
        "file_pattern": "{}.tfrecords",
        "format": RECORDS_FORMAT,
    }


def read_spec(folder: Path | str) -> dict:
    """Content of `dataset_spec.json`. Raises `DataError` where it is missing or not readable."""
    path = Path(folder) / SPEC_NAME
    try:
        spec = json.loads(path.read_text(encoding="utf-8"))
        spec["images_per_class"].values()  # what all readers need
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); remove its folder and run the conversion again") from error
    return spec


def check_format(folder: Path | str, spec: dict) -> None:
    """Raise `DataError` for records that another version of the conversion made."""
    found = spec.get("format", 1)
    if found != RECORDS_FORMAT:
        raise DataError(f"{folder}: records of format {found}, expected {RECORDS_FORMAT}; run the conversion again")


def record_path(folder: Path | str, label: int) -> str:
    """Path of the records of one class."""
    return os.path.join(folder, f"{label}.tfrecords")
