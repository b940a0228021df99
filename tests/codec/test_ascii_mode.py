"""ASCII framing: lines between a colon and CR LF, with an LRC; all else is noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from energymeter.codec import AsciiFramer, Frame, Side

VECTORS = Path(__file__).parents[1] / "vectors"


def load(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))["exchanges"]
    return entries


MESSAGES = [
    pytest.param(bytes.fromhex(entry[kind]["bytes"]), id=f"{entry['name']} {kind}")
    for name in ("read.json", "write.json", "device.json")
    for entry in load(name)
    for kind in ("request", "response")
]

READ = b":1103006B00037E\r\n"  # simplymodbus.ca, ASCII vs RTU example
FRAME = Frame(0, 0x11, bytes.fromhex("03 006B 0003"))


def account(framer: AsciiFramer) -> tuple[int, int, int]:
    return framer.noise_bytes, framer.foreign_bytes, framer.pending_bytes


@pytest.mark.parametrize("side", Side)
def test_request_in_print_comes_out_with_its_unit_and_message(side: Side) -> None:
    framer = AsciiFramer(side)

    assert framer.feed(READ) == [FRAME]
    assert account(framer) == (0, 0, 0)
    assert framer.error is None


def test_encoded_frame_is_the_one_in_print() -> None:
    assert AsciiFramer(Side.CLIENT).encode(99, 0x11, FRAME.pdu) == READ


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("pdu", MESSAGES)
def test_message_of_the_specification_comes_out_as_it_went_in(pdu: bytes, side: Side) -> None:
    framer = AsciiFramer(side)

    assert framer.feed(AsciiFramer(side).encode(0, 9, pdu)) == [Frame(0, 9, pdu)]


@pytest.mark.parametrize("cut", range(1, len(READ)))
def test_frame_cut_anywhere_comes_out_with_its_last_byte(cut: int) -> None:
    framer = AsciiFramer(Side.CLIENT)

    assert framer.feed(READ[:cut]) == []
    assert account(framer) == (0, 0, cut)
    assert framer.feed(READ[cut:]) == [FRAME]
    assert account(framer) == (0, 0, 0)


def test_glued_frames_come_out_in_their_order() -> None:
    framer = AsciiFramer(Side.CLIENT)

    frames = framer.feed(b"".join(framer.encode(0, unit, b"\x11") for unit in (3, 1, 2)))

    assert [frame.unit for frame in frames] == [3, 1, 2]


def test_small_letters_are_digits_too() -> None:
    assert AsciiFramer(Side.CLIENT).feed(READ.lower()) == [FRAME]


@pytest.mark.parametrize("noise", [b"\0", b"1103006B00037E\r\n", b"\r\n\r\n", b"\xff" * 600])
def test_bytes_before_the_colon_are_noise(noise: bytes) -> None:
    framer = AsciiFramer(Side.CLIENT)

    assert framer.feed(noise) == []
    assert account(framer) == (len(noise), 0, 0)
    assert framer.feed(READ) == [FRAME]


@pytest.mark.parametrize("cut", range(1, len(READ)))
def test_colon_begins_anew(cut: int) -> None:
    framer = AsciiFramer(Side.CLIENT)

    assert framer.feed(READ[:cut] + READ) == [FRAME]
    assert account(framer) == (cut, 0, 0)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b":1103006B00037F\r\n", id="wrong LRC"),
        pytest.param(b":1103006B00037\r\n", id="half a byte"),
        pytest.param(b":1103006G00037E\r\n", id="no digit"),
        pytest.param(b":1103 006B00037E\r\n", id="a space"),
        pytest.param(b":\xb1\xb103006B00037E\r\n", id="parity in the eighth bit"),
        pytest.param(b":1103006B00037E\n", id="no CR"),
        pytest.param(b":1103006B00037E\r \n", id="CR too early"),
        pytest.param(b":\r\n", id="nothing"),
        pytest.param(b":\n", id="nothing but LF"),
        pytest.param(b":00\r\n", id="an LRC alone"),
        pytest.param(b":11EF\r\n", id="a unit without a message"),
        pytest.param(b":" + b"00" * 256 + b"\r\n", id="515 characters"),
    ],
)
def test_line_that_is_no_frame_is_noise(line: bytes) -> None:
    framer = AsciiFramer(Side.CLIENT)

    assert framer.feed(line) == []
    assert account(framer) == (len(line), 0, 0)
    assert framer.feed(READ) == [FRAME]


def test_longest_frame_has_513_characters() -> None:
    framer = AsciiFramer(Side.CLIENT)
    line = framer.encode(0, 1, bytes(253))

    assert len(line) == 513
    assert framer.feed(line[:512]) == []
    assert framer.feed(line[512:]) == [Frame(0, 1, bytes(253))]


def test_shortest_frame_is_a_function_code() -> None:
    assert AsciiFramer(Side.SERVER).feed(b":0111EE\r\n") == [Frame(0, 1, b"\x11")]


def test_beginning_that_is_too_long_is_not_kept() -> None:
    framer = AsciiFramer(Side.CLIENT)
    framer.feed(b":" + b"0" * 511)
    assert account(framer) == (0, 0, 512)

    assert framer.feed(b"0") == []
    assert account(framer) == (513, 0, 0)
    assert framer.feed(b"00\r\n" + READ) == [FRAME]
    assert account(framer) == (517, 0, 0)


def test_many_colons_without_an_end_are_noise() -> None:
    framer = AsciiFramer(Side.CLIENT)

    assert framer.feed(b":" * 100_000) == []
    assert account(framer) == (99_999, 0, 1)


def test_silence_ends_a_frame_that_is_not_complete() -> None:
    framer = AsciiFramer(Side.CLIENT)
    framer.feed(READ[:-1])

    assert framer.silence() == []
    assert account(framer) == (len(READ) - 1, 0, 0)
    assert framer.feed(b"\n") == []
    assert framer.feed(READ) == [FRAME]


def test_what_is_awaited_does_not_matter() -> None:
    framer = AsciiFramer(Side.CLIENT)
    framer.expect(0x12, 4)

    assert framer.feed(READ) == [FRAME]
