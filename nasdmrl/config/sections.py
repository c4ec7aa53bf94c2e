"""The sections of the configuration: each key with its default, the value of the paper, and its meaning."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, ValidationInfo, field_validator

from nasdmrl.data.catalogue import check_known, check_own_name
from nasdmrl.errors import ConfigError

Fidelity = Literal["paper", "released"]
Space = Literal["chain", "multi_branch"]


Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""What NumPy takes as a seed."""
SmallSeed = Annotated[int, Field(ge=0, le=10**6)]
"""A seed from which those of a network's layers are made (see `networks`)."""


class Section(BaseModel):
    """A part of the configuration; refuses unknown keys and cannot be changed once made.

    key: its place in the configuration, such as `early_stop`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: ClassVar[str] = ""

    if not TYPE_CHECKING:  # to a type checker, every name would be an attribute

        def __getattr__(self, name: str) -> Any:
            """Called for what is not there, so reading what is there costs nothing."""
            if name in type(self).model_fields:
                key = f"{self.key}.{name}".removeprefix(".")
                raise ConfigError(f"{key}: was not passed to this job; name it in the `params` of its rule")
            return super().__getattr__(name)

    def __iter__(self) -> Generator[tuple[str, Any], None, None]:
        """All keys with their values. Raises `ConfigError` where one was not passed."""
        yield from ((name, getattr(self, name)) for name in type(self).model_fields)


def field(default: Any, text: str, **limits: Any) -> Any:
    """A key: its default and meaning, and the limits of its values."""
    return Field(default, description=text, **limits)


class Limits(Section):
    """How much of one dataset is used; what is null follows `data`'s key of the same name."""

    classes: int | None = field(None, "Use at most this many classes of this dataset.", ge=2)
    images_per_class: int | None = field(None, "Use at most this many images of a class of it.", ge=3)


class Data(Section):
    """Where the images come from and how they are decoded (Section 6)."""

    source: Literal["standin", "archives", "download"] = field(
        "download",
        "Origin of the official archives: drawn stand-ins, a folder of yours, or the official addresses.",
    )
    archives: str = field("", "Folder with the official archives; used by source `archives`.")
    image_size: int = field(84, "Height and width of a decoded image, pixels (Section 6).", ge=8)
    antialias: bool = field(
        False,
        "Average over the pixels that a smaller image merges; if false, bilinear with aligned corners, as the authors' "
        "handler (Section 6).",
    )
    classes: int | None = field(None, "Use at most this many classes of each dataset; all if null.", ge=2)
    images_per_class: int | None = field(None, "Use at most this many images of a class; all if null.", ge=3)
    limit_seed: Seed = field(32, "Seed of the choice that the limits make.")
    require_official_counts: bool = field(
        True, "Fail where classes and images differ from Table 3; false allows subsets of the archives."
    )
    own: dict[str, str] = field(
        {},
        "Datasets of yours by name, each a folder of class folders (`FOLDER/CLASS/*.jpg` or `.png`); they join Exp. 2a "
        "and Appendix A (docs/extending.md).",
    )
    limits: dict[str, Limits] = field(
        {},
        "Limits of single datasets, in place of `classes` and `images_per_class`, such as "
        "`{omniglot: {classes: 60, images_per_class: 20}}`.",
    )

    @field_validator("own")
    @classmethod
    def _names_are_free(cls, own: dict[str, str]) -> dict[str, str]:
        for name in own:
            check_own_name(name)
        return own

    @field_validator("limits")
    @classmethod
    def _limits_are_of_datasets(cls, limits: dict[str, Limits], info: ValidationInfo) -> dict[str, Limits]:
        for name in limits:
            check_known(name, info.data.get("own", {}))
        return limits

    def of(self, dataset: str) -> "Data":
        """These keys as they hold for one dataset: its own limits in place of the general ones, and none of others."""
        own = self.limits.get(dataset, Limits()).model_dump(exclude_none=True)
        return self.model_copy(update={**own, "limits": {}})


