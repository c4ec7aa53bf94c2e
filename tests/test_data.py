"""From archives to arrays: stand-ins and genuine images, an independent reader, bad input."""

import gzip
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import tensorflow as tf
from PIL import Image, ImageOps

from nasdmrl.config.sections import Data
from nasdmrl.data import records
from nasdmrl.data.archives import Picture
from nasdmrl.data.catalogue import SOURCES, open_index, write_standins
from nasdmrl.data.images import IMAGES_FORMAT, choose, decode, load, resized
from nasdmrl.data.members import read_image_members
from nasdmrl.data.records import RECORDS_FORMAT, check_official_counts, convert, jpeg
from nasdmrl.data.standins import CLASSES, IMAGES_PER_CLASS
from nasdmrl.errors import DataError, NasdmrlError
from nasdmrl.files import write_text
from nasdmrl.paper.datasets import DATASETS

# Table 3 and 8 of the paper.
OFFICIAL = {
    "omniglot": (1623, 32460),
    "vgg_flower": (102, 8189),
    "dtd": (47, 5640),
    "aircraft": (100, 10000),
    "cu_birds": (200, 11788),
    "traffic_sign": (43, 39209),
}
# Classes and images of the genuine subsets, as their README counts them.
REAL = {
    "omniglot": (1623, 32460),
    "vgg_flower": (102, 6552),
    "dtd": (10, 1200),
    "aircraft": (20, 2000),
    "cu_birds": (100, 5902),
    "traffic_sign": (43, 2580),
}


def read_records(folder):
    """An independent reader: plain tf.train.Example, file by file."""
    examples = []
    for path in folder.glob("*.tfrecords"):
        for raw in tf.compat.v1.io.tf_record_iterator(str(path)):
            features = tf.train.Example.FromString(raw).features.feature
            label = features["label"].int64_list.value[0]
            assert int(path.stem) == label
            examples.append((label, features["image"].bytes_list.value[0]))
    return examples


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), dtype=np.float64)


def test_datasets_are_table_3():
    assert {d.id: (d.classes, d.images) for d in DATASETS.values()} == OFFICIAL
    listed = {name: source.facts for name, source in SOURCES.items() if source.facts.role != "own"}
    assert listed == DATASETS
    assert list(listed) == list(OFFICIAL)


@pytest.mark.parametrize("dataset", DATASETS)
def test_standins_convert_and_read_back(dataset, standins, tmp_path):
    spec = convert(dataset, standins, tmp_path / "records", False)
    per_class = 20 if dataset == "omniglot" else IMAGES_PER_CLASS
    assert spec["images_per_class"] == {str(label): per_class for label in range(CLASSES)}
    assert spec == json.loads((tmp_path / "records/dataset_spec.json").read_text())
    examples = read_records(tmp_path / "records")
    assert len(examples) == CLASSES * per_class
    check_images(dataset, standins, examples)


def boxes_of(folder):
    """An independent reader of `images_box.txt`: left, upper, right and lower bound by the photograph's name."""
    with tarfile.open(folder / "fgvc-aircraft-2013b.tar.gz") as archive:
        lines = archive.extractfile("fgvc-aircraft-2013b/data/images_box.txt").read().decode().splitlines()
    return {line.split()[0]: tuple(int(number) for number in line.split()[1:]) for line in lines}


def as_meta_dataset_does(dataset, content, box=None):
    """Pixels of an archive's image after Meta-Dataset's converter, by Pillow in the converter's own order."""
    image = Image.open(io.BytesIO(content))
    anew = image.format != "JPEG" or image.mode != "RGB" or box is not None or dataset == "omniglot"
    image = image.convert("RGB")
    image = image.crop(box) if box is not None else image
    image = ImageOps.invert(image) if dataset == "omniglot" else image
    return np.asarray(Image.open(io.BytesIO(encoded(image))).convert("RGB") if anew else image)


