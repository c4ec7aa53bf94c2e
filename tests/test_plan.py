"""`nasdmrl plan`: the jobs it counts, what they train, the cost model, the schedule, and the forecast of a run."""

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import stripes
from PIL import Image

from nasdmrl.agents.prewarm import random_search_networks
from nasdmrl.agents.random_search import RandomSearch
from nasdmrl.agents.search import run_search
from nasdmrl.config.model import Config, load
from nasdmrl.config.sections import LongRecipe, Recipe
from nasdmrl.errors import NasdmrlError
from nasdmrl.evaluation.evaluator import Evaluator
from nasdmrl.evaluation.store import EvaluationStore, evaluation_key
from nasdmrl.preflight.planning.costmodel import (
    Amount,
    CostModel,
    Load,
    Measured,
    fit,
    load_of,
    network_load,
    relative_errors,
)
from nasdmrl.preflight.planning.forecast import Clock, Parallel, plan
from nasdmrl.preflight.planning.jobs import Job, workflow_jobs
from nasdmrl.preflight.planning.probe import choose
from nasdmrl.preflight.planning.schedule import critical_path, schedule
from nasdmrl.preflight.planning.work import Datasets, Training, networks_met, settings_of, trainings
from nasdmrl.space.enumeration import networks_of
from nasdmrl.space.environment import NASEnv
from nasdmrl.space.evaluation import Evaluation
from nasdmrl.space.nsc import canonical, is_valid, parse, to_text
from nasdmrl.training.long import parameters
from nasdmrl.training.networks import build, build_vgg19_cut


def run(*arguments, cwd):
    command = [sys.executable, "-m", "nasdmrl.cli", "plan", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


# --- jobs, from Snakemake -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick(root, tmp_path_factory):
    """Jobs of the quick scale in an empty folder, and that folder."""
    folder = tmp_path_factory.mktemp("quick")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return workflow_jobs(root / "workflow/Snakefile", str(root / "config/quick.yaml")), folder


def test_jobs_are_those_that_snakemake_counts(quick, root):
    jobs, folder = quick
    command = ["snakemake", "all", "-n", "--snakefile", f"{root}/workflow/Snakefile", "--directory", str(folder)]
    told = subprocess.run([*command, "--configfile", f"{root}/config/quick.yaml"], capture_output=True, text=True)
    table = (told.stdout + told.stderr).split("Job stats:")[1].split("Reasons:")[0]
    counts = dict(re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE))
    total = int(counts.pop("total"))
    assert len(jobs) == total > 50
    rules = [job.rule for job in jobs]
    assert {rule: rules.count(rule) for rule in rules} == {rule: int(count) for rule, count in counts.items()}


def test_jobs_wait_for_what_makes_their_inputs(quick):
    jobs, _ = quick
    known = {job.name: job for job in jobs}
    names = {job.number: job.name for job in jobs}
    flower = known["meta_a2c vgg_flower 1024"]
    assert {names[number] for number in flower.needs} == {"decode vgg_flower", "meta_a2c omniglot 1024"}
    assert flower.priority > known["dqn dtd 1024"].priority
    command, arguments, options = flower.call
    assert (command, arguments) == ("search", ["meta_a2c", "vgg_flower"])
    assert (options["--steps"], options["--seed"]) == ("30", "1024")
    assert known["all"].call == ("", [], {})
    assert known["table6"].call[:2] == ("table6", [])  # in the shell's brackets


def test_an_option_without_a_value_does_not_take_the_next_one():
    job = Job(0, "x", {}, "nasdmrl search meta_a2c dtd --policy p --fixed --config '{\"seeds\": [1]}' > log 2>&1")
    expected = {"--policy": "p", "--fixed": "", "--config": '{"seeds": [1]}'}
    assert job.call == ("search", ["meta_a2c", "dtd"], expected)


# --- what jobs train ------------------------------------------------------------------------------------------------


def search_job(number=0, method="random_search", seed=7, steps=12, **changes):
    command = f"nasdmrl search {method} dtd --seed {seed} --steps {steps} --config '{{}}' > log"
    return Job(number, method, {"dataset": "dtd"}, command, **changes)


