"""The one place of colours, markers, hatches and printed names in figures and tables."""

import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from nasdmrl.agents.registry import AGENTS
from nasdmrl.data.catalogue import SOURCES

FIGURE_RC = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "hatch.linewidth": 0.6,
    "legend.columnspacing": 1.2,
    "legend.fontsize": "small",
    "legend.frameon": False,
    "pdf.fonttype": 42,
}
"""Matplotlib's settings while a figure is drawn and saved."""

METRICS = {
    "best_reward": "Best reward of an episode",
    "length": "Episode length (steps)",
    "accumulated_reward": "Accumulated reward of an episode",
}
"""Per-episode measures of Figures 9, 12 and 14, with their axis labels."""
_SIGMA = "sigma"


@dataclass(frozen=True)
class Style:
    """How one series looks: its colour, and marker and hatch that tell it apart in grey print."""

    color: str
    marker: str = "o"
    hatch: str = ""


# Okabe and Ito's colours, told apart by colour-blind readers. Their yellow is too pale for lines on white.
_FIXED = {
    "meta_a2c": Style("#0072B2", "o", ""),
    "dqn": Style("#D55E00", "s", "////"),
    "random_search": Style("#009E73", "^", "...."),
    "sigma0.0": Style("#0072B2", "o", ""),
    "sigma0.1": Style("#E69F00", "s", "////"),
    "omniglot": Style("#0072B2", "o", ""),
    "vgg_flower": Style("#D55E00", "s", "////"),
    "dtd": Style("#009E73", "^", "...."),
    "aircraft": Style("#E69F00", "D", "\\\\\\\\"),
    "cu_birds": Style("#56B4E9", "v", "xxxx"),
    "traffic_sign": Style("#CC79A7", "P", "----"),
}
_FREE_COLORS = ("#E69F00", "#56B4E9", "#CC79A7", "#000000")
_FREE_MARKERS = "DvPX*<>"
_FREE_HATCHES = ("\\\\\\\\", "xxxx", "----", "++++", "oo", "||||", "**")
# Four colours and seven markers have no common divisor, so these are all their 28 pairs.
_FREE = tuple(
    Style(_FREE_COLORS[i % 4], _FREE_MARKERS[i % 7], _FREE_HATCHES[i % 7])
    for i in range(len(_FREE_COLORS) * len(_FREE_MARKERS))
)


def styles_of(names: Iterable[str]) -> dict[str, Style]:
    """A style for each method, each sigma (`sigma0.1`) or each dataset of one chart, no two alike (up to 28 new names).

    Methods, sigmas and datasets share colours, since the series of a chart are of one kind. Names of the paper have
    always the same style. Any other, such as a user's agent, has one that follows from its name; only where it would
    look like another series of the chart does it take the next one.
    """
    names = list(dict.fromkeys(names))
    chosen = {name: _FIXED[name] for name in names if name in _FIXED}
    for name in sorted(set(names) - chosen.keys()):
        chosen[name] = _free_style(name, chosen.values())
    return {name: chosen[name] for name in names}


def _free_style(name: str, taken: Iterable[Style]) -> Style:
    """The first style, counted from the name's own, whose pair is free and whose colour is least used."""
    taken = set(taken)
    uses = Counter(style.color for style in taken)
    start = zlib.crc32(name.encode())  # unlike hash(), the same in every process
    candidates = [_FREE[(start + i) % len(_FREE)] for i in range(len(_FREE))]
    return min(candidates, key=lambda style: (style in taken, uses[style.color]))


def style_of(name: str) -> Style:
    """The style of a method, sigma (`sigma0.1`) or dataset; any other name has one too."""
    return styles_of([name])[name]


def name_of(name: str) -> str:
    """Printed name of a method, sigma (`σ = 0.1`) or dataset; any other name is printed as it is."""
    if name in AGENTS:
        return AGENTS[name].title
    if name in SOURCES:
        return SOURCES[name].facts.title
    sigma = sigma_of(name)
    return name if sigma is None else f"σ = {sigma}"


def sigma_of(method: str) -> float | None:
    """The factor of a shifting action's reward that a method of Exp. 3 names (`sigma0.1`), else None."""
    try:
        return float(method.removeprefix(_SIGMA)) if method.startswith(_SIGMA) else None
    except ValueError:
        return None


def in_order(names: Iterable[str]) -> list[str]:
    """Distinct names in the order of legends: the paper's methods, datasets, sigmas by value, then the others."""
    known = [*AGENTS, *SOURCES]
    groups = {name: (0, known.index(name), name) for name in known}

    def place(name: str) -> tuple[int, float, str]:
        sigma = sigma_of(name)
        return groups.get(name, (2, 0, name) if sigma is None else (1, sigma, name))

    return sorted(set(names), key=place)
