"""Meters, lines and networks to be broken: what the set-ups of the matrix are built of."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import termios
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Final, cast

from tests.doctor.haste import LoopClock
from tests.transports.ptys import Pty

from energymeter.codec import Framing, Side, make_framer
from energymeter.discovery import ProfileTree
from energymeter.doctor import Case, Surroundings
from energymeter.doctor.surroundings import Door
from energymeter.errors import LinkOpenError
from energymeter.profiles import Profile, ProfileLibrary
from energymeter.server import Handler, ModbusServer, Tables
from energymeter.simulator import Manners, Misbehaviour, SimulatedSite, parse_fault
from energymeter.simulator.population import Population
from energymeter.transports import (
    Endpoint,
    MemoryLine,
    SerialSettings,
    TcpListener,
    Way,
    Wire,
    parse_wire,
)

__all__ = [
    "LIBRARY",
    "PM8000",
    "SDM120",
    "SDM630",
    "SHORT_S",
    "FakeNetwork",
    "Line",
    "PtyMeter",
    "Session",
    "Shy",
    "SlowDoor",
    "SlowName",
    "answer_mbap",
    "case_of",
    "free_port",
    "meter",
    "served",
    "tables_of",
    "talker",
    "user_profile",
]

SHORT_S: Final = 0.3
"""Patience where real time passes and is waited for: over UDP, with ptys."""

_BEAT_S: Final = 0.5
"""How often noise that comes by itself comes."""

LIBRARY: Final = ProfileLibrary([])
SDM630: Final = LIBRARY.load("sdm630")
SDM120: Final = LIBRARY.load("sdm120")
PM8000: Final = LIBRARY.load("pm8000")


class _Here(Surroundings):
    """This machine, without a thread for looking up names."""

    async def addresses(self, host: str) -> Sequence[str]:
        return (host,)


class SlowDoor(_Here):
    """This machine, and ways that take long to open."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def endpoint(self, wire: Wire) -> Endpoint:
        return _Slow(wire.endpoint(), self._seconds if wire.way is Way.TLS else 0.0)


