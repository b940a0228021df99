"""When the next frame may go out on a link, and how long one is under way.

Pauses that a URL asks for, the silence between two frames of a serial line and the time its
characters take. No socket and no clock; moments are of the link's monotonic clock, seconds.
Source: MODBUS over Serial Line Specification v1.02, 2.5.1.1 (silence) and 2.4.1 (broadcast).
"""

from __future__ import annotations

import math
from typing import Final

from energymeter.codec import Framing, Request
from energymeter.codec.codes import MAX_PDU_BYTES
from energymeter.transports import Pacing

__all__ = ["Pace"]

_RTU_CHARACTERS: Final = 3
"""The unit in front of a message and the CRC behind."""

_ASCII_CHARACTERS: Final = 7
"""Colon, CR and LF, and two digits each for the unit and the LRC; a byte has two as well."""


class Pace:
    """The pauses of one link.

    Args:
        pacing: What is wanted.
        framing: How many characters a message becomes; behind Modbus TCP there is an RTU line.
    """

    def __init__(self, pacing: Pacing, framing: Framing) -> None:
        self.silence_s = pacing.silence_s
        self.is_needed = pacing != Pacing(broadcast_pause_s=pacing.broadcast_pause_s)
        """Whether there is any pause to be kept between requests."""
        self._pacing = pacing
        self._framing = framing
        self._done_at = self._silent_until = -math.inf
        self._last_unit: int | None = None

    def free_at(self, unit: int, opened_at: float, heard_at: float) -> float:
        """From when on this unit may be asked.

        Args:
            unit: Who will be asked; 0 may be everybody.
            opened_at: When the connection was opened.
            heard_at: When bytes came last.
        """
        pacing = self._pacing
        pause_s = pacing.pause_s
        if unit != self._last_unit:
            pause_s = max(pause_s, pacing.unit_pause_s)
        return max(
            opened_at + pacing.connect_pause_s,
            self._done_at + pause_s,
            heard_at + pacing.silence_s,
            self._silent_until,
        )

    def done(self, unit: int, now: float) -> None:
        """A question of this unit was answered or given up."""
        self._last_unit = unit
        self._done_at = now

    def announced(self, data: bytes, now: float) -> float:
        """Everybody was told something; returns the moment by which they have carried it out."""
        line_s = len(data) * self._pacing.character_s
        self._silent_until = now + line_s + self._pacing.broadcast_pause_s
        return self._silent_until

    def line_s(self, request: Request, answer_bytes: int | None) -> float:
        """How long a question and its answer are under way on a slow line.

        Args:
            request: The question.
            answer_bytes: Size of the answer's PDU; None: not known, so the longest there is.
        """
        characters = len(request.pdu) + (MAX_PDU_BYTES if answer_bytes is None else answer_bytes)
        if self._framing is Framing.ASCII:
            characters = 2 * (characters + _ASCII_CHARACTERS)
        else:
            characters += 2 * _RTU_CHARACTERS
        return characters * self._pacing.character_s + self._pacing.silence_s
