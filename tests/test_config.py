"""The configuration: the paper's values, one source for schema and documentation, refusals."""

import difflib
import json

import jsonschema
import pytest
import yaml

from nasdmrl.agents import Trial
from nasdmrl.agents.policies import Spaces
from nasdmrl.agents.registry import make_agent
from nasdmrl.config.model import Config, from_dict, load
from nasdmrl.config.reference import documentation, json_schema
from nasdmrl.errors import ConfigError

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


@pytest.mark.parametrize("scale", ["quick", "miniature", "paper"])
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
    again = load(config.subset("early_stop", "fidelity"))
    assert again.early_stop == config.early_stop
    assert again.fidelity == "released"
    assert again.plots.dpi == Config().plots.dpi


def test_subset_takes_single_keys():
    config = from_dict({"exp2": {"epochs": 3, "repeats": 9}, "scale": "mine"}, "here")
    kept = json.loads(config.subset("exp2.epochs", "exp2.dense_units", "scale"))
    assert kept == {"exp2": {"epochs": 3, "dense_units": 4096}, "scale": "mine"}
    assert json.loads(config.subset("exp2.epochs", "exp2")) == json.loads(config.subset("exp2"))


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
