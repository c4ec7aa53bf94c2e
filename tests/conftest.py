"""What tests share: TensorFlow with one thread, small images, stand-in archives and the real ones where they are."""

import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as commands have it, before NumPy loads its BLAS

import numpy as np
import pytest

from nasdmrl.config.model import ARCHIVES_VARIABLE
from nasdmrl.config.sections import Recipe
from nasdmrl.data.catalogue import SOURCES, write_standins
from nasdmrl.data.images import CARD, IMAGES, LABELS, ImageData
from nasdmrl.files import write_json
from nasdmrl.training.runtime import start_tensorflow

# Renamed in the environment, so that a test sees the genuine images only where it asks for them, and the workers
# that the first process starts still find them.
RENAMED = "TESTED_" + ARCHIVES_VARIABLE
REAL_ARCHIVES = os.environ.setdefault(RENAMED, os.environ.pop(ARCHIVES_VARIABLE, ""))
ROOT = Path(__file__).parent.parent
start_tensorflow(threads=1)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def real_archives() -> Path:
    """Folder of the real archives; the test is skipped where there is none."""
    if not REAL_ARCHIVES or not Path(REAL_ARCHIVES).is_dir():
        pytest.skip(f"no genuine images: set {ARCHIVES_VARIABLE} to a folder with the archives")
    return Path(REAL_ARCHIVES)


@pytest.fixture(scope="session")
def standins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the stand-ins of all six datasets' archives."""
    folder = tmp_path_factory.mktemp("standins")
    for dataset in SOURCES:
        write_standins(dataset, folder)
    return folder


def stripes(images: int = 90, size: int = 12, seed: int = 0) -> ImageData:
    """Three classes that are easy to learn: bright rows, bright columns, noise."""
    random = np.random.RandomState(seed)
    labels = np.arange(images, dtype=np.int32) % 3
    pixels = random.randint(0, 100, (images, size, size, 3))
    pixels[labels == 0, ::3] += 150
    pixels[labels == 1, :, ::3] += 150
    return ImageData("dtd", pixels.astype(np.uint8), labels, 3, f"stripes-{images}-{size}-{seed}")


def save(data: ImageData, folder: Path) -> Path:
    """Write images as `decode` does."""
    folder.mkdir(parents=True)
    np.save(folder / IMAGES, data.images)
    np.save(folder / LABELS, data.labels)
    names = [str(label) for label in range(data.n_classes)]
    card = {"dataset": data.name, "source": "archives", "class_names": names, "fingerprint": data.fingerprint}
    write_json(folder / CARD, card)
    return folder


@pytest.fixture(scope="session")
def data() -> ImageData:
    """A small learnable dataset."""
    return stripes()


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """A recipe that trains in a moment."""
    return Recipe(epochs=4, batch_size=16, filters=4, dense_units=16, norm_momentum=0.8, learning_rate=0.01)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With two workers, give each one of the two long tests first: whoever is done early takes the short ones."""
    long = [item for item in items if item.name.endswith("_end_to_end")]
    short = [item for item in items if item not in long]
    for place, item in enumerate(long):
        short.insert(2 * place, item)
    items[:] = short
