"""The workflow where others use it: linted beside Snakemake alone, as a module of another project, in `.test/`."""

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import distribution, packages_distributions, version

import pytest
import yaml
from packaging.requirements import Requirement

UNREACHABLE = re.compile(r"No matching distribution|Could not find a version|connection|name resolution", re.IGNORECASE)
LINT = """
import sys
from snakemake.cli import main  # with every plugin that is installed here, and what those bring
for name in {hidden}:
    for module in [module for module in sys.modules if module.split(".")[0] == name]:
        del sys.modules[module]
    sys.modules[name] = None  # as if it were not installed
main(["--lint"])
"""


def normal(name):
    """A distribution's name as indices compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def brought_by(*names):
    """Distributions that these ask for, and so on."""
    brought, asked = set(), list(names)
    while asked:
        name = normal(asked.pop())
        if name not in brought:
            brought.add(name)
            wanted = map(Requirement, distribution(name).requires or [])
            asked += [one.name for one in wanted if not one.marker or one.marker.evaluate({"extra": ""})]
    return brought


def lint(command, root, **variables):
    result = subprocess.run(
        [*command], capture_output=True, text=True, cwd=root, env={**os.environ, "PYTHONPATH": "", **variables}
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Congratulations, your workflow is in a good condition!" in result.stdout + result.stderr


def test_reading_the_workflow_imports_nothing_that_snakemake_does_not_bring(root):
    kept = brought_by("snakemake")
    hidden = [
        module
        for module, owners in packages_distributions().items()
        if not kept.intersection(map(normal, owners)) and not module.startswith(("snakemake", "nasdmrl"))
    ]
    assert {"numpy", "pandas", "gymnasium", "PIL", "tensorflow", "matplotlib"} <= set(hidden)
    assert not {"yaml", "pydantic", "jinja2"} & set(hidden)
    lint([sys.executable, "-c", LINT.format(hidden=hidden)], root)


@pytest.mark.catalogue
def test_the_catalogue_can_lint_the_workflow(root, tmp_path):
    """As it does: the checkout, in an environment that has Snakemake and snakefmt and nothing of ours."""
    venv.create(tmp_path, with_pip=True)
    wanted = [f"{name}=={version(name)}" for name in ("snakemake", "snakefmt")]
    command = [tmp_path / "bin/python", "-m", "pip", "install", "--quiet", "--retries", "1", *wanted]
    installed = subprocess.run(command, capture_output=True, text=True)
    if installed.returncode and UNREACHABLE.search(installed.stderr):
        pytest.skip("no package index can be reached, so there is no environment without the package")
    assert installed.returncode == 0, installed.stderr
    found = subprocess.run([tmp_path / "bin/python", "-c", "import numpy"], capture_output=True, cwd=tmp_path)
    assert found.returncode == 1
    files = [root / "workflow/Snakefile", *(root / "workflow/rules").glob("*.smk")]
    lint([tmp_path / "bin/snakemake", "--lint"], root, XDG_CACHE_HOME=str(tmp_path / "cache"))
    formatted = subprocess.run([tmp_path / "bin/snakefmt", "--check", "-v", *files], capture_output=True, text=True)
    assert formatted.returncode == 0, formatted.stderr


def test_without_the_package_there_is_one_plain_message(root, tmp_path):
    """A Snakefile that was copied without the package beside it."""
    shutil.copytree(root / "workflow", tmp_path / "workflow")
    command = [sys.executable, "-c", LINT.format(hidden=["nasdmrl"])]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1
    assert "install the package where Snakemake runs" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


# --- as a module --------------------------------------------------------------------------------------------

PROJECT = """from snakemake.utils import min_version

min_version("6.10.0")

configfile: "config/config.yaml"

# declare {snakefile} as a module
module nasdmrl:
    snakefile:
        "{snakefile}"
    config:
        config

