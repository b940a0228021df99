"""Scripts and styles come from memory, and are told as NiceGUI tells them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

import httpx
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tests.pages.test_server import serving

from energymeter.web.pages.assets import Assets

GZIP = {"Accept-Encoding": "gzip"}
SCRIPT = "static/socket.io.min.js"


class Files:
    """An application that notes who asks it, with a file of so many bytes under every path."""

    def __init__(self, size: int = 100) -> None:
        self.asked: list[str] = []
        self.body = random.Random(1).randbytes(size)  # cannot be made smaller
        self.status = 200

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        await Response(self.body, self.status)(scope, receive, send)


def asked(
    files: Files,
    paths: Iterable[str],
    headers: dict[str, str] = GZIP,
    method: str = "GET",
) -> list[httpx.Response]:
    """What is answered to these requests, one after the other."""

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(Assets(files))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
            return [await http.request(method, path, headers=headers) for path in paths]

    return asyncio.run(ask())


def test_from_memory_comes_what_came_from_the_disk() -> None:
    async def scenario() -> None:
        async with serving(1) as http:
            page = (await http.get("/")).text
            folder = page[page.index("/_nicegui/") :].partition("static/")[0]
            kept = await http.get(folder + SCRIPT, headers=GZIP)
            plain = await http.get(folder + SCRIPT, headers={"Accept-Encoding": "identity"})
            again = {**GZIP, "If-None-Match": kept.headers["etag"]}
            unchanged = await http.get(folder + SCRIPT, headers=again)
        assert kept.content == plain.content
        assert kept.headers["content-encoding"] == "gzip"
        assert int(kept.headers["content-length"]) < len(plain.content) / 2
        for name in ("content-type", "cache-control", "etag"):
            assert kept.headers[name] == plain.headers[name]
        assert "immutable" in kept.headers["cache-control"]
        assert unchanged.status_code == 304

    asyncio.run(scenario())


def test_a_file_is_asked_for_once() -> None:
    files = Files()
    answers = asked(files, ["/a", "/a", "/b", "/a"])
    assert files.asked == ["/a", "/b"]
    assert {answer.content for answer in answers} == {files.body}


def test_what_is_not_there_is_not_kept() -> None:
    files = Files()
    files.status = 404
    first, second = asked(files, ["/a", "/a"])
    assert first.status_code == second.status_code == 404
    assert first.content == second.content == files.body
    assert len(files.asked) > 2


def test_who_wants_something_else_than_the_whole_file_compressed_is_passed_on() -> None:
    for headers in ({"Accept-Encoding": "identity"}, {**GZIP, "Range": "bytes=0-9"}):
        files = Files()
        asked(files, ["/a", "/a"], headers)
        assert len(files.asked) == 2
    files = Files()
    asked(files, ["/a", "/a"], method="HEAD")
    assert len(files.asked) == 2


def test_memory_has_a_limit() -> None:
    files = Files(1_500_000)
    answers = asked(files, ["/a", "/b", "/c", "/a", "/b", "/c"])
    assert files.asked.count("/a") == files.asked.count("/b") == 1
    assert files.asked.count("/c") > 1
    assert {answer.content for answer in answers} == {files.body}
