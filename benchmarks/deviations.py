"""What do the released code's deviations D1 to D7 change (Section 9)? Each measured where it acts.

python -m benchmarks.deviations results/data/dtd/images   # decoded images, at any scale

D1 and D2 change trainings, D3 and D4 the agent, D5 the long trainings, D6 and D7 what is evaluated. D8 and D9 change
nothing that D3 does not.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice, product
from multiprocessing import get_context

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from benchmarks import adaptation
from benchmarks.training import BEST
from nasdmrl.agents.meta_a2c import Released
from nasdmrl.agents.prewarm import random_search_networks
from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.agents.search import interact
from nasdmrl.config.model import Config, load
from nasdmrl.data.images import ImageData
from nasdmrl.data.images import load as load_images
from nasdmrl.space.actions import CHAIN
from nasdmrl.space.costs import costs
from nasdmrl.space.environment import NASEnv
from nasdmrl.space.evaluation import Evaluation
from nasdmrl.space.nsc import Network, canonical, is_valid, parse

SCALE = "config/miniature.yaml"
NETWORKS, SEEDS = 24, range(5)
STEPS, SHAPE = 6500, (84, 84, 3)
"""Random search on omniglot, at the paper's sizes (Section 7)."""
QUANTILES = (0, 0.25, 0.5, 0.75, 1)


def with_released(*deviations: str) -> Config:
    """The miniature with these deviations as the released code has them."""
    settings = load(SCALE)
    changed = settings.deviations.model_copy(update=dict.fromkeys(deviations, "released"))
    return settings.model_copy(update={"deviations": changed})


def variants(first: str, second: str) -> dict[str, tuple[str, ...]]:
    """The paper, each deviation alone, and both."""
    return {"paper": (), first: (first,), second: (second,), f"{first}, {second}": (first, second)}


# --- trainings: D1, D2 ---------------------------------------------------------------------------------------


def accuracies(folder: str) -> pd.DataFrame:
    """Test accuracy of random search's first networks, a row each, a column a variant."""
    data, kinds = load_images(folder), variants("D1", "D2")
    networks = list(islice(random_search_networks(STEPS, 1, data.shape, load(SCALE)), NETWORKS))
    jobs = list(product(networks, kinds.values()))
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        found = list(pool.map(accuracy, [folder] * len(jobs), *zip(*jobs, strict=True)))
    return pd.DataFrame(np.reshape(found, (NETWORKS, len(kinds))), columns=list(kinds))


def accuracy(folder: str, network: Network, deviations: tuple[str, ...]) -> float:
    from nasdmrl.training.early_stop import Trainer
    from nasdmrl.training.runtime import start_tensorflow

    start_tensorflow(threads=1)
    return Trainer()(network, load_images(folder), with_released(*deviations).recipe()).accuracy


def described(table: pd.DataFrame) -> pd.DataFrame:
    """Quantiles of each variant, the mean difference to the paper's, and how alike networks are ranked."""
    quantiles = table.quantile(QUANTILES).T
    quantiles["mean difference"] = (table.sub(table["paper"], axis=0)).mean()
    quantiles["rank correlation"] = [spearmanr(table["paper"], table[kind]).statistic for kind in table]
    return quantiles.round(3)


# --- the agent: D3, D4 ---------------------------------------------------------------------------------------


def episodes_of_agents() -> Iterator[tuple[str, str]]:
    """Episodes that a fixed policy needs on held-out tasks (`benchmarks.adaptation`), by variant."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for kind, deviations in variants("D3", "D4").items():
            released = Released(forgets="D3" in deviations, shifted_inputs="D4" in deviations)
            found = pool.map(adaptation.compared, SEEDS, [released] * len(SEEDS))
            yield kind, adaptation.described(np.array([ours for ours, _ in found]))


# --- long trainings and searches: D5 to D7 -----------------------------------------------------------------------


def long_parameters() -> pd.DataFrame:
    """Trainable parameters of the paper's best networks, widened for Exp. 2b, 100 classes of 84 pixels."""
    kinds = {"paper": load("config/paper.yaml"), "D5": load('{"deviations": {"D5": "released"}}')}
    rows = [
        {kind: costs(parse(text), SHAPE, 100, settings.long_recipe(0)).parameters for kind, settings in kinds.items()}
        for text in BEST
    ]
    return pd.DataFrame(rows, index=BEST)


def trained_by_random_search(max_actions: int, terminal_counts: bool, seed: int = 1024) -> int:
    """Valid networks that random search's steps evaluate, each once; with its terminal row it may be another one."""
    met: set[Network] = set()

    def evaluate(network: Network) -> Evaluation:
        form = canonical(network)
        status = "ok" if is_valid(form, SHAPE) else "invalid"
        if status == "ok":
            met.add(network if terminal_counts else form)
        return Evaluation(form, 0.0, 0.0, status)

    for _ in interact(RandomSearch(len(CHAIN), seed), NASEnv(evaluate, max_actions=max_actions), STEPS):
        pass
    return len(met)


def main(folder: str) -> None:
    data: ImageData = load_images(folder)
    print(f"D1, D2: test accuracy of {NETWORKS} networks of random search; {data.name}, {len(data.images)} images of")
    print(f"{data.shape[0]} pixels, {data.n_classes} classes, recipe of {SCALE}")
    print(described(accuracies(folder)).to_string())
    print(f"\nD3, D4: episodes until a network is within 5 % of the best, held-out tasks, {len(SEEDS)} seeds")
    for kind, text in episodes_of_agents():
        print(f"{kind:<8} {text}", flush=True)
    print("\nD5: trainable parameters, Exp. 2b at the paper's scale")
    print(long_parameters().to_string())
    print(f"\nD6, D7: networks that random search trains in {STEPS} steps")
    for kind, tau, terminal in (("paper", 10, False), ("D6", 100, False), ("D7", 10, True)):
        print(f"{kind:<8} {trained_by_random_search(tau, terminal)}")


if __name__ == "__main__":
    main(sys.argv[1])
