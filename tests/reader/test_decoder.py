"""The answer to a planned read becomes values with their quality."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Any

import pytest

from energymeter.codec import ReadRequest
from energymeter.errors import DecodeError
from energymeter.planner import plan_reads
from energymeter.profiles import parse_profile
from energymeter.reader import Quality
from energymeter.reader.decoder import BlockDecoder


def decoder_of(*points: dict[str, Any]) -> BlockDecoder:
    profile = parse_profile(
        {"name": "x/y", "vendor": "x", "model": "y", "points": list(points)}, "test"
    )
    [block] = plan_reads(profile)
    return BlockDecoder(block, profile.order_of)


def point(name: str, address: int, data_type: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "address": address, "type": data_type, **keys}


def bit(address: int) -> dict[str, Any]:
    return point(f"c{address}", address, "bool", tables=["coil"])


@pytest.mark.parametrize(
    ("data_type", "table", "function"),
    [("bool", "coil", 1), ("bool", "discrete", 2), ("uint16", "holding", 3), ("int16", "input", 4)],
)
def test_request_reads_the_block_from_its_table(data_type: str, table: str, function: int) -> None:
    decoder = decoder_of(
        point("a", 7, data_type, tables=[table]), point("b", 9, data_type, tables=[table])
    )

    assert decoder.request == ReadRequest(function, 7, 3)


def test_values_are_scaled_exactly() -> None:
    decoder = decoder_of(
        point("a", 0, "uint16", scale=Decimal("0.1")),
        point("b", 1, "uint16", scale=Decimal("0.1"), offset=Decimal(-50)),
        point("c", 2, "uint16"),
        point("d", 3, "int16", scale=Decimal(10)),
    )

    values, qualities = decoder.decode(struct.pack(">HHHh", 2301, 715, 65535, -3))

    assert values == [230.1, 21.5, 65535, -30]
    assert list(qualities) == [Quality.GOOD] * 4


@pytest.mark.parametrize("absent", [math.nan, math.inf, -math.inf])
def test_float_that_is_no_number_is_not_available_and_the_others_are_good(absent: float) -> None:
    decoder = decoder_of(
        point("a", 0, "float32", scale=Decimal("0.1")),
        point("b", 2, "float64"),
        point("text", 6, "string", length=2),
    )

    values, qualities = decoder.decode(struct.pack(">fd4s", absent, 1.5, b"ok"))

    assert values == [None, 1.5, "ok"]
    assert list(qualities) == [Quality.NOT_AVAILABLE, Quality.GOOD, Quality.GOOD]


def test_qualities_of_one_reading_do_not_leak_into_the_next() -> None:
    decoder = decoder_of(point("a", 0, "float32"))
    decoder.decode(struct.pack(">f", math.nan))

    values, qualities = decoder.decode(struct.pack(">f", 2.0))

    assert (values, list(qualities)) == ([2.0], [Quality.GOOD])


def test_bits_are_taken_from_their_places() -> None:
    decoder = decoder_of(*(bit(address) for address in (3, 4, 12)))

    values, _ = decoder.decode(b"\x01\x02")

    assert values == [True, False, True]


@pytest.mark.parametrize("data", [b"", b"\x01"])
def test_too_few_bits_are_an_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decoder_of(bit(0), bit(8)).decode(data)


def test_too_few_registers_are_an_error() -> None:
    with pytest.raises(DecodeError):
        decoder_of(point("a", 0, "float32")).decode(b"\0\0\0")
