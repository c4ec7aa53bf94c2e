"""Random search as the authors ran it, played again without training, against the lengths of episodes that they plot.

Random search draws its actions whatever the rewards are, so the lengths of its episodes follow from the sequence of
actions and the building rules (Sections 1 and 4) alone: no image and no training is needed, and none is used.
"""

from collections.abc import Container
from functools import cache

import pandas as pd

from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.agents.search import interact
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.styles import name_of
from nasdmrl.config.model import Config
from nasdmrl.errors import DataError
from nasdmrl.paper.published import BIN_EPISODES, curve
from nasdmrl.space.environment import NASEnv
from nasdmrl.space.evaluation import by_shapes
from nasdmrl.space.nsc import Network, canonical, is_valid

DATASETS = ("omniglot", "vgg_flower", "dtd", "aircraft", "cu_birds")
"""With a published curve of random search, in the order of Figures 9 and 12."""
SEED = 1024
STEPS = 6500
"""Of the longest trial, on omniglot (Section 7); the others are the beginning of the same sequence."""
SHAPE = (84, 84, 3)
FAILED = "conv5 conv1 conv3 conv3 conv1 conv1 conv5"
"""The network at which one episode on omniglot must have ended early: seven convolutions without a pooling, whose
training seems to have failed for memory. The authors' program takes that for an invalid network."""
EXACT = "exact/random_search_lengths"
"""Table (`.csv`) and figure (`.pdf`, `.png`) in the results."""

SUMS = ("episodes", "sum", "sum_of_squares")
"""What is compared of a bin: number of episodes, sum and sum of squares of their lengths."""
Episode = list[Network]
"""The networks of an episode's steps, as long as the episode."""


def played(steps: int = STEPS, seed: int = SEED, also_invalid: Container[str] = ()) -> list[Episode]:
    """Random search's whole episodes in the chain space of 84 pixels; an unfinished last one is left out.

    also_invalid: canonical texts of networks that end an episode although they can be built.
    """
    agent, environment = RandomSearch(8, seed), Config().environment
    env = NASEnv(by_shapes(SHAPE, also_invalid), "chain", environment.max_layers, environment.max_actions)
    whole, networks = [], []
    for row in interact(agent, env, steps):
        networks.append(env.network)
        if row["episode_end"]:
            whole.append(networks)
            networks = []
    return whole


def compared(seed: int = SEED) -> pd.DataFrame:
    """Every published bin of random search's episode lengths beside the played one: one row a bin.

    dataset. ended_early_at: network that ends an episode on top of the rules, or empty. x: of the published point.
    episodes, sum and sum_of_squares of their lengths, played and (`paper_...`) published. exact: 1 if all three are
    equal, else 0. Omniglot comes twice, as played and with `FAILED`.
    """
    tables = [_beside(dataset, seed) for dataset in DATASETS]
    return pd.concat([tables[0], _beside("omniglot", seed, FAILED), *tables[1:]], ignore_index=True)


def agreement(table: pd.DataFrame) -> pd.DataFrame:
    """What `compared` gives, one row a dataset: published episodes and steps, bins, and how many of them are exact."""
    kept = table.fillna({"ended_early_at": ""})  # which an empty cell of a file is read as
    columns = {"episodes": ("paper_episodes", "sum"), "steps": ("paper_sum", "sum")}
    columns |= {"bins": ("exact", "size"), "exact_bins": ("exact", "sum")}
    return kept.groupby(["dataset", "ended_early_at"], sort=False).agg(**columns).reset_index()


def verdict(table: pd.DataFrame) -> str:
    """What `agreement` comes to, in a sentence."""
    others = table[table["dataset"] != "omniglot"]
    exact, bins = others["exact_bins"].sum(), others["bins"].sum()
    return f"{exact} of {bins} bins of {', '.join(map(name_of, others['dataset']))} agree exactly"


def first_bin(dataset: str) -> list[Episode]:
    """The episodes of random search's first published bin on a dataset.

    Raises `DataError` for a dataset without a published curve of random search.
    """
    return _episodes(SEED, "")[: int(_published(dataset)["episodes"].iloc[0])]


def first_bin_networks(dataset: str) -> list[Network]:
    """The distinct valid networks of `first_bin`, canonical, in the order in which they were met.

    The empty network, which a terminal action in the first step leaves, is one of them.
    """
    met = dict.fromkeys(canonical(network) for episode in first_bin(dataset) for network in episode)
    return [network for network in met if is_valid(network, SHAPE)]


def binned_lengths(lengths: list[int], first_row: int) -> pd.DataFrame:
    """Episodes in bins as the authors' notebook makes them: x, episodes, sum and sum_of_squares of the lengths.

    The notebook numbers the rows of several trials joined in one file and cuts after every 50; `first_row` (0 to 49) is
    the place of the trial's first episode within a bin, so the first bin holds 50 less `first_row`.
    """
    rows = pd.DataFrame({"length": lengths, "square": [length**2 for length in lengths]})
    bins = rows.groupby((rows.index + first_row) // BIN_EPISODES)
    binned = bins.agg(episodes=("length", "size"), sum=("length", "sum"), sum_of_squares=("square", "sum"))
    return binned.set_index(binned.index * BIN_EPISODES).rename_axis("x").reset_index()


def stamp() -> dict[str, str]:
    """Where the table and the figure come from: no scale and no images have a part in them."""
    made = {**provenance(Config()), "scale": "the paper's (nothing is trained)", "data": "no images needed"}
    return {key: value for key, value in made.items() if key != "config"}


def _published(dataset: str) -> pd.DataFrame:
    points = curve(dataset, "random_search", "length")
    if points.empty:
        raise DataError(f"`{dataset}`: the paper has no curve of random search; known are {', '.join(DATASETS)}")
    return points.rename(columns={"n_episodes": "episodes"})[["x", *SUMS]]


def _beside(dataset: str, seed: int, failed: str = "") -> pd.DataFrame:
    published = _published(dataset)
    first_row = -int(published["episodes"].iloc[0]) % BIN_EPISODES
    lengths = [len(episode) for episode in _episodes(seed, failed)]
    here = binned_lengths(lengths[: published["episodes"].sum()], first_row)
    table = here.merge(published, on="x", how="right", suffixes=("", "_published"))
    pairs = [table[name] == table[f"{name}_published"] for name in SUMS]
    table["exact"] = (pairs[0] & pairs[1] & pairs[2]).astype(int)
    table.insert(0, "dataset", dataset)
    table.insert(1, "ended_early_at", failed)
    return table.rename(columns={f"{name}_published": f"paper_{name}" for name in SUMS})


@cache
def _episodes(seed: int, failed: str) -> list[Episode]:
    """`played`, each sequence once; not to be changed."""
    return played(seed=seed, also_invalid={failed} - {""})
