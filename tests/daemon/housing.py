"""A daemon in this process, with meters on real sockets, that a test may look into."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from tests.service.benching import Units

from energymeter.clock import SystemClock
from energymeter.daemon.daemon import Daemon
from energymeter.daemon.installation import Installation
from energymeter.server import ModbusServer
from energymeter.service.events import Level, ServiceEvent, Topic
from energymeter.store import SqliteStore

__all__ = ["House", "link", "living", "meter", "sink", "site", "stored"]

_PROFILE: Final = """
name = "test/plain"
vendor = "test"
model = "plain"
points = [{ name = "word_0", address = 0, type = "uint16" }]
"""


def site(*parts: str, head: str = "web = false") -> str:
    """A site file."""
    return "\n".join(['name = "plant"', head, *parts]) + "\n"


def link(name: str, bus: str, *more: str) -> str:
    """A link to where the meters of a bus are."""
    return "\n".join(["[[link]]", f'name = "{name}"', f'url = "{{{bus}}}"', *more])


def meter(name: str, on: str, unit: int, *more: str, interval: str = "100ms") -> str:
    """A meter of two words, on a link."""
    return "\n".join(
        [
            *("[[meter]]", f'name = "{name}"', f'link = "{on}"', f"unit = {unit}"),
            *('profile = "plain.toml"', f'interval = "{interval}"', *more),
        ]
    )


def sink(name: str, meters: str = "*", *more: str) -> str:
    """A sink that writes lines of JSON to a file of its name."""
    lines = ["[[sink]]", 'type = "json"', f'name = "{name}"', f'path = "{name}.jsonl"']
    return "\n".join([*lines, f'meters = ["{meters}"]', *more])


class House:
    """A daemon with its site file, and buses with any units on them.

    Args:
        folder: Where the site is.
        buses: Ports of the buses, by name; `{name}` in a site file is where each is.
        listen: See `Daemon`.
    """

    def __init__(self, folder: Path, buses: dict[str, int], listen: str | None) -> None:
        self.folder = folder
        self.path = folder / "site.toml"
        self.units: dict[str, Units] = {}
        self._buses = buses
        (folder / "plain.toml").write_text(_PROFILE, "utf-8")
        self.ready = asyncio.Event()
        self.daemon = Daemon(self.path, listen=listen, on_ready=lambda _: self.ready.set())

    def write(self, text: str) -> None:
        """Put a site file there, whole at once."""
        for name, port in self._buses.items():
            text = text.replace(f"{{{name}}}", f"tcp://127.0.0.1:{port}")
        draft = self.path.with_suffix(".new")
        draft.write_text(text, "utf-8")
        draft.replace(self.path)

    @property
    def installation(self) -> Installation:
        found = self.daemon.installation
        assert found is not None
        return found

    @property
    def events(self) -> list[ServiceEvent]:
        return self.daemon._events.newest()

    def told(self, topic: Topic, level: Level | None = None) -> list[str]:
        """What was told of it, in order."""
        return [
            event.text
            for event in self.events
            if event.topic is topic and level in (None, event.level)
        ]

    async def change(self, text: str) -> str:
        """Put another site file there; returns what came of it."""
        return await self.outcome(lambda: self.write(text))

    async def outcome(self, act: Callable[[], object]) -> str:
        """Do something that has the file read again; returns what came of it."""
        seen = self.events[-1].number
        act()

        def found() -> list[str]:
            return [
                event.text
                for event in self.events
                if event.number > seen and event.topic is Topic.SITE
            ]

        await eventually(found)
        return found()[-1]

    async def polled(self, *meters: str, times: int = 1) -> None:
        """Return once each of these meters was polled so often more, with success."""
        states = [self.installation.snapshot.meters[name] for name in meters]
        wanted = [state.polls - state.failed + times for state in states]
        await eventually(
            lambda: all(
                state.polls - state.failed >= count
                for state, count in zip(states, wanted, strict=True)
            )
        )

    def open_files(self) -> list[str]:
        """Files below its folder that this process has open."""
        found = []
        for number in Path("/proc/self/fd").iterdir():
            try:
                target = number.readlink()
            except OSError:
                continue
            if target.is_relative_to(self.folder):
                found.append(str(target))
        return found


@asynccontextmanager
async def living(
    folder: Path, text: str, *, buses: Iterable[str] = ("a",), listen: str | None = None
) -> AsyncIterator[House]:
    """A daemon at work; it is ended with the block, and what it raised is raised."""
    async with AsyncExitStack() as stack:
        ports, units = {}, {}
        for name in buses:
            units[name] = Units(SystemClock())
            server = ModbusServer(units[name], port=0)
            await stack.enter_async_context(server)
            ports[name] = server.port
        house = House(folder, ports, listen)
        house.units = units
        house.write(text)
        running = asyncio.create_task(house.daemon.run())
        ready = asyncio.create_task(house.ready.wait())
        try:
            await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                yield house
        finally:
            ready.cancel()
            house.daemon.stop()
            await running
        assert house.ready.is_set()


async def eventually(holds: Callable[[], object], limit_s: float = 10.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, "it does not come"
        await asyncio.sleep(0.005)


def stored(path: Path) -> set[str]:
    """The meters a store has polls of."""
    with SqliteStore(path, read_only=True) as store:
        return set(store.latest())
