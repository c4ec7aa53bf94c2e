"""The configuration: the paper's values, one source for schema and documentation, refusals."""

import copy
import difflib
import json
import pickle
import re

import jsonschema
import pytest
import yaml

from nasdmrl.agents import Trial
from nasdmrl.agents.policies import Spaces
from nasdmrl.agents.registry import make_agent
from nasdmrl.analysis.provenance import provenance
from nasdmrl.config.model import Config, from_dict, load
from nasdmrl.config.reference import documentation, json_schema
from nasdmrl.config.scales import CONFIG_FILE, DEFAULT_SCALE, SCALES, with_scale
from nasdmrl.errors import ConfigError
from nasdmrl.evaluation.store import recipe_digest

# Written down from Sections 4, 5 and 7 of the paper.
PAPER = {
    "seeds": [1024],
    "data.image_size": 84,
    "early_stop.test_fraction": 0.33,
    "early_stop.split_seed": 32,
    "early_stop.epochs": 12,
    "early_stop.batch_size": 128,
    "early_stop.learning_rate": 0.001,
    "early_stop.decay_factor": 0.2,
    "early_stop.decay_epochs": 5,
    "early_stop.beta1": 0.9,
    "early_stop.beta2": 0.999,
    "early_stop.epsilon": 1e-7,
    "early_stop.filters": 32,
    "early_stop.dense_units": 1024,
    "early_stop.dropout": 0.4,
    "environment.max_layers": 10,
    "environment.max_actions": 10,
    "environment.mu": 0.5,
    "environment.rho": 8,
    "meta_a2c.lstm_units": 128,
    "meta_a2c.update_steps": 5,
    "meta_a2c.discount": 0.9,
    "meta_a2c.entropy_weight": 0.01,
    "meta_a2c.value_weight": 0.5,
    "meta_a2c.max_gradient_norm": 0.5,
    "meta_a2c.learning_rate": 0.001,
    "meta_a2c.rmsprop_decay": 0.99,
    "meta_a2c.rmsprop_epsilon": 1e-5,
    "dqn.hidden_units": 64,
    "dqn.hidden_layers": 2,
    "dqn.learning_rate": 5e-4,
    "dqn.buffer_fraction": 0.5,
    "dqn.batch_size": 20,
    "dqn.epsilon_first": 1.0,
    "dqn.epsilon_last": 0.1,
    "dqn.discount": 1.0,
    "dqn.learning_starts": 1000,
    "dqn.train_every": 1,
    "dqn.target_every": 100,
    "dqn.max_gradient_norm": 10,
    "exp1.meta_a2c": {"omniglot": 8000, "vgg_flower": 7000, "dtd": 7000},
    "exp1.dqn": {"omniglot": 6500, "vgg_flower": 5500, "dtd": 7000},
    "exp1.random_search": {"omniglot": 6500, "vgg_flower": 5500, "dtd": 7000},
    "exp2.evaluation_steps": 2000,
    "exp2.epochs": 100,
    "exp2.repeats": 5,
    "exp2.first_filters": 32,
    "exp2.vgg_filters": 64,
    "exp2.dense_units": 4096,
    "exp2.learning_rate": 0.001,
    "exp2.decay_factor": 0.9,
    "exp2.decay_steps": 100,
    "exp3.sigmas": [0.0, 0.1],
    "exp3.steps": 20000,
    "exp3.max_actions": 20,
    "exp3.update_steps": 10,
    "exp3.batch_size": 64,
    "exp3.max_layers": 10,
    "appendix_a.steps": 200,
    "plots.bin_episodes": 50,
}


def assert_same(kept: str, made: str, command: str) -> None:
    difference = "\n".join(difflib.unified_diff(kept.splitlines(), made.splitlines(), "kept", "made", lineterm=""))
    assert kept == made, f"run `{command}` and keep its output:\n{difference}"


def value_at(values, key):
    for part in key.split("."):
        values = values[part]
    return values


@pytest.mark.parametrize("key", PAPER)
def test_paper_yaml_has_the_papers_value(root, key):
    assert value_at(yaml.safe_load((root / "config/paper.yaml").read_text()), key) == PAPER[key]


def test_paper_yaml_spells_out_every_default(root):
    values = yaml.safe_load((root / "config/paper.yaml").read_text())
    assert values == Config().model_dump(mode="json")


def test_schema_is_the_models(root):
    kept = (root / "workflow/schemas/config.schema.json").read_text()
    assert_same(kept, json_schema(), "nasdmrl schema > workflow/schemas/config.schema.json")


def test_reference_is_the_models(root):
    text = (root / "config/README.md").read_text()
    assert_same(text[text.index("| key |") :], documentation(), "nasdmrl config-reference")


