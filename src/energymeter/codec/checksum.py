"""The checksums of the serial line: CRC-16 of RTU frames, LRC of ASCII frames.

Source: MODBUS over Serial Line Specification v1.02, sections 6.2.1 (LRC) and 6.2.2 (CRC).
"""

from __future__ import annotations

from typing import Final

__all__ = ["crc16", "lrc"]


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        entries.append(crc)
    return tuple(entries)


_TABLE: Final = _table()
_LOW: Final = tuple(entry & 0xFF for entry in _TABLE)
_HIGH: Final = tuple(entry >> 8 for entry in _TABLE)

_FOLD_FROM_BYTES: Final = 64
"""Below this length the tables alone are as fast."""

_FOLDS: Final = tuple((15 * power, 14 * power, 22 * power) for power in (64, 32, 16, 8))
"""For `_fold`, in bits: what a power leaves at least, takes away at most, is worthwhile from."""


def lrc(data: bytes) -> int:
    """The byte that makes the sum of all bytes 0 modulo 256."""
    return -sum(data) & 0xFF


def crc16(data: bytes) -> int:
    """CRC-16 with polynomial 0xA001 reflected, start 0xFFFF; sent low byte first.

    Over a frame that has its right checksum behind it the result is 0.
    """
    return _fold(data) if len(data) >= _FOLD_FROM_BYTES else _run(data, 0xFF)


def _run(data: bytes, start: int) -> int:
    # Two tables of bytes rather than one of words: no shift, no mask, a third faster.
    low = high = start
    for byte in data:
        place = low ^ byte
        low = high ^ _LOW[place]
        high = _HIGH[place]
    return high << 8 | low


def _fold(data: bytes) -> int:
    """The same for a long message, in a third of the time: few operations on big integers.

    The polynomial x^16 + x^15 + x^2 + 1 is (x + 1) times (x^15 + x + 1). Over two elements the
    power q of the second, q being 2, 4, 8 and so on, is x^15q + x^q + 1: x^15q may be replaced
    by x^q + 1. So up to 14q bits at the front of a message are taken away and added 14q and 15q
    places further behind, until what is left is short enough for the tables. That is right for
    the second factor; the remainder for x + 1 is the parity, and together they are the CRC.

    In the integer the bit sent first is the lowest, as in the CRC.
    """
    message = int.from_bytes(data, "little") ^ 0xFFFF
    parity = message.bit_count()
    bits = 8 * len(data)
    for least, most, worthwhile in _FOLDS:
        while bits > worthwhile:
            front = min(bits - least, most)
            head = message & ((1 << front) - 1)
            message = message >> front ^ head << (most - front) ^ head << (least - front)
            bits -= front
    crc = _run(message.to_bytes(bits // 8, "little"), 0)
    # Adding x^15 + x + 1 (here 0xC001) keeps the one remainder and turns the parity over.
    return crc if (crc.bit_count() ^ parity) & 1 == 0 else crc ^ 0xC001
