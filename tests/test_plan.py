"""`nasdmrl plan`: what a configuration trains, the formula of a training's seconds, and the forecast of a run."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import save, stripes
from PIL import Image

from nasdmrl import results
from nasdmrl.agents.prewarm import random_search_networks
from nasdmrl.config.model import Config, from_dict, load
from nasdmrl.config.sections import LongRecipe, Recipe
from nasdmrl.errors import NasdmrlError
from nasdmrl.evaluation.store import EvaluationStore, evaluation_key
from nasdmrl.preflight.plan import SHORT_JOBS, Job, Study, forecast
from nasdmrl.preflight.probe import Images, Training, fit, from_record, load_of, probe, terms, whole
from nasdmrl.space.enumeration import networks_of
from nasdmrl.space.nsc import parse, to_text
from nasdmrl.training.long import parameters
from nasdmrl.training.networks import build, build_vgg19_cut

A_SECOND_EACH = np.array([1.0, 0, 0, 0, 0, 0, 0, 0])
"""Coefficients by which every training takes one second."""
SMALL = {"data": {"source": "standin", "image_size": 20}, "seeds": [7], "prewarm": {"depth": None, "tasks": 3}}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """The working folder, without results."""
    monkeypatch.chdir(tmp_path)


def small(**sections):
    """A configuration with short trials on small stand-ins; each section replaces that of `SMALL`."""
    trials = {"omniglot": 12, "vgg_flower": 12, "dtd": 12}
    lengths = {"exp1": dict.fromkeys(("meta_a2c", "dqn", "random_search"), trials), "exp2": {"evaluation_steps": 8}}
    lengths |= {"exp3": {"steps": 30}, "appendix_a": {"steps": 6}}
    return from_dict({**SMALL, "prewarm": {"depth": None, "random_search": False}, **lengths, **sections}, "test")


def jobs_of(settings, kind=""):
    return [job for job in Study(settings).jobs() if job.kind.startswith(kind)]


def networks(job):
    return [training.network for training in job.trainings]


def in_store(images, settings, texts):
    """Put evaluations of these networks into the store."""
    recipe, store = settings.recipe(), EvaluationStore(results.STORE)
    for text in texts:
        record = {"key": evaluation_key(images.fingerprint, parse(text), recipe), "dataset": images.name}
        record |= {"fingerprint": images.fingerprint, "network": text, "status": "ok"}
        store.put({**record, "training_seconds": 3.0, "tracing_seconds": 1.0}, recipe)


def decoded(dataset, **card):
    """Decoded images of a dataset, as those of `small()`: 90 in three classes."""
    data = stripes(size=20)
    folder = save(data, Path(results.images(dataset)))
    facts = {"image_size": 20, "antialias": False, "source": "standin", "images": 90, "class_names": list("abc")}
    facts |= {"dataset": dataset, "fingerprint": data.fingerprint, **card}
    (folder / "card.json").write_text(json.dumps(facts))
    return data


# --- what is trained ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("snakemake"), reason="needs the extra `workflow`")
def test_jobs_are_those_that_snakemake_counts(root):
    command = ["snakemake", "all", "-n", "--snakefile", f"{root}/workflow/Snakefile"]
    dry = subprocess.run([*command, "--configfile", f"{root}/config/quick.yaml"], capture_output=True, text=True)
    counts = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", dry.stdout + dry.stderr, re.MULTILINE)}
    jobs = jobs_of(load(root / "config/quick.yaml"))
    rules = {"exp1": ("meta_a2c", "dqn"), "appendix_a": ("hardness_study",), "exp2 long": ("long_training",)}
    rules |= {"exp3": ("multi_branch",), "images": ("draw_standins", "convert", "decode")}
    for kind, names in rules.items():
        wanted = sum(counts[name] for name in names)
        counted = [job.tasks for job in jobs if job.kind.startswith(kind) and "random_search" not in job.kind]
        assert sum(counted) == wanted, kind
    of_random_search = [job for job in jobs if "random_search" in job.kind]
    assert len(of_random_search) == counts["random_search"]
    total = sum(job.tasks for job in jobs)
    assert abs(total - counts["total"]) < 0.5 * SHORT_JOBS  # those are about so many


def test_random_search_is_counted_with_its_own_networks():
    settings = small()
    for job in jobs_of(settings, "exp1 random_search"):
        assert networks(job) == list(map(to_text, random_search_networks(12, 7, (20, 20, 3), settings)))


def test_agents_that_learn_meet_as_many_networks_but_others():
    jobs = {job.output: networks(job) for job in jobs_of(small(seeds=[7, 8]))}
    logs = [results.steps(*place) for place in (("exp1", "random_search", "dtd", 7), ("exp1", "dqn", "dtd", 7))]
    logs += [results.steps("exp3", f"sigma{sigma}", "omniglot", seed) for sigma in (0.0, 0.1) for seed in (7, 8)]
    assert len({tuple(jobs[log]) for log in logs}) == len(logs)
    # From scratch on one dataset: the same search, as long as it lasts.
    short, long = (jobs[results.steps(name, "meta_a2c", "omniglot", 7)] for name in ("appendix_a", "exp1"))
    assert short == long[: len(short)]
    # On another dataset of the chain it begins with a policy that has learned.
    short, long = (jobs[results.steps(name, "meta_a2c", "dtd", 7)] for name in ("appendix_a", "exp1"))
    assert short != long[: len(short)]


def test_prewarm_shares_all_networks_once():
    settings = small(prewarm={"depth": 2, "random_search": True, "tasks": 3})
    jobs = jobs_of(settings, "prewarm")
    own = random_search_networks(12, 7, (20, 20, 3), settings)
    expected = set(map(to_text, {*networks_of("chain", 2, (20, 20, 3)), *own}))
    assert [job.tasks for job in jobs] == [3] * 5
    assert len(networks(jobs[0])) == len(expected)
    assert set(networks(jobs[0])) == expected


def test_a_recording_trains_each_network_of_a_space_on_its_datasets():
    settings = small(environment={"max_layers": 2}, exp3={"max_layers": 2})
    chain, branches = (job for job in Study(settings).recording() if job.kind != "images")
    assert len(set(chain.trainings)) == 6 * len(list(networks_of("chain", 2, (20, 20, 3))))
    assert {training.images.dataset for training in branches.trainings} == {"omniglot"}
    assert set(networks(branches)) == set(map(to_text, networks_of("multi_branch", 2, (20, 20, 3))))
    assert branches.trainings[0].recipe.batch_size == 64


def test_expected_sizes_of_images_that_are_still_to_be_made(root):
    quick, paper = Study(load(root / "config/quick.yaml")).images, Study(Config()).images
    assert quick["dtd"] == Images("dtd", (32, 32, 3), 16, 640)
    assert quick["omniglot"].n_images == 320
    assert paper["cu_birds"] == Images("cu_birds", (84, 84, 3), 200, 11788)


def test_images_count_as_decoded_only_by_this_configuration():
    decoded("dtd")
    assert Study(small()).images["dtd"].n_images == 90
    assert Study(small()).images["dtd"].fingerprint
    for other in ({"image_size": 32}, {"antialias": True}, {"classes": 2}):
        assert Study(small(data={"source": "standin", "image_size": 20, **other})).images["dtd"].fingerprint == ""


def test_exp2b_trains_the_paper_s_networks_as_far_as_the_images_allow(root):
    jobs = {job.output: job for job in jobs_of(load(root / "config/quick.yaml"), "exp2 long")}
    (training,) = jobs[results.long_training("cu_birds", "best1", 1)].trainings
    # conv1 conv3 conv3 max2 conv3 max2 max2 max2 max2: 32, 30, 28, 14, 12, 6, 3, 1 px, and the last max2 fits no more
    assert training.network == "conv1 conv3 conv3 max2 conv3 max2 max2 max2"
    assert (training.recipe.seed, training.recipe.epochs, training.recipe.filters) == (1, 10, 8)


def test_a_dataset_of_ones_own_is_planned_before_it_is_decoded(tmp_path):
    for number in range(8):
        folder = tmp_path / "pets" / ("cat" if number < 4 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(folder / f"{number}.png")
    settings = small(data={"own": {"pets": str(tmp_path / "pets")}, "source": "standin", "image_size": 20})
    assert Study(settings).images["pets"] == Images("pets", (20, 20, 3), 2, 8)
    kinds = [job.kind for job in jobs_of(settings) if "pets" in job.output]
    assert kinds == ["images", "exp2 meta_a2c", "exp2 random_search", "appendix_a meta_a2c"]


# --- seconds of a training ------------------------------------------------------------------------------------------


def test_load_of_networks():
    recipe, long = Recipe(filters=4, dense_units=5), LongRecipe(filters=4, vgg_filters=2, dense_units=5)
    operations, weights, _, values = load_of("conv3 max2", (8, 8, 3), 2, recipe)
    # conv: 6 x 6 x 4; max2 3 x 3 x 4, which is also what is flattened; image 8 x 8 x 3
    assert values == 8 * 8 * 3 + 6 * 6 * 4 + 2 * 3 * 3 * 4
    assert operations == 3 + 1 + 4
    assert weights == parameters(build(parse("conv3 max2"), (8, 8, 3), 2, recipe))
    _, weights, flops, _ = load_of("vgg19_cut", (8, 8, 3), 7, long)
    assert weights == parameters(build_vgg19_cut((8, 8, 3), 7, long))
    convolutions = 64 * 9 * (3 * 2 + 2 * 2) + 16 * 9 * (2 * 4 + 4 * 4)
    assert flops == 2 * (convolutions + (2 * 2 * 4 + 1) * 5 + 6 * 5 + 6 * 7)


def test_terms_of_a_training_by_hand():
    """100 of 400 images train: 2 steps of 64 an epoch; 300 are scored in 2 batches, each a third of a step."""
    images, share = Images("dtd", (8, 8, 3), 2, 400), 1 / 3
    short = Recipe(epochs=3, batch_size=64, test_fraction=0.75)
    long = LongRecipe(epochs=3, batch_size=64, test_fraction=0.75)
    for recipe, scorings in ((short, 1), (long, 3)):
        operations, weights, flops, values = load_of("max2", (8, 8, 3), 2, recipe)
        steps, seen = 6 + 2 * share * scorings, 6 * 64 + 300 * share * scorings
        expected = [1, operations, weights, steps, steps * operations, steps * weights, seen * flops, seen * values]
        assert whole(Training("max2", images, recipe)) == pytest.approx(expected)


def test_fit_recovers_coefficients_and_gives_none_below_zero():
    true = np.array([0.4, 0.05, 3e-8, 1e-4, 3e-5, 2e-9, 4e-11, 3e-9])
    images, measured = Images("dtd", (20, 20, 3), 3, 90), []
    for text in map(to_text, networks_of("chain", 2, images.shape)):
        training = Training(text, images, Recipe())
        measured += [(row, row @ true) for row in (terms(training, 1, 0, 0), terms(training, 0, 1, 128))]
    assert fit(measured) == pytest.approx(true, rel=1e-5)
    assert min(fit([(row, seconds + 0.1 * (-1) ** n) for n, (row, seconds) in enumerate(measured)])) >= 0


def test_probe_measures_every_kind_of_training_in_a_process_of_its_own():
    images, chain = Images("dtd", (12, 12, 3), 3, 90), [Recipe(filters=2, dense_units=4), Recipe(batch_size=64)]
    long = LongRecipe(filters=2, vgg_filters=2, dense_units=4)
    trainings = [Training("max2", images, recipe) for recipe in chain] + [Training("vgg19_cut", images, long)]
    measured, start, device = probe(trainings, 1, 1, 1)
    assert [np.count_nonzero(row[:3]) for row, _ in measured] == [3, 0] * 3  # setting up, then a step
    assert all(0 < seconds < 60 for _, seconds in measured)
    assert 0 < start < 300
    assert device


def test_a_measuring_process_that_fails_gives_one_clear_error(tmp_path, monkeypatch):
    """A module that comes before the genuine TensorFlow, and cannot be loaded for want of memory."""
    (tmp_path / "tensorflow.py").write_text("raise MemoryError('not enough')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NasdmrlError, match=r"a measuring process failed \(not enough\); call plan where more memory"):
        probe([], 1, 1, 1)


# --- what is there already ------------------------------------------------------------------------------------------


def still_to_train(settings, from_scratch=False):
    """Numbers of trainings by row of the table."""
    study = Study(settings, from_scratch)
    jobs = list(study.jobs())
    known = {} if from_scratch else study.known(training for job in jobs for training in job.trainings)
    rows = forecast(jobs, set(known), A_SECOND_EACH, 0.0, 1)["rows"]
    return {kind: row["trainings"] for kind, row in rows.items()}


def test_what_is_stored_is_not_counted():
    data, settings = decoded("dtd"), small()
    asked = {text for job in jobs_of(settings) for text in networks(job) if "/dtd/" in job.output}
    before = still_to_train(settings)
    first = [text for job in jobs_of(settings, "exp1 meta_a2c") for text in networks(job) if "/dtd/" in job.output][:3]
    in_store(data, settings, first)
    assert sum(before.values()) - sum(still_to_train(settings).values()) == 3 <= len(asked)
    assert still_to_train(settings, from_scratch=True) == before
    assert still_to_train(small(early_stop={"epochs": 3})) == before


def test_a_finished_search_is_counted_with_the_networks_of_its_log():
    data, settings = decoded("dtd"), small()
    log = results.steps("exp1", "dqn", "dtd", 7)
    (job,) = (job for job in jobs_of(settings) if job.output == log)
    assert not job.made
    rows = ["network,valid", *["conv5 conv5,1"] * 11, "conv5 conv5 max2,0"]
    Path(log).parent.mkdir(parents=True)
    Path(log).write_text("\n".join(rows))
    (job,) = (job for job in jobs_of(settings) if job.output == log)
    assert (job.made, networks(job)) == (True, ["conv5 conv5"])
    assert still_to_train(settings)["exp1 dqn"]
    in_store(data, settings, ["conv5 conv5"])
    known = set(Study(settings).known(job.trainings))
    assert forecast([job], known, A_SECOND_EACH, 0.0, 1)["jobs"] == 0
    longer = small(exp1={"dqn": {"dtd": 20}})
    assert not next(job for job in jobs_of(longer) if job.output == log).made


def test_the_store_says_how_long_a_training_takes():
    data, settings = decoded("dtd"), small()
    in_store(data, settings, ["conv3", "max2"])
    study = Study(settings)
    training = Training("conv3", study.images["dtd"], settings.recipe())
    ((_, record),) = study.known([training, training._replace(network="conv5")]).items()
    (first, setup), (rest, others) = from_record(training, record)
    assert (setup, others) == (1.0, 2.0)
    assert first + rest == pytest.approx(whole(training))
    assert from_record(training, {**record, "tracing_seconds": 0.0}) == []
    assert from_record(training, {**record, "status": "diverged"}) == []


# --- the forecast ---------------------------------------------------------------------------------------------------


def test_sum_longest_chain_and_quotient_by_hand():
    """Trainings take a second, a start two. a (3 trainings) -> c (1) and b (2, of which one is a's) -> c."""
    images = Images("dtd", (20, 20, 3), 3, 90)
    one, two, three, four, five = (
        Training(text, images, Recipe()) for text in ("conv1", "conv3", "conv5", "max2", "avg2")
    )
    jobs = [
        Job("i", "images", [], [], seconds=10.0, tasks=3),
        Job("a", "first", [one, two, three], ["i"]),
        Job("b", "first", [three, four, four], ["i"], seconds=1.0),
        Job("c", "last", [five], ["a", "b"], tasks=2),
        Job("d", "last", [five], [], made=True),
    ]
    figures = forecast(jobs, set(), A_SECOND_EACH, 2.0, 2)
    first, last = figures["rows"]["first"], figures["rows"]["last"]
    assert (first["jobs"], first["trainings"], last["jobs"], last["trainings"]) == (2, 4, 2, 1)
    assert first["hours"] * 3600 == pytest.approx((2 + 3) + (2 + 1 + 1))
    assert figures["training_hours"] * 3600 == pytest.approx(5)
    # images 3 x 2 + 10, then a with 5, then c, two tasks of which share 2 x 2 + 1
    assert [(output, round(hours * 3600, 6)) for output, hours in figures["chain"]] == [("i", 16), ("a", 5), ("c", 2.5)]
    assert figures["hours"] * 3600 == pytest.approx(16 + 9 + 5)
    assert figures["wall_hours"] * 3600 == pytest.approx(23.5)
    assert forecast(jobs, set(), A_SECOND_EACH, 2.0, 1)["wall_hours"] * 3600 == pytest.approx(30)


def test_the_chain_is_that_of_the_transferred_policy():
    """Where every job takes as long, the longest chain is that of the most jobs."""
    study = Study(small())
    jobs = [job._replace(trainings=[], made=False, seconds=0) for job in study.jobs()]
    chain = [output for output, _ in forecast(jobs, set(), A_SECOND_EACH, 3600.0, 9)["chain"]]
    assert chain[0] == results.images("omniglot")
    learned = [results.steps("exp1", "meta_a2c", name, 7) for name in ("omniglot", "vgg_flower", "dtd")]
    assert chain[1:4] == learned
    assert chain[4:] == [
        results.steps("exp2", "meta_a2c", "aircraft", 7),
        results.long_training("aircraft", "best1", 0),
    ]


def run(*arguments):
    command = [sys.executable, "-m", "nasdmrl.cli", "plan", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_missing_configuration_gives_one_clear_error(tmp_path):
    result = run("--config", "nowhere.yaml")
    assert result.returncode == 1
    assert result.stderr == (
        "Error: nowhere.yaml: cannot be read (No such file or directory); give --config a YAML file\n"
    )
    assert not list(tmp_path.iterdir())


def test_plan_from_the_command_line(root, tmp_path):
    (tmp_path / "site").mkdir()
    profile = {"jobs": 5, "configfile": str(root / "config/quick.yaml"), "default-resources": {"gpu": 1}}
    (tmp_path / "site/config.yaml").write_text(json.dumps(profile))
    result = run("--profile", "site", "--probe-seconds", 1, "--output", "plan.json")
    assert result.returncode == 0, result.stderr
    assert "Wall time with 5 jobs at once:" in result.stdout
    figures = json.loads((tmp_path / "plan.json").read_text())
    assert ("call plan in a job that has one" in result.stdout) == (figures["device"] == "CPU")
    for name in ("jobs", "trainings", "hours"):
        assert figures[name] == pytest.approx(sum(row[name] for row in figures["rows"].values()))
    assert figures["rows"]["exp2 long trainings"]["trainings"] == 12
    assert figures["training_hours"] < figures["hours"]
    assert sum(hours for _, hours in figures["chain"]) <= figures["wall_hours"] <= figures["hours"]
    assert set(figures["disk_bytes"]) >= {"images", "checkpoints"}
    assert 0 < figures["median_error"] < 2
