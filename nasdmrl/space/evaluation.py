"""What is known of one network on one dataset, and the callable that says it (Section 4)."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import cache

from nasdmrl.space.nsc import Network, Shape, canonical, is_valid, to_text


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