def in_datasets(data, settings=None):
    datasets = Datasets(settings or Config(), Path("nowhere"))
    datasets.known["dtd"] = data
    return datasets


def test_random_search_evaluates_what_was_forecast(data, recipe, tmp_path):
    store = EvaluationStore(tmp_path / "store")
    env = NASEnv(Evaluator(data, recipe.model_copy(update={"epochs": 1}), store))
    run_search(RandomSearch(8, 7), env, 12, tmp_path / "steps.csv")
    trained = [record["network"] for record in store]
    forecast = [to_text(network) for network in networks_met(12, 7, data.shape, "{}")]
    assert len(trained) >= 5
    assert forecast == trained
    assert [one.network for one in trainings(search_job(), in_datasets(data))] == trained
    assert random_search_networks(12, 7, data.shape, Config()) == list(networks_met(12, 7, data.shape, "{}"))


def test_multi_branch_networks_do_not_depend_on_rewards():
    """Episodes end on tau, pointers and invalid networks alone, whatever the rewards are."""
    shape, seen = (20, 20, 3), []

    def evaluate(network):
        seen.append(canonical(network))
        valid = is_valid(network, shape)
        reward = np.random.RandomState(len(seen)).rand() * valid
        return Evaluation(network, reward, reward, "ok" if valid else "invalid")

    env = NASEnv(evaluate, "multi_branch", max_actions=5, sigma=0.1)
    draws = random.Random("3")  # random search's sequence of seed 3
    env.reset()
    for _ in range(300):
        if env.step(draws.randint(0, 13))[2]:
            env.reset()
    expected = tuple(dict.fromkeys(network for network in seen if is_valid(network, shape)))
    met = networks_met(300, 3, shape, '{"exp3": {"max_actions": 5}}', "multi_branch")
    assert any(layer.pred2 for network in met for layer in network)
    assert met == expected


def test_prewarm_tasks_share_all_networks_once():
    settings = '{"prewarm": {"depth": 2, "random_search": true, "tasks": 3}, "seeds": [7]}'
    jobs = [
        Job(part, "prewarm_task", {}, f"nasdmrl prewarm dtd --part {part} --steps 12 --config '{settings}' > log")
        for part in range(3)
    ]
    data = stripes(size=20)
    dealt = [one.network for job in jobs for one in trainings(job, in_datasets(data))]
    expected = {*networks_of("chain", 2, data.shape), *random_search_networks(12, 7, data.shape, Config())}
    assert len(dealt) == len(set(dealt))
    assert set(dealt) == set(map(to_text, expected))


def test_the_configuration_is_that_of_the_run(quick, root):
    assert settings_of(quick[0]) == load(root / "config/quick.yaml")
    without = [job for job in quick[0] if job.rule not in ("report", "all")]
    assert settings_of(without).exp2 == load(root / "config/quick.yaml").exp2  # `claims` has more than any other


def test_expected_sizes_of_images_that_are_still_to_be_made(root):
    quick = Datasets(load(root / "config/quick.yaml"), Path("nowhere"))
    paper = Datasets(Config(), Path("nowhere"))
    assert (len(quick["dtd"].labels), quick["dtd"].shape, quick["dtd"].n_classes) == (640, (32, 32, 3), 16)
    assert len(quick["omniglot"].labels) == 320
    birds = paper["cu_birds"]
    assert (len(birds.labels), birds.shape, birds.n_classes) == (11788, (84, 84, 3), 200)
    one = Training("max2", "dtd", Recipe(epochs=3, batch_size=64))
    assert quick.amount(one) == Amount(428, 212, 3, 64, 1)  # 640 x (1 - 0.33) = 428.8
    assert quick.amount(Training("max2", "dtd", LongRecipe(epochs=3))).scorings == 3


