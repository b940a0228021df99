"""What kinds of faults are made of: a name, a sentence, an amount, a place, an effect.

Knows no particular kind; they stand in `table`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from energymeter.codec.framing import Framing
from energymeter.simulator.faults.amount import Amount, Measure
from energymeter.transports import Way

if TYPE_CHECKING:
    from energymeter.simulator.faults.exchange import Exchange, Hit, Plant

__all__ = ["Kind", "Stage", "Where"]


class Where(Enum):
    """The wires on which a fault can happen."""

    ANY = "every wire"
    NUMBERED = "tcp, udp, tls"
    """Those with transaction numbers."""

    CONNECTED = "tcp, tls, rtu+tcp"
    """Those with connections that can be refused and dropped."""

    def fits(self, framing: Framing, way: Way) -> bool:
        """Whether a wire is one of them."""
        if self is Where.NUMBERED:
            return framing.has_transactions
        if self is Where.CONNECTED:
            return way in (Way.TCP, Way.TLS, Way.DIAL)
        return True


class Stage(IntEnum):
    """When a fault has its say on the way from a request to the bytes of an answer."""

    GATE = 1
    """A client, or its request, wants to come in; it may be kept out or lost."""

    REFUSAL = 2
    """The meter may refuse instead of doing what it is asked."""

    CONTENT = 3
    """The meter has answered: what does it say?"""

    ENVELOPE = 4
    """The answer's address: unit, function, transaction number."""

    SPOILING = 5
    """The bytes of the frame."""

    WRITING = 6
    """The pieces in which they go out."""

    TIMING = 7
    """When they go out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One way to misbehave."""

    name: str
    """As on the command line."""

    line: str
    """What happens, in one line."""

    stage: Stage
    effect: Callable[[Exchange, Hit], None] | None = None
    """What it does to one exchange; None: it is about connections only."""

    bars: Callable[[int, Hit], bool] | None = None
    """Whether it keeps a client out when there are so many already; None: never."""

    happen: Callable[[Plant, Hit], None] | None = None
    """What it does at once when it is added without a probability; None: it is no event."""

    concerns: Callable[[Exchange, Hit], bool] | None = None
    """Whether it can happen to this exchange at all; None: yes. Asked before the dice."""

    measure: Measure = Measure.NONE
    usual: Amount | None = None
    """The amount when none is given; None with a measure: the effect chooses."""

    is_amount_needed: bool = False
    where: Where = Where.ANY
    times: int | None = None
    """How often it happens unless the user says so; None: as long as it is there."""

    @property
    def usual_text(self) -> str:
        """The usual amount as people write it; empty where there is none, or no amount at all."""
        if self.usual is None or self.measure is Measure.NONE:
            return ""
        return self.measure.render(self.usual)
