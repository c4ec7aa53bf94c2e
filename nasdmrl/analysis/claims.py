"""The paper's claims (Section 8), each with the rule by which a run's results decide it, and why it is that rule.

`python -m nasdmrl.analysis.claims` prints the part of docs/claims.md that lists them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nasdmrl.analysis import claim_measures as measures
from nasdmrl.analysis.claim_inputs import UNDECIDED, Inputs, Part, log_files, long_files
from nasdmrl.analysis.claim_measures import HARDNESS, SIGMAS, TRANSFERRED
from nasdmrl.analysis.provenance import is_genuine, scale_of
from nasdmrl.config.model import Config
from nasdmrl.paper.datasets import with_role
from nasdmrl.paper.experiments import LONG_NETWORKS
from nasdmrl.paper.numbers import published

REPRODUCED, NOT_REPRODUCED, NOT_RUN = "reproduced", "not reproduced", "not run"
NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Claim:
    """A claim: its statement, the paper's evidence, what measures it, rule and reason, patterns of its files."""

    id: str
    statement: str
    evidence: str
    measure: Callable[[Inputs], list[Part]]
    rule: str
    reason: str
    files: tuple[str, ...]


def _logs(experiment: str, methods: Iterable[str], datasets: Iterable[str]) -> tuple[str, ...]:
    return tuple(log_files(experiment, method, dataset) for dataset in datasets for method in methods)


def _table6() -> str:
    scores = published().long_training.scores
    parts = [
        f"{dataset} " + ", ".join(f"{name} {score.mean:.2f} +- {score.two_sd:.2f}" for name, score in by_name.items())
        for dataset, by_name in scores.items()
    ]
    return f"{published().long_training.place} (%, mean +- 2 sd): {'; '.join(parts)}"


TRAINING, EVALUATION = with_role("training"), with_role("evaluation")
METHODS = ("meta_a2c", "dqn", "random_search")
EXP3 = _logs("exp3", SIGMAS, ["omniglot"])
MULTI_BRANCH = published().multi_branch

