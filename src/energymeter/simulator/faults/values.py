"""Faults of what is measured: values that stand still, counters that lie."""

from __future__ import annotations

from energymeter.server import Handler
from energymeter.simulator.faults.amount import Ranges, contains
from energymeter.simulator.faults.exchange import Asked, Exchange, Hit, Plant

__all__ = ["freeze", "is_read", "jump", "reads_counter", "reset", "reset_all", "zero"]


def is_read(exchange: Exchange, _hit: Hit) -> bool:
    """A meter's tables are read."""
    asked = exchange.asked
    return exchange.meter is not None and asked is not None and asked.table is not None


def reads_counter(exchange: Exchange, _hit: Hit) -> bool:
    """One of the meter's counters is read."""
    meter, asked = exchange.meter, exchange.asked
    if meter is None or asked is None or asked.table is None:
        return False
    return any(asked.touches(first, last) for first, last in meter.counter_spans(asked.table))


def freeze(exchange: Exchange, hit: Hit) -> None:
    """What stood in the tables when the fault first happened still stands there."""
    meter = exchange.meter
    if meter is not None:
        if meter not in hit.notes:
            hit.notes[meter] = meter.shadow()
        _show(hit.notes[meter], exchange, hit)


def zero(exchange: Exchange, hit: Hit) -> None:
    """Counters read zero."""
    if exchange.meter is not None:
        _show(exchange.meter.shadow(lambda _counted: 0.0), exchange, hit)


def jump(exchange: Exchange, hit: Hit) -> None:
    """Counters read more than they have counted, by the amount."""
    more = hit.draw()
    if exchange.meter is not None:
        _show(exchange.meter.shadow(lambda counted: counted + more), exchange, hit)


def reset(exchange: Exchange, _hit: Hit) -> None:
    """The counters of the meter that is asked start again, before it answers."""
    if exchange.meter is not None:
        exchange.meter.reset_counters()


def reset_all(plant: Plant, hit: Hit) -> None:
    """The counters of all meters the fault is for start again."""
    for meter in plant.meters_of(hit.fault):
        meter.reset_counters()


def _show(shadow: Handler, exchange: Exchange, hit: Hit) -> None:
    """Let a shadow of the meter answer in its place."""
    answer = shadow.answer(exchange.request.unit, exchange.request.pdu)
    exchange.pdu = _overlaid(exchange.pdu, answer, exchange.asked, hit.fault.addresses)


def _overlaid(
    honest: bytes | None, other: bytes | None, asked: Asked | None, addresses: Ranges
) -> bytes | None:
    """The honest answer with the other's registers at these addresses; at all, if none is named."""
    if honest is None or other is None or (honest[0] | other[0]) & 0x80 or asked is None:
        return honest
    if not addresses or asked.function not in (3, 4):
        return other
    mixed = bytearray(honest)
    for place in range(asked.count):
        if contains(addresses, (asked.address + place,)):
            start = 2 + 2 * place
            mixed[start : start + 2] = other[start : start + 2]
    return bytes(mixed)