def check_images(dataset, archives, examples):
    """The records' images are those of the archives, class by class, after what Meta-Dataset does to them.

    Of many classes a share is compared.
    """
    boxes = boxes_of(archives) if dataset == "aircraft" else {}
    step = 1 + max(label for label, _ in examples) // 110
    expected = Counter(
        (image.label, as_meta_dataset_does(dataset, image.content, boxes.get(Path(image.name).stem)).tobytes())
        for image in open_index(dataset, archives).images()
        if image.label % step == 0
    )
    found = ((label, pixels(content).astype(np.uint8).tobytes()) for label, content in examples if label % step == 0)
    assert Counter(found) == expected


@pytest.mark.parametrize("dataset", ["vgg_flower", "dtd", "cu_birds"])
def test_photographs_keep_their_bytes(dataset, standins, tmp_path):
    convert(dataset, standins, tmp_path / "records", False)
    originals = {(image.label, image.content) for image in open_index(dataset, standins).images()}
    assert set(read_records(tmp_path / "records")) == originals


def test_omniglot_is_white_on_black(standins, tmp_path):
    convert("omniglot", standins, tmp_path / "records", False)
    assert all(pixels(content).mean() < 30 for _, content in read_records(tmp_path / "records"))
    assert all(pixels(image.content).mean() > 225 for image in open_index("omniglot", standins).images())


def test_standins_are_the_same_bytes_every_time(standins, tmp_path):
    for dataset in ("omniglot", "vgg_flower", "aircraft"):
        for path in write_standins(dataset, tmp_path):
            assert path.read_bytes() == (standins / path.name).read_bytes()


@pytest.mark.parametrize("dataset", REAL)
def test_genuine_archives_convert(dataset, real_archives, tmp_path):
    spec = convert(dataset, real_archives, tmp_path / "records", False)
    counts = spec["images_per_class"].values()
    assert (len(counts), sum(counts)) == REAL[dataset]
    assert min(counts) > 0
    examples = read_records(tmp_path / "records")
    assert np.bincount([label for label, _ in examples]).tolist() == list(counts)
    check_images(dataset, real_archives, examples)
    if dataset == "omniglot":
        assert np.mean([pixels(content).mean() for _, content in examples[::20]]) < 30
    if dataset == "aircraft":
        sizes = Counter((right - left, lower - upper) for left, upper, right, lower in boxes_of(real_archives).values())
        assert Counter(Image.open(io.BytesIO(content)).size for _, content in examples) == sizes
    card = decode(tmp_path / "records", tmp_path / "images", Data(image_size=20, classes=5, images_per_class=9))
    data = load(tmp_path / "images")
    assert (card["images"], data.n_classes, data.shape) == (45, 5, (20, 20, 3))
    assert data.images.std() > 10


def bilinear(image, size):
    """Bilinear with aligned corners, float64: corner pixels keep their values, others lie evenly between."""

    def along(values, axis):
        places = np.arange(size) * (values.shape[axis] - 1) / (size - 1)
        low = np.minimum(np.floor(places).astype(int), values.shape[axis] - 1)
        high = np.minimum(low + 1, values.shape[axis] - 1)
        share = (places - low).reshape([-1 if axis == place else 1 for place in range(3)])
        return np.take(values, low, axis) * (1 - share) + np.take(values, high, axis) * share

    return along(along(image.astype(np.float64), 0), 1)


@pytest.mark.parametrize("shape", [(105, 105), (96, 131), (240, 424), (15, 20), (84, 84), (1, 7)])
def test_resizing_is_the_authors_bit_for_bit(shape):
    image = np.random.RandomState(0).randint(0, 256, (*shape, 3)).astype(np.uint8)
    for size in (20, 84):
        ours = resized(image, size, antialias=False).numpy()
        theirs = tf.compat.v1.image.resize_bilinear(image[None].astype(np.float32), (size, size), align_corners=True)
        assert ours.dtype == np.float32
        assert ours.tobytes() == theirs[0].numpy().tobytes()
        assert np.abs(ours - bilinear(image, size)).max() < 0.02  # float32 places
        # Not the centres of pixels that TensorFlow 2 aligns.
        assert shape == (size, size) or np.abs(ours - tf.image.resize(image, (size, size))).max() > 1


def test_antialiasing_averages_what_is_merged():
    image = np.random.RandomState(0).randint(0, 256, (96, 96, 3)).astype(np.uint8)
    assert resized(image, 12, antialias=True).numpy().std() < resized(image, 12, antialias=False).numpy().std() / 4
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[::2] = 255
    assert np.abs(resized(stripes, 12, antialias=True).numpy()[1:-1] - 127.5).max() < 2