def test_exp2b_trains_the_paper_s_networks_until_others_are_found(quick, root, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    jobs, datasets = quick[0], Datasets(load(root / "config/quick.yaml"), Path("nowhere"))
    job = next(job for job in jobs if job.name == "long_training cu_birds best1 1")
    (one,) = trainings(job, datasets)
    # conv1 conv3 conv3 max2 conv3 max2 max2 max2 max2: 32, 30, 28, 14, 12, 6, 3, 1 px, and the last max2 fits no more
    assert one.network == "conv1 conv3 conv3 max2 conv3 max2 max2 max2"
    assert (one.recipe.seed, one.recipe.epochs, one.recipe.filters) == (1, 10, 8)
    best = tmp_path / "results/exp2/best/cu_birds/best1.json"
    best.parent.mkdir(parents=True)
    best.write_text('{"network": "conv5"}')
    assert trainings(job, datasets)[0].network == "conv5"


def test_a_dataset_of_ones_own_is_planned_before_it_is_decoded(tmp_path):
    """Eight images in two classes; its long training's network is one of the paper's, which knows no such dataset."""
    for name in ("cat", "dog"):
        (tmp_path / f"pets/{name}").mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (9, 9)).save(tmp_path / f"pets/{name}/{number}.png")
    settings = Config.model_validate({"data": {"own": {"pets": str(tmp_path / "pets")}, "source": "standin"}})
    datasets = Datasets(settings, Path("nowhere"))
    assert (len(datasets["pets"].labels), datasets["pets"].n_classes) == (8, 2)
    call = f"nasdmrl retrain pets nowhere/best1.json --repeat 0 --config '{settings.subset('exp2')}' > log 2>&1"
    (one,) = trainings(Job(1, "long_training", {"dataset": "pets"}, call), datasets)
    assert one.network == "conv3 conv5 max2 max2"  # the paper's best on aircraft


# --- cost model -----------------------------------------------------------------------------------------------------


def test_load_of_networks():
    recipe = LongRecipe(filters=4, vgg_filters=2, dense_units=5)
    load = network_load(parse("conv3 max2"), (8, 8, 3), 2, Recipe(filters=4, dense_units=5))
    # conv: 6 x 6 x 4; max2 3 x 3 x 4, which is also what is flattened; image 8 x 8 x 3
    assert load.values == 8 * 8 * 3 + 6 * 6 * 4 + 2 * 3 * 3 * 4
    assert load.operations == 3 + 1 + 4
    assert load.parameters == parameters(build(parse("conv3 max2"), (8, 8, 3), 2, Recipe(filters=4, dense_units=5)))
    vgg = load_of("vgg19_cut", (8, 8, 3), 7, recipe)
    assert vgg.parameters == parameters(build_vgg19_cut((8, 8, 3), 7, recipe))
    convolutions = 64 * 9 * (3 * 2 + 2 * 2) + 16 * 9 * (2 * 4 + 4 * 4)
    dense = (2 * 2 * 4 + 1) * 5 + 6 * 5 + 6 * 7
    assert vgg.flops == 2 * (convolutions + dense)


TRUE = CostModel((0.4, 0.05, 3e-8), (1e-4, 3e-5, 2e-9, 4e-11, 3e-9))


def synthetic(count, noise, seed=0):
    """Trainings of random sizes whose seconds follow `TRUE`, times log-normal noise."""
    random = np.random.RandomState(seed)
    measured = []
    for _ in range(count):
        sizes = random.randint(5, 40), *(10 ** random.uniform([3, 4.5, 3.5], [7, 8, 5.5])).astype(int)
        load, batch = Load(*map(int, sizes)), int(random.choice([32, 64, 128]))
        setup = 0.4 + 0.05 * load.operations + 3e-8 * load.parameters
        images = 4e-11 * load.flops + 3e-9 * load.values
        step = 1e-4 + 3e-5 * load.operations + 2e-9 * load.parameters + batch * images
        factors = np.exp(noise * random.randn(2))
        measured.append(Measured(load, batch, setup * factors[0], step * factors[1]))
    return measured


def test_fit_recovers_exact_coefficients():
    model = fit(synthetic(30, noise=0))
    assert model.setup == pytest.approx(TRUE.setup, rel=1e-6)
    assert model.step == pytest.approx(TRUE.step, rel=1e-6)


