"""What it takes to cut a stream of bytes into frames, whatever the wire.

A framer is fed bytes as they come and returns whole frames; it accounts for every byte: each is
part of a frame, noise, foreign, or still pending. Silence on the wire is an input (`silence`), not
a clock of its own.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol

from energymeter.errors import RemoteProtocolError

__all__ = ["Frame", "Framer", "Framing", "Side"]


class Framing(StrEnum):
    """The three envelopes a message travels in."""

    MBAP = "mbap"
    """Modbus TCP: a header with transaction, length and unit."""

    RTU = "rtu"
    """Serial line, binary: unit in front, CRC behind."""

    ASCII = "ascii"
    """Serial line, hexadecimal text between `:` and CR LF, with an LRC."""

    @property
    def has_transactions(self) -> bool:
        """Whether a number in the envelope pairs an answer with its question."""
        return self is Framing.MBAP


class Side(StrEnum):
    """Whose ear a framer is: what comes in are answers, or requests."""

    CLIENT = "client"
    SERVER = "server"


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

    @property
    def error(self) -> RemoteProtocolError | None:
        """Why this stream cannot go on; frames before the fault were returned. None: all well."""
        ...

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that has begun but not ended."""
        ...

    @property
    def noise_bytes(self) -> int:
        """Bytes passed over so far because no frame can be made of them."""
        ...

    @property
    def foreign_bytes(self) -> int:
        """Bytes so far of good frames that are nobody's business here: other units' answers."""
        ...

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes in and return the frames they complete, in order."""
        ...

    def silence(self) -> list[Frame]:
        """Learn that nothing came for so long that a frame under way will not go on.

        Returns the frames that can be made of what is pending after all: one whose length only
        silence tells, or one behind noise that looked like the beginning of a longer frame. The
        rest becomes noise.
        """
        ...

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        """Put a message into its envelope."""
        ...

    def expect(self, unit: int, function: int) -> None:
        """Learn what is awaited next: this unit's answer to this function, or its refusal.

        It helps to find that answer behind noise. What else comes whole is returned all the same.
        """
        ...
