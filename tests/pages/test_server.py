"""The pages without a browser: what is served, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import httpx
import pytest
from nicegui import Client, background_tasks
from tests.pages.conftest import stage
from tests.pages.crowd import Crowd

from energymeter.site.model import WebEntry
from energymeter.web.pages.server import Strays, strays
from energymeter.web.serve import web_server


@asynccontextmanager
async def serving(count: int = 120) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a socket in front of the pages of so many meters."""
    entry = WebEntry.model_validate({"listen": "127.0.0.1:0"})
    async with (
        web_server(entry, Crowd(count).desk, prometheus=None) as server,
        httpx.AsyncClient(base_url=str(server), timeout=10, trust_env=False) as http,
    ):
        yield http


def memory_kib(process: int) -> int:
    """What a process holds."""
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_a_thousand_loads_without_a_socket_leave_no_page_and_no_task() -> None:
    async def load() -> None:
        async with serving() as http:
            await http.get("/")
            tasks = len(background_tasks.running_tasks)
            for path in ("/", "/meter/meter-00001", "/links", "/link/link-000", "/events"):
                for _ in range(40):
                    assert (await http.get(path)).status_code == 200
                    assert len(Client.instances) <= 60
            assert len(strays()) <= 50
            strays().close()
            assert len(Client.instances) == 0
            async with asyncio.timeout(5):
                while len(background_tasks.running_tasks) > tasks:  # noqa: ASYNC110 - they end
                    await asyncio.sleep(0.02)

    asyncio.run(load())


def test_a_thousand_loads_leave_memory_where_it_was() -> None:
    with stage("crowd", "500") as (address, process), httpx.Client(trust_env=False) as http:
        for _ in range(200):  # what is kept for good is there then
            http.get(address)
        before = memory_kib(process)
        for _ in range(1000):
            assert http.get(address).status_code == 200
        assert memory_kib(process) - before < 8_000


def test_a_page_nobody_comes_back_to_is_dropped_in_time() -> None:
    class Page:
        """As much of a client as is needed here."""

        id = "one"

        def on_connect(self, call: object) -> None:
            """Nobody connects."""

        def on_delete(self, call: object) -> None:
            """It is not one of NiceGUI's."""

    async def wait() -> None:
        waiting = Strays(patience_s=0.02)
        waiting.add(cast(Client, Page()))
        assert len(waiting) == 1
        await asyncio.sleep(0.06)
        assert len(waiting) == 0

    asyncio.run(wait())


def test_what_is_no_page_is_not_found_and_costs_nothing() -> None:
    async def ask() -> None:
        async with serving() as http:
            for path in ("/wp-login.php", "/_nicegui/1.0.0/x", "/_nicegui/auto/x", "/meters"):
                answer = await http.get(path)
                assert answer.status_code == 404
                assert answer.headers["content-type"].startswith("application/")
            assert len(Client.instances) == 0

    asyncio.run(ask())


def test_the_page_that_is_sent_holds_no_meter_yet() -> None:
    async def ask() -> None:
        async with serving(1000) as http:
            answer = await http.get("/")
            assert "meter-0" not in answer.text
            assert len(answer.content) < 60_000

    asyncio.run(ask())


def test_nothing_in_a_page_comes_from_elsewhere() -> None:
    async def ask() -> None:
        async with serving() as http:
            text = (await http.get("/")).text
            for word in ("https://", "//cdn", "googleapis"):
                assert word not in text

    asyncio.run(ask())


@pytest.mark.parametrize("round_", [1, 2])
def test_pages_start_again_in_a_process_that_had_some(round_: int) -> None:
    async def ask() -> None:
        async with serving(round_) as http:
            assert (await http.get("/")).status_code == 200

    asyncio.run(ask())
    gc.collect()
    assert len(Client.instances) == 0


def test_two_services_of_a_process_show_their_own_meters() -> None:
    async def ask() -> None:
        async with serving(3) as one, serving(5) as other:
            assert (await one.get("/")).status_code == 200
            assert (await other.get("/")).status_code == 200
        async with serving(1) as third:
            assert (await third.get("/")).status_code == 200

    asyncio.run(ask())