def test_decoding_is_resized_rounded_and_labelled(standins, tmp_path):
    convert("dtd", standins, tmp_path / "records", False)
    decode(tmp_path / "records", tmp_path / "images", Data(image_size=24))
    data = load(tmp_path / "images")
    assert isinstance(data.images, np.memmap)
    assert (data.images.dtype, data.images.shape) == (np.uint8, (CLASSES * IMAGES_PER_CLASS, 24, 24, 3))
    for label, content in read_records(tmp_path / "records")[:30]:
        small = bilinear(pixels(content), 24)
        of_class = data.images[data.labels == label].astype(np.float64)
        assert np.abs(of_class - small).max(axis=(1, 2, 3)).min() <= 0.51  # rounding to whole numbers


def test_grey_images_are_widened(standins, tmp_path):
    convert("omniglot", standins, tmp_path / "records", False)
    decode(tmp_path / "records", tmp_path / "images", Data(image_size=28, classes=2))
    images = load(tmp_path / "images").images
    assert np.array_equal(images[..., 0], images[..., 2])
    assert len(np.unique(images)) > 2


def test_decoding_is_the_same_every_time_and_has_a_fingerprint(standins, tmp_path):
    convert("dtd", standins, tmp_path / "records", False)
    options = Data(image_size=16, classes=3, images_per_class=7)
    cards = [decode(tmp_path / "records", tmp_path / name, options, threads) for name, threads in (("a", 1), ("b", 2))]
    assert cards[0] == cards[1]
    assert (tmp_path / "a/images.npy").read_bytes() == (tmp_path / "b/images.npy").read_bytes()
    other = decode(tmp_path / "records", tmp_path / "c", options.model_copy(update={"limit_seed": 1}))
    assert other["fingerprint"] != cards[0]["fingerprint"]


def test_chosen_images_are_those_of_the_whole(standins, tmp_path):
    convert("dtd", standins, tmp_path / "records", False)
    some = Data(image_size=16, classes=5, images_per_class=7)
    for name, options in (("whole", Data(image_size=16)), ("some", some)):
        decode(tmp_path / "records", tmp_path / name, options)
    whole, chosen = load(tmp_path / "whole").images, choose([IMAGES_PER_CLASS] * CLASSES, some)
    places = np.concatenate([label * IMAGES_PER_CLASS + positions for label, positions in chosen.items()])
    assert np.array_equal(load(tmp_path / "some").images, whole[places])


