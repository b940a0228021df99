"""What a file holds of the traffic with one place: a recording of ours, or a network capture."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from energymeter.errors import ConfigError
from energymeter.recording.capture import parse_capture
from energymeter.recording.exchanges import Exchange, exchanges_of
from energymeter.recording.format import Recording, is_recording, parse_recording
from energymeter.recording.packets import is_capture

__all__ = ["Traffic", "load_traffic", "read_bytes"]


class Traffic(NamedTuple):
    """Everything that was recorded of one place."""

    place: str
    """Where it is, as a URL; the name of the file where the recording does not say."""

    recordings: tuple[Recording, ...]
    """One for each connection, all counting from the same moment."""

    remarks: tuple[str, ...] = ()
    """What is wrong with the file, as sentences."""

    def exchanges(self) -> list[Exchange]:
        """All questions, in the order of asking, on whatever connection."""
        found = [
            exchange
            for recording in self.recordings
            for exchange in exchanges_of(
                recording.header.framing,
                recording.events,
                is_datagram=recording.header.is_datagram,
            )
        ]
        return sorted(found, key=lambda exchange: exchange.moment_s)


def load_traffic(path: Path, place: str | None = None) -> Traffic:
    """Load a recording, or what a pcap or pcapng file holds of the traffic with one place.

    Args:
        path: The file; what it is, is told by its first bytes.
        place: `HOST:PORT` of the place, where a capture holds several.

    Raises:
        ConfigError: It cannot be read, is neither, or holds several places, or not this one.
    """
    data = read_bytes(path)
    if is_capture(data):
        return _captured(data, str(path), place)
    if not is_recording(data):
        msg = f"{path} is neither a recording (energymeter read --record) nor a pcap file"
        raise ConfigError(msg)
    recording = parse_recording(data, str(path))
    remarks = (f"{path} was cut off in its last line, which is left out",)
    where = recording.header.wire or str(path)
    return Traffic(where, (recording,), remarks if recording.is_cut_off else ())


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise ConfigError(msg) from error


def _captured(data: bytes, name: str, place: str | None) -> Traffic:
    links = parse_capture(data, name)
    places = sorted({str(link.server) for link in links})
    if place is None and len(places) > 1:
        msg = f"{name} holds traffic with {', '.join(places)}: choose one"
        raise ConfigError(msg)
    links = [link for link in links if place in (None, str(link.server))]
    if not links:
        msg = f"{name} holds no traffic with {place}, but with {', '.join(places)}"
        raise ConfigError(msg)
    missing = sum(link.missing_bytes for link in links)
    return Traffic(
        links[0].recording.header.wire or name,
        tuple(link.recording for link in links),
        (f"{missing} bytes of the connections are missing in {name}",) if missing else (),
    )
