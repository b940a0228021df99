"""Blocks of registers: the four orders, text, and what is refused."""

from __future__ import annotations

import struct

import pytest

from energymeter.errors import DecodeError
from energymeter.values import BlockCodec, DataType, Field, Order, WireOrder

ABCD = WireOrder(Order.BIG, Order.BIG)
BADC = WireOrder(Order.LITTLE, Order.BIG)
CDAB = WireOrder(Order.BIG, Order.LITTLE)
DCBA = WireOrder(Order.LITTLE, Order.LITTLE)


@pytest.mark.parametrize("order", [ABCD, BADC, CDAB, DCBA], ids=lambda order: order.letters)
def test_order_is_what_its_letters_say(order: WireOrder) -> None:
    wire = bytes(0xAA + 0x11 * "ABCD".index(letter) for letter in order.letters)
    codec = BlockCodec([Field(0, DataType.UINT32, 2, order)], 2)

    assert list(codec.decode(wire)) == [0xAABBCCDD]
    assert codec.encode([0xAABBCCDD]) == wire


@pytest.mark.parametrize(
    ("order", "wire"),
    [
        (ABCD, "0102 0304 0506 0708"),
        (BADC, "0201 0403 0605 0807"),
        (CDAB, "0708 0506 0304 0102"),
        (DCBA, "0807 0605 0403 0201"),
    ],
    ids=lambda value: value.letters if isinstance(value, WireOrder) else "",
)
def test_order_of_64_bits_goes_on_over_four_registers(order: WireOrder, wire: str) -> None:
    codec = BlockCodec([Field(0, DataType.UINT64, 4, order)], 4)

    assert list(codec.decode(bytes.fromhex(wire))) == [0x0102030405060708]


@pytest.mark.parametrize(
    ("order", "wire"),
    [(ABCD, b"ABCDE\0"), (BADC, b"BADC\0E"), (CDAB, b"ABCDE\0"), (DCBA, b"BADC\0E")],
    ids=lambda value: value.letters if isinstance(value, WireOrder) else "",
)
def test_text_runs_from_register_to_register_in_every_order(order: WireOrder, wire: bytes) -> None:
    codec = BlockCodec([Field(0, DataType.STRING, 3, order)], 3)

    assert list(codec.decode(wire)) == ["ABCDE"]
    assert codec.encode(["ABCDE"]) == wire


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (b"PM8000  ", "PM8000"),
        (b"PM\0garba", "PM"),
        (b"\0\0\0\0\0\0\0\0", ""),
        (b"        ", ""),
        (b" a b    ", " a b"),
        (b"\xc4bc     ", "\ufffdbc"),
    ],
)
def test_text_ends_at_the_first_zero_and_loses_its_padding(wire: bytes, text: str) -> None:
    assert list(BlockCodec([Field(0, DataType.STRING, 4)], 4).decode(wire)) == [text]


def test_text_too_long_for_its_registers_is_cut() -> None:
    assert BlockCodec([Field(0, DataType.STRING, 2)], 2).encode(["abcdef"]) == b"abcd"


def test_values_come_in_the_order_they_were_asked_for() -> None:
    fields = [Field(2, DataType.UINT16, 1), Field(0, DataType.UINT16, 1)]

    assert list(BlockCodec(fields, 3).decode(b"\0\1\0\2\0\3")) == [3, 1]


def test_gaps_are_passed_over_and_written_as_zero() -> None:
    codec = BlockCodec([Field(1, DataType.UINT16, 1), Field(3, DataType.UINT16, 1)], 5)

    assert list(codec.decode(b"\xff\xff\0\1\xff\xff\0\2\xff\xff")) == [1, 2]
    assert codec.encode([1, 2]) == b"\0\0\0\1\0\0\0\2\0\0"


def test_same_registers_can_be_read_in_several_ways() -> None:
    fields = [
        Field(0, DataType.UINT32, 2, ABCD),
        Field(0, DataType.UINT32, 2, CDAB),
        Field(0, DataType.INT16, 1, ABCD),
        Field(1, DataType.BITS16, 1, BADC),
        Field(0, DataType.STRING, 2, ABCD),
    ]

    values = list(BlockCodec(fields, 2).decode(b"\xff\xfeAB"))

    assert values == [0xFFFE4142, 0x4142FFFE, -2, 0x4241, "\ufffd\ufffdAB"]


def test_signed_and_floating_values_keep_their_meaning() -> None:
    fields = [
        Field(0, DataType.INT16, 1),
        Field(1, DataType.INT32, 2),
        Field(3, DataType.INT64, 4),
        Field(7, DataType.FLOAT32, 2),
        Field(9, DataType.FLOAT64, 4),
    ]

    values = list(BlockCodec(fields, 13).decode(struct.pack(">hiqfd", -1, -2, -3, -0.5, 0.1)))

    assert values == [-1, -2, -3, -0.5, 0.1]


@pytest.mark.parametrize("order", [ABCD, BADC, CDAB, DCBA], ids=lambda order: order.letters)
def test_block_inside_a_longer_answer_is_found_at_its_start(order: WireOrder) -> None:
    codec = BlockCodec([Field(0, DataType.UINT32, 2, order), Field(2, DataType.UINT16, 1)], 3)
    block = codec.encode([0x01020304, 5])

    assert list(codec.decode(b"\x03\x06" + block + b"rest", 2)) == [0x01020304, 5]


@pytest.mark.parametrize("order", [ABCD, BADC], ids=lambda order: order.letters)
@pytest.mark.parametrize("size", [0, 1, 5])
def test_too_few_bytes_are_an_error(order: WireOrder, size: int) -> None:
    codec = BlockCodec([Field(0, DataType.UINT16, 1, order)], 3)

    with pytest.raises(DecodeError):
        codec.decode(bytes(size))
    with pytest.raises(DecodeError):
        codec.decode(bytes(size + 4), 4)


@pytest.mark.parametrize("offset", [-1, 3, 4])
def test_field_outside_the_block_is_refused(offset: int) -> None:
    with pytest.raises(ValueError, match="block of 4"):
        BlockCodec([Field(offset, DataType.UINT32, 2)], 4)


@pytest.mark.parametrize("order", [ABCD, BADC, CDAB, DCBA], ids=lambda order: order.letters)
def test_value_that_does_not_fit_is_not_encoded(order: WireOrder) -> None:
    codec = BlockCodec([Field(0, DataType.UINT16, 1, order)], 1)

    with pytest.raises(struct.error):
        codec.encode([0x10000])


def test_block_without_values_is_zeros() -> None:
    codec = BlockCodec([], 2)

    assert list(codec.decode(bytes(4))) == []
    assert codec.encode([]) == bytes(4)
