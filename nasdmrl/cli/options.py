"""What commands share: the application, their options, and the checks of what a person has typed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from nasdmrl.errors import NasdmrlError

if TYPE_CHECKING:
    from nasdmrl.config.sections import Space
    from nasdmrl.data.images import ImageData
    from nasdmrl.training.early_stop import Trainer

DESCRIPTION = "The command line: each command is one job of the workflow, or one question of a person."
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=DESCRIPTION)

DEFAULT_CONFIG = "config/config.yaml"
DEFAULT_STORE = Path("results/store")
DEFAULT_DATA = Path("results/data")

DatasetName = Annotated[
    str, typer.Argument(help="omniglot, vgg_flower, dtd, aircraft, cu_birds, traffic_sign, or a dataset of yours.")
]
NetworkText = Annotated[str, typer.Argument(help="Such as 'conv3 conv3 max2' or 'conv3 conv5@0 add@1,2'.")]
Logs = Annotated[list[Path], typer.Argument(help="Step logs, METHOD/DATASET/seedSEED/steps.csv.")]
TableOutput = Annotated[Path, typer.Option("--output", help="Where the table goes (CSV).")]
ConfigOption = Annotated[str, typer.Option("--config", help="YAML file of a scale, or JSON text of some sections.")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="CPU threads of TensorFlow.")]
StoreOption = Annotated[Path, typer.Option("--store", help="Folder of the EvaluationStore.")]
SpaceOption = Annotated[str, typer.Option("--space", help="chain or multi_branch (Exp. 3), each with its recipe.")]
DataOption = Annotated[Path, typer.Option("--data", help="The workflow's data folder.")]
ImagesOption = Annotated[
    Path | None, typer.Option("--images", help="Decoded images; by default those of the workflow.")
]


def one_of(kind: str, value: str, known: list[str], more: str = "") -> str:
    """`value`; raises `NasdmrlError` where it is not known."""
    if value not in known:
        raise NasdmrlError(f"unknown {kind} `{value}`; known are {', '.join(known)}{more}")
    return value


def known_dataset(dataset: str) -> str:
    """`dataset`; raises `NasdmrlError` where it is not listed."""
    from nasdmrl.data.catalogue import SOURCES

    more = "; a custom dataset must be decoded first, or be converted with --own"
    return one_of("dataset", dataset, list(SOURCES), more)


def known_space(space: str) -> "Space":
    """`space`; raises `NasdmrlError` where it is no action space."""
    from nasdmrl.space.actions import SPACES

    return cast("Space", one_of("space", space, list(SPACES)))


def own_dataset(dataset: str) -> str:
    """`dataset`; raises `NasdmrlError` where it cannot name a dataset of one's own."""
    from nasdmrl.data.catalogue import check_own_name

    try:
        check_own_name(dataset)
    except ValueError as error:
        raise NasdmrlError(str(error)) from None
    return dataset


def images_folder(dataset: str, data: Path = DEFAULT_DATA) -> Path:
    """Where the workflow puts a dataset's decoded images."""
    return data / dataset / "images"


def load_images(dataset: str, images: Path | None) -> "ImageData":
    """A dataset's decoded images; raises `NasdmrlError` where the folder holds another's.

    A dataset of one's own is known by its images.
    """
    from nasdmrl.data.images import load

    folder = images or images_folder(dataset)
    if not folder.is_dir():
        known_dataset(dataset)
    data = load(folder)
    if data.name != dataset:
        raise NasdmrlError(f"{folder}: holds the images of {data.name}, not of {dataset}")
    return data


def network_text(argument: str) -> str:
    """A network's text: as typed, or from a file that `nasdmrl best` wrote."""
    if not argument.endswith(".json"):
        return argument
    try:
        return json.loads(Path(argument).read_text(encoding="utf-8"))["network"]
    except (ValueError, KeyError, TypeError) as error:
        raise NasdmrlError(f"{argument}: expected a file that `nasdmrl best` wrote ({error!r})") from error


def new_trainer(threads: int) -> "Trainer":
    """What trains networks; TensorFlow is started for it."""
    start(threads)
    from nasdmrl.training.early_stop import Trainer

    return Trainer()


def start(threads: int = 1) -> None:
    """Start TensorFlow, deterministic."""
    from nasdmrl.training.runtime import start_tensorflow

    start_tensorflow(threads)
