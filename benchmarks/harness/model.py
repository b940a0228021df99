"""What a benchmark produces, as plain data: rows, promises, reports.

Knows no processes and no files; `to_json` is the shape of the files in benchmarks/results.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

__all__ = ["Json", "Promise", "Report", "Row", "paired_ratio"]

Json = dict[str, Any]


@dataclass
class Row:
    """One candidate and its figures, one value a round."""

    name: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    """Figure name -> one value for each round, in round order."""
    details: list[Json] = field(default_factory=list)
    """Everything each run said, as it said it."""
    note: str | None = None
    """Why the row is empty, or what a reader should know about it."""

    def add(self, figure: str, value: float) -> None:
        """Append one round's value."""
        self.figures.setdefault(figure, []).append(value)

    def median(self, figure: str) -> float | None:
        """The middle of all rounds, or None when the candidate was not measured."""
        values = self.figures.get(figure)
        return median(values) if values else None

    def to_json(self) -> Json:
        """Medians first, since they are what is quoted."""
        medians = {name: median(values) for name, values in self.figures.items()}
        return {
            "name": self.name,
            "median": medians,
            "rounds": self.figures,
            "details": self.details,
            "note": self.note,
        }


@dataclass(frozen=True)
class Promise:
    """One sentence of DESIGN.md section 11 with the number that was measured for it."""

    text: str
    wanted: float
    measured: float | None
    """None when one side of the comparison could not be measured."""
    direction: Literal["at least", "at most"]
    unit: str
    """`x` for ratios, otherwise what is counted."""

    @property
    def met(self) -> bool | None:
        """None when nothing was measured."""
        if self.measured is None:
            return None
        if self.direction == "at least":
            return self.measured >= self.wanted
        return self.measured <= self.wanted

    @property
    def verdict(self) -> str:
        """`yes`, `NO` or `not measured`, as tables show it."""
        return {True: "yes", False: "NO", None: "not measured"}[self.met]

    def to_json(self) -> Json:
        """All fields, and the verdict."""
        return {
            "promise": self.text,
            "direction": self.direction,
            "wanted": self.wanted,
            "measured": None if self.measured is None else round(self.measured, 3),
            "unit": self.unit,
            "met": self.met,
        }


@dataclass
class Report:
    """The outcome of one topic."""

    topic: str
    settings: Json
    rows: list[Row]
    promises: list[Promise]
    remarks: list[str] = field(default_factory=list)

    def to_json(self, *, date: str, machine: Json) -> Json:
        """The content of a results file."""
        return {
            "topic": self.topic,
            "date": date,
            "machine": machine,
            "settings": self.settings,
            "promises": [promise.to_json() for promise in self.promises],
            "remarks": self.remarks,
            "rows": [row.to_json() for row in self.rows],
        }


def paired_ratio(ours: Row, peer: Row, figure: str) -> float | None:
    """Median of the ratios taken round by round.

    The two of a round ran within seconds of each other, so a machine that slows down for a while
    slows both and drops out of the ratio.
    """
    pairs = zip(ours.figures.get(figure, []), peer.figures.get(figure, []), strict=False)
    ratios = [mine / theirs for mine, theirs in pairs if theirs > 0]
    return median(ratios) if ratios else None
