"""Routes that have something done: look at the site file again, read a meter at once."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from energymeter.clock import Clock
from energymeter.errors import MeterError
from energymeter.reader import ReadReport
from energymeter.service.desk import Desk
from energymeter.service.snapshot import MeterState
from energymeter.web.api.answers import Latest
from energymeter.web.api.choice import meter_named
from energymeter.web.api.meters import MeterName
from energymeter.web.api.service_answers import ReloadAnswer
from energymeter.web.api.told import json_answer, latest_of
from energymeter.web.problem import documented, refuse

__all__ = ["orders_router"]

_MOST_AT_ONCE: Final = 10.0
_EACH_S: Final = 0.5
"""Ten readings may be asked for at once, then two a second."""

_MOST_UNDER_WAY: Final = 20
_LONGEST_S: Final = 30.0


class _Ration:
    """So many orders at once, then one after each pause.

    Args:
        clock: Says when they came.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = _MOST_AT_ONCE
        self._at_s = clock.monotonic()

    def take(self) -> float:
        """Have one; 0.0, or the seconds until there is one."""
        now_s = self._clock.monotonic()
        self._left = min(self._left + (now_s - self._at_s) / _EACH_S, _MOST_AT_ONCE)
        self._at_s = now_s
        if self._left < 1.0:
            return (1.0 - self._left) * _EACH_S
        self._left -= 1.0
        return 0.0


class _Readings:
    """Reads meters for people, each once at a time.

    Args:
        desk: Does it.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ration = _Ration(desk.clock)
        self._under_way: set[str] = set()

    async def read(self, name: str) -> list[ReadReport]:
        """Read a meter.

        Raises:
            HTTPException: 404, 409, 429 or 504.
        """
        if name in self._under_way:
            detail = f"{name} is already being read, wait for the answer"
            raise refuse(HTTPStatus.CONFLICT, detail)
        wait_s = self._ration.take()
        if wait_s or len(self._under_way) >= _MOST_UNDER_WAY:
            detail = "too many immediate readings at once, retry in a moment"
            raise refuse(HTTPStatus.TOO_MANY_REQUESTS, detail, wait_s=wait_s)
        self._under_way.add(name)
        try:
            async with asyncio.timeout(_LONGEST_S):
                return await self._desk.operator.read_now(name)
        except KeyError:
            detail = f"there is no meter called {name} any more"
            raise refuse(HTTPStatus.NOT_FOUND, detail) from None
        except MeterError as error:
            raise refuse(HTTPStatus.GATEWAY_TIMEOUT, str(error)) from error
        except TimeoutError:
            detail = f"{name} took longer than {_LONGEST_S:.0f} s, is its link very busy?"
            raise refuse(HTTPStatus.GATEWAY_TIMEOUT, detail) from None
        finally:
            self._under_way.discard(name)


def orders_router(desk: Desk) -> APIRouter:
    """The routes.

    Args:
        desk: Does what is asked for.
    """
    router = APIRouter(prefix="/api/v1", tags=["orders"])
    readings, events = _Readings(desk), desk.events

    @router.post("/reload", response_model=ReloadAnswer, status_code=HTTPStatus.ACCEPTED)
    async def reload() -> Response:
        """Look at the site file again; what comes of it is told as an event."""
        newest = events.newest(1)
        desk.operator.reload()
        content = {"after": newest[-1].number if newest else 0}
        return json_answer(content, HTTPStatus.ACCEPTED)

    @router.post(
        "/meters/{name}/read",
        response_model=Latest,
        responses=documented(
            HTTPStatus.NOT_FOUND,
            HTTPStatus.CONFLICT,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.GATEWAY_TIMEOUT,
        ),
    )
    async def read(name: MeterName) -> Response:
        """Read a meter at once, before the polls; nothing is kept of it."""
        state = meter_named(desk.snapshot, name)
        reports = await readings.read(name)
        why = _why_empty(reports)
        if why:
            raise refuse(HTTPStatus.GATEWAY_TIMEOUT, why)
        return json_answer(latest_of(_as_read(state, reports), desk.clock.now()))

    return router


def _why_empty(reports: list[ReadReport]) -> str:
    """Why nothing at all was read; empty: something was."""
    if any(not report.is_empty for report in reports):
        return ""
    failures = [failure for report in reports for failure in report.failures]
    return str(failures[0].error) if failures else "the meter brought nothing"


def _as_read(state: MeterState, reports: list[ReadReport]) -> MeterState:
    """The meter as it would be after this reading; the snapshot stays as it is."""
    return MeterState(
        info=state.info,
        intervals_s=(state.info.interval_s,) * len(reports),
        reports=list(reports),
        revision=state.revision,
        polls=1,
    )
