"""What is new since somebody was told the last time: meters that were read, and events.

Nothing waits here for anybody: whoever is slow is told what is newest once they are ready, and
what came in between is passed over. So a listener costs the numbers it remembers, however slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from energymeter.service.desk import Desk
from energymeter.service.events import ServiceEvent
from energymeter.service.snapshot import MeterState

__all__ = ["Changes"]


class Changes:
    """For one listener.

    Args:
        desk: Where everything stands.
        choose: Gives the meters that are wanted, anew each time.
        after: Only events with a higher number are told; None: those from now on.
    """

    def __init__(
        self,
        desk: Desk,
        choose: Callable[[], Iterable[MeterState]],
        after: int | None = None,
    ) -> None:
        self._desk = desk
        self._choose = choose
        self._told: dict[str, tuple[MeterState, int]] = {}
        self._there = 0
        newest = self._newest()
        # Events are counted anew when the service starts: what is higher is of the time before.
        self._event = newest if after is None else after if after <= newest else 0

    def meters(self) -> Iterator[MeterState]:
        """Those that were read since they were told; each counts as told when it comes out."""
        told = self._told
        states = list(self._choose())
        self._there = len(states)
        for state in states:
            name = state.info.name
            known = told.get(name)
            if known is None or known[0] is not state or known[1] != state.revision:
                told[name] = state, state.revision
                yield state

    def gone(self) -> list[str]:
        """Meters that were told and are not wanted, or not in the site, any more.

        To be asked when all of `meters` has come out.
        """
        if len(self._told) <= self._there:
            return []
        there = {state.info.name for state in self._choose()}
        gone = [name for name in self._told if name not in there]
        for name in gone:
            del self._told[name]
        return gone

    def events(self) -> tuple[int, list[ServiceEvent]]:
        """How many events were missed, and those that happened since."""
        newest = self._newest()
        if newest == self._event:
            return 0, []
        found = self._desk.events.newest(after=self._event)
        missed = found[0].number - self._event - 1 if found else 0
        self._event = newest
        return missed, found

    def _newest(self) -> int:
        found = self._desk.events.newest(1)
        return found[-1].number if found else 0
