"""The Evaluator: canonicalise, look up, else train and store (Section 4)."""

import datetime
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

from nasdmrl.config.sections import Environment, Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.errors import NasdmrlError
from nasdmrl.evaluation.store import EvaluationStore, Record, evaluation_key
from nasdmrl.software import commit, processor, versions
from nasdmrl.space.costs import Costs, blockqnn_reward, costs
from nasdmrl.space.evaluation import Evaluation
from nasdmrl.space.nsc import Network, canonical, is_valid, to_text


class Evaluator:
    """Evaluates networks on one dataset by one recipe; what the store holds is never computed again.

    make_trainer: called at the first training only; returns what trains, a `training.Trainer`, which several evaluators
    may share.
    """

    def __init__(
        self,
        data: ImageData,
        recipe: Recipe,
        store: EvaluationStore,
        reward: Environment | None = None,
        make_trainer: Callable[[], Any] | None = None,
    ) -> None:
        self.data, self.recipe, self.store = data, recipe, store
        self._reward, self._make_trainer = reward or Environment(), make_trainer
        self._known: dict[Network, Evaluation] = {}

    def __call__(self, network: Network) -> Evaluation:
        """Evaluate a network, given in any form."""
        known = self._known.get(network)
        if known is not None:
            return known
        form = canonical(network)
        if form in self._known:
            evaluation = self._known[form]
        else:
            evaluation = self._evaluate(form)
            self._known[form] = replace(evaluation, from_store=True)
        self._known[network] = self._known[form]
        return evaluation

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
        record: Record = {"key": key, "dataset": self.data.name, "fingerprint": self.data.fingerprint}
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
        if self._make_trainer:
            return self._make_trainer()
        from nasdmrl.training.early_stop import Trainer

        return Trainer()

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
    from nasdmrl.training.runtime import device_name, threads

    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
    where = {"device": device_name(), "processor": processor(), "threads": threads()}
    return where | {"time": now, "versions": versions(), "commit": commit()}
