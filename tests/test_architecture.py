"""The page on the architecture and the code say the same: layers, direction of imports, rules, modules it names."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "nasdmrl"
READING = "reading"


def names(path):
    """A module's dotted name below the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {names(path): path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"}


def layers():
    """Top-level modules and packages of each layer of the page's table, from the top."""
    table = PAGE.split("## Layers")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([\w ]+) \| ((?:`\w+` ?)+) \|", table, re.MULTILINE)
    return {layer: re.findall(r"`(\w+)`", modules) for layer, modules in rows}


LAYERS = layers()
PLACE = {module: place for place, modules in enumerate(LAYERS.values()) for module in modules}


def imported(path, nested=True):
    """Modules of the package that a module imports; without `nested`, only those it imports when it is loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if nested else tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("nasdmrl"):
            base = node.module.removeprefix("nasdmrl").removeprefix(".")
            for alias in node.names:
                module = f"{base}.{alias.name}".removeprefix(".")
                yield module if module in MODULES else base
        elif isinstance(node, ast.Import):
            yield from (a.name.removeprefix("nasdmrl.") for a in node.names if a.name.startswith("nasdmrl."))


def test_every_module_is_in_one_layer():
    listed = [module for modules in LAYERS.values() for module in modules]
    assert sorted(listed) == sorted({module.split(".")[0] for module in MODULES} - {"templates"})


@pytest.mark.parametrize("module", MODULES)
def test_imports_come_from_the_same_layer_or_from_above(module):
    place = PLACE[module.split(".")[0]]
    found = {other for other in imported(MODULES[module]) if other}
    assert [other for other in found if PLACE[other.split(".")[0]] > place] == []


def test_no_chain_of_imports_comes_back():
    graph = {name: {other for other in imported(path) if other} - {name} for name, path in MODULES.items()}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the cycle
    assert set(order) == set(MODULES)


def test_reading_needs_no_tensorflow():
    reading = [module for module in MODULES if module.split(".")[0] in LAYERS[READING]]
    training = ("networks", "training", "retraining")
    for module in reading:
        assert not set(training) & set(imported(MODULES[module])), module
    code = f"""import importlib, sys
for name in {reading}: importlib.import_module("nasdmrl." + name)
loaded = [name for name in ("tensorflow", "keras", *{[f"nasdmrl.{name}" for name in training]}) if name in sys.modules]
sys.exit(", ".join(loaded) or None)"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""


def test_acting_and_looking_up_need_no_tensorflow():
    modules = [module for module in MODULES if module.split(".")[0] in ("agents", "env", "evaluation", "search")]
    for module in modules:
        text = MODULES[module].read_text(encoding="utf-8")
        assert module == "evaluation" or "tensorflow" not in text, module
    code = f"""import importlib, sys
for name in {modules}: importlib.import_module("nasdmrl." + name)
sys.exit(", ".join(name for name in ("tensorflow", "keras", "pandas") if name in sys.modules) or None)"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""


def test_every_rule_is_in_the_diagram_and_the_other_way_round():
    text = "".join(path.read_text() for path in [ROOT / "workflow/Snakefile", *(ROOT / "workflow/rules").glob("*.smk")])
    rules = set(re.findall(r"^rule (\w+):", text, re.MULTILINE)) | set(
        re.findall(r"^use rule \w+ as (\w+)", text, re.MULTILINE)
    )
    diagram = PAGE.split("## The workflow")[1].split("```mermaid")[1].split("```")[0]
    words = set(re.findall(r"\b[a-z]+\d?(?:_[a-z0-9]+)*\b", diagram))
    assert rules - words == {"prewarm"}  # which only asks for all prewarm_task
    assert {word for word in words if "_" in word and word != "vgg_flower"} <= rules


def test_files_that_the_page_names_exist():
    section = PAGE.split("## Where to change what")[1]
    for name in re.findall(r"`([\w/]+\.(?:py|smk|yaml|md))`", section):
        assert any((folder / name).exists() for folder in (ROOT, PACKAGE, PACKAGE / "analysis", ROOT / "docs")), name