def test_stated_error_is_that_of_new_trainings():
    amount = Amount(600, 300, 12, 64, 1)
    measured = synthetic(40, noise=0.1)
    stated = np.abs(relative_errors(measured, amount))
    # A forecast that is right is off by the noise of what it is compared with: the median of |N(0, 0.1)| is 0.067.
    assert 0.03 < np.median(stated) < 0.12
    assert 0.10 < np.quantile(stated, 0.9) < 0.35
    model = fit(measured)
    exact = [TRUE.seconds(one.load, amount) for one in synthetic(200, 0, seed=1)]
    forecast = [model.seconds(one.load, amount) for one in synthetic(200, 0, seed=1)]
    assert np.median(np.abs(np.array(forecast) / exact - 1)) < 0.06


def test_seconds_of_a_training_by_hand():
    model = CostModel((1.0, 0.1, 0.0), (0.01, 0.001, 1e-6, 1e-9, 1e-8))
    load = Load(operations=10, parameters=1000, flops=10**6, values=10**5)
    once, each = 0.01 + 0.01 + 0.001, 0.001 + 0.001
    setup = 1 + 1
    # 3 epochs of 100 images are 2 steps each; 2 scorings of 300 images are 2 batches each, a third of a step's cost.
    trained = 3 * (2 * once + 100 * each)
    scored = 2 / 3 * (2 * (once - 0.001) + 300 * each)
    assert model.seconds(load, Amount(100, 300, 3, 64, 2)) == pytest.approx(setup + trained + scored)


def test_too_few_measurements_say_what_to_do():
    with pytest.raises(NasdmrlError, match="only 5 trainings were measured, 6 are needed; give --probe-seconds more"):
        fit(synthetic(5, noise=0))


