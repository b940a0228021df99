"""Capture files made by hand, header by header: nothing of ours in it."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Final

__all__ = [
    "ACK",
    "CLIENT",
    "FIN",
    "LINKS",
    "PUSH",
    "RST",
    "SERVER",
    "SYN",
    "Connection",
    "pcap",
    "pcapng",
    "tcp",
]

FIN: Final = 1
SYN: Final = 2
RST: Final = 4
PUSH: Final = 8
ACK: Final = 16

CLIENT: Final = ("10.0.0.1", 50_000)
SERVER: Final = ("10.0.0.2", 502)

Place = tuple[str, int]


def tcp(
    source: Place, target: Place, sequence: int, acknowledged: int, flags: int, data: bytes = b""
) -> bytes:
    """An IP packet with a TCP segment that has options."""
    head = struct.pack(
        ">HHIIBBHHH",
        source[1],
        target[1],
        sequence % 2**32,
        acknowledged % 2**32,
        0x80,
        flags,
        1000,
        0,
        0,
    )
    segment = head + bytes(12) + data
    one, other = ipaddress.ip_address(source[0]), ipaddress.ip_address(target[0])
    if one.version == 6:
        return (
            struct.pack(">IHBB", 0x60000000, len(segment) + 8, 0, 64)
            + one.packed
            + other.packed
            + bytes((6, 0, 1, 4, 0, 0, 0, 0))  # hop-by-hop options, then TCP
            + segment
        )
    return (
        struct.pack(">BBHHHBBH", 0x46, 0, 24 + len(segment), 1, 0x4000, 64, 6, 0)
        + one.packed
        + other.packed
        + bytes(4)  # an IP option
        + segment
    )


def _kind(ip: bytes) -> bytes:
    return b"\x86\xdd" if ip[:1] == b"\x60" else b"\x08\x00"


LINKS: Final[dict[str, tuple[int, Callable[[bytes], bytes]]]] = {
    "null": (0, lambda ip: b"\2\0\0\0" + ip),
    # Short frames are filled up to 60 bytes: the filling is no data.
    "ethernet": (1, lambda ip: (bytes(12) + _kind(ip) + ip).ljust(60, b"\xee")),
    "vlan": (1, lambda ip: bytes(12) + b"\x81\x00\x00\x07" + _kind(ip) + ip),
    "double vlan": (
        1,
        lambda ip: bytes(12) + b"\x88\xa8\x00\x01\x81\x00\x00\x07" + _kind(ip) + ip,
    ),
    "raw": (101, lambda ip: ip),
    "loop": (108, lambda ip: b"\0\0\0\2" + ip),
    "cooked": (113, lambda ip: bytes(14) + _kind(ip) + ip),
    "cooked 2": (276, lambda ip: _kind(ip) + bytes(18) + ip),
}
"""Link types, and what stands in front of an IP packet there."""

Packets = Iterable[tuple[float, bytes]]


def pcap(
    packets: Packets, link: str = "ethernet", *, order: str = "<", nanos: bool = False
) -> bytes:
    """A pcap file of IP packets with their times."""
    number, wrap = LINKS[link]
    magic, parts = (0xA1B23C4D, 10**9) if nanos else (0xA1B2C3D4, 10**6)
    file = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, number)
    for moment_s, ip in packets:
        data = wrap(ip)
        seconds, fraction = divmod(round(moment_s * parts), parts)
        file += struct.pack(f"{order}IIII", seconds, fraction, len(data), len(data)) + data
    return file


def _block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + size + body + size


def pcapng(sections: Sequence[tuple[str, Packets]], *, order: str = "<") -> bytes:
    """A pcapng file: one interface for each link, its times in nanoseconds from 1000 s on."""
    file = _block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    options = struct.pack(f"{order}HHB3xHHqHH", 9, 1, 9, 14, 8, 1000, 0, 0)
    for link, _ in sections:
        file += _block(order, 1, struct.pack(f"{order}HHI", LINKS[link][0], 0, 0) + options)
    file += _block(order, 0xBAD, b"a block nobody knows")
    for interface, (link, packets) in enumerate(sections):
        for moment_s, ip in packets:
            data = LINKS[link][1](ip)
            high, low = divmod(round((moment_s - 1000) * 10**9), 2**32)
            head = struct.pack(f"{order}IIIII", interface, high, low, len(data), len(data))
            file += _block(order, 6, head + data)
    return file


class Connection:
    """Two ends that count their bytes, each packet a second later than the one before."""

    def __init__(
        self,
        client: Place = CLIENT,
        server: Place = SERVER,
        *,
        first: int = 2**32 - 20,
        moment_s: float = 5000.0,
    ) -> None:
        self.packets: list[tuple[float, bytes]] = []
        self._ends = (client, server)
        self._numbers = {client: first, server: first + 7}
        self._moment_s = moment_s

    def open(self) -> None:
        client, server = self._ends
        self._put(client, SYN)
        self._put(server, SYN | ACK)
        self._put(client, ACK)

    def ask(self, data: bytes) -> None:
        self._put(self._ends[0], PUSH | ACK, data)

    def reply(self, data: bytes) -> None:
        self._put(self._ends[1], PUSH | ACK, data)

    def close(self, who: int = 1) -> None:
        self._put(self._ends[who], FIN | ACK)
        self._put(self._ends[1 - who], FIN | ACK)
        self._put(self._ends[who], ACK)

    def _put(self, source: Place, flags: int, data: bytes = b"") -> None:
        client, server = self._ends
        target = server if source == client else client
        acknowledged = self._numbers[target] if flags & ACK else 0
        packet = tcp(source, target, self._numbers[source], acknowledged, flags, data)
        self.packets.append((self._moment_s, packet))
        self._moment_s += 1
        self._numbers[source] += len(data) + bool(flags & (SYN | FIN))
