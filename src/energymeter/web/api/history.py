"""The route of histories: values of a meter over time, in columns."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Query
from pydantic import BeforeValidator
from starlette.responses import Response

from energymeter.reader.reading import Value
from energymeter.service.desk import Desk
from energymeter.store import History
from energymeter.store.export import extreme_values
from energymeter.store.numbers import plain_value
from energymeter.web.api.answers import HistoryAnswer, Windows
from energymeter.web.api.meters import MeterName
from energymeter.web.api.told import json_answer
from energymeter.web.problem import documented, refuse

__all__ = ["history_router"]

_FEW: Final = 10_000
_MOST: Final = 100_000
_DAY: Final = timedelta(days=1)
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_PLUS: Final = re.compile(r" (?=\d\d:?\d\d$)")


def _with_plus(value: object) -> object:
    """In the query of an address a bare `+` means a blank: 10:00+01:00 comes as 10:00 01:00."""
    if isinstance(value, str) and ":" in value[:-6]:
        return _PLUS.sub("+", value)
    return value


_Moment = Annotated[datetime | None, BeforeValidator(_with_plus)]
_From = Annotated[
    _Moment,
    Query(
        alias="from",
        description="The first moment, ISO 8601 or seconds since 1970; without a zone it is of "
        "`timezone`. By default a day before `to`.",
    ),
]
_To = Annotated[
    _Moment,
    Query(description="The first moment that is not asked for, likewise. By default now."),
]
_Quantity = Annotated[
    list[str], Query(min_length=1, max_length=20, description="The point; several times for more.")
]
_Every = Annotated[Windows, Query(description="The windows to tell it in; `poll` for each poll.")]
_Zone = Annotated[
    str,
    Query(max_length=100, description="Where days begin, such as `Europe/Berlin`."),
]
_Most = Annotated[
    int,
    Query(ge=1, le=_MOST, description="More rows than this of one value are refused."),
]


class _Range(NamedTuple):
    """What is asked for."""

    start: datetime
    end: datetime
    every: Windows
    zone: ZoneInfo
    most: int


def history_router(desk: Desk) -> APIRouter:
    """The route.

    Args:
        desk: Has the archive.
    """
    router = APIRouter(prefix="/api/v1", tags=["meters"])

    @router.get(
        "/meters/{name}/history",
        response_model=HistoryAnswer,
        responses=documented(
            HTTPStatus.NOT_FOUND,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    )
    async def history(  # noqa: PLR0913, PLR0917 - those of the route
        name: MeterName,
        quantity: _Quantity,
        start: _From = None,
        to: _To = None,
        every: _Every = Windows.POLL,
        timezone: _Zone = "UTC",
        max_points: _Most = _FEW,
    ) -> Response:
        """Values of a meter over time, as the store has them; also of meters that are gone."""
        wanted = _range(start, to, every, timezone, max_points, desk.clock.now())
        _check_length(wanted, _interval_s(desk, name))
        found = [(each, await _ask(desk, name, each, wanted)) for each in dict.fromkeys(quantity)]
        return await asyncio.to_thread(_answer, name, wanted, timezone, found)

    return router


async def _ask(desk: Desk, name: str, quantity: str, wanted: _Range) -> History:
    history = await desk.archive.history(
        name,
        quantity,
        wanted.start,
        wanted.end,
        every=wanted.every.every,
        zone=wanted.zone,
    )
    if history is None:
        known = name in desk.snapshot.meters
        what = f"value called {quantity} of {name}" if known else f"meter called {name}"
        detail = f"the store has kept no {what} so far"
        raise refuse(HTTPStatus.NOT_FOUND, detail)
    if len(history) > wanted.most:
        raise _too_long(wanted, len(history))
    return history


def _range(  # noqa: PLR0913, PLR0917 - those of the route
    start: datetime | None,
    end: datetime | None,
    every: Windows,
    timezone: str,
    most: int,
    now: datetime,
) -> _Range:
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        detail = f"timezone: {timezone!r} is not known, write one such as Europe/Berlin"
        raise refuse(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from None
    last = now if end is None else _placed("to", end, zone)
    first = max(last - _DAY, _FIRST) if start is None else _placed("from", start, zone)
    if first >= last:
        detail = f"from: {first.isoformat()} is not before to, {last.isoformat()}"
        raise refuse(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    return _Range(first, last, every, zone, most)


def _placed(name: str, moment: datetime, zone: ZoneInfo) -> datetime:
    """A moment in UTC."""
    if not _FIRST.year <= moment.year < _LAST.year:
        detail = f"{name}: is not between {_FIRST.year} and {_LAST.year}"
        raise refuse(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


def _interval_s(desk: Desk, name: str) -> float:
    """How often a meter is polled; one that is gone may have been every second."""
    state = desk.snapshot.meters.get(name)
    return 1.0 if state is None else min(state.intervals_s, default=state.info.interval_s)


def _check_length(wanted: _Range, interval_s: float) -> None:
    """Refuse what would be too much before the store is asked."""
    span_s = (wanted.end - wanted.start).total_seconds()
    every = wanted.every.every
    # How many polls there are only the store knows: the interval may have been another.
    each_s, most = (interval_s, _MOST) if every is None else (float(every), wanted.most)
    if span_s / each_s > most + 1:
        raise _too_long(wanted, round(span_s / each_s))


def _too_long(wanted: _Range, rows: int) -> Exception:
    detail = (
        f"max_points: {rows} rows of each value are more than {wanted.most}, ask for a shorter "
        f"time or longer windows than every={wanted.every}"
    )
    return refuse(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def _answer(name: str, wanted: _Range, timezone: str, found: list[tuple[str, History]]) -> Response:
    content = {
        "meter": name,
        "start": wanted.start.astimezone(wanted.zone),
        "end": wanted.end.astimezone(wanted.zone),
        "every": wanted.every,
        "timezone": timezone,
        "series": [_series(quantity, history, wanted) for quantity, history in found],
    }
    return json_answer(content)


def _series(quantity: str, history: History, wanted: _Range) -> dict[str, Any]:
    series = history.series
    values = history.values
    if wanted.every is Windows.POLL:  # a window's mean has all the digits it comes to
        values = [plain_value(series, value) for value in values]
    return {
        "quantity": quantity,
        "unit": series.unit,
        "kind": series.kind,
        "times": [time.astimezone(wanted.zone) for time in history.times],
        "values": values,
        "qualities": list(history.qualities),
        "marks": dict(history.marks),
        "counts": None if history.counts is None else history.counts.tolist(),
        "lows": _bounds(history, history.lows),
        "highs": _bounds(history, history.highs),
    }


def _bounds(history: History, column: Any) -> list[Value] | None:  # noqa: ANN401 - NumPy's
    if column is None:
        return None
    return [plain_value(history.series, value) for value in extreme_values(history, column)]
