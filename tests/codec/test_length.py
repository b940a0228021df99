"""How long a message is: told by its first bytes, for both directions, as early as possible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from energymeter.codec import Side
from energymeter.codec.length import Length, fits, message_bytes

VECTORS = Path(__file__).parents[1] / "vectors"


def load(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))["exchanges"]
    return entries


PRINTED = [
    pytest.param(bytes.fromhex(entry[kind]["bytes"]), side, id=f"{entry['name']} {kind}")
    for name in ("read.json", "write.json", "device.json")
    for entry in load(name)
    for kind, side in (("request", Side.SERVER), ("response", Side.CLIENT))
]

# Messages of functions that are not served here but come by on a shared line, from the examples
# of the MODBUS Application Protocol Specification v1.1b3, sections 6.7 to 6.18.
FOREIGN = [
    pytest.param(bytes.fromhex(digits), side, id=f"{name}, {side} hears")
    for name, request, answer in (
        ("read exception status", "07", "07 6D"),
        ("comm event counter", "0B", "0B FFFF 0108"),
        ("comm event log", "0C", "0C 08 0000 0108 0121 20 00"),
        (
            "read file record",
            "14 0E 06 0004 0001 0002 06 0003 0009 0002",
            "14 0C 05 06 0DFE 0020 05 06 33CD 0040",
        ),
        (
            "write file record",
            "15 0D 06 0004 0007 0003 06AF 04BE 100D",
            "15 0D 06 0004 0007 0003 06AF 04BE 100D",
        ),
        ("read FIFO queue", "18 04DE", "18 0006 0002 01B8 1284"),
    )
    for digits, side in ((request, Side.SERVER), (answer, Side.CLIENT))
]


@pytest.mark.parametrize(("pdu", "side"), PRINTED + FOREIGN)
def test_message_in_print_has_its_length(pdu: bytes, side: Side) -> None:
    assert message_bytes(pdu, side) == len(pdu)
    assert fits(pdu, side)


@pytest.mark.parametrize(("pdu", "side"), PRINTED + FOREIGN)
def test_no_beginning_tells_another_length(pdu: bytes, side: Side) -> None:
    told = [message_bytes(pdu[:size], side) for size in range(len(pdu))]

    assert set(told) <= {Length.NEEDS_MORE, len(pdu)}
    assert told[0] is Length.NEEDS_MORE


@pytest.mark.parametrize(("pdu", "side"), PRINTED + FOREIGN)
def test_what_follows_a_message_does_not_change_its_length(pdu: bytes, side: Side) -> None:
    assert message_bytes(pdu + b"\xff\x03\x00", side) == len(pdu)


@pytest.mark.parametrize("function", range(0x81, 0x100))
def test_refusal_has_two_bytes_for_a_client_and_is_no_request(function: int) -> None:
    assert message_bytes(bytes((function,)), Side.CLIENT) == 2
    assert message_bytes(bytes((function,)), Side.SERVER) is Length.IMPOSSIBLE


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("function", [0x00, 0x80])
def test_function_0_does_not_exist(function: int, side: Side) -> None:
    assert message_bytes(bytes((function,)), side) is Length.IMPOSSIBLE


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("function", [9, 10, 13, 14, 18, 19, 25, 42, 44, 65, 100, 127])
def test_length_of_an_unknown_function_is_not_known(function: int, side: Side) -> None:
    assert message_bytes(bytes((function, 1, 2, 3)), side) is Length.UNKNOWN
    assert fits(bytes((function, 1, 2, 3)), side)


@pytest.mark.parametrize(
    ("prefix", "side"),
    [
        pytest.param("01 FB", Side.CLIENT, id="more than 2000 bits"),
        pytest.param("02 FF", Side.CLIENT, id="255 bytes of bits"),
        pytest.param("03 FC", Side.CLIENT, id="126 registers"),
        pytest.param("03 03", Side.CLIENT, id="half a register"),
        pytest.param("04 FB", Side.CLIENT, id="an odd number of bytes"),
        pytest.param("17 01", Side.CLIENT, id="half a register of function 23"),
        pytest.param("11 FC", Side.CLIENT, id="a server id that does not fit"),
        pytest.param("18 0001", Side.CLIENT, id="a queue without its number"),
        pytest.param("18 0042", Side.CLIENT, id="a queue of 32"),
        pytest.param("0F 0000 07D0 F8", Side.SERVER, id="bits that do not fit"),
        pytest.param("10 0000 007C F8", Side.SERVER, id="registers that do not fit"),
        pytest.param("17 0000 0001 0000 007A F4", Side.SERVER, id="function 23, does not fit"),
        pytest.param("2B 0E 01 01 00 00 7C", Side.CLIENT, id="124 identification objects"),
        pytest.param("2B 0E 01 01 00 00 01 00 F5", Side.CLIENT, id="an object that does not fit"),
    ],
)
def test_what_no_message_can_be_is_seen_at_once(prefix: str, side: Side) -> None:
    assert message_bytes(bytes.fromhex(prefix), side) is Length.IMPOSSIBLE
    assert not fits(bytes.fromhex(prefix), side)


@pytest.mark.parametrize(
    ("request_", "length"),
    [
        pytest.param("03 0000 0000", 5, id="no register"),
        pytest.param("04 FFFF FFFF", 5, id="addresses that do not exist"),
        pytest.param("05 0000 1234", 5, id="a coil neither on nor off"),
        pytest.param("10 0000 0002 03", 9, id="a byte count that is not twice the count"),
        pytest.param("10 0000 0000 00", 6, id="nothing to write"),
        pytest.param("0F 0000 0001 F7", 253, id="as much as fits"),
    ],
)
def test_request_that_has_to_be_refused_has_a_length(request_: str, length: int) -> None:
    assert message_bytes(bytes.fromhex(request_), Side.SERVER) == length


def test_diagnostics_have_one_word_of_data_unless_silence_says_otherwise() -> None:
    long = bytes.fromhex("08 0000 A537 1234")

    assert message_bytes(long, Side.SERVER) == message_bytes(long, Side.CLIENT) == 5
    assert fits(long, Side.SERVER)
    assert not fits(long[:4], Side.SERVER)


def test_identification_of_another_kind_ends_with_silence() -> None:
    assert message_bytes(bytes.fromhex("2B 0D 01"), Side.SERVER) is Length.UNKNOWN
    assert message_bytes(bytes.fromhex("2B 0D 01"), Side.CLIENT) is Length.UNKNOWN


def test_length_of_an_identification_answer_is_told_with_its_last_object() -> None:
    pdu = bytes.fromhex("2B 0E 01 01 00 00 02 00 01 41 01 02 42 43")

    told = [message_bytes(pdu[:size], Side.CLIENT) for size in range(len(pdu) + 1)]

    assert told == [Length.NEEDS_MORE] * 12 + [14, 14, 14]


def test_no_message_is_longer_than_253_bytes() -> None:
    for side in Side:
        for function in range(256):
            for byte in range(256):
                length = message_bytes(bytes((function, *[byte] * 260)), side)
                assert isinstance(length, Length) or 1 <= length <= 253
                assert length is not Length.NEEDS_MORE