class Recipe(Section):
    """How one network is trained and scored early (Section 4).

    The key of a stored evaluation holds what differs from these defaults (see `store.recipe_digest`): a new key whose
    default leaves training as it was keeps stored evaluations valid, and another default needs a new
    `training.TRAINING_FORMAT`.
    """

    seed: SmallSeed = field(0, "Seed of weights, order of images and dropout.")
    test_fraction: float = field(
        0.33, "Share of the images that test; floor(n x (1 - test_fraction)) train (Section 4).", gt=0, lt=1
    )
    split_seed: Seed = field(32, "Seed of the split into training and test images (Section 4).")
    epochs: int = field(12, "Epochs, each of ceil(n / batch_size) steps for n training images (Section 4).", ge=1)
    batch_size: int = field(128, "Images a step; the multi-branch space has its own (Section 4).", ge=1)
    learning_rate: float = field(0.001, "Adam's first learning rate (Section 4).", gt=0)
    decay_factor: float = field(
        0.2,
        "The learning rate is multiplied by this every `decay_epochs` epochs (Section 4; D1).",
        gt=0,
        le=1,
    )
    decay_epochs: int = field(5, "Epochs between two decays of the learning rate (Section 4).", ge=1)
    beta1: float = field(0.9, "Adam's decay of the first moment (Section 4).", ge=0, lt=1)
    beta2: float = field(0.999, "Adam's decay of the second moment (Section 4).", ge=0, lt=1)
    epsilon: float = field(1e-7, "Adam's small constant (Section 4).", gt=0)
    filters: int = field(32, "Filters of every convolution (Section 1).", ge=1)
    dense_units: int = field(1024, "Units of the prediction module's dense layer (Section 1).", ge=1)
    dropout: float = field(0.4, "Dropout rate in the prediction module (Section 1).", ge=0, lt=1)
    norm_momentum: float = field(
        0.99,
        "Momentum of batch normalisation's moving statistics: about 1 / (1 - momentum) steps to settle, "
        "so short trainings need less than Keras's 0.99.",
        ge=0,
        lt=1,
    )
    norm_epsilon: float = field(0.001, "Batch normalisation's small constant (Keras's default).", gt=0)
    frozen_norm: bool = field(
        False, "Batch normalisation keeps its first statistics, in training too (D2; set by the fidelity)."
    )

    precision: Literal["float32", "tf32", "bfloat16"] = field(
        "float32",
        "Type of maps and products in training and scoring; weights and the optimiser are float32. tf32 lets Ampere "
        "and newer GPUs round the factors of products to 10 bits of mantissa; elsewhere it is float32.",
    )
    xla: bool = field(False, "Compile a training step by XLA.")

    def filters_of(self, convolution: int) -> int:
        """Filters of the first, second, ... convolution: the same for all (Section 1)."""
        return self.filters


class LongRecipe(Recipe):
    """How the best networks are trained long (Exp. 2b, Section 7); `filters` is the first convolution's number."""

    decay_steps: int = field(100, "Steps in which the learning rate falls by `decay_factor` (Section 7).", ge=1)
    vgg_filters: int = field(64, "Filters in the first block of the VGG19 cut (Section 7).", ge=1)

    def filters_of(self, convolution: int) -> int:
        """Filters of the first, second, ... convolution: twice as many as the one before (Section 7; D5)."""
        return self.filters * 2 ** (convolution - 1)


class Environment(Section):
    """The chain-structured environment (Sections 1 and 4)."""

    max_layers: int = field(10, "Most layers of a chain network, d (Section 1).", ge=1)
    max_actions: int = field(10, "Most actions of an episode, tau (Section 4; D6).", ge=1)
    reward: Literal["accuracy", "blockqnn"] = field(
        "accuracy", "Early-stop accuracy, or accuracy - mu log FLOPs - rho log density (Section 4)."
    )
    mu: float = field(0.5, "Weight of log FLOPs in the BlockQNN reward, percentage points (Section 4).", ge=0)
    rho: float = field(8.0, "Weight of log density in the BlockQNN reward, percentage points (Section 4).", ge=0)


