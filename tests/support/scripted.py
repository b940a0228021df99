"""A Modbus TCP server that misbehaves as it is told, and remembers what it was asked.

Every register says whose it is: `word_at(unit, address)`. So a value that is reported can be
checked against the address it is reported for, and an answer taken for another one shows.
The frames are made by hand here, not by the code under test.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self, cast

from tests.support.loops import until

__all__ = [
    "HANG_UP",
    "Asked",
    "Manner",
    "ScriptedServer",
    "Step",
    "closes_midway",
    "drips",
    "fewer_words",
    "frame",
    "garbage",
    "half",
    "hangs_up",
    "impossible_length",
    "impossible_protocol",
    "late",
    "more_words",
    "never",
    "other_function",
    "other_transaction",
    "other_unit",
    "refuses",
    "right",
    "short",
    "twice",
    "twice_apart",
    "when",
    "word_at",
    "wrong_byte_count",
]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    transaction: int
    unit: int
    pdu: bytes

    @property
    def function(self) -> int:
        return self.pdu[0]

    @property
    def address(self) -> int:
        return int.from_bytes(self.pdu[1:3], "big")

    @property
    def count(self) -> int:
        return int.from_bytes(self.pdu[3:5], "big")


class _Deed(Enum):
    HANG_UP = "hang up"


HANG_UP: Final = _Deed.HANG_UP

Step = bytes | float | asyncio.Event | _Deed
"""Send these bytes, wait so many seconds, wait for this event, or close the connection."""

Manner = Callable[[Asked], Sequence[Step]]
"""What the server does about a request."""


def word_at(unit: int, address: int) -> int:
    """The word that unit has at this address, 0 to 4095."""
    return (unit & 0xF) << 12 | address


def frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """A message in its MBAP envelope."""
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def _words(unit: int, address: int, count: int) -> bytes:
    return struct.pack(f">{count}H", *(word_at(unit, address + n) for n in range(count)))


def _answer(asked: Asked, *, unit: int | None = None, shift: int = 0, more: int = 0) -> bytes:
    """The PDU of a good answer, of another unit, address or length if wanted."""
    if asked.function not in (3, 4):
        return bytes((asked.function | 0x80, 1))
    owner = asked.unit if unit is None else unit
    data = _words(owner, asked.address + shift, asked.count + more)
    return bytes((asked.function, len(data))) + data


def right(asked: Asked) -> Sequence[Step]:
    """Answers as it should."""
    return [frame(asked.transaction, asked.unit, _answer(asked))]


def late(seconds: float) -> Manner:
    """The right answer after so long."""
    return lambda asked: [seconds, *right(asked)]


def when(event: asyncio.Event) -> Manner:
    """The right answer once the event is set."""
    return lambda asked: [event, *right(asked)]


def twice(asked: Asked) -> Sequence[Step]:
    """The right answer two times, glued together."""
    return [b"".join(cast(Sequence[bytes], right(asked))) * 2]


def twice_apart(asked: Asked) -> Sequence[Step]:
    """The right answer two times, the second a little later."""
    return [*right(asked), 0.005, *right(asked)]


def other_transaction(asked: Asked) -> Sequence[Step]:
    """The answer to a question nobody asked, in good form."""
    return [frame(asked.transaction ^ 0x5555, asked.unit, _answer(asked, shift=1))]


def other_unit(asked: Asked) -> Sequence[Step]:
    """What the neighbour has at these addresses."""
    return [frame(asked.transaction, asked.unit + 1, _answer(asked, unit=asked.unit + 1))]


def other_function(asked: Asked) -> Sequence[Step]:
    """Input registers for holding registers and the reverse, of other addresses."""
    pdu = _answer(asked, shift=1)
    return [frame(asked.transaction, asked.unit, bytes((asked.function ^ 7,)) + pdu[1:])]


def wrong_byte_count(asked: Asked) -> Sequence[Step]:
    """The size asked for, but a byte count that says otherwise."""
    pdu = _answer(asked, shift=1)
    return [frame(asked.transaction, asked.unit, bytes((pdu[0], pdu[1] - 2)) + pdu[2:])]


def fewer_words(asked: Asked) -> Sequence[Step]:
    """A good answer to a shorter question."""
    return [frame(asked.transaction, asked.unit, _answer(asked, shift=1, more=-1))]


def more_words(asked: Asked) -> Sequence[Step]:
    """A good answer to a longer question."""
    return [frame(asked.transaction, asked.unit, _answer(asked, shift=-1, more=2))]


def short(asked: Asked) -> Sequence[Step]:
    """An answer that ends early, its envelope saying so."""
    return [frame(asked.transaction, asked.unit, _answer(asked)[:5])]


def half(asked: Asked) -> Sequence[Step]:
    """Half an answer, and no more."""
    return [frame(asked.transaction, asked.unit, _answer(asked))[:-3]]


def garbage(asked: Asked) -> Sequence[Step]:
    """No Modbus at all."""
    return [b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"]


def impossible_protocol(asked: Asked) -> Sequence[Step]:
    """An envelope with a protocol id that is not Modbus."""
    return [struct.pack(">HHHB", asked.transaction, 1, 9, asked.unit) + _answer(asked)]


def impossible_length(asked: Asked) -> Sequence[Step]:
    """An envelope longer than any message."""
    return [struct.pack(">HHHB", asked.transaction, 0, 1000, asked.unit) + _answer(asked)]


def never(asked: Asked) -> Sequence[Step]:
    """Says nothing."""
    return []


def hangs_up(asked: Asked) -> Sequence[Step]:
    """Closes instead of answering."""
    return [HANG_UP]


def closes_midway(asked: Asked) -> Sequence[Step]:
    """Closes after the first ten bytes of the answer."""
    return [frame(asked.transaction, asked.unit, _answer(asked))[:10], HANG_UP]


def drips(asked: Asked) -> Sequence[Step]:
    """The right answer, byte by byte."""
    data = frame(asked.transaction, asked.unit, _answer(asked))
    return [part for byte in data for part in (bytes((byte,)), 0.0005)]


def refuses(code: int) -> Manner:
    """An exception response."""
    return lambda asked: [
        frame(asked.transaction, asked.unit, bytes((asked.function | 0x80, code)))
    ]


class ScriptedServer:
    """Listens on a port of loopback that the system chooses, and keeps it over `kill`.

    Args:
        manner: What it does about requests, unless `script` has something for the next one.
    """

    def __init__(self, manner: Manner = right) -> None:
        self.manner = manner
        self.script: deque[Manner] = deque()
        """Manners for the next requests, used up one by one."""
        self.asked: list[Asked] = []
        """Every request, in the order they came."""
        self.port = 0
        self.accepted = 0
        """Connections so far."""
        self.waiting = 0
        """Requests it has not finished with."""
        self.most_waiting = 0
        self.is_frozen = False
        self._listener: asyncio.Server | None = None
        self._sessions: set[_Session] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.restart()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    @property
    def connected(self) -> int:
        """Connections now."""
        return len(self._sessions)

    async def restart(self) -> None:
        """Listen, on the same port as before."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Session(self), "127.0.0.1", self.port)
        self.port = int(self._listener.sockets[0].getsockname()[1])

    async def kill(self) -> None:
        """Cut all connections without a word and stop listening: connecting is refused."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.cut()

    async def cut(self) -> None:
        """Cut all connections, but go on listening."""
        for session in list(self._sessions):
            session.transport.abort()
        await until(lambda: not self._sessions)

    def freeze(self) -> None:
        """Be half open: connections are accepted, no request is heard, nothing is said."""
        self.is_frozen = True

    def thaw(self) -> None:
        """End `freeze`: what was asked in the meantime is heard now."""
        self.is_frozen = False
        for session in list(self._sessions):
            session.data_received(b"")

    def say(self, data: bytes) -> None:
        """Send bytes nobody asked for to everybody connected."""
        for session in self._sessions:
            session.transport.write(data)

    def _take(self, session: _Session, asked: Asked) -> None:
        self.asked.append(asked)
        manner = self.script.popleft() if self.script else self.manner
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        task = asyncio.get_running_loop().create_task(self._perform(session, manner(asked)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _perform(self, session: _Session, steps: Sequence[Step]) -> None:
        try:
            for step in steps:
                if session.transport.is_closing():
                    return
                if isinstance(step, bytes):
                    session.transport.write(step)
                elif isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, _Deed):
                    session.transport.close()
                else:
                    await asyncio.sleep(step)
        finally:
            self.waiting -= 1


class _Session(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._server.accepted += 1
        self._server._sessions.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server._sessions.discard(self)

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while len(self._pending) >= 8 and not self._server.is_frozen:
            transaction, _, length, unit = struct.unpack_from(">HHHB", self._pending)
            if len(self._pending) < 6 + length:
                return
            pdu = self._pending[7 : 6 + length]
            self._pending = self._pending[6 + length :]
            self._server._take(self, Asked(transaction, unit, pdu))
