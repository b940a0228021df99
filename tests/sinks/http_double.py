"""An HTTP server to post to, on loopback: strict about what it gets, told what to answer."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

__all__ = ["HttpDouble", "Reply", "Request", "serving"]


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> bytes:
        """The body, uncompressed."""
        if self.headers.get("content-encoding") == "gzip":
            return gzip.decompress(self.body)
        assert "content-encoding" not in self.headers
        return self.body

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Reply:
    """What to answer."""

    status: int = 204
    text: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} Told so", f"Content-Length: {len(self.text.encode())}"]
        lines += [f"{name}: {text}" for name, text in self.headers]
        if self.status == 204:
            lines.pop(1)
        return ("\r\n".join(lines) + "\r\n\r\n" + self.text).encode()


@dataclass
class HttpDouble:
    """Keeps requests and answers them.

    While `is_hanging`, requests are taken and not answered; while `drops`, the connection is cut
    before the answer.
    """

    answer: Callable[[Request], Reply] = lambda _: Reply()
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    is_hanging: bool = False
    drops: bool = False
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while (request := await _read_request(reader)) is not None:
                self.requests.append(request)
                if self.drops:
                    break
                if self.is_hanging:
                    await reader.read()
                    break
                writer.write(self.answer(request).encode())
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("ascii").split("\r\n")[:-2]
    method, target, version = first.split(" ")
    assert version == "HTTP/1.1"
    headers: dict[str, str] = {}
    for line in lines:
        name, _, text = line.partition(":")
        assert name.lower() not in headers, f"the header {name} comes twice"
        headers[name.lower()] = text.strip()
    try:
        body = await reader.readexactly(int(headers["content-length"]))
    except asyncio.IncompleteReadError:
        return None
    split = urlsplit(target)
    return Request(method, split.path, dict(parse_qsl(split.query)), headers, body)


@asynccontextmanager
async def serving(
    double: HttpDouble, *, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[HttpDouble]:
    """The double, listening."""
    server = await asyncio.start_server(double.serve, "127.0.0.1", port, ssl=tls)
    double.port = server.sockets[0].getsockname()[1]
    try:
        yield double
    finally:
        double.cut()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)
