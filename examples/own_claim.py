"""A claim of one's own, judged like the paper's: verdict, interval and caveat, printed and kept in own_claims.csv.

python examples/own_claim.py [RESULTS]
"""

import sys
from pathlib import Path

import pandas as pd

from nasdmrl.analysis.claim_inputs import Inputs, Part, above, log_files, reward_parts
from nasdmrl.analysis.claims import Claim, claims_table
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.statistics import Estimate
from nasdmrl.analysis.tables import read_table, write_table
from nasdmrl.errors import NasdmrlError
from nasdmrl.report.archive import kept_config

DATASET, METHODS, MARGIN = "dtd", ("dqn", "random_search"), 0.01


def no_worse(estimate: Estimate) -> bool | None:
    """Holds where the interval lies above minus one percentage point, does not where it lies below, else is open."""
    return above(Estimate(*(end + MARGIN for end in estimate[:3])))


def measure(inputs: Inputs) -> list[Part]:
    """One part: best reward of an episode, over the steps and seeds that both methods have."""
    return reward_parts(inputs, "exp1", DATASET, METHODS, no_worse)


MINE = Claim(
    id="M1",
    statement=f"On {DATASET}, DQN finds networks at least as good as random search's.",
    evidence="none; a claim of ours",
    measure=measure,
    rule="Best reward of an episode, DQN minus random search: holds if the interval lies above -1 percentage point.",
    reason="A difference below one percentage point is below the noise of an evaluation.",
    files=tuple(log_files("exp1", method, DATASET) for method in METHODS),
)


def judged(results: Path) -> pd.DataFrame:
    """The row that this claim has in `own_claims.csv`, of the form of `claims.csv`; rows of other claims stay there."""
    settings, path = kept_config(results), results / "own_claims.csv"
    stamp = provenance(settings, [DATASET])
    row = claims_table(results, settings, stamp, [MINE])
    others = read_table(path).query("claim != @MINE.id") if path.exists() else row.iloc[:0]
    write_table(pd.concat([others, row]), path, stamp)
    return row


if __name__ == "__main__":
    try:
        for name, value in judged(Path(sys.argv[1] if len(sys.argv) > 1 else "results")).iloc[0].items():
            print(f"{name}: {value}")
    except NasdmrlError as error:
        sys.exit(f"Error: {error}")
