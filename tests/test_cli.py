"""The command line: what it prints, what it refuses, and that help needs no TensorFlow."""

import json
import os
import subprocess
import sys

import pytest
from conftest import save, stripes


def run(*arguments, cwd=None):
    command = [sys.executable, "-m", "nasdmrl.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.mark.parametrize(
    "code", ["import nasdmrl", "import nasdmrl.cli", "import nasdmrl.analysis.figures.run, nasdmrl.space.environment"]
)
def test_tensorflow_is_not_imported(code):
    check = f"import sys; {code}; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_commands_leave_numpys_threads_to_one_and_imports_leave_them_alone():
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    told = {"capture_output": True, "text": True, "env": environment}
    code = "import os, nasdmrl.space.environment; print(os.environ.get('OPENBLAS_NUM_THREADS'))"
    assert subprocess.run([sys.executable, "-c", code], **told).stdout == "None\n"
    # Set when the command line is imported; NumPy, which reads it when it loads, has not been imported then.
    code = "import os, sys, nasdmrl.cli; print(os.environ['OPENBLAS_NUM_THREADS'], 'numpy' in sys.modules)"
    command = [sys.executable, "-c", code, "nasdmrl.cli"]
    assert subprocess.run(command, **told).stdout == "1 False\n"
    assert (
        subprocess.run(command, **{**told, "env": {**environment, "OPENBLAS_NUM_THREADS": "3"}}).stdout == "3 False\n"
    )


def test_show_network_of_figure_4():
    shown = run("show-network", "conv1 max2 conv3@0 avg2 conv5@0 max2 add@2,4 terminal")
    assert shown.returncode == 0
    assert "[7,5,0,2,4] add       42 x 42 x 32" in shown.stdout
    assert "output      42 x 42 x 64" in shown.stdout
    # conv: (1, 9, 25) x 3 x 32 weights and 96 more each; dense: 42 x 42 x 64 x 1024 + 1024 + 1024 x 100 + 100
    parameters = 35 * 96 + 3 * 96 + 42 * 42 * 64 * 1024 + 1024 + 102400 + 100
    assert f"parameters  {parameters:,} trainable" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show-network", "conv4"], "conv has kernel 4"),
        (["show-network", "max3 max3 max3 max3 max3"], "is invalid on images of 84 x 84 x 3: layer 5"),
        (["evaluate-network", "cifar", "conv3"], "unknown dataset `cifar`; known are omniglot"),
        (["evaluate-network", "dtd", "conv3", "--images", "nowhere"], "nowhere: cannot be read"),
        (["evaluate-network", "dtd", "conv3", "--images", "i", "--space", "wide"], "unknown space `wide`"),
        (["search", "magic", "dtd", "--steps", "1", "--output", "x"], "unknown method `magic`"),
        (["download", "dtd", "out", "--file", "x.zip"], "unknown file `x.zip`; known are dtd-r1.0.1.tar.gz"),
        (["convert", "dtd", "nowhere", "out"], "put the official archive there"),
        (["decode", "nowhere", "out", "--config", "{}"], "dataset_spec.json: cannot be read"),
        (["decode", "a", "b", "--config", '{"date": 1}'], "did you mean `data`"),
    ],
)
def test_errors_are_one_message_and_exit_1(arguments, message, root):
    result = run(*arguments, cwd=root)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_network_of_a_file_of_another_kind_and_images_of_another_dataset(tmp_path):
    (tmp_path / "best.json").write_text('{"rank": 1}')
    save(stripes(), tmp_path / "images")
    for arguments, message in (
        (["dtd", tmp_path / "best.json"], "expected a file that `nasdmrl best` wrote"),
        (["dtd", "gone.json"], "Error: [Errno 2] No such file or directory: 'gone.json'"),
        (["omniglot", "conv3"], "images: holds the images of dtd, not of omniglot"),
    ):
        result = run("retrain", *arguments, "--images", tmp_path / "images", "--config", "{}")
        assert (result.returncode, message in result.stderr) == (1, True)


def test_from_standins_to_an_evaluation(tmp_path):
    config = json.dumps({"data": {"image_size": 12, "classes": 3}, "early_stop": {"epochs": 1, "dense_units": 8}})
    for arguments in (
        ["draw-standins", "traffic_sign", tmp_path / "archives"],
        ["convert", "traffic_sign", tmp_path / "archives", tmp_path / "records"],
        ["decode", tmp_path / "records", tmp_path / "images", "--config", config],
    ):
        assert run(*arguments).returncode == 0
    places = ["--config", config, "--images", tmp_path / "images", "--store", tmp_path / "store"]
    first, second = (
        json.loads(run("evaluate-network", "traffic_sign", "conv3 max2", *places).stdout) for _ in range(2)
    )
    assert (first["from_store"], second["from_store"]) == (False, True)
    assert 0 < first["accuracy"] == second["accuracy"] <= 1
    exported = run("export-db", tmp_path / "db.csv", "--store", tmp_path / "store")
    assert exported.stdout.endswith("db.csv: 1 evaluations\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["random_search", "dtd", "--policy", "p"], "random_search has no policy"),
        (["dqn", "dtd", "--policy", "p", "--fixed"], "--fixed keeps a saved policy of meta_a2c"),
        (["meta_a2c", "dtd", "--fixed"], "name it with --policy"),
    ],
)
def test_policy_options_that_make_no_sense(options, message, tmp_path):
    result = run("search", *options, "--steps", "1", "--output", tmp_path / "steps.csv", "--config", "{}")
    assert (result.returncode, message in result.stderr) == (1, True)


def test_folders_of_others_are_never_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("years of work")
    (tmp_path / "store").mkdir()
    for arguments in (
        ["export-db", tmp_path / "mine", "--store", tmp_path / "store"],
        ["export-db", ".", "--store", tmp_path / "store"],
        ["draw-standins", "omniglot", tmp_path / "mine/thesis.tex"],
    ):
        assert run(*arguments).returncode != 0
    assert (tmp_path / "mine/thesis.tex").read_text() == "years of work"


def test_missing_store_and_broken_json(tmp_path):
    assert "no such store" in run("export-db", tmp_path / "db.csv", "--store", tmp_path / "typo").stderr
    assert "must be JSON" in run("show-network", "conv3", "--config", "{x").stderr
