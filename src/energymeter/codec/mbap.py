"""MBAP framing: Modbus over TCP.

Knows no socket, clock or log.
Source: MODBUS Messaging on TCP/IP Implementation Guide v1.0b, section 3.1.3.
"""

from __future__ import annotations

import struct
from typing import Final

from energymeter.codec.codes import MAX_PDU_BYTES
from energymeter.codec.framing import Frame
from energymeter.errors import RemoteProtocolError

__all__ = ["MbapFramer"]

_HEADER: Final = struct.Struct(">HHHB")
_unpack_header = _HEADER.unpack_from
_pack_header = _HEADER.pack
_new_frame = tuple.__new__  # Frame(...) itself takes twice as long, once a message

_MAX_LENGTH: Final = MAX_PDU_BYTES + 1
"""The length field counts the unit and the message."""


class MbapFramer:
    """Frames of one direction of a TCP connection.

    An impossible header ends the stream: without a start mark there is no way to find the
    next frame, so `error` is set and the connection has to be closed.
    """

    __slots__ = ("_pending", "error", "foreign_bytes", "noise_bytes", "pending_bytes")

    def __init__(self) -> None:
        self.error: RemoteProtocolError | None = None
        self.foreign_bytes = 0
        self.noise_bytes = 0
        self.pending_bytes = 0
        self._pending = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes in and return the frames they complete, in order."""
        if self.error is not None:
            self.noise_bytes += len(data)
            return []
        if self.pending_bytes:
            data = self._pending + data
        start = 0
        size = len(data)
        # Nearly always exactly one frame comes: it needs no loop.
        if size >= 8:
            transaction, protocol, length, unit = _unpack_header(data)
            if length == size - 6 and protocol == 0 and length <= _MAX_LENGTH:
                self.pending_bytes = 0
                return [_new_frame(Frame, (transaction, unit, data[7:]))]
        frames: list[Frame] = []
        while size - start >= 7:
            transaction, protocol, length, unit = _unpack_header(data, start)
            if protocol != 0 or not 2 <= length <= _MAX_LENGTH:
                return self._break(frames, data[start:], protocol, length)
            end = start + 6 + length
            if end > size:
                break
            frames.append(_new_frame(Frame, (transaction, unit, data[start + 7 : end])))
            start = end
        if start != size or self.pending_bytes:
            self._pending = data[start:]
            self.pending_bytes = size - start
        return frames

    def silence(self) -> list[Frame]:
        """See `Framer.silence`; said at the end of a datagram, for on TCP a pause means nothing."""
        self.noise_bytes += self.pending_bytes
        self.pending_bytes = 0
        self._pending = b""
        return []

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        """Put a message into its envelope."""
        return _pack_header(transaction, 0, len(pdu) + 1, unit) + pdu

    def expect(self, unit: int, function: int) -> None:
        """See `Framer.expect`; where lengths are told there is nothing to be found."""

    def _break(self, frames: list[Frame], rest: bytes, protocol: int, length: int) -> list[Frame]:
        if protocol != 0:
            msg = f"not Modbus TCP: protocol id {protocol}, expected 0"
        else:
            msg = f"not Modbus TCP: a length of {length}, expected 2..{_MAX_LENGTH}"
        self.error = RemoteProtocolError(msg, data=rest[: _HEADER.size])
        self.noise_bytes += len(rest)
        self.pending_bytes = 0
        return frames
