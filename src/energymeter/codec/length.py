"""How long a message is, told from its first bytes: one table for requests and answers.

A serial frame in binary does not carry its length; it follows from the function and, where the
message has a variable part, from a count near its beginning. Knows no socket, clock or log.
Source: MODBUS Application Protocol Specification v1.1b3, section 6; limits from section 4.1.

Only what no message can be is impossible. A request with a count or an address that has to be
refused has a length like any other, or a server could not refuse it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from energymeter.codec.codes import MAX_PDU_BYTES, Function
from energymeter.codec.framing import Side
from energymeter.codec.messages_ext import MEI_READ_IDENTIFICATION

__all__ = ["OPEN_ENDED", "Length", "fits", "message_bytes"]


class Length(Enum):
    """Why the length of a message is no number."""

    NEEDS_MORE = "needs more"
    """The bytes so far do not tell; with more they will."""

    UNKNOWN = "unknown"
    """No number of bytes will tell: the function is not in the table. Silence ends the message."""

    IMPOSSIBLE = "impossible"
    """No message begins like this."""


OPEN_ENDED: Final = frozenset({int(Function.DIAGNOSTICS)})
"""Functions whose messages may be longer than usual, by something only their end tells."""


def message_bytes(prefix: bytes, side: Side) -> int | Length:
    """Tell how many bytes a message has without its framing, 1 to 253.

    Diagnostics (function 8) are taken to carry one word of data, as all but the echo do.

    Args:
        prefix: The message from its function code on; what follows it does no harm.
        side: Who hears it: a server hears requests, a client answers.
    """
    if not prefix:
        return Length.NEEDS_MORE
    shape = _SHAPES[side][prefix[0]]
    return shape(prefix) if callable(shape) else shape


def fits(pdu: bytes, side: Side) -> bool:
    """Whether a whole message can be what this side hears, as far as its length goes."""
    length = message_bytes(pdu, side)
    if isinstance(length, Length):
        return length is Length.UNKNOWN
    return length == len(pdu) or (length < len(pdu) and pdu[0] in OPEN_ENDED)


_Rule = Callable[[bytes], int | Length]
_Shape = int | Length | _Rule


def _counted(at: int, most: int = MAX_PDU_BYTES, *, is_even: bool = False) -> _Rule:
    """A message whose byte at place `at` counts those behind it, up to `most`."""
    most = min(most, MAX_PDU_BYTES - at - 1)

    def rule(prefix: bytes) -> int | Length:
        if len(prefix) <= at:
            return Length.NEEDS_MORE
        count = prefix[at]
        if count > most or (is_even and count & 1):
            return Length.IMPOSSIBLE
        return at + 1 + count

    return rule


def _fifo_answer(prefix: bytes) -> int | Length:
    if len(prefix) < 3:
        return Length.NEEDS_MORE
    count = int.from_bytes(prefix[1:3], "big")  # section 6.18: 31 words and their number at most
    return 3 + count if 2 <= count <= 64 and count % 2 == 0 else Length.IMPOSSIBLE


def _identification_request(prefix: bytes) -> int | Length:
    if len(prefix) < 2:
        return Length.NEEDS_MORE
    return 4 if prefix[1] == MEI_READ_IDENTIFICATION else Length.UNKNOWN


def _identification_answer(prefix: bytes) -> int | Length:
    if len(prefix) < 2:
        return Length.NEEDS_MORE
    if prefix[1] != MEI_READ_IDENTIFICATION:
        return Length.UNKNOWN
    if len(prefix) < 7:
        return Length.NEEDS_MORE
    end = 7
    for left in range(prefix[6], 0, -1):
        if end + 2 * left > MAX_PDU_BYTES:
            return Length.IMPOSSIBLE
        if end + 1 >= len(prefix):
            return Length.NEEDS_MORE
        end += 2 + prefix[end + 1]
    return end if end <= MAX_PDU_BYTES else Length.IMPOSSIBLE


_READ_BITS: Final = _counted(1, 250)
_READ_WORDS: Final = _counted(1, 250, is_even=True)

# Function: what a server hears, what a client hears. A write request may count to what fits into
# a message, more than the specification allows: it has to be refused, not overheard.
_TABLE: Final[dict[int, tuple[_Shape, _Shape]]] = {
    1: (5, _READ_BITS),
    2: (5, _READ_BITS),
    3: (5, _READ_WORDS),
    4: (5, _READ_WORDS),
    5: (5, 5),
    6: (5, 5),
    7: (1, 2),  # read exception status
    8: (5, 5),
    11: (1, 5),  # get comm event counter
    12: (1, _counted(1)),  # get comm event log
    15: (_counted(5), 5),
    16: (_counted(5), 5),
    17: (1, _counted(1)),
    20: (_counted(1), _counted(1)),  # read file record
    21: (_counted(1), _counted(1)),  # write file record
    22: (7, 7),
    23: (_counted(9), _READ_WORDS),
    24: (3, _fifo_answer),  # read FIFO queue
    43: (_identification_request, _identification_answer),
}


def _shapes(side: Side) -> tuple[_Shape, ...]:
    place = (Side.SERVER, Side.CLIENT).index(side)
    shapes: list[_Shape] = [Length.UNKNOWN] * 128
    shapes[0] = Length.IMPOSSIBLE
    for function, both in _TABLE.items():
        shapes[function] = both[place]
    # Codes from 128 up are refusals (section 7), which nobody asks for.
    refusal: _Shape = 2 if side is Side.CLIENT else Length.IMPOSSIBLE
    return (*shapes, Length.IMPOSSIBLE, *[refusal] * 127)


_SHAPES: Final = {side: _shapes(side) for side in Side}
