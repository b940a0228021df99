"""What we write as a capture is whole, packet by packet, and reads back as what was said."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recording.traffic import STARTED, answer, ask, frame

from energymeter.clock import ManualClock
from energymeter.codec import Framing
from energymeter.recording import PcapWriter
from energymeter.recording.capture import CapturedLink, parse_capture
from energymeter.recording.exchanges import exchanges_of

in_each_framing = pytest.mark.parametrize("framing", Framing)

WORDS = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=5)


def answers(link: CapturedLink) -> list[tuple[int, bytes, bytes | None]]:
    header, events, _ = link.recording
    return [
        (found.question.unit, found.question.pdu, found.answer)
        for found in exchanges_of(header.framing, events)
    ]


def packets_of(file: bytes) -> list[tuple[float, bytes]]:
    """Moment and bytes of each packet."""
    assert file[:4] == b"\xd4\xc3\xb2\xa1"
    found, start = [], 24
    while start < len(file):
        seconds, micros, size, whole = struct.unpack_from("<IIII", file, start)
        assert size == whole
        found.append((seconds + micros / 1e6, file[start + 16 : start + 16 + size]))
        start += 16 + size
    return found


def ones_complement(data: bytes) -> int:
    """RFC 1071, added up word by word; 0xFFFF over a header with its right checksum."""
    total = 0
    for word, *_ in struct.iter_unpack(">H", data + b"\0" * (len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


@in_each_framing
@given(replies=st.lists(st.tuples(st.integers(1, 9), WORDS | st.none()), max_size=6))
@settings(max_examples=25, deadline=None)
def test_what_was_said_reads_back_whatever_the_framing(
    framing: Framing,
    replies: list[tuple[int, list[int] | None]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("pcap") / "a.pcap"
    said = []
    with PcapWriter(path, framing=framing, clock=ManualClock(STARTED)) as tap:
        tap.opened(0.0)
        for number, (unit, words) in enumerate([*replies, (1, [7])]):
            question = ask(number, 1 if words is None else len(words))
            reply = b"\x84\x02" if words is None else answer(*words)
            said.append((unit, question, reply))
            wrap = {"unit": unit, "transaction": number + 1, "framing": framing}
            tap.sent(number, frame(question, **wrap))  # type: ignore[arg-type]
            tap.received(number + 0.25, frame(reply, **wrap))  # type: ignore[arg-type]

    (found,) = parse_capture(path.read_bytes())

    assert answers(found) == said
    assert tap.left_out_bytes == found.missing_bytes == 0
    assert found.recording.header.started == STARTED
    assert [event.moment_s for event in found.recording.events][1:4] == [0.0, 0.25, 1.0][
        : 2 * len(said)
    ]


def test_each_packet_has_right_checksums_lengths_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with PcapWriter(path, framing=Framing.MBAP) as tap:
        tap.opened(0.0)
        tap.sent(1.0, frame(ask(0)))
        tap.received(2.0, frame(answer(1)))
        tap.lost(3.0, "closed")

    numbers: dict[bytes, int] = {}
    flags = []
    for _, packet in packets_of(path.read_bytes()):
        assert packet[12:14] == b"\x08\x00"
        ip, tcp = packet[14:34], packet[34:]
        assert struct.unpack(">H", ip[2:4])[0] == len(packet) - 14
        assert ones_complement(ip) == 0xFFFF
        pseudo = ip[12:20] + struct.pack(">HH", 6, len(tcp))
        assert ones_complement(pseudo + tcp) == 0xFFFF
        sequence, acknowledged = struct.unpack(">II", tcp[4:12])
        source, target = ip[12:16], ip[16:20]
        flags.append(tcp[13])
        assert numbers.setdefault(source, sequence) == sequence
        if tcp[13] & 0x10:
            assert acknowledged == numbers[target]
        numbers[source] = sequence + len(tcp) - 20 + bool(tcp[13] & 0x03)
    assert flags == [0x02, 0x12, 0x10, 0x18, 0x18, 0x11, 0x11, 0x10]


def test_each_connection_is_a_stream_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with PcapWriter(path, framing=Framing.MBAP) as tap:
        for number in range(3):
            tap.opened(number)
            tap.sent(number, frame(ask(number)))
            tap.received(number + 0.5, frame(answer(number)))
            if number != 1:  # the loss of one was not heard
                tap.lost(number + 0.75, "closed")

    found = parse_capture(path.read_bytes())

    assert len({link.client for link in found}) == 3
    assert [answers(link) for link in found] == [[(1, ask(n), answer(n))] for n in range(3)]


def test_a_tap_that_comes_late_begins_with_a_connection(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with PcapWriter(path, framing=Framing.MBAP) as tap:
        tap.sent(1.0, frame(ask(0)))
        tap.received(2.0, frame(answer(1)))
    (found,) = parse_capture(path.read_bytes())
    assert answers(found) == [(1, ask(0), answer(1))]


@in_each_framing
def test_what_is_no_frame_is_left_out_and_counted(framing: Framing, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    noise = bytes.fromhex("ffff00ff00ff00ff00")
    with PcapWriter(path, framing=framing) as tap:
        tap.opened(0.0)
        tap.sent(1.0, frame(ask(0), framing=framing))
        tap.received(2.0, noise)
        tap.timed_out(3.0, 1)
        tap.sent(4.0, frame(ask(1), transaction=2, framing=framing))
        tap.received(5.0, frame(answer(1), transaction=2, framing=framing))
        tap.received(6.0, noise[:3])

    (found,) = parse_capture(path.read_bytes())

    assert answers(found) == [(1, ask(0), None), (1, ask(1), answer(1))]
    assert tap.left_out_bytes == len(noise) + 3


def test_transactions_of_a_serial_line_are_made_up_and_go_on_over_their_end(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.pcap"
    with PcapWriter(path, framing=Framing.RTU) as tap:
        tap._question = tap._question._replace(transaction=0xFFFE)
        for number in range(3):
            tap.sent(number, frame(ask(number), framing=Framing.RTU))
    data = [packet[54:] for _, packet in packets_of(path.read_bytes())][3:]
    assert [message[:2].hex() for message in data] == ["ffff", "0001", "0002"]


def test_each_packet_is_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with PcapWriter(path, framing=Framing.MBAP) as tap:
        tap.opened(0.0)
        tap.sent(1.0, frame(ask(0)))
        assert len(packets_of(path.read_bytes())) == 4
