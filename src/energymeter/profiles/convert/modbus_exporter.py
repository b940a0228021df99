"""The YAML of Prometheus' modbus_exporter: modules with metrics.

An address begins with its function: 300022 is holding register 22, 400022 input register 22.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from energymeter.codec.codes import Table
from energymeter.errors import ProfileError
from energymeter.profiles.convert.draft import (
    Draft,
    Imported,
    choice,
    mapping,
    number,
    rows,
    whole,
)
from energymeter.profiles.convert.naming import slug
from energymeter.profiles.convert.outline import Exported, exportable, losses
from energymeter.profiles.convert.yaml_text import load_yaml, yaml_text
from energymeter.profiles.model import Point, Profile
from energymeter.values import DataType, quantity_of

__all__ = ["from_modbus_exporter", "to_modbus_exporter"]

_TABLES: Final = {
    "1": Table.COIL,
    "2": Table.DISCRETE,
    "3": Table.HOLDING,
    "4": Table.INPUT,
}
_FUNCTIONS: Final = {table: digit for digit, table in _TABLES.items()}
_ORDERS: Final = {"big": "ABCD", "mixed": "BADC", "yolo": "CDAB", "little": "DCBA"}
_ORDER_WORDS: Final = {letters: word for word, letters in _ORDERS.items()}
_TYPES: Final = {str(kind): kind for kind in DataType if kind.words and kind != "bits16"}
_TRANSPORTS: Final = {"tcp/ip": "tcp", "serial": "rtu"}


def from_modbus_exporter(text: str, origin: str, part: str | None = None) -> Imported:
    """The profile of one module.

    Args:
        text: The configuration file.
        origin: What to call it in errors.
        part: Name of the module; None is the first.

    Raises:
        ConfigError: PyYAML is missing, it is not YAML, or a key is not what was expected.
    """
    document = mapping(load_yaml(text, origin), origin)
    modules = rows(document.get("modules"), f"{origin}: modules")
    names = [str(module.get("name", "")) for module in modules]
    index = next((i for i, name in enumerate(names) if part in (None, name)), None)
    if index is None:
        wanted = f" {part!r}, but {', '.join(names)}" if part else ""
        msg = f"{origin}: there is no module{wanted} in it"
        raise ProfileError(msg)
    module, place = modules[index], f"{origin}: modules[{index}]"
    draft = Draft(origin, "modbus_exporter", names[index], "modbus_exporter")
    if len(names) > 1 and part is None:
        others = ", ".join(names[:index] + names[index + 1 :])
        draft.remarks.append(f"only module {names[index]} is taken over, not {others}")
    protocol = module.get("protocol", "tcp/ip")
    draft.transports.append(choice(protocol, _TRANSPORTS, f"{place}.protocol"))
    for key in ("baudrate", "stopbits"):
        if key in module:
            draft.defaults[key] = whole(module[key], f"{place}.{key}")
    if "parity" in module:
        draft.defaults["parity"] = str(module["parity"])
    for number_, metric in enumerate(rows(module.get("metrics"), f"{place}.metrics")):
        _add(draft, metric, f"{place}.metrics[{number_}]")
    return draft.finish()


def _add(draft: Draft, metric: Mapping[str, Any], place: str) -> None:
    labels = mapping(metric.get("labels") or {}, f"{place}.labels")
    name = " ".join([str(metric.get("name", "")), *map(str, labels.values())])
    digits = str(whole(metric.get("address"), f"{place}.address"))
    table = choice(digits[:1], _TABLES, f"{place}.address: first digit")
    address = int(digits[1:] or 0)
    kind = metric.get("dataType")
    if table.is_bits:
        draft.add(name, table, address, DataType.BOOL, note=metric.get("help"))
        return
    if kind in ("bool", "float16"):
        draft.leave_out(name, f"dataType {kind} of a register cannot be said")
        return
    factor = metric.get("factor")
    draft.add(
        name,
        table,
        address,
        choice(kind, _TYPES, f"{place}.dataType"),
        order=choice(metric.get("endianness") or "big", _ORDERS, f"{place}.endianness"),
        scale=None if factor is None else number(factor, f"{place}.factor"),
        note=metric.get("help"),
    )


def to_modbus_exporter(profile: Profile) -> Exported:
    """The module of a profile."""
    points, warnings = exportable(profile, lambda point: point.type is not DataType.STRING)
    defaults = profile.defaults
    is_serial = "rtu" in profile.transports and "tcp" not in profile.transports
    module: dict[str, Any] = {
        "name": f"{slug(profile.vendor)}_{slug(profile.model)}".replace("-", "_"),
        "protocol": "serial" if is_serial else "tcp/ip",
    }
    if is_serial:
        module |= {
            "baudrate": defaults.baudrate or 9600,
            "databits": 8,
            "parity": defaults.parity or "N",
            "stopbits": defaults.stopbits or 1,
        }
    module["metrics"] = [_metric(profile, point) for point in points]
    can_say = {"unit", "max_read_words", "gaps", "even_reads"}
    lost = losses(profile, points, can_say)
    return Exported(yaml_text({"modules": [module]}), (*warnings, *lost))


def _metric(profile: Profile, point: Point) -> dict[str, Any]:
    quantity = quantity_of(point.name)
    unit = f" in {point.unit}" if point.unit else ""
    metric: dict[str, Any] = {
        "name": point.name,
        "help": f"{point.name.replace('_', ' ')}{unit}",
        "address": int(f"{_FUNCTIONS[point.table]}{point.address:05d}"),
    }
    if point.type is DataType.BOOL:
        return {**metric, "dataType": "bool", "bitOffset": 0, "metricType": "gauge"}
    is_counter = quantity is not None and quantity.is_counter and not point.counts_down
    metric |= {
        "dataType": "uint16" if point.type is DataType.BITS16 else str(point.type),
        "endianness": _ORDER_WORDS[profile.order_of(point).letters],
        "metricType": "counter" if is_counter else "gauge",
    }
    if point.scale != 1:
        metric["factor"] = point.scale
    return metric
