"""Capture files as TCP segments: pcap and pcapng, and the layers below TCP.

What is not TCP, or is cut short, is passed over. Knows no Modbus.
Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, tcpdump.org/linktypes.html; RFC 791,
RFC 8200, RFC 9293, IEEE 802.1Q.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from energymeter.errors import ConfigError

__all__ = [
    "ACK",
    "FIN",
    "RST",
    "SYN",
    "Packet",
    "Place",
    "Segment",
    "is_capture",
    "read_packets",
    "segment_of",
]

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10


class Packet(NamedTuple):
    """What was captured at one moment."""

    moment_s: float
    """Seconds since 1970; 0 where the file does not say."""

    link_type: int
    data: bytes


class Place(NamedTuple):
    """An end of a connection."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Segment(NamedTuple):
    """A TCP segment."""

    source: Place
    target: Place
    sequence: int
    acknowledged: int
    flags: int
    data: bytes


_CLASSIC: Final = {
    struct.pack(f"{order}I", magic): (order, parts)
    for order in "<>"
    for magic, parts in ((0xA1B2C3D4, 1e6), (0xA1B23C4D, 1e9))
}
"""First bytes of a pcap file: order of its numbers, and parts of a second it counts in."""

_SECTION: Final = 0x0A0D0D0A
_SECTION_BYTES: Final = b"\x0a\x0d\x0d\x0a"
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 1, 2, 3, 6
_RESOLUTION, _OFFSET = 9, 14


def is_capture(data: bytes) -> bool:
    """Whether a file that begins like this is a capture."""
    return data[:4] in _CLASSIC or data[:4] == _SECTION_BYTES


def read_packets(data: bytes, name: str) -> Iterator[Packet]:
    """The packets of a pcap or pcapng file, in the file's order.

    A file that ends in the middle of a packet is read up to there.

    Args:
        data: The file.
        name: What to call it in errors.

    Raises:
        ConfigError: It is no capture, or makes no sense from some place on.
    """
    if data[:4] in _CLASSIC and len(data) >= 24:
        return _read_classic(data)
    if data[:4] == _SECTION_BYTES:
        return _read_blocks(data, name)
    msg = f"{name} is neither pcap nor pcapng"
    raise ConfigError(msg)


def _read_classic(data: bytes) -> Iterator[Packet]:
    order, parts = _CLASSIC[data[:4]]
    link_type = struct.unpack_from(f"{order}I", data, 20)[0] & 0xFFFF
    head = struct.Struct(f"{order}IIII")
    start = 24
    while start + 16 <= len(data):
        seconds, fraction, size, _ = head.unpack_from(data, start)
        start += 16
        if start + size > len(data):
            return
        yield Packet(seconds + fraction / parts, link_type, data[start : start + size])
        start += size


class _Interface(NamedTuple):
    link_type: int
    snap_bytes: int
    tick_s: float
    offset_s: int


