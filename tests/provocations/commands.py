"""Installation, the command line and the configuration."""

import json
import shutil
import sys

from nasdmrl.space import nsc
from provocations.scene import Printed, Scene


def old_python(scene: Scene) -> Printed:
    """A Python that says it is 3.9, and then runs what `make` asks of it."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(scene.root / name, ".")
    start = "import sys; sys.version_info, sys.version = (3, 9, 1), '3.9.1 (main)'"
    python = scene.program("python", f"exec {sys.executable} -c \"{start}\nexec('''$2''')\"")
    return scene.shell("make", "install", f"PYTHON={python}")


def no_python(scene: Scene) -> Printed:
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(scene.root / name, ".")
    return scene.shell("make", "install", "PYTHON=python3.99")


def not_activated(scene: Scene) -> Printed:
    return scene.shell(shutil.which("bash"), "-c", "snakemake all", path="/nowhere")


def output_is_a_folder_of_ours(scene: Scene) -> Printed:
    (scene.folder / "store").mkdir()
    return scene.run("export-db", scene.images(), "--store", "store")


def output_is_a_folder_of_others(scene: Scene) -> Printed:
    scene.write("mine/thesis.tex", "years of work")
    (scene.folder / "store").mkdir()
    return scene.run("export-db", "mine", "--store", "store")


def output_has_no_name(scene: Scene) -> Printed:
    (scene.folder / "store").mkdir()
    return scene.run("export-db", ".", "--store", "store")


def _with(text: str):
    """Use a configuration file with this content."""
    return lambda scene: scene.run("show-network", "conv3", "--config", scene.write("mine.yaml", text))


def own_name(name: str):
    return _with(f"data: {{own: {{{name}: folder}}}}")


INSTALL = {
    "Python 3.11, 3.12 or 3.13 is needed, FILE is NUMBER; name another with: make PYTHON=python3.11": old_python,
    "make: *** [Makefile:NUMBER: .venv/.installed] Error 127": no_python,
    "...: snakemake: command not found": not_activated,
}
COMMAND_LINE = {
    "No such command 'NAME'. ...": lambda scene: scene.run("serach"),
    "No such option: NAME ...": lambda scene: scene.run("search", "--sede"),
    "Missing argument 'NAME'.": lambda scene: scene.run("show-network"),
    "Got unexpected extra argument(s) (VALUE)": lambda scene: scene.run("show-network", "conv3", "max2"),
    "Invalid value for 'NAME': ...": lambda scene: scene.run("search", "dqn", "dtd", "--steps", 0, "--output", "x"),
    "unknown dataset `NAME`; known are NAMES": lambda scene: scene.run("draw-standins", "cifar", "folder"),
    "unknown method `NAME`; known are NAMES": lambda scene: scene.run(
        "search", "magic", "dtd", "--steps", 1, "--output", "x"
    ),
    "unknown space `NAME`; known are NAMES": lambda scene: scene.run(
        "search", "dqn", "dtd", "--steps", 1, "--output", "x", "--space", "tree"
    ),
    "unknown file `NAME`; known are NAMES": lambda scene: scene.run("download", "dtd", "folder", "--file", "x"),
    "[Errno NUMBER] ...: 'FILE'": lambda scene: scene.run(
        "retrain", "dtd", "x.json", "--images", scene.images(), "--config", "{}"
    ),
    "FILE: is a folder, and is not replaced by a file; name another output": output_is_a_folder_of_ours,
    "FILE: is a folder with other files in it, and is not replaced; name another output": output_is_a_folder_of_others,
    "`FILE` is a folder; name the file or folder to write": output_has_no_name,
}
CONFIGURATION = {
    "FILE: cannot be read (...); give --config a YAML file": lambda scene: scene.run(
        "show-network", "conv3", "--config", "missing.yaml"
    ),
    "FILE: is not YAML: ...": _with("early_stop: [1"),
    "--config: text that begins with { must be JSON (...), or name a YAML file": lambda scene: scene.run(
        "show-network", "conv3", "--config", "{epochs: 3}"
    ),
    "FILE: expected keys with values, found NAME": _with("- epochs"),
    "FILE: KEY: unknown key; did you mean `NAME`? Known here: NAMES": _with("early_stop: {epoch: 3}"),
    "FILE: KEY: Input should be ... (found VALUE)": _with("early_stop: {epochs: 0}"),
    "FILE: KEY: Keys should be strings (found VALUE)": _with("1: 2"),
    "FILE: Value error, data.source is `archives`, so data.archives (or $NASDMRL_ARCHIVES) must name their folder": (
        _with("data: {source: archives}")
    ),
    "FILE: data.own: Value error, `NAME` is a listed dataset; give yours another name (found VALUE)": (own_name("dtd")),
    "FILE: data.own: Value error, `NAME`: expected lower-case letters, digits and `_` that begin with a letter, and "
    "not with `sigma` (found VALUE)": own_name("My-Flowers"),
    "FILE: data.limits: Value error, `NAME`: no such dataset; did you mean `NAME`? Known here: NAMES (found VALUE)": (
        _with("data: {limits: {omniglott: {classes: 60}}}")
    ),
}


def show(network: str, *options):
    return lambda scene: scene.run("show-network", network, *options)


def rows(*given):
    return lambda scene: scene.call(nsc.from_rows, [list(row) for row in given])


NETWORKS = {
    "`NAME` (layer NUMBER): expected a layer such as conv3, max2, avg3, add@1,2, concat@1,2 or terminal, with @ and "
    "the index of its predecessor where that is not the layer before": show("conv3 pool2"),
    "`NAME` (layer NUMBER): expected NUMBER predecessor(s) after @, found NUMBER": show("conv3 conv3 add@1"),
    "layer NUMBER: NAME has kernel NUMBER; allowed are (...)": show("conv4"),
    "layer NUMBER: predecessors NUMBER, NUMBER must lie between 0 and NUMBER": show("conv3 conv3@5"),
    "a terminal row ends the network; found layers after it": show("terminal conv3"),
    "`NETWORK` is invalid on images of NUMBER x NUMBER x 3: layer NUMBER: kernel NUMBER on a map of NUMBER x NUMBER "
    "pixels": show("max3 max3 max3", "--size", 12),
    "`NETWORK` is invalid on images of NUMBER x NUMBER x 3: layer NUMBER: NAME needs two layers, not the image": (
        show("conv3 add@0,1")
    ),
    "row [...]: expected [index, type, kernel, pred1, pred2]": rows((1, 1, 3)),
    "row [...]: expected index NUMBER; indices run 1, 2, ... without gaps": rows((2, 1, 3, 0, 0)),
    "layer NUMBER: unknown type NUMBER; known are [...]": rows((1, 9, 0, 0, 0)),
    "NUMBER layers do not fit into NUMBER rows": lambda scene: scene.call(nsc.to_rows, nsc.parse("conv3 max2"), 1),
    "FILE: expected a file that `nasdmrl best` wrote (...)": lambda scene: scene.run(
        *["retrain", "dtd", scene.write("best.json", json.dumps({"rank": 1})), "--images", scene.images()],
        *["--config", "{}"],
    ),
}
PROVOCATIONS = INSTALL | COMMAND_LINE | CONFIGURATION | NETWORKS
