"""The command line: each command is one job of the workflow, or one question of a person."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from nasdmrl import __version__
from nasdmrl.errors import NasdmrlError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

DatasetName = Annotated[str, typer.Argument(help="omniglot, vgg_flower, dtd, aircraft, cu_birds or traffic_sign.")]
NetworkText = Annotated[str, typer.Argument(help="Such as 'conv3 conv3 max2' or 'conv3 conv5@0 add@1,2'.")]
ConfigOption = Annotated[str, typer.Option("--config", help="YAML file of a scale, or JSON text of some sections.")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="CPU threads of TensorFlow.")]
StoreOption = Annotated[Path, typer.Option("--store", help="Folder of the EvaluationStore.")]
ImagesOption = Annotated[
    Path | None, typer.Option("--images", help="Decoded images; by default those of the workflow.")
]
DEFAULT_CONFIG = "config/quick.yaml"
DEFAULT_STORE = Path("results/store")


def main() -> None:
    """Run the command line; an error that a person can mend is one message and exit code 1."""
    try:
        app()
    except (NasdmrlError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration."""
    from nasdmrl.config_reference import json_schema

    print(json_schema(), end="")


@app.command()
def config_reference() -> None:
    """Print every configuration key with its default and meaning, in Markdown."""
    from nasdmrl.config_reference import documentation

    print(documentation(), end="")


@app.command()
def draw_standins(dataset: DatasetName, folder: Path) -> None:
    """Draw stand-ins of a dataset's official archives into FOLDER."""
    from nasdmrl.data.standins import write_standins

    for path in write_standins(_known(dataset), folder):
        print(path)


@app.command()
def download(
    dataset: DatasetName,
    folder: Path,
    file: Annotated[str | None, typer.Option(help="Only this one of the dataset's archives.")] = None,
) -> None:
    """Fetch a dataset's official archives into FOLDER; goes on where an earlier call stopped."""
    from nasdmrl.data.downloads import download as fetch
    from nasdmrl.datasets import DATASETS

    names = [archive.name for archive in DATASETS[_known(dataset)].files]
    for path in fetch(dataset, folder, [_one_of("file", file, names)] if file else names):
        print(path)


@app.command()
def convert(
    dataset: DatasetName,
    archives: Path,
    output: Path,
    official_counts: Annotated[bool, typer.Option(help="Fail unless the counts are Table 3's.")] = False,
) -> None:
    """Convert a dataset's official archives in ARCHIVES to TFRecords and dataset_spec.json in OUTPUT."""
    from nasdmrl.data.records import convert as to_records

    _start()
    spec = to_records(_known(dataset), archives, output, official_counts)
    counts = spec["images_per_class"]
    print(f"{dataset}: {len(counts)} classes, {sum(counts.values())} images in {output}")


@app.command()
def decode(records: Path, output: Path, config: ConfigOption = DEFAULT_CONFIG, threads: ThreadsOption = 1) -> None:
    """Decode the TFRecords in RECORDS into uint8 arrays in OUTPUT."""
    from nasdmrl.config import load
    from nasdmrl.data.images import decode as to_arrays

    options = load(config).data
    _start(threads)
    card = to_arrays(records, output, options, threads)
    size, classes = card["image_size"], len(card["class_names"])
    print(f"{card['dataset']}: {card['images']} images of {size} x {size}, {classes} classes in {output}")


@app.command()
def show_network(
    network: NetworkText,
    size: Annotated[int, typer.Option(min=1, help="Height and width of the image, pixels.")] = 84,
    classes: Annotated[int, typer.Option(min=2, help="Classes of the dataset.")] = 100,
    config: ConfigOption = "{}",
) -> None:
    """Print a network's rows, shapes, parameters and FLOPs (the paper's recipe unless --config is given)."""
    from nasdmrl.config import load
    from nasdmrl.describe import describe
    from nasdmrl.nsc import parse

    print(describe(parse(network), (size, size, 3), classes, load(config).recipe()))


@app.command()
def evaluate_network(
    dataset: DatasetName,
    network: NetworkText,
    config: ConfigOption = DEFAULT_CONFIG,
    images: ImagesOption = None,
    store: StoreOption = DEFAULT_STORE,
    threads: ThreadsOption = 1,
) -> None:
    """Look up or train one network on a dataset and print what is known of it, as JSON."""
    from nasdmrl.nsc import parse, to_text

    parsed = parse(network)
    evaluation = _evaluator(dataset, config, images, store, threads)(parsed)
    print(json.dumps({"dataset": dataset, **vars(evaluation), "network": to_text(evaluation.network)}, indent=2))


