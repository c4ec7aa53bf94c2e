"""Archives, downloads, datasets of one's own, records and decoded images."""

import contextlib
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import numpy as np
import scipy.io
import tensorflow as tf
from PIL import Image
from test_data import cut, encoded, rewritten
from test_downloads import Handler, archive

from nasdmrl.data import records
from nasdmrl.data.download import fetch
from provocations.scene import Printed, Scene

DTD, BIRDS, AIRCRAFT = "dtd-r1.0.1.tar.gz", "CUB_200_2011.tgz", "fgvc-aircraft-2013b.tar.gz"


def convert(scene: Scene, dataset: str, *options: str) -> Printed:
    return scene.run("convert", dataset, "archives", "records", *options)


def changed(dataset: str, file: str, member: str, change):
    """A member of an archive has another content, or is gone where `change` gives None."""

    def provoke(scene: Scene) -> Printed:
        scene.archives(file)

        def rewrite(name, content):
            if not name.endswith(member):
                return name, content
            new = change(content)
            return None if new is None else (name, new)

        rewritten(Path("archives", file), rewrite)
        return convert(scene, dataset)

    return provoke


def without_labels(scene: Scene) -> Printed:
    scene.archives("102flowers.tgz")
    return convert(scene, "vgg_flower")


def labels_that_are_none(scene: Scene) -> Printed:
    scene.archives("102flowers.tgz")
    scene.write("archives/imagelabels.mat", "no MATLAB file")
    return convert(scene, "vgg_flower")


def too_few_labels(scene: Scene) -> Printed:
    scene.archives("102flowers.tgz")
    scipy.io.savemat("archives/imagelabels.mat", {"labels": np.ones((1, 100), np.uint8)})
    return convert(scene, "vgg_flower")


def cut_short(scene: Scene) -> Printed:
    cut(scene.archives(DTD) / DTD, 0.6)
    return convert(scene, "dtd")


def another_archive(scene: Scene) -> Printed:
    (scene.archives("102flowers.tgz") / "102flowers.tgz").rename(Path("archives", DTD))
    return convert(scene, "dtd")


def member_that_leaves(scene: Scene) -> Printed:
    with zipfile.ZipFile(scene.archives("images_background.zip") / "images_background.zip", "a") as target:
        target.writestr("../../evil.png", b"")
    return convert(scene, "omniglot")


def image_twice(scene: Scene) -> Printed:
    """A tar file may hold two members of one name; the list has one."""
    content = encoded(Image.new("RGB", (8, 8)))
    for name in ("a", "b"):
        scene.write(f"dtd/images/{name}/{name}_0.jpg", content)
    Path("archives").mkdir()
    with tarfile.open(Path("archives", DTD), "w:gz") as target:
        for name in ("a", "b", "a"):
            target.add(f"dtd/images/{name}/{name}_0.jpg")
    return convert(scene, "dtd")


def full_disk(scene: Scene) -> Printed:
    full = tf.errors.ResourceExhaustedError(None, None, "No space left on device")
    scene.archives(DTD)
    with mock.patch.object(records, "_example", side_effect=full):
        return convert(scene, "dtd")


def subset(scene: Scene) -> Printed:
    scene.archives(DTD)
    return convert(scene, "dtd", "--official-counts")


