"""The Evaluator: canonicalise, look up, else train and store (Section 4)."""

import datetime
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from nasdmrl.costs import Costs, blockqnn_reward, costs
from nasdmrl.data.images import ImageData
from nasdmrl.errors import NasdmrlError
from nasdmrl.nsc import Network, Shape, canonical, is_valid, to_text
from nasdmrl.sections import Environment, Recipe
from nasdmrl.software import commit, processor, versions
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


def by_shapes(input_shape: Shape, also_invalid: Container[str] = ()) -> Evaluate:
    """Evaluates without training: a network is `ok` or `invalid`, which its shapes tell, and has reward 0.

    also_invalid: canonical texts of networks that are `invalid` although their shapes are not.
    """

    @cache
    def evaluate(network: Network) -> Evaluation:
        form = canonical(network)
        valid = is_valid(form, input_shape) and to_text(form) not in also_invalid
        return Evaluation(form, 0.0, 0.0, "ok" if valid else "invalid")

    return evaluate


class Evaluator:
    """Evaluates networks on one dataset by one recipe; what the store holds is never computed again.

    trainer: a `training.Trainer`, which several evaluators may share; one of its own if None. start: called
    once, before the first training, such as to start TensorFlow; where everything is known, never.
    """

    def __init__(
        self,
        data: ImageData,
        recipe: Recipe,
        store: EvaluationStore,
        reward: Environment | None = None,
        trainer: Any = None,
        start: Callable[[], None] | None = None,
    ) -> None:
        self.data, self.recipe, self.store = data, recipe, store
        self._reward, self._given_trainer, self._start = reward or Environment(), trainer, start
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
        outcome, cost = self._trainer(network, self.data, self.recipe), self._costs(network)
        return {
            "status": outcome.status,
            "accuracy": outcome.accuracy,
            "hits": outcome.hits,
            "training_seconds": round(outcome.seconds, 3),
            "cpu_seconds": round(outcome.cpu_seconds, 3),
            "tracing_seconds": round(outcome.tracing_seconds, 3),
            "parameters": cost.parameters,
            "flops": cost.flops,
        }

    @cached_property
    def _trainer(self) -> Any:
        # Not before something is trained: to look evaluations up needs no TensorFlow.
        if self._start is not None:
            self._start()
        from nasdmrl.training import Trainer

        return self._given_trainer or Trainer()

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
    where = {"device": device_name(), "processor": processor(), "threads": threads()}
    return where | {"time": now, "versions": versions(), "commit": commit()}
