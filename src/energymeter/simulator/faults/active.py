"""A fault that is on: how often it happened, when it ends, and its own dice."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from energymeter.server import Handler
from energymeter.simulator.faults.amount import contains
from energymeter.simulator.faults.exchange import Exchange
from energymeter.simulator.faults.fault import Fault

__all__ = ["ActiveFault"]


@dataclass(slots=True)
class ActiveFault:
    """One fault that is on.

    Every unit of every wire has dice of its own for it, so that what one is asked does not
    change what happens to another.
    """

    number: int
    """By which it is known, the first is 1."""

    fault: Fault
    seed: str
    """Where its dice begin."""

    until: float | None
    """On the clock; None: until it is removed."""

    hits: int = 0
    """How often it happened."""

    notes: dict[object, Handler] = field(default_factory=dict)
    """What its effect remembers."""

    chance: Random = field(default_factory=Random)
    """The dice of the exchange that is looked at."""

    _dice: dict[tuple[int, int], Random] = field(default_factory=dict)

    @property
    def is_used_up(self) -> bool:
        """Whether it happened as often as it may."""
        most = self.fault.most_times
        return most is not None and self.hits >= most

    def is_over(self, now: float) -> bool:
        """Whether it happens no more."""
        return self.is_used_up or (self.until is not None and now >= self.until)

    def draw(self, otherwise: float = 0.0) -> float:
        """See `Hit.draw`."""
        amount = self.fault.amount_or_usual
        if amount is None:
            return otherwise
        low, high = amount
        return low if low == high else self.chance.uniform(low, high)

    def happens_to(self, exchange: Exchange, wire: int) -> bool:
        """Whether it happens to this exchange; counted if so."""
        fault = self.fault
        if not (
            contains(fault.units, (exchange.request.unit,))
            and contains(fault.functions, (exchange.request.pdu[0],))
            and contains(fault.wires, (wire,))
        ):
            return False
        if fault.addresses:
            asked = exchange.asked
            if asked is None or not any(asked.touches(*part) for part in fault.addresses):
                return False
        if self.is_used_up:
            return False
        self._take_dice(wire, exchange.request.unit)
        concerns = fault.kind.concerns
        if concerns is not None and not concerns(exchange, self):
            return False
        return self._falls()

    def bars(self, connections: int, wire: int) -> bool:
        """Whether it keeps a client out; counted if so."""
        bars = self.fault.kind.bars
        if bars is None or self.is_used_up or not contains(self.fault.wires, (wire,)):
            return False
        self._take_dice(wire, -1)
        return bars(connections, self) and self._falls()

    def throw(self) -> None:
        """Let it happen without a request."""
        self._take_dice(0, -1)
        self.hits += 1

    def _falls(self) -> bool:
        probability = self.fault.probability
        if probability < 1 and self.chance.random() >= probability:
            return False
        self.hits += 1
        return True

    def _take_dice(self, wire: int, unit: int) -> None:
        dice = self._dice.get((wire, unit))
        if dice is None:
            dice = self._dice[wire, unit] = Random(f"{self.seed}/{wire}/{unit}")  # noqa: S311
        self.chance = dice
