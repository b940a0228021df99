"""A frame in words: recognised for what it is, every byte named, faults said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from energymeter.codec import AsciiFramer, Framing, MbapFramer, Side, lrc
from energymeter.codec.checksum import crc16
from energymeter.codec.explain import Explanation, explain_frame

VECTORS = Path(__file__).parents[1] / "vectors"


def load(name: str, key: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))[key]
    return entries


EXCHANGES = [
    pytest.param(bytes.fromhex(entry[side]["bytes"]), id=f"{entry['name']} {side}")
    for name in ("read.json", "write.json", "device.json")
    for entry in load(name, "exchanges")
    for side in ("request", "response")
]
REQUESTS, ANSWERS = EXCHANGES[::2], EXCHANGES[1::2]
REFUSALS = [
    pytest.param(bytes.fromhex(entry["response"]), entry["code"], id=entry["name"])
    for entry in load("exceptions.json", "refusals")
]


def tcp(pdu: bytes) -> bytes:
    return MbapFramer().encode(300, 9, pdu)


def rtu(pdu: bytes, unit: int = 9) -> bytes:
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(2, "little")


def ascii_line(pdu: bytes, unit: int = 9) -> bytes:
    return AsciiFramer(Side.CLIENT).encode(0, unit, pdu)


def bytes_of(explanation: Explanation) -> bytes:
    return b"".join(part.data for part in explanation.parts)


@pytest.mark.parametrize("pdu", EXCHANGES)
def test_tcp_frame_is_sound_and_every_byte_is_named(pdu: bytes) -> None:
    explanation = explain_frame(tcp(pdu))

    assert explanation.is_sound
    assert explanation.summary.startswith("Modbus TCP, unit 9: ")
    assert bytes_of(explanation) == tcp(pdu)


@pytest.mark.parametrize("pdu", EXCHANGES)
def test_rtu_frame_is_sound_and_every_byte_is_named(pdu: bytes) -> None:
    explanation = explain_frame(rtu(pdu))

    assert explanation.is_sound
    assert explanation.summary.startswith("RTU, unit 9: ")
    assert bytes_of(explanation) == rtu(pdu)


@pytest.mark.parametrize(("pdu", "code"), REFUSALS)
def test_refusal_is_explained_with_its_code(pdu: bytes, code: int) -> None:
    explanation = explain_frame(tcp(pdu))

    assert explanation.is_sound
    assert f"exception {code}, " in explanation.summary


@pytest.mark.parametrize("pdu", EXCHANGES)
def test_rtu_frame_with_a_wrong_checksum_is_not_sound(pdu: bytes) -> None:
    frame = rtu(pdu)
    explanation = explain_frame(frame[:-1] + bytes((frame[-1] ^ 0xFF,)))

    assert not explanation.is_sound
    assert "wrong CRC" in explanation.summary
    assert f"{frame[-2]:02X} {frame[-1]:02X}" in explanation.parts[-1].meaning


@pytest.mark.parametrize("unit", [1, 2, 17, 100, 247])
@pytest.mark.parametrize("function", [1, 2, 3, 4])
def test_rtu_read_of_two_items_from_0_is_not_taken_for_tcp(unit: int, function: int) -> None:
    # Its zeros stand where TCP has the protocol id, its count where TCP has the length.
    explanation = explain_frame(rtu(bytes((function, 0, 0, 0, 2)), unit))

    assert explanation.is_sound
    assert explanation.summary.startswith(f"RTU, unit {unit}: request to read ")
    assert explanation.summary.endswith(" 0..1")


def test_request_is_told_with_its_addresses() -> None:
    explanation = explain_frame(tcp(bytes.fromhex("03 00 6B 00 03")))

    assert "request to read holding registers 107..109" in explanation.summary
    assert [part.meaning for part in explanation.parts[-2:]] == ["address 107", "3 items"]


def test_registers_of_an_answer_are_listed_one_by_one() -> None:
    explanation = explain_frame(tcp(bytes.fromhex("03 06 02 2B 00 00 00 64")))

    assert "answer with 3 registers: 555 0 100" in explanation.summary
    assert [part.meaning for part in explanation.parts[-3:]] == [
        "register 0: 555",
        "register 1: 0",
        "register 2: 100",
    ]


def test_bits_of_an_answer_are_shown_first_one_first() -> None:
    assert "10110011" in explain_frame(tcp(bytes.fromhex("01 03 CD 6B 05"))).summary


def test_message_that_can_be_question_or_answer_is_told_as_both() -> None:
    # Function 1 asks for 19 items here, or answers with three bytes.
    summary = explain_frame(tcp(bytes.fromhex("01 03 00 00 13"))).summary

    assert "request to read coils 768..786" in summary
    assert "or answer with bits " in summary


@pytest.mark.parametrize(
    "pdu",
    [
        pytest.param("03 00 00 00 00", id="count 0"),
        pytest.param("03 00 00 00 7E", id="count 126"),
        pytest.param("03 FF FF 00 02", id="beyond the table"),
        pytest.param("03 00", id="cut short"),
        pytest.param("01 00", id="answer without bits"),
        pytest.param("03 00", id="answer without registers"),
        pytest.param("05 00 01 00 01", id="coil value"),
        pytest.param("07", id="function not known"),
        pytest.param("83", id="refusal without a code"),
        pytest.param("83 02 00", id="refusal too long"),
        pytest.param("2B 0E 01 01 00 00 00 AA", id="bytes after the last object"),
        pytest.param("2B 0E 01 01 00 00 01 00 05 41", id="object cut short"),
    ],
)
def test_message_with_a_fault_is_not_sound_but_every_byte_is_named(pdu: str) -> None:
    frame = tcp(bytes.fromhex(pdu))
    explanation = explain_frame(frame)

    assert not explanation.is_sound
    assert bytes_of(explanation) == frame


def test_tcp_frame_cut_short_says_how_much_is_missing() -> None:
    explanation = explain_frame(tcp(bytes.fromhex("03 06 02 2B 00 00 00 64"))[:-2])

    assert not explanation.is_sound
    assert "2 bytes are missing" in explanation.summary


def test_bytes_beyond_a_tcp_frame_are_told() -> None:
    frame = tcp(bytes.fromhex("03 00 6B 00 03")) + b"\1\2\3"
    explanation = explain_frame(frame)

    assert not explanation.is_sound
    assert explanation.parts[-1].data == b"\1\2\3"
    assert bytes_of(explanation) == frame


@pytest.mark.parametrize("data", [b"", b"\x01", b"GET / HTTP/1.1\r\n", bytes(7)], ids=repr)
def test_what_is_no_frame_is_said_to_be_none(data: bytes) -> None:
    explanation = explain_frame(data)

    assert not explanation.is_sound
    assert explanation.summary.startswith(f"no Modbus frame: {len(data)} bytes")
    assert bytes_of(explanation) == data


@pytest.mark.parametrize(
    ("unit", "remark"), [(0, "everybody"), (255, "no particular one")], ids=["broadcast", "none"]
)
def test_special_units_are_remarked(unit: int, remark: str) -> None:
    frame = MbapFramer().encode(1, unit, bytes.fromhex("03 00 6B 00 03"))

    assert any(remark in part.meaning for part in explain_frame(frame).parts)


# ASCII


@pytest.mark.parametrize("pdu", EXCHANGES)
def test_ascii_frame_is_sound_and_every_byte_is_named(pdu: bytes) -> None:
    explanation = explain_frame(ascii_line(pdu))

    assert explanation.is_sound
    assert explanation.summary.startswith("ASCII, unit 9: ")
    assert explanation.parts[-2].meaning == "LRC, right"
    assert bytes_of(explanation) == ascii_line(pdu)


@pytest.mark.parametrize("pdu", EXCHANGES)
def test_ascii_frame_says_what_the_rtu_frame_says(pdu: bytes) -> None:
    line, frame = explain_frame(ascii_line(pdu)), explain_frame(rtu(pdu))

    assert line.summary.removeprefix("ASCII") == frame.summary.removeprefix("RTU")
    assert [part.meaning for part in line.parts[1:-2]] == [
        part.meaning for part in frame.parts[:-1]
    ]


def test_ascii_frame_with_a_wrong_lrc_says_the_right_one() -> None:
    explanation = explain_frame(b":1103006B00037F\r\n")

    assert not explanation.is_sound
    assert "wrong LRC" in explanation.summary
    assert "expected 7E" in explanation.parts[-2].meaning


def test_ascii_frame_in_small_letters_is_sound() -> None:
    assert explain_frame(b":1103006b00037e\r\n").is_sound


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param(b":1103006B00037E", "no CR LF", id="no end"),
        pytest.param(b":1103006B00037E\n", "no CR LF", id="LF alone"),
        pytest.param(b":1103006B0003", "wrong LRC (or cut short)", id="cut short"),
        pytest.param(ascii_line(b"\x41" + bytes(253)), "too many characters", id="too long"),
        pytest.param(b":1103006B00037E\r\n:11", "ASCII, unit 17", id="the next one behind"),
    ],
)
def test_ascii_frame_with_a_fault_is_not_sound_but_every_byte_is_named(
    line: bytes, said: str
) -> None:
    explanation = explain_frame(line)

    assert not explanation.is_sound
    assert said in explanation.summary
    assert bytes_of(explanation) == line


def test_noise_before_the_colon_is_told_where_ascii_is_spoken() -> None:
    explanation = explain_frame(b"\0\xff:1103006B00037E\r\n", framing=Framing.ASCII)

    assert not explanation.is_sound
    assert explanation.summary.startswith("ASCII, unit 17: request to read ")
    assert explanation.parts[0].data == b"\0\xff"


# What is known from elsewhere


@pytest.mark.parametrize(
    ("framing", "missing"),
    [
        (Framing.MBAP, "no MBAP header"),
        (Framing.RTU, "no right CRC"),
        (Framing.ASCII, "no line in hexadecimal"),
    ],
)
@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x02\x03", b":0", b"\r\n"], ids=repr)
def test_what_is_no_frame_of_the_framing_is_said_to_be_none(
    framing: Framing, missing: str, data: bytes
) -> None:
    explanation = explain_frame(data, framing=framing)

    assert not explanation.is_sound
    assert missing in explanation.summary
    assert bytes_of(explanation) == data


def test_known_framing_settles_what_the_bytes_leave_open() -> None:
    # A read of two items from 0 of unit 1 on RTU; with its zeros and its 2 also a TCP frame.
    frame = rtu(bytes.fromhex("03 0000 0002"), 1)

    assert explain_frame(frame, framing=Framing.MBAP).summary.startswith("Modbus TCP, unit ")
    assert explain_frame(frame, framing=Framing.RTU).summary.startswith("RTU, unit 1: request ")


def test_wrong_crc_is_told_of_any_function_where_rtu_is_spoken() -> None:
    data = bytes.fromhex("FA 41 01 02 03 04")

    assert "wrong CRC" in explain_frame(data, framing=Framing.RTU).summary
    assert "no Modbus frame" in explain_frame(data).summary


@pytest.mark.parametrize("pdu", ANSWERS)
@pytest.mark.parametrize("frame", [tcp, rtu, ascii_line], ids=["tcp", "rtu", "ascii"])
def test_what_a_client_hears_is_told_as_an_answer(frame: Any, pdu: bytes) -> None:
    explanation = explain_frame(frame(pdu), side=Side.CLIENT)

    assert explanation.is_sound
    assert "answer" in explanation.summary
    assert "request" not in explanation.summary
    assert bytes_of(explanation) == frame(pdu)


@pytest.mark.parametrize("pdu", REQUESTS)
@pytest.mark.parametrize("frame", [tcp, rtu, ascii_line], ids=["tcp", "rtu", "ascii"])
def test_what_a_server_hears_is_told_as_a_request(frame: Any, pdu: bytes) -> None:
    explanation = explain_frame(frame(pdu), side=Side.SERVER)

    assert explanation.is_sound
    assert "request" in explanation.summary
    assert "answer" not in explanation.summary
    assert bytes_of(explanation) == frame(pdu)


@pytest.mark.parametrize(
    "digits", ["03 04 00 00 00 02", "83 02", "0F 00 13 00 0A", "11 03 2A FF 01"]
)
def test_answer_is_no_sound_request(digits: str) -> None:
    assert not explain_frame(rtu(bytes.fromhex(digits)), side=Side.SERVER).is_sound


@pytest.mark.parametrize("digits", ["03 00 6B 00 03", "11", "2B 0E 01 00", "05 00 01 12 34"])
def test_request_is_no_sound_answer(digits: str) -> None:
    assert not explain_frame(rtu(bytes.fromhex(digits)), side=Side.CLIENT).is_sound


def test_message_that_could_be_both_is_told_as_what_it_is_known_to_be() -> None:
    frame = tcp(bytes.fromhex("01 03 00 00 13"))

    assert explain_frame(frame, side=Side.SERVER).summary.endswith("read coils 768..786")
    assert "answer with bits 000000000000000011001000" in (
        explain_frame(frame, side=Side.CLIENT).summary
    )


@pytest.mark.parametrize("side", [None, Side.CLIENT])
def test_bytes_beyond_an_rtu_frame_are_told(side: Side | None) -> None:
    first, second = rtu(bytes.fromhex("03 02 12 34")), rtu(bytes.fromhex("83 02"))
    explanation = explain_frame(first + second, side=side)

    assert not explanation.is_sound
    assert explanation.summary.startswith("RTU, unit 9: answer with 1 register: 4660; and 5 bytes")
    assert explanation.parts[-1].data == second
    assert bytes_of(explanation) == first + second


def test_lrc_of_any_line_that_is_right_is_said_to_be_right() -> None:
    for byte in range(256):
        body = bytes((9, 6, 0, 1, 0, byte))
        line = b":" + body.hex().encode() + b"%02x\r\n" % lrc(body)
        assert explain_frame(line).is_sound
