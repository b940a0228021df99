"""Blocks of any layout against a decoder that takes one value at a time, register by register."""

from __future__ import annotations

import math
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from energymeter.values import BlockCodec, DataType, Field, Order, WireOrder

FORMATS = {
    DataType.INT16: "h",
    DataType.UINT16: "H",
    DataType.BITS16: "H",
    DataType.INT32: "i",
    DataType.UINT32: "I",
    DataType.INT64: "q",
    DataType.UINT64: "Q",
    DataType.FLOAT32: "f",
    DataType.FLOAT64: "d",
}
WIDTHS = {data_type: struct.calcsize(mark) // 2 for data_type, mark in FORMATS.items()}
WHOLE = [data_type for data_type in FORMATS if not data_type.is_float]
ORDERS = st.builds(WireOrder, st.sampled_from(Order), st.sampled_from(Order))
BLOCKS = settings(max_examples=300, deadline=None)

Value = int | float | str


def registers_of(data: bytes, order: WireOrder) -> list[bytes]:
    """The registers of one value with their bytes put right, in the order of the wire."""
    registers = [data[place : place + 2] for place in range(0, len(data), 2)]
    if order.byte is Order.LITTLE:
        registers = [register[::-1] for register in registers]
    return registers


def decode_naively(field: Field, block: bytes) -> Value:
    registers = registers_of(
        block[2 * field.offset : 2 * (field.offset + field.words)], field.order
    )
    if field.type is DataType.STRING:
        return b"".join(registers).split(b"\0")[0].decode("ascii", "replace").rstrip()
    if field.order.word is Order.LITTLE:
        registers.reverse()
    value: int | float = struct.unpack(">" + FORMATS[field.type], b"".join(registers))[0]
    return value


def encode_naively(field: Field, value: Value) -> bytes:
    if isinstance(value, str):
        data = value.encode("ascii").ljust(2 * field.words, b"\0")
        return b"".join(registers_of(data, field.order))
    registers = registers_of(struct.pack(">" + FORMATS[field.type], value), field.order)
    if field.order.word is Order.LITTLE:
        registers.reverse()
    return b"".join(registers)


def alike(one: Value, other: Value) -> bool:
    """Equal, of the same kind, and NaN like NaN."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and one == other


@st.composite
def shapes(draw: st.DrawFn, types: list[DataType]) -> tuple[DataType, int, WireOrder]:
    data_type = draw(st.sampled_from(types))
    words = WIDTHS.get(data_type) or draw(st.integers(1, 6))
    return data_type, words, draw(ORDERS)


@st.composite
def overlapping(draw: st.DrawFn, types: list[DataType]) -> tuple[list[Field], int]:
    """Fields anywhere, in any order, over each other."""
    words = draw(st.integers(6, 24))
    fields = [
        Field(draw(st.integers(0, words - size)), data_type, size, order)
        for data_type, size, order in draw(st.lists(shapes(types), max_size=10))
    ]
    return fields, words


@st.composite
def separate(draw: st.DrawFn) -> tuple[list[Field], int]:
    """Fields with gaps between them, asked for in any order."""
    fields = []
    end = 0
    for data_type, size, order in draw(st.lists(shapes([*FORMATS, DataType.STRING]), max_size=12)):
        offset = end + draw(st.sampled_from([0, 0, 1, 3]))
        end = offset + size
        fields.append(Field(offset, data_type, size, order))
    return draw(st.permutations(fields)), max(end + draw(st.integers(0, 2)), 1)


def values_of(field: Field) -> st.SearchStrategy[Value]:
    if field.type is DataType.STRING:
        characters = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
        return st.text(characters, max_size=2 * field.words)
    if field.type.is_float:
        return st.floats(width=32 if field.type is DataType.FLOAT32 else 64)
    return st.integers(*field.type.integer_range)


@given(overlapping([*FORMATS, DataType.STRING]), st.data())
@BLOCKS
def test_any_layout_decodes_as_value_by_value(
    layout: tuple[list[Field], int], data: st.DataObject
) -> None:
    fields, words = layout
    block = data.draw(st.binary(min_size=2 * words, max_size=2 * words))
    before = data.draw(st.binary(max_size=5))

    values = BlockCodec(fields, words).decode(before + block + b"after", len(before))

    assert len(values) == len(fields)
    for field, value in zip(fields, values, strict=True):
        assert alike(value, decode_naively(field, block))


@given(separate(), st.data())
@BLOCKS
def test_separate_values_come_back_as_they_were_encoded(
    layout: tuple[list[Field], int], data: st.DataObject
) -> None:
    fields, words = layout
    codec = BlockCodec(fields, words)
    values = [data.draw(values_of(field)) for field in fields]
    expected = bytearray(2 * words)
    for field, value in zip(fields, values, strict=True):
        place = 2 * field.offset
        expected[place : place + 2 * field.words] = encode_naively(field, value)

    block = codec.encode(values)

    if not any(isinstance(value, float) and math.isnan(value) for value in values):
        assert block == expected
    for value, again in zip(values, codec.decode(block), strict=True):
        assert alike(value, again)


@given(overlapping(WHOLE), st.data())
@BLOCKS
def test_overlapping_values_that_agree_come_back_as_they_were_encoded(
    layout: tuple[list[Field], int], data: st.DataObject
) -> None:
    fields, words = layout
    codec = BlockCodec(fields, words)
    values = list(codec.decode(data.draw(st.binary(min_size=2 * words, max_size=2 * words))))

    assert list(codec.decode(codec.encode(values))) == values


@given(separate(), st.data())
@BLOCKS
def test_registers_between_the_values_are_written_as_zero(
    layout: tuple[list[Field], int], data: st.DataObject
) -> None:
    fields, words = layout
    taken = {field.offset + place for field in fields for place in range(field.words)}

    block = BlockCodec(fields, words).encode([data.draw(values_of(field)) for field in fields])

    assert len(block) == 2 * words
    assert all(block[2 * word : 2 * word + 2] == b"\0\0" for word in set(range(words)) - taken)