CLAIMS = (
    Claim(
        "C1",
        "On omniglot, from scratch, meta-RL does worse than DQN.",
        "Figure 9 a",
        measures.c1,
        "Best reward of an episode, meta-RL minus DQN on omniglot, over the steps that both have taken: holds if the "
        "interval lies below zero.",
        "The paper's trials differ in length (8000 and 6500 steps), and a longer one has more time to learn; hence "
        "the steps that both have taken.",
        _logs("exp1", METHODS[:2], ["omniglot"]),
    ),
    Claim(
        "C2",
        "On vgg_flower and dtd, with the policy passed on, meta-RL is above DQN and random search from the first "
        "episodes on.",
        "Figures 9 d and 9 g",
        measures.c2,
        "Best reward of an episode, meta-RL minus DQN and minus random search, on each dataset, in the first bin of "
        "episodes and over the steps that both have taken: each holds if its interval lies above zero.",
        "'From the first episodes on' is two things: the first point of the curve, a bin of episodes, and the whole.",
        _logs("exp1", METHODS, TRANSFERRED),
    ),
    Claim(
        "C3",
        "Entropy falls over omniglot and vgg_flower; on dtd the agent explores again.",
        "Figure 10",
        measures.c3,
        "Entropy of the policy, last third of the updates minus first third, on omniglot and on vgg_flower: each "
        "holds if its interval lies below zero. Entropy over all of dtd minus the last third of vgg_flower: holds if "
        "the interval lies above zero.",
        "Thirds leave out the middle, where a curve turns. The policy of dtd is the one that vgg_flower ended with, "
        "so without new exploration its entropy would stay there. All of dtd, not its peak: a peak is chosen by "
        "looking. Entropy drifts like a random walk, in which one run's thirds differ without any cause, so one run "
        "has no interval here.",
        tuple(log_files("exp1", "meta_a2c", dataset, "progress.csv") for dataset in TRAINING),
    ),
    Claim(
        "C4",
        "On aircraft and cu_birds the fixed policy finds good networks at once and stays above random search (that "
        "part from Fig. 12, not from the text), without improving over time.",
        "Figures 12 a and 12 d",
        measures.c4,
        "Best reward of an episode, fixed policy minus random search, on each dataset, in the first bin of episodes "
        "and over the steps that both have taken: each holds if its interval lies above zero. The fixed policy's "
        "second half of episodes minus its first: holds unless the interval lies above zero.",
        "'Good' has no number in the paper, so it is 'better than random search'. That no improvement is shown does "
        "not show that there is none: look at the width of the interval.",
        _logs("exp2", ("meta_a2c", "random_search"), EVALUATION),
    ),
    Claim(
        "C5",
        "Its strategy does not differ between aircraft and cu_birds (Wilcoxon).",
        f"{published().action_test.place}: p = {published().action_test.p}",
        measures.c5,
        "Wilcoxon signed-rank test between the fixed policy's action proportions on the two datasets, as in the "
        "paper: holds if p >= 0.05. Total variation between the proportions less its size by chance: does not hold "
        f"if the interval over seeds lies above zero, else holds if every trial has {measures.ENOUGH_STEPS} steps or "
        "more. Actions that are the same step by step decide nothing.",
        "The paper's test cannot decide this claim. It assumes independent pairs, but proportions sum to one; with "
        "eight actions p is never below 0.195 (with ties, never below 0.05), however different the strategies are. "
        "(The paper's 0.48 is what the normal approximation gives for a statistic of 13 on eight pairs; the exact p "
        "is 0.55.) The second part can fail: chance is what dealing ten blocks of neighbouring steps of each trial "
        "anew gives; with one seed the permutation test's p < 0.05 takes the interval's place. In trials shorter "
        "than the length that finds a total variation of 5 % in half of all cases, no difference shown says nothing. "
        "In long ones a difference too small to matter is found as well: its size is told. Both evaluations draw "
        "actions with the same seed, so a policy that hardly looks at what it sees acts alike on both, which is no "
        "evidence.",
        _logs("exp2", ["meta_a2c"], EVALUATION),
    ),
    Claim(
        "C6",
        "Its best networks, trained long, beat the VGG19 cut on both datasets; the best at early stop is not the "
        "best at the end.",
        _table6(),
        measures.c6,
        "Test accuracy after the last epoch, on each dataset, best1 minus VGG19 cut, best2 minus VGG19 cut, and "
        "best2 minus best1: each holds if its t interval lies above zero. The interval is over the seeds whose "
        "networks were trained, each the mean of its repeats; with the networks of one search alone, over the "
        "repeats.",
        "Table 6 is of the last epoch; the best epoch would be chosen on the test images. Best1 and best2 are in the "
        "order of their early-stop accuracy. By this rule the paper's own Table 6, five repeats of one search's "
        "networks, decides all but one part: best2 minus best1 is, on aircraft 0.93, interval 0.02 to 1.84, and on "
        "cu_birds 0.27, interval -0.65 to 1.19 (percentage points). The paper's evidence for the last part of the "
        "claim is thus undecided on cu_birds.",
        tuple(long_files(dataset, network) for dataset in EVALUATION for network in LONG_NETWORKS),
    ),
    Claim(
        "C7",
        "In the multi-branch space sigma makes no difference, and multi-branch networks are about 1 in 10, rarer "
        "once exploration falls.",
        f"Figures 14 a, 15 a and 15 b; {MULTI_BRANCH.counted} of {MULTI_BRANCH.networks} distinct networks",
        measures.c7,
        "Best reward of an episode, sigma 0.1 minus sigma 0.0: holds if the interval holds zero; actions that are "
        "the same step by step decide nothing. Share of multi-branch networks, by the authors' rule, among the "
        "distinct ones of a trial, with each sigma: holds if the interval lies within 7.1 % and 14.1 %; at another "
        "d, tau or t_max of Exp. 3 than the paper's it is not applicable. Share of multi-branch states among all "
        "steps, second half minus first half: holds if the interval lies below zero.",
        "The authors' rule: some row's first predecessor is neither 0 nor one more than that of the row before; "
        "every state of a trial counts once, shifts, terminal rows and invalid networks among them. 'About 1 in 10' "
        "is read as: nearer, as a ratio, to 1 in 10 than to 1 in 5 or 1 in 20; that is within a factor of the square "
        "root of 2. It means something at the paper's length alone: uniform random actions give 29 % at d = 10 and "
        "15 % at d = 3, hardly more than the window allows. Elsewhere the share of uniform random actions in a trial "
        "of the same length stands beside it. Exploration falls over a trial (Figure 15 a), so 'once exploration "
        "falls' is the second half. This package's own reading stands beside it: any layer that does not follow the "
        "one before, among the valid networks that a new layer made, by step. That no difference between the sigmas "
        "is shown does not show that there is none.",
        EXP3,
    ),
    Claim(
        "C8",
        "On vgg_flower and dtd DQN catches up with meta-RL only after many more episodes.",
        "Figures 9 d and 9 g",
        measures.c8,
        "Best reward of an episode on each dataset, against meta-RL's first bin of episodes: DQN's second bin minus "
        "it holds if the interval lies below zero, its last episodes, as many, minus it hold unless the interval "
        "lies below zero.",
        "To catch up is to reach the level at which meta-RL begins. 'Many more' is read as at least twice as many: "
        "after two bins DQN is still below. Episodes are counted as in the paper; meta-RL's are longer after "
        "transfer, so by environment step DQN catches up sooner.",
        _logs("exp1", METHODS[:2], TRANSFERRED),
    ),
    Claim(
        "C9",
        "After transfer meta-RL is more consistent than DQN and random search: its rewards vary less.",
        "Figures 9 d and 9 g",
        measures.c9,
        "Standard deviation of the best reward within a bin of episodes, mean over the bins, meta-RL minus DQN and "
        "minus random search, on vgg_flower and on dtd, over the steps that both have taken: each holds if its "
        "interval lies below zero.",
        "The text says 'more consistently through all episodes (showing less variance)'; the figure's band is the "
        "deviation within a bin, which leaves out what is learned from bin to bin.",
        _logs("exp1", METHODS, TRANSFERRED),
    ),
    Claim(
        "C10",
        "On dtd meta-RL, exploring again (C3), designs shorter networks, so that the accumulated reward does not rise.",
        "Figures 9 h and 9 i",
        measures.c10,
        "Episodes of meta-RL on dtd, last third minus first third: the length holds if its interval lies below zero, "
        "the accumulated reward holds unless its interval lies above zero.",
        "In the chain space the length of an episode is the number of layers, as the paper reads it.",
        _logs("exp1", ["meta_a2c"], ["dtd"]),
    ),
    Claim(
        "C11",
        "Meta-RL's strategies differ between the training datasets.",
        "Figure 11",
        measures.c11,
        "Total variation between meta-RL's action proportions on each two of the three datasets, less its size by "
        "chance: holds if the interval over seeds lies above zero, else does not hold if every trial has "
        f"{measures.ENOUGH_STEPS} steps or more.",
        "The measure is that of C5. A difference can come of the datasets or of learning on from one to the next: "
        "the claim is only that there is one.",
        _logs("exp1", ["meta_a2c"], TRAINING),
    ),
    Claim(
        "C12",
        "In the multi-branch space meaningful rewards come late (around episode 3000 of 4000).",
        "Figure 14 a",
        measures.c12,
        "Best reward of an episode, with each sigma: last tenth of the episodes minus first tenth holds if the "
        "interval lies above zero; middle fifth minus halfway between first and last tenth holds if the interval "
        "lies below zero.",
        "A trial whose rewards rise evenly, or early, has come half the way or more by its middle. 'Late' is thus: "
        "more than half of the rise lies in the second half.",
        EXP3,
    ),
    Claim(
        "C13",
        "After transfer meta-RL designs deeper networks.",
        "Figures 9 b, 9 e and 9 h",
        measures.c13,
        "Episode length of meta-RL on vgg_flower and on dtd, minus its own on omniglot, and minus DQN's over the "
        "steps that both have taken: each holds if its interval lies above zero.",
        "Deeper than before, and than a policy without transfer. In the chain space the length of an episode is the "
        "number of layers.",
        _logs("exp1", METHODS[:2], TRANSFERRED) + _logs("exp1", ["meta_a2c"], ["omniglot"]),
    ),
    Claim(
        "C14",
        "The training datasets are increasingly hard (omniglot, vgg_flower, dtd), and the six fall into three "
        "groups: trivial (traffic_sign), medium (omniglot, vgg_flower, aircraft) and hard (dtd, cu_birds).",
        "Figure 17",
        measures.c14,
        "Median accuracy of the distinct valid networks that the hardness study met, by seed: omniglot minus "
        "vgg_flower, vgg_flower minus dtd, the lowest of a group minus the highest of the next harder one: each "
        "holds if its interval lies above zero. At another scale than the paper's it is not applicable.",
        "The paper reads its groups off the box plot, whose line is the median. How hard a dataset is depends on its "
        "classes, images and pixels, which a smaller scale changes; there random search's medians stand beside it.",
        _logs("appendix_a", ["meta_a2c"], [*HARDNESS["medium"], *HARDNESS["hard"]]),
    ),
    Claim(
        "C15",
        "Merging and pointer actions (A8 to A13) are the least frequent in the multi-branch space.",
        "Figure 16",
        measures.c15,
        "Share of the steps, with each sigma, of the most frequent of A8 to A13 minus that of the least frequent of "
        "A0 to A7: holds if the interval lies below zero.",
        "'The least frequent' says that each of the six is rarer than each of the eight. Uniform actions would not "
        "pass: of equal shares the largest of six lies above the smallest of eight.",
        EXP3,
    ),
    Claim(
        "C16",
        "Running times do not differ significantly between sigmas.",
        "Table 7",
        measures.c16,
        "Training time of the networks that a trial met, each once, sigma 0.1 by sigma 0.0: holds if the interval of "
        "the ratio holds one.",
        "The time as trained is what the paper's runs paid. Times are compared as logarithms, since they multiply. "
        "That no difference is shown does not show that there is none.",
        EXP3,
    ),
    Claim(
        "C17",
        "Running times on the training datasets do not differ significantly between meta-RL and DQN.",
        "Table 4",
        measures.c17,
        "Training time of the networks that a trial met, each once, meta-RL by DQN, on each dataset: each holds if "
        "the interval of the ratio holds one.",
        "As C16. Their trials differ in length, as in the paper, whose text adds that meta-RL's networks are deeper.",
        _logs("exp1", METHODS[:2], TRAINING),
    ),
)


