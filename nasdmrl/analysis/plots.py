"""All figures of the searches (Section 8) in one place: pure functions from tables to figures, and `save`."""

from nasdmrl.analysis.bars import action_panel, hardness_bars, hardness_box
from nasdmrl.analysis.curves import curve_panel, entropy_chain, entropy_panel
from nasdmrl.analysis.panels import save

__all__ = [
    "action_panel",
    "curve_panel",
    "entropy_chain",
    "entropy_panel",
    "hardness_bars",
    "hardness_box",
    "save",
]
