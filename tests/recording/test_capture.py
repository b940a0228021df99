"""Captures of any kind: the Modbus in them comes out as recordings."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recording.packets import ACK, CLIENT, LINKS, PUSH, SERVER, Connection, pcap, pcapng, tcp
from tests.recording.traffic import answer, ask, cut, frame, spoken

from energymeter.codec import Framing
from energymeter.errors import ConfigError
from energymeter.recording.capture import CapturedLink, parse_capture
from energymeter.recording.exchanges import exchanges_of
from energymeter.recording.format import Lost, Opened, Received, Sent

Place = tuple[str, int]


def conversation(client: Place = CLIENT, server: Place = SERVER) -> Connection:
    """A connection with two questions, the second one refused."""
    connection = Connection(client, server)
    connection.open()
    connection.ask(frame(ask(0, 2), transaction=1))
    connection.reply(frame(answer(1, 2), transaction=1))
    connection.ask(frame(ask(9), transaction=2))
    connection.reply(frame(b"\x84\x02", transaction=2))
    return connection


def answers(link: CapturedLink) -> list[tuple[bytes, bytes | None]]:
    header, events, _ = link.recording
    found = exchanges_of(header.framing, events)
    return [(exchange.question.pdu, exchange.answer) for exchange in found]


SAID = [(ask(0, 2), answer(1, 2)), (ask(9), b"\x84\x02")]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("addresses", [("10.0.0.1", "10.0.0.2"), ("fe80::1", "fe80::2")])
def test_every_link_type_and_both_kinds_of_ip(link: str, addresses: tuple[str, str]) -> None:
    one, other = addresses
    packets = conversation((one, 50_000), (other, 502)).packets

    (found,) = parse_capture(pcap(packets, link))

    assert answers(found) == SAID
    assert (found.client, found.server) == ((one, 50_000), (other, 502))
    shown = f"[{other}]" if ":" in other else other
    assert found.recording.header.wire == f"tcp://{shown}:502"
    assert found.missing_bytes == 0


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_kind_of_file(order: str) -> None:
    packets = conversation().packets
    whole = parse_capture(pcap(packets))
    assert [answers(link) for link in whole] == [SAID]
    assert parse_capture(pcap(packets, order=order)) == whole
    assert parse_capture(pcap(packets, order=order, nanos=True)) == whole
    assert parse_capture(pcapng([("ethernet", packets)], order=order)) == whole


def test_interfaces_of_one_file_may_be_of_different_kinds() -> None:
    packets = conversation().packets
    file = pcapng([("ethernet", packets[::2]), ("cooked 2", packets[1::2])])
    (found,) = parse_capture(file)
    assert answers(found) == SAID


def test_times_are_kept_and_count_from_the_first_packet() -> None:
    (found,) = parse_capture(pcap(conversation().packets))
    header, events, _ = found.recording
    assert header.started.timestamp() == 5000
    assert events[:3] == (
        Opened(2.0),
        Sent(3.0, frame(ask(0, 2), transaction=1)),
        Received(4.0, frame(answer(1, 2), transaction=1)),
    )


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_segments_cut_doubled_and_late_make_no_difference(data: st.DataObject) -> None:
    connection = Connection()
    connection.open()
    said = []
    for number in range(1, data.draw(st.integers(1, 6)) + 1):
        question, reply = (
            frame(ask(number), transaction=number),
            frame(answer(number), transaction=number),
        )
        said.append((question, reply))
        for chunk in cut(question, data.draw(st.lists(st.integers(0, 12), max_size=2))):
            connection.ask(chunk)
        for chunk in cut(reply, data.draw(st.lists(st.integers(0, 12), max_size=2))):
            connection.reply(chunk)
    packets: list[tuple[float, bytes]] = []
    for moment_s, packet in connection.packets:
        packets.append((moment_s, packet))
        again = data.draw(st.lists(st.floats(0, 3), max_size=2))
        packets += [(moment_s + later_s, packet) for later_s in again]
    order = data.draw(st.permutations(packets))  # several queues, right times

    (found,) = parse_capture(pcap(order))

    # A question in two segments is two writes to those who only hear.
    heard = b"".join(event.data for event in found.recording.events if isinstance(event, Sent))
    assert heard == b"".join(question for question, _ in said)
    assert [reply for _, reply in answers(found)] == [reply[7:] for _, reply in said]
    assert found.missing_bytes == 0


def test_a_question_missing_in_the_capture_is_told_and_the_others_are_read() -> None:
    connection = conversation()
    connection.ask(frame(ask(3), transaction=3))
    connection.reply(frame(answer(3), transaction=3))
    without = connection.packets[:5] + connection.packets[6:]  # the second question

    (found,) = parse_capture(pcap(without))

    assert found.missing_bytes == 12
    assert answers(found)[0] == SAID[0]
    assert answers(found)[-1] == (ask(3), answer(3))


def test_a_capture_that_begins_in_the_middle_is_read_from_there_on() -> None:
    (found,) = parse_capture(pcap(conversation().packets[5:]))
    assert answers(found) == SAID[1:]


def test_the_client_is_known_by_the_ports_where_the_opening_is_missing() -> None:
    packets = conversation().packets[4:]  # the first thing heard is an answer
    (found,) = parse_capture(pcap(packets))
    assert (found.client, found.server) == (CLIENT, SERVER)
    packets = conversation(CLIENT, ("10.0.0.2", 1502)).packets[4:]
    (found,) = parse_capture(pcap(packets))
    assert found.server == ("10.0.0.2", 1502)


def test_any_port_will_do_and_what_is_no_modbus_is_passed_over() -> None:
    web = Connection(CLIENT, ("10.0.0.3", 80))
    web.open()
    web.ask(b"GET / HTTP/1.1\r\n\r\n")
    web.reply(b"HTTP/1.1 200 OK\r\n\r\n")
    meter = conversation(CLIENT, ("10.0.0.2", 5020))

    (found,) = parse_capture(pcap(web.packets + meter.packets))

    assert found.server == ("10.0.0.2", 5020)
    assert answers(found) == SAID


def test_rtu_in_tcp_is_recognised() -> None:
    connection = Connection(CLIENT, ("10.0.0.2", 4001))
    connection.open()
    connection.ask(frame(ask(0), framing=Framing.RTU))
    connection.reply(frame(answer(5), framing=Framing.RTU))

    (found,) = parse_capture(pcap(connection.packets))

    assert found.recording.header.wire == "rtu+tcp://10.0.0.2:4001"
    assert answers(found) == [(ask(0), answer(5))]


def test_connections_one_after_the_other_on_the_same_ports_are_two() -> None:
    one = conversation()
    one.close()
    other = Connection(first=777, moment_s=6000.0)
    other.open()
    other.ask(frame(ask(4)))
    other.reply(frame(answer(4)))

    first, second = parse_capture(pcap(one.packets + other.packets))

    assert answers(first) == SAID
    assert answers(second) == [(ask(4), answer(4))]
    assert first.missing_bytes == second.missing_bytes == 0


@pytest.mark.parametrize(("who", "is_lost"), [(0, False), (1, True)])
def test_only_a_server_that_hangs_up_is_a_loss(who: int, is_lost: bool) -> None:
    connection = conversation()
    connection.close(who)
    (found,) = parse_capture(pcap(connection.packets))
    assert isinstance(found.recording.events[-1], Lost) == is_lost
    assert found.missing_bytes == 0


def test_packets_of_other_kinds_and_fragments_are_passed_over() -> None:
    packets = conversation().packets
    whole = packets[3][1]
    fragment = whole[:6] + b"\x20\x00" + whole[8:]
    udp = whole[:9] + b"\x11" + whole[10:]
    strange = [(5000.5, data) for data in (fragment, udp, b"", b"\x45", whole[:30], b"\x90" * 40)]

    (found,) = parse_capture(pcap([*packets, *strange]))

    assert answers(found) == SAID


def test_what_the_capture_cut_off_a_packet_is_missing() -> None:
    connection = conversation()
    connection.ask(frame(ask(5), transaction=3))
    file = bytearray(pcap(connection.packets[:-1]))
    moment_s, packet = connection.packets[-1]
    data = LINKS["ethernet"][1](packet)[:-4]
    file += struct.pack("<IIII", int(moment_s), 0, len(data), len(data) + 4) + data

    (found,) = parse_capture(bytes(file))

    assert answers(found) == SAID


@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
def test_a_file_that_ends_anywhere_is_read_up_to_there(kind: str) -> None:
    packets = conversation().packets
    file = pcap(packets) if kind == "pcap" else pcapng([("raw", packets)])
    for length in range(len(file)):
        try:
            (found,) = parse_capture(file[:length])
        except ConfigError:
            continue
        assert (
            SAID[: len(answers(found))]
            == [(question, reply) for question, reply in answers(found) if reply is not None]
            or answers(found)[-1][1] is None
        )


@given(st.binary(max_size=200), st.integers(0, 10))
def test_any_bytes_are_a_capture_or_an_error(noise: bytes, skipped: int) -> None:
    heads = [b"", pcap([]), pcap([])[:-4], pcapng([("raw", [])])]
    block = struct.pack("<II", 6, 12 + len(noise) // 4 * 4) + noise
    for data in [head + noise for head in heads] + [pcapng([("raw", [])])[: -4 * skipped] + block]:
        with pytest.raises(ConfigError):
            parse_capture(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "neither pcap nor pcapng"),
        (b"energymeter recording 1\n", "neither pcap nor pcapng"),
        (pcap([]), "no packets"),
        (pcap([(1.0, b"\x60" * 60)], "raw"), "no TCP in its 1 packets (link type 101)"),
        (
            pcap([(1.0, tcp(CLIENT, SERVER, 1, 1, PUSH | ACK, b"hello"))]),
            "none of its 1 TCP connections",
        ),
    ],
)
def test_what_holds_no_modbus_says_what_it_holds(data: bytes, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_capture(data, "x.pcap")
    assert words in caught.value.message
    assert caught.value.message.startswith("x.pcap ")


def test_speech_is_kept_in_the_order_it_was_heard() -> None:
    (found,) = parse_capture(pcap(conversation().packets))
    assert spoken(found.recording.events) == [
        (frame(ask(0, 2), transaction=1), frame(answer(1, 2), transaction=1)),
        (frame(ask(9), transaction=2), frame(b"\x84\x02", transaction=2)),
    ]
