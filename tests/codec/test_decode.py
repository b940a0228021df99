"""Bytes to messages: limits that are served, and answers that belong to another question."""

from __future__ import annotations

import pytest

from energymeter.codec import (
    Diagnostics,
    ExceptionResponse,
    IdentificationResponse,
    MaskWrite,
    ReadIdentificationRequest,
    ReadRequest,
    ReadWriteRequest,
    ReportServerIdRequest,
    Request,
    WriteCoil,
    WriteCoilsRequest,
    WriteRegister,
    WriteRegistersRequest,
    decode_request,
    decode_response,
)
from energymeter.codec.codes import Function
from energymeter.errors import InvalidRequestError, MismatchError, RemoteProtocolError

READ_WRITE = ReadWriteRequest(read_address=3, read_count=2, write_address=14, words=(255,))


@pytest.mark.parametrize(
    ("pdu", "message"),
    [
        ("01 00 00 07 D0", ReadRequest(1, 0, 2000)),
        ("02 F8 30 07 D0", ReadRequest(2, 63536, 2000)),
        ("03 FF 83 00 7D", ReadRequest(3, 65411, 125)),
        ("04 FF FF 00 01", ReadRequest(4, 65535, 1)),
        ("05 FF FF 00 00", WriteCoil(65535, value=False)),
        ("06 FF FF FF FF", WriteRegister(65535, 65535)),
        ("0F 00 00 00 01 01 FF", WriteCoilsRequest(0, (True,))),
        ("2B 0E 04 FF", ReadIdentificationRequest(4, 255)),
    ],
)
def test_request_at_the_limit_is_understood(pdu: str, message: Request) -> None:
    assert decode_request(bytes.fromhex(pdu)) == message


@pytest.mark.parametrize("function", sorted(set(range(256)) - set(Function)))
def test_unknown_function_draws_code_1_whatever_follows(function: int) -> None:
    for rest in (b"", b"\0", bytes(4), bytes(252)):
        with pytest.raises(InvalidRequestError) as caught:
            decode_request(bytes((function,)) + rest)

        assert (caught.value.function, caught.value.code) == (function & 0x7F, 1)


def test_no_bytes_at_all_are_function_0() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        decode_request(b"")

    assert (caught.value.function, caught.value.code) == (0, 1)


@pytest.mark.parametrize("kind", sorted(set(range(256)) - {14}))
def test_unknown_sub_function_of_43_draws_code_1(kind: int) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        decode_request(bytes((43, kind, 1, 0)))

    assert (caught.value.function, caught.value.code) == (43, 1)


@pytest.mark.parametrize("value", [1, 0x00FF, 0x0100, 0xFE00, 0xFF01, 0xFFFF])
def test_coil_value_other_than_on_and_off_draws_code_3(value: int) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        decode_request(b"\x05\x00\x01" + value.to_bytes(2, "big"))

    assert caught.value.code == 3


