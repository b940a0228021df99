"""Walk a SunSpec map: from its marker along the chain of models.

Source: SunSpec Device Information Model Specification 1.1, section 4.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from energymeter.codec.codes import Table
from energymeter.discovery.asking import Asker

__all__ = ["SunSpecMap", "read_sunspec"]

_BASE: Final = 40000
_MARKER: Final = b"SunS"
_END: Final = 0xFFFF
_COMMON: Final = 1
_MAX_MODELS: Final = 20


class SunSpecMap(NamedTuple):
    """What a SunSpec device says of itself."""

    manufacturer: str
    model: str
    models: tuple[int, ...]
    """Numbers of the models in the chain, without the end mark."""

    places: tuple[tuple[int, int, int], ...] = ()
    """Number, address of the header and length of each model."""


async def read_sunspec(asker: Asker, marker: bytes | None = None) -> SunSpecMap | None:
    """The chain at the usual place; None when there is no marker.

    Args:
        asker: Whom to ask.
        marker: The two registers of the marker, when they were read already.

    Raises:
        MeterError: As `Asker.read`.
    """
    if marker is None:
        marker = await asker.read(Table.HOLDING, _BASE, len(_MARKER) // 2)
    if marker != _MARKER:
        return None
    manufacturer = model = ""
    places: list[tuple[int, int, int]] = []
    address = _BASE + 2
    while len(places) < _MAX_MODELS:
        header = await asker.read(Table.HOLDING, address, 2)
        if header is None:
            break
        number, length = int.from_bytes(header[:2], "big"), int.from_bytes(header[2:], "big")
        if number in (_END, 0):
            break
        places.append((number, address, length))
        if number == _COMMON and not manufacturer:
            data = await asker.read(Table.HOLDING, address + 2, 32)
            if data is not None:
                manufacturer, model = _text(data[:32]), _text(data[32:])
        address += 2 + length
    models = tuple(number for number, _, _ in places)
    return SunSpecMap(manufacturer, model, models, tuple(places))


def _text(data: bytes) -> str:
    text = data.split(b"\0", 1)[0].decode("ascii", "replace")
    return "".join(character for character in text if character.isprintable()).strip()
