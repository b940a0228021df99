"""Which rows are shown, and in which order: a filter and a column to sort by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from energymeter.tui.source import EventRow, MeterRow
from energymeter.tui.tables import SORTS, is_found, is_sorted_down

__all__ = ["Choosing"]


@dataclass(slots=True)
class Choosing:
    """What somebody wants to see."""

    words: str = ""
    """All of these have to stand in a row, in any case of letters."""

    sorted_by: int | None = None
    """The place in `SORTS`; None: as it comes."""

    is_turned: bool = False

    @property
    def marked(self) -> tuple[int, bool] | None:
        """The column the meters are sorted by, and whether downward."""
        if self.sorted_by is None:
            return None
        column = SORTS[self.sorted_by][0]
        return column, is_sorted_down(column, is_turned=self.is_turned)

    def sort_next(self) -> None:
        """Sort by the next column; behind the last one: by none."""
        following = 0 if self.sorted_by is None else self.sorted_by + 1
        self.sorted_by = following if following < len(SORTS) else None
        self.is_turned = False

    def meters(self, rows: Sequence[MeterRow], link: str = "") -> Sequence[MeterRow]:
        """The meters that are wanted; `link`: only those on it."""
        words = self.words.lower().split()
        if words or link:
            rows = [row for row in rows if link in ("", row.link) and is_found(row, words)]
        if self.sorted_by is None:
            return rows
        return sorted(rows, key=SORTS[self.sorted_by][1], reverse=self.is_turned)

    def events(self, rows: Sequence[EventRow]) -> Sequence[EventRow]:
        """The events that are wanted, the newest first."""
        words = self.words.lower().split()
        return [
            row
            for row in reversed(rows)
            if all(
                word in f"{row.level} {row.topic} {row.name} {row.text}".lower() for word in words
            )
        ]
