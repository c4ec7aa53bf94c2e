"""Searches, the store, long trainings, and what is made of their logs."""

import json
from pathlib import Path

import numpy as np
from conftest import stripes
from golden import save_csv, searches, step_rows
from test_exchange import ORIGINAL

from nasdmrl.analysis.episodes import action_proportions, read_logs
from nasdmrl.analysis.figures.run import Run
from nasdmrl.config.sections import Environment, LongRecipe, Recipe
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.space.environment import NASEnv
from nasdmrl.space.evaluation import Evaluation
from nasdmrl.training.checkpoints import save_checkpoint
from nasdmrl.training.long import retrain
from provocations.scene import Printed, Scene

TINY = {
    "early_stop": {"epochs": 1, "filters": 2, "dense_units": 4},
    "exp2": {"epochs": 1, "first_filters": 2, "dense_units": 4},
}
CONFIG = json.dumps(TINY)


def step_log(results: Path, place: str, steps: int = 20) -> Path:
    """A step log of `exp1/METHOD/DATASET` or another place, drawn by chance."""
    path = results / place / "seed1024/steps.csv"
    kind = next(kind for kind in searches() if kind.place == place)
    save_csv(path, list(step_rows(kind, np.random.RandomState(0), steps)))
    return path


def log(method: str) -> Path:
    return step_log(Path(), f"exp1/{method}/dtd")


# --- searches -----------------------------------------------------------------------------------------------


def search(scene: Scene, *options: str) -> Printed:
    method, *rest = options
    return scene.run(
        *["search", method, "dtd", "--steps", 1, "--output", "out/steps.csv", "--images", "images", *rest],
        *["--store", "store", "--config", CONFIG],
    )


def other_policy(scene: Scene) -> Printed:
    scene.images()
    search(scene, "meta_a2c")
    return search(scene, "dqn", "--policy", "out/policy")


def policy_that_is_none(scene: Scene) -> Printed:
    scene.images()
    return search(scene, "dqn", "--policy", "nowhere")


def damaged_policy(scene: Scene) -> Printed:
    scene.images()
    search(scene, "dqn")
    np.save("out/policy/weights.npy", np.zeros(3, np.float32))
    return search(scene, "dqn", "--policy", "out/policy")


def policy_of_another_format(scene: Scene) -> Printed:
    scene.images()
    scene.write("policy/card.json", json.dumps({"agent": "meta_a2c"}))
    return search(scene, "meta_a2c", "--policy", "policy")


def policy_without_squares(scene: Scene) -> Printed:
    scene.images()
    search(scene, "meta_a2c")
    Path("out/policy/rmsprop_squares.npy").unlink()
    return search(scene, "meta_a2c", "--policy", "out/policy")


def policy_with_nan(scene: Scene) -> Printed:
    scene.images()
    search(scene, "dqn")
    weights = np.load("out/policy/weights.npy")
    weights[0] = np.nan
    np.save("out/policy/weights.npy", weights)
    return search(scene, "dqn", "--policy", "out/policy")


def unknown_reward(scene: Scene) -> Printed:
    """One that was added to the section but not to the Evaluator."""
    evaluator = Evaluator(stripes(), Recipe(), EvaluationStore("store"), Environment.model_construct(reward="speed"))
    record = {"status": "ok", "accuracy": 0.5}
    return scene.call(evaluator._reward_of, (), record)


def part(scene: Scene) -> Printed:
    scene.images()
    task = ["--part", 16, "--steps", 1, "--output", "x.csv"]
    return scene.run("prewarm", "dtd", *task, "--images", "images", "--config", "{}")


def damaged_store(scene: Scene) -> Printed:
    scene.write("store/host.jsonl", '{"key": "torn\n')
    return scene.run("export-db", "db.csv", "--store", "store")


SEARCHES = {
    "random_search has no policy; leave out --policy": lambda scene: search(scene, "random_search", "--policy", "p"),
    "--fixed keeps a saved policy of meta_a2c as it is; name it with --policy": lambda scene: search(
        scene, "meta_a2c", "--fixed"
    ),
    "FOLDER: the policy's NAME is VALUE, expected VALUE": other_policy,
    "FILE: holds ..., expected NUMBER numbers of float32; the policy is damaged; run the search that makes it again": (
        damaged_policy
    ),
    "FOLDER: the policy has format NUMBER, expected NUMBER...; run the search that makes it again": (
        policy_of_another_format
    ),
    "FOLDER: has no FILE, RMSProp's mean squares; run the search that makes the policy again, or start them anew with "
    "meta_a2c.restart_rmsprop: true": policy_without_squares,
    "FOLDER: NUMBER of NUMBER NAME are not finite (NaN or infinite): ...": policy_with_nan,
    "FOLDER: cannot be read (...); run the search that makes it again": policy_that_is_none,
    "environment.reward `NAME`: no such formula in `Evaluator._reward_of`": unknown_reward,
    "--part NUMBER: the tasks are 0 to NUMBER (prewarm.tasks)": part,
    "the episode has ended; call reset() before step()": lambda scene: scene.call(
        NASEnv(lambda network: Evaluation(network, 0.5, 0.5)).step, 0, error=Exception
    ),
}


