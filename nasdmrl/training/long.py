"""Long trainings of Exp. 2b (Section 7): the best networks, widened, and the VGG19 cut, scored after every epoch.

After every epoch a checkpoint is written, so a training that is killed goes on from the last epoch and ends with the
numbers of one that was not.
"""

import time
from pathlib import Path
from typing import Any

import pandas as pd
import tensorflow as tf

from nasdmrl.config.sections import LongRecipe, Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.errors import NasdmrlError
from nasdmrl.files import atomic_path
from nasdmrl.paper.experiments import VGG19_CUT
from nasdmrl.progress import Progress
from nasdmrl.space.nsc import parse, require_valid
from nasdmrl.training import TRAINING_FORMAT
from nasdmrl.training.checkpoints import FORMAT, Row, load_checkpoint, save_checkpoint
from nasdmrl.training.early_stop import Training, training_of
from nasdmrl.training.networks import build, build_vgg19_cut

COLUMNS = ("epoch", "learning_rate", "loss", "accuracy", "parameters", "seconds")
"""Of the log: rate and loss are those of the epoch's last step; accuracy is the test accuracy after the epoch."""


def retrain(network: str, data: ImageData, recipe: LongRecipe, output: Path | str, checkpoint: Path | str) -> Row:
    """Train a network (its text, or `vgg19_cut`) for `recipe.epochs` epochs; writes the log (CSV) to `output`.

    Goes on from `checkpoint` where there is one and removes it at the end. Returns the last row. Raises
    `NetworkError` for an invalid network, `CheckpointError` for a checkpoint of another training, and
    `NasdmrlError` where the memory does not suffice.
    """
    try:
        rows = _trained(network, data, recipe, Path(checkpoint))
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise NasdmrlError(
            f"`{network}` on {data.name}: memory ran out; give the job more of it, or make exp2.dense_units smaller"
        ) from error
    with atomic_path(output) as temporary:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(temporary, index=False, lineterminator="\n")
    Path(checkpoint).unlink(missing_ok=True)
    return rows[-1]


def model_of(network: str, data: ImageData, recipe: Recipe) -> Any:
    """The network that a text names, which a `LongRecipe` widens, or the VGG19 cut, which needs one.

    Raises `NetworkError` for an invalid network.
    """
    if network == VGG19_CUT:
        assert isinstance(recipe, LongRecipe)
        return build_vgg19_cut(data.shape, data.n_classes, recipe)
    parsed = parse(network)
    require_valid(parsed, data.shape)
    return build(parsed, data.shape, data.n_classes, recipe)


def parameters(model: Any) -> int:
    """Number of trainable parameters."""
    return sum(variable.numpy().size for variable in model.trainable_variables)


def _trained(network: str, data: ImageData, recipe: LongRecipe, checkpoint: Path) -> list[Row]:
    settings: dict[str, Any] = {"network": network, "dataset": data.name, "images": data.fingerprint}
    settings |= {FORMAT: TRAINING_FORMAT, **recipe.model_dump(mode="json")}
    training = training_of(model_of(network, data, recipe), data, recipe)
    rows = load_checkpoint(checkpoint, training.variables, settings)
    training.skip(len(rows))
    with Progress(f"{network} on {data.name}", recipe.epochs, done=len(rows)) as progress:
        while len(rows) < recipe.epochs:
            rows.append(_epoch(training))
            save_checkpoint(checkpoint, training.variables, rows, settings)
            progress.advance(f"accuracy {rows[-1]['accuracy']:.4f}")
    return rows


def _epoch(training: Training) -> Row:
    start, rate = time.monotonic(), float(training.rates()[-1])
    loss, accuracy = training.epoch(), training.score()
    known = {"epoch": training.epochs_done, "learning_rate": rate, "loss": loss, "accuracy": accuracy}
    return {**known, "parameters": parameters(training.program.model), "seconds": round(time.monotonic() - start, 3)}