class _Slow:
    is_datagram = False

    def __init__(self, inner: Endpoint, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    def __str__(self) -> str:
        return str(self._inner)

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        await asyncio.sleep(self._seconds)
        await self._inner.connect(protocol_factory)

    def release(self) -> None:
        self._inner.release()


@cache
def _tree() -> ProfileTree:
    return ProfileTree([SDM630, SDM120, PM8000, LIBRARY.load("electric")])


def case_of(url: str | Wire, profile: Profile | None = None, **options: Any) -> Case:
    """An examination on the loop's own clock; no other ports are knocked at."""
    words = () if profile is None else ("--profile", profile.name)
    wire = parse_wire(url) if isinstance(url, str) else url
    usual: dict[str, Any] = {
        "unit": 1 if profile is None else profile.defaults.unit,
        "profile": profile,
        "meter_words": words,
        "clock": LoopClock(),
        "surroundings": _Here(),
        "tree": _tree,
        "usual_ports": (),
    }
    return Case(wire=wire, **{**usual, **options})


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def meter(
    profile: Profile | Mapping[int, Profile],
    *faults: str,
    listen: str = "tcp://127.0.0.1:0",
    seed: int = 7,
) -> AsyncIterator[str]:
    """A simulated meter, or several units, with these faults; gives its URL."""
    units = {1: profile} if isinstance(profile, Profile) else dict(profile)
    misbehaviour = Misbehaviour(seed, LoopClock())
    site = SimulatedSite(
        units,
        listen=[listen],
        seed=seed,
        manners=Manners(misbehaviour=misbehaviour),
        clock=LoopClock(),
    )
    for fault in faults:
        misbehaviour.add(parse_fault(fault))
    async with site:
        yield str(site.outlets[0])


def tables_of(profile: Profile) -> Tables:
    """The registers of a simulated meter, as a handler."""
    return Population(profile, count=1, seed=7).meters[0].tables


class Shy:
    """A meter that says nothing where another one refuses."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        answer = self._handler.answer(unit, pdu)
        return None if answer is None or answer[0] & 0x80 else answer


def answer_mbap(session: Session, data: bytes, handler: Handler) -> None:
    """Answer a request as a meter does."""
    pdu = handler.answer(data[6], data[7:])
    assert pdu is not None
    session.transport.write(data[:4] + (len(pdu) + 1).to_bytes(2, "big") + data[6:7] + pdu)


def user_profile(profile: Profile, **changes: Any) -> Profile:
    """The profile as somebody's own, which is in no library."""
    return profile.model_copy(update={"name": "my/meter", **changes})


@asynccontextmanager
async def served(
    handler: Handler, *, framing: Framing = Framing.MBAP, scheme: str = "tcp"
) -> AsyncIterator[str]:
    """A handler on a port of its own; gives its URL."""
    async with ModbusServer(
        handler, listener=TcpListener(port=0), framing=framing, clock=LoopClock()
    ) as server:
        yield f"{scheme}://127.0.0.1:{server.listener.port}"


class Session(asyncio.Protocol):
    """A connection of a server that does as it is told."""

    def __init__(self, on_bytes: Hears, greeting: bytes, *, is_welcome: bool) -> None:
        self._on_bytes = on_bytes
        self._greeting = greeting
        self._is_welcome = is_welcome
        self.opened_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.opened_at = asyncio.get_running_loop().time()
        if self._greeting:
            self.transport.write(self._greeting)
        if not self._is_welcome:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        self._on_bytes(self, data)


Hears = Callable[[Session, bytes], None]


@asynccontextmanager
async def talker(
    on_bytes: Hears = lambda session, data: None,
    *,
    greeting: bytes = b"",
    is_welcome: bool = True,
    scheme: str = "tcp",
) -> AsyncIterator[str]:
    """A TCP server that does with what it hears as it is told; gives its URL."""
    loop = asyncio.get_running_loop()
    sessions: list[Session] = []

    def admit() -> Session:
        sessions.append(Session(on_bytes, greeting, is_welcome=is_welcome))
        return sessions[-1]

    server = await loop.create_server(admit, "127.0.0.1", 0)
    try:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for session in sessions:
            session.transport.abort()
        await asyncio.sleep(0)


class FakeNetwork(Surroundings):
    """A network in which all connections fail the same way.

    Args:
        door: What ports do.
        doors: What single ports do instead.
        own: The address of this machine.
        names: What is asked of the name server; None: as it really is.
    """

    def __init__(
        self,
        door: Door = Door.SILENT,
        *,
        doors: Mapping[int, Door] | None = None,
        own: str | None = "192.0.2.9",
        names: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        self._door = door
        self._doors = doors or {}
        self._own = own
        self._names = names

    def endpoint(self, wire: Wire) -> Endpoint:
        return _Nowhere(str(wire))

    async def addresses(self, host: str) -> Sequence[str]:
        return (host,) if self._names is None else self._names(host)

    def own_address(self, address: str) -> str | None:
        return self._own

    async def try_door(self, host: str, port: int, seconds: float) -> Door:
        return self._doors.get(port, self._door)


class SlowName(FakeNetwork):
    """A name whose addresses are tried one after the other, the dead ones for two seconds."""

    def __init__(self, addresses: Mapping[str, Door]) -> None:
        super().__init__(names=lambda host: tuple(addresses))
        self._by_address = addresses

    async def try_door(self, host: str, port: int, seconds: float) -> Door:
        if host in self._by_address:
            return self._by_address[host]
        await asyncio.sleep(2.0)
        return Door.OPEN


class _Nowhere:
    is_datagram = False

    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return self._name

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        msg = f"{self._name} cannot be reached"
        raise LinkOpenError(msg, endpoint=self._name)

    def release(self) -> None:
        """See `Endpoint.release`."""


class Line(Surroundings):
    """A serial line without hardware: a meter at its own settings, and something else at others.

    Args:
        handler: The meter.
        settings: Where it hears and is heard.
        elsewhere: What comes back to what is sent with other settings; empty: nothing.
        framing: What it speaks.
        noise: What is heard all the time, whoever asks.
    """

    def __init__(
        self,
        handler: Handler | None,
        settings: str = "9600 8N1",
        *,
        elsewhere: bytes = b"",
        framing: Framing = Framing.RTU,
        noise: bytes = b"",
        echoes: bool = False,
    ) -> None:
        baudrate, shape = settings.split()
        self._settings = SerialSettings(int(baudrate), shape[1], int(shape[2]), int(shape[0]))
        self._framing = framing
        self._handler = handler
        self._elsewhere = elsewhere
        self._noise = noise
        self._echoes = echoes

    def endpoint(self, wire: Wire) -> Endpoint:
        line = MemoryLine(name=wire.path or "")
        is_right = wire.serial == self._settings
        handler = self._handler if is_right else None
        listener = line.listener()
        loop = asyncio.get_running_loop()
        start = listener.start(
            lambda: _LineEnd(handler, self._framing, self._elsewhere, self._noise, self._echoes)
        )
        self._task = loop.create_task(cast(Any, start))
        return line.endpoint()

    def serial_ports(self) -> Sequence[str]:
        return ()

    def holder_of(self, path: str) -> str | None:
        return None


class _LineEnd(asyncio.Protocol):
    def __init__(
        self,
        handler: Handler | None,
        framing: Framing,
        elsewhere: bytes,
        noise: bytes,
        echoes: bool,
    ) -> None:
        self._handler = handler
        self._framer = make_framer(framing, Side.SERVER)
        self._elsewhere = elsewhere
        self._noise = noise
        self._echoes = echoes
        self._beat: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._noise:
            self._be_noisy()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._beat is not None:
            self._beat.cancel()

    def data_received(self, data: bytes) -> None:
        if self._echoes:
            self._transport.write(data)
        if self._handler is None:
            if self._elsewhere:
                self._transport.write(self._elsewhere)
            return
        for _, unit, pdu in (*self._framer.feed(data), *self._framer.silence()):
            answer = self._handler.answer(unit, pdu)
            if answer is not None:
                self._transport.write(self._framer.encode(0, unit, answer))

    def _be_noisy(self) -> None:
        self._transport.write(self._noise)
        loop = asyncio.get_running_loop()
        self._beat = loop.call_later(_BEAT_S, self._be_noisy)


class PtyMeter:
    """A meter at the far end of a pty that hears only what is sent at its own speed.

    What is sent at another speed arrives there as noise, and what it says arrives here as such.
    (A pty keeps the speed it is set to, but neither parity nor data bits.)
    """

    def __init__(self, handler: Handler, speed: int) -> None:
        self._handler = handler
        self._speed = speed
        self._framer = make_framer(Framing.RTU, Side.SERVER)
        self._pty = Pty()
        self.path = self._pty.path

    async def __aenter__(self) -> PtyMeter:
        asyncio.get_running_loop().add_reader(self._pty.far, self._hear)
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._pty.far)
        self._pty.unplug()

    def _hear(self) -> None:
        with contextlib.suppress(OSError):
            data = os.read(self._pty.far, 4096)
            if termios.tcgetattr(self._pty.far)[5] != getattr(termios, f"B{self._speed}"):
                return
            for _, unit, pdu in (*self._framer.feed(data), *self._framer.silence()):
                answer = self._handler.answer(unit, pdu)
                if answer is not None:
                    os.write(self._pty.far, self._framer.encode(0, unit, answer))
