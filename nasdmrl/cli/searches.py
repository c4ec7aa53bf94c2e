"""Commands that search, and that read what was found."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from nasdmrl.cli.options import (
    DEFAULT_CONFIG,
    DEFAULT_DATA,
    DEFAULT_STORE,
    ConfigOption,
    DataOption,
    DatasetName,
    ImagesOption,
    Logs,
    SpaceOption,
    StoreOption,
    TableOutput,
    ThreadsOption,
    app,
    images_folder,
    known_space,
    load_images,
    new_trainer,
    one_of,
)
from nasdmrl.errors import NasdmrlError

if TYPE_CHECKING:
    from nasdmrl.agents import Learner
    from nasdmrl.config.model import Config
    from nasdmrl.config.sections import Space
    from nasdmrl.data.images import ImageData
    from nasdmrl.space.environment import NASEnv


@app.command()
def search(
    method: Annotated[str, typer.Argument(help="meta_a2c, dqn, random_search, or an agent of yours.")],
    dataset: DatasetName,
    output: Annotated[
        Path, typer.Option(help="The step log (CSV); progress.csv and policy/ of a learner go beside it.")
    ],
    steps: Annotated[int, typer.Option(min=1, help="Steps of the trial, t_max.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the agent.")] = 1024,
    policy: Annotated[Path | None, typer.Option(help="Folder of a saved policy to start from.")] = None,
    fixed: Annotated[bool, typer.Option("--fixed", help="Keep the policy's weights as they are (Exp. 2a).")] = False,
    space: SpaceOption = "chain",
    sigma: Annotated[float, typer.Option(min=0, help="Factor of a shifting action's reward (Section 4).")] = 0.0,
    config: ConfigOption = DEFAULT_CONFIG,
    images: ImagesOption = None,
    store: StoreOption = DEFAULT_STORE,
    threads: ThreadsOption = 1,
) -> None:
    """Let an agent search on a dataset (Algorithm 1). Killed, it goes on from the store when called again."""
    from nasdmrl.agents import Trial
    from nasdmrl.agents.policies import Spaces
    from nasdmrl.agents.registry import AGENTS, make_agent
    from nasdmrl.agents.search import run_search
    from nasdmrl.config.model import load

    learns = AGENTS[one_of("method", method, list(AGENTS))].learns
    searched = known_space(space)
    if policy and not learns:
        raise NasdmrlError(f"{method} has no policy; leave out --policy")
    if fixed and (method != "meta_a2c" or not policy):
        raise NasdmrlError("--fixed keeps a saved policy of meta_a2c as it is; name it with --policy")
    settings, data = load(config), load_images(dataset, images)
    env = _environment(settings, data, store, searched, sigma, threads)
    agent = make_agent(method, Trial(Spaces.of(env), seed, steps, settings, learning=not fixed, space=searched))
    learner = cast("Learner", agent)
    history = learner.load(policy) if policy else []
    run_search(agent, env, steps, output, f"{method} on {dataset}")
    if learns and not fixed:
        _keep_learned(learner, output.parent, [*history, {"dataset": dataset, "steps": steps, "seed": seed}])


def _environment(
    settings: "Config", data: "ImageData", store: Path, space: "Space", sigma: float, threads: int
) -> "NASEnv":
    from nasdmrl.evaluation.evaluator import Evaluator
    from nasdmrl.evaluation.store import EvaluationStore
    from nasdmrl.space.environment import NASEnv

    evaluator = Evaluator(
        data, settings.recipe(space), EvaluationStore(store), settings.environment, partial(new_trainer, threads)
    )
    return NASEnv(evaluator, space, settings.max_layers(space), settings.max_actions(space), sigma)


def _keep_learned(agent: "Learner", folder: Path, history: list[dict[str, Any]]) -> None:
    from nasdmrl.agents.search import write_progress
    from nasdmrl.software import commit

    history[-1]["commit"] = commit()
    write_progress(agent, folder / "progress.csv")
    agent.save(folder / "policy", history)


@app.command()
def prewarm(
    dataset: DatasetName,
    output: Annotated[Path, typer.Option(help="What came out (CSV), a row a network.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of random search, t_max.")],
    part: Annotated[int, typer.Option(min=0, help="This task's number, 0 to prewarm.tasks - 1.")] = 0,
    config: ConfigOption = DEFAULT_CONFIG,
    images: ImagesOption = None,
    store: StoreOption = DEFAULT_STORE,
    threads: ThreadsOption = 1,
) -> None:
    """Evaluate this task's part of the networks that searches will ask for (section `prewarm` of the configuration)."""
    from nasdmrl.agents.prewarm import known_beforehand, share
    from nasdmrl.agents.prewarm import prewarm as evaluate_all
    from nasdmrl.config.model import load
    from nasdmrl.evaluation.evaluator import Evaluator
    from nasdmrl.evaluation.store import EvaluationStore

    settings, data = load(config), load_images(dataset, images)
    parts, recipe = settings.prewarm.tasks, settings.recipe()
    if part >= parts:
        raise NasdmrlError(f"--part {part}: the tasks are 0 to {parts - 1} (prewarm.tasks)")
    networks = share(known_beforehand(settings, data.shape, steps), part, parts, data, recipe)
    evaluator = Evaluator(data, recipe, EvaluationStore(store), settings.environment, partial(new_trainer, threads))
    evaluate_all(networks, evaluator, output, f"prewarm {dataset}, task {part} of {parts}")


@app.command()
def best(
    logs: Logs,
    output: Annotated[Path, typer.Option(help="Where the network goes (JSON).")],
    images: Annotated[Path, typer.Option(help="Decoded images of the dataset.")],
    rank: Annotated[int, typer.Option(min=1, help="1 for the best network, 2 for the second-best, ...")] = 1,
) -> None:
    """Write the best, or second-best, ... distinct network that searches on one dataset have met."""
    from nasdmrl.analysis.best import best_network
    from nasdmrl.data.images import load
    from nasdmrl.files import write_json

    found, data = best_network(logs, rank), load(images)
    write_json(output, {**found, "image_size": data.shape[0], "n_classes": data.n_classes})
    print(f"{output}: {found['network']}, reward {found['reward']:.4f}")


@app.command()
def summary(
    logs: Logs, output: TableOutput, data: DataOption = DEFAULT_DATA, config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Write one row a search: its best network, and how its rewards spread beside chance."""
    from nasdmrl.analysis.episodes import read_logs
    from nasdmrl.analysis.provenance import provenance
    from nasdmrl.analysis.tables import search_summary, write_table
    from nasdmrl.config.model import load
    from nasdmrl.data.images import load as load_decoded

    steps = read_logs(logs)
    classes = {name: load_decoded(images_folder(name, data)).n_classes for name in steps["dataset"].unique()}
    write_table(search_summary(steps, classes), output, provenance(load(config), classes))
