"""Numbers that are not what their type says: sign and magnitude, BCD, letters kept as floats."""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from energymeter.values.block import Raw
from energymeter.values.types import DataType

__all__ = ["Encoding", "decode_raw", "encode_raw", "pattern_raw", "wire_type"]


class Encoding(StrEnum):
    """How a raw number is to be understood beside its type."""

    PLAIN = "plain"
    """As the type says."""
    SIGN_MAGNITUDE = "sign_magnitude"
    """The top bit is the sign, the rest the amount."""
    BCD = "bcd"
    """Four bits a decimal digit."""
    CHAR_PER_REGISTER = "char_per_register"
    """Text with one character in the low byte of each register."""
    ASCII_FLOAT = "ascii_float"
    """The code of a letter, as a number."""


_UNSIGNED = {1: DataType.UINT16, 2: DataType.UINT32, 4: DataType.UINT64}


def wire_type(data_type: DataType, encoding: Encoding) -> DataType:
    """The type that takes such a number's bits off the wire as they are."""
    if encoding in (Encoding.SIGN_MAGNITUDE, Encoding.BCD):
        return _UNSIGNED[data_type.words]
    return data_type


def pattern_raw(pattern: str, data_type: DataType, encoding: Encoding) -> Raw:
    """The raw number, as it comes off the wire, of a pattern such as `0x7FFFFFFF`."""
    data = bytes.fromhex(pattern.removeprefix("0x"))
    if data_type is DataType.STRING:
        return data.split(b"\0", 1)[0].decode("ascii", "replace").rstrip()
    raw: Raw = struct.unpack(f">{wire_type(data_type, encoding).struct_format}", data)[0]
    return raw


def decode_raw(raw: Raw, data_type: DataType, encoding: Encoding) -> Raw | None:
    """The number that is meant; None for bits that mean none, such as a BCD digit above 9."""
    coder = _CODERS.get(encoding)
    return raw if coder is None else coder.decode(raw, 16 * data_type.words)


def encode_raw(number: Raw, data_type: DataType, encoding: Encoding) -> Raw:
    """The inverse of `decode_raw`; what does not fit saturates."""
    coder = _CODERS.get(encoding)
    return number if coder is None else coder.encode(number, 16 * data_type.words)


class _Coder(NamedTuple):
    decode: Callable[[Raw, int], Raw | None]
    encode: Callable[[Raw, int], Raw]


def _from_sign_magnitude(raw: Raw, bits: int) -> Raw:
    sign = 1 << bits - 1
    return -(int(raw) & sign - 1) if int(raw) & sign else raw


def _to_sign_magnitude(number: Raw, bits: int) -> Raw:
    sign = 1 << bits - 1
    amount = min(abs(int(number)), sign - 1)
    return amount | sign if int(number) < 0 else amount


def _from_bcd(raw: Raw, bits: int) -> Raw | None:
    digits = f"{int(raw):0{bits // 4}x}"
    return int(digits) if digits.isdecimal() else None


def _to_bcd(number: Raw, bits: int) -> Raw:
    return int(str(min(max(int(number), 0), 10 ** (bits // 4) - 1)), 16)


def _from_letter(raw: Raw, _bits: int) -> Raw | None:
    return chr(int(raw)) if isinstance(raw, (int, float)) and 32 <= raw < 127 else None


def _to_letter(number: Raw, _bits: int) -> Raw:
    return float(ord(number[0])) if isinstance(number, str) and number else 0.0


_CODERS = {
    Encoding.SIGN_MAGNITUDE: _Coder(_from_sign_magnitude, _to_sign_magnitude),
    Encoding.BCD: _Coder(_from_bcd, _to_bcd),
    Encoding.ASCII_FLOAT: _Coder(_from_letter, _to_letter),
}
