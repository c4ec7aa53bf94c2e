# What all rules share: the validated configuration and the lists made from it.
import json

from snakemake.exceptions import WorkflowError

from nasdmrl.config import from_dict
from nasdmrl.datasets import DATASETS, with_role
from nasdmrl.errors import ConfigError

try:
    SETTINGS = from_dict(config, "the configuration")
except ConfigError as error:
    raise WorkflowError(str(error)) from None

STORE = "results/store"
FORMATS = ["pdf", "png"]
TRAINING = with_role("training")
TABLE_3 = TRAINING + with_role("evaluation")


wildcard_constraints:
    dataset="|".join(DATASETS),
    seed=r"\d+",


def figure_files(name):
    """The files of one figure panel, such as fig09a."""
    return expand("results/figures/{name}.{kind}", name=name, kind=FORMATS)
