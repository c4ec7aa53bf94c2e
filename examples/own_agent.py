"""An agent of another library searches, and gets its curve in the figure beside the paper's methods.

python examples/own_agent.py stable_baselines3.A2C dtd [STEPS]     (pip install stable-baselines3)

Any class with Stable-Baselines3's interface will do: CLASS(policy, env, seed=...).learn(steps). After `make`.
"""

import sys
from contextlib import suppress
from pathlib import Path
from pydoc import locate

from nasdmrl.analysis.exhibits import save_curves
from nasdmrl.config import Config, load
from nasdmrl.data.images import load as load_images
from nasdmrl.env import NASEnv
from nasdmrl.errors import NasdmrlError
from nasdmrl.evaluation import Evaluator
from nasdmrl.runtime import start_tensorflow
from nasdmrl.search import Noted, TrialOver, step_log
from nasdmrl.store import EvaluationStore


def search(agent: type, dataset: str, steps: int, results: Path, settings: Config, seed: int = 1024) -> Path:
    """Let the agent learn for so many steps of our environment; its step log lies beside the paper's methods'."""
    name = f"own_{agent.__name__.lower()}"  # so that a DQN does not replace the log of the paper's
    log = results / "exp1" / name / dataset / f"seed{seed}" / "steps.csv"
    data = load_images(results / "data" / dataset / "images")
    evaluator = Evaluator(data, settings.recipe(), EvaluationStore(results / "store"), settings.environment)
    with step_log(log, steps, f"{agent.__name__} on {dataset}") as note:
        env = NASEnv(evaluator, "chain", settings.environment.max_layers, settings.max_actions())
        with suppress(TrialOver):  # libraries round the number of steps up
            agent("MlpPolicy", Noted(env, steps, note), seed=seed).learn(steps)
    return log


def draw(dataset: str, results: Path, settings: Config) -> list[Path]:
    """Figure 9 of this dataset with every method that has a log."""
    return save_curves(sorted(results.glob(f"exp1/*/{dataset}/*/steps.csv")), results / "figures/own_agent", settings)


def main(name: str, dataset: str, steps: int = 50, results: Path = Path("results")) -> None:
    """Search and draw with the configuration of the results."""
    agent, settings = locate(name), load(results / "config.json")
    if not isinstance(agent, type):
        raise NasdmrlError(f"{name}: no such class; expected MODULE.CLASS of an installed package or of $PYTHONPATH")
    start_tensorflow(settings.resources.search_threads)
    for seed in settings.seeds:
        print(search(agent, dataset, int(steps), results, settings, seed))
    print(*(f"{path}.png" for path in draw(dataset, results, settings)), sep="\n")


if __name__ == "__main__":
    if len(sys.argv) < 3 or not all(map(str.isdecimal, sys.argv[3:4])):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except NasdmrlError as error:
        sys.exit(f"Error: {error}")
