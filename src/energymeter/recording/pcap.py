"""Write the traffic of a link as a capture file that Wireshark reads.

Each connection becomes a TCP stream of its own, with handshake, sequence numbers and checksums.
A serial line becomes Modbus TCP, for a capture file has no place for the silence between frames;
the transaction numbers are made up. Knows no socket.
Source: draft-ietf-opsawg-pcap; RFC 791, RFC 9293.
"""

from __future__ import annotations

import ipaddress
import struct
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from energymeter.clock import Clock, SystemClock
from energymeter.codec import MbapFramer
from energymeter.codec.framing import Frame, Framing, Side
from energymeter.recording.cutter import Cutter, Piece
from energymeter.recording.output import Output

__all__ = ["PcapWriter"]

_PORT: Final = 502
_FIRST_CLIENT_PORT: Final = 49152
"""Where the ports for passing use begin (RFC 6335)."""

_HOSTS: Final = {
    Side.CLIENT: ipaddress.IPv4Address("192.0.2.1"),
    Side.SERVER: ipaddress.IPv4Address("192.0.2.2"),
}
"""Addresses for documentation (RFC 5737): nobody has them."""

_MACS: Final = {
    Side.CLIENT: bytes.fromhex("020000000001"),
    Side.SERVER: bytes.fromhex("020000000002"),
}

_FILE_HEADER: Final = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 1)
_PACKET: Final = struct.Struct("<IIII")
_IPV4: Final = struct.Struct(">BBHHHBBH4s4s")
_TCP: Final = struct.Struct(">HHIIBBHHH")

_FIN, _SYN, _PUSH, _ACK = 0x01, 0x02, 0x08, 0x10


