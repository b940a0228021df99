"""Days as people count them: from midnight to midnight where the meter stands.

A store's windows lie where UTC has them. Every zone of our time is whole quarters of an hour away,
so local days are put together from windows of 15 minutes: 92 of them when clocks go forward, 100
when they go back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energymeter.reader.reading import Quality
from energymeter.store.base import Every, History, Kind, Store, microseconds
from energymeter.store.downsample import whole_numbers

__all__ = ["day_begins", "history_of_days", "midnight"]


def midnight(day: date, zone: tzinfo | None) -> datetime:
    """The first moment of a day, UTC.

    Args:
        day: The day.
        zone: Where; None: where this computer is.
    """
    begin = datetime(day.year, day.month, day.day)
    # A time without a zone is taken for one of this computer's.
    return (begin if zone is None else begin.replace(tzinfo=zone)).astimezone(UTC)


def day_begins(start: datetime, end: datetime, zone: tzinfo | None) -> list[datetime]:
    """The midnights round a time: from the one before `start` to the first at or after `end`, UTC.

    Args:
        start: The first moment.
        end: The end, which is not asked for; not before `start`.
        zone: Where; None: where this computer is.
    """
    day = start.astimezone(zone).date()
    begins = [midnight(day, zone)]
    while begins[-1] < end or len(begins) < 2:
        day += timedelta(days=1)
        begins.append(midnight(day, zone))
    return begins


def history_of_days(  # noqa: PLR0913, PLR0917 - those of `Store.history`
    store: Store,
    meter: str | Sequence[str],
    quantity: str,
    start: datetime,
    end: datetime,
    zone: tzinfo | None,
) -> History | None:
    """One row for each local day with a poll; else as `Store.history`, also for energy.

    Args:
        store: Where it is kept.
        meter: Its key or keys.
        quantity: Name of the point.
        start: The first moment; the day it lies in is told whole.
        end: The first moment that is not asked for; likewise.
        zone: Where; None: where this computer is.
    """
    begins = day_begins(start, end, zone)
    quarters = store.history(meter, quantity, begins[0], begins[-1], Every.QUARTER)
    if quarters is None or not len(quarters):
        return quarters
    days_us = np.array([microseconds(begin) for begin in begins], np.int64)
    day = np.searchsorted(days_us, quarters.times_us, side="right") - 1
    firsts = np.flatnonzero(np.diff(day, prepend=day[0] - 1))
    return _regrouped(quarters, firsts, days_us[day[firsts]])


def _regrouped(history: History, firsts: NDArray[np.intp], times_us: NDArray[np.int64]) -> History:
    """Windows as fewer, longer ones.

    Args:
        history: The windows, at least one.
        firsts: The row with which each longer one begins.
        times_us: When each longer one begins, us since 1970.
    """
    has_value = ~history.is_null
    weights = has_value.astype(np.int64)
    is_counter = history.series.kind is Kind.COUNTER
    if history.counts is not None and not is_counter:
        weights = np.where(has_value, history.counts, 0)
    counts = np.add.reduceat(weights, firsts)
    is_null = counts == 0
    if is_counter:
        numbers = _sums(history, firsts)
    else:
        amounts = np.where(has_value, history.numbers, 0.0) * weights
        numbers = np.add.reduceat(amounts, firsts) / np.maximum(counts, 1)
    lasts = np.append(firsts[1:], len(history)) - 1
    return replace(
        history,
        times_us=times_us,
        numbers=numbers,
        is_null=is_null,
        qualities=[
            history.qualities[last] if nothing else Quality.GOOD
            for last, nothing in zip(lasts.tolist(), is_null.tolist(), strict=True)
        ],
        marks={
            int(np.searchsorted(firsts, row, side="right")) - 1: mark
            for row, mark in history.marks.items()
        },
        counts=None if history.counts is None else counts,
        lows=_extremes(np.minimum, history.lows, has_value, firsts, np.inf),
        highs=_extremes(np.maximum, history.highs, has_value, firsts, -np.inf),
    )


def _sums(history: History, firsts: NDArray[np.intp]) -> NDArray[Any]:
    numbers = np.where(history.is_null, 0, history.numbers)
    whole, divisor = whole_numbers(numbers, history.series.divisor)
    sums: NDArray[Any] = np.add.reduceat(whole, firsts)
    return sums if divisor == 1 and numbers.dtype != np.float64 else sums / divisor


def _extremes(
    pick: np.ufunc,
    column: NDArray[np.float64] | None,
    has_value: NDArray[np.bool_],
    firsts: NDArray[np.intp],
    nothing: float,
) -> NDArray[np.float64] | None:
    if column is None:
        return None
    found: NDArray[np.float64] = pick.reduceat(np.where(has_value, column, nothing), firsts)
    return found
