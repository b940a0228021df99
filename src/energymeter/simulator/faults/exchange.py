"""One request on its way to the bytes of its answer, as faults see it. No socket, no clock."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple, Protocol

from energymeter.codec import Frame, Table
from energymeter.codec.codes import READ_FUNCTIONS
from energymeter.codec.framing import Framing
from energymeter.server.delivery import Respond
from energymeter.server.handler import Handler
from energymeter.simulator.faults.fault import Fault

__all__ = ["Asked", "Change", "Exchange", "FaultyMeter", "Hit", "Piece", "Plant", "WireMemory"]

_TABLES: Final = {int(function): table for table, function in READ_FUNCTIONS.items()}
_TWO_WORDS: Final = struct.Struct(">HH")

Change = Callable[[float], float]
"""From what a counter has counted to what it shows instead, in kWh, kvarh, kVAh or m3."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What addresses a request touches."""

    function: int
    address: int
    count: int

    @property
    def table(self) -> Table | None:
        """The table that is read; None: it is no plain read."""
        return _TABLES.get(self.function)

    def touches(self, first: int, last: int) -> bool:
        """Whether one of these addresses is among them."""
        return self.address <= last and first < self.address + self.count

    @classmethod
    def of(cls, pdu: bytes) -> Asked | None:
        """What a request touches; None where it has no address or is cut short."""
        if len(pdu) < 5:
            return None
        address, count = _TWO_WORDS.unpack_from(pdu, 1)
        if pdu[0] in (1, 2, 3, 4, 15, 16, 23):
            return cls(pdu[0], address, count)
        return cls(pdu[0], address, 1) if pdu[0] in (5, 6, 22) else None


class Piece(NamedTuple):
    """Bytes that go out in one write."""

    pause_s: float
    """Seconds after the piece before it."""

    data: bytes | None
    """None: the connection is dropped."""


class FaultyMeter(Protocol):
    """What faults can do to a meter, beside spoiling what it says."""

    def counter_spans(self, table: Table) -> Sequence[tuple[int, int]]:
        """Where its counters of energy and volume are: first and last address of each."""
        ...

    def shadow(self, change: Change | None = None) -> Handler:
        """A meter that answers reads as this one would at this moment, and from then on.

        Args:
            change: What it shows instead of its counters; None: the same.
        """
        ...

    def reset_counters(self) -> None:
        """Let its counters start again at zero."""
        ...

    def restart(self) -> None:
        """Forget what clients have set."""
        ...


@dataclass(slots=True)
class WireMemory:
    """What faults remember of a wire from one exchange to the next."""

    last_frame: bytes | None = None
    """The answer to the request before, as it would have gone out."""

    held: bytes = b""
    """An answer that waits for the next one."""


class Hit(Protocol):
    """A fault at the moment it happens."""

    @property
    def fault(self) -> Fault:
        """What it is."""
        ...

    @property
    def chance(self) -> Random:
        """Where its randomness comes from: the same seed and requests, the same numbers."""
        ...

    @property
    def notes(self) -> dict[object, Handler]:
        """What it wants to remember as long as it is there."""
        ...

    def draw(self, otherwise: float = 0.0) -> float:
        """Its amount, drawn from the range where it has one; `otherwise` where none is given."""
        ...


class Plant(Protocol):
    """All the meters there are, for what happens to them and not to an answer."""

    def meters_of(self, fault: Fault) -> Iterable[FaultyMeter]:
        """The meters a fault is for."""
        ...

    def begin(self, fault: Fault) -> None:
        """Let another fault begin."""
        ...


@dataclass(slots=True)
class Exchange:
    """A request, its answer so far, and what effects may change of it."""

    request: Frame
    framing: Framing
    encode: Callable[[int, int, bytes], bytes]
    """Puts a message into an envelope, whoever it is from and to."""

    respond: Respond
    """The meter's honest answer."""

    memory: WireMemory
    meter: FaultyMeter | None
    """The meter that is asked; None: nobody knows one, or it is for all of them."""

    is_served: bool
    """Whether somebody is there for the unit."""

    has_connections: bool
    """Whether the wire has something that can be dropped."""

    load: int
    """Requests that wait for their answers, and clients beside this one."""

    happen: Callable[[Hit], None]
    """Lets an event happen to all it is for, see `Kind.happen`."""

    asked: Asked | None = None
    is_lost: bool = False
    """Whether nothing is done and nothing is said."""

    transaction: int = 0
    unit: int = 0
    pdu: bytes | None = None
    """The answer; None before there is one, and for silence."""

    frame: bytes = b""
    """The answer in its envelope."""

    is_glued: bool = False
    """Whether an answer that has waited goes out in front of this one."""

    pieces: list[Piece] = field(default_factory=list)
    delay_s: float = 0.0
    """How long the meter takes, in seconds."""

    def __post_init__(self) -> None:
        self.transaction, self.unit, pdu = self.request
        self.asked = Asked.of(pdu)

    @property
    def is_broadcast(self) -> bool:
        """Whether it is for all units of a serial line, and nobody answers."""
        return self.request.unit == 0 and not self.framing.has_transactions

    def lose(self) -> None:
        """Let the request be lost."""
        self.is_lost = True

    def drop(self) -> None:
        """Drop the connection instead of doing anything; where there is none, lose the request."""
        self.is_lost = True
        self.pieces = [Piece(0.0, None)] if self.has_connections else []

    def refuse(self, code: int) -> None:
        """Answer with an exception."""
        function = self.request.pdu[0] & 0x7F
        self.pdu = bytes((function | 0x80, code & 0xFF))
