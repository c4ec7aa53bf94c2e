"""The configuration: one model for defaults, documentation, validation and the JSON schema.

Every default is the paper's value (Sections 4, 5 and 7), so `config/paper.yaml` spells the defaults out and the
smaller scales name only what they change.
"""

import difflib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nasdmrl.errors import ConfigError

Fidelity = Literal["paper", "released"]
Space = Literal["chain", "multi_branch"]
ARCHIVES_VARIABLE = "NASDMRL_ARCHIVES"
VGG19_CUT = "vgg19_cut"
"""Name of the baseline of Exp. 2b, where the other networks have their text (Section 7)."""


Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""What NumPy takes as a seed."""
SmallSeed = Annotated[int, Field(ge=0, le=10**6)]
"""A seed from which those of a network's layers are made (see `networks`)."""


class Section(BaseModel):
    """A part of the configuration; refuses unknown keys and cannot be changed once made."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _field(default: Any, text: str, **limits: Any) -> Any:
    return Field(default, description=text, **limits)


class Data(Section):
    """Where the images come from and how they are decoded (Section 6)."""

    source: Literal["standin", "archives", "download"] = _field(
        "download",
        "Origin of the official archives: drawn stand-ins, a folder of yours, or the official addresses.",
    )
    archives: str = _field("", "Folder with the official archives; used by source `archives`.")
    image_size: int = _field(84, "Height and width of a decoded image, pixels (Section 6).", ge=8)
    antialias: bool = _field(
        False, "Average over the pixels that a smaller image merges; plain bilinear if false (Section 6)."
    )
    classes: int | None = _field(None, "Use at most this many classes of each dataset; all if null.", ge=2)
    images_per_class: int | None = _field(None, "Use at most this many images of a class; all if null.", ge=3)
    limit_seed: Seed = _field(32, "Seed of the choice that `classes` and `images_per_class` make.")
    require_official_counts: bool = _field(
        True, "Fail where classes and images differ from Table 3; false allows subsets of the archives."
    )


class Recipe(Section):
    """How one network is trained and scored early (Section 4). Part of the key of a stored evaluation."""

    seed: SmallSeed = _field(0, "Seed of weights, order of images and dropout.")
    train_fraction: float = _field(0.67, "Share of the images trained on; the rest tests (Section 4).", gt=0, lt=1)
    split_seed: Seed = _field(32, "Seed of the split into training and test images (Section 4).")
    epochs: int = _field(12, "Passes over the training images (Section 4).", ge=1)
    batch_size: int = _field(128, "Images a step; the multi-branch space has its own (Section 4).", ge=1)
    learning_rate: float = _field(0.001, "Adam's first learning rate (Section 4).", gt=0)
    decay_factor: float = _field(
        0.2,
        "The learning rate is multiplied by this every `decay_epochs` epochs (Section 4; D1).",
        gt=0,
        le=1,
    )
    decay_epochs: int = _field(5, "Epochs between two decays of the learning rate (Section 4).", ge=1)
    beta1: float = _field(0.9, "Adam's decay of the first moment (Section 4).", ge=0, lt=1)
    beta2: float = _field(0.999, "Adam's decay of the second moment (Section 4).", ge=0, lt=1)
    epsilon: float = _field(1e-7, "Adam's small constant (Section 4).", gt=0)
    filters: int = _field(32, "Filters of every convolution (Section 1).", ge=1)
    dense_units: int = _field(1024, "Units of the prediction module's dense layer (Section 1).", ge=1)
    dropout: float = _field(0.4, "Dropout rate in the prediction module (Section 1).", ge=0, lt=1)
    norm_momentum: float = _field(
        0.99,
        "Momentum of batch normalisation's moving statistics: about 1 / (1 - momentum) steps to settle, "
        "so short trainings need less than Keras's 0.99.",
        ge=0,
        lt=1,
    )
    norm_epsilon: float = _field(0.001, "Batch normalisation's small constant (Keras's default).", gt=0)
    frozen_norm: bool = _field(
        False, "Batch normalisation keeps its first statistics, in training too (D2; set by the fidelity)."
    )

    def filters_of(self, convolution: int) -> int:
        """Filters of the first, second, ... convolution: the same for all (Section 1)."""
        return self.filters

    def rate(self, epoch: int, step: int) -> float:
        """Adam's learning rate in epoch 0, 1, ...: x decay_factor every decay_epochs (Section 4; D1)."""
        return self.learning_rate * self.decay_factor ** (epoch // self.decay_epochs)


class LongRecipe(Recipe):
    """How the best networks are trained long (Exp. 2b, Section 7); `filters` is the first convolution's number."""

    decay_steps: int = _field(100, "Steps in which the learning rate falls by `decay_factor` (Section 7).", ge=1)
    vgg_filters: int = _field(64, "Filters in the first block of the VGG19 cut (Section 7).", ge=1)

    def filters_of(self, convolution: int) -> int:
        """Filters of the first, second, ... convolution: twice as many as the one before (Section 7; D5)."""
        return self.filters * 2 ** (convolution - 1)

    def rate(self, epoch: int, step: int) -> float:
        """Adam's learning rate before step 0, 1, ... of the whole training: exponential decay (Section 7)."""
        return self.learning_rate * self.decay_factor ** (step / self.decay_steps)


class Environment(Section):
    """The chain-structured environment (Sections 1 and 4)."""

    max_layers: int = _field(10, "Most layers of a network, d (Section 1).", ge=1)
    max_actions: int = _field(10, "Most actions of an episode, tau (Section 4; D6).", ge=1)
    reward: Literal["accuracy", "blockqnn"] = _field(
        "accuracy", "Early-stop accuracy, or accuracy - mu log FLOPs - rho log density (Section 4)."
    )
    mu: float = _field(0.5, "Weight of log FLOPs in the BlockQNN reward, percentage points (Section 4).", ge=0)
    rho: float = _field(8.0, "Weight of log density in the BlockQNN reward, percentage points (Section 4).", ge=0)


class MetaA2C(Section):
    """Deep meta-RL: an advantage actor-critic with memory (Section 5)."""

    lstm_units: int = _field(128, "Units of the LSTM (Section 5).", ge=1)
    update_steps: int = _field(5, "Steps between two updates, j, in the chain space (Section 5).", ge=1)
    discount: float = _field(0.9, "Discount of future rewards, gamma (Section 5).", ge=0, le=1)
    entropy_weight: float = _field(0.01, "Weight of the policy's entropy in the loss (Section 5).", ge=0)
    value_weight: float = _field(0.5, "Weight of the value loss (Section 5).", ge=0)
    max_gradient_norm: float = _field(0.5, "Gradients are clipped to this global norm (Section 5).", gt=0)
    learning_rate: float = _field(0.001, "RMSProp's learning rate, constant (Section 5).", gt=0)
    rmsprop_decay: float = _field(0.99, "RMSProp's decay (Section 5).", ge=0, lt=1)
    rmsprop_epsilon: float = _field(1e-5, "RMSProp's small constant (Section 5).", gt=0)
    rmsprop_initial: float = _field(
        1.0,
        "First mean square of RMSProp: 1 in TensorFlow 1, which the original used (steps start small, and grow over "
        "some hundred updates), 0 elsewhere.",
        ge=0,
    )


class DQN(Section):
    """Deep Q-learning with experience replay, the baseline (Section 5)."""

    hidden_units: int = _field(64, "Units of each of the hidden layers (Section 5).", ge=1)
    hidden_layers: int = _field(2, "Number of tanh layers (Section 5).", ge=1)
    learning_rate: float = _field(0.0005, "Adam's learning rate (Section 5; D8).", gt=0)
    buffer_fraction: float = _field(0.5, "Replay buffer as a share of t_max (Section 5).", gt=0, le=1)
    batch_size: int = _field(20, "Transitions a step (Section 5).", ge=1)
    epsilon_first: float = _field(1.0, "First exploration rate (Section 5).", ge=0, le=1)
    epsilon_last: float = _field(0.1, "Exploration rate at the end of the trial (Section 5).", ge=0, le=1)
    discount: float = _field(1.0, "Discount of future rewards, gamma (Section 5).", ge=0, le=1)
    learning_starts: int = _field(1000, "Steps before the first update (Section 5).", ge=0)
    train_every: int = _field(1, "Steps between two updates (Section 5).", ge=1)
    target_every: int = _field(100, "Steps between two copies to the target network (Section 5).", ge=1)
    max_gradient_norm: float = _field(10.0, "Each gradient is clipped to this norm (Section 5).", gt=0)


class TrainingTrials(Section):
    """Length of the trial on each training dataset, environment steps."""

    omniglot: int = _field(6500, "t_max on omniglot, steps (Section 7).", ge=1)
    vgg_flower: int = _field(5500, "t_max on vgg_flower, steps (Section 7).", ge=1)
    dtd: int = _field(7000, "t_max on dtd, steps (Section 7).", ge=1)


_META_TRIALS = TrainingTrials(omniglot=8000, vgg_flower=7000, dtd=7000)


class Experiment1(Section):
    """Exp. 1: learning to design chain-structured networks (Section 7)."""

    meta_a2c: TrainingTrials = _field(_META_TRIALS, "Trials of deep meta-RL (Section 7).")
    dqn: TrainingTrials = _field(TrainingTrials(), "Trials of DQN (Section 7).")
    random_search: TrainingTrials = _field(TrainingTrials(), "Trials of random search (Section 7).")


class Experiment2(Section):
    """Exp. 2: the fixed policy on unseen datasets, and its best networks trained long (Section 7)."""

    evaluation_steps: int = _field(2000, "t_max on each evaluation dataset, steps (Section 7).", ge=1)
    epochs: int = _field(100, "Epochs of a long training (Section 7).", ge=1)
    repeats: int = _field(5, "Long trainings of each network, seeds 0, 1, ... (Section 7).", ge=1)
    first_filters: int = _field(
        32, "Convolution i of a widened network has first_filters x 2^(i-1) filters (Section 7; D5).", ge=1
    )
    dense_units: int = _field(4096, "Units of the first dense layer, and of both of the VGG19 cut (Section 7).", ge=1)
    vgg_filters: int = _field(64, "Filters in the first block of the VGG19 cut; twice as many in the second.", ge=1)
    learning_rate: float = _field(0.001, "First learning rate (Section 7).", gt=0)
    decay_factor: float = _field(0.9, "Learning rate x decay_factor^(step / decay_steps) (Section 7).", gt=0, le=1)
    decay_steps: int = _field(100, "Steps in which the learning rate falls by the factor (Section 7).", ge=1)


class Experiment3(Section):
    """Exp. 3: the multi-branch space on omniglot (Section 7)."""

    sigmas: tuple[float, ...] = _field((0.0, 0.1), "Factors of a shifting action's reward (Section 7).")
    steps: int = _field(20000, "t_max, steps (Section 7).", ge=1)
    max_actions: int = _field(20, "Most actions of an episode, tau (Section 7).", ge=1)
    update_steps: int = _field(10, "Steps between two updates, j (Section 5).", ge=1)
    batch_size: int = _field(64, "Images a step of the early-stop training (Section 4).", ge=1)


class AppendixA(Section):
    """Appendix A: how hard the six datasets are (Section 7)."""

    steps: int = _field(200, "t_max on each dataset, steps (Section 7).", ge=1)
    traffic_sign: Literal["required", "optional", "skip"] = _field(
        "required",
        "Fail where the traffic-sign archive is missing; leave a named gap where it is missing in a folder of "
        "archives (`optional`); or leave the gap in any case (`skip`).",
    )


class Deviations(Section):
    """Single choices between paper and released code, over `fidelity`; null follows it (Section 9)."""

    D1: Fidelity | None = _field(None, "Released: the learning rate never decays.")
    D2: Fidelity | None = _field(None, "Released: batch normalisation uses its first statistics in training.")
    D3: Fidelity | None = _field(None, "Released: the LSTM's state is set to zero at the end of every episode.")
    D4: Fidelity | None = _field(
        None, "Released: in the update, the previous reward is the discounted return, the step counter one ahead."
    )
    D5: Fidelity | None = _field(None, "Released: widened networks start with 16 filters.")
    D6: Fidelity | None = _field(None, "Released: tau = 100 in the chain space.")


class Plots(Section):
    """How figures are drawn (Section 8)."""

    bin_episodes: int = _field(50, "Episodes averaged into one point (Section 8).", ge=1)
    statistic: Literal["mean_sd", "iqm"] = _field(
        "mean_sd",
        "Curves show the mean and one standard deviation (Section 8), or the interquartile mean over seeds with its "
        "95 % stratified bootstrap interval.",
    )
    dpi: int = _field(200, "Resolution of the PNG files, dots an inch.", ge=50)


class Resources(Section):
    """What a job asks of the machine."""

    search_threads: int = _field(4, "CPU threads of a search; part of every stored record.", ge=1)
    data_threads: int = _field(4, "CPU threads of a decoding job.", ge=1)


class Config(Section):
    """One run of the workflow."""

    scale: str = _field("paper", "Name of the scale; every output shows it.")
    fidelity: Fidelity = _field("paper", "Follow the paper or the released code where they differ (Section 9).")
    deviations: Deviations = _field(Deviations(), "Single choices over `fidelity`.")
    seeds: tuple[Seed, ...] = _field((1024,), "Seeds of the policies and of random search (Section 5).", min_length=1)
    data: Data = _field(Data(), "Images.")
    early_stop: Recipe = _field(Recipe(), "Early-stop training of one network.")
    environment: Environment = _field(Environment(), "Chain environment.")
    meta_a2c: MetaA2C = _field(MetaA2C(), "Deep meta-RL.")
    dqn: DQN = _field(DQN(), "DQN.")
    exp1: Experiment1 = _field(Experiment1(), "Experiment 1.")
    exp2: Experiment2 = _field(Experiment2(), "Experiment 2.")
    exp3: Experiment3 = _field(Experiment3(), "Experiment 3.")
    appendix_a: AppendixA = _field(AppendixA(), "Appendix A.")
    plots: Plots = _field(Plots(), "Figures.")
    resources: Resources = _field(Resources(), "Jobs.")

    @model_validator(mode="after")
    def _archives_need_a_folder(self) -> "Config":
        if self.data.source == "archives" and not self.data.archives:
            raise ValueError(
                f"data.source is `archives`, so data.archives (or ${ARCHIVES_VARIABLE}) must name their folder"
            )
        return self

    def released(self, deviation: str) -> bool:
        """Whether this deviation (`D1`, ...) follows the released code rather than the paper (Section 9)."""
        return (getattr(self.deviations, deviation) or self.fidelity) == "released"

    def recipe(self, space: Space = "chain") -> Recipe:
        """The early-stop recipe of a space, D1 and D2 applied (Sections 4 and 9)."""
        changes: dict[str, Any] = {}
        if self.released("D1"):
            changes["decay_factor"] = 1.0
        if self.released("D2"):
            changes["frozen_norm"] = True
        if space == "multi_branch":
            changes["batch_size"] = self.exp3.batch_size
        return self.early_stop.model_copy(update=changes)

    def max_actions(self, space: Space = "chain") -> int:
        """Most actions of an episode, tau, D6 applied (Sections 4 and 9)."""
        if space == "multi_branch":
            return self.exp3.max_actions
        return 100 if self.released("D6") else self.environment.max_actions

    def long_recipe(self, repeat: int) -> LongRecipe:
        """The recipe of a long training, D2 and D5 applied; `repeat` is its seed (Sections 7 and 9)."""
        same = {name for name in LongRecipe.model_fields if name in Experiment2.model_fields}
        changes = self.exp2.model_dump(include=same)
        filters = 16 if self.released("D5") else self.exp2.first_filters
        return LongRecipe(**{**self.recipe().model_dump(), **changes, "filters": filters, "seed": repeat})

    def meta_settings(self, space: Space = "chain") -> MetaA2C:
        """Settings of deep meta-RL in a space: j differs (Section 5)."""
        changes = {"update_steps": self.exp3.update_steps} if space == "multi_branch" else {}
        return self.meta_a2c.model_copy(update=changes)

    def subset(self, *keys: str) -> str:
        """These keys (`seeds`, or `exp2.epochs`) as JSON: what a job's `params` hold and `load` reads back."""
        chosen: dict[str, Any] = {}
        for section, _, name in (key.partition(".") for key in keys):
            if name and chosen.get(section, set()) is not True:
                chosen.setdefault(section, set()).add(name)
            elif not name:
                chosen[section] = True
        return json.dumps(self.model_dump(mode="json", include=chosen), sort_keys=True)


def load(source: str | Path) -> Config:
    """Read a YAML file, or JSON text as made by `Config.subset`; missing keys take the paper's values.

    Raises `ConfigError`, which names the source, the key and the closest known key.
    """
    text = str(source)
    if text.lstrip().startswith("{"):
        return from_dict(_json(text), "the configuration")
    try:
        values = yaml.safe_load(Path(text).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{text}: cannot be read ({error.strerror}); give --config a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{text}: is not YAML: {error}") from error
    return from_dict({} if values is None else values, text)


def _json(text: str) -> dict[str, Any]:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--config: text that begins with {{ must be JSON ({error}), or name a YAML file") from error


def from_dict(values: dict[str, Any], name: str) -> Config:
    """Validate `values`; where $NASDMRL_ARCHIVES is set, the images come from that folder.

    Raises `ConfigError`, which begins with `name`.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{name}: expected keys with values, found {type(values).__name__}")
    try:
        return Config.model_validate(_with_archives(values))
    except ValidationError as error:
        raise ConfigError("\n".join(f"{name}: {_explain(item)}" for item in error.errors())) from error


def _with_archives(values: dict[str, Any]) -> dict[str, Any]:
    folder = os.environ.get(ARCHIVES_VARIABLE)
    data = values.get("data") or {}
    if not folder or not isinstance(data, dict):
        return values
    return {**values, "data": {**data, "source": "archives", "archives": str(Path(folder).resolve())}}


def _explain(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        return f"{key + ': ' if key else ''}{item['msg']} (found {item['input']!r})" if key else str(item["msg"])
    known = list(_section(item["loc"][:-1]).model_fields)
    close = difflib.get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0)
    return f"{key}: unknown key; did you mean `{close[0]}`? Known here: {', '.join(known)}"


def _section(path: tuple[Any, ...]) -> type[Section]:
    section: type[Section] = Config
    for name in path:
        section = section.model_fields[name].annotation  # type: ignore[assignment]
    return section