# use all rules
use rule * from nasdmrl
"""
"""As snakedeploy writes it."""


def deployed(root, folder, snakefile):
    """A project that uses the workflow, with a copy of its configuration, as snakedeploy makes it."""
    (folder / "workflow").mkdir(parents=True)
    (folder / "workflow/Snakefile").write_text(PROJECT.format(snakefile=snakefile))
    shutil.copytree(root / "config", folder / "config")
    return folder


def dry_run(folder, *arguments):
    result = subprocess.run(["snakemake", "-n", *arguments], capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    rows = re.findall(r"^(\w+)\s+(\d+)$", result.stdout.split("Job stats:")[1].split("total")[0], re.MULTILINE)
    return {rule: int(jobs) for rule, jobs in rows}, result.stdout


@pytest.fixture(scope="module")
def alone(root, tmp_path_factory):
    """Jobs of the workflow by itself."""
    return dry_run(root, "--directory", str(tmp_path_factory.mktemp("alone")))[0]


def test_as_a_module_it_plans_what_it_plans_alone(root, tmp_path, alone):
    project = deployed(root, tmp_path / "project", f"{root}/workflow/Snakefile")
    jobs, _ = dry_run(project)
    assert jobs == alone
    assert (jobs["meta_a2c"], jobs["evaluate_policy"], jobs["figures_exp3"]) == (3, 2, 1)


def test_as_a_module_of_a_git_repository(root, tmp_path, alone):
    """The package is then the installed one; no path of a checkout is there."""
    source = tmp_path / "source"
    for name in ("workflow", "config"):
        shutil.copytree(root / name, source / name)
    git = ["git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@b.org"]
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "main", str(source)], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "all"], check=True)
    project = deployed(root, tmp_path / "project", f"git+file://{source}/workflow/Snakefile@main")
    assert dry_run(project)[0] == alone


def test_a_job_of_the_module_runs_in_the_project(root, tmp_path):
    project = deployed(root, tmp_path / "project", f"{root}/workflow/Snakefile")
    command = ["snakemake", "--cores", "1", "results/archives/standin/dtd"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=project)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (project / "results/archives/standin/dtd/dtd-r1.0.1.tar.gz").stat().st_size > 1000


def test_the_test_folder_has_the_quick_scale(root, alone):
    assert yaml.safe_load((root / ".test/config/config.yaml").read_text()) == {"scale": "quick"}
    assert dry_run(root, "--directory", ".test", "--forceall")[0] == alone


# --- which scale --------------------------------------------------------------------------------------------


def plan(root, folder, *arguments):
    command = ["snakemake", "-n", "all", "--printshellcmds", "--snakefile", f"{root}/workflow/Snakefile"]
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=folder)
    text = result.stdout + result.stderr
    return sorted(re.findall(r"nasdmrl (?:search|retrain|decode|table6|summary) .*", text)), text


@pytest.mark.parametrize("scale", ["quick", "miniature", "paper"])
def test_a_label_is_its_file(root, tmp_path, scale):
    by_label, _ = plan(root, tmp_path, "--config", f"scale={scale}")
    by_file, _ = plan(root, tmp_path, "--configfile", f"{root}/config/{scale}.yaml")
    assert len(by_label) > 40
    assert by_label == by_file
    length = {"quick": 30, "miniature": 8000, "paper": 8000}[scale]
    assert any(f"search meta_a2c omniglot --seed 1024 --steps {length} " in job for job in by_label)


def test_values_go_over_those_of_the_label(root, tmp_path):
    jobs, _ = plan(root, tmp_path, "--config", "scale=miniature", "exp1={meta_a2c: {omniglot: 77}}", "seeds=[5]")
    assert any("search meta_a2c omniglot --seed 5 --steps 77 " in job for job in jobs)
    assert any("search meta_a2c dtd --seed 5 --steps 7000 " in job for job in jobs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--config", "scale=quik"],
            "scale `quik`: no such scale, name yours in a --configfile; known are quick, mini",
        ),
        (
            ["--configfile", "FILES/quick.yaml", "--config", "scale=paper"],
            "has the values of the scale `quick`; take one",
        ),
        (["--configfile", "FILES/quick.yaml", "FILES/miniature.yaml"], "has the values of the scale `quick`; take one"),
        (
            ["--configfile", "FILES/quick.yaml", "--config", "scale=mine"],
            "has the values of the scale `quick`; take one",
        ),
    ],
)
def test_a_label_that_is_not_of_its_values_is_refused(root, tmp_path, arguments, message):
    words = [word.replace("FILES", f"{root}/config") for word in arguments]
    jobs, text = plan(root, tmp_path, *words)
    assert (jobs, message in text) == ([], True), text


def test_a_label_of_ones_own_is_free(root, tmp_path):
    (tmp_path / "mine.yaml").write_text("scale: mine\nseeds: [3]\n")
    jobs, _ = plan(root, tmp_path, "--configfile", "mine.yaml")
    assert any("search meta_a2c omniglot --seed 3 --steps 8000 " in job for job in jobs)


def test_snakemakes_files_are_checked_for_keys_that_are_given_twice(root, tmp_path):
    (tmp_path / "mine.yaml").write_text("scale: mine\nexp1:\n  dqn: {dtd: 5}\nexp1:\n  dqn: {dtd: 6}\n")
    jobs, text = plan(root, tmp_path, "--configfile", "mine.yaml")
    assert jobs == []
    assert re.search(r"mine\.yaml: is not YAML: the key `exp1` is given twice\s+in .*, line 4", text), text
