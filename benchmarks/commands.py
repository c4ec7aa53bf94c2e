"""The start of commands that need no TensorFlow, and the workflow's own time for the paper's scale."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.table import Row, seconds
from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.agents.search import run_search
from nasdmrl.config.model import ARCHIVES_VARIABLE
from nasdmrl.data.images import CARD, IMAGES, LABELS
from nasdmrl.files import write_json
from nasdmrl.space.environment import NASEnv
from nasdmrl.space.evaluation import Evaluation
from nasdmrl.space.nsc import canonical

ROOT = Path(__file__).parent.parent
COMMANDS = (["--help"], ["version"], ["show-network", "conv3 max2"])
SEEDS = "[1,2,3,4,5]"
START = "from nasdmrl.training.runtime import start_tensorflow; start_tensorflow(1)"


def rows() -> Iterator[Row]:
    plain = usual([sys.executable, "-c", "import tensorflow"], repeats=3)
    with tempfile.TemporaryDirectory() as folder:
        for arguments in (*COMMANDS, summary(Path(folder))):
            spent = usual([sys.executable, "-m", "nasdmrl.cli", *arguments])
            yield Row(f"nasdmrl {arguments[0]}", spent, "s", 0.5, plain, "plain: import TensorFlow, and nothing else")
    spent = usual([sys.executable, "-c", START], repeats=3)
    yield Row("TensorFlow's start in a job", spent, "s", None, plain, "plain: import TensorFlow, which brings Keras")
    yield dry_run()


def usual(command: list[str], repeats: int = 5) -> float:
    """The median of the seconds that a command takes."""
    return median(seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(repeats))


def summary(folder: Path) -> list[str]:
    """A command that reads the log of a search and the images' card."""
    log, data = folder / "exp1/random_search/dtd/seed1/steps.csv", folder / "data"
    env = NASEnv(lambda network: Evaluation(canonical(network), 0.5, 0.5))
    run_search(RandomSearch(len(env.actions), 1), env, 7_000, log)
    images = data / "dtd/images"
    images.mkdir(parents=True)
    np.save(images / IMAGES, np.zeros((2, 8, 8, 3), np.uint8))
    np.save(images / LABELS, np.zeros(2, np.int32))
    write_json(images / CARD, {"dataset": "dtd", "class_names": ["a", "b"], "fingerprint": "none"})
    return ["summary", str(log), "--output", str(folder / "s.csv"), "--data", str(data), "--config", "{}"]


def dry_run() -> Row:
    """What Snakemake needs before the first job starts, less its SLURM plugin's wait for a controller that is off."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--snakefile", str(ROOT / "workflow/Snakefile"), "--directory", folder, "--dry-run", "--quiet"]
        config = ["--config", f"seeds={SEEDS}", "--configfile", str(ROOT / "config/paper.yaml")]
        command = [sys.executable, "-m", "snakemake", "all", *flags, *config]
        # Genuine images of a part of the datasets are not enough for the paper's scale.
        variables = {name: value for name, value in os.environ.items() if name != ARCHIVES_VARIABLE}
        spent = seconds(lambda: subprocess.run(command, check=True, capture_output=True, env=variables))
    waited = slurm_wait()
    note = f"{waited:.1f} s more, in which SLURM's plugin waited for a controller" if waited else ""
    return Row("snakemake -n all, the paper's scale with five seeds", spent - waited, "s", 10.0, note=note)


def slurm_wait() -> float:
    """Seconds that `scontrol show config`, which the plugin calls when it is loaded, takes here; 0 without SLURM."""
    if shutil.which("scontrol") is None:
        return 0.0
    return seconds(lambda: subprocess.run(["scontrol", "show", "config"], capture_output=True))
