"""Commands about single networks and the store of evaluations."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nasdmrl.cli.options import (
    DEFAULT_CONFIG,
    DEFAULT_DATA,
    DEFAULT_STORE,
    ConfigOption,
    DataOption,
    DatasetName,
    ImagesOption,
    NetworkText,
    SpaceOption,
    StoreOption,
    ThreadsOption,
    app,
    images_folder,
    known_space,
    load_images,
    network_text,
    start,
)
from nasdmrl.errors import NasdmrlError


@app.command()
def show_network(
    network: NetworkText,
    size: Annotated[int, typer.Option(min=1, help="Height and width of the image, pixels.")] = 84,
    classes: Annotated[int, typer.Option(min=2, help="Classes of the dataset.")] = 100,
    config: ConfigOption = "{}",
) -> None:
    """Print a network's rows, shapes, parameters and FLOPs (the paper's recipe unless --config is given)."""
    from nasdmrl.config.model import load
    from nasdmrl.space.describe import describe
    from nasdmrl.space.nsc import parse

    print(describe(parse(network), (size, size, 3), classes, load(config).recipe()))


@app.command()
def evaluate_network(
    dataset: DatasetName,
    network: NetworkText,
    config: ConfigOption = DEFAULT_CONFIG,
    images: ImagesOption = None,
    store: StoreOption = DEFAULT_STORE,
    threads: ThreadsOption = 1,
    space: SpaceOption = "chain",
) -> None:
    """Look up or train one network on a dataset and print what is known of it, as JSON."""
    from nasdmrl.config.model import load
    from nasdmrl.evaluation.evaluator import Evaluator
    from nasdmrl.evaluation.store import EvaluationStore
    from nasdmrl.space.nsc import parse, to_text

    parsed, settings = parse(network), load(config)
    recipe, data = settings.recipe(known_space(space)), load_images(dataset, images)
    start(threads)
    evaluation = Evaluator(data, recipe, EvaluationStore(store), settings.environment)(parsed)
    print(json.dumps({"dataset": dataset, **vars(evaluation), "network": to_text(evaluation.network)}, indent=2))


@app.command()
def retrain(
    dataset: DatasetName,
    network: Annotated[str, typer.Argument(help="A network's text, a best*.json file, or vgg19_cut.")],
    repeat: Annotated[int, typer.Option(min=0, help="Number of the repeat: its seed.")] = 0,
    output: Annotated[Path, typer.Option(help="The log (CSV), a row an epoch.")] = Path("epochs.csv"),
    checkpoint: Annotated[
        Path | None, typer.Option(help="File that a killed training goes on from; by default beside the log.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    images: ImagesOption = None,
    threads: ThreadsOption = 1,
) -> None:
    """Train a network long, widened (Exp. 2b), and print its test accuracy. Killed, it goes on when called again."""
    from nasdmrl.config.model import load

    settings, data, text = load(config), load_images(dataset, images), network_text(network)
    start(threads)
    from nasdmrl.training.long import retrain as train

    last = train(text, data, settings.long_recipe(repeat), output, checkpoint or output.with_suffix(".checkpoint.npz"))
    print(json.dumps({"dataset": dataset, "network": text, "repeat": repeat, **last}, indent=2))


@app.command()
def export_db(output: Path, store: StoreOption = DEFAULT_STORE) -> None:
    """Write the store to OUTPUT in the form of the original software's db_experiments.csv."""
    from nasdmrl.evaluation.original_db import export_db as to_csv
    from nasdmrl.evaluation.store import EvaluationStore

    if not store.is_dir():
        raise NasdmrlError(f"{store}: no such store; name it with --store, or evaluate a network first")
    print(f"{output}: {to_csv(EvaluationStore(store), output)} evaluations")


@app.command()
def import_db(
    source: Path,
    config: ConfigOption = DEFAULT_CONFIG,
    data: DataOption = DEFAULT_DATA,
    store: StoreOption = DEFAULT_STORE,
    space: SpaceOption = "chain",
) -> None:
    """Add an original db_experiments.csv to the store, as if its networks had been trained by --config's recipe."""
    from nasdmrl.config.model import load
    from nasdmrl.data.images import load as load_decoded
    from nasdmrl.evaluation.original_db import import_db as from_csv
    from nasdmrl.evaluation.store import EvaluationStore
    from nasdmrl.paper.datasets import DATASETS

    folders = {name: images_folder(name, data) for name in DATASETS}
    decoded = {name: load_decoded(folder) for name, folder in folders.items() if folder.is_dir()}
    if not decoded:
        raise NasdmrlError(f"{data}: holds no decoded images; decode a dataset first, or name the folder with --data")
    counts = from_csv(source, EvaluationStore(store), decoded, load(config).recipe(known_space(space)))
    print(f"{source}: " + ", ".join(f"{number} {what}" for what, number in counts.items()))