def _read_blocks(data: bytes, name: str) -> Iterator[Packet]:
    order = "<"
    interfaces: list[_Interface] = []
    start = 0
    while start + 12 <= len(data):
        if data[start : start + 4] == _SECTION_BYTES:
            order = "<" if data[start + 8 : start + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        kind, size = struct.unpack_from(f"{order}II", data, start)
        if size < 12 or size % 4:
            msg = f"{name} is broken at byte {start}: a block of {size} bytes"
            raise ConfigError(msg)
        if start + size > len(data):
            return
        body = data[start + 8 : start + size - 4]
        start += size
        try:
            if kind == _INTERFACE:
                interfaces.append(_interface(order, body))
            elif kind in (_OLD_PACKET, _SIMPLE_PACKET, _PACKET):
                yield _block_packet(kind, order, body, interfaces)
        except (struct.error, IndexError):
            msg = f"{name} is broken at byte {start - size}: a block of type {kind} makes no sense"
            raise ConfigError(msg) from None


def _interface(order: str, body: bytes) -> _Interface:
    link_type, _, snap_bytes = struct.unpack_from(f"{order}HHI", body)
    tick_s, offset_s = 1e-6, 0
    start = 8
    while start + 4 <= len(body):
        code, size = struct.unpack_from(f"{order}HH", body, start)
        value = body[start + 4 : start + 4 + size]
        if code == _RESOLUTION and value:
            tick_s = 2.0 ** -(value[0] & 0x7F) if value[0] & 0x80 else 10.0 ** -value[0]
        elif code == _OFFSET and size == 8:
            offset_s = struct.unpack(f"{order}q", value)[0]
        elif code == 0:
            break
        start += 4 + size + -size % 4
    return _Interface(link_type, snap_bytes or 0xFFFFFFFF, tick_s, offset_s)


def _block_packet(kind: int, order: str, body: bytes, interfaces: list[_Interface]) -> Packet:
    if kind == _SIMPLE_PACKET:
        interface = interfaces[0]
        (size,) = struct.unpack_from(f"{order}I", body)
        return Packet(0.0, interface.link_type, body[4 : 4 + min(size, interface.snap_bytes)])
    number, high, low, size = struct.unpack_from(f"{order}IIII", body)
    if kind == _OLD_PACKET:
        (number,) = struct.unpack_from(f"{order}H", body)
    interface = interfaces[number]
    moment_s = interface.offset_s + (high << 32 | low) * interface.tick_s
    return Packet(moment_s, interface.link_type, body[20 : 20 + size])


_VLAN: Final = {0x8100, 0x88A8, 0x9100}
_IP: Final = {0x0800, 0x86DD}


def segment_of(packet: Packet) -> Segment | None:
    """The TCP segment in a packet; None when there is none, or not the whole of its headers."""
    strip = _LINKS.get(packet.link_type)
    if strip is None:
        return None
    try:
        data = strip(packet.data)
        version = data[0] >> 4
        if version == 4:
            return _segment_in_ipv4(data)
        return _segment_in_ipv6(data) if version == 6 else None
    except (struct.error, IndexError):
        return None


def _after_type(data: bytes, place: int, start: int) -> bytes:
    """What follows an Ethernet type at `place`, the header ending at `start`."""
    kind = int.from_bytes(data[place : place + 2], "big")
    while kind in _VLAN:
        kind = int.from_bytes(data[start + 2 : start + 4], "big")
        start += 4
    return data[start:] if kind in _IP else b""


_LINKS: Final[dict[int, Callable[[bytes], bytes]]] = {
    0: lambda data: data[4:],  # BSD loopback
    1: lambda data: _after_type(data, 12, 14),  # Ethernet
    12: lambda data: data,  # IP, as OpenBSD and others number it
    14: lambda data: data,
    101: lambda data: data,  # IP
    108: lambda data: data[4:],  # OpenBSD loopback
    113: lambda data: _after_type(data, 14, 16),  # Linux "any", version 1
    228: lambda data: data,  # IPv4
    229: lambda data: data,  # IPv6
    276: lambda data: _after_type(data, 0, 20),  # Linux "any", version 2
}
"""By link type: what takes the headers in front of IP away."""

_TCP: Final = 6
_IPV6_OPTIONS: Final = {0, 43, 60}
"""Extension headers that may stand before TCP: hop by hop, routing, destination."""


def _segment_in_ipv4(data: bytes) -> Segment | None:
    size, fragment = struct.unpack_from(">xxHxxH", data)
    if data[9] != _TCP or fragment & 0x3FFF:
        return None
    # A size of 0 is left by network cards that cut segments themselves.
    body = data[4 * (data[0] & 0x0F) : size or len(data)]
    return _segment(data[12:16], data[16:20], body)


def _segment_in_ipv6(data: bytes) -> Segment | None:
    size, kind = struct.unpack_from(">HB", data, 4)
    body = data[40 : 40 + size] if size else data[40:]
    while kind in _IPV6_OPTIONS:
        kind, length = body[0], body[1]
        body = body[8 * (length + 1) :]
    return _segment(data[8:24], data[24:40], body) if kind == _TCP else None


def _segment(source: bytes, target: bytes, body: bytes) -> Segment:
    source_port, target_port, sequence, acknowledged, offset, flags = struct.unpack_from(
        ">HHIIBB", body
    )
    return Segment(
        Place(str(ipaddress.ip_address(source)), source_port),
        Place(str(ipaddress.ip_address(target)), target_port),
        sequence,
        acknowledged,
        flags,
        body[4 * (offset >> 4) :],
    )