# --- store --------------------------------------------------------------------------------------------------


def imported(text: str | bytes):
    """Import a db_experiments.csv with this content."""

    def provoke(scene: Scene) -> Printed:
        scene.images("data/dtd/images")
        places = ["--data", "data", "--store", "store"]
        return scene.run("import-db", scene.write("db.csv", text), *places, "--config", "{}")

    return provoke


STORE = {
    "FILE: skipped a damaged line; its evaluation will be made again": damaged_store,
    "FOLDER: no such store; name it with --store, or evaluate a network first": lambda scene: scene.run(
        "export-db", "db.csv", "--store", "typo"
    ),
    "FOLDER: holds no decoded images; decode a dataset first, or name the folder with --data": lambda scene: scene.run(
        "import-db", scene.write("db.csv", ORIGINAL), "--data", "typo", "--config", "{}"
    ),
    "FILE: cannot be read (...); expected a db_experiments.csv": imported(b"a,b\n\xff"),
    "FILE: lacks the columns [...]; expected a db_experiments.csv": imported("a,b\n1,2\n"),
    "FILE: row NUMBER is not an experiment (...)": imported(ORIGINAL.replace("31.0,0.31", "31.0,31")),
}


# --- long trainings -----------------------------------------------------------------------------------------


def long(scene: Scene, network: str, config: str = CONFIG) -> Printed:
    return scene.run("retrain", "dtd", network, "--images", "images", "--output", "epochs.csv", "--config", config)


def damaged_checkpoint(scene: Scene) -> Printed:
    scene.images()
    scene.write("epochs.checkpoint.npz", "torn")
    return long(scene, "conv3")


def other_checkpoint(scene: Scene) -> Printed:
    scene.images()
    save_checkpoint("epochs.checkpoint.npz", [], [], {"network": "conv5"})
    return long(scene, "conv3")


def little_memory(scene: Scene) -> Printed:
    recipe = LongRecipe(dense_units=10**12, epochs=1, filters=2)
    return scene.call(retrain, "conv3", stripes(), recipe, "epochs.csv", "checkpoint.npz")


LONG = {
    "FILE: the checkpoint is damaged (...); delete it to start anew": damaged_checkpoint,
    "FILE: the checkpoint was made with ...; delete it to start anew": other_checkpoint,
    "`NETWORK` on NAME: memory ran out; give the job more of it, or make exp2.dense_units smaller": little_memory,
}


# --- logs to figures and tables -----------------------------------------------------------------------------


def too_few_networks(scene: Scene) -> Printed:
    scene.images()
    return scene.run("best", log("dqn"), "--rank", 99, "--output", "best.json", "--images", "images")


def broken_long_log(scene: Scene) -> Printed:
    for network in ("best1", "best2", "vgg19_cut"):
        for dataset in ("aircraft", "cu_birds"):
            scene.write(f"results/exp2/long/{dataset}/{network}/repeat0/epochs.csv", "epoch\n1\n")
    return scene.run("claims", "--results", "results", "--output", "claims.csv", "--config", "{}")


def notebook(scene: Scene, *cells: tuple[str, list[str]]) -> Path:
    """A notebook of these cells, each with its source and tags."""
    made = [
        {"cell_type": "code", "source": source, "metadata": {"tags": tags}, "outputs": [], "execution_count": None}
        for source, tags in cells
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    content = {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
    return scene.write("mine.ipynb", json.dumps(content))


def failing_cell(scene: Scene) -> Printed:
    source = notebook(scene, ("inputs = 0\nfigures = 0\nconfig = 0", ["parameters"]), ("1 / 0", []))
    return scene.run("notebook", source, "done.ipynb", log("dqn"), "--config", "{}")


def other_parameters(scene: Scene) -> Printed:
    source = notebook(scene, ("inputs = 0\nother = 0", ["parameters"]))
    return scene.run("notebook", source, "done.ipynb", log("dqn"), "--config", "{}")


def shares_of_two_methods(scene: Scene) -> Printed:
    return scene.call(action_proportions, read_logs([log("dqn"), log("random_search")]))


FIGURES = {
    "FILE: expected a NAME METHOD/DATASET/seedSEED/NAME (...)": lambda scene: scene.run(
        "curves", "exp1/dqn/dtd/seed1/steps.csv", "--output", "x", "--config", "{}"
    ),
    "no NAME was given; run a search first, for instance `snakemake all`": lambda scene: scene.call(read_logs, []),
    "FILE: NUMBER networks were trained, rank NUMBER was asked for; search longer": too_few_networks,
    "FILE: expected a table with a column `NAME` (...)": broken_long_log,
    "FILE: a cell failed; the executed copy is FILE": failing_cell,
    "FILE: unknown parameters [...], missing parameters [...]": other_parameters,
    "FOLDER: no results; run `snakemake all` first, or name the inputs": lambda scene: scene.call(
        lambda: Run("exp1", [], "figures", "{}").steps
    ),
    "action proportions of several methods at once (NAMES): choose one": shares_of_two_methods,
}
PROVOCATIONS = SEARCHES | STORE | LONG | FIGURES