# --- verdicts -----------------------------------------------------------------------------------------------


def assess(claim: Claim, inputs: Inputs) -> tuple[str, str]:
    """Verdict and what was measured.

    All parts hold: `reproduced`; one does not: `not reproduced`; else `undecided`. No part applies at this scale: `not
    applicable`. Files are missing: `not run`, with their patterns. One seed decides no claim. Raises `DataError` for a
    file that is there and cannot be read.
    """
    missing = [pattern for pattern in claim.files if not inputs.files(pattern)]
    if missing:
        return NOT_RUN, f"missing: {', '.join(missing)}"
    parts = claim.measure(inputs)
    return _decided(parts), "; ".join(f"{part.text} ({part.word})" for part in parts)


def _decided(parts: list[Part]) -> str:
    if not any(part.applies for part in parts):
        return NOT_APPLICABLE
    if any(part.decided is False for part in parts):
        return NOT_REPRODUCED
    return REPRODUCED if all(part.decided for part in parts) else UNDECIDED


def caveat(stamp: dict[str, str]) -> str:
    """What a run with this stamp cannot say: empty for the paper's scale, its images and several seeds."""
    sentences = []
    if not is_genuine(stamp):
        sentences.append(
            f"Scale {scale_of(stamp)}, data: {stamp['data']}: this run cannot decide the paper's claim; the verdict is "
            "only about these results."
        )
    if len(stamp.get("seeds", "").split()) == 1:
        sentences.append(
            "One seed decides no claim: intervals cover chance within its runs, not what another would give."
        )
    return " ".join(sentences)


