"""HEAD is answered as GET is, without the body: what monitors ask with (RFC 9110, 9.3.2)."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["AnswersHead"]

_BODY: Final = "http.response.body"


class AnswersHead:
    """Asks the application for the whole answer, and sends its head.

    Args:
        app: What gives the answers.
        endless: Paths whose answers have no end: their HEAD is passed on as it is.
    """

    def __init__(self, app: ASGIApp, endless: Container[str]) -> None:
        self._app = app
        self._endless = endless

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        if not is_head or scope["path"] in self._endless:
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == _BODY:
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_head)
