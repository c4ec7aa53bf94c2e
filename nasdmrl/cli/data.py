"""Commands that make the images and count them."""

from pathlib import Path
from typing import Annotated

import typer

from nasdmrl.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    DatasetName,
    TableOutput,
    ThreadsOption,
    app,
    known_dataset,
    one_of,
    own_dataset,
    start,
)


@app.command()
def draw_standins(dataset: DatasetName, folder: Path) -> None:
    """Draw stand-ins of a dataset's official archives into FOLDER."""
    from nasdmrl.data.catalogue import write_standins

    for path in write_standins(known_dataset(dataset), folder):
        print(path)


@app.command()
def download(
    dataset: DatasetName,
    folder: Path,
    file: Annotated[str | None, typer.Option(help="Only this one of the dataset's archives.")] = None,
) -> None:
    """Fetch a dataset's official archives into FOLDER; goes on where an earlier call stopped."""
    from nasdmrl.data.catalogue import SOURCES
    from nasdmrl.data.download import download as fetch

    names = [archive.name for archive in SOURCES[known_dataset(dataset)].files]
    for path in fetch(dataset, folder, [one_of("file", file, names)] if file else names):
        print(path)


@app.command()
def convert(
    dataset: DatasetName,
    archives: Path,
    output: Path,
    official_counts: Annotated[bool, typer.Option(help="Fail unless the counts are the official ones.")] = False,
    own: Annotated[bool, typer.Option("--own", help="A dataset of yours: ARCHIVES has class folders.")] = False,
    threads: ThreadsOption = 1,
) -> None:
    """Convert a dataset's official archives in ARCHIVES to TFRecords and dataset_spec.json in OUTPUT."""
    from nasdmrl.data.records import convert as to_records

    name = own_dataset(dataset) if own else known_dataset(dataset)
    start(threads)
    spec = to_records(name, archives, output, official_counts and not own, threads)
    counts = spec["images_per_class"]
    print(f"{dataset}: {len(counts)} classes, {sum(counts.values())} images in {output}")


@app.command()
def decode(records: Path, output: Path, config: ConfigOption = DEFAULT_CONFIG, threads: ThreadsOption = 1) -> None:
    """Decode the TFRecords in RECORDS into uint8 arrays in OUTPUT."""
    from nasdmrl.config.model import load
    from nasdmrl.data.images import decode as to_arrays

    options = load(config).data
    start(threads)
    card = to_arrays(records, output, options, threads)
    size, classes = card["image_size"], len(card["class_names"])
    print(f"{card['dataset']}: {card['images']} images of {size} x {size}, {classes} classes in {output}")


@app.command()
def table3(
    records: Annotated[list[Path], typer.Argument(help="Folders of records.")],
    output: TableOutput,
    missing: Annotated[list[str] | None, typer.Option(help="A dataset without images in this run.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write Table 3 (and 8): classes and images of each dataset beside the paper's."""
    from nasdmrl.analysis.provenance import provenance
    from nasdmrl.analysis.tables import table3 as counted
    from nasdmrl.analysis.tables import write_everywhere
    from nasdmrl.config.model import load

    table = counted(records, map(known_dataset, missing or []))
    write_everywhere(table, output, provenance(load(config), table["dataset"]))
