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


def names(path):
    """A module's dotted name below the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {names(path): path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"}


FOLDERS = (
    *("paper", "data", "config", "space", "training", "evaluation", "agents", "analysis", "report", "preflight", "cli"),
)
"""A folder imports from those before it only, and from the modules at the root, which import from no folder."""


def imported(path):
    """Modules of the package that a module imports, but for those that only a type checker does."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checked = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    tree.body = [node for node in tree.body if node not in checked]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("nasdmrl"):
            base = node.module.removeprefix("nasdmrl").removeprefix(".")
            for alias in node.names:
                module = f"{base}.{alias.name}".removeprefix(".")
                yield module if module in MODULES else base
        elif isinstance(node, ast.Import):
            yield from (a.name.removeprefix("nasdmrl.") for a in node.names if a.name.startswith("nasdmrl."))


def place(module):
    """Number of a module's folder; -1 at the root."""
    folder = module.split(".")[0]
    return FOLDERS.index(folder) if (PACKAGE / folder).is_dir() else -1


def test_folders_are_those_of_the_page():
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__", "recorded"} == set(FOLDERS)
    assert re.findall(r"^\| `(\w+)/` \|", PAGE, re.MULTILINE) == list(FOLDERS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_come_from_folders_before(module):
    others = {other for other in imported(MODULES[module]) if other}
    assert [other for other in others if place(other) > place(module)] == []


def test_no_chain_of_imports_comes_back():
    graph = {name: {other for other in imported(path) if other} - {name} for name, path in MODULES.items()}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the cycle
    assert set(order) == set(MODULES)


def loaded_by(modules, *unwanted):
    """Which of these packages are loaded where all of these modules are."""
    code = f"""import importlib, sys
for name in {modules}: importlib.import_module("nasdmrl." + name)
print(*(name for name in {unwanted} if name in sys.modules))"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def of_folders(*folders):
    return [module for module in MODULES if module.split(".")[0] in folders]


def test_analysis_and_report_need_no_tensorflow():
    assert loaded_by(of_folders("paper", "config", "analysis", "report"), "tensorflow", "keras") == []


def test_acting_and_looking_up_need_neither_tensorflow_nor_pandas():
    modules = [name for name in of_folders("space", "evaluation", "agents") if name != "agents.prewarm"]
    assert loaded_by(modules, "tensorflow", "keras", "pandas") == []


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
        assert any((folder / name).exists() for folder in (ROOT, PACKAGE, ROOT / "docs")), name
