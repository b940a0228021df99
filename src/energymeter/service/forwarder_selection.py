"""Which polls and values a sink gets, and how seldom. Pure; knows no journal and no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import translate
from typing import Final

from energymeter.service.sink import MeterInfo, SinkPoll, SinkValue
from energymeter.store.base import Layout, Series, StoredPoll
from energymeter.store.courses import meter_of

__all__ = ["Picking", "Selection"]

_ALL: Final = ("*",)
_MICROSECONDS: Final = 1_000_000


class Selection:
    """What one sink gets.

    Args:
        meters: All meters of the site, by name.
        meter_patterns: Names of the meters it gets, `*` and `?` as in file names.
        points: Names of the values it gets, likewise.
        every_s: At most one poll of a meter, and of each of its courses, in windows of that many
            seconds, which begin at whole multiples since 1970; None: every poll.
    """

    def __init__(
        self,
        meters: Mapping[str, MeterInfo],
        *,
        meter_patterns: Sequence[str] = _ALL,
        points: Sequence[str] = _ALL,
        every_s: float | None = None,
    ) -> None:
        is_chosen = _matcher(meter_patterns)
        self.meters = {name: info for name, info in meters.items() if is_chosen.fullmatch(name)}
        """The meters it gets, by name."""

        self._strangers = is_chosen
        self._points = _matcher(points)
        self._every_us = round(every_s * _MICROSECONDS) if every_s else None
        self._windows: dict[str, int] = {}
        self._columns: dict[Layout, tuple[tuple[int, Series], ...]] = {}

    def begin(self) -> Picking:
        """Pick from a batch; nothing is remembered of it until `keep`."""
        return Picking(self, self._windows)

    def keep(self, picking: Picking) -> None:
        """This batch is being passed on: its windows have had their polls."""
        self._windows.update(picking.windows)

    def has_meter(self, name: str) -> bool:
        """Whether the site has this meter, and the sink gets it."""
        return name in self.meters

    def would_have(self, name: str) -> bool:
        """Whether the sink would get a meter of this name if the site had it."""
        return self._strangers.fullmatch(name) is not None

    def window(self, time_us: int) -> int | None:
        """The window a time lies in; None: every poll is passed on."""
        return None if self._every_us is None else time_us // self._every_us

    def columns(self, layout: Layout) -> tuple[tuple[int, Series], ...]:
        """Places and series of the values it gets of a poll."""
        found = self._columns.get(layout)
        if found is None:
            found = self._columns[layout] = tuple(
                (place, series)
                for place, series in enumerate(layout.series)
                if self._points.fullmatch(series.name)
            )
        return found


class Picking:
    """What a sink gets of one batch.

    Args:
        selection: Whose it is.
        before: The window of the newest poll passed on, by the meter's key.
    """

    def __init__(self, selection: Selection, before: Mapping[str, int]) -> None:
        self.windows: dict[str, int] = {}
        """What `before` becomes."""

        self.strangers: dict[str, int] = {}
        """Polls of meters that the site no longer has, by name."""

        self._selection = selection
        self._before = before

    def wants(self, key: str, time_us: int) -> bool:
        """Whether this poll is passed on; to be asked once for each, in their order."""
        selection = self._selection
        name = meter_of(key)
        if not selection.has_meter(name):
            if selection.would_have(name):
                self.strangers[name] = self.strangers.get(name, 0) + 1
            return False
        window = selection.window(time_us)
        if window is None:
            return True
        if self.windows.get(key, self._before.get(key)) == window:
            return False
        self.windows[key] = window
        return True

    def sink_polls(self, polls: Sequence[StoredPoll]) -> list[SinkPoll]:
        """The polls as the sink gets them; those that have none of its values are left out."""
        found = []
        for poll in polls:
            columns = self._selection.columns(poll.layout)
            if columns:
                values, qualities = poll.values, poll.qualities
                chosen = [
                    SinkValue(series, values[place], qualities[place]) for place, series in columns
                ]
                found.append(SinkPoll(meter_of(poll.meter), poll.time_us, chosen))
        return found


def _matcher(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)) or r"(?!)")
