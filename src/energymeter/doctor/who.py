"""Which unit answers, where the one that was asked does not."""

from __future__ import annotations

from collections.abc import Iterable

from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.probe import Exchange
from energymeter.transports import Wire

__all__ = ["find_unit", "other_unit", "units_text"]


async def find_unit(
    case: Case, wire: Wire, units: Iterable[int], *, timeout_s: float | None = None
) -> Exchange | None:
    """Ask one unit after the other until one answers; None: none does, or time is up."""
    question = next(iter(case.questions()))
    for unit in units:
        if not case.has_time or (unit == 0 and not wire.framing.has_transactions):
            continue
        case.tell(f"asking unit {unit} at {wire.scheme}://")
        exchange = await case.ask(question, unit=unit, wire=wire, timeout_s=timeout_s)
        if exchange.is_answered:
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
