"""A wire with meters on it that misbehave, asked without sockets: bytes in, chunks out."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from energymeter.clock import ManualClock
from energymeter.codec import Frame, Framing, Side
from energymeter.codec.framers import make_framer
from energymeter.profiles import Profile, ProfileLibrary
from energymeter.server import Chunk, RegisterImage, Tables, UnitRouter
from energymeter.simulator.faults import Misbehaviour, parse_fault
from energymeter.simulator.meter import SimulatedMeter
from energymeter.simulator.population import Population
from energymeter.transports import Way

__all__ = ["MeterBench", "WireBench", "answer_of", "electric", "read_pdu", "registers_of"]

WORDS = b"".join(struct.pack(">H", 100 + number) for number in range(200))


def electric() -> Profile:
    """The documented electricity meter."""
    return ProfileLibrary(()).load("energymeter/electric")


def read_pdu(address: int = 0, count: int = 2, function: int = 3) -> bytes:
    """A read request."""
    return struct.pack(">BHH", function, address, count)


def answer_of(address: int = 0, count: int = 2, function: int = 3) -> bytes:
    """What a `WireBench` honestly answers to it: register n holds 100 + n."""
    return bytes((function, 2 * count)) + WORDS[2 * address : 2 * (address + count)]


def registers_of(pdu: bytes) -> tuple[int, ...]:
    """The registers of an answer to a read."""
    return struct.unpack(f">{pdu[1] // 2}H", pdu[2:])


class _Plain:
    """A meter of plain registers; counters are at 10 and 11."""

    def __init__(self) -> None:
        image = RegisterImage([(0, WORDS)])
        self.tables = Tables(holding=image, input=image)
        self.asked: list[bytes] = []
        self.resets = 0
        self.restarts = 0

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        self.asked.append(pdu)
        return self.tables.answer(unit, pdu)

    def counter_spans(self, table: object) -> Sequence[tuple[int, int]]:
        return [(10, 11)]

    def shadow(self, change: object = None) -> Tables:
        return Tables(holding=self.tables.holding, input=self.tables.input)

    def reset_counters(self) -> None:
        self.resets += 1

    def restart(self) -> None:
        self.restarts += 1


class WireBench:
    """Plain meters, units 1 to 3, on one wire.

    Args:
        faults: What is wrong from the start.
        framing: The envelope.
        way: What carries it.
        seed: Of the faults.
        units: The units that are there.
    """

    def __init__(
        self,
        *faults: str | Mapping[str, Any],
        framing: Framing = Framing.MBAP,
        way: Way = Way.TCP,
        seed: int = 1,
        units: Sequence[int] = (1, 2, 3),
    ) -> None:
        self.clock = ManualClock()
        self.misbehaviour = Misbehaviour(seed, self.clock)
        self.meters = {unit: _Plain() for unit in units}
        self.wire = self.misbehaviour.wire(self.meters, framing=framing, way=way)
        self.router = UnitRouter(self.meters)
        self.framer = make_framer(framing, Side.SERVER)
        self.framing = framing
        self._transaction = 0
        for fault in faults:
            self.add(fault)

    def add(self, fault: str | Mapping[str, Any]) -> int:
        return self.misbehaviour.add(parse_fault(fault)).number

    def wait(self, seconds: float) -> None:
        """Let time pass; there is no loop in which anything could wake up."""
        self.clock._elapsed_s += seconds

    def chunks(self, pdu: bytes | None = None, unit: int = 1) -> Sequence[Chunk]:
        """What goes out for one request; transaction numbers count from 1."""
        self._transaction += 1
        frame = Frame(self._transaction, unit, pdu if pdu is not None else read_pdu())
        return self.wire.answer(frame, self.framer, self._respond)

    def data(self, pdu: bytes | None = None, unit: int = 1) -> bytes:
        """All bytes that go out for one request."""
        return b"".join(chunk.data or b"" for chunk in self.chunks(pdu, unit))

    def answer(self, pdu: bytes | None = None, unit: int = 1) -> bytes | None:
        """The one message that goes out for a request, without its envelope; None for silence."""
        data = self.data(pdu, unit)
        if not data:
            return None
        (frame,) = make_framer(self.framing, Side.CLIENT).feed(data)
        return frame.pdu

    def encoded(self, pdu: bytes, unit: int = 1, transaction: int = 1) -> bytes:
        """A message as it stands on this wire."""
        return make_framer(self.framing, Side.CLIENT).encode(transaction, unit, pdu)

    def _respond(self, unit: int, pdu: bytes) -> bytes | None:
        if unit == 0 and not self.framing.has_transactions:
            self.router.broadcast(pdu)
            return None
        return self.router.answer(unit, pdu)


class MeterBench:
    """Simulated electricity meters that misbehave, units from 1 on one wire."""

    def __init__(self, *faults: str, count: int = 1) -> None:
        self.population = Population(electric(), count=count, seed=7)
        self.clock = ManualClock()
        self.misbehaviour = Misbehaviour(1, self.clock)
        meters: dict[int, SimulatedMeter] = dict(enumerate(self.population.meters, start=1))
        self.wire = self.misbehaviour.wire(meters)
        self.router = UnitRouter({unit: meter.tables for unit, meter in meters.items()})
        for fault in faults:
            self.misbehaviour.add(parse_fault(fault))

    def answer(self, address: int = 0, count: int = 102, unit: int = 1) -> bytes:
        """The message a client gets."""
        frame = Frame(1, unit, read_pdu(address, count))
        framer = make_framer(Framing.MBAP, Side.SERVER)
        (chunk,) = self.wire.answer(frame, framer, self.router.answer)
        assert chunk.data is not None
        return chunk.data[7:]

    def words(self, address: int = 0, count: int = 102, unit: int = 1) -> tuple[int, ...]:
        """Registers as a client gets them."""
        return registers_of(self.answer(address, count, unit))

    def honest(self, address: int = 0, count: int = 102, unit: int = 1) -> tuple[int, ...]:
        """The same without faults."""
        answer = self.router.answer(unit, read_pdu(address, count))
        assert answer is not None
        return registers_of(answer)

    async def tick(self, seconds: float) -> None:
        await self.population.tick(seconds)
