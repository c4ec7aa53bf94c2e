"""How much disk a run needs, roughly and from above, before anything of it is there."""

from collections import Counter
from pathlib import Path

from nasdmrl.agents.registry import searches
from nasdmrl.config.model import Config
from nasdmrl.data.catalogue import SOURCES
from nasdmrl.data.custom import class_of_images
from nasdmrl.data.standins import CLASSES
from nasdmrl.paper.datasets import with_role
from nasdmrl.paper.experiments import LONG_NETWORKS
from nasdmrl.space.costs import vgg19_cut_costs
from nasdmrl.training.runtime import cores

STANDIN_BYTES = 1_300_000
"""Mean size of a dataset's stand-ins; their records are no larger (measured: 7.5 and 5.7 MB for six datasets)."""
RECORDS_BY_ARCHIVE = {"omniglot": 3.8, "aircraft": 0.6}
"""Bytes of records by bytes of archives. Omniglot's PNG become larger as JPEG, aircraft are cut to their boxes
(measured: 3.7, and 0.47 on a subset)."""
PHOTOGRAPHS_BY_ARCHIVE = 1.2
"""The same for archives of photographs that keep their bytes (measured on subsets: 1.13 to 1.18)."""
POLICY_BYTES = 1_050_000
"""A saved policy (measured: 0.81 MB in the chain space, 1.05 MB in the multi-branch one)."""
STEP_BYTES = 1000
"""A row of a step log (110 bytes) and an evaluation's record (520 bytes), with their share of other logs."""
EXHIBIT_BYTES = 20_000_000
"""Figures, executed notebooks, tables and the report (measured: 11.5 MB)."""
CHECKPOINT_BYTES = 12
"""By parameter: a weight and Adam's two moments of it, float32."""


def disk_needs(settings: Config, jobs: int | None = None) -> dict[str, int]:
    """Bytes that a whole run of this configuration writes, by kind.

    Kinds: archives (0 where they lie in a folder of the user's), records, images, checkpoints, searches, exhibits.
    `jobs`: long trainings that run at once, each with a checkpoint; all of them if None. Raises `DataError` for a
    folder of `data.own` that holds no dataset.
    """
    used, own = datasets_used(settings), list(settings.data.own)
    return {
        "archives": 0 if settings.data.source == "archives" else sum(_archive_bytes(name, settings) for name in used),
        "records": sum(_record_bytes(name, settings) for name in [*used, *own]),
        "images": sum(count_images(name, settings) for name in [*used, *own]) * 3 * settings.data.image_size**2,
        "checkpoints": _checkpoint_bytes(settings, jobs),
        "searches": _search_bytes(settings),
        "exhibits": EXHIBIT_BYTES,
    }


def trainings_at_once(settings: Config) -> int:
    """Trainings of Exp. 2b that run at once on this machine, whose cores their threads share; at least one."""
    return max(1, cores() // settings.resources.search_threads)


def datasets_used(settings: Config) -> list[str]:
    """Ids of the listed datasets that a run uses; traffic_sign may be skipped, or missing and optional."""
    searched = {search.dataset for search in searches(settings)}
    return [name for name in SOURCES if name in searched]


def count_images(dataset: str, settings: Config) -> int:
    """Images of a dataset that are decoded, within `data`'s limits: official ones, stand-ins or a custom dataset's.

    Raises `DataError` for a folder of `data.own` that holds no dataset.
    """
    data = settings.data.of(dataset)
    classes, images = classes_and_images(dataset, settings)
    per_class = images / classes
    return round(min(classes, data.classes or classes) * min(per_class, data.images_per_class or per_class))


def classes_and_images(dataset: str, settings: Config) -> tuple[int, int]:
    """Classes and images of a dataset, all of them. Raises `DataError` for a folder of `data.own` that holds none."""
    data = settings.data
    if dataset in data.own:
        counts = Counter(class_of_images(dataset, data.own[dataset]).values())
        return len(counts), counts.total()
    if data.source == "standin":
        return CLASSES, CLASSES * SOURCES[dataset].standin_images
    return SOURCES[dataset].facts.classes, SOURCES[dataset].facts.images


def _archive_bytes(dataset: str, settings: Config) -> int:
    if settings.data.source == "standin":
        return STANDIN_BYTES
    published = {file.name: file.bytes or 0 for file in SOURCES[dataset].files}
    if settings.data.source == "archives":  # which may be subsets
        paths = [Path(settings.data.archives) / name for name in published]
        published |= {path.name: path.stat().st_size for path in paths if path.is_file()}
    return sum(published.values())


def _record_bytes(dataset: str, settings: Config) -> int:
    if dataset in settings.data.own:
        folder = Path(settings.data.own[dataset])
        images = class_of_images(dataset, folder)
        return round(PHOTOGRAPHS_BY_ARCHIVE * sum((folder / name).stat().st_size for name in images))
    if settings.data.source == "standin":
        return STANDIN_BYTES
    return round(RECORDS_BY_ARCHIVE.get(dataset, PHOTOGRAPHS_BY_ARCHIVE) * _archive_bytes(dataset, settings))


def _checkpoint_bytes(settings: Config, jobs: int | None) -> int:
    """Twice a checkpoint for each training of Exp. 2b, since the next one is written before the last one goes.

    The best networks are not known beforehand; each counts as much as the VGG19 cut.
    """
    datasets = with_role("evaluation")
    trainings = len(LONG_NETWORKS) * settings.exp2.repeats * len(datasets)
    at_once = trainings if jobs is None else min(jobs, trainings)
    return 2 * at_once * max(vgg19_cut_parameters(settings, name) for name in datasets) * CHECKPOINT_BYTES


def vgg19_cut_parameters(settings: Config, dataset: str) -> int:
    """Trainable parameters of the VGG19 cut on a dataset (Section 7), by formula."""
    data, classes = settings.data.of(dataset), SOURCES[dataset].facts.classes
    shape = (data.image_size, data.image_size, 3)
    return vgg19_cut_costs(shape, min(classes, data.classes or classes), settings.long_recipe(0))[0]


def _search_bytes(settings: Config) -> int:
    """Step logs, stored evaluations and policies of all searches."""
    return len(settings.seeds) * sum(STEP_BYTES * search.steps + POLICY_BYTES for search in searches(settings))
