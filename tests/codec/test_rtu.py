"""RTU framing: frames found by length and CRC, behind noise and among other units' traffic."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from energymeter.codec import Frame, RtuFramer, Side, crc16

VECTORS = Path(__file__).parents[1] / "vectors"


def load(name: str, key: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))[key]
    return entries


def rtu(digits: str | bytes) -> bytes:
    """Unit and message with their CRC."""
    body = digits if isinstance(digits, bytes) else bytes.fromhex(digits)
    return body + crc16(body).to_bytes(2, "little")


def spoiled(frame: bytes) -> bytes:
    return frame[:-1] + bytes((frame[-1] ^ 0xFF,))


MESSAGES = [
    pytest.param(bytes.fromhex(entry[kind]["bytes"]), side, id=f"{entry['name']} {kind}")
    for name in ("read.json", "write.json", "device.json")
    for entry in load(name, "exchanges")
    for kind, side in (("request", Side.SERVER), ("response", Side.CLIENT))
] + [
    pytest.param(bytes.fromhex(entry["response"]), Side.CLIENT, id=entry["name"])
    for entry in load("exceptions.json", "refusals")
]

# simplymodbus.ca, ASCII vs RTU example; the answer is the specification's of section 6.3.
READ = bytes.fromhex("11 03 006B 0003 7687")
ANSWER = rtu("11 03 06 022B 0000 0064")
WRITE = rtu("11 06 0001 0003")
REFUSAL = rtu("11 83 02")
LONGEST = rtu(b"\x01\x41" + bytes(252))


def account(framer: RtuFramer) -> tuple[int, int, int]:
    return framer.noise_bytes, framer.foreign_bytes, framer.pending_bytes


# Whole frames, pieces, several


def test_request_in_print_comes_out_with_its_unit_and_message() -> None:
    framer = RtuFramer(Side.SERVER)

    assert framer.feed(READ) == [Frame(0, 0x11, bytes.fromhex("03 006B 0003"))]
    assert account(framer) == (0, 0, 0)
    assert framer.error is None


def test_request_without_data_comes_out() -> None:
    # Serial line specification, section 6.2.2: the CRC of 02 07 is 1241 hexadecimal.
    [frame] = RtuFramer(Side.SERVER).feed(bytes.fromhex("02 07 41 12"))

    assert frame == Frame(0, 2, b"\x07")


@pytest.mark.parametrize(("pdu", "side"), MESSAGES)
def test_message_of_the_specification_comes_out_as_it_went_in(pdu: bytes, side: Side) -> None:
    assert RtuFramer(side).feed(RtuFramer(side).encode(7, 9, pdu)) == [Frame(0, 9, pdu)]


@pytest.mark.parametrize(("pdu", "side"), MESSAGES)
def test_message_of_the_specification_comes_out_with_its_last_byte(pdu: bytes, side: Side) -> None:
    framer = RtuFramer(side)
    data = framer.encode(0, 9, pdu)

    outputs = [framer.feed(bytes((byte,))) for byte in data]

    assert outputs == [[]] * (len(data) - 1) + [[Frame(0, 9, pdu)]]


@pytest.mark.parametrize("cut", range(1, len(ANSWER)))
def test_frame_cut_anywhere_comes_out(cut: int) -> None:
    framer = RtuFramer(Side.CLIENT)

    assert framer.feed(ANSWER[:cut]) == []
    assert account(framer) == (0, 0, cut)
    assert framer.feed(ANSWER[cut:]) == [Frame(0, 0x11, ANSWER[1:-2])]
    assert account(framer) == (0, 0, 0)


def test_glued_frames_come_out_in_their_order() -> None:
    frames = RtuFramer(Side.CLIENT).feed(ANSWER + REFUSAL + WRITE + ANSWER)

    assert [frame.pdu[0] for frame in frames] == [3, 0x83, 6, 3]


def test_nothing_fed_gives_nothing() -> None:
    framer = RtuFramer(Side.CLIENT)
    framer.feed(ANSWER[:5])

    assert framer.feed(b"") == []
    assert framer.silence() == []
    assert framer.silence() == []
    assert account(framer) == (5, 0, 0)


def test_encoded_frame_has_its_crc_low_byte_first() -> None:
    assert RtuFramer(Side.CLIENT).encode(99, 0x11, bytes.fromhex("03 006B 0003")) == READ


# Noise


@pytest.mark.parametrize("side", Side)
def test_frame_with_a_wrong_crc_is_noise(side: Side) -> None:
    framer = RtuFramer(side)

    assert framer.feed(spoiled(WRITE)) == []
    assert framer.silence() == []
    assert account(framer) == (len(WRITE), 0, 0)


def test_frame_behind_a_spoiled_one_comes_out_after_silence_at_the_latest() -> None:
    framer = RtuFramer(Side.CLIENT)

    frames = framer.feed(spoiled(ANSWER) + ANSWER) + framer.silence()

    assert frames == [Frame(0, 0x11, ANSWER[1:-2])]
    assert account(framer) == (len(ANSWER), 0, 0)


@pytest.mark.parametrize("noise", ["00", "FF", "00 00 00", "11", "11 03", "11 03 06", "FE 7F 80"])
@pytest.mark.parametrize(("frame", "side"), [(ANSWER, Side.CLIENT), (READ, Side.SERVER)])
def test_frame_behind_noise_comes_out_after_silence_at_the_latest(
    noise: str, frame: bytes, side: Side
) -> None:
    framer = RtuFramer(side)

    frames = framer.feed(bytes.fromhex(noise) + frame) + framer.silence()

    assert frames == [Frame(0, 0x11, frame[1:-2])]
    assert account(framer) == (len(bytes.fromhex(noise)), 0, 0)


def test_impossible_beginning_holds_nothing_up() -> None:
    # 03 03: half a register. The frame behind comes out without any silence.
    assert len(RtuFramer(Side.CLIENT).feed(b"\x03\x03" + ANSWER)) == 1


def test_frames_around_noise_come_out() -> None:
    framer = RtuFramer(Side.CLIENT)

    frames = framer.feed(ANSWER + b"\x00" + WRITE + b"\x11\x03\x20\x00") + framer.silence()

    assert [frame.pdu[0] for frame in frames] == [3, 6]
    assert account(framer) == (5, 0, 0)


def test_beginning_without_an_end_is_waited_for_until_silence() -> None:
    framer = RtuFramer(Side.CLIENT)
    framer.feed(bytes.fromhex("11 03 20") + WRITE)
    assert account(framer) == (0, 0, 11)

    assert framer.silence() == [Frame(0, 0x11, WRITE[1:-2])]
    assert account(framer) == (3, 0, 0)


def test_rest_of_a_frame_after_silence_is_noise() -> None:
    framer = RtuFramer(Side.CLIENT)
    framer.feed(ANSWER[:6])
    framer.silence()

    assert framer.feed(ANSWER[6:]) + framer.silence() == []
    assert account(framer) == (len(ANSWER), 0, 0)


def test_frame_inside_the_data_of_a_longer_good_one_is_data() -> None:
    inside = rtu("11 83 02") + rtu("11 03 02 1234")
    outside = rtu(bytes((9, 3, len(inside))) + inside)
    framer = RtuFramer(Side.CLIENT)
    framer.expect(0x11, 3)

    assert framer.feed(outside) == [Frame(0, 9, outside[1:-2])]


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("piece", [1, 7, 100, 5000])
def test_no_more_than_a_frame_is_ever_kept(side: Side, piece: int) -> None:
    framer = RtuFramer(side)
    rng = random.Random(7)
    data = b"".join(
        bytes((rng.randrange(256), rng.choice((3, 8, 15, 16, 43, 65)), rng.choice((0, 14, 250))))
        + bytes((rng.choice((0, 1, 200)),)) * rng.randrange(300)
        for _ in range(100)
    )
    for start in range(0, len(data), piece):
        framer.feed(data[start : start + piece])
        assert framer.pending_bytes <= 256


# Messages that only silence ends


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(rtu("05 41"), id="a function code alone"),
        pytest.param(rtu("05 41 010203"), id="a function of the user's own"),
        pytest.param(rtu("05 2B 0D 010203"), id="another kind of function 43"),
        pytest.param(rtu("05 08 0000 A537 1234 5678"), id="a long echo"),
        pytest.param(rtu("05 08 0000"), id="diagnostics without data"),
        pytest.param(LONGEST, id="256 bytes"),
    ],
)
def test_message_without_a_known_length_comes_out_at_silence(frame: bytes, side: Side) -> None:
    framer = RtuFramer(side)

    assert framer.feed(frame[:3]) + framer.feed(frame[3:]) == []
    assert framer.silence() == [Frame(0, frame[0], frame[1:-2])]
    assert account(framer) == (0, 0, 0)


def test_diagnostics_of_the_usual_length_need_no_silence() -> None:
    assert len(RtuFramer(Side.SERVER).feed(rtu("05 08 0000 A537") + READ)) == 2


def test_unknown_function_with_a_wrong_crc_is_noise_at_silence() -> None:
    framer = RtuFramer(Side.SERVER)
    framer.feed(spoiled(rtu("05 41 010203")))

    assert framer.silence() == []
    assert account(framer) == (7, 0, 0)


def test_frame_behind_an_unknown_function_comes_out_at_silence() -> None:
    framer = RtuFramer(Side.SERVER)
    assert framer.feed(b"\x05\x41\x01" + READ) == []

    assert framer.silence() == [Frame(0, 0x11, READ[1:-2])]
    assert account(framer) == (3, 0, 0)


def test_frames_behind_256_bytes_of_nothing_known_come_out_without_silence() -> None:
    framer = RtuFramer(Side.SERVER)

    frames = framer.feed(b"\x41" * 300 + b"\x00" * 256 + READ * 40)

    assert len(frames) >= 30


# What a client awaits


LONG_BEGINNING = bytes.fromhex("09 03 C8")  # unit 9 with 200 bytes to come


def test_awaited_answer_is_not_held_up_by_another_beginning() -> None:
    framer = RtuFramer(Side.CLIENT)
    framer.expect(0x11, 3)

    assert framer.feed(LONG_BEGINNING + ANSWER) == [Frame(0, 0x11, ANSWER[1:-2])]
    assert account(framer) == (3, 0, 0)


def test_awaited_answer_behind_another_beginning_comes_out_with_its_last_byte() -> None:
    framer = RtuFramer(Side.CLIENT)
    framer.expect(0x11, 3)
    data = LONG_BEGINNING + ANSWER

    outputs = [framer.feed(bytes((byte,))) for byte in data]

    assert outputs == [[]] * (len(data) - 1) + [[Frame(0, 0x11, ANSWER[1:-2])]]


def test_awaited_refusal_is_not_held_up_either() -> None:
    framer = RtuFramer(Side.CLIENT)
    framer.expect(0x11, 3)

    assert framer.feed(LONG_BEGINNING + REFUSAL) == [Frame(0, 0x11, b"\x83\x02")]


def test_awaited_answer_is_not_held_up_by_an_unknown_function() -> None:
    framer = RtuFramer(Side.CLIENT)
    framer.expect(0x11, 3)

    assert len(framer.feed(b"\x00\x41\x00" + ANSWER + b"\x00\x41" + ANSWER)) == 2


def test_answer_nobody_awaits_comes_out_whole_but_holds_nothing_up_in_pieces() -> None:
    framer = RtuFramer(Side.CLIENT)
    framer.expect(0x12, 3)

    assert framer.feed(ANSWER) == [Frame(0, 0x11, ANSWER[1:-2])]
    assert framer.feed(ANSWER[:-1] + rtu("12 83 06")) == [Frame(0, 0x12, b"\x83\x06")]
    assert account(framer) == (len(ANSWER) - 1, 0, 0)


def test_what_looks_like_the_awaited_answer_and_is_none_is_passed_over() -> None:
    framer = RtuFramer(Side.CLIENT)
    framer.expect(0x11, 3)

    assert len(framer.feed(LONG_BEGINNING + spoiled(REFUSAL) + b"\x11\x03\x03" + ANSWER)) == 1


def test_frame_inside_the_awaited_answer_is_data_even_before_that_is_complete() -> None:
    framer = RtuFramer(Side.CLIENT)
    framer.expect(0x11, 3)
    outside = rtu(b"\x11\x03" + bytes((2 * len(ANSWER),)) + ANSWER + ANSWER)

    outputs = [framer.feed(bytes((byte,))) for byte in outside]

    assert outputs == [[]] * (len(outside) - 1) + [[Frame(0, 0x11, outside[1:-2])]]


def test_expectation_is_replaced_by_the_next_one() -> None:
    framer = RtuFramer(Side.CLIENT)
    framer.expect(0x11, 3)
    framer.feed(LONG_BEGINNING)
    framer.feed(rtu("12 03 02 0001"))
    assert account(framer) == (0, 0, 10)

    framer.expect(0x12, 3)

    assert framer.feed(b"\x00") == [Frame(0, 0x12, bytes.fromhex("03 02 0001"))]


def test_without_expectation_a_beginning_is_waited_for() -> None:
    assert RtuFramer(Side.CLIENT).feed(LONG_BEGINNING + ANSWER) == []
