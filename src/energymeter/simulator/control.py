"""What can be done to simulated meters while they run; REST, scenarios and tests call this.

No sockets and no clock of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from energymeter.errors import ConfigError
from energymeter.simulator.faults import ActiveFault, Fault, Misbehaviour
from energymeter.simulator.faults.amount import Ranges, contains, range_text
from energymeter.simulator.meter import SimulatedMeter
from energymeter.simulator.site import SimulatedPlace
from energymeter.values import quantity_of

__all__ = ["SimulatorControl", "Value"]


class Value(NamedTuple):
    """One quantity of a meter at this moment."""

    name: str
    value: float
    unit: str
    """The base unit, such as Wh; empty for a plain number."""


class SimulatorControl:
    """The hands on a simulator.

    Args:
        place: The meters and their wires.
        misbehaviour: The faults of these wires.
    """

    def __init__(self, place: SimulatedPlace, misbehaviour: Misbehaviour) -> None:
        self.place = place
        self._misbehaviour = misbehaviour

    def faults(self) -> list[ActiveFault]:
        """Those that are on, in the order they came."""
        return self._misbehaviour.faults()

    def ends_in_s(self, active: ActiveFault) -> float | None:
        """Seconds until a fault ends by itself; None: it does not."""
        if active.until is None:
            return None
        return max(0.0, active.until - self._misbehaviour.clock.monotonic())

    def add_fault(self, fault: Fault) -> ActiveFault:
        """Let a fault begin; an event without a probability happens at once.

        Raises:
            ConfigError: None of the wires is one on which it can happen.
        """
        return self._misbehaviour.add(fault)

    def check_fault(self, fault: Fault) -> None:
        """See whether a fault can happen here.

        Raises:
            ConfigError: It cannot.
        """
        self._misbehaviour.check(fault)

    def remove_fault(self, number: int) -> None:
        """End a fault.

        Raises:
            LookupError: There is none of this number.
        """
        try:
            self._misbehaviour.remove(number)
        except KeyError as error:
            msg = f"there is no fault {number}, perhaps it has ended"
            raise LookupError(msg) from error

    def clear_faults(self) -> None:
        """End all faults."""
        self._misbehaviour.clear()

    def meter(self, number: int) -> SimulatedMeter:
        """The meter of a unit number, or at a place in a row of ports.

        Raises:
            LookupError: There is none.
        """
        meters = self.place.numbered
        if number not in meters:
            msg = f"there is no meter {number}, there {_words(meters)}"
            raise LookupError(msg)
        return meters[number]

    def values(self, number: int) -> list[Value]:
        """What a meter shows now.

        Raises:
            LookupError: There is no such meter.
        """
        shown = self.meter(number).values
        return [
            Value(name, value, quantity.unit if (quantity := quantity_of(name)) else "")
            for name, value in sorted(shown.items())
        ]

    def check_units(self, units: Ranges) -> None:
        """See whether there are meters with such numbers.

        Raises:
            ConfigError: There are none.
        """
        meters = self.place.numbered
        for numbers in units:
            if not any(contains((numbers,), (number,)) for number in meters):
                msg = f"unit {range_text(numbers)}: there is no such meter, there {_words(meters)}"
                raise ConfigError(msg)

    def reset_counters(self, units: Ranges = ()) -> None:
        """Let the counters of these meters start again at zero; no numbers: of all."""
        for meter in self._meters_in(units):
            meter.reset_counters()

    def set_online(self, is_online: bool, units: Ranges = ()) -> None:
        """Let these meters measure, or not; no numbers: all of them."""
        for meter in self._meters_in(units):
            meter.set_online(is_online)

    def _meters_in(self, units: Ranges) -> list[SimulatedMeter]:
        meters = self.place.numbered
        return [meter for number, meter in meters.items() if contains(units, (number,))]


def _words(numbers: Iterable[int]) -> str:
    """`is 1`, `are 1 to 3`, `are 1, 5, 9`."""
    known = sorted(numbers)
    if len(known) == 1:
        return f"is {known[0]}"
    if known[-1] - known[0] == len(known) - 1:
        return f"are {known[0]} to {known[-1]}"
    return f"are {', '.join(map(str, known))}"
