"""A folder of class folders, FOLDER/CLASS/*.jpg or .png, becomes a dataset that the policy designs networks for.

python examples/own_dataset.py FOLDER NAME [CONFIG] [OPTIONS OF SNAKEMAKE]

It writes NAME.yaml, CONFIG (config/quick.yaml) with one more key, and asks the workflow for what it makes of the
dataset: the fixed policy's search and random search (Exp. 2a), their curves, and the best network. Where there is no
policy of this configuration yet, its searches on the training datasets run before (the transfer chain of Exp. 1).
"""

import subprocess
import sys
from pathlib import Path

import yaml

from nasdmrl.config.model import from_dict, load
from nasdmrl.data.custom import class_folders
from nasdmrl.errors import NasdmrlError
from nasdmrl.files import write_text


def write_config(folder: Path, name: str, base: Path, output: Path) -> Path:
    """A configuration with the dataset; raises `NasdmrlError` where folder, name or an older `output` will not do."""
    class_folders(name, folder)
    load(base)  # a file that will not do is named here
    values = yaml.safe_load(base.read_text(encoding="utf-8")) or {}
    data = values.get("data", {})
    values["data"] = {**data, "own": {**data.get("own", {}), name: str(folder.resolve())}}
    settings = from_dict(values, str(output))
    if not output.exists():
        write_text(output, yaml.safe_dump(values, sort_keys=False))
    elif load(output) != settings:
        raise NasdmrlError(f"{output}: has other settings; remove it, give it as CONFIG, or take another NAME")
    return output


def targets(name: str) -> list[str]:
    """What the workflow makes of the dataset; it needs the policy at the end of the transfer chain."""
    return [f"results/exp2/best/{name}/best1.json", f"results/figures/own_{name}_best_reward.png"]


def main(folder: str, name: str, config: str = "config/quick.yaml", *options: str) -> int:
    """Write the configuration and run; the exit code of Snakemake."""
    try:
        written = write_config(Path(folder), name, Path(config), Path(f"{name}.yaml"))
    except NasdmrlError as error:
        sys.exit(f"Error: {error}")
    code = subprocess.run(["snakemake", *targets(name), *options, "--configfile", str(written)]).returncode
    if code == 0:
        print(f"The rest, and the report with this dataset: snakemake all --configfile {written}")
    return code


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