@pytest.mark.parametrize("many", [1, 10**6])  # images from which on processes decode, not threads
@pytest.mark.parametrize("dataset", ["omniglot", "cu_birds"])  # encoded anew, and kept as they are
def test_records_are_the_same_for_any_number_of_workers(dataset, many, standins, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MANY_IMAGES", many)
    for threads in (1, 3):
        convert(dataset, standins, tmp_path / str(threads), False, threads)
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert len(names) == CLASSES + 2
    assert all((tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes() for name in names)


WITH_PROCESSES = """
import sys, time
from nasdmrl.data import records
records.MANY_IMAGES, records._example = 1, lambda image, label: time.sleep(600)
if __name__ == "__main__":
    records.convert("omniglot", sys.argv[1], sys.argv[2], False, 2)
"""


def test_processes_that_decode_end_with_a_killed_job(standins, tmp_path):
    script = tmp_path / "job.py"
    script.write_text(WITH_PROCESSES)
    job = subprocess.Popen([sys.executable, script, standins, tmp_path / "records"], start_new_session=True)
    assert soon(lambda: len(of_session(job.pid)) >= 3)
    job.kill()
    job.wait()
    assert soon(lambda: not of_session(job.pid))


def soon(condition, seconds=60):
    """Whether a condition comes true within so many seconds."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def of_session(leader):
    """Numbers of the processes of a session."""
    found = subprocess.run(["ps", "-o", "pid=", "-s", str(leader)], capture_output=True, text=True).stdout
    return found.split()


def unshared_bytes():
    """Of this process's memory, what is backed by no file."""
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Anonymous:"))


def test_every_image_has_its_member_and_the_digest_of_its_pixels(standins, tmp_path):
    """By Pillow and TensorFlow from the member that the list names, whatever the order of the archive."""
    convert("omniglot", standins, tmp_path / "records", False, threads=2)
    limits = Data(image_size=21, classes=6, images_per_class=5)
    card = decode(tmp_path / "records", tmp_path / "images", limits, threads=2)
    members, data = read_image_members(tmp_path / "images"), load(tmp_path / "images")
    assert len(members) == len(set(members)) == card["images"] == 30
    archives = {name: zipfile.ZipFile(standins / f"{name}.zip") for name in ("images_background", "images_evaluation")}
    for member, image, label in zip(members, data.images, data.labels, strict=True):
        assert member.class_name == card["class_names"][label] == "/".join(member.path.split("/")[1:3])
        original = archives[member.path.split("/")[0]].read(member.path)
        small = tf.compat.v1.image.resize_bilinear(
            as_meta_dataset_does("omniglot", original)[None], (21, 21), align_corners=True
        )
        assert np.array_equal(np.round(small[0].numpy()).astype(np.uint8), image)
        assert member.sha256 == hashlib.sha256(image.tobytes()).hexdigest()


def test_a_record_has_the_same_bytes_in_every_process():
    """A protobuf map, worked out by hand; its own order changes from process to process."""
    image = b"\n\x05image\x12\x07\n\x05\n\x03abc"
    label = b"\n\x05label\x12\x05\x1a\x03\n\x01\x03"
    features = b"\n\x10" + image + b"\n\x0e" + label
    assert records._example(b"abc", 3) == b"\n" + bytes([len(features)]) + features


def test_members_are_listed_in_the_order_of_the_records(standins, tmp_path):
    convert("vgg_flower", standins, tmp_path / "records", False)
    by_name = {image.name: image.content for image in open_index("vgg_flower", standins).images()}
    lines = (tmp_path / "records/members.csv").read_text().splitlines()
    assert lines[0] == "label,member"
    listed = [(int(label), by_name[name]) for label, name in (line.split(",") for line in lines[1:])]
    stored = sorted(read_records(tmp_path / "records"), key=lambda example: example[0])  # a stable sort
    assert listed == stored


def test_names_of_members_may_hold_anything(tmp_path):
    names = (os.fsdecode(b'a, "b"\n\xff.png'), "2.png", "3.png")
    expected = [(label, f"{label}/{name}") for label in ("x", "y, z") for name in names]
    for _, path in expected:
        (tmp_path / "pets" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(tmp_path / "pets" / path)
    convert("pets", tmp_path / "pets", tmp_path / "records", False)
    decode(tmp_path / "records", tmp_path / "images", Data(image_size=9))
    paths = [(member.class_name, member.path) for member in read_image_members(tmp_path / "images")]
    assert sorted(paths) == sorted(expected)


def test_records_of_another_format_are_refused(standins, tmp_path):
    spec = convert("dtd", standins, tmp_path / "records", False)
    card = decode(tmp_path / "records", tmp_path / "images", Data(image_size=16, classes=2))
    assert (spec["format"], card["format"]) == (RECORDS_FORMAT, IMAGES_FORMAT)
    del spec["format"]
    (tmp_path / "records/dataset_spec.json").write_text(json.dumps(spec))
    with pytest.raises(DataError, match="records of format 1, expected 2; run the conversion again"):
        decode(tmp_path / "records", tmp_path / "images", Data())


@pytest.mark.parametrize("text", ["", "label,member\n", "label,member\n0\n", "label,member\nx,a.png\n", "a\n"])
def test_lists_of_members_that_do_not_fit(text, standins, tmp_path):
    convert("dtd", standins, tmp_path / "records", False)
    (tmp_path / "records/members.csv").write_text(text)
    with pytest.raises(DataError, match=r"members\.csv: cannot be read .*; run the conversion again"):
        decode(tmp_path / "records", tmp_path / "images", Data(image_size=16))
    with pytest.raises(DataError, match=r"members\.csv: cannot be read .*; decode the records again"):
        read_image_members(tmp_path / "records")


def test_jobs_on_one_machine_share_the_images(standins, tmp_path):
    convert("dtd", standins, tmp_path / "records", False)
    decode(tmp_path / "records", tmp_path / "images", Data(image_size=160))
    data = load(tmp_path / "images")
    before = unshared_bytes()
    images, labels = data.resident
    assert unshared_bytes() - before < data.images.nbytes / 4
    assert np.array_equal(tf.gather(images, [3, 500]), data.images[[3, 500]])
    assert np.array_equal(labels, data.labels)


def test_images_of_a_file_cannot_be_changed_through_what_was_loaded(standins, tmp_path):
    convert("dtd", standins, tmp_path / "records", False)
    decode(tmp_path / "records", tmp_path / "images", Data(image_size=16, classes=2))
    before = (tmp_path / "images/images.npy").read_bytes()
    load(tmp_path / "images").images[:] = 0
    assert (tmp_path / "images/images.npy").read_bytes() == before


def test_limits_are_stratified_and_seeded():
    chosen = choose([10, 4, 10, 10], Data(classes=3, images_per_class=5))
    assert len(chosen) == 3
    assert all(len(positions) == min(5, [10, 4, 10, 10][label]) for label, positions in chosen.items())
    again = choose([10, 4, 10, 10], Data(classes=3, images_per_class=5))
    assert all(np.array_equal(chosen[label], again[label]) for label in chosen)
    everything = choose([2, 3], Data())
    assert [positions.tolist() for positions in everything.values()] == [[0, 1], [0, 1, 2]]


def test_limits_of_a_dataset_draw_as_general_ones_do(standins, tmp_path):
    convert("dtd", standins, tmp_path / "records", False)
    general = decode(tmp_path / "records", tmp_path / "a", Data(image_size=16, classes=5, images_per_class=7))
    limits = {"dtd": {"classes": 5, "images_per_class": 7}, "omniglot": {"classes": 2}}
    own = decode(tmp_path / "records", tmp_path / "b", Data(image_size=16, classes=9, limits=limits))
    assert own == general
    assert (len(own["class_names"]), own["images"]) == (5, 35)
    # More images than a class has: all of it.
    limits = {"dtd": {"classes": 3, "images_per_class": IMAGES_PER_CLASS + 20}}
    assert decode(tmp_path / "records", tmp_path / "c", Data(limits=limits))["images"] == 3 * IMAGES_PER_CLASS


def test_official_counts_are_required_at_the_papers_scale(standins, tmp_path):
    check_official_counts("dtd", [120] * 47)
    with pytest.raises(DataError, match="dtd: officially 47 classes and 5640 images, the archives hold 16 and 640"):
        convert("dtd", standins, tmp_path / "records", True)
    assert list(tmp_path.iterdir()) == []


def encoded(image, kind="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(content, name="a.jpg", box=None):
    return Picture(Path("archive.tar.gz"), name, 0, content, box)


def test_grey_photographs_become_colour_as_in_meta_dataset():
    grey = encoded(Image.fromarray(np.arange(48 * 40, dtype=np.uint16).reshape(48, 40).astype(np.uint8)), quality=95)
    assert np.array_equal(pixels(jpeg("dtd", picture(grey))), as_meta_dataset_does("dtd", grey))
    assert np.array_equal(
        pixels(jpeg("aircraft", picture(grey, box=(3, 5, 30, 41)))),
        as_meta_dataset_does("aircraft", grey, (3, 5, 30, 41)),
    )


def test_aircraft_are_cut_to_their_boxes():
    photo = encoded(Image.fromarray(np.full((40, 60, 3), 200, np.uint8)))
    assert pixels(jpeg("aircraft", picture(photo, box=(10, 5, 34, 37)))).shape == (32, 24, 3)
    # Pillow fills with black what a box has outside the photograph, and so did Meta-Dataset's converter.
    beyond = pixels(jpeg("aircraft", picture(photo, box=(-16, 0, 60, 56))))
    assert beyond.shape == (56, 76, 3)
    assert beyond[:40, 16:].min() > 190
    assert beyond[:, :16].max() < 10
    assert beyond[40:].max() < 10


@pytest.mark.parametrize("box", [(60, 0, 70, 40), (-9, 0, 0, 40), (0, 40, 60, 50), (10, 5, 10, 9), (30, 5, 20, 9)])
def test_a_box_without_a_pixel_is_refused(box):
    photo = encoded(Image.new("RGB", (60, 40)))
    with pytest.raises(DataError, match=r"archive\.tar\.gz: the box of image `a\.jpg`, .* holds none of its 60 x 40"):
        jpeg("aircraft", picture(photo, box=box))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "1 images have no box in `.*images_box.txt`, the first is `.*0003004.jpg`"),
        (
            b"0003004 1 2 3\n",
            "`.*images_box.txt` gives image `0003004` the box `1 2 3`, expected `xmin ymin xmax ymax`",
        ),
        (b"0003004 500 0 548 48\n", "the box of image `.*0003004.jpg`, 500 0 548 48, holds none of its"),
    ],
)
def test_a_photograph_without_a_box(line, message, copied, tmp_path):
    def change(name, content):
        if not name.endswith("images_box.txt"):
            return name, content
        return name, b"".join(line if row.startswith(b"0003004 ") else row for row in content.splitlines(keepends=True))

    rewritten(copied / "fgvc-aircraft-2013b.tar.gz", change)
    refused("aircraft", copied, tmp_path, r"fgvc-aircraft-2013b\.tar\.gz: " + message)


def png(bits, width=8, height=8):
    """A grey-blue PNG, written by hand: Pillow writes no colours of 16 bits."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    rows = (b"\0" + b"\x40\x40\x80" * (width * bits // 8)) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_colours_of_16_bits_are_refused():
    assert np.abs(pixels(jpeg("pets", picture(png(8), "a.png")))[0, 0] - (64, 64, 128)).max() < 8
    with pytest.raises(DataError, match=r"pets: image `a\.png` has more than 8 bits a channel"):
        jpeg("pets", picture(png(16), "a.png"))


def test_images_that_are_too_large_to_open_are_refused():
    huge = encoded(Image.new("1", (20_000, 10_000)), "PNG")
    with pytest.raises(DataError, match=r"pets: image `a\.png` has more pixels than Pillow opens"):
        jpeg("pets", picture(huge, "a.png"))


# --- bad input ----------------------------------------------------------------------------------------------


def refused(dataset, folder, tmp_path, message, threads=1):
    output = tmp_path / "out" / "records"
    with pytest.raises(DataError, match=message):
        convert(dataset, folder, output, False, threads)
    assert not output.exists()
    assert not output.parent.exists() or list(output.parent.iterdir()) == []


@pytest.fixture
def copied(standins, tmp_path):
    """A copy of the stand-ins that a test may damage."""
    return shutil.copytree(standins, tmp_path / "archives")


def cut(path, share):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def test_missing_archive(tmp_path):
    refused("dtd", tmp_path, tmp_path, r"dtd-r1\.0\.1\.tar\.gz: no such file; put the official archive there")


def test_truncated_zip(copied, tmp_path):
    cut(copied / "images_evaluation.zip", 0.7)
    refused("omniglot", copied, tmp_path, r"images_evaluation\.zip: the archive is damaged or cut short")


@pytest.mark.parametrize(("dataset", "name"), [("dtd", "dtd-r1.0.1.tar.gz"), ("cu_birds", "CUB_200_2011.tgz")])
def test_truncated_tar(dataset, name, copied, tmp_path):
    cut(copied / name, 0.6)
    refused(dataset, copied, tmp_path, "the archive is damaged or cut short")


def test_damaged_zip_member(copied, tmp_path):
    path = copied / "images_background.zip"
    content = bytearray(path.read_bytes())
    content[200:230] = b"\x00" * 30
    path.write_bytes(content)
    refused("omniglot", copied, tmp_path, r"images_background\.zip: the archive is damaged")


def rewritten(path, change):
    """Rewrite a tar with `change(name, content)` giving each member's new name and content, or None."""
    with tarfile.open(path) as archive:
        members = [(m.name, archive.extractfile(m).read()) for m in archive if m.isfile()]
    with gzip.open(path, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
        for member in filter(None, (change(*member) for member in members)):
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))


