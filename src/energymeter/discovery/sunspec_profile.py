"""A profile made of what a SunSpec device says of itself, with the published model definitions.

The definitions come from the package pysunspec2 (extra `sunspec`). Models in the chain follow one
another; the points of each are at fixed places behind its header. Repeating groups are left out:
no meter model has them.
Source: SunSpec Device Information Model Specification 1.1, sections 4 and 5.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any, Final

from energymeter.client import Link
from energymeter.discovery.asking import Asker
from energymeter.discovery.sunspec import SunSpecMap, read_sunspec
from energymeter.errors import ConfigError
from energymeter.profiles import Profile, parse_profile
from energymeter.transports import Wire

__all__ = ["ask_profile", "sunspec_profile"]

_METER_MODELS: Final = (201, 202, 203, 204, 211, 212, 213, 214)
_HEADER: Final = ("ID", "L")

_TYPES: Final[dict[str, tuple[str, str]]] = {
    # SunSpec's type: ours, and the pattern that means not implemented (section 5.3)
    "int16": ("int16", "0x8000"),
    "uint16": ("uint16", "0xFFFF"),
    "enum16": ("uint16", "0xFFFF"),
    "count": ("uint16", "0xFFFF"),
    "bitfield16": ("bits16", "0xFFFF"),
    "sunssf": ("int16", "0x8000"),
    "acc16": ("uint16", "0x0000"),
    "int32": ("int32", "0x80000000"),
    "uint32": ("uint32", "0xFFFFFFFF"),
    "enum32": ("uint32", "0xFFFFFFFF"),
    "bitfield32": ("uint32", "0xFFFFFFFF"),
    "acc32": ("uint32", "0x00000000"),
    "int64": ("int64", "0x8000000000000000"),
    "uint64": ("uint64", "0xFFFFFFFFFFFFFFFF"),
    "acc64": ("uint64", "0x0000000000000000"),
    "float32": ("float32", "0x7FC00000"),
    "float64": ("float64", "0x7FF8000000000000"),
}

_UNITS: Final = {"Pct": "%", "C": "degC"}

_QUANTITIES: Final = {
    "A": "current",
    "PhV": "voltage",
    "PPV": "voltage_ll",
    "Hz": "frequency",
    "W": "active_power",
    "VA": "apparent_power",
    "VAR": "reactive_power",
    "VAr": "reactive_power",
    "PF": "power_factor",
    "TotWhExp": "active_energy_export",
    "TotWhImp": "active_energy_import",
    "TotVAhExp": "apparent_energy_export",
    "TotVAhImp": "apparent_energy_import",
    "WH": "active_energy_export",
}
"""What the stem of a point's name measures, in the words of this project."""

_TOTALS: Final = {
    "A": "current_total",
    "PhV": "voltage_average",
    "PPV": "voltage_ll_average",
    "W": "active_power_total",
    "VA": "apparent_power_total",
    "VAR": "reactive_power_total",
    "VAr": "reactive_power_total",
    "PF": "power_factor_total",
}
_PHASE: Final = re.compile(r"^(?P<stem>.+?)[pP]h(?P<phase>A|B|C|AB|BC|CA)$")


def sunspec_profile(found: SunSpecMap) -> Profile:
    """The meter as a profile.

    Raises:
        ConfigError: The package with the definitions is missing, or the chain has no model with
            points that can be read.
    """
    points: list[dict[str, Any]] = []
    seen: set[int] = set()
    for number, address, length in found.places:
        definition = _definition(number)
        if definition is None:
            continue
        is_meter = number in _METER_MODELS and not seen.intersection(_METER_MODELS)
        group = str(definition["group"]["name"])
        prefix = "" if is_meter else f"{group}_" if number not in seen else f"{group}_{address}_"
        seen.add(number)
        points += _points(definition["group"]["points"], address, length, prefix)
    if not points:
        models = ", ".join(str(number) for number in found.models) or "none"
        msg = f"the SunSpec device has no model that is known here (it has {models})"
        raise ConfigError(msg)
    data = {
        "name": "sunspec",
        "vendor": found.manufacturer,
        "model": found.model,
        "description": "As the device describes itself by its SunSpec models",
        "sunspec": True,
        "points": points,
    }
    return parse_profile(data, "the SunSpec map")


async def ask_profile(wire: Wire, unit: int, timeout_s: float) -> Profile:
    """Ask a unit for its SunSpec models and make a profile of them.

    Raises:
        ConfigError: It is no SunSpec device, or see `sunspec_profile`.
        MeterError: It cannot be asked.
    """
    async with Link.to(wire, timeout_s=timeout_s) as link:
        found = await read_sunspec(Asker(link.unit(unit)))
    if found is None:
        msg = f"{link} unit {unit} is not a SunSpec device: no SunS marker at holding 40000"
        raise ConfigError(msg)
    return sunspec_profile(found)


def _definition(number: int) -> dict[str, Any] | None:
    try:
        folder = resources.files("sunspec2") / "models" / "json"
    except ModuleNotFoundError as error:
        msg = "SunSpec needs its model definitions: pip install 'energymeter[sunspec]'"
        raise ConfigError(msg) from error
    file = folder / f"model_{number}.json"
    if not file.is_file():
        return None
    definition: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return definition


def _points(
    definitions: list[dict[str, Any]], address: int, length: int, prefix: str
) -> list[dict[str, Any]]:
    points = []
    end = address + 2 + length
    for definition in definitions:
        size = int(definition["size"])
        if address + size > end:
            break  # an older device has fewer points than the definition
        point = _point(definition, address, prefix)
        if point is not None:
            points.append(point)
        address += size
    names = {point["name"] for point in points}
    for point in points:
        scale = point.get("scale_from")
        if scale is not None and scale["point"] not in names:
            del point["scale_from"]
    return points


def _point(definition: dict[str, Any], address: int, prefix: str) -> dict[str, Any] | None:
    name, kind = str(definition["name"]), str(definition["type"])
    if name in _HEADER:
        return None
    point: dict[str, Any] = {
        "name": prefix + _name(name),
        "address": address,
        "note": definition.get("label", ""),
    }
    if kind == "string":
        return {**point, "type": "string", "length": definition["size"], "rate": "once"}
    if kind not in _TYPES:
        return None
    point["type"], missing = _TYPES[kind]
    point["not_available"] = [missing]
    unit = str(definition.get("units", ""))
    point["unit"] = _UNITS.get(unit, unit)
    scale = definition.get("sf")
    if isinstance(scale, str):
        point["scale_from"] = {"point": prefix + _name(scale)}
    elif isinstance(scale, int):
        point["scale"] = f"1E{scale}"
    if kind == "sunssf":
        point["rate"] = "slow"
    return point


def _name(name: str) -> str:
    """Our name of a SunSpec point; where there is none, its own in small letters."""
    if name in _TOTALS:
        return _TOTALS[name]
    if name in _QUANTITIES:
        return _QUANTITIES[name]
    phased = _PHASE.match(name)
    if phased is not None and phased["stem"] in _QUANTITIES:
        quantity = _QUANTITIES[phased["stem"]].removesuffix("_ll")
        return f"{quantity}_phase_{phased['phase'].lower()}"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
