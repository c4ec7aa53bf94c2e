"""Describable Textures (Cimpoi et al., 2014): photographs of 47 textures, a folder for each."""

from nasdmrl.data.archives import ArchiveFile, Source, by_name
from nasdmrl.data.standins import named
from nasdmrl.paper.datasets import DATASETS

_URL = "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz"
SOURCE = Source(
    facts=DATASETS["dtd"],
    files=(ArchiveFile(_URL, 625239812, "fff73e5086ae6bdbea199a49dfb8a4c1"),),
    read=by_name(r"dtd/images/([^/]*)/[^/]*\.jpg"),  # dtd/images/banded/banded_0002.jpg
    write_standin=named("dtd/images/standin{label:02d}/standin{label:02d}_{number:04d}.jpg"),
    style="texture",
    seed=2,
)
