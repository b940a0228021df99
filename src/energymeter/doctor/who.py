"""Who answers, where the unit that was asked does not: another unit, or no meter at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.probe import Exchange
from energymeter.doctor.stranger import quote
from energymeter.transports import Wire

__all__ = ["find_unit", "other_unit", "stranger_step", "units_text"]

_MODBUS_PORT: Final = 502
"""The port registered for Modbus TCP."""


async def find_unit(
    case: Case,
    wire: Wire,
    units: Iterable[int],
    *,
    timeout_s: float | None = None,
    is_good: Callable[[Exchange], bool] = lambda _exchange: True,
) -> Exchange | None:
    """Ask one unit after the other until one answers; None: none does, or time is up.

    Args:
        case: The examination.
        wire: Where they may be.
        units: The likeliest first.
        timeout_s: How long an answer may take, seconds; None: as the user says.
        is_good: Judges answers; those that are not count as none.
    """
    question = next(iter(case.questions()))
    for unit in units:
        if not case.has_time or (unit == 0 and not wire.framing.has_transactions):
            continue
        case.tell(f"asking unit {unit} at {wire.scheme}://")
        exchange = await case.ask(question, unit=unit, wire=wire, timeout_s=timeout_s)
        if exchange.is_answered and is_good(exchange):
            return exchange
        late = _late_unit(exchange, wire)
        if late is not None:
            again = await case.ask(question, unit=late, wire=wire, timeout_s=case.longest_s)
            if again.is_answered:
                return again
    return None


def other_unit(case: Case, found: Exchange, why: str) -> Step:
    """The step that says that another unit is to be asked."""
    return Step(
        Layer.UNIT,
        Verdict.OTHER_UNIT,
        f"{why}; unit {found.unit} answers after {found.seconds * 1000:.0f} ms",
        f"the meter is unit {found.unit}, not unit {case.unit}",
        case.command(unit=found.unit),
    )


def stranger_step(case: Case, stranger: str, data: bytes) -> Step:
    """The step that says who is there instead of a meter."""
    if case.wire.port == _MODBUS_PORT:
        hint = "is it the meter's address, and is Modbus TCP switched on in its menu?"
    else:
        hint = f"look up the Modbus port in the device's menu, {_MODBUS_PORT} as a rule"
    return Step(
        Layer.FRAMING,
        Verdict.OTHER_PROTOCOL,
        f"it says {quote(data)}",
        f"port {case.wire.port} of {case.wire.host} is {stranger}, not Modbus: {hint}",
    )


def units_text(units: Iterable[int]) -> str:
    """Units in words."""
    return ", ".join(map(str, units))


def _late_unit(exchange: Exchange, wire: Wire) -> int | None:
    """A unit that answered an earlier question when nobody waited any more."""
    sound = exchange.sound
    if sound.framing is not wire.framing:
        return None
    for frame in sound.frames:
        is_refusal = frame.pdu[0] & 0x80
        if frame.unit != exchange.unit and not (is_refusal and frame.pdu[1] in (10, 11)):
            return frame.unit
    return None