class MetaA2C(Section):
    """Deep meta-RL: an advantage actor-critic with memory (Section 5)."""

    lstm_units: int = field(128, "Units of the LSTM (Section 5).", ge=1)
    update_steps: int = field(5, "Steps between two updates, j, in the chain space (Section 5).", ge=1)
    discount: float = field(0.9, "Discount of future rewards, gamma (Section 5).", ge=0, le=1)
    entropy_weight: float = field(0.01, "Weight of the policy's entropy in the loss (Section 5).", ge=0)
    value_weight: float = field(0.5, "Weight of the value loss (Section 5).", ge=0)
    max_gradient_norm: float = field(0.5, "Gradients are clipped to this global norm (Section 5).", gt=0)
    learning_rate: float = field(0.001, "RMSProp's learning rate, constant (Section 5).", gt=0)
    rmsprop_decay: float = field(0.99, "RMSProp's decay (Section 5).", ge=0, lt=1)
    rmsprop_epsilon: float = field(1e-5, "RMSProp's small constant (Section 5).", gt=0)
    rmsprop_initial: float = field(
        1.0,
        "First mean square of RMSProp, on the first dataset of a chain: 1 in TensorFlow 1, which the original used "
        "(steps start small, and grow over some hundred updates), 0 elsewhere (Section 5).",
        ge=0,
    )
    restart_rmsprop: bool = field(
        False,
        "Start the mean squares at `rmsprop_initial` on every dataset of a chain, a control; false passes them on with "
        "the weights (Section 5).",
    )


class DQN(Section):
    """Deep Q-learning with experience replay, the baseline (Section 5)."""

    hidden_units: int = field(64, "Units of each of the trunk's layers (Section 5).", ge=1)
    hidden_layers: int = field(2, "Number of the trunk's tanh layers (Section 5).", ge=1)
    dueling: bool = field(
        True,
        "Two streams on the trunk, action values and state value, joined; false leaves the stream of action values "
        "alone (Section 5).",
    )
    dueling_units: int = field(256, "Units of the ReLU layer of each stream (Section 5).", ge=1)
    learning_rate: float = field(0.0005, "Adam's learning rate (Section 5; D8).", gt=0)
    buffer_fraction: float = field(0.5, "Replay buffer as a share of t_max (Section 5).", gt=0, le=1)
    batch_size: int = field(20, "Transitions a step (Section 5).", ge=1)
    epsilon_first: float = field(1.0, "First exploration rate (Section 5).", ge=0, le=1)
    epsilon_last: float = field(0.1, "Exploration rate at the end of the trial (Section 5).", ge=0, le=1)
    discount: float = field(1.0, "Discount of future rewards, gamma (Section 5).", ge=0, le=1)
    learning_starts: int = field(
        1000, "Updates and copies to the target network begin after step t, counted from 0 (Section 5).", ge=0
    )
    train_every: int = field(1, "An update at every step t, from 0, that this divides (Section 5).", ge=1)
    target_every: int = field(
        100, "A copy to the target network at every step t, from 0, that this divides (Section 5).", ge=1
    )
    max_gradient_norm: float = field(10.0, "The gradient of each variable is clipped to this norm (Section 5).", gt=0)


class TrainingTrials(Section):
    """Length of the trial on each training dataset, environment steps."""

    omniglot: int = field(6500, "t_max on omniglot, steps (Section 7).", ge=1)
    vgg_flower: int = field(5500, "t_max on vgg_flower, steps (Section 7).", ge=1)
    dtd: int = field(7000, "t_max on dtd, steps (Section 7).", ge=1)


_META_TRIALS = TrainingTrials(omniglot=8000, vgg_flower=7000, dtd=7000)


class Experiment1(Section):
    """Exp. 1: learning to design chain-structured networks (Section 7)."""

    meta_a2c: TrainingTrials = field(_META_TRIALS, "Trials of deep meta-RL (Section 7).")
    dqn: TrainingTrials = field(TrainingTrials(), "Trials of DQN (Section 7).")
    random_search: TrainingTrials = field(TrainingTrials(), "Trials of random search (Section 7).")


