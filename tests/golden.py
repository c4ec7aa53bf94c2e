"""A golden set of results: logs of every experiment in the layout of results/README.md, drawn by a seeded script.

No search of the package makes them. They look roughly as the paper says (docs/paper.md, Section 8), so that figures
and reports have something to show; they are no evidence of anything.
"""

import json
import math
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nasdmrl.paper.datasets import DATASETS
from nasdmrl.space import nsc
from nasdmrl.space.actions import CHAIN, MULTI_BRANCH, Action

SEED = 1024
STEPS = 200
IMAGE = (84, 84, 3)
LEVELS = {"omniglot": 0.6, "vgg_flower": 0.5, "dtd": 0.25, "aircraft": 0.42, "cu_birds": 0.16, "traffic_sign": 0.9}
TRAINING, EVALUATION = ("omniglot", "vgg_flower", "dtd"), ("aircraft", "cu_birds")
SIGMAS = (0.0, 0.1)
# Shares of the actions: a good designer's, a uniform one's, and in the multi-branch space one's who seldom branches.
GOOD = np.array([0.06, 0.22, 0.14, 0.3, 0.12, 0.06, 0.04, 0.06])
UNIFORM = np.full(8, 1 / 8)
BRANCHING = np.array([*(0.105,) * 7, 0.08, 0.012, 0.012, 0.006, 0.03, 0.006, 0.119])
SKILLS = {"meta_a2c": (0.3, 0.9, 0.9), "dqn": (0.6, 0.5, 0.5), "random_search": (0.0, 0.0, 0.0)}
ENTROPIES = {"omniglot": (2.05, 1.4), "vgg_flower": (1.4, 0.8), "dtd": (1.3, 1.0)}  # nats, at first and at last
LONG = {"best1": (0.48, 0.24), "best2": (0.49, 0.25), "vgg19_cut": (0.3, 0.07)}  # on aircraft and cu_birds
EPOCHS, REPEATS = 12, 5


class Search(NamedTuple):
    """One run: where its log goes, how it acts."""

    place: str
    actions: tuple[Action, ...]
    probabilities: np.ndarray
    max_actions: int = 10
    sigma: float = 0.0

    @property
    def dataset(self) -> str:
        return self.place.split("/")[2]


def write_golden(results: Path | str, seeds: Iterable[int] = (SEED,), steps: int = STEPS, traffic_sign: bool = True):
    """Write all of it below `results`: step logs, progress, best networks and long trainings.

    steps: rows of each step log. traffic_sign: whether Appendix A has that dataset.
    """
    results = Path(results)
    for search in searches(traffic_sign):
        for seed in seeds:
            folder = results / search.place / f"seed{seed}"
            random = np.random.RandomState([seed, zlib.crc32(search.place.encode())])
            save_csv(folder / "steps.csv", list(step_rows(search, random, steps)))
            save_progress(folder, search, random, steps)
    save_best_networks(results, min(seeds))
    save_long_trainings(results)


def searches(traffic_sign: bool = True) -> list[Search]:
    """The runs of every experiment."""
    runs = [
        Search(f"exp1/{method}/{dataset}", CHAIN, skilled(skill))
        for method, skills in SKILLS.items()
        for dataset, skill in zip(TRAINING, skills, strict=True)
    ]
    for dataset in EVALUATION:
        runs += [Search(f"exp2/{m}/{dataset}", CHAIN, skilled(SKILLS[m][-1])) for m in ("meta_a2c", "random_search")]
    runs += [Search(f"exp3/sigma{sigma}/omniglot", MULTI_BRANCH, BRANCHING, 20, sigma) for sigma in SIGMAS]
    names = [name for name in LEVELS if traffic_sign or name != "traffic_sign"]
    return runs + [Search(f"appendix_a/meta_a2c/{name}", CHAIN, skilled(0.1)) for name in names]


def skilled(skill: float) -> np.ndarray:
    """Probabilities of the chain actions between a uniform designer's (0) and a good one's (1)."""
    return skill * GOOD + (1 - skill) * UNIFORM


# --- step logs ----------------------------------------------------------------------------------------------


def step_rows(search: Search, random: np.random.RandomState, steps: int) -> Iterator[dict]:
    """Rows of a step log."""
    met, ended, episode = set(), True, 0
    for step in range(1, steps + 1):
        if ended:
            episode, count, network, shifts = episode + 1, 0, (), [0, 0]
        action, count = int(random.choice(len(search.actions), p=search.probabilities)), count + 1
        choice = search.actions[action]
        if choice.is_shift:
            shifts = [shifts[0] + choice.shift1, shifts[1] + choice.shift2]
        else:
            network = (*network, choice.layer(*(len(network) + shift for shift in shifts)))
        status = status_of(network, shifts)
        form, ok = nsc.canonical(network), status == "ok"
        full = len(network) == 10 or count == search.max_actions
        ended = not ok or full or choice.name == "terminal"
        accuracy = accuracy_of(search.dataset, form) if ok else 0.0
        seconds = round(20 + 30 * quality(search.dataset, form, "time"), 3) if ok else 0.0
        known = form in met or quality(search.place, form, "store") < 0.3
        yield {
            "step": step, "episode": episode, "episode_step": count, "action": action, "action_name": choice.name,
            "reward": accuracy * (search.sigma if choice.is_shift else 1), "accuracy": accuracy,
            "network": nsc.to_text(network), "layers": len(form), "valid": int(ok), "status": status,
            "looked_up": int(form in met), "multi_branch": int(nsc.is_multi_branch(network)), "episode_end": int(ended),
            "parameters": 50_000 * (len(form) + 1) * ok, "flops": 2_000_000 * (len(form) + 1) * ok,
            "training_seconds": seconds, "spent_seconds": round(0.05 + seconds * (not known), 4),
        }  # fmt: skip
        if status != "out_of_bounds":
            met.add(form)


