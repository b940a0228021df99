"""A bus of meters in memory, and a loop whose time leaps, so that a day on it takes seconds.

The frames are made by hand here, not by the code under test. Every register says whose it is
(`word_at`), so an answer taken for another one shows.
"""

from __future__ import annotations

import asyncio
import gc
import selectors
import struct
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeVar, cast

from tests.support.scripted import word_at

from energymeter.client import Link
from energymeter.clock import Alarm, Clock
from energymeter.codec import Framing
from energymeter.transports import MemoryLine

__all__ = [
    "Asked",
    "Bus",
    "LoopClock",
    "Manner",
    "good_answer",
    "never",
    "refuses",
    "right",
    "run_leaping",
]

Result = TypeVar("Result")


class _LeapingSelector(selectors.DefaultSelector):
    """Instead of waiting it lets the time pass at once."""

    moment = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing will ever happen any more"
        self.moment += max(timeout, 0.0)
        return super().select(0)


class _LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leaping = _LeapingSelector()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.moment


class LoopClock:
    """The time of the running loop, from 0.0 on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def monotonic(self) -> float:
        return self._loop.time()

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._loop.time())

    async def sleep_until(self, when: float) -> None:
        await asyncio.sleep(max(0.0, when - self._loop.time()))

    def call_at(self, when: float, callback: Callable[[], None]) -> Alarm:
        return self._loop.call_at(when, callback)

    @property
    def pending(self) -> int:
        """Alarms that will ring; those cancelled do not count."""
        timers: list[asyncio.TimerHandle] = self._loop._scheduled  # type: ignore[attr-defined]
        return sum(not timer.cancelled() for timer in timers)


def run_leaping(main: Callable[[LoopClock], Coroutine[Any, Any, Result]]) -> Result:
    """Run `main` on a loop whose time leaps; it gets the loop's clock.

    The test fails when a task outlives it or when the loop had to complain.
    """
    complaints: list[dict[str, Any]] = []

    async def watched() -> Result:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
        result = await main(LoopClock())
        for _ in range(3):
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks left open: {left}"
        return result

    with asyncio.Runner(loop_factory=_LeapingLoop) as runner:
        result = runner.run(watched())
    gc.collect(1)
    assert not complaints
    return result


@dataclass(frozen=True)
class Asked:
    """A question as it came."""

    moment_s: float
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


Manner = Callable[[Asked], Sequence[tuple[float, bytes]]]
"""What a unit says to a question: seconds it thinks, then a message; may be nothing."""


def good_answer(asked: Asked) -> bytes:
    """What a meter with every register and every coil answers."""
    if asked.function in (3, 4):
        words = [word_at(asked.unit, asked.address + n) for n in range(asked.count)]
        return bytes((asked.function, 2 * asked.count)) + struct.pack(f">{asked.count}H", *words)
    if asked.function in (1, 2):
        return bytes((asked.function, -(-asked.count // 8))) + bytes(-(-asked.count // 8))
    if asked.function in (5, 6, 15, 16):
        return asked.pdu[:5]
    return bytes((asked.function | 0x80, 1))


def right(think_s: float = 0.0) -> Manner:
    """Answers as it should, after so long."""
    return lambda asked: [(think_s, good_answer(asked))]


def never(asked: Asked) -> Sequence[tuple[float, bytes]]:
    """Says nothing."""
    return []


def refuses(code: int) -> Manner:
    """An exception response."""
    return lambda asked: [(0.0, bytes((asked.function | 0x80, code)))]


class Bus:
    """Units at the far end of a memory line, all on one pair of wires.

    Args:
        clock: Times it.
        units: Who is there, and how each behaves.
        framing: The envelope.
        character_s: How long a character takes.
        silence_s: What must be between two frames.

    Attributes:
        asked: Every question, in the order they came.
        clashes: When a question began before the line had been silent for long enough.
        transaction: What the next answers carry as theirs, where they carry one; None: the right.
    """

    def __init__(
        self,
        clock: Clock,
        units: dict[int, Manner],
        *,
        framing: Framing = Framing.RTU,
        character_s: float = 0.0,
        silence_s: float = 0.0,
    ) -> None:
        self.clock = clock
        self.units = units
        self.framing = framing
        self.character_s = character_s
        self.silence_s = silence_s
        self.line = MemoryLine(name="bus", clock=clock)
        self.asked: list[Asked] = []
        self.clashes: list[float] = []
        self.attempts = 0
        """How often somebody tried to connect."""
        self.connections = 0
        self.is_datagram = False
        self.transaction: int | None = None
        self.echoes = False
        self._quiet_since = -1e9
        self._done_at: dict[int, float] = {}
        """When each unit will have said what it has to say: it answers in order."""
        self._client: asyncio.Transport | None = None
        self.hangs_up_after_s: float | None = None
        """Each connection is ended so long after it was made; None: it is not."""

    async def start(self) -> Bus:
        """Begin to listen."""
        await self.line.listener().start(lambda: _Ear(self))
        return self

    def link(self, **options: Any) -> Link:
        """A link to it."""
        return Link(_Door(self), **{"framing": self.framing, "clock": self.clock, **options})

    def say(self, data: bytes) -> None:
        """Put bytes on the line, now."""
        assert self._client is not None
        self._quiet_since = self.clock.monotonic()
        self._client.write(data)

    def hang_up(self) -> None:
        """End the connection there is."""
        assert self._client is not None
        self._client.close()

    def frame(self, unit: int, pdu: bytes, transaction: int = 0) -> bytes:
        """A message in its envelope."""
        body = bytes((unit,)) + pdu
        if self.framing is Framing.RTU:
            return body + _crc(body)
        if self.framing is Framing.ASCII:
            lrc = -sum(body) & 0xFF
            return b":" + (body + bytes((lrc,))).hex().upper().encode() + b"\r\n"
        return struct.pack(">HHH", transaction, 0, len(body)) + body

    def connected(self, transport: asyncio.Transport) -> None:
        """A client is there."""
        self.connections += 1
        self._client = transport
        if self.hangs_up_after_s == 0.0:
            transport.close()
        elif self.hangs_up_after_s is not None:
            self.clock.call_at(self.clock.monotonic() + self.hangs_up_after_s, transport.close)

    def hear(self, data: bytes) -> None:
        """A question, whole."""
        now = self.clock.monotonic()
        # Half a nanosecond more or less is how floats are.
        if now < self._quiet_since + self.silence_s - 1e-9:
            self.clashes.append(now)
        asked = self._asked(now, data)
        self.asked.append(asked)
        if self.echoes:
            self.say(data)
        over_at = now + len(data) * self.character_s
        self._quiet_since = over_at
        for think_s, pdu in self.units.get(asked.unit, never)(asked):
            answer = self.frame(asked.unit, pdu, self._transaction_of(asked))
            done_at = self._done_at.get(asked.unit, -1.0)
            # A loop does not keep the order of what is due at the same moment.
            begin = max(over_at + self.silence_s + think_s, done_at + 1e-6)
            end = begin + len(answer) * self.character_s
            self._done_at[asked.unit] = end
            if end > now:
                self.clock.call_at(end, _later(self.say, answer))
            else:
                self.say(answer)

    def _transaction_of(self, asked: Asked) -> int:
        return asked.transaction if self.transaction is None else self.transaction

    def _asked(self, now: float, data: bytes) -> Asked:
        if self.framing is Framing.RTU:
            assert data[-2:] == _crc(data[:-2])
            return Asked(now, 0, data[0], data[1:-2])
        if self.framing is Framing.ASCII:
            body = bytes.fromhex(data[1:-2].decode())
            return Asked(now, 0, body[0], body[1:-1])
        transaction, _, _, unit = struct.unpack_from(">HHHB", data)
        return Asked(now, transaction, unit, data[7:])


class _Door:
    """The client's end, which counts."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._endpoint = bus.line.endpoint()

    def __str__(self) -> str:
        return str(self._endpoint)

    @property
    def is_datagram(self) -> bool:
        return self._bus.is_datagram

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        self._bus.attempts += 1
        await self._endpoint.connect(protocol_factory)

    def release(self) -> None:
        self._endpoint.release()


class _Ear(asyncio.Protocol):
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._bus.connected(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        self._bus.hear(data)


def _later(say: Callable[[bytes], None], data: bytes) -> Callable[[], None]:
    return lambda: say(data)


_POLYNOMIAL: Final = 0xA001


@lru_cache(maxsize=1024)
def _crc(data: bytes) -> bytes:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ _POLYNOMIAL if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")