def claims_table(
    results: Path, settings: Config, stamp: dict[str, str], claims: Iterable[Claim] = CLAIMS
) -> pd.DataFrame:
    """One row a claim, for the results below `results` of a run with these settings, complete or not.

    claims: the paper's, or one's own (docs/extending.md).

    Columns: claim, statement, paper_evidence, verdict, measured, rule, files, caveat, scale, data, fidelity.
    """
    inputs = Inputs(Path(results), settings, stamp)
    return pd.DataFrame([_row(claim, *assess(claim, inputs), stamp) for claim in claims])


def _row(claim: Claim, verdict: str, measured: str, stamp: dict[str, str]) -> dict[str, str]:
    return {
        "claim": claim.id,
        "statement": claim.statement,
        "paper_evidence": claim.evidence,
        "verdict": verdict,
        "measured": measured,
        "rule": claim.rule,
        "files": "; ".join(claim.files),
        "caveat": caveat(stamp),
        **{name: stamp[name] for name in ("scale", "data", "fidelity")},
    }


def documentation() -> str:
    """The claims in Markdown, as docs/claims.md ends with them."""
    return "\n".join(
        f"### {claim.id}\n\n{claim.statement} ({claim.evidence})\n\n**Rule.** {claim.rule}\n\n**Why.** {claim.reason}\n"
        for claim in CLAIMS
    )


if __name__ == "__main__":
    print(documentation(), end="")
