"""The paper's claims C1 to C7 (Section 8), each with the rule by which a run's results decide it.

`docs/claims.md` says why each rule is as it is.
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nasdmrl.analysis import claim_measures as measures
from nasdmrl.analysis.claim_measures import SIGMAS, Inputs, Part, log_files, long_files
from nasdmrl.analysis.provenance import is_genuine, scale_of
from nasdmrl.analysis.tables import LONG_NETWORKS
from nasdmrl.paper.datasets import with_role
from nasdmrl.paper.numbers import published

REPRODUCED, NOT_REPRODUCED, UNDECIDED, NOT_RUN = "reproduced", "not reproduced", "undecided", "not run"
WORDS = {True: "holds", False: "does not hold", None: "undecided"}


@dataclass(frozen=True)
class Claim:
    """A claim: its statement, the paper's evidence, what measures it, the rule in words, patterns of its files."""

    id: str
    statement: str
    evidence: str
    measure: Callable[[Inputs], list[Part]]
    rule: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """`reproduced`, `not reproduced`, `undecided` or `not run`; what was measured; what the run can and cannot say."""

    verdict: str
    measured: str
    caveat: str
    scale: str
    data: str
    fidelity: str


def _table6() -> str:
    scores = published().long_training.scores
    parts = [
        f"{dataset} " + ", ".join(f"{name} {score.mean:.2f} +- {score.two_sd:.2f}" for name, score in by_name.items())
        for dataset, by_name in scores.items()
    ]
    return f"{published().long_training.place} (%, mean +- 2 sd): {'; '.join(parts)}"


