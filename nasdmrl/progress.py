"""Progress of long work with elapsed and remaining time: a bar on a terminal, plain lines in a log file."""

import sys
import time
from typing import Any

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts `total` units of work called `title`, with a note of what goes on; used in a `with` block.

    done: units that an earlier process has done.
    """

    def __init__(self, title: str, total: int, done: int = 0) -> None:
        self.title, self.total, self.done, self._done_before = title, total, done, done
        self._start = self._last_line = time.monotonic()
        self._bar = _bar(title, total, done) if sys.stderr.isatty() else None

    def advance(self, note: str = "") -> None:
        """One unit more is done."""
        self.done += 1
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], advance=1, note=note)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._print(note)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        """The work is done, or has failed: put the terminal in order, print the last line."""
        if self._bar is not None:
            self._bar.stop()
        elif kind is None:
            self._print("done")

    def _print(self, note: str) -> None:
        self._last_line = time.monotonic()
        elapsed = self._last_line - self._start
        left = elapsed / max(self.done - self._done_before, 1) * (self.total - self.done)
        times = f"elapsed {clock(elapsed)}, remaining {clock(left)}"
        print(f"{self.title}: {self.done}/{self.total}, {times} {note}".rstrip(), file=sys.stderr, flush=True)


def _bar(title: str, total: int, done: int) -> Any:
    # Slow to import, and not needed where the output is a file.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    bar = Progress(*columns, *times, console=Console(stderr=True))
    bar.add_task(title, total=total, completed=done, note="")
    bar.start()
    return bar


def clock(seconds: float) -> str:
    """`h:mm:ss`, for people."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
