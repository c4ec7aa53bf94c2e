"""The paper's six datasets (Section 6, Tables 3 and 8): names, roles and counts; `data` says where they come from."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["training", "evaluation", "hardness", "own"]
"""Part in the paper; `own` for a dataset that it has not, which joins Exp. 2a and Appendix A."""


@dataclass(frozen=True)
class Dataset:
    """One dataset: its id, printed name, role, and the official numbers of its classes and images."""

    id: str
    title: str
    role: Role
    classes: int
    images: int


DATASETS: dict[str, Dataset] = {
    dataset.id: dataset
    for dataset in (
        Dataset("omniglot", "Omniglot", "training", 1623, 32460),
        Dataset("vgg_flower", "VGG Flower", "training", 102, 8189),
        Dataset("dtd", "Describable Textures", "training", 47, 5640),
        Dataset("aircraft", "FGVC-Aircraft", "evaluation", 100, 10000),
        Dataset("cu_birds", "CUB-200-2011", "evaluation", 200, 11788),
        Dataset("traffic_sign", "GTSRB", "hardness", 43, 39209),
    )
}
"""The six datasets by id, in the order of the paper's tables."""


def with_role(role: Role) -> list[str]:
    """Ids of the paper's datasets with this role; the training ones in the order of the transfer chain."""
    return [dataset.id for dataset in DATASETS.values() if dataset.role == role]
