"""Conversion and decoding, images a second: ours with one thread and with all, beside Pillow on one core."""

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.table import Row, seconds
from nasdmrl.config.model import ARCHIVES_VARIABLE
from nasdmrl.config.sections import Data
from nasdmrl.data.catalogue import open_index
from nasdmrl.data.images import decode
from nasdmrl.data.records import convert
from nasdmrl.training.runtime import start_tensorflow

SIZE = 84
PHOTOGRAPHS, PHOTOGRAPH_SHAPE = 600, (500, 375)
PLAIN_IMAGES = 2_000
GENUINE = ("omniglot", "vgg_flower")
# Of the cores' sum of what Pillow does on one of them.
SHARE = 0.8


def photographs(folder: Path) -> None:
    """An archive in dtd's layout with images as large as the official ones: smooth, with some noise."""
    random = np.random.RandomState(0)
    with tarfile.open(folder / "dtd-r1.0.1.tar.gz", "w:gz", compresslevel=1) as archive:
        for number in range(PHOTOGRAPHS):
            coarse = Image.fromarray(random.randint(0, 256, (30, 40, 3)).astype(np.uint8))
            smooth = np.asarray(coarse.resize(PHOTOGRAPH_SHAPE, Image.Resampling.BICUBIC), np.int16)
            noisy = np.clip(smooth + random.randint(-12, 13, smooth.shape), 0, 255).astype(np.uint8)
            member = tarfile.TarInfo(f"dtd/images/class{number % 10}/image_{number:04d}.jpg")
            content = as_jpeg(Image.fromarray(noisy), 85)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def as_jpeg(image: Image.Image, quality: int = 75) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def rows() -> Iterator[Row]:
    start_tensorflow(threads=1)
    with tempfile.TemporaryDirectory() as name:
        photographs(Path(name))
        yield from conversion("dtd", Path(name), f"drawn photographs of {' x '.join(map(str, PHOTOGRAPH_SHAPE))}")
    archives = os.environ.get(ARCHIVES_VARIABLE)
    for dataset in GENUINE if archives else ():
        yield from conversion(dataset, Path(archives), f"{dataset}, genuine")


def conversion(dataset: str, archives: Path, title: str) -> Iterator[Row]:
    index = open_index(dataset, archives)
    cores, count = os.cpu_count() or 1, sum(index.images_per_class())
    some = [picture.content for picture in islice(index.images(), PLAIN_IMAGES)]
    encoding = len(some) / seconds(lambda: [reencoded(content) for content in some])
    decoding = len(some) / seconds(lambda: [resized(content) for content in some])
    with tempfile.TemporaryDirectory() as name:
        records, output = Path(name) / "records", Path(name) / "images"
        for threads in sorted({1, cores}):
            words = f"{threads} thread{'s' * (threads > 1)}"
            rate = count / seconds(lambda n=threads: convert(dataset, archives, records, False, n))
            yield rated(f"convert {title}, {words}", rate, threads, encoding, "decoded and encoded by Pillow, one core")
            rate = count / seconds(lambda n=threads: decode(records, output, Data(image_size=SIZE), n))
            yield rated(f"decode {title}, {words}", rate, threads, decoding, "decoded and resized by Pillow, one core")


def rated(what: str, rate: float, threads: int, plain: float, way: str) -> Row:
    return Row(what, rate, "images/s", SHARE * threads * plain, plain, f"plain: {way}", at_least=True)


def reencoded(content: bytes) -> bytes:
    return as_jpeg(Image.open(io.BytesIO(content)).convert("RGB"))


def resized(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content)).convert("RGB")
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, reducing_gap=None))