class Experiment2(Section):
    """Exp. 2: the fixed policy on unseen datasets, and its best networks trained long (Section 7)."""

    evaluation_steps: int = field(2000, "t_max on each evaluation dataset, steps (Section 7).", ge=1)
    epochs: int = field(100, "Epochs of a long training (Section 7).", ge=1)
    repeats: int = field(5, "Long trainings of each network, seeds 0, 1, ... (Section 7).", ge=1)
    first_filters: int = field(
        32, "Convolution i of a widened network has first_filters x 2^(i-1) filters (Section 7; D5).", ge=1
    )
    dense_units: int = field(4096, "Units of the first dense layer, and of both of the VGG19 cut (Section 7).", ge=1)
    vgg_filters: int = field(64, "Filters in the first block of the VGG19 cut; twice as many in the second.", ge=1)
    learning_rate: float = field(0.001, "First learning rate (Section 7).", gt=0)
    decay_factor: float = field(0.9, "Learning rate x decay_factor^(step / decay_steps) (Section 7).", gt=0, le=1)
    decay_steps: int = field(100, "Steps in which the learning rate falls by the factor (Section 7).", ge=1)


class Experiment3(Section):
    """Exp. 3: the multi-branch space on omniglot (Section 7)."""

    sigmas: tuple[NonNegativeFloat, ...] = field((0.0, 0.1), "Factors of a shifting action's reward (Section 7).")
    steps: int = field(20000, "t_max, steps (Section 7).", ge=1)
    max_layers: int = field(10, "Most layers of a network, d (Section 1).", ge=1)
    max_actions: int = field(20, "Most actions of an episode, tau (Section 7).", ge=1)
    update_steps: int = field(10, "Steps between two updates, j (Section 5).", ge=1)
    batch_size: int = field(64, "Images a step of the early-stop training (Section 4).", ge=1)


class AppendixA(Section):
    """Appendix A: how hard the six datasets are (Section 7)."""

    steps: int = field(200, "t_max on each dataset, steps (Section 7).", ge=1)
    traffic_sign: Literal["required", "optional", "skip"] = field(
        "required",
        "Fail where the traffic-sign archive is missing; leave a named gap where it is missing in a folder of "
        "archives (`optional`); or leave the gap in any case (`skip`).",
    )


class Deviations(Section):
    """Single choices between paper and released code, over `fidelity`; null follows it (Section 9)."""

    D1: Fidelity | None = field(None, "Released: the learning rate never decays.")
    D2: Fidelity | None = field(None, "Released: batch normalisation uses its first statistics in training.")
    D3: Fidelity | None = field(None, "Released: the LSTM's state is set to zero at the end of every episode.")
    D4: Fidelity | None = field(
        None,
        "Released: in the update, the previous reward is the discounted return, the step counter that after the step, "
        "and the advantage the return less the value predicted when acting.",
    )
    D5: Fidelity | None = field(None, "Released: widened networks start with 16 filters.")
    D6: Fidelity | None = field(None, "Released: tau = 100 in the chain space.")
    D10: Fidelity | None = field(None, "Released: the first previous action of a trial is action 0, not a drawn one.")


class Plots(Section):
    """How figures are drawn (Section 8)."""

    bin_episodes: int = field(50, "Episodes averaged into one point (Section 8).", ge=1)
    statistic: Literal["mean_sd", "iqm"] = field(
        "mean_sd",
        "Curves show the mean and one standard deviation (Section 8), or the interquartile mean over seeds with its "
        "95 % stratified bootstrap interval.",
    )
    dpi: int = field(200, "Resolution of the PNG files, dots an inch.", ge=50)


class Resources(Section):
    """What a job asks of the machine."""

    search_threads: int = field(4, "CPU threads of a search; part of every stored record.", ge=1)
    data_threads: int = field(4, "CPU threads of a decoding job.", ge=1)


class Prewarm(Section):
    """Evaluations made in parallel before the searches, which then look them up (not in the paper)."""

    depth: int | None = field(
        3, "Evaluate all valid chain networks of at most this many layers; none if null.", ge=0, le=10
    )
    random_search: bool = field(True, "Evaluate the networks that random search will meet, known from its seed.")
    tasks: int = field(16, "Jobs for each dataset that share the work.", ge=1)

    @property
    def on(self) -> bool:
        """Whether there is anything to evaluate beforehand."""
        return self.depth is not None or self.random_search