def test_chosen_trainings_span_the_sizes_from_the_first_few_on():
    data = stripes(size=20)
    datasets = in_datasets(data)
    all_trainings = [Training(to_text(one), "dtd", Recipe()) for one in networks_met(400, 1, data.shape, "{}")]
    sizes = sorted(network_load(parse(one.network), data.shape, 3, Recipe()).flops for one in all_trainings)
    first = [network_load(parse(one.network), data.shape, 3, Recipe()).flops for one in choose(all_trainings, datasets)]
    assert len(set(first)) == 32
    assert min(first[:8]) < sizes[len(sizes) // 4]
    assert max(first[:8]) > sizes[3 * len(sizes) // 4]
    with_long = choose([*all_trainings, Training("vgg19_cut", "dtd", LongRecipe(dense_units=8))], datasets)
    assert with_long[1].network == "vgg19_cut"


# --- schedule -------------------------------------------------------------------------------------------------------

#      a(3) -> c(4) -> e(1)        b(2) -> d(6, two threads) -> e
HAND_MADE = [
    Job(0, "a", {}, "", priority=0),
    Job(1, "b", {}, "", priority=0),
    Job(2, "c", {}, "", needs=frozenset({0}), priority=1),
    Job(3, "d", {}, "", needs=frozenset({1}), threads=2),
    Job(4, "e", {}, "", needs=frozenset({2, 3})),
    Job(5, "f", {}, "", needs=frozenset({1}), threads=9),
]
SECONDS = dict(enumerate((3.0, 2.0, 4.0, 6.0, 1.0, 0.5)))


def scheduled(capacity, weight=lambda job: job.threads):
    return schedule(HAND_MADE, lambda job, begin: SECONDS[job.number], capacity, weight)


def test_schedule_on_two_cores():
    """a, b at 0; at 2 b is done but d and f need both cores; at 3 c comes first; at 7 d, at 13 e beside nothing, f."""
    slots = scheduled(2)
    starts = [slots[number].start for number in range(6)]
    assert starts == [0, 0, 3, 7, 13, 14]
    assert slots[5].end == 14.5


def test_schedule_on_a_cluster_and_on_one_core():
    wide = scheduled(100, lambda job: 1)
    assert [wide[number].start for number in range(6)] == [0, 0, 3, 2, 8, 2]
    assert max(slot.end for slot in scheduled(1).values()) == sum(SECONDS.values())


def test_critical_path():
    assert [job.rule for job in critical_path(HAND_MADE, SECONDS)] == ["b", "d", "e"]  # 9 s; a, c, e take 8
    longer = {**SECONDS, 0: 4.5}
    assert [job.rule for job in critical_path(HAND_MADE, longer)] == ["a", "c", "e"]
    assert critical_path([], {}) == []


# --- forecast -------------------------------------------------------------------------------------------------------

FLAT = CostModel((1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0))
"""Every training takes one second."""


def clock_of(jobs, datasets, store=None, start=10.0):
    return Clock({job.number: trainings(job, datasets) for job in jobs}, datasets, FLAT, start, store)


def test_what_is_stored_costs_nothing(data, tmp_path):
    job, datasets, recipe = search_job(), in_datasets(data), Config().recipe()
    met = networks_met(12, 7, data.shape, "{}")
    store = EvaluationStore(tmp_path)
    whole = clock_of([job], datasets, store)
    seconds = whole.seconds(job, 0)
    assert whole.trained[0] == len(met)
    assert seconds == pytest.approx(10 + len(met), abs=0.1)
    for network in met[:3]:
        store.put({"key": evaluation_key(data.fingerprint, network, recipe), "status": "ok"}, recipe)
    rest = clock_of([job], datasets, store)
    assert rest.seconds(job, 0) == pytest.approx(seconds - 3)
    assert rest.trained[0] == len(met) - 3
    other = clock_of([job], in_datasets(stripes(seed=1)), store)
    assert other.seconds(job, 0) == seconds


def test_what_an_earlier_job_has_trained_is_looked_up(data):
    jobs = [search_job(0), search_job(1), search_job(2, needs=frozenset({0, 1}))]
    count = len(networks_met(12, 7, data.shape, "{}"))
    after = plan(jobs, clock_of(jobs, in_datasets(data)), Parallel(1), "CPU")
    assert [one.trained for one in after] == [count, 0, 0]
    # At once they are at the same network at the same time, so both train it.
    beside = plan(jobs, clock_of(jobs, in_datasets(data)), Parallel(2), "CPU")
    assert [one.trained for one in beside] == [count, count - 1, 0] or [one.trained for one in beside] == [
        count,
        count,
        0,
    ]


def test_gpus_are_those_that_the_profile_asks_for_or_this_machine_has(data):
    jobs = [search_job(0, gpus=1), Job(1, "report", {}, "nasdmrl report > log")]
    clock = clock_of(jobs, in_datasets(data))
    assert [one.on_gpu for one in plan(jobs, clock, Parallel(5, cluster=True), "CPU")] == [True, False]
    local = [search_job(0), jobs[1]]
    assert [one.on_gpu for one in plan(local, clock, Parallel(5), "NVIDIA")] == [True, False]
    assert [one.on_gpu for one in plan(local, clock, Parallel(5), "CPU")] == [False, False]


# --- the command ----------------------------------------------------------------------------------------------------


def test_unknown_files_give_one_clear_error(root, tmp_path):
    result = run("--config", "nowhere.yaml", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == (
        "Error: nowhere.yaml: cannot be read (No such file or directory); give --config a YAML file\n"
    )
    result = run("--config", root / "config/quick.yaml", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: workflow/Snakefile: no such file")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not shutil.which("snakemake"), reason="needs the extra `workflow`")
def test_plan_from_the_command_line(root, tmp_path):
    """One training at a time is measured until there are enough for a fit; what is written adds up."""
    arguments = ["--config", root / "config/quick.yaml", "--snakefile", root / "workflow/Snakefile"]
    result = run(*arguments, "--probe-seconds", 1, "--workers", 1, "--output", "plan.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Wall time with" in result.stdout
    figures = json.loads((tmp_path / "plan.json").read_text())
    rows = {row["rule"]: row for row in figures["rules"]}
    assert figures["jobs"] == sum(row["jobs"] for row in rows.values())
    assert figures["hours"] == pytest.approx(sum(row["hours"] for row in rows.values()))
    assert (rows["long_training"]["jobs"], rows["long_training"]["evaluations"]) == (12, 12)
    chain = figures["critical_path"]
    assert chain["jobs"][0]["name"].startswith("draw_standins")
    assert 0 < chain["hours"] <= figures["wall_hours"] <= figures["hours"]
    assert figures["gpu_hours"] == 0 or figures["cost_model"]["device"] != "CPU"
    assert figures["cost_model"]["measured"] >= 6
    assert set(figures["disk_bytes"]) >= {"images", "checkpoints"}