@pytest.mark.parametrize("scale", SCALES)
def test_scales_load_and_fit_the_schema(root, scale):
    path = root / f"config/{scale}.yaml"
    assert load(path).scale == scale
    jsonschema.validate(yaml.safe_load(path.read_text()), json.loads(json_schema()))


def test_unknown_key_is_refused_with_the_closest(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("early_stop: {epoch: 3}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: early_stop\.epoch: unknown key; did you mean `epochs`"):
        load(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"early_stop": {"epochs": 0}}, r"early_stop\.epochs: .*greater than or equal to 1 \(found 0\)"),
        ({"data": {"source": "web"}}, r"data\.source: .*'standin', 'archives' or 'download'"),
        ({"data": {"source": "archives"}}, r"data\.archives .*NASDMRL_ARCHIVES.* must name their folder"),
        ({"data": {"own": {"sigma_plants": "."}}}, r"data\.own: .*`sigma_plants`: .* not with `sigma`"),
        ({"data": {"own": {"dtd": "."}}}, r"data\.own: .*`dtd` is a listed dataset"),
        (
            {"data": {"limits": {"omnglot": {}}}},
            r"data\.limits: .*`omnglot`: no such dataset; did you mean `omniglot`",
        ),
        ({"data": {"limits": {"pets": {}}}}, r"data\.limits: .*`pets`: no such dataset; .* Known here: omniglot, "),
        (
            {"data": {"limits": {"dtd": {"clases": 3}}}},
            r"data\.limits\.dtd\.clases: unknown key; did you mean `classes`",
        ),
        ({"data": {"limits": {"dtd": {"classes": 1}}}}, r"data\.limits\.dtd\.classes: .*greater than or equal to 2"),
        ({"exp3": {"sigmas": [-0.1]}}, r"exp3\.sigmas\.0: .*greater than or equal to 0 \(found -0\.1\)"),
        ({"sale": "quick"}, r"sale: unknown key; did you mean `scale`"),
    ],
)
def test_bad_values_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(values, "here")


