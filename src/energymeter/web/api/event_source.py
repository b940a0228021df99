"""Server-sent events: what an event looks like, and an answer that goes on as long as wanted.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from energymeter.web.api.listeners import Listeners
from energymeter.web.api.told import as_json
from energymeter.web.session import Identity

__all__ = [
    "BEGIN",
    "MEDIA_TYPE",
    "SIGN_OF_LIFE",
    "SIGN_OF_LIFE_S",
    "EventSource",
    "event_text",
]

MEDIA_TYPE: Final = "text/event-stream"

BEGIN: Final = b"retry: 3000\n\n"
"""Sent first: a browser that loses the stream comes back after three seconds."""

SIGN_OF_LIFE: Final = b": still here\n\n"
"""Sent when there was nothing to tell for `SIGN_OF_LIFE_S`: who is gone is noticed."""

SIGN_OF_LIFE_S: Final = 15.0

_LAST_S: Final = 0.5
"""How long the end of the stream may take to go out."""


def event_text(kind: bytes, content: Any, mark: str = "") -> bytes:  # noqa: ANN401
    """An event with anything that JSON can be made of.

    Args:
        kind: What the event is called.
        content: What it brings.
        mark: Its id, for who comes back; empty: it has none.
    """
    # JSON on one line: no line end of ours can be in it.
    line = b"id: %s\n" % mark.encode() if mark else b""
    return b"event: %s\n%sdata: %s\n\n" % (kind, line, as_json(content))


class EventSource(Response):
    """Sends pieces until the other side goes, the login ends, or the service does.

    Args:
        pieces: What is sent; the next is asked for when the one before has gone, and it is closed
            at the end.
        listeners: Whoever listens is counted there.
        identity: Who listens.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        pieces: AsyncGenerator[bytes, None],
        listeners: Listeners,
        identity: Identity | None,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._pieces = pieces
        self._listeners = listeners
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send({**start})
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            with self._listeners.one(self._identity, sending):
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            is_gone = leaving.done()
        finally:
            sending.cancel()
            leaving.cancel()
            results = await asyncio.gather(sending, leaving, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        if not is_gone:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    await send({"type": "http.response.body", "body": b""})

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._pieces) as pieces:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
