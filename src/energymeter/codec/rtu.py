"""RTU framing: Modbus on a serial line in binary, or the same bytes over TCP or UDP.

A frame is a unit, a message and a CRC; neither a mark nor a length says where it begins and ends.
Knows no socket, clock or log: silence is told to it.
Source: MODBUS over Serial Line Specification v1.02, section 2.5.1.
"""

from __future__ import annotations

from typing import Final

from energymeter.codec.checksum import crc16
from energymeter.codec.codes import MAX_PDU_BYTES
from energymeter.codec.framing import Frame, Side
from energymeter.codec.length import OPEN_ENDED, Length, message_bytes
from energymeter.codec.overheard import Overheard
from energymeter.errors import RemoteProtocolError

__all__ = ["RtuFramer"]

_new_frame = tuple.__new__  # Frame(...) itself takes twice as long, once a message

_ENVELOPE_BYTES: Final = 3
"""The unit in front of a message and the CRC behind."""

_MAX_FRAME_BYTES: Final = MAX_PDU_BYTES + _ENVELOPE_BYTES

_MOST_ENCODED: Final = 256
"""Requests kept in their envelopes."""


class RtuFramer:
    """Frames of one direction of a serial line.

    Where a frame ends follows from its first bytes (`codec.length`), and the CRC has the last
    word. A frame that has its length and a wrong CRC was none: its first byte is noise and the
    search goes on at the second. One that is not complete is waited for, at most 256 bytes; then
    `silence` ends the waiting, and what is behind its first byte is searched. So a frame behind
    noise comes out with its last byte, or at the next silence at the latest, and a frame inside
    the data of a longer good one never does.

    A message of a function that is not in the table, or longer diagnostics, has no length: it is
    complete when there is silence and the CRC over all that is pending is right.

    A client can tell what it awaits (`expect`). Then no other beginning holds the stream up: as
    soon as what is awaited stands complete behind it, that is cut and the bytes before are noise.

    A server hears other units' requests and answers as well. The requests come out as frames,
    whose unit tells; the answers are dropped and counted in `foreign_bytes`. `codec.overheard`
    says what is taken for one. A request is waiting for its answer from another unit until
    `encode` is called for its own.

    Args:
        side: Whose ear this is: a client hears answers, a server requests.
    """

    __slots__ = (
        "_awaited",
        "_encoded",
        "_overheard",
        "_pending",
        "_searched_bytes",
        "_side",
        "error",
        "foreign_bytes",
        "noise_bytes",
        "pending_bytes",
    )

    def __init__(self, side: Side) -> None:
        self.error: RemoteProtocolError | None = None
        self.foreign_bytes = 0
        self.noise_bytes = 0
        self.pending_bytes = 0
        self._side = side
        self._pending = b""
        self._overheard = Overheard() if side is Side.SERVER else None
        self._awaited: tuple[int, int] | None = None
        """Unit and function of what is awaited; None: anything."""
        self._encoded: dict[tuple[int, bytes], bytes] = {}
        """Requests in their envelopes: a poll sends the same ones again and again."""
        self._searched_bytes = 0
        """Pending bytes at which nothing begins that is awaited."""

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes in and return the frames they complete, in order."""
        overheard = self._overheard
        # Nearly always exactly one frame comes: it needs no search.
        if not self.pending_bytes and (overheard is None or overheard.frame is None):
            pdu = data[1:-2]
            if message_bytes(pdu, self._side) == len(pdu) and crc16(data) == 0:
                frame: Frame = _new_frame(Frame, (0, data[0], pdu))
                if overheard is not None:
                    overheard.hear(frame)
                return [frame]
        return self._cut(self._pending + data, is_over=False)

    def silence(self) -> list[Frame]:
        """See `Framer.silence`."""
        return self._cut(self._pending, is_over=True)

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        """Put a message into its envelope; the wire has no transactions."""
        if self._overheard is not None:
            self._overheard.answer(unit)
            body = bytes((unit,)) + pdu
            return body + crc16(body).to_bytes(2, "little")
        frame = self._encoded.get((unit, pdu))
        if frame is None:
            if len(self._encoded) >= _MOST_ENCODED:
                self._encoded.clear()
            body = bytes((unit,)) + pdu
            frame = self._encoded[unit, pdu] = body + crc16(body).to_bytes(2, "little")
        return frame

    def expect(self, unit: int, function: int) -> None:
        """See `Framer.expect`."""
        self._awaited = (unit, function)
        self._searched_bytes = 0

    def _cut(self, data: bytes, *, is_over: bool) -> list[Frame]:
        """Cut what is there; `is_over`: nothing will follow, so nothing is waited for."""
        frames: list[Frame] = []
        start, size = 0, len(data)
        while start < size:
            end = self._end_of(data, start, is_over=is_over)
            if isinstance(end, int):
                frame = Frame(0, data[start], data[start + 1 : end - 2])
                if self._overheard is not None and self._overheard.hear(frame):
                    self.foreign_bytes += end - start
                else:
                    frames.append(frame)
                start = end
            elif end is Length.IMPOSSIBLE:
                self.noise_bytes += 1
                start += 1
            else:
                place = self._place_of_awaited(data, start)
                if place is None:
                    break
                self.noise_bytes += place - start
                start = place
        self._pending = data[start:]
        self.pending_bytes = size - start
        self._searched_bytes = max(0, self._searched_bytes - start)
        return frames

    def _end_of(self, data: bytes, start: int, *, is_over: bool) -> int | Length:
        """Where the good frame ends that begins at `start`, or why there is none, or none yet."""
        prefix = data[start + 1 : start + 1 + MAX_PDU_BYTES]
        lengths: tuple[int | Length, ...]
        if self._overheard is None:
            lengths = (message_bytes(prefix, self._side),)
        else:
            lengths = self._overheard.lengths(data[start], prefix)
        for length in lengths:
            end = _try(data, start, length)
            if isinstance(end, int):
                return end
            if not is_over:
                if end is not Length.IMPOSSIBLE:
                    return end
            elif end is Length.UNKNOWN and crc16(data[start:]) == 0:
                return len(data)
        return Length.IMPOSSIBLE

    def _place_of_awaited(self, data: bytes, start: int) -> int | None:
        """Where what is awaited stands complete behind `start`, where something else begins.

        Of several beginnings that look right only the first that is possible is considered; and
        each only once, however many pieces the bytes come in.
        """
        if self._awaited is None:
            return None
        unit, function = self._awaited
        beginnings = (bytes((unit, function)), bytes((unit, function | 0x80)))
        if data.startswith(beginnings, start):
            return None
        place = max(start + 1, self._searched_bytes)
        while True:
            places = [data.find(beginning, place) for beginning in beginnings]
            place = min((found for found in places if found >= 0), default=len(data) - 1)
            self._searched_bytes = place
            if place == len(data) - 1:  # it may be the unit, with the function still to come
                return None
            end = self._end_of(data, place, is_over=False)
            if end is not Length.IMPOSSIBLE:
                return place if isinstance(end, int) else None
            place += 1


def _try(data: bytes, start: int, length: int | Length) -> int | Length:
    """Where the good frame ends that begins at `start` and has a message of this length."""
    there = len(data) - start
    if isinstance(length, int):
        needed = length + _ENVELOPE_BYTES
        if needed <= there and crc16(data[start : start + needed]) == 0:
            return start + needed
        if data[start + 1] not in OPEN_ENDED:
            return Length.IMPOSSIBLE if needed <= there else Length.NEEDS_MORE
        length = Length.UNKNOWN
    if length is Length.UNKNOWN and there > _MAX_FRAME_BYTES:
        return Length.IMPOSSIBLE
    return length
