"""When and how answers are sent, if not at once and whole: later, in pieces, corrupted, or never.

A server without a `Delivery` writes each answer at once and whole; that path stays short. The
simulator's bad manners and its model of a serial line are deliveries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from energymeter.codec import Frame, Framer
from energymeter.server.handler import Respond

__all__ = ["Chunk", "Delivery", "Prompt", "Respond"]


class Chunk(NamedTuple):
    """Bytes that go out in one write."""

    delay_s: float
    """Seconds after the request was received, 0 or more; never before the chunk ahead of it."""

    data: bytes | None
    """The bytes, framing included; None: the connection is dropped at that moment."""


class Delivery(Protocol):
    """Decides what goes out for each request; shared by all connections of a server."""

    def admits(self, connections: int) -> bool:
        """Whether one more client is let in when there are so many already."""
        ...

    def answer(self, request: Frame, framer: Framer, respond: Respond) -> Sequence[Chunk]:
        """What goes out for a request, in order; nothing at all for silence.

        Args:
            request: What was asked.
            framer: The connection's, to put messages into frames.
            respond: The meter's honest answer.
        """
        ...


class Prompt:
    """The honest delivery: every answer whole, and as soon as the line allows.

    Args:
        silence_s: What a serial line wants between a request and its answer, seconds.
    """

    def __init__(self, silence_s: float = 0.0) -> None:
        self.silence_s = silence_s

    def admits(self, connections: int) -> bool:
        """See `Delivery.admits`; everybody is."""
        return True

    def answer(self, request: Frame, framer: Framer, respond: Respond) -> Sequence[Chunk]:
        """See `Delivery.answer`."""
        transaction, unit, pdu = request
        answer = respond(unit, pdu)
        if answer is None:
            return ()
        return (Chunk(self.silence_s, framer.encode(transaction, unit, answer)),)
