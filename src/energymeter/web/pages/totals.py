"""What a whole site takes: which meters are added up for it, and what that gives.

A meter behind another one would be counted twice. So where the site file marks those at the grid,
by a label or by their name, these alone are added up; else all, and the page says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from energymeter.service.snapshot import MeterState
from energymeter.values.quantities import base_of
from energymeter.web.pages.figures import listed
from energymeter.web.pages.glance import Glances, sum_of
from energymeter.web.pages.today import Today

__all__ = ["Choice", "Energy", "Power", "Sum", "choose"]

_WORDS: Final = frozenset(
    {"grid", "main", "mains", "incomer", "incoming", "supply", "utility", "pcc"}
)
_ROLE: Final = ("role", "grid")


class Choice(NamedTuple):
    """Which meters stand for the site."""

    names: tuple[str, ...]
    reason: str
    """Why these, as a sentence."""


class Power(NamedTuple):
    """What the site takes now."""

    watts: float | None
    missing: int
    """Meters that should be in it and tell nothing."""


class Energy(NamedTuple):
    """What the site took since midnight."""

    watt_hours: float | None
    missing: int
    since: datetime | None
    """From when on `late` of them are told only; None: all from midnight on."""

    late: int = 0


def choose(meters: Mapping[str, MeterState], glances: Glances) -> Choice:
    """Which meters to add up."""
    electric = {name: state for name, state in meters.items() if glances.of(state.info).is_power}
    key, value = _ROLE
    by_role = [
        name
        for name, state in electric.items()
        if state.info.labels.get(key, "").casefold() == value
    ]
    if by_role:
        return Choice(
            tuple(by_role), f"adds up what the label {key} = {value} marks: {listed(by_role)}"
        )
    by_label = [
        name
        for name, state in electric.items()
        if any(label.casefold() in _WORDS for label in state.info.labels.values())
    ]
    if by_label:
        reason = (
            f"adds up the meters whose labels say that they are at the grid: {listed(by_label)}"
        )
        return Choice(tuple(by_label), reason)
    by_name = [name for name in electric if name.casefold() in _WORDS]
    if by_name:
        return Choice(tuple(by_name), f"adds up the meters named for the grid: {listed(by_name)}")
    if not electric:
        return Choice((), "no meter here measures electrical power")
    count = f"all {len(electric)} meters" if len(electric) > 1 else "the one meter"
    reason = f"adds up {count} of electrical power"
    if len(electric) > 1:
        reason += (
            f"; where some are behind others, give those at the grid the label {key} = {value}"
        )
    return Choice(tuple(electric), reason)


class Sum:
    """Adds the chosen meters up, some at a time.

    Args:
        choice: Which.
        meters: Where they stand.
        glances: Which of their values count.
        today: Knows what each counted.
    """

    def __init__(
        self, choice: Choice, meters: Mapping[str, MeterState], glances: Glances, today: Today
    ) -> None:
        self._names = choice.names
        self._meters = meters
        self._glances = glances
        self._today = today
        self._done = 0
        self._watts = self._watt_hours = 0.0
        self._have_power = self._have_energy = self._late = 0
        self._since: datetime | None = None

    def go_on(self, now: datetime, most: int) -> bool:
        """Add so many more; returns whether there are others left."""
        for name in self._names[self._done : self._done + most]:
            state = self._meters.get(name)
            if state is not None:
                self._add(state, now)
        self._done += most
        return self._done < len(self._names)

    @property
    def power(self) -> Power:
        """What they measure together; what is stale does not count."""
        known = self._have_power
        return Power(self._watts if known else None, len(self._names) - known)

    @property
    def energy(self) -> Energy:
        """What they counted since midnight."""
        known = self._have_energy
        missing = len(self._names) - known
        return Energy(self._watt_hours if known else None, missing, self._since, self._late)

    def _add(self, state: MeterState, now: datetime) -> None:
        glance = self._glances.of(state.info)
        value, is_stale = sum_of(state, glance.main, now)
        if value is not None and not is_stale:
            self._watts += value * base_of(glance.main[0].unit)[1]
            self._have_power += 1
        if not glance.counters or base_of(glance.counters[0].unit)[0] != "Wh":
            return
        counted = self._today.amount(state, glance.counters, is_urgent=False)
        if counted is None:
            return
        self._watt_hours += counted.amount
        self._have_energy += 1
        if counted.since is not None:
            self._since = counted.since if self._since is None else max(self._since, counted.since)
            self._late += 1