def test_file_that_is_no_yaml(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("a: [1")
    with pytest.raises(ConfigError, match="broken.yaml: is not YAML"):
        load(path)
    with pytest.raises(ConfigError, match="missing.yaml: cannot be read"):
        load(tmp_path / "missing.yaml")


def test_environment_variable_names_the_archives(monkeypatch, tmp_path):
    monkeypatch.setenv("NASDMRL_ARCHIVES", str(tmp_path))
    data = from_dict({"data": {"source": "standin"}}, "here").data
    assert (data.source, data.archives) == ("archives", str(tmp_path))


def test_fidelity_and_single_deviations():
    paper, released = Config(), Config(fidelity="released")
    assert (paper.recipe().decay_factor, paper.recipe().frozen_norm) == (0.2, False)
    assert (released.recipe().decay_factor, released.recipe().frozen_norm) == (1.0, True)
    assert (paper.max_actions(), released.max_actions()) == (10, 100)
    assert (paper.long_recipe(0).filters, released.long_recipe(0).filters) == (32, 16)
    single = from_dict({"fidelity": "released", "deviations": {"D1": "paper"}}, "here")
    assert (single.recipe().decay_factor, single.recipe().frozen_norm) == (0.2, True)


def test_deviations_of_the_agent():
    def released(config):
        agent = make_agent("meta_a2c", Trial(Spaces((1,), 2), 0, 10, config))
        return agent.released.forgets, agent.released.shifted_inputs

    assert released(Config()) == (False, False)
    assert released(Config(fidelity="released")) == (True, True)
    assert released(from_dict({"deviations": {"D4": "released"}}, "here")) == (False, True)


def test_multi_branch_space_has_its_own_batch_and_actions():
    assert (Config().recipe("multi_branch").batch_size, Config().max_actions("multi_branch")) == (64, 20)
    assert (Config().meta_settings().update_steps, Config().meta_settings("multi_branch").update_steps) == (5, 10)


def test_subset_reads_back():
    config = from_dict({"early_stop": {"epochs": 3}, "plots": {"dpi": 99}, "fidelity": "released"}, "here")
    again = load(config.subset("early_stop", "fidelity", "plots.dpi"))
    assert again.early_stop == config.early_stop
    assert (again.fidelity, again.plots.dpi) == ("released", 99)


def test_subset_takes_single_keys():
    config = from_dict({"exp2": {"epochs": 3, "repeats": 9}, "scale": "mine"}, "here")
    kept = json.loads(config.subset("exp2.epochs", "exp2.dense_units", "scale"))
    assert kept == {"exp2": {"epochs": 3, "dense_units": 4096}, "scale": "mine", "partial": True}
    assert json.loads(config.subset("exp2.epochs", "exp2")) == json.loads(config.subset("exp2"))


# --- what a rule did not pass -------------------------------------------------------------------------------


PASSED = load(Config(scale="mine").subset("scale", "exp2.epochs", "early_stop.dropout", "deviations.D1", "data"))


@pytest.mark.parametrize(
    ("read", "key"),
    [
        (lambda config: config.seeds, "seeds"),
        (lambda config: config.exp3.steps, "exp3"),
        (lambda config: config.exp2.repeats, "exp2.repeats"),
        (lambda config: config.exp2.model_copy(update={"epochs": 7}).repeats, "exp2.repeats"),
        (lambda config: copy.deepcopy(config).early_stop.precision, "early_stop.precision"),
        (lambda config: pickle.loads(pickle.dumps(config)).early_stop.precision, "early_stop.precision"),
        (lambda config: dict(config.deviations), "deviations.D2"),
        (lambda config: config.released("D2"), "deviations.D2"),
        # The key of an evaluation leaves defaults out, so a recipe without all of its values must not be one.
        (lambda config: config.recipe(), "early_stop.seed"),
        (lambda config: config.long_recipe(0), "exp2.learning_rate"),
        (lambda config: config.searches("appendix_a"), "appendix_a"),
        (provenance, "fidelity"),
    ],
)
def test_what_was_not_passed_raises_when_it_is_read(read, key):
    with pytest.raises(ConfigError, match=rf"^{key}: was not passed to this job; name it in the `params` of its rule$"):
        read(PASSED)


def test_what_was_passed_is_read():
    assert (PASSED.scale, PASSED.exp2.epochs, PASSED.early_stop.dropout) == ("mine", 100, 0.4)
    assert (PASSED.data, PASSED.deviations.D1) == (Config().data, None)
    assert PASSED.model_copy(update={"scale": "other"}).exp2.model_dump() == {"epochs": 100}
    assert not hasattr(PASSED, "no_key_of_ours")


def test_a_recipe_that_was_passed_has_the_key_of_the_whole_configurations():
    config = from_dict({"early_stop": {"epochs": 3}, "exp3": {"batch_size": 9}, "fidelity": "released"}, "here")
    job = load(config.subset("early_stop", "fidelity", "deviations.D1", "deviations.D2", "exp3.batch_size"))
    for space in ("chain", "multi_branch"):
        assert recipe_digest(job.recipe(space)) == recipe_digest(config.recipe(space))


def test_text_that_somebody_types_has_defaults():
    assert load('{"early_stop": {"epochs": 3}}') == from_dict({"early_stop": {"epochs": 3}}, "here")


def test_the_environment_reaches_a_job_by_its_params_alone(monkeypatch, tmp_path):
    text = from_dict({"data": {"source": "standin"}}, "here").subset("data")
    monkeypatch.setenv("NASDMRL_ARCHIVES", str(tmp_path))
    assert load(text).data.source == "standin"
    passed = from_dict({"data": {"source": "standin"}}, "here").subset("data")
    monkeypatch.delenv("NASDMRL_ARCHIVES")
    assert (load(passed).data.source, load(passed).data.archives) == ("archives", str(tmp_path))


def test_searches_of_an_experiment_ask_for_its_keys_alone():
    config = from_dict({"exp3": {"sigmas": [0.5], "steps": 7}, "exp2": {"evaluation_steps": 3}}, "here")
    for experiment, keys in (("exp1", ["exp1"]), ("exp2", ["exp2.evaluation_steps"]), ("exp3", ["exp3"])):
        of_it = [search for search in config.searches() if search.experiment == experiment]
        assert load(config.subset("data", *keys)).searches(experiment) == of_it
    assert [(search.sigma, search.steps) for search in config.searches("exp3")] == [(0.5, 7)]


# --- keys given twice ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("exp1: {dqn: {dtd: 5}}\nscale: mine\nexp1:\n  dqn: {dtd: 6}\n", "exp1", 3),
        ("exp1:\n  dqn:\n    dtd: 5\n    'dtd': 6\n", "dtd", 4),
        ("exp3: {steps: 1, sigmas: [0.0], steps: 2}\n", "steps", 1),
        ("seeds: [1]\ndata:\n  limits:\n    dtd: {classes: 2}\n    dtd: {classes: 3}\n", "dtd", 5),
    ],
)
def test_key_that_is_given_twice_is_refused(tmp_path, text, key, line):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    message = rf'mine\.yaml: is not YAML: the key `{key}` is given twice\s+in ".*mine\.yaml", line {line},'
    with pytest.raises(ConfigError, match=message):
        load(path)