MISMATCHES = [
    pytest.param(ReadRequest(3, 0, 2), "04 04 00 01 00 02", id="another function"),
    pytest.param(ReadRequest(3, 0, 2), "84 02", id="refusal of another function"),
    pytest.param(ReadRequest(3, 0, 2), "83", id="refusal without a code"),
    pytest.param(ReadRequest(3, 0, 2), "83 02 00", id="refusal with a byte too many"),
    pytest.param(ReadRequest(3, 0, 2), "03 02 00 01", id="fewer registers than asked"),
    pytest.param(ReadRequest(3, 0, 2), "03 06 00 01 00 02 00 03", id="more registers than asked"),
    pytest.param(ReadRequest(3, 0, 2), "03 06 00 01 00 02", id="byte count beyond the end"),
    pytest.param(ReadRequest(3, 0, 2), "03 02 00 01 00 02", id="byte count before the end"),
    pytest.param(ReadRequest(3, 0, 2), "03 04 00 01 00", id="one byte short"),
    pytest.param(ReadRequest(3, 0, 2), "03", id="function alone"),
    pytest.param(ReadRequest(3, 0, 2), "", id="nothing"),
    pytest.param(ReadRequest(1, 0, 9), "01 01 FF", id="fewer bits than asked"),
    pytest.param(ReadRequest(2, 0, 8), "02 02 FF 00", id="more bits than asked"),
    pytest.param(WriteCoil(1, value=True), "05 00 02 FF 00", id="another coil"),
    pytest.param(WriteCoil(1, value=True), "05 00 01 00 00", id="the coil in another state"),
    pytest.param(WriteRegister(1, 3), "06 00 02 00 03", id="another register"),
    pytest.param(WriteRegister(1, 3), "06 00 01 00 04", id="another value"),
    pytest.param(WriteRegister(1, 3), "06 00 01 00 03 00", id="an echo too long"),
    pytest.param(WriteCoilsRequest(1, (True, True)), "0F 00 01 00 01", id="fewer coils"),
    pytest.param(WriteRegistersRequest(1, (1, 2)), "10 00 00 00 02", id="written elsewhere"),
    pytest.param(WriteRegistersRequest(1, (1, 2)), "10 00 01 00 01", id="fewer written"),
    pytest.param(MaskWrite(4, 0xF2, 0x25), "16 00 04 00 F2 00 24", id="another or mask"),
    pytest.param(MaskWrite(4, 0xF2, 0x25), "16 00 04 00 F2 00", id="half a mask"),
    pytest.param(READ_WRITE, "17 02 00 01", id="function 23 with fewer registers"),
    pytest.param(Diagnostics(0, b"\xa5\x37"), "08 00 00 A5 38", id="other data than sent"),
    pytest.param(Diagnostics(0, b"\xa5\x37"), "08 00 01 A5 37", id="another sub-function"),
    pytest.param(Diagnostics(10, b"\0\0"), "08 00 0B 00 00", id="another counter"),
    pytest.param(ReportServerIdRequest(), "11 05 2A FF", id="server id cut short"),
    pytest.param(ReportServerIdRequest(), "11", id="server id without a byte count"),
]


@pytest.mark.parametrize(("request_", "pdu"), MISMATCHES)
def test_answer_to_another_question_is_a_mismatch(request_: Request, pdu: str) -> None:
    data = bytes.fromhex(pdu)

    with pytest.raises(MismatchError) as caught:
        decode_response(request_, data)

    assert caught.value.data == data


@pytest.mark.parametrize(
    "pdu",
    [
        pytest.param("2B", id="function alone"),
        pytest.param("2B 0E 01 01 00 00", id="no number of objects"),
        pytest.param("2B 0D 01 01 00 00 00", id="another interface"),
        pytest.param("2B 0E 01 01 00 00 01", id="object missing"),
        pytest.param("2B 0E 01 01 00 00 01 00", id="object without a length"),
        pytest.param("2B 0E 01 01 00 00 01 00 02 41", id="object cut short"),
        pytest.param("2B 0E 01 01 00 00 00 41", id="bytes after the last object"),
        pytest.param("2B 0E 01 01 01 00 00", id="neither more nor no more"),
    ],
)
def test_identification_that_contradicts_itself_is_an_error_of_the_meter(pdu: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_response(ReadIdentificationRequest(), bytes.fromhex(pdu))

    assert caught.value.data == bytes.fromhex(pdu)


@pytest.mark.parametrize("pdu", ["08 00", "08 00 0A", "08 00 0A 00"])
def test_diagnostics_answer_without_whole_data_is_an_error_of_the_meter(pdu: str) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_response(Diagnostics(10, b"\0\0"), bytes.fromhex(pdu))


def test_counter_asked_for_comes_with_its_own_data() -> None:
    answer = decode_response(Diagnostics(11, b"\0\0"), bytes.fromhex("08 00 0B 12 34"))

    assert answer == Diagnostics(11, b"\x12\x34")


@pytest.mark.parametrize("code", [0, 1, 2, 11, 77, 255])
def test_refusal_carries_any_code(code: int) -> None:
    answer = decode_response(ReadRequest(3, 0, 1), bytes((0x83, code)))

    assert answer == ExceptionResponse(3, code)


@pytest.mark.parametrize(
    ("more", "number", "next_object"),
    [(0x00, 0, None), (0x00, 5, None), (0xFF, 5, 5), (0xFF, 0, 0)],
)
def test_identification_goes_on_only_where_it_says_so(
    more: int, number: int, next_object: int | None
) -> None:
    pdu = bytes((43, 14, 1, 1, more, number, 0))

    answer = decode_response(ReadIdentificationRequest(), pdu)

    assert isinstance(answer, IdentificationResponse)
    assert answer.next_object == next_object
