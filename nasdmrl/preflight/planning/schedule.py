"""When jobs run: list scheduling over their dependencies, and the longest chain of them."""

import heapq
from collections.abc import Callable, Iterable
from graphlib import TopologicalSorter
from typing import NamedTuple

from nasdmrl.preflight.planning.jobs import Job


class Slot(NamedTuple):
    """Start and end of a job, seconds."""

    start: float
    end: float


def schedule(
    jobs: Iterable[Job], seconds: Callable[[Job, float], float], capacity: int, weight: Callable[[Job], int]
) -> dict[int, Slot]:
    """Start each job as soon as what it needs is done and there is room, the highest priority first.

    seconds: of a job that starts at a time; weight: how much of the capacity a job takes (all of it at the most).
    """
    waiting = {job.number: (job, set(job.needs)) for job in jobs}
    running: list[tuple[float, int, int]] = []
    slots: dict[int, Slot] = {}
    free, clock = capacity, 0.0
    while waiting or running:
        ready = [job for job, needs in waiting.values() if not needs]
        for job in sorted(ready, key=lambda job: (-job.priority, job.number)):
            size = min(weight(job), capacity)
            if size <= free:
                free -= size
                del waiting[job.number]
                slots[job.number] = Slot(clock, clock + seconds(job, clock))
                heapq.heappush(running, (slots[job.number].end, job.number, size))
        clock, number, size = heapq.heappop(running)
        free += size
        for _, needs in waiting.values():
            needs.discard(number)
    return slots


def critical_path(jobs: Iterable[Job], seconds: dict[int, float]) -> list[Job]:
    """The chain of jobs, each of which waits for the one before, that takes longest."""
    known = {job.number: job for job in jobs}
    before: dict[int, int | None] = {}
    end: dict[int, float] = {}
    for number in TopologicalSorter({number: job.needs for number, job in known.items()}).static_order():
        latest = max(known[number].needs, key=end.__getitem__, default=None)
        before[number] = latest
        end[number] = seconds[number] + (end[latest] if latest is not None else 0.0)
    chain, number = [], max(end, key=end.__getitem__, default=None)
    while number is not None:
        chain.append(known[number])
        number = before[number]
    return chain[::-1]
