"""A fault as data: what, how much, how likely, for whom and how long. Does nothing itself."""

from __future__ import annotations

from dataclasses import dataclass

from energymeter.simulator.faults.amount import Amount, Ranges, range_text
from energymeter.simulator.faults.kind import Kind
from energymeter.transports.options import duration_text

__all__ = ["Fault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One bad habit. `str()` writes it as on the command line; `parse_fault` reads that."""

    kind: Kind
    amount: Amount | None = None
    """None: the kind's usual one."""

    probability: float = 1.0
    """Above 0, up to 1."""

    units: Ranges = ()
    """Units asked; empty: all."""

    functions: Ranges = ()
    """Function codes asked; empty: all."""

    addresses: Ranges = ()
    """Addresses touched; empty: all, and requests without an address."""

    wires: Ranges = ()
    """Wires by number, the first is 1; empty: all."""

    for_s: float | None = None
    """How long, in seconds; None: until it is removed."""

    times: int | None = None
    """How many times, 1 or more; None: as the kind says."""

    def __str__(self) -> str:
        text = self.kind.name
        if self.amount is not None:
            text += f"={self.kind.measure.render(self.amount)}"
        if self.probability < 1:
            text += f":{self.probability:g}"
        for key, ranges in (
            ("unit", self.units),
            ("function", self.functions),
            ("address", self.addresses),
            ("wire", self.wires),
        ):
            text += "".join(f",{key}={range_text(numbers)}" for numbers in ranges)
        if self.for_s is not None:
            text += f",for={duration_text(self.for_s)}"
        if self.times is not None:
            text += f",times={self.times}"
        return text

    @property
    def amount_or_usual(self) -> Amount | None:
        """The amount; None: the effect chooses."""
        return self.kind.usual if self.amount is None else self.amount

    @property
    def most_times(self) -> int | None:
        """How often it may happen; None: as often as it likes."""
        return self.kind.times if self.times is None else self.times
