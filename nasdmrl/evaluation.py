"""The Evaluator: canonicalise, look up, else train and store (Section 4)."""

import datetime
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nasdmrl.costs import Costs, blockqnn_reward, costs
from nasdmrl.data.images import ImageData
from nasdmrl.errors import NasdmrlError
from nasdmrl.nsc import Network, canonical, is_valid, to_text
from nasdmrl.sections import Environment, Recipe
from nasdmrl.store import EvaluationStore, Record, evaluation_key


@dataclass(frozen=True)
class Evaluation:
    """What is known of one network on one dataset.

    network: canonical form; status: `ok`, `invalid`, `diverged` or `out_of_memory`; accuracy and reward in
    [0, 1]; training_seconds: what the training took, whoever ran it; from_store: it was looked up.
    """

    network: Network
    accuracy: float
    reward: float
    status: str = "ok"
    parameters: int = 0
    flops: int = 0
    training_seconds: float = 0.0
    from_store: bool = False


Evaluate = Callable[[Network], Evaluation]
"""Anything that evaluates a network: an `Evaluator`, or a table for tests and studies."""


class Evaluator:
    """Evaluates networks on one dataset by one recipe; what the store holds is never computed again.

    start: called once, before the first training, such as to start TensorFlow; where everything is known, never.
    """

    def __init__(
        self,
        data: ImageData,
        recipe: Recipe,
        store: EvaluationStore,
        reward: Environment | None = None,
        start: Callable[[], None] | None = None,
    ) -> None:
        self.data, self.recipe, self.store, self._start = data, recipe, store, start
        self._reward = reward or Environment()
        self._known: dict[Network, Evaluation] = {}

    def __call__(self, network: Network) -> Evaluation:
        """Evaluate a network, given in any form."""
        form = canonical(network)
        if form not in self._known:
            evaluation = self._evaluate(form)
            self._known[form] = replace(evaluation, from_store=True)
            return evaluation
        return self._known[form]

    def _evaluate(self, network: Network) -> Evaluation:
        if not is_valid(network, self.data.shape):  # shapes tell: nothing to compute, and nothing to store
            return Evaluation(network, 0.0, 0.0, "invalid")
        key = evaluation_key(self.data.fingerprint, network, self.recipe)
        record = self.store.get(key)
        if record is not None:
            return self._evaluation(network, record, from_store=True)
        self.store.put(self._computed(key, network), self.recipe)
        # Read back, since the earliest record of a key counts: another writer's may have come before ours.
        return self._evaluation(network, self.store[key], from_store=False)

    def _computed(self, key: str, network: Network) -> Record:
        record = {"key": key, "dataset": self.data.name, "fingerprint": self.data.fingerprint}
        record |= {"network": to_text(network), "seed": self.recipe.seed}
        return record | self._trained(network) | _circumstances()

    def _trained(self, network: Network) -> Record:
        if self._start is not None:
            self._start()
            self._start = None
        from nasdmrl.training import train_and_score

        outcome, cost = train_and_score(network, self.data, self.recipe), self._costs(network)
        return {
            "status": outcome.status,
            "accuracy": outcome.accuracy,
            "training_seconds": round(outcome.seconds, 3),
            "parameters": cost.parameters,
            "flops": cost.flops,
        }

    def _costs(self, network: Network) -> Costs:
        return costs(network, self.data.shape, self.data.n_classes, self.recipe)

    def _evaluation(self, network: Network, record: Record, from_store: bool) -> Evaluation:
        return Evaluation(
            network,
            record["accuracy"],
            self._reward_of(network, record),
            record["status"],
            record.get("parameters", 0),
            record.get("flops", 0),
            record["training_seconds"],
            from_store,
        )

    def _reward_of(self, network: Network, record: Record) -> float:
        settings = self._reward
        if record["status"] != "ok" or settings.reward == "accuracy":
            return record["accuracy"]
        if settings.reward == "blockqnn":
            return blockqnn_reward(record["accuracy"], self._costs(network), settings.mu, settings.rho)
        raise NasdmrlError(f"environment.reward `{settings.reward}`: no such formula in `Evaluator._reward_of`")


def _circumstances() -> dict[str, Any]:
    """Where and when a record was made."""
    from nasdmrl.runtime import device_name, threads

    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
    return {"device": device_name(), "threads": threads(), "time": now, "versions": versions()}


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in ("nasdmrl", "tensorflow-cpu", "tensorflow", "numpy"):
        try:
            found[name.removesuffix("-cpu")] = version(name)
        except PackageNotFoundError:
            continue
    return found
