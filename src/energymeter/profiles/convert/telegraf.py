"""Telegraf's `inputs.modbus`: fields by register, by request or by metric."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from energymeter.codec.codes import MAX_READ_WORDS, Table
from energymeter.errors import ProfileError
from energymeter.profiles.convert.draft import (
    ORDERS,
    Draft,
    Imported,
    choice,
    mapping,
    number,
    rows,
    whole,
)
from energymeter.profiles.convert.outline import Block, Exported, blocks_of, exportable, losses
from energymeter.profiles.convert.toml import value_text
from energymeter.profiles.model import Point, Profile
from energymeter.values import DataType

__all__ = ["from_telegraf", "to_telegraf"]

_TABLES: Final = {str(table): table for table in Table}
_REGISTER_KEYS: Final = {
    "coils": Table.COIL,
    "discrete_inputs": Table.DISCRETE,
    "holding_registers": Table.HOLDING,
    "input_registers": Table.INPUT,
}
_TYPES: Final = {
    **{str(kind).upper(): kind for kind in DataType if kind.words and kind != "bits16"},
    "STRING": DataType.STRING,
}
_LETTERS: Final = {
    **{letters: letters for letters in ORDERS},
    "": "ABCD",
    "AB": "ABCD",
    "BA": "DCBA",
    "ABCDEFGH": "ABCD",
    "BADCFEHG": "BADC",
    "GHEFCDAB": "CDAB",
    "HGFEDCBA": "DCBA",
}
_FIXED: Final = {"FIXED": "INT", "UFIXED": "UINT", "FLOAT32": "UINT"}
"""Types of the register style that take their width from the addresses."""

_NARROW: Final = {"INT8L", "INT8H", "UINT8L", "UINT8H", "FLOAT16", "BIT"}
_TRANSPORTS: Final = {"tcp": "tcp", "udp": "udp", "file": "rtu"}


def from_telegraf(text: str, origin: str, part: str | None = None) -> Imported:
    """The profile of one `[[inputs.modbus]]`.

    Args:
        text: A configuration file, or a part of one.
        origin: What to call it in errors.
        part: The `name` of the plugin; None is the first.

    Raises:
        ProfileError: It is not TOML, or a key is not what was expected.
    """
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        msg = f"{origin}: is not TOML: {error}"
        raise ProfileError(msg) from error
    inputs = mapping(data.get("inputs", {}), f"{origin}: inputs")
    plugins = rows(inputs.get("modbus"), f"{origin}: inputs.modbus")
    names = [str(plugin.get("name", "modbus")) for plugin in plugins]
    index = next((i for i, name in enumerate(names) if part in (None, name)), None)
    if index is None:
        wanted = f" of the name {part!r}, but {', '.join(names)}" if part else ""
        msg = f"{origin}: there is no [[inputs.modbus]] in it{wanted}"
        raise ProfileError(msg)
    draft = Draft(origin, "Telegraf", names[index], "Telegraf inputs.modbus")
    if len(names) > 1 and part is None:
        others = ", ".join(names[:index] + names[index + 1 :])
        draft.remarks.append(f"only {names[index]} is taken over, not {others}")
    plugin, place = plugins[index], f"{origin}: inputs.modbus[{index}]"
    _connection(draft, plugin, place)
    for table, order, field, where in _fields(draft, plugin, place):
        if not field.get("omit"):
            _add(draft, table, order, field, where)
    return draft.finish()


def _connection(draft: Draft, plugin: Mapping[str, Any], place: str) -> None:
    controller = str(plugin.get("controller", ""))
    scheme, _, rest = controller.partition("://")
    if scheme in _TRANSPORTS:
        draft.transports.append(_TRANSPORTS[scheme])
    port = rest.rpartition(":")[2]
    if scheme == "tcp" and port.isdecimal():
        draft.defaults["tcp_port"] = int(port)
    if "slave_id" in plugin:
        draft.defaults["unit"] = whole(plugin["slave_id"], f"{place}.slave_id")
    for theirs, ours in (("baud_rate", "baudrate"), ("stop_bits", "stopbits")):
        if theirs in plugin:
            draft.defaults[ours] = whole(plugin[theirs], f"{place}.{theirs}")
    if "parity" in plugin:
        draft.defaults["parity"] = str(plugin["parity"])[:1].upper()


_Field = tuple[Table | None, str, Mapping[str, Any], str]


def _fields(draft: Draft, plugin: Mapping[str, Any], place: str) -> Iterator[_Field]:
    """Table (None: said by the field), order, field and place of every field."""
    for key, its_table in _REGISTER_KEYS.items():
        for index, field in enumerate(rows(plugin.get(key), f"{place}.{key}")):
            where = f"{place}.{key}[{index}]"
            yield its_table, _order(field.get("byte_order", ""), where), field, where
    units: list[int] = []
    for key in ("request", "metric"):
        for index, group in enumerate(rows(plugin.get(key), f"{place}.{key}")):
            where = f"{place}.{key}[{index}]"
            unit = whole(group.get("slave_id", 0), f"{where}.slave_id")
            units += [] if unit in units else [unit]
            if unit != units[0]:
                continue
            draft.defaults["unit"] = unit
            order = _order(group.get("byte_order", ""), where)
            table: Table | None = None
            if key == "request":
                table = choice(group.get("register", "holding"), _TABLES, f"{where}.register")
            for number_, field in enumerate(rows(group.get("fields"), f"{where}.fields")):
                yield table, order, field, f"{where}.fields[{number_}]"
    if units[1:]:
        others = ", ".join(map(str, units[1:]))
        draft.remarks.append(f"only unit {units[0]} is taken over, not {others}")


def _order(letters: object, place: str) -> str:
    return choice(letters, _LETTERS, f"{place}.byte_order")


def _add(
    draft: Draft, table: Table | None, order: str, field: Mapping[str, Any], place: str
) -> None:
    name = str(field.get("name", ""))
    if table is None:
        table = choice(field.get("register", "holding"), _TABLES, f"{place}.register")
    is_list = isinstance(field.get("address"), list)
    addresses = field["address"] if is_list else [field.get("address")]
    address = whole(addresses[0] if addresses else None, f"{place}.address")
    if table.is_bits:
        draft.add(name, table, address, DataType.BOOL)
        return
    word = str(field.get("data_type" if is_list else "type", "")).upper()
    if word in _NARROW:
        draft.leave_out(name, f"type {word} cannot be said")
        return
    if is_list and word in _FIXED:
        word = f"{_FIXED[word]}{16 * len(addresses)}"
    data_type = choice(word.removesuffix("-IEEE"), _TYPES, f"{place}: type")
    length = None
    if data_type is DataType.STRING:
        length = len(addresses) if is_list else whole(field.get("length"), f"{place}.length")
    draft.add(
        name,
        table,
        address,
        data_type,
        order=order,
        length=length,
        scale=number(field["scale"], f"{place}.scale") if field.get("scale") else None,
    )


def to_telegraf(profile: Profile) -> Exported:
    """The plugin's configuration of a profile, in the request style."""
    points, warnings = exportable(profile, lambda point: True)
    defaults = profile.defaults
    lines = [
        f"# {profile.vendor} {profile.model}",
        "[[inputs.modbus]]",
        f"  name = {value_text(profile.model)}",
        '  timeout = "1s"',
    ]
    if "tcp" in profile.transports or "rtu" not in profile.transports:
        lines.append(f'  controller = "tcp://localhost:{defaults.tcp_port or 502}"')
    else:
        lines += [
            '  controller = "file:///dev/ttyUSB0"',
            '  transmission_mode = "RTU"',
            f"  baud_rate = {defaults.baudrate or 9600}",
            f'  parity = "{defaults.parity or "N"}"',
            f"  stop_bits = {defaults.stopbits or 1}",
        ]
    lines.append('  configuration_type = "request"')
    for block in blocks_of(profile, points, MAX_READ_WORDS):
        lines += _request(profile, block)
    can_say = {"max_read_words", "gaps", "even_reads"}
    return Exported("\n".join(lines) + "\n", (*warnings, *losses(profile, points, can_say)))


def _request(profile: Profile, block: Block) -> list[str]:
    return [
        "",
        "  [[inputs.modbus.request]]",
        f"    slave_id = {profile.defaults.unit}",
        f'    byte_order = "{profile.order_of(block.points[0]).letters}"',
        f'    register = "{block.table}"',
        "    fields = [",
        *(f"      {value_text(_field(point))}," for point in block.points),
        "    ]",
    ]


def _field(point: Point) -> dict[str, Any]:
    field: dict[str, Any] = {"address": point.address, "name": point.name}
    if point.type is DataType.BOOL:
        return field
    field["type"] = "UINT16" if point.type is DataType.BITS16 else str(point.type).upper()
    if point.length is not None:
        field["length"] = point.length
    if point.scale != 1:
        # A scale without a fraction would make the field a whole number's.
        field["scale"] = point.scale
        field["output"] = "FLOAT64"
    return field