@pytest.mark.parametrize("many", [1, 10**6])  # found by a process, and by a thread
def test_jpeg_cut_short(many, copied, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MANY_IMAGES", many)

    def shorten(name, content):
        return (name, content[: len(content) // 2]) if name.endswith("standin03_0007.jpg") else (name, content)

    rewritten(copied / "dtd-r1.0.1.tar.gz", shorten)
    refused("dtd", copied, tmp_path, r"dtd: image `dtd/images/standin03/standin03_0007\.jpg` is damaged", 2)


def test_missing_label_file(copied, tmp_path):
    rewritten(
        copied / "CUB_200_2011.tgz", lambda name, content: None if name.endswith("classes.txt") else (name, content)
    )
    refused("cu_birds", copied, tmp_path, "lacks the label file `CUB_200_2011/classes.txt`")
    (copied / "imagelabels.mat").unlink()
    refused(
        "vgg_flower", copied, tmp_path, r"imagelabels\.mat: no such file; put the official one, which holds the labels"
    )


def test_label_file_that_is_none(copied, tmp_path):
    (copied / "imagelabels.mat").write_bytes(b"no MATLAB file")
    refused("vgg_flower", copied, tmp_path, r"imagelabels\.mat: is not the official label file")


def test_wrong_label_count(copied, tmp_path):
    scipy.io.savemat(copied / "imagelabels.mat", {"labels": np.ones((1, 100), np.uint8)})
    refused("vgg_flower", copied, tmp_path, r"imagelabels\.mat: 100 labels, but 102flowers\.tgz holds")
    rewritten(
        copied / "CUB_200_2011.tgz",
        lambda name, content: (name, content[:-10].rsplit(b"\n", 1)[0] + b"\n" if "labels" in name else content),
    )
    refused("cu_birds", copied, tmp_path, "labels for 640 images; fetch the archive again")


def test_line_of_labels_that_is_torn_and_class_that_is_not_listed(copied, tmp_path):
    rewritten(
        copied / "CUB_200_2011.tgz",
        lambda name, content: (name, content + b"torn\n" if name.endswith("/classes.txt") else content),
    )
    refused("cu_birds", copied, tmp_path, "`CUB_200_2011/classes.txt` has a line that is not `key value`")
    rewritten(
        copied / "fgvc-aircraft-2013b.tar.gz",
        lambda name, content: (name, content.split(b"\n", 1)[1] if name.endswith("/variants.txt") else content),
    )
    refused("aircraft", copied, tmp_path, "has a class that the list of classes lacks")


def test_member_that_is_there_twice(tmp_path):
    """A tar file may hold two members of one name; the list of images has one."""
    content = encoded(Image.new("RGB", (8, 8)))
    with tarfile.open(tmp_path / "dtd-r1.0.1.tar.gz", "w:gz") as archive:
        for name in ("a", "b", "a"):
            info = tarfile.TarInfo(f"dtd/images/{name}/{name}_0.jpg")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    refused("dtd", tmp_path, tmp_path, "images of the archive's list could not be read; fetch it again")


def test_labelled_image_is_missing(copied, tmp_path):
    rewritten(
        copied / "fgvc-aircraft-2013b.tar.gz",
        lambda name, content: None if name.endswith("0003004.jpg") else (name, content),
    )
    refused("aircraft", copied, tmp_path, r"1 labelled images are missing, the first is .*0003004\.jpg")


def test_image_without_label(copied, tmp_path):
    rewritten(
        copied / "fgvc-aircraft-2013b.tar.gz",
        lambda name, content: (name, content.split(b"\n", 1)[1] if name.endswith("variant_train.txt") else content),
    )
    refused("aircraft", copied, tmp_path, "1 images have no label")


def test_empty_class(copied, tmp_path):
    rewritten(
        copied / "fgvc-aircraft-2013b.tar.gz",
        lambda name, content: (name, content + b"Ghost 1\n" if name.endswith("variants.txt") else content),
    )
    refused("aircraft", copied, tmp_path, "class `Ghost 1` has no image")


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "images_background/../../x/y.png"])
def test_member_that_leaves_the_folder(name, copied, tmp_path):
    with zipfile.ZipFile(copied / "images_background.zip", "a") as archive:
        archive.writestr(name, b"")
    refused("omniglot", copied, tmp_path, "leaves the archive's folder")


def test_links_are_not_followed(copied, tmp_path):
    with gzip.open(copied / "dtd-r1.0.1.tar.gz", "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
        link = tarfile.TarInfo("dtd/images/banded/banded_0001.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    refused("dtd", copied, tmp_path, "holds no image in the layout")


def test_archive_of_something_else(copied, tmp_path):
    shutil.copy(copied / "102flowers.tgz", copied / "dtd-r1.0.1.tar.gz")
    refused("dtd", copied, tmp_path, "holds no image in the layout of the official dtd archive")


def test_full_disk(standins, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mounted, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk to fill it")
    try:
        refused("dtd", standins, disk, "the disk is full; free some space")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_anywhere(standins, tmp_path, monkeypatch):
    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(records, "_example", full)
    refused("dtd", standins, tmp_path, "the disk is full; free some space")


def test_earlier_records_survive_a_failure(copied, tmp_path):
    output = tmp_path / "records"
    convert("dtd", copied, output, False)
    before = sorted(path.name for path in output.iterdir())
    cut(copied / "dtd-r1.0.1.tar.gz", 0.5)
    with pytest.raises(DataError):
        convert("dtd", copied, output, False)
    assert sorted(path.name for path in output.iterdir()) == before


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"[]", b"{}", b'{"images_per_class": [1]}'])
def test_a_spec_that_is_none_is_one_message(tmp_path, content):
    (tmp_path / records.SPEC_NAME).write_bytes(content)
    with pytest.raises(
        DataError, match=r"dataset_spec\.json: cannot be read .*; remove its folder and run the conversion again"
    ):
        records.read_spec(tmp_path)


def test_damaged_records_and_arrays(standins, tmp_path):
    convert("dtd", standins, tmp_path / "records", False)
    decode(tmp_path / "records", tmp_path / "images", Data(image_size=16))
    cut(tmp_path / "records/3.tfrecords", 0.5)
    with pytest.raises(DataError, match="records: damaged or incomplete"):
        decode(tmp_path / "records", tmp_path / "again", Data(image_size=16))
    assert not (tmp_path / "again").exists()
    cut(tmp_path / "images/images.npy", 0.5)
    with pytest.raises(DataError, match="images: cannot be read"):
        load(tmp_path / "images")
    with pytest.raises(DataError, match="dataset_spec.json: cannot be read"):
        decode(tmp_path / "nothing", tmp_path / "again", Data())


def test_records_with_fewer_images_than_are_listed(standins, tmp_path):
    convert("dtd", standins, tmp_path / "records", False)
    (tmp_path / "records/0.tfrecords").write_bytes(b"")
    listed, left = CLASSES * IMAGES_PER_CLASS, (CLASSES - 1) * IMAGES_PER_CLASS
    with pytest.raises(DataError, match=f"{left} images where {listed} were listed"):
        decode(tmp_path / "records", tmp_path / "images", Data())


def test_files_do_not_replace_folders(tmp_path):
    (tmp_path / "new").mkdir()
    with pytest.raises(NasdmrlError, match="new: is a folder, and is not replaced by a file; name another output"):
        write_text(tmp_path / "new", "text")
    with pytest.raises(NasdmrlError, match="is a folder; name the file or folder to write"):
        write_text(Path("."), "text")


def test_killed_conversion_leaves_nothing_that_looks_whole(standins, tmp_path):
    code = (
        "import os, sys; from nasdmrl.data import records;"
        "records._spec = lambda index: os.kill(os.getpid(), 9);"
        "records.convert('dtd', sys.argv[1], sys.argv[2], False)"
    )
    command = [sys.executable, "-c", code, str(standins), str(tmp_path / "records")]
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == -9
    assert not (tmp_path / "records").exists()
    convert("dtd", standins, tmp_path / "records", False)
    assert [path.name for path in tmp_path.iterdir()] == ["records"]


def test_conversion_does_not_replace_a_folder_with_other_files(standins, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter.txt").write_text("dear")
    with pytest.raises(NasdmrlError, match="is a folder with other files in it"):
        convert("dtd", standins, tmp_path / "home", False)
    assert (tmp_path / "home/letter.txt").read_text() == "dear"
