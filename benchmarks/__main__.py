"""All figures of speed and memory, each beside its target and the plain way: `python -m benchmarks [SECTION ...]`.

Each section runs in a process of its own, so that none finds the memory and the threads of another.
"""

import importlib
import subprocess
import sys

from benchmarks.table import run

SECTIONS = ("training", "steps", "miniature", "store", "memory", "data", "commands")


def main(names: list[str]) -> None:
    if len(names) == 1:
        run(names[0], importlib.import_module(f"benchmarks.{names[0]}").rows())
        return
    ended = {name: subprocess.run([sys.executable, "-m", "benchmarks", name]).returncode for name in names or SECTIONS}
    if failed := [name for name, code in ended.items() if code]:
        sys.exit(f"failed, each with its error above: {', '.join(failed)}")


if __name__ == "__main__":
    main(sys.argv[1:])
