"""The forecast as text for a terminal."""

from typing import Any

from tabulate import tabulate

from nasdmrl.preflight.planning.forecast import paper_gpu_hours
from nasdmrl.progress import clock

BUSY = 0.5
"""Load average from which a machine is not idle."""


def page(figures: dict[str, Any]) -> str:
    """The forecast's tables and totals, from what `forecast.summary` gives with `scale` and `disk_bytes`."""
    parts = [_rules(figures), _totals(figures), _chain(figures), _disk(figures["disk_bytes"])]
    parts += [_measured(figures["cost_model"]), "\n".join(figures["assumptions"])]
    return "\n\n".join(parts)


def _time(hours: float) -> str:
    return clock(hours * 3600)


def _rules(figures: dict[str, Any]) -> str:
    rows = [[row["rule"], row["jobs"], row["evaluations"], _time(row["hours"]), row["on"]] for row in figures["rules"]]
    rows.append(["total", figures["jobs"], figures["evaluations"], _time(figures["hours"]), ""])
    heads = ["rule", "jobs", "trainings", "h:mm:ss", "on"]
    return tabulate(rows, heads, disable_numparse=True, colalign=("left", "right", "right", "right", "left"))


def _totals(figures: dict[str, Any]) -> str:
    hours, gpu = figures["hours"], figures["gpu_hours"]
    on_gpus = f"{gpu:,.2f} of them on GPUs ({gpu / 24:,.2f} GPU-days)" if gpu else "none on a GPU"
    lines = [f"Scale {figures['scale']}: {hours:,.2f} hours of jobs, {on_gpus}."]
    if figures["scale"] == "paper":
        lines.append(f"The paper's searches took {paper_gpu_hours() / 24:.0f} GPU-days on one K40m.")
    if figures["gpus_not_probed"]:
        lines.append("These are hours of the CPU that was measured, not of GPUs: call plan in a job that has one.")
    lines.append(f"Wall time with {figures['parallel']}: {_time(figures['wall_hours'])}.")
    return "\n".join(lines)


def _chain(figures: dict[str, Any]) -> str:
    chain = figures["critical_path"]
    jobs = "\n".join(f"  {_time(job['hours']):>10}  {job['name']}" for job in chain["jobs"])
    return f"The longest chain, which no number of machines makes shorter: {_time(chain['hours'])}\n{jobs}"


def _disk(needs: dict[str, int]) -> str:
    kinds = ", ".join(f"{kind} {_bytes(size)}" for kind, size in needs.items())
    return f"Disk for a whole run: {_bytes(sum(needs.values()))} ({kinds})."


def _bytes(size: float) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _measured(model: dict[str, Any]) -> str:
    how = f"{model['workers']} at once with {model['threads']} threads each"
    lines = [
        f"Measured on this {model['device']} in {model['probe_seconds']:.0f} s: {model['measured']} trainings, "
        f"{how}. A job starts in {model['start_seconds']:.1f} s."
    ]
    if model["median_error"] is not None:
        lines.append(
            f"Error of a training's forecast, each left out of the fit in turn: {model['median_error']:.0%} (median), "
            f"{model['error_of_90_percent']:.0%} (90 % are below)."
        )
    if (model["load_average"] or 0) > BUSY:
        lines.append(f"The load was {model['load_average']:.1f} before: what else runs here makes the forecast longer.")
    return "\n".join(lines)
