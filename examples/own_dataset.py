"""Oxford-IIIT Pets (Parkhi et al., 2012): photographs of 37 breeds of cats and dogs, which the paper has not.

Copy this file to nasdmrl/data/pets.py and put "pets" into the list of nasdmrl/data/catalogue.py (docs/extending.md).
"""

from nasdmrl.data.archives import ArchiveFile, Source, by_name
from nasdmrl.data.standins import named
from nasdmrl.paper.datasets import Dataset

_URL = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz"
SOURCE = Source(
    facts=Dataset("pets", "Oxford-IIIT Pets", "own", 37, 7390),
    files=(ArchiveFile(_URL, 791918971, "5c4f3ee8e5d25df40f4fd59a7f44e54c"),),
    read=by_name(r"images/(\w+)_\d+\.jpg"),  # images/great_pyrenees_100.jpg
    write_standin=named("images/Standin_{label}_{number}.jpg"),
    style="bird",
    seed=6,
)
