"""The checksums of the serial line: by their definition, and by frames in print."""

from __future__ import annotations

import random

import pytest

from energymeter.codec import crc16, lrc
from energymeter.codec.checksum import crc16_by_table


def crc_by_definition(data: bytes) -> int:
    """Bit by bit, as the procedure of section 6.2.2 has it."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


@pytest.mark.parametrize("seed", range(20261120, 20261124))
def test_crc_of_any_length_is_the_definitions(seed: int) -> None:
    rng = random.Random(seed)
    for size in range(600):
        data = rng.randbytes(size)
        assert crc16(data) == crc_by_definition(data), data.hex()
        assert crc16_by_table(data) == crc_by_definition(data), data.hex()


@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_crc_of_equal_bytes_is_the_definitions(byte: int) -> None:
    for size in range(300):
        assert crc16(bytes((byte,)) * size) == crc_by_definition(bytes((byte,)) * size)


@pytest.mark.parametrize("size", [1, 6, 63, 64, 65, 254, 1000])
def test_crc_over_a_frame_with_its_crc_is_0(size: int) -> None:
    data = bytes(range(256)) * 4
    assert crc16(data[:size] + crc16(data[:size]).to_bytes(2, "little")) == 0
    assert crc16_by_table(data[:size] + crc16(data[:size]).to_bytes(2, "little")) == 0


def test_no_flipped_bit_escapes_the_crc_of_a_long_frame() -> None:
    data = bytes(range(98))
    frame = int.from_bytes(data + crc16(data).to_bytes(2, "little"), "big")

    flipped = [(frame ^ 1 << bit).to_bytes(100, "big") for bit in range(800)]

    assert all(crc16(data) != 0 for data in flipped)


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        pytest.param("1103006B0003", 0x7E, id="simplymodbus.ca, ASCII vs RTU example"),
        pytest.param("", 0, id="nothing"),
        pytest.param("00", 0, id="zero"),
        pytest.param("01", 0xFF, id="one"),
        pytest.param("FFFF", 0x02, id="more than a byte"),
    ],
)
def test_lrc_makes_the_sum_0(digits: str, expected: int) -> None:
    data = bytes.fromhex(digits)

    assert lrc(data) == expected
    assert (sum(data) + lrc(data)) % 256 == 0