def status_of(network: nsc.Network, shifts: list[int]) -> str:
    """`ok`, `invalid` or `out_of_bounds`."""
    if not all(0 <= len(network) + shift <= len(network) for shift in shifts):
        return "out_of_bounds"
    return "ok" if nsc.is_valid(network, IMAGE) else "invalid"


def accuracy_of(dataset: str, network: nsc.Network) -> float:
    """In [0, 1], the same for the same network: convolutions and max pooling help."""
    kinds = [layer.type for layer in network]
    convolutions, poolings = (
        min(kinds.count(kind), 3) for kind in nsc.KERNELS if kind != nsc.LayerType.AVERAGE_POOLING
    )
    score = 0.4 + 0.12 * convolutions + 0.06 * poolings + 0.12 * quality(dataset, network, "accuracy")
    return round(LEVELS[dataset] * min(score, 1.1), 6)


def quality(place: str, network: nsc.Network, what: str) -> float:
    """A number in [0, 1) that looks drawn by chance and is always the same."""
    return zlib.crc32(f"{place} {what} {nsc.to_text(network)}".encode()) / 2**32


# --- progress -----------------------------------------------------------------------------------------------


def save_progress(folder: Path, search: Search, random: np.random.RandomState, steps: int) -> None:
    """What a learning agent notes at its updates; fixed policies and random search note nothing."""
    experiment, method, dataset = search.place.split("/")
    if method == "random_search" or experiment == "exp2":
        return
    every = {"exp3": 10}.get(experiment, 1 if method == "dqn" else 5)
    at = np.arange(every, steps + 1, every)
    noise = random.uniform(-1, 1, (5, len(at)))
    if method == "dqn":
        rows = {"exploration": np.linspace(1, 0.1, len(at)), "loss": 0.01 + 0.005 * noise[0]}
    else:
        largest = math.log(len(search.actions))
        first, last = {"exp1": ENTROPIES.get(dataset), "exp3": (2.6, 1.8)}.get(experiment) or (2.05, 1.95)
        entropy = np.minimum(np.linspace(first, last, len(at)) + 0.05 * noise[0], largest)
        rows = {"entropy": entropy, "policy_loss": noise[1] / 10, "value_loss": 0.1 + noise[2] / 20}
        rows["explained_variance"] = noise[3]
    save_csv(folder / "progress.csv", {"step": at, **rows, "gradient_norm": 1 + noise[4] / 2})


# --- best networks and long trainings -----------------------------------------------------------------------


def save_best_networks(results: Path, seed: int) -> None:
    """The best networks of deep meta-RL, or of a sigma: one, and two of each evaluation dataset."""
    subjects = [("exp1", "meta_a2c", name, name, 1) for name in TRAINING]
    subjects += [("exp2", "meta_a2c", name, name, 2) for name in EVALUATION]
    subjects += [("exp3", f"sigma{sigma}", "omniglot", f"sigma{sigma}", 1) for sigma in SIGMAS]
    for experiment, method, dataset, subject, count in subjects:
        steps = pd.read_csv(results / experiment / method / dataset / f"seed{seed}/steps.csv")
        distinct = steps[(steps["looked_up"] == 0) & (steps["valid"] == 1)]
        best = distinct.sort_values("reward", ascending=False, kind="stable").head(count)
        for rank, row in enumerate(best.to_dict("records"), start=1):
            known = {"rank": rank, "experiment": experiment, "subject": subject, "dataset": dataset, "seed": seed}
            known |= {"image_size": IMAGE[0], "n_classes": DATASETS[dataset].classes}
            path = results / experiment / "best" / subject / f"best{rank}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(known | best_network(row), indent=2) + "\n")


def best_network(row: dict) -> dict:
    """What a best network's file tells of its step."""
    network = nsc.canonical(nsc.parse(row["network"]))
    values = {name: row[name] for name in ("reward", "accuracy", "parameters", "flops", "step")}
    return {"network": nsc.to_text(network), "rows": nsc.to_rows(network, len(network)).tolist(), **values}


def save_long_trainings(results: Path) -> None:
    """Epochs of the long trainings of Exp. 2b: accuracies that rise to near the paper's."""
    for name, finals in LONG.items():
        for dataset, final in zip(EVALUATION, finals, strict=True):
            for repeat in range(REPEATS):
                folder = results / "exp2/long" / dataset / name / f"repeat{repeat}"
                random = np.random.RandomState([repeat, zlib.crc32(f"{dataset} {name}".encode())])
                save_csv(folder / "epochs.csv", epochs(final * random.uniform(0.97, 1.03)))


def epochs(final: float) -> dict[str, np.ndarray]:
    """Columns of a long training that ends at this accuracy."""
    epoch = np.arange(1, EPOCHS + 1)
    rate, loss = 0.001 * 0.9 ** (50 * epoch / 100), 4 * np.exp(-epoch / 4)
    accuracy = final * (1 - np.exp(-epoch / 2)) / (1 - np.exp(-EPOCHS / 2))
    columns = {"epoch": epoch, "learning_rate": rate, "loss": loss, "accuracy": accuracy}
    return columns | {"parameters": np.full(EPOCHS, 2_000_000), "seconds": np.full(EPOCHS, 30.5)}


def save_csv(path: Path, rows: list[dict] | dict[str, np.ndarray]) -> None:
    """Write a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False, lineterminator="\n")
