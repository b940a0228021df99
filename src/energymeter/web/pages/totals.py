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

__all__ = ["Choice", "Energy", "Power", "choose", "energy_today", "power_now"]

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
    """From when on some of it is told only; None: from midnight on."""


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


def power_now(
    choice: Choice, meters: Mapping[str, MeterState], glances: Glances, now: datetime
) -> Power:
    """What the chosen meters measure together; what is stale does not count."""
    watts, known = 0.0, 0
    for name in choice.names:
        state = meters.get(name)
        if state is None:
            continue
        main = glances.of(state.info).main
        value, is_stale = sum_of(state, main, now)
        if value is not None and not is_stale:
            watts += value * base_of(main[0].unit)[1]
            known += 1
    return Power(watts if known else None, len(choice.names) - known)


def energy_today(
    choice: Choice, meters: Mapping[str, MeterState], glances: Glances, today: Today
) -> Energy:
    """What the chosen meters counted since midnight."""
    amount, known = 0.0, 0
    since: datetime | None = None
    for name in choice.names:
        state = meters.get(name)
        counters = () if state is None else glances.of(state.info).counters
        if state is None or not counters or base_of(counters[0].unit)[0] != "Wh":
            continue
        counted = today.amount(state, counters, is_urgent=False)
        if counted is None:
            continue
        amount += counted.amount
        known += 1
        if counted.since is not None:
            since = counted.since if since is None else max(since, counted.since)
    return Energy(amount if known else None, len(choice.names) - known, since)
