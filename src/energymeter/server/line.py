"""The time a serial line takes, on a wire that takes none: a pty, a socket, a line in memory.

Knows no line and no device; a clock is all it needs.
Source: MODBUS over Serial Line Specification v1.02, 2.5.1.1 (RTU framing and its silences).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from energymeter.clock import Clock, SystemClock
from energymeter.codec import Frame, Framer, Framing
from energymeter.errors import ConfigError
from energymeter.server.delivery import Chunk, Delivery, Prompt
from energymeter.server.handler import Respond

__all__ = ["SerialLine"]

_RTU_BYTES: Final = 3
"""The unit in front of a message and the CRC behind."""

_ASCII_BYTES: Final = 7
"""Colon, CR and LF, and two digits each for the unit and the LRC; a byte has two digits as well."""

_MBAP_BYTES: Final = 7
"""What is in front of a message of Modbus TCP."""


class SerialLine:
    """One line, whatever hangs on it and whoever asks: frames go over it one after the other.

    A request is under way for as long as its characters take, from its arrival here or from when
    the line is free. Then comes the silence that says that it has ended, then the meter's
    latency, then the answer's characters; the answer leaves when its last character would have
    arrived. That is what `planner.serial_cost` counts, without the silence before a request, which
    the client keeps. All moments are counted from the request, so late timers do not add up.

    Args:
        character_s: How long a character takes, seconds.
        silence_s: Silence before an answer, seconds: 3.5 characters, or 1.75 ms above 19200 baud.
        latency_s: From that silence to the first character of an answer, seconds.
        piece_s: How long an adapter gathers characters before it hands them on, seconds, as USB
            adapters do (16 ms); 0: it waits for the whole answer.
        framing: The envelope on the server's wire. Where that is Modbus TCP there is a gateway,
            and the line behind it speaks RTU.
        delivery: How the meters answer; delays it adds are time they think.
        clock: Counts the time.

    Raises:
        ConfigError: One of the times is negative.
    """

    def __init__(  # noqa: PLR0913 - the properties of a line
        self,
        *,
        character_s: float,
        silence_s: float,
        latency_s: float = 0.0,
        piece_s: float = 0.0,
        framing: Framing = Framing.RTU,
        delivery: Delivery | None = None,
        clock: Clock | None = None,
    ) -> None:
        if min(character_s, silence_s, latency_s, piece_s) < 0:
            msg = "no time on a serial line can be negative"
            raise ConfigError(msg)
        self.character_s = character_s
        self.silence_s = silence_s
        self.latency_s = latency_s
        self.piece_s = piece_s
        self._framing = framing
        self._delivery = Prompt() if delivery is None else delivery
        self._clock = SystemClock() if clock is None else clock
        self._free_at = 0.0
        """When the last character known of will be over; it may be long ago."""

    def admits(self, connections: int) -> bool:
        """See `Delivery.admits`."""
        return self._delivery.admits(connections)

    def answer(self, request: Frame, framer: Framer, respond: Respond) -> Sequence[Chunk]:
        """See `Delivery.answer`."""
        now = self._clock.monotonic()
        # Not by `framer.encode`: it would learn that an answer has been given.
        size, spare = _characters(self._framing, request.pdu)
        heard_at = max(now, self._free_at) + size * self.character_s
        ready_at = heard_at + self.silence_s + self.latency_s
        self._free_at = heard_at
        chunks: list[Chunk] = []
        for delay_s, data in self._delivery.answer(request, framer, respond):
            begin = max(ready_at + delay_s, self._free_at)
            if data is None:
                chunks.append(Chunk(begin - now, None))
                continue
            chunks += self._pieces(begin - now, data, spare)
            self._free_at = begin + max(0, len(data) - spare) * self.character_s
            spare = 0
        return chunks

    def _pieces(self, begin_s: float, data: bytes, spare: int) -> list[Chunk]:
        size = len(data) or 1
        if self.piece_s and self.character_s:
            size = max(1, int(self.piece_s / self.character_s))
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        return [
            Chunk(begin_s + max(0, number * size + len(piece) - spare) * self.character_s, piece)
            for number, piece in enumerate(pieces)
        ]


def _characters(framing: Framing, pdu: bytes) -> tuple[int, int]:
    """Characters of a request on the line; bytes of an answer here that the line does not carry."""
    if framing is Framing.ASCII:
        return _ASCII_BYTES + 2 * len(pdu), 0
    return _RTU_BYTES + len(pdu), _MBAP_BYTES - _RTU_BYTES if framing is Framing.MBAP else 0
