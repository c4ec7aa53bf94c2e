"""Where the time of a finished run went: `python -m benchmarks.shares [FOLDER]`, the folder of its `results`.

Training is what the store's records and the logs of the long trainings say. What jobs took is in Snakemake's
records, beside `results`; without them there is only what the step logs tell. Jobs of one thread are meant: their
seconds are a core's, as long as there are no more jobs at once than cores.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd

TARGET = 0.7
SEARCHES = ("random_search", "dqn", "meta_a2c", "evaluate_policy", "multi_branch", "hardness_study", "prewarm_task")
SEARCHES += ("own_agent", "own_learner")
GROUPS = {
    **dict.fromkeys(SEARCHES, "searches"),
    "long_training": "long trainings",
    **dict.fromkeys(("draw_standins", "download", "convert", "decode"), "images"),
}


def job_seconds(folder: Path) -> Counter:
    """Seconds of all jobs, by rule: several files of a job are one job."""
    jobs = {}
    for path in (folder / ".snakemake/metadata").rglob("*"):
        if path.is_file():
            record = json.loads(path.read_text())
            jobs[record["rule"], *record["log"]] = record["endtime"] - record["starttime"]
    total: Counter = Counter()
    for (rule, *_), spent in jobs.items():
        total[rule] += spent
    return total


def seconds_of_evaluations(store: Path) -> Iterator[float]:
    """Of every evaluation that was stored, also of one that another job made at the same time."""
    for segment in store.glob("*.jsonl"):
        for line in segment.read_text().splitlines():
            with suppress(ValueError):  # a line that a killed writer left unfinished
                yield json.loads(line).get("training_seconds", 0.0)


def split(folder: Path) -> dict[str, float]:
    """Seconds by what they were spent on."""
    results, jobs = folder / "results", Counter()
    for rule, spent in job_seconds(folder).items():
        jobs[GROUPS.get(rule, "tables and page" if "figures" not in rule else "figures")] += spent
    steps = sum(pd.read_csv(path)["spent_seconds"].sum() for path in results.glob("*/*/*/seed*/steps.csv"))
    evaluations = sum(seconds_of_evaluations(results / "store"))
    epochs = sum(pd.read_csv(path)["seconds"].sum() for path in results.glob("exp2/long/*/*/*/epochs.csv"))
    found = {"training": evaluations + epochs, "acting, learning and looking up": max(steps - evaluations, 0.0)}
    if not jobs:
        return found
    started = jobs.pop("searches") + jobs.pop("long trainings") - sum(found.values())
    return {**found, "start of searches and long trainings": max(started, 0.0), **jobs}


def main(folder: Path) -> None:
    found = split(folder)
    total = sum(found.values())
    if not total:
        sys.exit(f"{folder}/results: holds no logs of a run; name the folder that holds `results`")
    for what, spent in sorted(found.items(), key=lambda item: -item[1]):
        print(f"{what:<40} {spent:8.1f} s  {100 * spent / total:5.1f} %")
    met = "yes" if found["training"] >= TARGET * total else "no"
    print(f"{'all':<40} {total:8.1f} s; target: training at least {100 * TARGET:.0f} %, met: {met}")
    if len(found) == 2:
        print(f"{folder}/.snakemake has no records of the jobs: what they took beside their steps is not known")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
