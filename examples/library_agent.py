"""An agent of another library searches in our environment; its step log lies beside those of the paper's methods.

python examples/library_agent.py stable_baselines3.A2C dtd [STEPS]    (in the checkout, after `make`; docs/extending.md)
"""

import sys
from contextlib import suppress
from pathlib import Path
from pydoc import locate

from nasdmrl import results
from nasdmrl.agents.search import Noted, TrialOver, step_log
from nasdmrl.config.model import Config
from nasdmrl.data.images import load as load_images
from nasdmrl.errors import NasdmrlError
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.report.archive import kept_config
from nasdmrl.space.environment import NASEnv
from nasdmrl.training.runtime import start_tensorflow


def search(agent: type, dataset: str, steps: int, settings: Config, seed: int) -> Path:
    """Let CLASS(policy, env, seed=...).learn(steps) search on a dataset; returns the step log."""
    log = Path(results.steps("exp1", f"own_{agent.__name__.lower()}", dataset, seed))  # own_dqn is not the paper's
    data, store = load_images(results.images(dataset)), EvaluationStore(results.STORE)
    evaluator = Evaluator(data, settings.recipe(), store, settings.environment)
    with step_log(log, steps, f"{agent.__name__} on {dataset}") as note, suppress(TrialOver):  # libraries round up
        env = NASEnv(evaluator, "chain", settings.max_layers(), settings.max_actions())
        agent("MlpPolicy", Noted(env, steps, note), seed=seed).learn(steps)
    return log


def main(name: str, dataset: str, steps: str = "50") -> None:
    """Search with the configuration and the seeds of the results."""
    sys.path.append(".")  # for a module of the current folder
    agent, settings = locate(name), kept_config(Path(results.ROOT))
    if not isinstance(agent, type):
        raise NasdmrlError(f"{name}: no such class; expected MODULE.CLASS of a package, or of a file in this folder")
    start_tensorflow(settings.resources.search_threads)
    for seed in settings.seeds:
        log = search(agent, dataset, int(steps), settings, seed)
        print(f"{log}: {len(log.read_text().splitlines()) - 1} of {steps} steps")


if __name__ == "__main__":
    if len(sys.argv) < 3 or not all(map(str.isdecimal, sys.argv[3:4])):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except NasdmrlError as error:
        sys.exit(f"Error: {error}")
