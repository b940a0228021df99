"""The live stream as server-sent events: readings as they come, and what happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from energymeter.service.desk import Desk
from energymeter.service.snapshot import MeterState
from energymeter.web.api.changes import Changes
from energymeter.web.api.choice import Chosen
from energymeter.web.api.event_source import (
    BEGIN,
    MEDIA_TYPE,
    SIGN_OF_LIFE,
    SIGN_OF_LIFE_S,
    EventSource,
    event_text,
)
from energymeter.web.api.listeners import Listeners
from energymeter.web.api.told import event_item, latest_of
from energymeter.web.problem import documented, refuse
from energymeter.web.session import identity_of

__all__ = ["chosen_meters", "stream_router"]

_PIECE_BYTES: Final = 32_768
_MOST_DIGITS: Final = 15
"""Of the number of an event."""


_Meters = Annotated[
    list[str] | None,
    Query(max_length=1000, description="Only the meters of these names; none for all."),
]
_WithEvents = Annotated[bool, Query(description="Whether to include events.")]
_EveryS = Annotated[
    float,
    Query(ge=0.2, le=60, description="Seconds between two looks for what is new."),
]
_After = Annotated[
    int | None,
    Query(ge=0, le=2**53, description="Events with a higher number first; else those from now on."),
]
_LastId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="What a browser sends when it comes back."),
]

_DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "`reading`: a `Latest` of a meter that was read; `gone`: the name of a "
        "meter that is no more; `event`: an `EventItem`, with an id for `Last-Event-ID`, also "
        "after a restart of the service; `missed`: how many events are not kept any more",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
    **documented(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
}


def stream_router(desk: Desk, listeners: Listeners) -> APIRouter:
    """The route.

    Args:
        desk: Where everything stands.
        listeners: Who listens.
    """
    router = APIRouter(prefix="/api/v1", tags=["live"])

    @router.get("/stream", response_class=Response, responses=_DOCUMENTED)
    async def stream(  # noqa: PLR0913, PLR0917 - those of the route
        request: Request,
        choice: Chosen,
        meter: _Meters = None,
        events: _WithEvents = True,
        every_s: _EveryS = 1.0,
        after: _After = None,
        last_id: _LastId = None,
    ) -> Response:
        """What meters say as they say it, for as long as somebody listens.

        First all there is, then each meter that was read since it was told. Who reads slowly is
        told less often, never late.
        """
        if listeners.is_full:
            detail = "too many subscribers, retry later"
            raise refuse(HTTPStatus.SERVICE_UNAVAILABLE, detail, wait_s=10)
        if last_id:
            after = _number_in(last_id, desk.events.run)
        choose = chosen_meters(desk, meter) if meter else lambda: choice.of(desk.snapshot)
        changes = Changes(desk, choose, after)
        pieces = _pieces(desk, changes, events, every_s)
        return EventSource(pieces, listeners, identity_of(request))

    return router


def chosen_meters(desk: Desk, names: Iterable[str] | None) -> Callable[[], Iterable[MeterState]]:
    """Gives the meters of these names, those of them there are; None: all."""
    wanted = None if names is None else list(dict.fromkeys(names))

    def choose() -> Iterable[MeterState]:
        meters = desk.snapshot.meters
        if wanted is None:
            return meters.values()
        return [meters[name] for name in wanted if name in meters]

    return choose


async def _pieces(
    desk: Desk, changes: Changes, with_events: bool, every_s: float
) -> AsyncGenerator[bytes, None]:
    """The stream, piece by piece; the next one is made when the one before has gone."""
    clock = desk.clock
    yield BEGIN
    due_s = said_s = clock.monotonic()
    while True:
        piece = b""
        for state in changes.meters():
            piece += event_text(b"reading", latest_of(state, clock.now()))
            if len(piece) >= _PIECE_BYTES:
                yield piece
                piece = b""
                await asyncio.sleep(0)
        for name in changes.gone():
            piece += event_text(b"gone", name)
        if with_events:
            piece += _events(changes, desk.events.run)
        now_s = clock.monotonic()
        if piece or now_s - said_s >= SIGN_OF_LIFE_S:
            yield piece or SIGN_OF_LIFE
            said_s = now_s
        due_s = max(due_s + every_s, clock.monotonic())
        await clock.sleep_until(due_s)


def _number_in(last_id: str, run: str) -> int:
    """The number of the event that somebody had last; 0: it was of another run, or no event."""
    of, _, number = last_id.partition("-")
    is_ours = of == run and number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS
    return int(number) if is_ours else 0


def _events(changes: Changes, run: str) -> bytes:
    missed, events = changes.events()
    piece = event_text(b"missed", missed) if missed else b""
    for event in events:
        piece += event_text(b"event", event_item(event), f"{run}-{event.number}")
    return piece
