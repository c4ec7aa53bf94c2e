"""A double of conda for tests: what `snakemake --sdm conda` asks of it, without channels or downloads.

`conda env create` makes a virtual environment and installs the file's pip section by links to the packages of the
Python that runs this: only what pip would install, each at the pinned version or the creation fails. The Python and
pip that the file asks of the channels are those of that Python, and `tensorflow[and-cuda]` counts as met by
`tensorflow-cpu` of that version. With CONDA_DOUBLE_INSTALL=1 pip installs the section for real.
"""

import argparse
import json
import os
import subprocess
import sys
import venv
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import yaml
from packaging.requirements import Requirement

VERSION = "24.11.0"  # at least what Snakemake asks for
PREFIX = Path(__file__).parent
ALIASES = {"tensorflow": "tensorflow-cpu"}


class Refused(Exception):
    """The environment cannot be made as the file says."""


def find(requirement: Requirement) -> Distribution:
    """The distribution that meets a requirement; raises `Refused` where there is none."""
    for name in (requirement.name, ALIASES.get(requirement.name, requirement.name)):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        if not requirement.specifier.contains(found.version, prereleases=True):
            raise Refused(f"{requirement} is asked for, {name} {found.version} is there")
        return found
    raise Refused(f"{requirement} is asked for and is not there")


def needed(found: Distribution, extras: set[str]) -> list[Requirement]:
    """What a distribution requires here; the libraries of CUDA are not looked for."""
    names = {"", *extras} - {"and-cuda"}
    requirements = [Requirement(line) for line in found.requires or []]
    return [r for r in requirements if not r.marker or any(r.marker.evaluate({"extra": name}) for name in names)]


def closure(requirements: list[Requirement]) -> dict[str, Distribution]:
    """The distributions that pip would install, by name."""
    found, waiting = {}, list(requirements)
    while waiting:
        requirement = waiting.pop()
        met = find(requirement)
        if met.name not in found or requirement.extras:
            found[met.name] = met
            waiting += needed(met, requirement.extras)
    return found


def link(found: Distribution, site: Path) -> None:
    """Link a distribution's modules and metadata into a site folder."""
    for top in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
        target = site / top
        if not target.exists():
            target.symlink_to(Path(found.locate_file(top)))


def pip_section(file: Path) -> list[str]:
    """The pip section of an environment file, whose Python must be the one that runs this."""
    dependencies = yaml.safe_load(file.read_text())["dependencies"]
    python = f"python={sys.version_info.major}.{sys.version_info.minor}"
    if python not in dependencies or "pip" not in dependencies:
        raise Refused(f"{file}: {python} and pip are expected, {dependencies[:-1]} are asked for")
    return dependencies[-1]["pip"]


def create(file: Path, prefix: Path) -> None:
    """Make the environment of a file."""
    lines, install = pip_section(file), os.environ.get("CONDA_DOUBLE_INSTALL")
    packages = closure([Requirement(line) for line in ["pip", *([] if install else lines)]])
    venv.create(prefix, symlinks=True)
    (site,) = prefix.glob("lib/python*/site-packages")
    for found in packages.values():
        link(found, site)
    if install:
        subprocess.run([prefix / "bin/python", "-m", "pip", "install", "--quiet", *lines], check=True)


def create_options(arguments: list[str]) -> tuple[Path, Path]:
    """File and prefix of `conda env create`."""
    parser = argparse.ArgumentParser(prog="conda env create")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--no-default-packages", action="store_true")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--prefix", type=Path, required=True)
    options = parser.parse_args(arguments)
    return options.file, options.prefix


def main(arguments: list[str]) -> None:
    """Answer one call."""
    if arguments == ["--version"]:
        print(f"conda {VERSION}")
    elif arguments == ["info", "--json"]:
        print(json.dumps({"conda_prefix": str(PREFIX), "platform": "linux-64", "conda_version": VERSION}))
    elif arguments == ["config", "--get", "channel_priority", "--json"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif arguments == ["clean", "-y", "--tarballs"]:
        pass
    elif arguments[:2] == ["env", "create"]:
        create(*create_options(arguments[2:]))
    else:
        raise Refused(f"the double does not know `conda {' '.join(arguments)}`")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as refusal:
        sys.exit(f"conda (double): {refusal}")