ARCHIVES = {
    "FILE: no such file; put the official archive there or set data.source to `download`": lambda scene: convert(
        scene, "dtd"
    ),
    "FILE: the archive is damaged or cut short (...); fetch it again and compare its size": cut_short,
    "FILE: holds no image in the layout of the official NAME archive": another_archive,
    "FILE: class `NAME` has no image; the archive is incomplete": changed(
        "aircraft", AIRCRAFT, "/variants.txt", lambda content: content + b"Ghost 1\n"
    ),
    "FILE: no such file; it holds the labels of the images and comes beside the archive": without_labels,
    "FILE: is not the official label file, a MATLAB file with `labels` (...)": labels_that_are_none,
    "FILE: NUMBER labels, but NAME holds `NAME`": too_few_labels,
    "FILE: NUMBER labels for NUMBER images; the label files do not fit": changed(
        "cu_birds", BIRDS, "image_class_labels.txt", lambda content: content[: content.rindex(b"\n", 0, -1) + 1]
    ),
    "FILE: lacks the label file `NAME`; this is not the official archive": changed(
        "cu_birds", BIRDS, "/classes.txt", lambda content: None
    ),
    "FILE: label file `NAME` has a line that is not `key value`; it is damaged": changed(
        "cu_birds", BIRDS, "/classes.txt", lambda content: content + b"torn\n"
    ),
    "FILE: image `NAME` has a class that the list of classes lacks": changed(
        "aircraft", AIRCRAFT, "/variants.txt", lambda content: content.split(b"\n", 1)[1]
    ),
    "FILE: NUMBER labelled images are missing, the first is `NAME`": changed(
        "aircraft", AIRCRAFT, "0003004.jpg", lambda content: None
    ),
    "FILE: NUMBER images have no label, the first is `NAME`": changed(
        "aircraft", AIRCRAFT, "variant_train.txt", lambda content: content.split(b"\n", 1)[1]
    ),
    "FILE: NUMBER images have no box in `NAME`, the first is `NAME`": changed(
        "aircraft", AIRCRAFT, "/images_box.txt", lambda content: content.split(b"\n", 1)[1]
    ),
    "FILE: `NAME` gives image `NAME` the box `VALUE`, expected `xmin ymin xmax ymax` in whole pixels": changed(
        "aircraft", AIRCRAFT, "/images_box.txt", lambda content: content.replace(b"\n", b"px\n", 1)
    ),
    "FILE: the box of image `NAME`, VALUE, holds none of its NUMBER x NUMBER pixels; correct it, or fetch the archive "
    "again": changed(
        "aircraft",
        AIRCRAFT,
        "/images_box.txt",
        lambda content: content.replace(b" ", b" 900", 1),
    ),
    "FILE: member `NAME` leaves the archive's folder; this is not the official archive": member_that_leaves,
    "FILE: NUMBER images of the archive's list could not be read": image_twice,
    "NAME: image `NAME` is damaged (...); replace it or fetch the archive": changed(
        "dtd", DTD, "standin03_0007.jpg", lambda content: content[: len(content) // 2]
    ),
    "NAME: officially NUMBER classes and NUMBER images, the archives hold NUMBER and NUMBER; use the full archives or "
    "set data.require_official_counts to false": subset,
    "FOLDER: the disk is full; free some space there and run again, nothing half-written was kept": full_disk,
}


# --- downloads ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}"
    finally:
        httpd.shutdown()
        httpd.server_close()


def offered(path: str, **published):
    """A file of this published size and sum is fetched from a server that has it in its way."""

    def provoke(scene: Scene) -> Printed:
        with server() as address:
            return scene.call(fetch, archive(f"{address}/{path}", **published), Path("a.zip"))

    return provoke


DOWNLOADS = {
    "ADDRESS: ...; NUMBER bytes are kept in FILE, run again to go on, or put the file at FILE": offered("missing"),
    "ADDRESS: NUMBER bytes arrived, expected NUMBER; run again to go on": offered("a", size=4_000_000),
    "ADDRESS: NUMBER bytes arrived, expected NUMBER; the file was removed, run again to fetch it anew": offered(
        "a", size=1000
    ),
    "ADDRESS: the MD5 is not VALUE; the file was removed, run again to fetch it anew": offered("a", md5="0" * 32),
}


# --- one's own ----------------------------------------------------------------------------------------------


def own(scene: Scene, **classes: int) -> Printed:
    """Convert a dataset of one's own with so many images in each class."""
    for name, count in classes.items():
        for number in range(count):
            scene.write(f"archives/{name}/{number}.jpg", encoded(Image.new("RGB", (8, 8))))
    return convert(scene, "plants", "--own")


def link_that_leaves(scene: Scene) -> Printed:
    own(scene, rose=3, tulip=3)
    scene.write("elsewhere.jpg")
    Path("archives/rose/9.jpg").symlink_to(scene.folder / "elsewhere.jpg")
    return own(scene)


def link_to_nothing(scene: Scene) -> Printed:
    own(scene, rose=3, tulip=3)
    Path("archives/rose/9.jpg").symlink_to("gone.jpg")
    return own(scene)


def deep_colours(scene: Scene) -> Printed:
    scene.write("archives/rose/a.png", encoded(Image.fromarray(np.zeros((8, 8), np.uint16)), "PNG"))
    return own(scene, rose=3, tulip=3)


def huge_image(scene: Scene) -> Printed:
    scene.write("archives/rose/a.png", encoded(Image.new("1", (20_000, 10_000)), "PNG"))
    return own(scene, rose=3, tulip=3)


def one_class(scene: Scene) -> Printed:
    return own(scene, rose=3)


OWN = {
    "FOLDER: no such folder; data.own.NAME must name a folder with the layout FOLDER/CLASS/*.jpg, *.jpeg, *.png": own,
    "FOLDER: NUMBER class folders, at least 2 are needed; data.own.NAME has the layout FOLDER/CLASS/*.jpg, *.jpeg, "
    "*.png": one_class,
    "FOLDER: NUMBER images, a class of NAME needs at least 3; add images (.jpg, .jpeg, .png) or take the folder away": (
        lambda scene: own(scene, rose=3, tulip=2)
    ),
    "FILE: is a link that leaves FOLDER, and is not followed; put a copy in its place": link_that_leaves,
    "FILE: cannot be read (...); replace it or take it away": link_to_nothing,
    "NAME: image `NAME` has more than 8 bits a channel; convert it to 8 bits": deep_colours,
    "NAME: image `NAME` has more pixels than Pillow opens (...); make it smaller": huge_image,
    "`NAME` is a listed dataset; give yours another name": lambda scene: convert(scene, "dtd", "--own"),
    "`NAME`: expected lower-case letters, digits and `_` that begin with a letter, and not with `sigma`": (
        lambda scene: convert(scene, "My-Plants", "--own")
    ),
}


# --- records and decoded images -----------------------------------------------------------------------------


def damaged_records(scene: Scene) -> Printed:
    own(scene, rose=3, tulip=3)
    cut(Path("records/0.tfrecords"), 0.5)
    return scene.run("decode", "records", "images", "--config", "{}")


def old_records(scene: Scene) -> Printed:
    own(scene, rose=3, tulip=3)
    spec = Path("records/dataset_spec.json")
    spec.write_text(spec.read_text().replace('"format": 2', '"format": 1'))
    return scene.run("decode", "records", "images", "--config", "{}")


def fewer_records(scene: Scene) -> Printed:
    own(scene, rose=3, tulip=3)
    Path("records/0.tfrecords").write_bytes(b"")
    return scene.run("decode", "records", "images", "--config", "{}")


def cut_images(scene: Scene) -> Printed:
    cut(scene.images() / "images.npy", 0.5)
    return scene.run("evaluate-network", "dtd", "conv3", "--images", "images", "--config", "{}")


def images_of_another(scene: Scene) -> Printed:
    card = scene.images() / "card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "dataset": "omniglot"}))
    return scene.run("evaluate-network", "dtd", "conv3", "--images", "images", "--config", "{}")


RECORDS = {
    "FILE: cannot be read (...); run the conversion again": lambda scene: scene.run(
        "decode", "records", "images", "--config", "{}"
    ),
    "FOLDER: damaged or incomplete (...); run the conversion again": damaged_records,
    "FOLDER: records of format NUMBER, expected NUMBER; run the conversion again": old_records,
    "decode NAME: NUMBER images where NUMBER were listed; run the conversion again": fewer_records,
    "FOLDER: cannot be read (...); decode the records again": cut_images,
    "FOLDER: holds the images of NAME, not of NAME": images_of_another,
}
PROVOCATIONS = ARCHIVES | DOWNLOADS | OWN | RECORDS
