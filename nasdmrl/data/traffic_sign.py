"""GTSRB (Stallkamp et al., 2012): photographs of 43 traffic signs, a folder for each."""

from nasdmrl.data.archives import ArchiveFile, Source, by_name
from nasdmrl.data.standins import named
from nasdmrl.paper.datasets import DATASETS

_URL = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/GTSRB_Final_Training_Images.zip"
SOURCE = Source(
    facts=DATASETS["traffic_sign"],
    files=(ArchiveFile(_URL, 276294756),),
    read=by_name(r".*/Images/([^/]*)/[^/]*\.ppm"),  # GTSRB/Final_Training/Images/00000/00000_00000.ppm
    write_standin=named("GTSRB/Final_Training/Images/{label:05d}/00000_{number:05d}.ppm"),
    style="sign",
    seed=5,
)
