"""What differs between two runs, in plain words."""

from collections.abc import Iterator

from nasdmrl.analysis.cells import number
from nasdmrl.report.archiving.contents import CLAIMS, CONFIG
from nasdmrl.report.comparison.sides import Side
from nasdmrl.report.comparison.tables import Joined
from nasdmrl.report.comparison.verdicts import Verdicts

NAMED, COLUMNS = 8, 3
"""How many settings are named, and how many columns of a table."""
Settings = list[tuple[str, str, str]]
"""Settings that differ: key, value in A, value in B."""
Tables = list[tuple[Joined, str]]
"""Tables of both runs, each with what is missing of it."""


def in_words(
    sides: tuple[Side, Side],
    settings: Settings,
    verdicts: list[Verdicts],
    tables: Tables,
) -> Iterator[tuple[str, str, str]]:
    """The list at the top: a heading, what differs, and the part of the page that shows it."""
    yield "Settings", _settings_in_words(sides, settings), "settings"
    yield from (("Run", text, "runs") for text in _stamps_in_words(*sides))
    yield "Hardware and software", _hardware_in_words(*sides), "hardware"
    yield "Evaluations", evaluations_in_words(*sides), "hardware"
    yield "Verdicts", _verdicts_in_words(sides, verdicts), "verdicts"
    yield "Tables", _tables_in_words(tables), "tables"
    gaps = [gap for _, gap in tables if gap]
    if gaps := gaps + list(_missing_logs(*sides)):
        yield "Missing", "; ".join(gaps) + ".", "tables"


def _settings_in_words(sides: tuple[Side, Side], settings: Settings) -> str:
    unknown = [side.name for side in sides if side.settings is None]
    if unknown:
        return (
            f"Unknown: {' and '.join(unknown)} has no readable {CONFIG}, which `snakemake all` writes with the report."
        )
    if not settings:
        return "Every setting is the same."
    named = ", ".join(f"{key} ({a} / {b})" for key, a, b in settings[:NAMED])
    more = f" and {len(settings) - NAMED} more" if len(settings) > NAMED else ""
    return f"{_counted(len(settings), 'setting differs', 'settings differ')}: {named}{more}."


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _stamps_in_words(a: Side, b: Side) -> Iterator[str]:
    for key in ("scale", "data", "commit"):
        first, second = (side.stamp.get(key, "unknown") for side in (a, b))
        if first != second:
            yield f"{key.capitalize()}: {first} / {second}."


def _missing_logs(a: Side, b: Side) -> Iterator[str]:
    for side, other in ((a, b), (b, a)):
        if lacking := [log for log in other.logs if log not in side.logs]:
            named = ", ".join(lacking[:NAMED]) + (f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else "")
            yield f"{side.name}: {_counted(len(lacking), 'step log', 'step logs')} that {other.name} has ({named})"


def _hardware_in_words(a: Side, b: Side) -> str:
    if not (a.hardware and b.hardware):
        return "Unknown: " + " and ".join(side.name for side in (a, b) if not side.hardware) + " has an empty store."
    only = [
        f"Only {side.name} has evaluations on {device}, threads {threads}, {versions}."
        for side, other in ((a, b), (b, a))
        for device, threads, versions in sorted(side.hardware.keys() - other.hardware.keys())
    ]
    return " ".join(only) or "The evaluations of both come from the same devices, threads and software versions."


def _verdicts_in_words(sides: tuple[Side, Side], verdicts: list[Verdicts]) -> str:
    lacking = [f"{side.name}: {gap}" for side in sides if (gap := side.table(CLAIMS)[1])]
    if lacking:
        return f"Missing: {'; '.join(lacking)}."
    differing = [f"{row.claim} ({' / '.join(row.verdicts)})" for row in verdicts if row.differ]
    if not differing:
        return f"All {len(verdicts)} verdicts are the same."
    return (
        f"{len(differing)} of {_counted(len(verdicts), 'verdict differs', 'verdicts differ')}: {', '.join(differing)}."
    )


def _tables_in_words(tables: Tables) -> str:
    whole = [table for table, gap in tables if not gap]
    times = [table.table.title for table in whole if table.differing and all(map(_is_time, table.differing))]
    other = [
        f"{table.table.title} ({_some(table.differing)})" for table in whole if not all(map(_is_time, table.differing))
    ]
    same = [table.table.title for table in whole if not table.differing]
    parts = {"Other values": "; ".join(other), "Only times differ": ", ".join(times), "Equal": ", ".join(same)}
    return " ".join(f"{head}: {names}." for head, names in parts.items() if names) or "Neither run has the same table."


def _is_time(label: str) -> bool:
    return "time" in label.lower()


def _some(labels: list[str]) -> str:
    """The first columns that differ, those of results before times."""
    labels = sorted(labels, key=_is_time)
    more = f" and {len(labels) - COLUMNS} more" if len(labels) > COLUMNS else ""
    return ", ".join(labels[:COLUMNS]) + more


def evaluations_in_words(a: Side, b: Side) -> str:
    """What the two stores have in common, in words."""
    ours, theirs = ({record["key"]: record for record in side.store} for side in (a, b))
    both = [(ours[key], theirs[key]) for key in ours.keys() & theirs.keys()]
    apart = [abs(x["accuracy"] - y["accuracy"]) for x, y in both]
    count = sum(difference > 0 for difference in apart)
    if not both:
        return "The stores have no evaluation of the same network, images and recipe in common."
    told = f"{number(len(both))} evaluations of the same network, images and recipe are in both stores"
    if not count:
        return f"{told}, all with the same accuracy."
    most = f"{100 * max(apart):.2f} percentage points"
    return f"{told}; {number(count)} of them with another accuracy, by {most} at most."
