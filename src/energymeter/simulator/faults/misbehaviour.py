"""All the faults that are on, what they do to each exchange, and when the answers go out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from energymeter.clock import Clock, SystemClock
from energymeter.codec import Frame, Framer
from energymeter.codec.framers import make_framer
from energymeter.codec.framing import Framing, Side
from energymeter.errors import ConfigError
from energymeter.server.delivery import Chunk, Respond
from energymeter.simulator.faults.active import ActiveFault
from energymeter.simulator.faults.amount import contains
from energymeter.simulator.faults.exchange import Exchange, FaultyMeter, Hit, Piece, WireMemory
from energymeter.simulator.faults.fault import Fault
from energymeter.simulator.faults.kind import Stage, Where
from energymeter.transports import Way

__all__ = ["FaultyWire", "Misbehaviour"]

_BEFORE_ANSWER: Final = (Stage.GATE, Stage.REFUSAL)
_NOTHING: Final[Sequence[Chunk]] = ()
_new_chunk: Final = tuple.__new__  # Chunk(...) itself takes twice as long, once a message


class Misbehaviour:
    """The faults of a simulator, on all its wires; they may come and go while it runs.

    Args:
        seed: The same seed, the same faults added in the same order and the same requests of a
            unit give the same faults.
        clock: Says when faults that last for a time are over.
    """

    def __init__(self, seed: int = 0, clock: Clock | None = None) -> None:
        self.seed = seed
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.wires: list[FaultyWire] = []
        """One for each `wire`, in order; a fault's `wire=1` is the first."""
        self.has_none = True
        """Whether no fault is on; where it is False the last one may have ended unnoticed."""
        self._active: dict[int, ActiveFault] = {}
        self._by_stage: dict[Stage, tuple[ActiveFault, ...]] = {}
        self._has_ends = False
        self._last_number = 0
        self._times_written: dict[str, int] = {}

    def wire(
        self,
        meters: Mapping[int, FaultyMeter],
        *,
        framing: Framing = Framing.MBAP,
        way: Way = Way.TCP,
        answers_all: bool = False,
    ) -> FaultyWire:
        """The `Delivery` of one more wire.

        Args:
            meters: Unit number to meter, of all that are on it.
            framing: Its envelope.
            way: What carries it.
            answers_all: Whether its only meter answers every unit number.
        """
        wire = FaultyWire(self, meters, framing=framing, way=way, answers_all=answers_all)
        self.wires.append(wire)
        return wire

    def faults(self) -> list[ActiveFault]:
        """Those that are on, in the order they came."""
        self.tidy()
        return list(self._active.values())

    def add(self, fault: Fault) -> ActiveFault:
        """Let a fault begin; an event without a probability happens at once.

        Raises:
            ConfigError: None of the wires is one on which it can happen.
        """
        self.check(fault)
        text = str(fault)
        again = self._times_written[text] = self._times_written.get(text, 0) + 1
        self._last_number += 1
        until = None if fault.for_s is None else self.clock.monotonic() + fault.for_s
        seed = f"{self.seed}/{text}/{again}"
        active = ActiveFault(self._last_number, fault, seed, until)
        if fault.kind.happen is not None and fault.probability == 1:
            active.throw()
            fault.kind.happen(self, active)
        else:
            self._active[active.number] = active
            self._sort()
        return active

    def remove(self, number: int) -> ActiveFault:
        """End a fault.

        Raises:
            KeyError: There is none of this number.
        """
        self.tidy()
        active = self._active.pop(number)
        self._sort()
        return active

    def clear(self) -> None:
        """End all faults."""
        self._active.clear()
        self._sort()

    def check(self, fault: Fault) -> None:
        """See whether a fault can happen here.

        Raises:
            ConfigError: None of the wires is one on which it can.
        """
        where = fault.kind.where
        wires = [
            wire
            for number, wire in enumerate(self.wires, start=1)
            if contains(fault.wires, (number,))
        ]
        if not self.wires or any(where.fits(wire.framing, wire.way) for wire in wires):
            return
        if not wires:
            msg = f"{fault}: there is no such wire, they are 1 to {len(self.wires)}"
        else:
            msg = f"{fault}: {fault.kind.name} is for {where.value}, and no wire here is one"
        raise ConfigError(msg)

    def meters_of(self, fault: Fault) -> Iterable[FaultyMeter]:
        """See `Plant.meters_of`."""
        found = {
            id(meter): meter
            for number, wire in enumerate(self.wires, start=1)
            if contains(fault.wires, (number,))
            for unit, meter in wire.meters.items()
            if wire.answers_all or contains(fault.units, (unit,))
        }
        return found.values()

    def begin(self, fault: Fault) -> None:
        """See `Plant.begin`."""
        self.add(fault)

    def hits(self, stage: Stage) -> tuple[ActiveFault, ...]:
        """The faults of a stage, in the order in which they act."""
        return self._by_stage.get(stage, ())

    def tidy(self) -> None:
        """Forget the faults whose time is over, or that happened as often as they may."""
        now = self.clock.monotonic() if self._has_ends else 0.0
        over = [number for number, active in self._active.items() if active.is_over(now)]
        for number in over:
            del self._active[number]
        if over:
            self._sort()

    def _sort(self) -> None:
        self.has_none = not self._active
        self._has_ends = any(active.until is not None for active in self._active.values())
        by_stage: dict[Stage, list[ActiveFault]] = {}
        for active in self._active.values():
            by_stage.setdefault(active.fault.kind.stage, []).append(active)
        self._by_stage = {stage: tuple(found) for stage, found in by_stage.items()}