@app.command()
def search(
    method: Annotated[str, typer.Argument(help="meta_a2c, dqn or random_search.")],
    dataset: DatasetName,
    output: Annotated[
        Path, typer.Option(help="The step log (CSV); progress.csv and policy/ of a learner go beside it.")
    ],
    steps: Annotated[int, typer.Option(min=1, help="Steps of the trial, t_max.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the agent.")] = 1024,
    policy: Annotated[Path | None, typer.Option(help="Folder of a saved policy to start from.")] = None,
    fixed: Annotated[bool, typer.Option("--fixed", help="Keep the policy's weights as they are (Exp. 2a).")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    images: ImagesOption = None,
    store: StoreOption = DEFAULT_STORE,
    threads: ThreadsOption = 1,
) -> None:
    """Let an agent search on a dataset (Algorithm 1). Killed, it goes on from the store when called again."""
    from nasdmrl.agents import METHODS
    from nasdmrl.agents.policy_files import Spaces
    from nasdmrl.config import load
    from nasdmrl.env import NASEnv
    from nasdmrl.search import run_search

    _one_of("method", method, list(METHODS))
    _check_policy_options(method, policy, fixed)
    settings = load(config)
    evaluator = _evaluator(dataset, config, images, store, threads)
    from nasdmrl.agents.factory import make_agent

    limits = {"max_layers": settings.environment.max_layers, "max_actions": settings.max_actions()}
    env = NASEnv(evaluator, **limits)
    agent = make_agent(method, Spaces.of(env), seed, steps, settings, learning=not fixed)
    history = agent.load(policy) if policy else []
    run_search(agent, env, steps, output, f"{method} on {dataset}")
    if method != "random_search" and not fixed:
        _keep_learned(agent, output.parent, [*history, {"dataset": dataset, "steps": steps, "seed": seed}])


def _check_policy_options(method: str, policy: Path | None, fixed: bool) -> None:
    if policy and method == "random_search":
        raise NasdmrlError("random_search has no policy; leave out --policy")
    if fixed and (method != "meta_a2c" or not policy):
        raise NasdmrlError("--fixed keeps a saved policy of meta_a2c as it is; name it with --policy")


def _keep_learned(agent, folder: Path, history: list[dict]) -> None:
    from nasdmrl.provenance import commit
    from nasdmrl.search import write_progress

    history[-1]["commit"] = commit()
    write_progress(agent, folder / "progress.csv")
    agent.save(folder / "policy", history)


@app.command()
def export_db(output: Path, store: StoreOption = DEFAULT_STORE) -> None:
    """Write the store to OUTPUT in the form of the original software's db_experiments.csv."""
    from nasdmrl.exchange import export_db as to_csv
    from nasdmrl.store import EvaluationStore

    if not store.is_dir():
        raise NasdmrlError(f"{store}: no such store; name it with --store, or evaluate a network first")
    print(f"{output}: {to_csv(EvaluationStore(store), output)} evaluations")


@app.command()
def import_db(
    source: Path,
    config: ConfigOption = DEFAULT_CONFIG,
    data: Annotated[Path, typer.Option(help="The workflow's data folder.")] = Path("results/data"),
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Add an original db_experiments.csv to the store, as if its networks had been trained by --config's recipe."""
    from nasdmrl.config import load
    from nasdmrl.data.images import load as load_images
    from nasdmrl.datasets import DATASETS
    from nasdmrl.exchange import import_db as from_csv
    from nasdmrl.store import EvaluationStore

    decoded = {name: load_images(_images(name, data)) for name in DATASETS if _images(name, data).is_dir()}
    if not decoded:
        raise NasdmrlError(f"{data}: holds no decoded images; decode a dataset first, or name the folder with --data")
    counts = from_csv(source, EvaluationStore(store), decoded, load(config).recipe())
    print(f"{source}: " + ", ".join(f"{number} {what}" for what, number in counts.items()))


@app.command()
def notebook(
    source: Path,
    output: Path,
    logs: Annotated[list[Path], typer.Argument(help="Step logs, METHOD/DATASET/seedSEED/steps.csv.")],
    figures: Annotated[Path, typer.Option(help="Folder of the figures.")] = Path("results/figures"),
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Execute a notebook on step logs; its figures go to --figures, the executed copy is OUTPUT."""
    from nasdmrl.notebooks import run_notebook

    run_notebook(source, output, {"logs": [str(log) for log in logs], "figures": str(figures), "config": config})


@app.command()
def table3(
    records: Annotated[list[Path], typer.Argument(help="Folders of records.")],
    output: Annotated[Path, typer.Option(help="Where the table goes (CSV).")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write Table 3 (and 8): classes and images of each dataset beside the paper's."""
    from nasdmrl.analysis.tables import table3 as counted
    from nasdmrl.analysis.tables import write_table
    from nasdmrl.config import load
    from nasdmrl.provenance import provenance

    write_table(counted(records), output, provenance(load(config)))


@app.command()
def summary(
    logs: Annotated[list[Path], typer.Argument(help="Step logs, METHOD/DATASET/seedSEED/steps.csv.")],
    output: Annotated[Path, typer.Option(help="Where the table goes (CSV).")],
    data: Annotated[Path, typer.Option(help="The workflow's data folder.")] = Path("results/data"),
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write one row a search: its best network, and how its rewards spread beside chance."""
    from nasdmrl.analysis.episodes import read_logs
    from nasdmrl.analysis.tables import search_summary, write_table
    from nasdmrl.config import load
    from nasdmrl.data.images import load as load_images
    from nasdmrl.provenance import provenance

    steps = read_logs(logs)
    classes = {name: load_images(_images(name, data)).n_classes for name in steps["dataset"].unique()}
    write_table(search_summary(steps, classes), output, provenance(load(config)))


def _known(dataset: str) -> str:
    from nasdmrl.datasets import DATASETS

    return _one_of("dataset", dataset, list(DATASETS))


def _one_of(kind: str, value: str, known: list[str]) -> str:
    if value not in known:
        raise NasdmrlError(f"unknown {kind} `{value}`; known are {', '.join(known)}")
    return value


def _images(dataset: str, data: Path) -> Path:
    return data / dataset / "images"


def _start(threads: int = 1) -> None:
    from nasdmrl.runtime import start_tensorflow

    start_tensorflow(threads)


def _evaluator(dataset: str, config: str, images: Path | None, store: Path, threads: int):
    from nasdmrl.config import load
    from nasdmrl.data.images import load as load_images
    from nasdmrl.evaluation import Evaluator
    from nasdmrl.store import EvaluationStore

    settings = load(config)
    data = load_images(images or _images(_known(dataset), Path("results/data")))
    if data.name != _known(dataset):
        raise NasdmrlError(f"{images}: holds the images of {data.name}, not of {dataset}")
    _start(threads)
    return Evaluator(data, settings.recipe(), EvaluationStore(store), settings.environment)


if __name__ == "__main__":
    main()
