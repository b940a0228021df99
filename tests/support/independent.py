"""A second decoder, written against the facts alone: plain `struct`, nothing of the product."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]

_FORMATS = {
    "int16": "h",
    "uint16": "H",
    "bits16": "H",
    "int32": "i",
    "uint32": "I",
    "float32": "f",
    "int64": "q",
    "uint64": "Q",
    "float64": "d",
}


def register_count(register: Facts) -> int:
    """Registers one entry of the facts takes."""
    if register["type"] == "string":
        return int(register["length"])
    return struct.calcsize(">" + _FORMATS[register["type"]]) // 2


def decode(register: Facts, data: bytes, meter: Facts) -> float | str | None:
    """The value of one entry, from its registers as on the wire; None for its `nan` pattern."""
    words = [data[start : start + 2] for start in range(0, len(data), 2)]
    if register["type"] == "string":
        if meter["model"] == "Pro 3EM":  # its text has the two characters of a register swapped
            words = [word[::-1] for word in words]
        return b"".join(words).split(b"\0")[0].decode("ascii").rstrip()
    if meter["byte_order"] == "little":
        words = [word[::-1] for word in words]
    if (register.get("word_order") or meter["word_order"]) == "little":
        words.reverse()
    ordered = b"".join(words)
    if register["nan"] is not None and ordered.hex() == register["nan"][2:].lower():
        return None
    letter = _FORMATS[register["type"]]
    if register.get("encoding") == "sign_magnitude":
        raw = int.from_bytes(ordered, "big")
        sign = 1 << (8 * len(ordered) - 1)
        number: float = -(raw - sign) if raw >= sign else raw
    else:
        number = struct.unpack(">" + letter, ordered)[0]
    value: float = number * register["scale"] + register.get("offset", 0)
    return value
