"""Messages refuse what the specification forbids, so one that exists can be sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from energymeter.codec import (
    Diagnostics,
    IdentificationResponse,
    MaskWrite,
    ReadBitsResponse,
    ReadIdentificationRequest,
    ReadRegistersResponse,
    ReadRequest,
    ReadWriteRequest,
    ReportServerIdRequest,
    Request,
    ServerIdResponse,
    Table,
    WriteCoil,
    WriteCoilsRequest,
    WriteRegister,
    WriteRegistersRequest,
    identification_page,
)
from energymeter.codec.codes import READ_FUNCTIONS, ExceptionCode, Function, exception_name
from energymeter.codec.messages import pack_bits, unpack_bits
from energymeter.errors import LocalProtocolError

ON = (True,)


def read_write(
    read_address: int = 0,
    read_count: int = 1,
    write_address: int = 0,
    words: tuple[int, ...] = (0,),
) -> ReadWriteRequest:
    return ReadWriteRequest(
        read_address=read_address,
        read_count=read_count,
        write_address=write_address,
        words=words,
    )


LARGEST: list[Request] = [
    ReadRequest(1, 0x10000 - 2000, 2000),
    ReadRequest(2, 0x10000 - 2000, 2000),
    ReadRequest(3, 0x10000 - 125, 125),
    ReadRequest(4, 0x10000 - 125, 125),
    WriteCoil(0xFFFF, value=True),
    WriteRegister(0xFFFF, 0xFFFF),
    Diagnostics(0xFFFF, bytes(250)),
    WriteCoilsRequest(0x10000 - 1968, ON * 1968),
    WriteRegistersRequest(0x10000 - 123, (0xFFFF,) * 123),
    MaskWrite(0xFFFF, 0xFFFF, 0xFFFF),
    read_write(0x10000 - 125, 125, 0x10000 - 121, (0xFFFF,) * 121),
    ReadIdentificationRequest(4, 255),
]


@pytest.mark.parametrize("message", LARGEST, ids=lambda m: f"{type(m).__name__} {m.function}")
def test_largest_request_of_each_function_fits_into_a_message(message: Request) -> None:
    assert len(message.pdu) <= 253
    assert message.pdu[0] == message.function


WRONG_COUNTS_AND_VALUES: list[Callable[[], Request]] = [
    lambda: ReadRequest(1, 0, 0),
    lambda: ReadRequest(1, 0, 2001),
    lambda: ReadRequest(2, 0, -1),
    lambda: ReadRequest(3, 0, 0),
    lambda: ReadRequest(3, 0, 126),
    lambda: ReadRequest(4, 0xFFFF, 0),
    lambda: ReadRequest(4, -5, 126),
    lambda: WriteRegister(0, 0x10000),
    lambda: WriteRegister(0, -1),
    lambda: Diagnostics(0, b""),
    lambda: Diagnostics(0, b"\0"),
    lambda: Diagnostics(0, bytes(252)),
    lambda: Diagnostics(0x10000, b"\0\0"),
    lambda: Diagnostics(-1, b"\0\0"),
    lambda: WriteCoilsRequest(0, ()),
    lambda: WriteCoilsRequest(0, ON * 1969),
    lambda: WriteRegistersRequest(0, ()),
    lambda: WriteRegistersRequest(0, (0,) * 124),
    lambda: WriteRegistersRequest(0, (0, 0x10000)),
    lambda: WriteRegistersRequest(0, (-1,)),
    lambda: MaskWrite(0, 0x10000, 0),
    lambda: MaskWrite(0, 0, -1),
    lambda: read_write(read_count=0),
    lambda: read_write(read_count=126),
    lambda: read_write(words=()),
    lambda: read_write(words=(0,) * 122),
    lambda: read_write(words=(0x10000,)),
    lambda: read_write(read_address=0xFFFF, read_count=2, words=()),
    lambda: ReadIdentificationRequest(0),
    lambda: ReadIdentificationRequest(5),
    lambda: ReadIdentificationRequest(1, 256),
    lambda: ReadIdentificationRequest(1, -1),
]


@pytest.mark.parametrize("make", WRONG_COUNTS_AND_VALUES)
def test_wrong_count_or_value_is_refused_with_code_3(make: Callable[[], Request]) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        make()

    assert caught.value.code == 3


WRONG_ADDRESSES: list[Callable[[], Request]] = [
    lambda: ReadRequest(1, 0x10000 - 1999, 2000),
    lambda: ReadRequest(2, -1, 1),
    lambda: ReadRequest(3, 0xFFFF, 2),
    lambda: ReadRequest(3, 65500, 125),
    lambda: ReadRequest(4, 0x10000, 1),
    lambda: WriteCoil(0x10000, value=True),
    lambda: WriteCoil(-1, value=True),
    lambda: WriteRegister(0x10000, 0),
    lambda: WriteCoilsRequest(0xFFFF, ON * 2),
    lambda: WriteRegistersRequest(0xFFFF, (0, 0)),
    lambda: MaskWrite(0x10000, 0, 0),
    lambda: read_write(read_address=0xFFFF, read_count=2),
    lambda: read_write(write_address=0xFFFF, words=(0, 0)),
]


@pytest.mark.parametrize("make", WRONG_ADDRESSES)
def test_address_outside_the_table_is_refused_with_code_2(make: Callable[[], Request]) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        make()

    assert caught.value.code == 2


@pytest.mark.parametrize("function", [-1, 0, 5, 6, 23, 131])
def test_function_that_reads_no_table_is_refused_with_code_1(function: int) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        ReadRequest(function, 0, 1)

    assert caught.value.code == 1


@pytest.mark.parametrize(
    ("message", "size"),
    [
        (ReadRequest(1, 0, 1), 3),
        (ReadRequest(1, 0, 8), 3),
        (ReadRequest(2, 0, 9), 4),
        (ReadRequest(2, 0, 2000), 252),
        (ReadRequest(3, 0, 1), 4),
        (ReadRequest(4, 0, 125), 252),
        (WriteCoil(0, value=False), 5),
        (WriteRegister(0, 0), 5),
        (WriteCoilsRequest(0, ON), 5),
        (WriteRegistersRequest(0, (0,)), 5),
        (MaskWrite(0, 0, 0), 7),
        (read_write(read_count=125), 252),
        (Diagnostics(0, b"\1\2\3\4"), 7),
        (Diagnostics(1, b"\1\2\3\4"), None),
        (ReportServerIdRequest(), None),
        (ReadIdentificationRequest(), None),
    ],
    ids=repr,
)
def test_request_knows_the_size_of_its_good_answer(message: Request, size: int | None) -> None:
    assert message.answer_bytes == size


def test_first_bit_goes_into_the_lowest_place_and_padding_is_zero() -> None:
    bits = (True, False, False, False, False, False, False, False, True)

    assert pack_bits(bits) == b"\x01\x01"
    assert unpack_bits(b"\x01\xff", 9) == bits


def test_bits_of_an_answer_end_where_the_question_ended() -> None:
    assert ReadBitsResponse(1, b"\x05\xff").bits(9) == (
        (True, False, True) + (False,) * 5 + (True,)
    )


def test_words_of_an_answer_are_high_byte_first() -> None:
    assert ReadRegistersResponse(3, b"\x01\x02\xff\xfe").words == (0x0102, 0xFFFE)


@pytest.mark.parametrize(
    ("old", "and_mask", "or_mask", "new"),
    [
        (0x1234, 0xFFFF, 0xFFFF, 0x1234),
        (0x1234, 0x0000, 0xABCD, 0xABCD),
        (0x1234, 0xFF00, 0x00FF, 0x12FF),
        (0xFFFF, 0x0000, 0x0000, 0x0000),
    ],
)
def test_mask_keeps_where_it_is_one_and_writes_where_it_is_zero(
    old: int, and_mask: int, or_mask: int, new: int
) -> None:
    assert MaskWrite(0, and_mask, or_mask).apply(old) == new


def test_messages_of_equal_content_are_equal_and_can_be_keys() -> None:
    assert {ReadRequest(3, 1, 2): "x"}[ReadRequest(Function.READ_HOLDING_REGISTERS, 1, 2)] == "x"
    assert ReadRequest(3, 1, 2) != ReadRequest(4, 1, 2)


def test_server_id_longer_than_a_message_is_refused() -> None:
    assert len(ServerIdResponse(bytes(251)).pdu) == 253
    with pytest.raises(LocalProtocolError):
        ServerIdResponse(bytes(252))


def collect(objects: dict[int, bytes], code: int) -> tuple[list[tuple[int, bytes]], int]:
    """All objects of a stream, asked for page by page, and how many pages it took."""
    found: list[tuple[int, bytes]] = []
    page: IdentificationResponse | None = None
    pages = 0
    while page is None or page.next_object is not None:
        start = 0 if page is None else page.next_object
        page = identification_page(ReadIdentificationRequest(code, start or 0), objects)
        assert len(page.pdu) <= 253
        found += page.objects
        pages += 1
        assert pages <= len(objects), "the stream does not end"
    return found, pages


OBJECTS = {0: b"vendor", 1: b"code", 2: b"1.0", 4: b"product", 6: b"app", 0x80: b"own", 0xFF: b"z"}


@pytest.mark.parametrize(
    ("code", "ids"),
    [(1, [0, 1, 2]), (2, [0, 1, 2, 4, 6]), (3, [0, 1, 2, 4, 6, 0x80, 0xFF])],
    ids=["basic", "regular", "extended"],
)
def test_identification_class_brings_its_objects(code: int, ids: list[int]) -> None:
    found, pages = collect(OBJECTS, code)

    assert found == [(number, OBJECTS[number]) for number in ids]
    assert pages == 1


def test_identification_too_long_for_one_message_goes_on_page_by_page() -> None:
    objects = {number: bytes((65 + number % 26,)) * 60 for number in range(20)}

    found, pages = collect(objects, 2)

    assert dict(found) == objects
    assert len(found) == len(objects)
    assert pages == 7  # three objects of 62 bytes fit beside the head of 7


def test_identification_object_that_fills_a_message_travels_alone() -> None:
    objects = {0: b"a", 1: b"b" * 244, 2: b"c"}

    assert collect(objects, 1) == ([(0, b"a"), (1, b"b" * 244), (2, b"c")], 3)


@pytest.mark.parametrize("size", [245, 251, 256, 1000])
@pytest.mark.parametrize("code", [1, 4], ids=["stream", "single"])
def test_identification_object_longer_than_a_message_is_cut(code: int, size: int) -> None:
    page = identification_page(ReadIdentificationRequest(code, 0), {0: b"x" * size})

    assert page.objects == ((0, b"x" * 244),)
    assert len(page.pdu) == 253


def test_single_identification_object_comes_alone() -> None:
    page = identification_page(ReadIdentificationRequest(4, 4), OBJECTS)

    assert page.objects == ((4, b"product"),)
    assert page.next_object is None


def test_single_identification_object_that_does_not_exist_draws_code_2() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        identification_page(ReadIdentificationRequest(4, 3), OBJECTS)

    assert caught.value.code == 2


def test_identification_from_an_unknown_object_starts_again() -> None:
    page = identification_page(ReadIdentificationRequest(2, 3), OBJECTS)

    assert [number for number, _ in page.objects] == [0, 1, 2, 4, 6]


@pytest.mark.parametrize(
    ("objects", "conformity"),
    [({0: b""}, 0x81), ({0: b"", 2: b""}, 0x81), ({3: b""}, 0x82), ({0x80: b""}, 0x83)],
)
def test_conformity_is_the_highest_class_there_is(
    objects: dict[int, bytes], conformity: int
) -> None:
    assert identification_page(ReadIdentificationRequest(1), objects).conformity == conformity


@pytest.mark.parametrize("table", Table)
def test_each_table_has_the_function_that_reads_it(table: Table) -> None:
    assert table.is_bits == (READ_FUNCTIONS[table] <= 2)
    assert ReadRequest(READ_FUNCTIONS[table], 0, 1).function == READ_FUNCTIONS[table]


def test_exception_codes_have_names_and_unknown_ones_a_number() -> None:
    assert exception_name(ExceptionCode.ILLEGAL_DATA_ADDRESS) == "illegal data address"
    assert exception_name(77) == "code 77"
