"""Scripts and styles of the pages as browsers take them: read and compressed once, kept in memory.

In a loop that polls thousands of meters each turn takes a while. A file that comes from the disk
piece by piece, through NiceGUI's middleware, takes dozens of turns; from here it takes one.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Assets"]

_MOST_BYTES: Final = 4_000_000
"""Of all files together, compressed; the pages need a quarter of it."""

_OTHERWISE: Final = ("if-none-match", "if-modified-since", "range")
"""Who sends one of these wants another answer than the whole file."""


class Assets:
    """Answers for files that never change, as their paths hold the version.

    Args:
        app: Has the files.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._files: dict[str, Response] = {}
        self._bytes = 0

    def __contains__(self, path: str) -> bool:
        """Whether this file is in memory."""
        return path in self._files

    async def load(self, paths: Iterable[str]) -> None:
        """Have files in memory before somebody asks; what cannot be had is left out."""
        for path in paths:
            await self._fetch(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        headers, path = Headers(scope=scope), scope["path"]
        is_plain = scope["method"] == "GET" and "gzip" in headers.get("accept-encoding", "")
        answer: ASGIApp | None = None
        if is_plain and not any(name in headers for name in _OTHERWISE):
            answer = self._files.get(path) or await self._fetch(path)
        await (answer or self._app)(scope, receive, send)

    async def _fetch(self, path: str) -> Response | None:
        """Ask the application for a file and keep it; None: there is none, or no room."""
        begin, body = await _asked(self._app, path)
        if begin["status"] != HTTPStatus.OK:
            return None
        small = await asyncio.to_thread(gzip.compress, body, 9)
        if self._bytes + len(small) > _MOST_BYTES:
            return None
        headers = MutableHeaders(raw=list(begin["headers"]))
        headers["content-encoding"] = "gzip"
        headers["content-length"] = str(len(small))
        headers.add_vary_header("Accept-Encoding")
        answer = Response(small)
        answer.raw_headers = headers.raw
        if path not in self._files:  # two may have asked at once
            self._files[path] = answer
            self._bytes += len(small)
        return answer


async def _asked(app: ASGIApp, path: str) -> tuple[Message, bytes]:
    """How an application begins to answer, and the whole body."""
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "server": ("localhost", 80),
        "client": None,
    }
    requests = iter([{"type": "http.request", "body": b"", "more_body": False}])
    answers: list[Message] = []

    async def receive() -> Message:
        for message in requests:
            return message
        hang_up: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await hang_up  # nobody does

    async def send(message: Message) -> None:
        answers.append(message)

    await app(scope, receive, send)
    return answers[0], b"".join(message.get("body", b"") for message in answers[1:])
