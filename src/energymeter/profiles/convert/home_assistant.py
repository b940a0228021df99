"""Home Assistant's `modbus:` YAML: hubs with sensors and binary sensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from energymeter.codec.codes import Table
from energymeter.errors import ProfileError
from energymeter.profiles.convert.draft import (
    Draft,
    Imported,
    choice,
    number,
    rows,
    whole,
)
from energymeter.profiles.convert.naming import slug
from energymeter.profiles.convert.outline import Exported, exportable, losses
from energymeter.profiles.convert.yaml_text import load_yaml, yaml_text
from energymeter.profiles.model import Point, Profile
from energymeter.values import DataType
from energymeter.values.home_assistant import appearance, home_assistant_unit

__all__ = ["from_home_assistant", "to_home_assistant"]

_TABLES: Final = {
    "holding": Table.HOLDING,
    "input": Table.INPUT,
    "coil": Table.COIL,
    "discrete_input": Table.DISCRETE,
}
_TABLE_WORDS: Final = {table: word for word, table in _TABLES.items()}
_TYPES: Final[dict[str, DataType | None]] = {
    **{str(kind): kind for kind in DataType if kind.words and kind is not DataType.BITS16},
    "int": DataType.INT16,
    "uint": DataType.UINT16,
    "integer": DataType.INT16,
    "float": DataType.FLOAT32,
    "string": DataType.STRING,
    "custom": None,
}
_NARROW: Final = {"int8", "uint8", "float16"}
_SWAPS: Final = {
    "none": "ABCD",
    "byte": "BADC",
    "word": "CDAB",
    "word_byte": "DCBA",
    "False": "ABCD",
}
_SWAP_WORDS: Final = {letters: word for word, letters in reversed(_SWAPS.items())}
_STRUCTS: Final = {
    "h": DataType.INT16, "H": DataType.UINT16, "i": DataType.INT32, "I": DataType.UINT32,
    "l": DataType.INT32, "L": DataType.UINT32, "q": DataType.INT64, "Q": DataType.UINT64,
    "f": DataType.FLOAT32, "d": DataType.FLOAT64,
}  # fmt: skip
_TRANSPORTS: Final = {"tcp": "tcp", "udp": "udp", "serial": "rtu", "rtuovertcp": "rtu"}

_DECIMALS_OF_FLOATS: Final = 3


def from_home_assistant(text: str, origin: str, part: str | None = None) -> Imported:
    """The profile of one unit of one hub.

    Args:
        text: A configuration with a `modbus:` key, or what stands below it.
        origin: What to call it in errors.
        part: Name of the hub; None is the first.

    Raises:
        ConfigError: PyYAML is missing, it is not YAML, or a key is not what was expected.
    """
    document = load_yaml(text, origin)
    hubs = document.get("modbus") if isinstance(document, Mapping) else document
    found = rows([hubs] if isinstance(hubs, Mapping) else hubs, f"{origin}: modbus")
    names = [str(hub.get("name", "modbus_hub")) for hub in found]
    index = next((i for i, name in enumerate(names) if part in (None, name)), None)
    if index is None:
        wanted = f" {part!r}, but {', '.join(names)}" if part else ""
        msg = f"{origin}: there is no modbus hub{wanted} in it"
        raise ProfileError(msg)
    hub, place = found[index], f"{origin}: modbus[{index}]"
    draft = Draft(origin, "Home Assistant", names[index], "Home Assistant modbus")
    if len(names) > 1 and part is None:
        others = ", ".join(names[:index] + names[index + 1 :])
        draft.remarks.append(f"only hub {names[index]} is taken over, not {others}")
    _connection(draft, hub, place)
    units: list[int] = []
    for key, add in (("sensors", _add_sensor), ("binary_sensors", _add_bit)):
        for number_, sensor in enumerate(rows(hub.get(key), f"{place}.{key}")):
            where = f"{place}.{key}[{number_}]"
            unit = sensor.get("device_address", sensor.get("slave"))
            if unit is not None:
                unit = whole(unit, f"{where}.slave")
                units += [] if unit in units else [unit]
                draft.defaults["unit"] = units[0]
            if unit is None or unit == units[0]:
                add(draft, sensor, where)
    if units[1:]:
        others = ", ".join(map(str, units[1:]))
        draft.remarks.append(f"only unit {units[0]} is taken over, not {others}")
    return draft.finish()


def _connection(draft: Draft, hub: Mapping[str, Any], place: str) -> None:
    kind = str(hub.get("type", "tcp"))
    draft.transports.append(choice(kind, _TRANSPORTS, f"{place}.type"))
    if kind != "serial":
        draft.defaults["tcp_port"] = whole(hub.get("port", 502), f"{place}.port")
        return
    for key in ("baudrate", "stopbits"):
        if key in hub:
            draft.defaults[key] = whole(hub[key], f"{place}.{key}")
    if "parity" in hub:
        draft.defaults["parity"] = str(hub["parity"])


def _add_sensor(draft: Draft, sensor: Mapping[str, Any], place: str) -> None:
    name = str(sensor.get("name", ""))
    word = str(sensor.get("data_type", "int16"))
    table = choice(sensor.get("input_type", "holding"), _TABLES, f"{place}.input_type")
    order = choice(sensor.get("swap", "none"), _SWAPS, f"{place}.swap")
    if word in _NARROW or table.is_bits:
        draft.leave_out(name, f"type {word} of {table} cannot be said")
        return
    data_type = choice(word, _TYPES, f"{place}.data_type")
    if data_type is None:
        structure = str(sensor.get("structure", ">f"))
        match = re.fullmatch(r"([<>!=@]?)([a-zA-Z])", structure)
        if match is None or match[2] not in _STRUCTS:
            draft.leave_out(name, f"structure {structure} is more than one value")
            return
        data_type = _STRUCTS[match[2]]
        if match[1] == "<":
            order = {"ABCD": "DCBA", "DCBA": "ABCD", "BADC": "CDAB", "CDAB": "BADC"}[order]
    if any(sensor.get(key) for key in ("slave_count", "virtual_count")):
        draft.remarks.append(f"{name} stands for several values, only the first is taken over")
    length = None
    if data_type is DataType.STRING:
        length = whole(sensor.get("count"), f"{place}.count")
    draft.add(
        name,
        table,
        whole(sensor.get("address"), f"{place}.address"),
        data_type,
        order=order,
        length=length,
        unit=sensor.get("unit_of_measurement"),
        not_available=_pattern(sensor, data_type, place),
        **{
            ours: number(sensor[theirs], f"{place}.{theirs}")
            for theirs, ours in (
                ("scale", "scale"),
                ("offset", "offset"),
                ("min_value", "minimum"),
                ("max_value", "maximum"),
            )
            if sensor.get(theirs) is not None
        },
    )


def _pattern(sensor: Mapping[str, Any], data_type: DataType, place: str) -> list[str] | None:
    if sensor.get("nan_value") is None or not data_type.words:
        return None
    digits = 4 * data_type.words
    value = whole(sensor["nan_value"], f"{place}.nan_value") % 16**digits
    return [f"0x{value:0{digits}X}"]


def _add_bit(draft: Draft, sensor: Mapping[str, Any], place: str) -> None:
    name = str(sensor.get("name", ""))
    table = choice(sensor.get("input_type", "coil"), _TABLES, f"{place}.input_type")
    if not table.is_bits:
        draft.leave_out(name, "a bit of a register cannot be said")
        return
    address = whole(sensor.get("address"), f"{place}.address")
    draft.add(name, table, address, DataType.BOOL)


def to_home_assistant(profile: Profile) -> Exported:
    """The `modbus:` key of a profile."""
    points, warnings = exportable(profile, lambda point: True)
    defaults = profile.defaults
    hub: dict[str, Any] = {"name": slug(profile.model)}
    if "tcp" in profile.transports or "rtu" not in profile.transports:
        kind = "udp" if profile.transports == ("udp",) else "tcp"
        hub |= {"type": kind, "host": "192.0.2.1", "port": defaults.tcp_port or 502}
    else:
        hub |= {
            "type": "serial",
            "port": "/dev/ttyUSB0",
            "method": "rtu",
            "baudrate": defaults.baudrate or 9600,
            "bytesize": 8,
            "parity": defaults.parity or "N",
            "stopbits": defaults.stopbits or 1,
        }
    bits = [p for p in points if p.type is DataType.BOOL]
    hub["sensors"] = [_sensor(profile, p) for p in points if p.type is not DataType.BOOL]
    hub["binary_sensors"] = [_base(profile, point) for point in bits]
    hub = {key: value for key, value in hub.items() if value != []}
    # Each sensor is read by itself, so what refuses a longer read does not matter.
    can_say = {"offset", "not_available", "unit", "max_read_words", "even_reads", "gaps"}
    lost = losses(profile, points, can_say)
    more = [p.name for p in points if p.type.is_float and p.not_available]
    if more:
        lost.append(f"{', '.join(more)} are exported without their not-available patterns")
    return Exported(yaml_text({"modbus": [hub]}), (*warnings, *lost))


def _base(profile: Profile, point: Point) -> dict[str, Any]:
    return {
        "name": point.name,
        "unique_id": f"{slug(profile.vendor)}_{slug(profile.model)}_{point.name}",
        "slave": profile.defaults.unit,
        "address": point.address,
        "input_type": _TABLE_WORDS[point.table],
    }


def _sensor(profile: Profile, point: Point) -> dict[str, Any]:
    sensor = _base(profile, point)
    order = _SWAP_WORDS[profile.order_of(point).letters]
    if point.type is DataType.STRING:
        sensor |= {"data_type": "string", "count": point.count}
        order = "byte" if order in ("byte", "word_byte") else "none"
    else:
        kind = "uint16" if point.type is DataType.BITS16 else str(point.type)
        sensor |= {"data_type": kind, "scale": point.scale, "precision": _decimals(point)}
        if point.type.words == 1:
            order = "byte" if order in ("byte", "word_byte") else "none"
        if point.offset:
            sensor["offset"] = point.offset
        if point.not_available and point.type.is_integer:
            sensor["nan_value"] = int(point.not_available[0], 16)
    if order != "none":
        sensor["swap"] = order
    look = appearance(
        point.name,
        point.unit,
        point.type,
        medium=profile.kind,
        counts_down=point.counts_down,
    )
    if point.unit:
        sensor["unit_of_measurement"] = home_assistant_unit(point.unit)
    if look.device_class is not None:
        sensor["device_class"] = look.device_class
    if look.state_class is not None:
        sensor["state_class"] = look.state_class
    return sensor


def _decimals(point: Point) -> int:
    if point.type.is_float:
        return _DECIMALS_OF_FLOATS
    exponent = Decimal(point.scale).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
