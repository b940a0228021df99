"""The frames on a link as they come, as server-sent events; costs nothing while nobody listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from energymeter.service.desk import Desk
from energymeter.service.frames import FrameEvent, FrameStream
from energymeter.web.api.event_source import (
    BEGIN,
    MEDIA_TYPE,
    SIGN_OF_LIFE,
    SIGN_OF_LIFE_S,
    EventSource,
    event_text,
)
from energymeter.web.api.listeners import Listeners
from energymeter.web.problem import documented, refuse
from energymeter.web.session import identity_of

__all__ = ["frames_router"]

_EVERY_S: Final = 0.2
"""What comes within so long is sent in one piece."""

_Link = Annotated[str, Query(max_length=500, description="The link's name, see /api/v1/links.")]

_DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "`frame`: `time`; `kind`, one of `opened`, `sent`, `received`, "
        "`timed_out`, `lost`; `data`, the bytes in hexadecimal, those received cut as they came; "
        "`text`, of a time-out the unit, of a loss the reason",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
    **documented(
        HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
}


def frames_router(desk: Desk, listeners: Listeners) -> APIRouter:
    """The route.

    Args:
        desk: Where the frames are.
        listeners: Who listens.
    """
    router = APIRouter(prefix="/api/v1", tags=["live"])

    @router.get("/frames", response_class=Response, responses=_DOCUMENTED)
    async def frames(request: Request, link: _Link) -> Response:
        """What goes over a link from now on, for as long as somebody listens.

        Who reads slowly misses the oldest. It ends when the link is replaced by a reload.
        """
        if listeners.is_full:
            detail = "too many subscribers, retry later"
            raise refuse(HTTPStatus.SERVICE_UNAVAILABLE, detail, wait_s=10)
        stream = _stream_of(desk, link)
        if stream is None:
            detail = f"there is no link called {link}, see /api/v1/links"
            raise refuse(HTTPStatus.NOT_FOUND, detail)
        return EventSource(_pieces(desk, link, stream), listeners, identity_of(request))

    return router


def _stream_of(desk: Desk, link: str) -> FrameStream | None:
    try:
        return desk.operator.frames(link)
    except KeyError:
        return None


async def _pieces(desk: Desk, link: str, stream: FrameStream) -> AsyncGenerator[bytes, None]:
    with stream.listening() as queue:
        yield BEGIN
        while _stream_of(desk, link) is stream:
            piece = b""
            with suppress(TimeoutError):
                async with asyncio.timeout(SIGN_OF_LIFE_S):
                    piece = _event(await queue.get())
            if not piece:
                yield SIGN_OF_LIFE
                continue
            await asyncio.sleep(_EVERY_S)
            while not queue.empty():
                piece += _event(queue.get_nowait())
            yield piece


def _event(frame: FrameEvent) -> bytes:
    content = {
        "time": datetime.fromtimestamp(frame.time_s, UTC),
        "kind": frame.kind,
        "data": frame.data.hex(),
        "text": frame.text,
    }
    return event_text(b"frame", content)
