"""What it takes to cut a stream of bytes into frames, whatever the wire.

A framer is fed bytes as they come and returns whole frames; it accounts for every byte: each is
part of a frame, noise, or still pending. Silence on the wire is an input (`silence`), not a
clock of its own.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from energymeter.errors import RemoteProtocolError

__all__ = ["Frame", "Framer"]


class Frame(NamedTuple):
    """One message with its envelope taken off."""

    transaction: int
    """Pairs an answer with its question, 0 to 65535; always 0 where the wire has no such thing."""

    unit: int
    """The unit addressed, 0 to 255."""

    pdu: bytes
    """The message, at least one byte."""


class Framer(Protocol):
    """Cuts one direction of one connection into frames, and puts messages into frames."""

    error: RemoteProtocolError | None
    """Why this stream cannot go on; frames before the fault have been returned. None: all well."""

    pending_bytes: int
    """Bytes of a frame that has begun but not ended."""

    noise_bytes: int
    """Bytes passed over so far because no frame can be made of them."""

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes in and return the frames they complete, in order."""
        ...

    def silence(self) -> None:
        """Learn that nothing came for long enough that a frame under way will not end."""
        ...

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        """Put a message into its envelope."""
        ...
