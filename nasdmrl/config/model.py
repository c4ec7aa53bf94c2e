"""The configuration: one model for defaults, documentation, validation and the JSON schema.

Every default is the paper's value (Sections 4, 5 and 7), so `config/paper.yaml` spells the defaults out and the
smaller scales name only what they change.
"""

import difflib
import json
import os
from collections import Counter
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import ValidationError, model_validator

from nasdmrl.config.scales import read_values, with_scale
from nasdmrl.config.sections import (
    DQN,
    AppendixA,
    Data,
    Deviations,
    Environment,
    Experiment1,
    Experiment2,
    Experiment3,
    Fidelity,
    LongRecipe,
    MetaA2C,
    Plots,
    Prewarm,
    Recipe,
    Resources,
    Section,
    Seed,
    Space,
    field,
)
from nasdmrl.data.catalogue import LISTED_OWN, SOURCES
from nasdmrl.errors import ConfigError
from nasdmrl.paper.experiments import SEARCHES, Search, appendix_a_search, exp2_searches, with_sigmas

ARCHIVES_VARIABLE = "NASDMRL_ARCHIVES"
PARTIAL = "partial"
"""Marks the text that `Config.subset` makes."""

LONG_FIELDS = [name for name in LongRecipe.model_fields if name in Experiment2.model_fields]
"""What a long training has of its own (`exp2`), in place of the early stop's."""
KEPT_FIELDS = [name for name in Recipe.model_fields if name not in (*LONG_FIELDS, "seed", "filters", "decay_epochs")]
"""What a long training shares with the early stop (`early_stop`)."""


class Config(Section):
    """One run of the workflow."""

    scale: str = field("paper", "Name of the scale; every output shows it.")
    fidelity: Fidelity = field("paper", "Follow the paper or the released code where they differ (Section 9).")
    deviations: Deviations = field(Deviations(), "Single choices over `fidelity`.")
    seeds: tuple[Seed, ...] = field((1024,), "Seeds of the policies and of random search (Section 5).", min_length=1)
    data: Data = field(Data(), "Images.")
    early_stop: Recipe = field(Recipe(), "Early-stop training of one network.")
    environment: Environment = field(Environment(), "Chain environment.")
    meta_a2c: MetaA2C = field(MetaA2C(), "Deep meta-RL.")
    dqn: DQN = field(DQN(), "DQN.")
    exp1: Experiment1 = field(Experiment1(), "Experiment 1.")
    exp2: Experiment2 = field(Experiment2(), "Experiment 2.")
    exp3: Experiment3 = field(Experiment3(), "Experiment 3.")
    appendix_a: AppendixA = field(AppendixA(), "Appendix A.")
    plots: Plots = field(Plots(), "Figures.")
    prewarm: Prewarm = field(Prewarm(), "Evaluations made in parallel before the searches.")
    resources: Resources = field(Resources(), "Jobs.")

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
        # The key of an evaluation holds what differs from the defaults: a value that was not passed must raise here.
        dict(self.early_stop)
        changes: dict[str, Any] = {}
        if self.released("D1"):
            changes["decay_factor"] = 1.0
        if self.released("D2"):
            changes["frozen_norm"] = True
        if space == "multi_branch":
            changes["batch_size"] = self.exp3.batch_size
        return self.early_stop.model_copy(update=changes)

    def max_layers(self, space: Space = "chain") -> int:
        """Most layers of a network, d (Section 1)."""
        return self.exp3.max_layers if space == "multi_branch" else self.environment.max_layers

    def max_actions(self, space: Space = "chain") -> int:
        """Most actions of an episode, tau, D6 applied (Sections 4 and 9)."""
        if space == "multi_branch":
            return self.exp3.max_actions
        return 100 if self.released("D6") else self.environment.max_actions

    @property
    def own_datasets(self) -> list[str]:
        """Datasets that the paper has not: those listed in `data/catalogue.py`, and the folders in `data.own`."""
        return [*LISTED_OWN, *self.data.own]

    def searches(self, experiment: str | None = None) -> list[Search]:
        """The searches of a run, or of one experiment of it, with their lengths here: the paper's, and those of
        `own_datasets`.

        Agents that the paper has not are in `agents.registry.searches`.

        Appendix A leaves traffic_sign out where it may be missing and is (`appendix_a.traffic_sign`).
        """
        own = [search for name in self.own_datasets for search in (*exp2_searches(name), appendix_a_search(name))]
        chosen = [search for search in (*SEARCHES, *own) if experiment in (None, search.experiment)]
        if experiment in (None, "exp3"):
            chosen = with_sigmas(chosen, self.exp3.sigmas)
        kept = [search for search in chosen if not (search.optional and self._lacks(search.dataset))]
        return [replace(search, steps=self._value(search.key)) for search in kept]

    def _value(self, key: str) -> Any:
        return reduce(getattr, key.split("."), self)

    def _lacks(self, dataset: str) -> bool:
        """Whether a dataset that a run may do without is left out."""
        choice, data = self.appendix_a.traffic_sign, self.data
        missing = data.source == "archives" and bool(SOURCES[dataset].missing_from(data.archives))
        return choice == "skip" or (choice == "optional" and missing)

    def long_recipe(self, repeat: int) -> LongRecipe:
        """The recipe of a long training, D2 and D5 applied; `repeat` is its seed (Sections 7 and 9)."""
        changes = {name: getattr(self.exp2, name) for name in LONG_FIELDS}
        kept = {name: getattr(self.early_stop, name) for name in KEPT_FIELDS}
        filters = 16 if self.released("D5") else self.exp2.first_filters
        frozen = self.released("D2") or self.early_stop.frozen_norm
        return LongRecipe(**{**kept, **changes, "frozen_norm": frozen, "filters": filters, "seed": repeat})

    def meta_settings(self, space: Space = "chain") -> MetaA2C:
        """Settings of deep meta-RL in a space: j differs (Section 5)."""
        changes = {"update_steps": self.exp3.update_steps} if space == "multi_branch" else {}
        return self.meta_a2c.model_copy(update=changes)

    def subset(self, *keys: str) -> str:
        """These keys (`seeds`, or `exp2.epochs`) as JSON: what a job's `params` hold and `load` reads back.

        Whatever else a job reads of it raises `ConfigError`. `data.own` is empty there, and its datasets' limits are
        left out: a custom dataset reaches a job as a path, so that a further one makes no job run again.
        """
        chosen: dict[str, Any] = {}
        for section, _, name in (key.partition(".") for key in keys):
            if name and chosen.get(section, set()) is not True:
                chosen.setdefault(section, set()).add(name)
            elif not name:
                chosen[section] = True
        exclude = {"data": {"limits": set(self.data.own)}}
        values = self.model_dump(mode="json", include=chosen, exclude=exclude)
        if "own" in values.get("data", {}):
            values["data"]["own"] = {}
        return json.dumps({**values, PARTIAL: True}, sort_keys=True)

    def of_data(self, dataset: str) -> str:
        """What the decoding of one dataset depends on, as `subset` writes it: other datasets' limits are not in it."""
        return self.model_copy(update={"data": self.data.of(dataset)}).subset("data")


