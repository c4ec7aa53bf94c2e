"""How often intervals hold the truth, and tests find what is there: `python -m benchmarks.coverage`, about a minute.

Simulated, since only then the truth is known. docs/claims.md shows the outcome.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.signal import lfilter

from benchmarks.table import Row, run
from nasdmrl.analysis.claim_measures import ENOUGH_STEPS, SIGNIFICANCE, random_share
from nasdmrl.analysis.statistics import Estimate, batch_means, distance_test, mean_interval, welch_difference
from nasdmrl.config.model import Config
from nasdmrl.paper.published import actions

TIMES, FEWER_TIMES = 2000, 400
"""Simulations of a row; where one takes a trial's permutation test, and where it takes ten."""
COVERS = 92.0
"""Per cent of the 95 % intervals that should hold the truth at least."""
EFFECT = 0.05
"""Total variation that C5's test should find."""
ACTIONS = actions().query("figure == 'fig13' and dataset == 'aircraft'")["proportion"].to_numpy()
"""Proportions of the fixed policy's actions on aircraft, as published."""
OTHER_ACTIONS = ACTIONS + EFFECT * np.array([0, 1, 0, -1, 0, 0, 0, 0])
SMALL_SPACE = {"exp3": {"max_layers": 3, "max_actions": 6}, "data": {"image_size": 20}}

random = np.random.RandomState(0)


def percent(happens: Callable[[], bool], times: int = TIMES) -> float:
    """How often it happens, per cent of so many times."""
    return 100 * float(np.mean([happens() for _ in range(times)]))


def holds(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


# --- several seeds ------------------------------------------------------------------------------------------


def skewed(count: int) -> np.ndarray:
    """Values of mean 1 with a long tail, as of seeds of which a few never learn."""
    return random.exponential(1, count)


def normal(count: int) -> np.ndarray:
    return random.normal(1, 1, count)


def bootstrap_holds(values: np.ndarray, truth: float) -> bool:
    """Whether the percentile bootstrap's interval holds the truth."""
    means = values[random.randint(0, len(values), (1000, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return low <= truth <= high


def over_seeds() -> Iterator[Row]:
    for seeds in (3, 5, 10):
        for draw in (normal, skewed):
            what = f"{seeds} seeds, {draw.__name__}"
            plain = percent(lambda draw=draw, seeds=seeds: bootstrap_holds(draw(seeds), 1))
            student = percent(lambda draw=draw, seeds=seeds: holds(mean_interval(draw(seeds)), 1))
            yield Row(f"Student's t covers, {what}", student, "%", plain=plain, note="the plain way: bootstrap")
            welch = percent(lambda draw=draw, seeds=seeds: holds(welch_difference(draw(seeds), 2 * draw(seeds)), -1))
            yield Row(f"Welch's t covers, {what}, one sd twice the other", welch, "%")
    for effect in (1, 1.5, 2):
        found = percent(lambda effect=effect: welch_difference(normal(10) + effect, normal(10)).low > 0)
        yield Row(f"Welch's t finds {effect} sd between seeds, 10 seeds", found, "%")


# --- one run ------------------------------------------------------------------------------------------------


def run_of(length: int, memory: float) -> np.ndarray:
    """Episodes of a run of mean 0 whose neighbours correlate by `memory` (a random walk for 1)."""
    noise = random.normal(size=length + 300)
    return lfilter([1], [1, -memory], noise)[-length:]


def difference_of(first: np.ndarray, second: np.ndarray) -> Estimate:
    return welch_difference(batch_means(first), batch_means(second))


def within_a_run() -> Iterator[Row]:
    for length in (50, 200, 700):
        for memory in (0.0, 0.5, 0.8):
            covers = percent(lambda n=length, m=memory: holds(difference_of(run_of(n, m), run_of(n, m)), 0))
            what = f"batch means cover, two runs of {length} episodes, phi {memory}"
            yield Row(what, covers, "%", COVERS if memory <= 0.5 else None, at_least=True)
    for memory in (0.9, 0.99, 1.0):
        thirds = (np.array_split(run_of(1600, memory), 3) for _ in range(TIMES))
        wrong = percent(lambda thirds=thirds: not holds(difference_of(*next(thirds)[::2]), 0))
        yield Row(f"batch means see a change between thirds where there is none, phi {memory}", wrong, "%")


# --- strategies ---------------------------------------------------------------------------------------------


def actions_of(steps: int, shares: np.ndarray, memory: float) -> np.ndarray:
    """Actions of a trial; with this probability a step repeats the one before."""
    fresh = random.choice(len(shares), steps, p=shares)
    new = np.where(random.random_sample(steps) >= memory, np.arange(steps), 0)
    return fresh[np.maximum.accumulate(new)]


def finds(steps: int, other: np.ndarray, memory: float = 0.0) -> bool:
    """Whether the permutation test of two trials finds a difference."""
    trials = (actions_of(steps, shares, memory) for shares in (ACTIONS, other))
    return distance_test(*trials, len(ACTIONS)).p < SIGNIFICANCE


def ten_seeds_find(steps: int, other: np.ndarray, memory: float) -> bool:
    """Whether the interval over ten seeds of the distance less its size by chance lies above zero."""
    pairs = [[actions_of(steps, shares, memory) for shares in (ACTIONS, other)] for _ in range(10)]
    tests = [distance_test(*pair, len(ACTIONS)) for pair in pairs]
    return mean_interval(np.array([test.distance - test.by_chance for test in tests])).low > 0


def strategies() -> Iterator[Row]:
    for memory in (0.0, 0.5):
        for steps in (200, ENOUGH_STEPS, 2000):
            for other, what in ((OTHER_ACTIONS, f"finds {EFFECT:.2f}"), (ACTIONS, "finds what is not there")):
                case = f"{what}, {steps} steps, repeated with {memory}"
                one = percent(lambda n=steps, o=other, m=memory: finds(n, o, m), FEWER_TIMES)
                target = 50 if (steps, memory, other is OTHER_ACTIONS) == (ENOUGH_STEPS, 0.0, True) else None
                yield Row(f"C5, one seed {case}", one, "%", target, at_least=True)
                ten = percent(lambda n=steps, o=other, m=memory: ten_seeds_find(n, o, m), FEWER_TIMES // 4)
                yield Row(f"C5, ten seeds {case}", ten, "%")


def multi_branch() -> Iterator[Row]:
    for what, config in (("the paper's d = 10, tau = 20", Config()), ("d = 3, tau = 6", SMALL_SPACE)):
        share = 100 * random_share(Config.model_validate(config))
        yield Row(f"C7, uniform random actions, {what}: multi-branch among distinct networks", share, "%")


def rows() -> Iterator[Row]:
    """All rows."""
    yield from over_seeds()
    yield from within_a_run()
    yield from strategies()
    yield from multi_branch()


if __name__ == "__main__":
    run("coverage", rows())
