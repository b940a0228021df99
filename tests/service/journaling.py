"""Polls for the journal, told apart by a number, and a sink that does what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from energymeter.client.backoff import Backoff
from energymeter.clock import ManualClock
from energymeter.profiles import parse_profile
from energymeter.reader import Quality
from energymeter.service.events import EventStream, ServiceEvent, Topic
from energymeter.service.forwarder import Forwarder
from energymeter.service.journal import Journal, JournalReader
from energymeter.service.sink import MeterInfo, SinkPoll
from energymeter.service.snapshot import SinkState
from energymeter.store import Form, Kind, Layout, Series, StoredPoll

NUMBERED: Final = Layout((Series("n", kind=Kind.COUNTER, form=Form.INTEGER), Series("half", "V")))
OTHER: Final = Layout((Series("n", form=Form.INTEGER), Series("text", form=Form.TEXT)))
STEP_US: Final = 1_000_000
PLENTY: Final = 1_000_000_000
GOOD: Final = (Quality.GOOD, Quality.GOOD)


def poll(number: int, meter: str = "main", layout: Layout = NUMBERED) -> StoredPoll:
    second: Any = f"no {number}" if layout == OTHER else number / 2
    return StoredPoll(meter, layout, number * STEP_US, (number, second), GOOD)


def polls(numbers: Iterable[int], meter: str = "main") -> list[StoredPoll]:
    return [poll(number, meter) for number in numbers]


def number_of(found: StoredPoll) -> int:
    """The number of a poll that is what was put in, to the last value."""
    number = found.values[0]
    assert isinstance(number, int)
    plain = found._replace(values=tuple(found.values), qualities=tuple(found.qualities))
    assert plain == poll(number, found.meter, found.layout)
    return number


def drain(reader: JournalReader, most: int = 7) -> list[int]:
    """Read and commit until nothing waits; the numbers."""
    numbers = []
    while not (batch := reader.read(most)).is_empty:
        numbers += [number_of(found) for found in batch.polls]
        reader.commit(batch)
    return numbers


def left(folder: Path, name: str = "box") -> list[int]:
    """What waits for a reader when the journal is opened anew."""
    journal = Journal(folder)
    try:
        return drain(journal.reader(name, most_bytes=PLENTY))
    finally:
        journal.close()


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


def info(name: str) -> MeterInfo:
    profile = parse_profile(
        {
            "name": "test/meter",
            "vendor": "test",
            "model": "meter",
            "points": [{"name": "n", "address": 1, "type": "uint16"}],
        },
        "test",
    )
    return MeterInfo(
        name=name,
        link="tcp://127.0.0.1:502",
        unit=1,
        profile=profile,
        interval_s=1.0,
        series=NUMBERED.series,
    )


def infos(*names: str) -> dict[str, MeterInfo]:
    return {name: info(name) for name in names}


class Receiver:
    """A sink that keeps what it gets, and fails as it is told."""

    def __init__(self) -> None:
        self.got: list[SinkPoll] = []
        self.calls: list[str] = []
        self.meters: Mapping[str, MeterInfo] = {}
        self.fails: Exception | None = None
        """What `send` raises; None: it takes the polls."""

        self.open_fails: Exception | None = None
        self.hangs = False

    @property
    def numbers(self) -> list[Any]:
        return [found.values[0].value for found in self.got]

    async def open(self, meters: Mapping[str, MeterInfo]) -> None:
        self.calls.append("open")
        self.meters = meters
        await asyncio.sleep(0)
        if self.open_fails is not None:
            raise self.open_fails

    async def send(self, polls: Sequence[SinkPoll]) -> None:
        self.calls.append("send")
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.fails is not None:
            raise self.fails
        self.got += polls
        await asyncio.sleep(0)

    async def close(self) -> None:
        self.calls.append("close")
        await asyncio.sleep(0)


class Rig:
    """A journal with one sink and its forwarder."""

    def __init__(self, journal: Journal, clock: ManualClock, name: str = "box") -> None:
        self.journal = journal
        self.clock = clock
        self.name = name
        self.sink = Receiver()
        self.state = SinkState(name, "test")
        self.events = EventStream(clock)
        self.options: dict[str, Any] = {}
        self.most_bytes = PLENTY

    def forwarder(self) -> Forwarder:
        options: dict[str, Any] = {
            "meters": infos("main", "side"),
            "batch": 10,
            "backoff": Backoff(1.0, 8.0, jitter=0.0),
            **self.options,
        }
        return Forwarder(
            self.journal.reader(self.name, most_bytes=self.most_bytes),
            self.sink,
            self.state,
            self.events,
            name=self.name,
            clock=self.clock,
            **options,
        )

    @property
    def waiting(self) -> int:
        """Polls that the sink's position is not behind."""
        return self.journal.reader(self.name, most_bytes=self.most_bytes).waiting

    def is_done(self) -> bool:
        return self.waiting == 0

    @property
    def fault(self) -> tuple[str, bool]:
        """What the state says, and whether it says since when."""
        return self.state.fault, self.state.fault_since is not None

    @property
    def told(self) -> list[ServiceEvent]:
        found = self.events.newest()
        assert all(event.topic is Topic.SINK and event.name == self.name for event in found)
        return found


@asynccontextmanager
async def running(forwarder: Forwarder) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(forwarder.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
