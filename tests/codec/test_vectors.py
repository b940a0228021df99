"""The printed examples of the specification, both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from energymeter import codec
from energymeter.codec import (
    ClientState,
    ExceptionResponse,
    MbapFramer,
    decode_request,
    decode_response,
)
from energymeter.codec.checksum import crc16
from energymeter.codec.codes import Function
from energymeter.codec.messages import unpack_bits
from energymeter.errors import ExceptionReplyError, InvalidRequestError

VECTORS = Path(__file__).parents[1] / "vectors"


def load(name: str, key: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))[key]
    return entries


def message_of(vector: dict[str, Any]) -> Any:
    """The message a vector describes, built from its fields."""
    fields = dict(vector["fields"])
    if "data" in fields:
        fields["data"] = bytes.fromhex(fields["data"])
    if "bits" in fields:
        fields["bits"] = tuple(bit == "1" for bit in fields["bits"])
    if "words" in fields:
        fields["words"] = tuple(fields["words"])
    if "objects" in fields:
        fields["objects"] = tuple((number, text.encode()) for number, text in fields["objects"])
    return getattr(codec, vector["type"])(**fields)


EXCHANGE_FILES = ("read.json", "write.json", "device.json")
EXCHANGES = [
    pytest.param(entry, id=entry["name"])
    for name in EXCHANGE_FILES
    for entry in load(name, "exchanges")
]
REFUSALS = [pytest.param(e, id=e["name"]) for e in load("exceptions.json", "refusals")]
REFUSED = [
    pytest.param(e, id=f"{e['section']} {e['why']}")
    for e in load("refused_requests.json", "requests")
]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_request_of_the_specification_decodes_and_encodes(exchange: dict[str, Any]) -> None:
    pdu = bytes.fromhex(exchange["request"]["bytes"])
    message = message_of(exchange["request"])

    assert decode_request(pdu) == message
    assert message.pdu == pdu


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_response_of_the_specification_decodes_and_encodes(exchange: dict[str, Any]) -> None:
    request = message_of(exchange["request"])
    pdu = bytes.fromhex(exchange["response"]["bytes"])
    message = message_of(exchange["response"])

    assert decode_response(request, pdu) == message
    assert message.pdu == pdu


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_response_of_the_specification_settles_its_question(exchange: dict[str, Any]) -> None:
    state: ClientState[str] = ClientState(MbapFramer())
    pdu = bytes.fromhex(exchange["response"]["bytes"])

    transaction, sent = state.ask(9, message_of(exchange["request"]), "asked")

    asked = bytes.fromhex(exchange["request"]["bytes"])
    assert sent == b"\0\1\0\0" + (len(asked) + 1).to_bytes(2, "big") + b"\x09" + asked
    assert state.receive(state.framer.encode(transaction, 9, pdu)) == [("asked", pdu)]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_exception_decodes_and_encodes(refusal: dict[str, Any]) -> None:
    request = decode_request(bytes.fromhex(refusal["request"]))
    pdu = bytes.fromhex(refusal["response"])
    message = ExceptionResponse(refusal["function"], refusal["code"])

    assert decode_response(request, pdu) == message
    assert message.pdu == pdu


@pytest.mark.parametrize("refusal", REFUSALS)
def test_exception_reaches_the_asker_with_function_and_code(refusal: dict[str, Any]) -> None:
    state: ClientState[str] = ClientState(MbapFramer())
    transaction, _ = state.ask(1, decode_request(bytes.fromhex(refusal["request"])), "asked")

    answer = state.framer.encode(transaction, 1, bytes.fromhex(refusal["response"]))
    [(token, error)] = state.receive(answer)

    assert token == "asked"
    assert isinstance(error, ExceptionReplyError)
    assert (error.function, error.code) == (refusal["function"], refusal["code"])


@pytest.mark.parametrize("refused", REFUSED)
def test_request_that_cannot_be_served_draws_its_code(refused: dict[str, Any]) -> None:
    pdu = bytes.fromhex(refused["bytes"])

    with pytest.raises(InvalidRequestError) as caught:
        decode_request(pdu)

    assert caught.value.code == refused["code"]
    assert caught.value.function == pdu[0] & 0x7F
    assert caught.value.data == pdu


@pytest.mark.parametrize("vector", load("rtu.json", "checksums"), ids=lambda v: str(v["name"]))
def test_checksum_is_the_specifications(vector: dict[str, Any]) -> None:
    crc = crc16(bytes.fromhex(vector["bytes"]))

    assert crc.to_bytes(2, "little") == bytes.fromhex(vector["crc"])


def test_every_function_served_has_an_example() -> None:
    functions = {
        bytes.fromhex(entry["request"]["bytes"])[0]
        for name in EXCHANGE_FILES
        for entry in load(name, "exchanges")
    }

    assert functions == set(Function)


def test_coils_of_the_first_example_are_those_of_its_table() -> None:
    # Section 6.1: outputs 27-20 are CD hex, read from the last to the first.
    shown = "".join("1" if bit else "0" for bit in reversed(unpack_bits(b"\xcd\x6b\x05", 8)))

    assert shown == "11001101"


def test_mask_write_of_the_specification_turns_12_into_17() -> None:
    # Section 6.16: current contents 12, and mask F2, or mask 25, result 17 (hexadecimal).
    assert codec.MaskWrite(4, 0xF2, 0x25).apply(0x12) == 0x17
