"""modpoll's CSV: lines of `device`, `poll` (a block of a table) and `ref` (a value in it)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from energymeter.codec.codes import Table
from energymeter.errors import ProfileError
from energymeter.profiles.convert.draft import Draft, Imported, choice, number, whole
from energymeter.profiles.convert.naming import slug
from energymeter.profiles.convert.outline import Exported, blocks_of, exportable, losses
from energymeter.profiles.model import Point, Profile
from energymeter.values import DataType

__all__ = ["from_modpoll", "to_modpoll"]

_LONGEST: Final = 123
"""What modpoll itself accepts."""

_TABLES: Final = {
    "coil": Table.COIL,
    "discrete_input": Table.DISCRETE,
    "holding_register": Table.HOLDING,
    "input_register": Table.INPUT,
}
_TABLE_WORDS: Final = {table: word for word, table in _TABLES.items()}
_ORDERS: Final = {"BE_BE": "ABCD", "LE_BE": "BADC", "BE_LE": "CDAB", "LE_LE": "DCBA"}
"""Byte order, then word order."""

_ORDER_WORDS: Final = {letters: word for word, letters in _ORDERS.items()}
_TYPES: Final = {
    **{
        str(kind): kind
        for kind in DataType
        if kind not in (DataType.BITS16, DataType.STRING, DataType.BOOL)
    },
    "bool16": DataType.BITS16,
}
_TYPE_WORDS: Final = {kind: word for word, kind in _TYPES.items()}


def from_modpoll(text: str, origin: str, part: str | None = None) -> Imported:
    """The profile of one device of a file.

    Args:
        text: The file.
        origin: What to call it in errors.
        part: Name of the device; None is the first.

    Raises:
        ProfileError: A line is not what was expected, or there is no such device.
    """
    draft: Draft | None = None
    others: list[str] = []
    is_wanted = False
    table, order = Table.HOLDING, "ABCD"
    for line, row in enumerate(csv.reader(io.StringIO(text)), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        place = f"{origin}: line {line}"
        match cells:
            case ["device", name, unit, *_]:
                is_wanted = draft is None and part in (None, name)
                if is_wanted:
                    draft = Draft(origin, "modpoll", name, "modpoll")
                    draft.defaults["unit"] = whole(unit, f"{place}: device id")
                else:
                    others.append(name)
            case ["poll", word, _address, _size, letters, *_]:
                table = choice(word, _TABLES, f"{place}: object type")
                order = choice(letters.upper(), _ORDERS, f"{place}: endian")
            case ["ref", name, address, *more] if draft is not None or others:
                if draft is not None and is_wanted:
                    _add(draft, [name, address, *more], table, order, place)
            case _:
                msg = f"{place}: device, poll or ref with its columns was expected, not {row[0]!r}"
                raise ProfileError(msg)
    if draft is None:
        wanted = f"device {part!r}" if part else "device"
        msg = f"{origin}: there is no {wanted} in it, but {', '.join(others) or 'nothing'}"
        raise ProfileError(msg)
    if others and part is None:
        draft.remarks.append(f"only {draft.model} is taken over, not {', '.join(others)}")
    return draft.finish()


def _add(draft: Draft, cells: Sequence[str], table: Table, order: str, place: str) -> None:
    name, address, kind, access, unit, scale = [*cells, *[""] * 6][:6]
    length = None
    if table.is_bits:
        data_type = DataType.BOOL
        if kind != "bool":
            draft.remarks.append(f"{name} is taken over as one bit, not as {kind}")
    elif kind.startswith("string"):
        characters = whole(kind[6:] or 2, f"{place}: dtype")
        data_type, length = DataType.STRING, (characters + 1) // 2
    elif kind in ("float16", "bool", "bool8"):
        draft.leave_out(name, f"type {kind} of a register cannot be said")
        return
    else:
        data_type = choice(kind or "uint16", _TYPES, f"{place}: dtype")
    draft.add(
        name,
        table,
        whole(address, f"{place}: address"),
        data_type,
        order=None if table.is_bits else order,
        length=length,
        access=access if access in ("rw", "w") else None,
        unit=unit,
        scale=number(scale, f"{place}: scale") if scale else None,
    )


def to_modpoll(profile: Profile) -> Exported:
    """The CSV of a profile."""
    # It reads coils and discrete inputs eight at a time, as a list under one name.
    points, warnings = exportable(profile, lambda point: point.type is not DataType.BOOL)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["device", slug(profile.model), profile.defaults.unit])
    for block in blocks_of(profile, points, _LONGEST):
        order = _ORDER_WORDS[profile.order_of(block.points[0]).letters]
        word = _TABLE_WORDS[block.table]
        writer.writerow(["poll", word, block.address, block.words, order])
        writer.writerows(_row(point) for point in block.points)
    can_say = {"unit", "max_read_words", "gaps", "even_reads"}
    return Exported(out.getvalue(), (*warnings, *losses(profile, points, can_say)))


def _row(point: Point) -> list[str]:
    is_text = point.type is DataType.STRING
    kind = f"string{2 * point.count}" if is_text else _TYPE_WORDS[point.type]
    scale = "" if point.scale == 1 else str(point.scale)
    row = ["ref", point.name, str(point.address), kind, point.access, point.unit, scale]
    while not row[-1]:
        row.pop()
    return row