def load(source: str | Path) -> Config:
    """Read a YAML file, or JSON text.

    Missing keys take the values of the scale (see `with_scale`), which are the paper's but for the small scales. In
    text that `Config.subset` made, they were not passed, and raise `ConfigError` when they are read.
    Raises `ConfigError`, which names the source, the key and the closest known key.
    """
    text = str(source)
    typed = text.lstrip().startswith("{")
    values, name = (_json(text), "the configuration") if typed else (read_values(text), text)
    if typed and values.pop(PARTIAL, False):
        return _only_passed(_validated(values, name), values)
    if not values.keys() >= Config.model_fields.keys():  # a whole one, as the report keeps it, is what it says
        values = with_scale(values, None if typed else Path(text))
    return from_dict(values, name)


def _json(text: str) -> dict[str, Any]:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except ValueError as error:
        raise ConfigError(f"--config: text that begins with {{ must be JSON ({error}), or name a YAML file") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises `ValueError` for a key that is given twice, of which `json` keeps the last."""
    for key, times in Counter(key for key, _ in pairs).items():
        if times > 1:
            raise ValueError(f"the key `{key}` is given twice")
    return dict(pairs)


def _only_passed(config: Config, values: dict[str, Any]) -> Config:
    """The configuration without the defaults of what was not passed (see `Section.__getattr__`)."""
    for name in Config.model_fields:
        section = getattr(config, name)
        if name not in values:
            del config.__dict__[name]
        elif isinstance(section, Section):
            for key in type(section).model_fields.keys() - values[name].keys():
                del section.__dict__[key]
    return config


def from_dict(values: dict[str, Any], name: str) -> Config:
    """Validate `values`; where $NASDMRL_ARCHIVES is set, the images come from that folder.

    Missing keys take the paper's values. Raises `ConfigError`, which begins with `name`.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{name}: expected keys with values, found {type(values).__name__}; see config/quick.yaml")
    return _validated(_with_archives(values), name)


def _with_archives(values: dict[str, Any]) -> dict[str, Any]:
    folder = os.environ.get(ARCHIVES_VARIABLE)
    data = values.get("data") or {}
    if not folder or not isinstance(data, dict):
        return values
    return {**values, "data": {**data, "source": "archives", "archives": str(Path(folder).resolve())}}


def _validated(values: dict[str, Any], name: str) -> Config:
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{name}: {_explain(item)}" for item in error.errors())) from error


def _explain(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        return f"{key + ': ' if key else ''}{item['msg']} (found {item['input']!r})" if key else str(item["msg"])
    known = list(_section(item["loc"][:-1]).model_fields)
    close = difflib.get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0)
    return f"{key}: unknown key; did you mean `{close[0]}`? Known here: {', '.join(known)}"


def _section(path: tuple[Any, ...]) -> type[Section]:
    section: Any = Config
    for name in path:
        # Below a mapping of names to sections (`data.limits`) comes a name, whatever it is.
        section = get_args(section)[1] if get_origin(section) is dict else section.model_fields[name].annotation
    return section


for name, info in Config.model_fields.items():
    if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
        info.annotation.key = name
