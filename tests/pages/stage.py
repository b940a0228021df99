"""A service with pages, as a program of its own; prints its address, ends with its input.

python -m tests.pages.stage demo FOLDER     the demo's meters, with a day in the store
python -m tests.pages.stage crowd COUNT     so many meters that are made up
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from tests.pages.crowd import Crowd
from tests.pages.past import fill

from energymeter.cli.demo_site import demo_site_text, start_meters
from energymeter.daemon.daemon import Daemon
from energymeter.eventloop import run, spare_collector
from energymeter.site.model import WebEntry
from energymeter.web.serve import web_server


async def ended() -> None:
    """Return once nobody holds the other end of the input."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def demo(folder: Path) -> None:
    """Run the demo's site, with a past."""
    async with AsyncExitStack() as stack:
        ports = await start_meters(stack, seed=1, speed=1.0)
        path = folder / "site.toml"
        path.write_text(demo_site_text(ports, "127.0.0.1:0"), "utf-8")
        ready = asyncio.Event()
        daemon = Daemon(path, on_ready=lambda _: ready.set())
        running = asyncio.create_task(daemon.run())
        await ready.wait()
        installation = daemon.installation
        assert installation is not None
        assert installation.store is not None
        states = list(installation.snapshot.meters.values())
        while not all(state.polls for state in states):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        await asyncio.to_thread(fill, installation.store, states)
        print(installation.address, flush=True)
        await ended()
        daemon.stop()
        await running


async def crowd(count: int, token: str | None) -> None:
    """Serve the pages of many meters."""
    made = Crowd(count)
    entry = WebEntry.model_validate({"listen": "127.0.0.1:0", "token": token})
    async with web_server(entry, made.desk, prometheus=None) as server:
        moving = asyncio.create_task(made.run())
        spare_collector()
        print(server, flush=True)
        await ended()
        moving.cancel()


if __name__ == "__main__":
    if sys.argv[1] == "demo":
        run(demo(Path(sys.argv[2])))
    else:
        run(crowd(int(sys.argv[2]), sys.argv[3] if sys.argv[3:] else None))
