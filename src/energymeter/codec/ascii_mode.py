"""ASCII framing: Modbus on a serial line as text, `:` and hexadecimal digits, CR LF at the end.

Knows no socket, clock or log: silence is told to it, of which the specification allows a second
between two characters.
Source: MODBUS over Serial Line Specification v1.02, section 2.5.2.
"""

from __future__ import annotations

from binascii import Error as NoHexadecimal
from binascii import unhexlify
from typing import Final

from energymeter.codec.checksum import lrc
from energymeter.codec.codes import MAX_PDU_BYTES
from energymeter.codec.framing import Frame, Side
from energymeter.codec.overheard import Overheard
from energymeter.errors import RemoteProtocolError

__all__ = ["MAX_ASCII_BYTES", "AsciiFramer"]

_END: Final = b"\r\n"

MAX_ASCII_BYTES: Final = 1 + 2 * (1 + MAX_PDU_BYTES + 1) + len(_END)
"""The longest frame: colon, unit, message, LRC and end are 513 characters."""

_MIN_BYTES: Final = 3
"""Unit, function and LRC."""


class AsciiFramer:
    """Frames of one direction of a serial line.

    A colon begins a frame wherever it comes, so what was before it and has no end is noise. So is
    a line that is too long, is no hexadecimal number of either case, or has a wrong LRC.

    Args:
        side: Whose ear this is: a client hears answers, a server requests. On a shared line a
            server drops other units' answers and counts them in `foreign_bytes`;
            `codec.overheard` says what is taken for one.
    """

    __slots__ = (
        "_overheard",
        "_pending",
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
        self._pending = b""
        self._overheard = Overheard() if side is Side.SERVER else None

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes in and return the frames they complete, in order."""
        data = self._pending + data
        frames: list[Frame] = []
        start = 0
        while start < len(data):
            colon = data.find(b":", start)
            if colon != start:
                noise = (colon if colon >= 0 else len(data)) - start
                self.noise_bytes += noise
                start += noise
                continue
            limit = start + MAX_ASCII_BYTES
            end = data.find(b"\n", start, limit) + 1
            restart = data.find(b":", start + 1, end or limit)
            if restart < 0 < end:
                self._take(data[start:end], frames)
                start = end
            elif restart < 0 and len(data) < limit:
                break
            else:  # it was no beginning, and what is before the next one is noise
                self.noise_bytes += 1
                start += 1
        self._pending = data[start:]
        self.pending_bytes = len(self._pending)
        return frames

    def silence(self) -> list[Frame]:
        """See `Framer.silence`; a frame without its end is none."""
        self.noise_bytes += self.pending_bytes
        self.pending_bytes = 0
        self._pending = b""
        return []

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        """Put a message into its envelope; the wire has no transactions."""
        if self._overheard is not None:
            self._overheard.answer(unit)
        body = bytes((unit,)) + pdu
        return b":%b%02X\r\n" % (body.hex().upper().encode(), lrc(body))

    def expect(self, unit: int, function: int) -> None:
        """See `Framer.expect`; where beginnings are marked there is nothing to be found."""

    def _take(self, line: bytes, frames: list[Frame]) -> None:
        body = _read(line)
        if body is None:
            self.noise_bytes += len(line)
            return
        frame = Frame(0, body[0], body[1:-1])
        if self._overheard is not None and self._overheard.hear(frame):
            self.foreign_bytes += len(line)
        else:
            frames.append(frame)


def _read(line: bytes) -> bytes | None:
    """The bytes a line stands for, its LRC included; None when it is no frame."""
    if len(line) > MAX_ASCII_BYTES or not line.endswith(_END):
        return None
    try:
        body = unhexlify(line[1 : -len(_END)])
    except NoHexadecimal:
        return None
    # With the LRC the sum is 0, so the LRC of it all is 0 as well.
    return body if len(body) >= _MIN_BYTES and lrc(body) == 0 else None
