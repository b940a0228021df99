"""A capture of the network as recordings, one for each Modbus connection in it.

Knows the layers below through `packets` and `reassembly`; opens no file and no socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from energymeter.codec.framing import Framing
from energymeter.errors import ConfigError
from energymeter.recording.cutter import Cutter
from energymeter.recording.format import Event, Header, Lost, Opened, Received, Recording, Sent
from energymeter.recording.packets import (
    ACK,
    FIN,
    RST,
    SYN,
    Packet,
    Place,
    Segment,
    read_packets,
    segment_of,
)
from energymeter.recording.reassembly import Stretch, TcpStream

__all__ = ["CapturedLink", "parse_capture"]

_MODBUS_PORTS: Final = (502, 802)
_PASSING_PORTS: Final = 32768
"""From here on ports are mostly those of clients."""

_PROBE: Final = 20
"""So many pieces of a connection show whether it is Modbus."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class CapturedLink(NamedTuple):
    """One connection."""

    client: Place
    server: Place
    recording: Recording
    """All links of a capture count from the same moment."""

    missing_bytes: int
    """Bytes that were sent but are not in the capture."""


def parse_capture(data: bytes, name: str = "the capture") -> list[CapturedLink]:
    """Find the Modbus connections in a pcap or pcapng file, on whatever port, in order.

    Modbus TCP, and RTU frames in TCP, are told by what they look like.

    Args:
        data: The file.
        name: What to call it in errors.

    Raises:
        ConfigError: It is no capture, or there is no Modbus in it.
    """
    packets = list(read_packets(data, name))
    # Several queues of a network card may hand packets over in another order than they came.
    packets.sort(key=lambda packet: packet.moment_s)
    start_s = packets[0].moment_s if packets else 0.0
    connections = _connections(packets, start_s)
    links = [link for one in connections if (link := _link(one, start_s)) is not None]
    if not links:
        msg = f"{name} has no Modbus TCP in it: {_what_else(packets, len(connections))}"
        raise ConfigError(msg)
    return links


class _Connection:
    """One connection while it is put together."""

    def __init__(self, first: Segment, start_s: float) -> None:
        self.client, self.server = _ends(first)
        self.is_closed = False
        self.missing_bytes = 0
        self.events: list[Event] = []
        self._start_s = start_s
        self._streams = {self.client: TcpStream(), self.server: TcpStream()}
        self._openings: dict[Place, int] = {}
        """The number each side began with; said again it is nothing new."""

    def is_over_for(self, segment: Segment) -> bool:
        """Whether the segment begins another connection between the same ends."""
        is_first = segment.flags & (SYN | ACK) == SYN
        is_new = segment.sequence != self._openings.get(segment.source)
        return is_first and is_new and (self.is_closed or bool(self.events))

    def take(self, moment_s: float, segment: Segment) -> None:
        """Take the next segment of either side in."""
        moment_s = max(0.0, moment_s - self._start_s)
        sender, target = segment.source, segment.target
        ours = self._streams[sender]
        if segment.flags & SYN:
            if self._openings.get(sender) != segment.sequence:
                self._openings[sender] = segment.sequence
                ours.begin(segment.sequence + 1)
            return
        if segment.flags & ACK:
            acknowledged = self._streams[target].skip_to(segment.acknowledged)
            self._add(moment_s, target, acknowledged)
        self._add(moment_s, sender, ours.put(segment.sequence, segment.data))
        if segment.flags & FIN:
            end = segment.sequence + len(segment.data)
            self._add(moment_s, sender, ours.skip_to(end))
            ours.begin(end + 1)  # the end is counted like a byte
        if segment.flags & (FIN | RST):
            if sender == self.server and not self.is_closed:
                self.events.append(Lost(moment_s, "the server closed the connection"))
            self.is_closed = True

    def finish(self) -> None:
        """The capture ends; what still waits for a missing segment is taken without it."""
        moment_s = self.events[-1].moment_s if self.events else 0.0
        for sender, stream in self._streams.items():
            self._add(moment_s, sender, stream.finish())

    def _add(self, moment_s: float, sender: Place, stretch: Stretch) -> None:
        if stretch.missing_bytes or not self.events:
            # Behind a gap nothing can be told from what stood before it.
            self.missing_bytes += stretch.missing_bytes
            self.events.append(Opened(moment_s))
        if stretch.data:
            kind = Sent if sender == self.client else Received
            self.events.append(kind(moment_s, stretch.data))


def _ends(segment: Segment) -> tuple[Place, Place]:
    """Client and server, as far as one segment tells."""
    source, target = segment.source, segment.target
    if segment.flags & SYN:
        is_answer = bool(segment.flags & ACK)
    elif (source.port in _MODBUS_PORTS) != (target.port in _MODBUS_PORTS):
        is_answer = source.port in _MODBUS_PORTS
    else:
        is_answer = source.port < _PASSING_PORTS <= target.port
    return (target, source) if is_answer else (source, target)


def _connections(packets: Iterable[Packet], start_s: float) -> list[_Connection]:
    found: list[_Connection] = []
    current: dict[frozenset[Place], _Connection] = {}
    for packet in packets:
        segment = segment_of(packet)
        if segment is None:
            continue
        ends = frozenset((segment.source, segment.target))
        connection = current.get(ends)
        if connection is None or connection.is_over_for(segment):
            connection = current[ends] = _Connection(segment, start_s)
            found.append(connection)
        connection.take(packet.moment_s, segment)
    for connection in found:
        connection.finish()
    return found


def _link(connection: _Connection, start_s: float) -> CapturedLink | None:
    framing = _framing_of(connection.events)
    if framing is None:
        return None
    scheme = "tcp" if framing is Framing.MBAP else f"{framing}+tcp"
    header = Header(
        framing,
        _EPOCH + timedelta(seconds=start_s),
        wire=f"{scheme}://{connection.server}",
        tool=None,
    )
    recording = Recording(header, tuple(connection.events))
    return CapturedLink(connection.client, connection.server, recording, connection.missing_bytes)


def _framing_of(events: Iterable[Event]) -> Framing | None:
    """What the client's first words look like; None: no Modbus."""
    asked = [event for event in events if isinstance(event, Sent)][:_PROBE]
    for framing in (Framing.MBAP, Framing.RTU):
        cutter = Cutter(framing)
        sense = noise = 0
        for piece in (piece for event in asked for piece in cutter.sent(*event)):
            if piece.frame is not None and 0 < piece.frame.pdu[0] < 0x80:
                sense += len(piece.data)
            else:
                noise += len(piece.data)
        if sense > noise:
            return framing
    return None


def _what_else(packets: Sequence[Packet], connections: int) -> str:
    if not packets:
        return "it has no packets"
    if connections:
        return f"none of its {connections} TCP connections looks like it"
    kinds = ", ".join(str(kind) for kind in sorted({packet.link_type for packet in packets}))
    return f"there is no TCP in its {len(packets)} packets (link type {kinds})"
