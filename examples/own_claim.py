"""A claim of one's own, judged like the paper's: its verdict, interval and caveat.

python examples/own_claim.py [RESULTS]
"""

import sys
from pathlib import Path

import pandas as pd

from nasdmrl.analysis.claim_measures import Inputs, Part, above, log_files
from nasdmrl.analysis.claims import Claim, claims_table
from nasdmrl.analysis.episodes import episodes, read_logs
from nasdmrl.analysis.statistics import series_difference
from nasdmrl.config import load
from nasdmrl.provenance import provenance

LOGS = [log_files("exp1", method, "dtd") for method in ("dqn", "random_search")]


def dqn_minus_random_search(inputs: Inputs) -> list[Part]:
    """One part: best reward of an episode on dtd, with a bootstrap interval over bins of episodes."""
    first, second = (
        [table["best_reward"].to_numpy() for _, table in episodes(read_logs(inputs.files(logs))).groupby("seed")]
        for logs in LOGS
    )
    found = series_difference(first, second, inputs.bin_episodes)
    text = f"DQN minus random search on dtd: {found.value:.3f}, 95 % interval {found.low:.3f} to {found.high:.3f}"
    return [Part(text, above(found))]


MINE = Claim(
    id="M1",
    statement="On dtd, DQN is above random search.",
    evidence="none; a claim of ours",
    measure=dqn_minus_random_search,
    rule="Best reward of an episode, DQN minus random search: holds if the interval lies above zero.",
    files=tuple(LOGS),
)


def judged(results: Path) -> pd.DataFrame:
    """The row of `claims.csv` that this claim would have."""
    settings = load(results / "config.json")
    return claims_table(results, settings.plots.bin_episodes, provenance(settings), settings.seeds, claims=[MINE])


if __name__ == "__main__":
    table = judged(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
    print(table.T.to_string(header=False))