def test_key_of_json_that_is_given_twice_is_refused():
    with pytest.raises(ConfigError, match=r"the key `epochs` is given twice"):
        load('{"exp2": {"epochs": 3, "repeats": 1, "epochs": 4}}')


def test_key_over_a_merged_mapping_is_no_second_one(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("exp1:\n  dqn: &same {dtd: 5, omniglot: 6}\n  random_search: {<<: *same, dtd: 7}\n")
    trials = load(path).exp1.random_search
    assert (trials.dtd, trials.omniglot, trials.vgg_flower) == (7, 6, 5500)


def test_all_yaml_is_read_in_one_place(root):
    readers = {path.name for path in (root / "nasdmrl").rglob("*.py") if re.search(r"yaml\.\w*load", path.read_text())}
    assert readers == set()
    assert "yaml.SafeLoader" in (root / "nasdmrl/files.py").read_text()


# --- scales -------------------------------------------------------------------------------------------------


def test_scales_are_the_files(root):
    files = {path.stem for path in (root / "config").glob("*.yaml")}
    assert files == {*SCALES, CONFIG_FILE.stem}
    assert load(root / CONFIG_FILE) == load(root / f"config/{DEFAULT_SCALE}.yaml")


def test_a_scale_stands_for_the_values_of_its_file(root, tmp_path):
    miniature, mine = load(root / "config/miniature.yaml"), tmp_path / "mine.yaml"
    mine.write_text("scale: miniature\nexp2: {epochs: 3}\ndata: {limits: {dtd: {classes: 4}}}\n")
    config = load(mine)
    assert (config.exp2.epochs, config.exp2.first_filters) == (3, miniature.exp2.first_filters)
    assert config.data.limits["dtd"].model_dump() == {"classes": 4, "images_per_class": 120}
    assert (config.environment, config.seeds) == (miniature.environment, miniature.seeds)
    assert load('{"scale": "miniature"}') == miniature
    assert load('{"scale": "paper"}') == load('{"scale": "paper"}') == Config()
    # A whole configuration, as the report keeps it, is what it says.
    whole = Config(scale="miniature")
    (tmp_path / "config.json").write_text(whole.model_dump_json())
    assert load(whole.model_dump_json()) == load(tmp_path / "config.json") == whole


def test_a_scale_without_its_file_is_refused(root, tmp_path):
    """As of a package that is installed without its checkout, unless the file lies beside the one that names it."""
    elsewhere = {"folder": tmp_path / "nowhere"}
    with pytest.raises(
        ConfigError, match=r"quick\.yaml: cannot be read .*; the scale `quick` has its values from there"
    ):
        with_scale({"scale": "quick"}, tmp_path / "mine.yaml", **elsewhere)
    beside = with_scale({"scale": "quick"}, root / "config/mine.yaml", **elsewhere)
    assert beside == yaml.safe_load((root / "config/quick.yaml").read_text())
    assert with_scale({"scale": "quick"}, tmp_path / "quick.yaml", **elsewhere) == {"scale": "quick"}


def test_limits_of_a_dataset_are_over_the_general_ones():
    limits = {
        "omniglot": {"classes": 60, "images_per_class": 20},
        "dtd": {"images_per_class": 120},
        "pets": {"classes": 2},
    }
    general = {"classes": 16, "images_per_class": 60, "source": "standin"}
    config = from_dict({"data": {**general, "limits": limits, "own": {"pets": "photos"}}}, "here")
    found = {
        name: (config.data.of(name).classes, config.data.of(name).images_per_class)
        for name in ("omniglot", "dtd", "aircraft", "pets")
    }
    assert found == {"omniglot": (60, 20), "dtd": (16, 120), "aircraft": (16, 60), "pets": (2, 60)}
    assert load(config.of_data("pets")).data == config.data.of("pets").model_copy(update={"own": {}})


def test_limits_reach_the_dataset_alone_and_ones_own_no_job_of_the_papers():
    def decoded(limits, dataset):
        return from_dict({"data": {"limits": limits, "own": {"pets": "photos"}}}, "here").of_data(dataset)

    before, after = {"dtd": {"classes": 3}}, {"dtd": {"classes": 4}, "pets": {"classes": 2}}
    assert decoded(before, "omniglot") == decoded(after, "omniglot") == Config().of_data("omniglot")
    assert decoded(before, "dtd") != decoded(after, "dtd")
    config = from_dict({"data": {"limits": after, "own": {"pets": "photos"}}}, "here")
    assert json.loads(config.subset("data"))["data"]["limits"] == {"dtd": {"classes": 4, "images_per_class": None}}
