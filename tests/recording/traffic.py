"""Traffic made by hand, and traffic with a simulated meter, for the tests of recordings."""

from __future__ import annotations

import itertools
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from energymeter.client import Link, Tap
from energymeter.codec import Framing, Side, make_framer
from energymeter.profiles import ProfileLibrary
from energymeter.recording import TapGroup
from energymeter.recording.format import Event, Header, Opened, Received, Recording, Sent
from energymeter.recording.replay import Replay, ReplayDelivery, ReplayHandler
from energymeter.recording.traffic import load_traffic
from energymeter.server import ModbusServer
from energymeter.simulator import Manners, Misbehaviour, SimulatedFleet, parse_fault
from energymeter.transports import parse_wire

__all__ = [
    "STARTED",
    "answer",
    "ask",
    "cut",
    "exchange",
    "frame",
    "recording",
    "replayed",
    "simulated",
    "spoken",
    "talk",
]

STARTED = datetime(2026, 1, 31, 12, 0, 0, 250_000, UTC)

Script = Callable[[Link], Awaitable[None]]


def frame(
    pdu: bytes, *, unit: int = 1, transaction: int = 1, framing: Framing = Framing.MBAP
) -> bytes:
    """A message in its envelope."""
    return make_framer(framing, Side.CLIENT).encode(transaction, unit, pdu)


def ask(address: int, count: int = 1, function: int = 4) -> bytes:
    """The message that reads registers."""
    return struct.pack(">BHH", function, address, count)


def answer(*words: int, function: int = 4) -> bytes:
    """The message with registers."""
    return struct.pack(f">BB{len(words)}H", function, 2 * len(words), *words)


def recording(events: Iterable[Event], framing: Framing = Framing.MBAP) -> Recording:
    return Recording(Header(framing, STARTED, "tcp://192.0.2.7:502"), (Opened(0.0), *events))


def exchange(
    moment_s: float,
    question: bytes,
    reply: bytes | None,
    *,
    transaction: int = 1,
    unit: int = 1,
    latency_s: float = 0.01,
) -> list[Event]:
    """A question and its answer, or silence, as events of Modbus TCP."""
    asked: list[Event] = [Sent(moment_s, frame(question, unit=unit, transaction=transaction))]
    if reply is None:
        return asked
    data = frame(reply, unit=unit, transaction=transaction)
    return [*asked, Received(moment_s + latency_s, data)]


def spoken(events: Iterable[Event]) -> list[tuple[bytes, bytes]]:
    """Each thing said, and all that came before the next one."""
    heard: list[tuple[bytes, bytes]] = []
    for event in events:
        if isinstance(event, Sent):
            heard.append((event.data, b""))
        elif isinstance(event, Received):
            said, so_far = heard.pop()
            heard.append((said, so_far + event.data))
    return heard


@asynccontextmanager
async def simulated(url: str, *faults: str, seed: int = 1) -> AsyncIterator[str]:
    """A simulated meter with bad manners on a wire; gives the URL it is at."""
    misbehaviour = Misbehaviour(seed)
    fleet = SimulatedFleet(
        ProfileLibrary(()).load("eastron/sdm120"),
        seed=seed,
        listen=[url],
        unit=1,
        manners=Manners(misbehaviour=misbehaviour),
    )
    for fault in faults:
        misbehaviour.add(parse_fault(fault))
    async with fleet:
        yield str(fleet.outlets[0])


@asynccontextmanager
async def replayed(path: Path, url: str, *, speed: float = 1.0) -> AsyncIterator[str]:
    """What is in a file, served on a wire; gives the URL it is at."""
    replay = Replay(load_traffic(path).exchanges(), speed=speed)
    wire = parse_wire(url)
    delivery = ReplayDelivery(replay, wire.framing)
    async with ModbusServer.at(wire, ReplayHandler(replay), delivery=delivery) as server:
        yield url.replace(":0", f":{server.port}")


async def talk(url: str, script: Script, *taps: Tap, timeout_s: float = 0.25) -> None:
    """Have a conversation over a link with taps."""
    async with Link.to(url, timeout_s=timeout_s, tap=TapGroup(taps)) as link:
        await script(link)


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """A stream in pieces, without empty ones."""
    edges = sorted({0, len(stream), *(min(place, len(stream)) for place in places)})
    return [stream[first:last] for first, last in itertools.pairwise(edges)]
