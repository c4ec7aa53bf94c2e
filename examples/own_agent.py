"""An agent of another library, or of yours, searches, and gets its curve in the figure beside the paper's methods.

python examples/own_agent.py stable_baselines3.A2C dtd [STEPS]     (in the checkout, after `make`; docs/extending.md)
"""

import sys
from contextlib import suppress
from pathlib import Path
from pydoc import locate

from nasdmrl.agents.search import Noted, TrialOver, step_log
from nasdmrl.analysis.figures.run import save_curves
from nasdmrl.config.model import Config
from nasdmrl.data.images import load as load_images
from nasdmrl.errors import NasdmrlError
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.report.archive import kept_config
from nasdmrl.space.environment import NASEnv
from nasdmrl.training.runtime import start_tensorflow


def search(agent: type, dataset: str, steps: int, results: Path, settings: Config, seed: int = 1024) -> Path:
    """Let CLASS(policy, env, seed=...).learn(steps) go on in our environment; its step log lies beside the paper's."""
    log = results / f"exp1/own_{agent.__name__.lower()}/{dataset}/seed{seed}/steps.csv"  # own_dqn is not the paper's
    data = load_images(results / "data" / dataset / "images")
    evaluator = Evaluator(data, settings.recipe(), EvaluationStore(results / "store"), settings.environment)
    with step_log(log, steps, f"{agent.__name__} on {dataset}") as note, suppress(TrialOver):  # libraries round up
        env = NASEnv(evaluator, "chain", settings.environment.max_layers, settings.max_actions())
        agent("MlpPolicy", Noted(env, steps, note), seed=seed).learn(steps)
    return log


def draw(dataset: str, results: Path, settings: Config) -> list[Path]:
    """Figure 9 of this dataset with each method that has logs of the configured seeds, of Exp. 1 or else of Exp. 2."""
    found = [path for seed in settings.seeds for path in results.glob(f"exp[12]/*/{dataset}/seed{seed}/steps.csv")]
    logs = {path.parts[-4:]: path for path in sorted(found, reverse=True)}
    return [Path(f"{path}.png") for path in save_curves(logs.values(), results / "figures/own_agent", settings)]


def main(name: str, dataset: str, steps: str = "50", results: Path = Path("results")) -> None:
    """Search and draw with the configuration and the seeds of the results."""
    sys.path.append(".")  # for a module of the current folder
    agent, settings = locate(name), kept_config(results)
    if not isinstance(agent, type):
        raise NasdmrlError(f"{name}: no such class; expected MODULE.CLASS of a package, or of a file in this folder")
    start_tensorflow(settings.resources.search_threads)
    logs = [search(agent, dataset, int(steps), results, settings, seed) for seed in settings.seeds]
    print(*(f"{log}: {len(log.read_text().splitlines()) - 1} of {steps} steps" for log in logs), sep="\n")
    print(*draw(dataset, results, settings), sep="\n")


if __name__ == "__main__":
    if len(sys.argv) < 3 or not all(map(str.isdecimal, sys.argv[3:4])):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except NasdmrlError as error:
        sys.exit(f"Error: {error}")
