"""What reads cost on a wire, for the planner."""

from __future__ import annotations

from typing import Final

from energymeter.codec.framing import Framing
from energymeter.planner import TCP_COST, Cost, serial_cost, tcp_cost
from energymeter.transports import Wire

__all__ = ["wire_cost"]

_METER_LATENCY_MS: Final = 20.0
"""What most meters on a serial line need to begin an answer."""

_ASCII_FACTOR: Final = 2.0
"""Characters a byte takes as two digits."""


def wire_cost(wire: Wire, latency_ms: float | None = None) -> Cost:
    """The cost of reads on a wire.

    Args:
        wire: The way to the meter. Where it says how fast the line is, characters count;
            elsewhere the round trip does.
        latency_ms: From question to answer, without the line's own time; None: what is usual,
            20 ms for a meter on a serial line and 2 ms on a network.
    """
    pause_ms = 1000 * wire.pacing.pause_s
    if wire.serial is None:
        cost = TCP_COST if latency_ms is None else tcp_cost(latency_ms)
        return Cost(cost.request_ms + pause_ms, cost.word_ms)
    latency_ms = _METER_LATENCY_MS if latency_ms is None else latency_ms
    line = serial_cost(wire.serial.baudrate, 0.0, wire.serial.bits_per_character)
    factor = _ASCII_FACTOR if wire.framing is Framing.ASCII else 1.0
    return Cost(line.request_ms * factor + latency_ms + pause_ms, line.word_ms * factor)
