"""Verdicts of two runs on the paper's claims, side by side."""

from typing import NamedTuple

from nasdmrl.analysis.claims import CLAIMS as KNOWN_CLAIMS
from nasdmrl.analysis.claims import NOT_RUN
from nasdmrl.report.archiving.contents import CLAIMS
from nasdmrl.report.comparison.sides import Side
from nasdmrl.report.page import PART_END


class Verdicts(NamedTuple):
    """A claim's verdicts in A and B, and what each has measured, part by part."""

    claim: str
    statement: str
    verdicts: tuple[str, str]
    measured: tuple[list[str], list[str]]

    @property
    def differ(self) -> bool:
        """Whether the verdicts are not the same word."""
        return self.verdicts[0] != self.verdicts[1]


def verdicts(a: Side, b: Side) -> list[Verdicts]:
    """The claims that either run has a verdict on; none where neither has any."""
    rows = [{row["claim"]: row for row in side.table(CLAIMS)[0].fillna("").to_dict("records")} for side in (a, b)]
    if not any(rows):
        return []
    names = dict.fromkeys([*(claim.id for claim in KNOWN_CLAIMS), *rows[0], *rows[1]])
    return [
        _verdict(name, *(side.get(name, {}) for side in rows)) for name in names if name in rows[0] or name in rows[1]
    ]


def _verdict(name: str, first: dict[str, str], second: dict[str, str]) -> Verdicts:
    words = tuple(row.get("verdict", NOT_RUN) for row in (first, second))
    parts = tuple(PART_END.split(row.get("measured", "nothing")) for row in (first, second))
    return Verdicts(name, (first or second)["statement"], words, parts)