class PcapWriter:
    """A `Tap` that writes a capture file, each packet at once.

    Bytes that are no frame (noise, a wrong checksum) cannot be shown as Modbus TCP: they are
    left out and counted.

    Args:
        path: The file; one that is there is replaced.
        framing: What the link speaks.
        is_datagram: Whether bytes come in packets, each of which stands for itself.
        clock: The link's clock.

    Raises:
        ConfigError: The file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        framing: Framing,
        *,
        is_datagram: bool = False,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self.left_out_bytes = 0
        """Bytes that are not in the file because they are no frame."""
        self._framing = framing
        self._start_s = clock.monotonic()
        self._started: datetime = clock.now()
        self._output = Output(path)
        self._output.write(_FILE_HEADER)
        self._cutter = Cutter(framing, is_datagram=is_datagram)
        self._mbap = MbapFramer()
        self._connections = 0
        self._packets = 0
        self._sequences: dict[Side, int] | None = None
        """The next byte of each side; None: no connection."""
        self._question = Frame(0, 0, b"\0")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def opened(self, moment_s: float) -> None:
        """See `Tap.opened`."""
        self._write_pieces(self._cutter.opened())
        self._connect(moment_s)

    def sent(self, moment_s: float, data: bytes) -> None:
        """See `Tap.sent`."""
        self._write_pieces(self._cutter.sent(moment_s, data))

    def received(self, moment_s: float, data: bytes) -> None:
        """See `Tap.received`."""
        self._write_pieces(self._cutter.received(moment_s, data))

    def timed_out(self, moment_s: float, unit: int) -> None:
        """See `Tap.timed_out`; shows as a question without an answer."""
        self._write_pieces(self._cutter.timed_out())

    def lost(self, moment_s: float, reason: str) -> None:
        """See `Tap.lost`; shows as the server's goodbye."""
        self._write_pieces(self._cutter.lost())
        self._disconnect(moment_s)

    def close(self) -> None:
        """End the file; may be called twice.

        Raises:
            MeterError: Not everything could be written.
        """
        self._write_pieces(self._cutter.lost())
        self._output.close()

    def _write_pieces(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if piece.frame is None:
                self.left_out_bytes += len(piece.data)
                continue
            if self._sequences is None:
                self._connect(piece.moment_s)
            sender = Side.CLIENT if piece.side is Side.SERVER else Side.SERVER
            data = piece.data
            if not self._framing.has_transactions:
                data = self._numbered(piece.frame, sender)
            self._write(piece.moment_s, sender, _PUSH | _ACK, data)

    def _numbered(self, frame: Frame, sender: Side) -> bytes:
        """A serial frame as Modbus TCP."""
        if sender is Side.CLIENT:
            number = self._question.transaction % 0xFFFF + 1
            self._question = frame._replace(transaction=number)
        return self._mbap.encode(self._question.transaction, frame.unit, frame.pdu)

    def _connect(self, moment_s: float) -> None:
        if self._sequences is not None:
            self._disconnect(moment_s)
        self._connections += 1
        self._sequences = {Side.CLIENT: 1_000_000, Side.SERVER: 2_000_000}
        self._write(moment_s, Side.CLIENT, _SYN)
        self._write(moment_s, Side.SERVER, _SYN | _ACK)
        self._write(moment_s, Side.CLIENT, _ACK)

    def _disconnect(self, moment_s: float) -> None:
        if self._sequences is None:
            return
        self._write(moment_s, Side.SERVER, _FIN | _ACK)
        self._write(moment_s, Side.CLIENT, _FIN | _ACK)
        self._write(moment_s, Side.SERVER, _ACK)
        self._sequences = None

    def _write(self, moment_s: float, sender: Side, flags: int, data: bytes = b"") -> None:
        """Write one packet, and count on."""
        assert self._sequences is not None  # noqa: S101 - narrows the type
        receiver = Side.SERVER if sender is Side.CLIENT else Side.CLIENT
        client_port = _FIRST_CLIENT_PORT + (self._connections - 1) % (0x10000 - _FIRST_CLIENT_PORT)
        ports = {Side.CLIENT: client_port, Side.SERVER: _PORT}
        acknowledged = self._sequences[receiver] if flags & _ACK else 0
        segment = _tcp(
            (ports[sender], ports[receiver]),
            (self._sequences[sender], acknowledged),
            flags,
            data,
            _HOSTS[sender].packed + _HOSTS[receiver].packed,
        )
        self._packets += 1
        packet = b"".join(
            (
                _MACS[receiver],
                _MACS[sender],
                b"\x08\x00",
                _ipv4(_HOSTS[sender].packed, _HOSTS[receiver].packed, self._packets, len(segment)),
                segment,
            )
        )
        used = len(data) + bool(flags & (_SYN | _FIN))
        self._sequences[sender] = (self._sequences[sender] + used) & 0xFFFFFFFF
        when_us = round((self._started.timestamp() + moment_s - self._start_s) * 1e6)
        seconds, microseconds = divmod(max(0, when_us), 1_000_000)
        head = _PACKET.pack(seconds, microseconds, len(packet), len(packet))
        self._output.write(head + packet)


def _ipv4(source: bytes, target: bytes, number: int, size: int) -> bytes:
    """The header in front of a TCP segment of `size` bytes (RFC 791, section 3.1)."""
    fields = (0x45, 0, 20 + size, number & 0xFFFF, 0x4000, 64, 6)
    blank = _IPV4.pack(*fields, 0, source, target)
    return _IPV4.pack(*fields, _checksum(blank), source, target)


def _tcp(
    ports: tuple[int, int],
    numbers: tuple[int, int],
    flags: int,
    data: bytes,
    addresses: bytes,
) -> bytes:
    """A segment; ports and addresses are the sender's, then the receiver's (RFC 9293, 3.1)."""
    fields = (*ports, *numbers, 0x50, flags, 0xFFFF)
    blank = _TCP.pack(*fields, 0, 0) + data
    pseudo = addresses + struct.pack(">HH", 6, len(blank))
    return _TCP.pack(*fields, _checksum(pseudo + blank), 0) + data


def _checksum(data: bytes) -> int:
    """The ones' complement sum of 16-bit words (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
