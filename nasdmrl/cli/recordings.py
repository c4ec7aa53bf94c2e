"""The command that records all evaluations of a small space."""

from pathlib import Path
from typing import Annotated

import typer

from nasdmrl.cli.options import (
    DEFAULT_DATA,
    DEFAULT_STORE,
    ConfigOption,
    DataOption,
    SpaceOption,
    StoreOption,
    ThreadsOption,
    app,
    images_folder,
    known_space,
    load_images,
    start,
)
from nasdmrl.errors import NasdmrlError


@app.command()
def record(
    datasets: Annotated[list[str], typer.Argument(help="Datasets whose images are decoded.")],
    layers: Annotated[int, typer.Option(min=0, help="Networks of at most so many layers.")],
    space: SpaceOption = "chain",
    seeds: Annotated[
        list[int] | None, typer.Option("--seed", min=0, help="Seeds of the trainings; 0 alone if none.")
    ] = None,
    sampled: Annotated[int | None, typer.Option(min=1, help="Only so many networks, drawn at random.")] = None,
    part: Annotated[int, typer.Option(min=0, help="This process's number, 0 to PARTS - 1.")] = 0,
    parts: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = 1,
    minutes: Annotated[float, typer.Option(min=0, help="Begin no evaluation later; 0 writes what there is.")] = 1e9,
    output: Annotated[Path | None, typer.Option(help="Folder of the recordings; the package's own if None.")] = None,
    data: DataOption = DEFAULT_DATA,
    store: StoreOption = DEFAULT_STORE,
    config: ConfigOption = "config/miniature.yaml",
    threads: ThreadsOption = 1,
) -> None:
    """Evaluate every network of a small space on each dataset, and write the recordings. Killed, it goes on when called
    again: what is in the store or in the recordings is not evaluated again."""
    from nasdmrl.config.model import load
    from nasdmrl.data.images import read_card
    from nasdmrl.evaluation.recording import FOLDER, Task, write, write_members
    from nasdmrl.evaluation.recording import record as evaluate
    from nasdmrl.evaluation.store import EvaluationStore

    if part >= parts:
        raise NasdmrlError(f"--part {part}: the processes are 0 to {parts - 1} (--parts)")
    settings, folder = load(config), output or FOLDER
    images = [load_images(name, images_folder(name, data)) for name in datasets]
    recorded = known_space(space)
    recipe = settings.recipe(recorded)
    task = Task(recorded, layers, settings.max_actions(recorded), tuple(seeds or [0]), sampled)
    evaluations = EvaluationStore(store)
    start(threads)
    complete = evaluate(task, images, recipe, evaluations, folder, (part, parts), 60 * minutes)
    evaluations.refresh()
    for of_dataset in images:
        decoded = images_folder(of_dataset.name, data)
        card = write(task, of_dataset, recipe, evaluations, read_card(decoded), folder)
        write_members(decoded, of_dataset.name, folder)
        counts = f"{card['evaluations']} evaluations, closed up to {card['closed_layers']} layers"
        print(f"{of_dataset.name}, {space}: {counts}")
    print("nothing is left" if complete else "more is left: give the same command again")
