"""MBAP framing: whole frames, every byte accounted for, no way on after a broken header."""

from __future__ import annotations

import pytest

from energymeter.codec import Frame, MbapFramer

READ = bytes.fromhex("0007 0000 0006 11 03006B0003")
WRITE = bytes.fromhex("0008 0000 0006 11 0600010003")
LONGEST = bytes.fromhex("0009 0000 00FE 11") + b"\x03" + bytes(252)


def test_whole_frame_comes_out_with_its_transaction_unit_and_message() -> None:
    framer = MbapFramer()

    assert framer.feed(READ) == [Frame(7, 0x11, bytes.fromhex("03006B0003"))]
    assert (framer.pending_bytes, framer.noise_bytes, framer.error) == (0, 0, None)


def test_glued_frames_come_out_in_their_order() -> None:
    frames = MbapFramer().feed(READ + WRITE + READ)

    assert [frame.transaction for frame in frames] == [7, 8, 7]


@pytest.mark.parametrize("cut", range(1, len(READ)))
def test_frame_cut_anywhere_comes_out_with_its_last_byte(cut: int) -> None:
    framer = MbapFramer()

    assert framer.feed(READ[:cut]) == []
    assert framer.pending_bytes == cut
    assert [frame.transaction for frame in framer.feed(READ[cut:])] == [7]
    assert framer.pending_bytes == 0


def test_single_bytes_make_a_frame() -> None:
    framer = MbapFramer()

    outputs = [framer.feed(bytes((byte,))) for byte in READ]

    assert outputs[:-1] == [[]] * (len(READ) - 1)
    assert len(outputs[-1]) == 1


def test_nothing_fed_gives_nothing() -> None:
    framer = MbapFramer()
    framer.feed(READ[:5])

    assert framer.feed(b"") == []
    assert framer.pending_bytes == 5


def test_silence_ends_a_frame_that_is_not_complete() -> None:
    framer = MbapFramer()
    framer.feed(READ[:9])

    assert framer.silence() == []
    assert (framer.pending_bytes, framer.noise_bytes) == (0, 9)
    assert [frame.transaction for frame in framer.feed(WRITE)] == [8]


def test_silence_between_frames_changes_nothing() -> None:
    framer = MbapFramer()
    framer.feed(READ)

    assert framer.silence() == []
    assert (framer.pending_bytes, framer.noise_bytes, framer.foreign_bytes) == (0, 0, 0)


def test_what_is_awaited_does_not_matter() -> None:
    framer = MbapFramer()
    framer.expect(0x12, 4)

    assert [frame.transaction for frame in framer.feed(READ + WRITE)] == [7, 8]


def test_longest_message_is_253_bytes() -> None:
    [frame] = MbapFramer().feed(LONGEST)

    assert len(frame.pdu) == 253


def test_shortest_message_is_its_function_code() -> None:
    assert MbapFramer().feed(bytes.fromhex("0001 0000 0002 01 11")) == [Frame(1, 1, b"\x11")]


IMPOSSIBLE = [
    pytest.param("0001 0001 0006 01 0300000001", id="protocol id 1"),
    pytest.param("0001 FFFF 0006 01 0300000001", id="protocol id 65535"),
    pytest.param("0001 0000 0000 01 0300000001", id="length 0"),
    pytest.param("0001 0000 0001 01 0300000001", id="length 1, a unit without a message"),
    pytest.param("0001 0000 00FF 01 0300000001", id="length 255"),
    pytest.param("0001 0000 FFFF 01 0300000001", id="length 65535"),
    pytest.param("485454502F312E3120343030", id="HTTP"),
]


@pytest.mark.parametrize("header", IMPOSSIBLE)
def test_impossible_header_ends_the_stream(header: str) -> None:
    framer = MbapFramer()
    broken = bytes.fromhex(header)

    assert framer.feed(broken) == []
    assert framer.error is not None
    assert framer.error.data == broken[:7]
    assert (framer.noise_bytes, framer.pending_bytes) == (len(broken), 0)


@pytest.mark.parametrize("header", IMPOSSIBLE)
def test_frames_before_an_impossible_header_are_returned(header: str) -> None:
    framer = MbapFramer()

    frames = framer.feed(READ + WRITE + bytes.fromhex(header))

    assert [frame.transaction for frame in frames] == [7, 8]
    assert framer.error is not None


def test_good_frames_after_an_impossible_header_are_noise() -> None:
    framer = MbapFramer()
    framer.feed(bytes(7))
    error = framer.error

    assert framer.feed(READ) == []
    assert framer.noise_bytes == 7 + len(READ)
    assert framer.error is error


def test_header_that_is_not_whole_is_not_judged() -> None:
    framer = MbapFramer()

    framer.feed(b"HTTP/1")

    assert framer.error is None
    assert framer.pending_bytes == 6


def test_encoded_frame_is_header_unit_and_message() -> None:
    assert MbapFramer().encode(7, 0x11, bytes.fromhex("03006B0003")) == READ


def test_encoding_needs_no_state_and_works_after_the_end_of_the_other_direction() -> None:
    framer = MbapFramer()
    framer.feed(bytes(7))

    assert framer.encode(0xFFFF, 0xFF, b"\x11") == bytes.fromhex("FFFF 0000 0002 FF 11")