def _logs(experiment: str, methods: tuple[str, ...], datasets: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(log_files(experiment, method, dataset) for dataset in datasets for method in methods)


CLAIMS = (
    Claim(
        "C1",
        "On omniglot, from scratch, meta-RL does worse than DQN.",
        "Figure 9 a",
        measures.c1,
        "Best reward of an episode, meta-RL minus DQN on omniglot, over the steps that both have taken: holds if the "
        "interval lies below zero.",
        _logs("exp1", ("meta_a2c", "dqn"), ("omniglot",)),
    ),
    Claim(
        "C2",
        "On vgg_flower and dtd, with the policy passed on, meta-RL is above DQN and random search from the first "
        "episodes on.",
        "Figures 9 d and 9 g",
        measures.c2,
        "Best reward of an episode, meta-RL minus DQN and minus random search, on each dataset, in the first bin of "
        "episodes and over the steps that both have taken: each holds if its interval lies above zero.",
        _logs("exp1", ("meta_a2c", "dqn", "random_search"), ("vgg_flower", "dtd")),
    ),
    Claim(
        "C3",
        "Entropy falls over omniglot and vgg_flower; on dtd the agent explores again.",
        "Figure 10",
        measures.c3,
        "Entropy of the policy, last third of the updates minus first third, on omniglot and on vgg_flower: each holds "
        "if its interval lies below zero. Entropy over all of dtd minus the last third of vgg_flower: holds if the "
        "interval lies above zero.",
        tuple(log_files("exp1", "meta_a2c", dataset, "progress.csv") for dataset in with_role("training")),
    ),
    Claim(
        "C4",
        "On aircraft and cu_birds the fixed policy finds good networks at once and stays above random search, without "
        "improving over time.",
        "Figures 12 a and 12 d",
        measures.c4,
        "Best reward of an episode, fixed policy minus random search, on each dataset, in the first bin of episodes "
        "and over the steps that both have taken: each holds if its interval lies above zero. The fixed policy's "
        "second half of episodes minus its first: holds unless the interval lies above zero.",
        _logs("exp2", ("meta_a2c", "random_search"), with_role("evaluation")),
    ),
    Claim(
        "C5",
        "Its strategy does not differ between aircraft and cu_birds (Wilcoxon).",
        f"{published().action_test.place}: p = {published().action_test.p}",
        measures.c5,
        "Wilcoxon signed-rank test between the fixed policy's action proportions on the two datasets, as in the paper, "
        "and permutation test of the total variation between them: each holds if p >= 0.05, no difference shown. "
        "Actions that are the same step by step decide nothing.",
        _logs("exp2", ("meta_a2c",), with_role("evaluation")),
    ),
    Claim(
        "C6",
        "Its best networks, trained long, beat the VGG19 cut on both datasets; the best at early stop is not the best "
        "at the end.",
        _table6(),
        measures.c6,
        "Test accuracy after the last epoch, on each dataset, best1 minus VGG19 cut, best2 minus VGG19 cut, and best2 "
        "minus best1: each holds if its Welch interval lies above zero.",
        tuple(long_files(dataset, network) for dataset in with_role("evaluation") for network in LONG_NETWORKS),
    ),
    Claim(
        "C7",
        "In the multi-branch space sigma makes no difference, and multi-branch networks are about 1 in 10, rarer once "
        "exploration falls.",
        "Figures 14 a, 15 a and 15 b",
        measures.c7,
        "Best reward of an episode, sigma 0.1 minus sigma 0.0: holds if the interval holds zero; actions that are the "
        "same step by step decide nothing. Share of multi-branch "
        "networks among the valid ones that a new layer made, with each sigma: holds if the interval lies within 7.1 % "
        "and 14.1 %; its second half minus its first: holds if the interval lies below zero.",
        _logs("exp3", SIGMAS, ("omniglot",)),
    ),
)


def assess(claim: Claim, inputs: Inputs) -> Verdict:
    """Decide a claim: all parts hold, a part does not, or neither; `not run`, with their names, if files are missing.

    Raises `DataError` for a file that is there and cannot be read.
    """
    missing = [pattern for pattern in claim.files if not inputs.files(pattern)]
    if missing:
        return _verdict(NOT_RUN, f"missing: {', '.join(missing)}", inputs)
    parts = claim.measure(inputs)
    measured = "; ".join(f"{part.text} ({WORDS[part.holds]})" for part in parts)
    return _verdict(_decided(parts), measured, inputs)


def _decided(parts: list[Part]) -> str:
    if any(part.holds is not None and not part.holds for part in parts):
        return NOT_REPRODUCED
    return REPRODUCED if all(part.holds for part in parts) else UNDECIDED


def _verdict(verdict: str, measured: str, inputs: Inputs) -> Verdict:
    stamp = inputs.stamp
    return Verdict(verdict, measured, caveat(stamp), stamp["scale"], stamp["data"], stamp["fidelity"])


def caveat(stamp: dict[str, str]) -> str:
    """What a run with this stamp cannot say: empty for the paper's scale, its images and several seeds."""
    sentences = []
    if not is_genuine(stamp):
        sentences.append(
            f"Scale {scale_of(stamp)}, data: {stamp['data']}: this run cannot decide the paper's claim; the verdict is "
            "only about these results."
        )
    if len(stamp.get("seeds", "").split()) == 1:
        sentences.append("One seed: the intervals cover chance within its runs, not what another seed would give.")
    return " ".join(sentences)


def claims_table(
    results: Path,
    bin_episodes: int,
    stamp: dict[str, str],
    seeds: Container[int] | None = None,
    repeats: Container[int] | None = None,
    claims: Iterable[Claim] = CLAIMS,
) -> pd.DataFrame:
    """One row a claim, for results below `results`, complete or not; `seeds` and `repeats` as in `Inputs`.

    claims: the paper's, or one's own (docs/extending.md).

    Columns: claim, statement, paper_evidence, verdict, measured, rule, files, caveat, scale, data, fidelity.
    """
    inputs = Inputs(Path(results), bin_episodes, stamp, seeds, repeats)
    return pd.DataFrame([_row(claim, assess(claim, inputs)) for claim in claims])


def _row(claim: Claim, verdict: Verdict) -> dict[str, str]:
    return {
        "claim": claim.id,
        "statement": claim.statement,
        "paper_evidence": claim.evidence,
        "verdict": verdict.verdict,
        "measured": verdict.measured,
        "rule": claim.rule,
        "files": "; ".join(claim.files),
        "caveat": verdict.caveat,
        "scale": verdict.scale,
        "data": verdict.data,
        "fidelity": verdict.fidelity,
    }