class FaultyWire:
    """How answers leave on one wire; made by `Misbehaviour.wire`.

    All meters of a wire answer one after the other: who is late keeps the others waiting.
    """

    def __init__(
        self,
        misbehaviour: Misbehaviour,
        meters: Mapping[int, FaultyMeter],
        *,
        framing: Framing,
        way: Way,
        answers_all: bool,
    ) -> None:
        self.meters = meters
        self.answers_all = answers_all
        self.framing = framing
        self.way = way
        self.connections: Callable[[], int] = lambda: 0
        """How many clients there are now; whoever owns the server puts it in."""
        self._misbehaviour = misbehaviour
        self._number = len(misbehaviour.wires) + 1
        self._only = next(iter(meters.values()), None) if answers_all else None
        self._has_connections = Where.CONNECTED.fits(framing, way)
        self._encode = make_framer(framing, Side.CLIENT).encode
        self._memory = WireMemory()
        self._is_free = True
        """Whether an answer needs not wait for anything, as far as is known."""
        self._free_at = 0.0
        self._ends: deque[float] = deque()

    def admits(self, connections: int) -> bool:
        """See `Delivery.admits`."""
        misbehaviour = self._misbehaviour
        if misbehaviour.has_none or not self._has_connections:
            return True
        misbehaviour.tidy()
        faults = misbehaviour.hits(Stage.GATE)
        is_barred = any(active.bars(connections, self._number) for active in faults)
        misbehaviour.tidy()
        return not is_barred

    def answer(self, request: Frame, framer: Framer, respond: Respond) -> Sequence[Chunk]:
        """See `Delivery.answer`."""
        misbehaviour = self._misbehaviour
        # With nothing on and nobody waiting this is all there is to do, and it is to cost nothing.
        if self._is_free and misbehaviour.has_none:
            transaction, unit, pdu = request
            answer = respond(unit, pdu)
            if answer is None:
                return _NOTHING
            frame = self._memory.last_frame = framer.encode(transaction, unit, answer)
            return (_new_chunk(Chunk, (0.0, frame)),)
        now = misbehaviour.clock.monotonic()
        misbehaviour.tidy()
        exchange = self._exchange(request, respond, now)
        if exchange.is_served:
            # So the connection's framer learns that the request is for somebody here. On a serial
            # line it would take the same write, asked again, for the answer of another unit.
            framer.encode(request.transaction, request.unit, request.pdu[:1])
        self._run(exchange, framer)
        misbehaviour.tidy()
        chunks = self._sent(exchange.pieces, exchange.delay_s, now)
        self._is_free = self._free_at <= now and not self._memory.held
        return chunks

    def _exchange(self, request: Frame, respond: Respond, now: float) -> Exchange:
        meter = self._only or self.meters.get(request.unit)
        return Exchange(
            request=request,
            framing=self.framing,
            encode=self._encode,
            respond=respond,
            memory=self._memory,
            meter=meter,
            is_served=meter is not None,
            has_connections=self._has_connections,
            load=self._waiting(now) + max(0, self.connections() - 1),
            happen=self._happen,
        )

    def _run(self, exchange: Exchange, framer: Framer) -> None:
        for stage in _BEFORE_ANSWER:
            self._apply(stage, exchange)
            if exchange.is_lost:
                return
            if exchange.is_broadcast:
                exchange.respond(exchange.request.unit, exchange.request.pdu)
                return
        transaction, unit, pdu = exchange.request
        if exchange.pdu is None:
            exchange.pdu = exchange.respond(unit, pdu)
        if exchange.pdu is not None:
            self._apply(Stage.CONTENT, exchange)
        if exchange.pdu is None:
            return
        memory = self._memory
        honest = exchange.encode(transaction, unit, exchange.pdu)
        self._apply(Stage.ENVELOPE, exchange)
        # By the connection's own framer, which may want to know what goes out.
        exchange.frame = framer.encode(exchange.transaction, exchange.unit, exchange.pdu)
        self._apply(Stage.SPOILING, exchange)
        memory.last_frame = honest
        exchange.is_glued = bool(memory.held)
        data, memory.held = memory.held + exchange.frame, b""
        exchange.pieces = [Piece(0.0, data)] if data else []
        self._apply(Stage.WRITING, exchange)
        self._apply(Stage.TIMING, exchange)

    def _apply(self, stage: Stage, exchange: Exchange) -> None:
        for active in self._misbehaviour.hits(stage):
            kind = active.fault.kind
            if kind.effect is None or not kind.where.fits(self.framing, self.way):
                continue
            if active.happens_to(exchange, self._number):
                kind.effect(exchange, active)
            if exchange.is_lost or _is_settled(stage, exchange):
                return

    def _happen(self, hit: Hit) -> None:
        happen = hit.fault.kind.happen
        if happen is not None:
            happen(self._misbehaviour, hit)

    def _sent(self, pieces: Sequence[Piece], delay_s: float, now: float) -> Sequence[Chunk]:
        """When the pieces go out: after those before them, and after the meter's own time."""
        if not pieces:
            return _NOTHING
        at = max(now, self._free_at) + delay_s
        if at == now and len(pieces) == 1:
            return (Chunk(0.0, pieces[0].data),)
        chunks = []
        for piece in pieces:
            at += piece.pause_s
            chunks.append(Chunk(at - now, piece.data))
        self._free_at = at
        self._waiting(now)
        self._ends.append(at)
        return chunks

    def _waiting(self, now: float) -> int:
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
        return len(self._ends)


def _is_settled(stage: Stage, exchange: Exchange) -> bool:
    """Whether what this stage is about has been decided: one refusal is enough."""
    if stage is Stage.REFUSAL:
        return exchange.pdu is not None
    return stage is Stage.CONTENT and exchange.pdu is None
