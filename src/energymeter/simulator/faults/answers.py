"""Faults of the answer itself: not given, refused, or of other registers."""

from __future__ import annotations

import struct
from typing import Final

from energymeter.codec import ExceptionCode
from energymeter.codec.codes import MAX_READ_WORDS
from energymeter.simulator.faults.exchange import Exchange, Hit

__all__ = [
    "is_longer",
    "is_served",
    "lose",
    "move_up",
    "refuse",
    "refuse_address",
    "refuse_length",
    "silence",
    "spans_hidden",
    "touches_amount",
]

_READ: Final = struct.Struct(">BHH")


def is_served(exchange: Exchange, _hit: Hit) -> bool:
    """Somebody is there who can refuse."""
    return exchange.is_served


def lose(exchange: Exchange, _hit: Hit) -> None:
    """The request is not heard."""
    exchange.lose()


def silence(exchange: Exchange, _hit: Hit) -> None:
    """It was heard and done, but the answer is lost."""
    exchange.pdu = None


def refuse(exchange: Exchange, hit: Hit) -> None:
    """An exception with the code that is the amount."""
    exchange.refuse(int(hit.draw()))


def touches_amount(exchange: Exchange, hit: Hit) -> bool:
    """The request touches the addresses that are the amount."""
    amount = hit.fault.amount_or_usual
    asked = exchange.asked
    return (
        exchange.is_served
        and amount is not None
        and asked is not None
        and asked.touches(int(amount.low), int(amount.high))
    )


def refuse_address(exchange: Exchange, _hit: Hit) -> None:
    """These addresses do not exist."""
    exchange.refuse(ExceptionCode.ILLEGAL_DATA_ADDRESS)


def is_longer(exchange: Exchange, hit: Hit) -> bool:
    """A read of more registers than the amount."""
    asked = exchange.asked
    return (
        exchange.is_served
        and asked is not None
        and asked.function in (3, 4)
        and asked.count > hit.draw()
    )


def refuse_length(exchange: Exchange, _hit: Hit) -> None:
    """So many registers are too many."""
    exchange.refuse(ExceptionCode.ILLEGAL_DATA_VALUE)


def spans_hidden(exchange: Exchange, hit: Hit) -> bool:
    """A read of registers that goes over the hidden addresses."""
    asked = exchange.asked
    return asked is not None and asked.function in (3, 4) and touches_amount(exchange, hit)


def move_up(exchange: Exchange, hit: Hit) -> None:
    """The hidden registers are left out without a word, what follows takes their place."""
    pdu, asked, amount = exchange.pdu, exchange.asked, hit.fault.amount_or_usual
    if pdu is None or pdu[0] & 0x80 or asked is None or amount is None:
        return
    first = max(0, int(amount.low) - asked.address)
    last = min(asked.count - 1, int(amount.high) - asked.address)
    hidden = int(amount.high) - asked.address + 1 - first  # all of them, to the end
    data = pdu[2 : 2 + 2 * first] + pdu[2 + 2 * (last + 1) :]
    more = _words_from(exchange, max(asked.address + asked.count, int(amount.high) + 1), hidden)
    exchange.pdu = pdu[:2] + (data + more)[: 2 * asked.count].ljust(2 * asked.count, b"\0")


def _words_from(exchange: Exchange, address: int, count: int) -> bytes:
    """Registers further on, as far as they exist."""
    count = min(count, MAX_READ_WORDS)
    function, unit = exchange.request.pdu[0], exchange.request.unit
    if address + count > 0x10000:
        return b""
    pdu = exchange.respond(unit, _READ.pack(function, address, count))
    return b"" if pdu is None or pdu[0] & 0x80 else pdu[2:]
