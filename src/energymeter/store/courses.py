"""A meter that is read at several rates is kept under several keys; here it is one again.

The service keeps the values of the fastest rate under the meter's name, the others under the name,
a mark and the rate: `main`, `main@slow`, `main@once`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Final

import numpy as np

from energymeter.store.base import Every, History, Series, Store
from energymeter.store.days import history_of_days
from energymeter.values import quantity_of, unit_factor

__all__ = ["COURSE_MARK", "courses_of", "history_of_meter", "in_unit", "meter_of", "meters_in"]

COURSE_MARK: Final = "@"
"""No meter's name holds it."""


def meter_of(key: str) -> str:
    """The name of the meter a key is of."""
    return key.partition(COURSE_MARK)[0]


def courses_of(keys: Iterable[str], meter: str) -> list[str]:
    """The keys under which a meter is kept, its own name first; none for one nobody knows.

    Args:
        keys: All keys of a store, such as `store.meters()`.
        meter: The meter's name, or one of its keys, which stands for itself.
    """
    return sorted(key for key in keys if key == meter or meter_of(key) == meter)


def meters_in(keys: Iterable[str]) -> dict[str, list[str]]:
    """The names of all meters, sorted, each with its keys."""
    found: dict[str, list[str]] = {}
    for key in sorted(keys):
        found.setdefault(meter_of(key), []).append(key)
    return dict(sorted(found.items()))


def history_of_meter(  # noqa: PLR0913, PLR0917 - those of `Store.history`
    store: Store,
    keys: Sequence[str],
    quantity: str,
    start: datetime,
    end: datetime,
    every: Every | None = None,
    zone: tzinfo | None = None,
) -> History | None:
    """One value of a meter over time, wherever it is kept; else as `Store.history`.

    A value that moved from one key to another (its rate was changed) is one history.

    Args:
        store: Where it is kept.
        keys: See `courses_of`.
        quantity: Name of the point.
        start: See there.
        end: See there.
        every: See there; but days are those of the zone.
        zone: Where days begin; None: where this computer is.
    """
    if every is Every.DAY:
        return history_of_days(store, keys, quantity, start, end, zone)
    return store.history(keys, quantity, start, end, every)


def in_unit(history: History, series: Series) -> History:
    """The history in the unit of a series; null where the two have nothing in common."""
    if history.series.unit == series.unit:
        return history
    quantity = quantity_of(series.name)
    base = "" if quantity is None else quantity.unit
    old, new = unit_factor(history.series.unit, base), unit_factor(series.unit, base)
    if old is None or new is None:
        return replace(history, series=series, is_null=np.ones(len(history), np.bool_))
    factor = old / new
    return replace(
        history,
        series=series,
        numbers=history.numbers * factor,
        lows=None if history.lows is None else history.lows * factor,
        highs=None if history.highs is None else history.highs * factor,
    )
