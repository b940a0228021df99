"""What a read costs, in milliseconds of the wire.

MODBUS over Serial Line Specification v1.02, 2.5.1.1 (RTU framing), and MODBUS Messaging on TCP/IP
Implementation Guide v1.0b, 3.1.3 (the seven bytes in front of a message).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from energymeter.codec.codes import Table
from energymeter.errors import ConfigError

__all__ = ["TCP_COST", "Cost", "serial_cost", "tcp_cost"]

_RTU_REQUEST_BYTES: Final = 8
"""Unit, function, address (2), count (2), check (2)."""

_RTU_ANSWER_BYTES: Final = 5
"""Unit, function, number of data bytes, check (2); the data come on top."""

_TCP_BYTES: Final = 12 + 9
"""The same without unit and check, each behind seven bytes of MBAP header."""

_SILENCE_CHARACTERS: Final = 3.5
_FIXED_SILENCE_BAUD: Final = 19_200
_FIXED_SILENCE_MS: Final = 1.75


class Cost(NamedTuple):
    """A read of n words takes `request_ms + n * word_ms`."""

    request_ms: float
    """Everything that does not depend on the length: envelope, turnaround, round trip."""

    word_ms: float
    """One more register in the answer; half of it is one more byte."""

    def read_ms(self, words: int) -> float:
        """Milliseconds one read of so many registers takes."""
        return self.request_ms + words * self.word_ms

    def bits_ms(self, bits: int) -> float:
        """Milliseconds one read of so many coils or discrete inputs takes, eight to a byte."""
        return self.request_ms + (bits + 7) // 8 * self.word_ms / 2

    def table_ms(self, table: Table, count: int) -> float:
        """Milliseconds one read of so many items of a table takes."""
        return self.bits_ms(count) if table.is_bits else self.read_ms(count)


def serial_cost(baud: int, latency_ms: float, bits_per_character: int = 10) -> Cost:
    """Cost of a read over RTU on a serial line.

    A character takes `bits_per_character / baud` seconds. The request has 8 characters, the
    answer 5 and two for each register. Before each of the two frames the line is silent for 3.5
    characters; above 19200 baud the specification (MODBUS over Serial Line v1.02, 2.5.1.1) fixes
    that silence at 1.75 ms. Between them the meter thinks. At 9600 8N1 and 20 ms a read of n
    registers takes (8 + 5) * 1.0417 + 2 * 3.6458 + 20 + n * 2.0833 = 40.83 + n * 2.0833 ms.

    Args:
        baud: Bits a second, above 0.
        latency_ms: From the end of a request to the beginning of its answer, 0 or more.
        bits_per_character: Start bit, 7 or 8 data bits, parity bit, stop bits: 10 for 8N1, 11 for
            8E1, 8O1 and 8N2.

    Raises:
        ConfigError: A number is outside its range.
    """
    if baud <= 0 or not 9 <= bits_per_character <= 12:
        msg = f"{baud} baud and {bits_per_character} bits a character are no serial line"
        raise ConfigError(msg)
    _check_latency(latency_ms)
    character_ms = 1000 * bits_per_character / baud
    silence_ms = (
        _FIXED_SILENCE_MS if baud > _FIXED_SILENCE_BAUD else _SILENCE_CHARACTERS * character_ms
    )
    fixed_ms = (_RTU_REQUEST_BYTES + _RTU_ANSWER_BYTES) * character_ms + 2 * silence_ms
    return Cost(request_ms=fixed_ms + latency_ms, word_ms=2 * character_ms)


def tcp_cost(latency_ms: float, bytes_per_ms: float = 1000.0) -> Cost:
    """Cost of a read over Modbus TCP: the round trip, and the bytes of both frames.

    The request has 12 bytes, the answer 9 and two for each register; frames of the layers below
    are part of the round trip.

    Args:
        latency_ms: Round trip, the meter's own time included, 0 or more.
        bytes_per_ms: How fast the slowest piece of the way moves bytes, above 0. 1000 (8 Mbit/s)
            is about what the processor of a meter fills in.

    Raises:
        ConfigError: A number is outside its range.
    """
    _check_latency(latency_ms)
    if not bytes_per_ms > 0:
        msg = f"{bytes_per_ms} bytes a millisecond are no network"
        raise ConfigError(msg)
    return Cost(request_ms=latency_ms + _TCP_BYTES / bytes_per_ms, word_ms=2 / bytes_per_ms)


def _check_latency(latency_ms: float) -> None:
    if not 0 <= latency_ms < float("inf"):
        msg = f"a latency of {latency_ms} ms cannot be, write 0 or more"
        raise ConfigError(msg)


TCP_COST: Final = tcp_cost(latency_ms=2.0)
"""A meter on a local network: 2 ms from question to answer, 2 us a register inside the meter."""
