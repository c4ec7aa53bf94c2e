"""Are accuracies as Keras would have them? The same networks trained by the package and by Keras fit, side by side.

python -m benchmarks.accuracies results/data/dtd/images
"""

import sys
from itertools import islice

import keras
import numpy as np
import pandas as pd
from scipy.stats import ks_2samp, wilcoxon

from benchmarks.keras_networks import build
from nasdmrl.agents.prewarm import random_search_networks
from nasdmrl.config.model import load
from nasdmrl.config.sections import Recipe
from nasdmrl.data.images import ImageData
from nasdmrl.data.images import load as load_images
from nasdmrl.space.nsc import Network, to_text
from nasdmrl.training.early_stop import Trainer
from nasdmrl.training.optimizers import learning_rate
from nasdmrl.training.runtime import start_tensorflow

NETWORKS = 30


def by_keras(network: Network, data: ImageData, recipe: Recipe) -> float:
    """Test accuracy after Keras's fit with its Adam and the recipe's rates."""
    train, test = data.split(recipe.test_fraction, recipe.split_seed)
    scaled = data.images.astype(np.float32) / 255
    model = build(network, data.shape, data.n_classes, recipe)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(recipe.learning_rate, recipe.beta1, recipe.beta2, recipe.epsilon), loss)
    rates = keras.callbacks.LearningRateScheduler(lambda epoch: learning_rate(recipe, epoch, 0))
    keras.utils.set_random_seed(recipe.seed)
    model.fit(scaled[train], data.labels[train], recipe.batch_size, recipe.epochs, callbacks=[rates], verbose=0)
    accuracy = np.mean(model.predict(scaled[test], verbose=0).argmax(axis=1) == data.labels[test])
    keras.backend.clear_session()
    return float(accuracy)


def main() -> None:
    start_tensorflow(threads=2)
    settings, data = load("config/quick.yaml"), load_images(sys.argv[1])
    recipe = settings.recipe()
    networks = islice(random_search_networks(200, 1, data.shape, settings), NETWORKS)
    rows = []
    for network in networks:
        rows.append((to_text(network), Trainer()(network, data, recipe).accuracy, by_keras(network, data, recipe)))
        print("{:50s} {:.3f} {:.3f}".format(*rows[-1]), flush=True)
    table = pd.DataFrame(rows, columns=["network", "package", "keras"])
    print(table[["package", "keras"]].quantile([0, 0.25, 0.5, 0.75, 1]).round(3).to_string())
    test, pairs = ks_2samp(table["package"], table["keras"]), wilcoxon(table["package"], table["keras"])
    print(f"Kolmogorov-Smirnov: D = {test.statistic:.3f}, p = {test.pvalue:.2f}")
    print(f"Wilcoxon signed-rank on pairs: p = {pairs.pvalue:.2f}")
    print(f"mean difference {(table.package - table.keras).mean():+.4f}")


if __name__ == "__main__":
    main()
