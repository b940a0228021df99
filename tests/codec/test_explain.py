"""A frame in words: recognised for what it is, every byte named, faults said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from energymeter.codec import MbapFramer
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
REFUSALS = [
    pytest.param(bytes.fromhex(entry["response"]), entry["code"], id=entry["name"])
    for entry in load("exceptions.json", "refusals")
]


def tcp(pdu: bytes) -> bytes:
    return MbapFramer().encode(300, 9, pdu)


def rtu(pdu: bytes, unit: int = 9) -> bytes:
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(2, "little")


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
