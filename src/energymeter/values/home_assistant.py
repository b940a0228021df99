"""What Home Assistant wants to know of a value besides its name: classes, unit, decimals.

Device classes and their units: https://www.home-assistant.io/integrations/sensor/#device-class.
Home Assistant refuses an entity whose unit is not one of its class's, so a class is named only
where each version that knows device discovery (2024.11 and later) allows the unit. That leaves
reactive and apparent energy, kvar and kVA without a class; they have their unit and statistics.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from energymeter.values.quantities import Quantity, Sign, base_of, quantity_of
from energymeter.values.types import DataType

__all__ = ["Appearance", "Medium", "appearance", "decimals_of", "home_assistant_unit"]

Medium = Literal["electricity", "water", "gas", "heat"]

_CLASSES: Final = {
    "V": "voltage", "kV": "voltage", "mV": "voltage",
    "A": "current", "mA": "current",
    "W": "power", "kW": "power", "MW": "power",
    "VA": "apparent_power",
    "var": "reactive_power",
    "Wh": "energy", "kWh": "energy", "MWh": "energy", "GWh": "energy", "MJ": "energy",
    "GJ": "energy",
    "Hz": "frequency",
    "degC": "temperature",
    "bar": "pressure", "mbar": "pressure", "kPa": "pressure",
    "L/min": "volume_flow_rate", "m3/h": "volume_flow_rate",
    "m3": "volume", "L": "volume",
    "s": "duration", "min": "duration", "h": "duration",
    "m/s": "speed",
}  # fmt: skip
"""Device classes by unit."""

_QUANTITY_CLASSES: Final = {
    ("power_factor", ""): "power_factor",
    ("power_factor", "%"): "power_factor",
    ("battery_soc", "%"): "battery",
    ("gas_volume", "m3"): "gas",
}
"""Where the unit alone does not say it."""

_SUPPLIES: Final = {("water", "m3"): "water", ("water", "L"): "water", ("gas", "m3"): "gas"}
"""Volumes that a meter of this medium counts."""

_TOTALS: Final = {"energy", "volume", "water", "gas"}
"""Classes whose values are amounts and never momentary."""

_UNITS: Final = {
    "degC": "°C",
    "deg": "°",
    "m3": "m³",
    "m3/h": "m³/h",
}

_DECIMALS: Final = {
    "V": 1, "kV": 3, "A": 2, "mA": 0, "W": 0, "kW": 2, "MW": 3, "var": 0, "kvar": 2, "VA": 0,
    "kVA": 2, "Wh": 0, "kWh": 2, "MWh": 3, "GJ": 3, "MJ": 1, "varh": 0, "kvarh": 2, "VAh": 0,
    "kVAh": 2, "Hz": 2, "%": 1, "deg": 1, "degC": 1, "K": 1, "m3": 3, "m3/h": 3, "L/min": 1,
    "bar": 2, "mbar": 1, "kPa": 1, "s": 0, "min": 0, "h": 0,
}  # fmt: skip
"""Decimals worth showing of a floating-point value, by unit."""

_OTHER_DECIMALS: Final = 2
_MOST_DECIMALS: Final = 6


class Appearance(NamedTuple):
    """How Home Assistant is to treat a value; None: say nothing."""

    device_class: str | None
    state_class: Literal["measurement", "total", "total_increasing"] | None
    """Without one there are no long-term statistics: text, codes, settings."""

    unit: str | None
    is_diagnostic: bool
    """Whether it says how the meter is set up, and not what it measures."""


def appearance(
    name: str,
    unit: str,
    data_type: DataType,
    *,
    medium: Medium = "electricity",
    counts_down: bool = False,
) -> Appearance:
    """What Home Assistant is told of a value.

    Args:
        name: The point's name.
        unit: Its unit as the profile has it.
        data_type: How the meter holds it.
        medium: What the meter measures.
        counts_down: A counter that runs into the negative.
    """
    quantity = quantity_of(name)
    is_setting = quantity is not None and quantity.is_setting
    if data_type in (DataType.STRING, DataType.BOOL, DataType.BITS16):
        return Appearance(None, None, None, is_setting or data_type is not DataType.BOOL)
    device_class = _device_class(quantity, unit, medium)
    return Appearance(
        device_class,
        None if is_setting else _state_class(quantity, unit, device_class, counts_down),
        home_assistant_unit(unit) or None,
        is_setting,
    )


def home_assistant_unit(unit: str) -> str:
    """A unit as Home Assistant and the Homie convention spell it."""
    return _UNITS.get(unit, unit)


def decimals_of(unit: str, data_type: DataType, divisor: int = 1, *, is_whole: bool = True) -> int:
    """How many decimals are worth showing: those the meter gives, of floats those that matter.

    Args:
        unit: The unit as the profile has it.
        data_type: How the meter holds it.
        divisor: The divisor of its scale.
        is_whole: Whether nothing but that divisor is between the registers and the value; not so
            with a scale the meter tells, or a transformer's ratio.
    """
    if data_type.is_float or not is_whole:
        return _DECIMALS.get(unit, _OTHER_DECIMALS)
    digits = 0
    while 10**digits % divisor and digits < _MOST_DECIMALS:
        digits += 1
    return digits


def _device_class(quantity: Quantity | None, unit: str, medium: str) -> str | None:
    if quantity is not None:
        special = _QUANTITY_CLASSES.get((quantity.name, unit))
        if special is not None:
            return special
        if quantity.name == "volume" and (medium, unit) in _SUPPLIES:
            return _SUPPLIES[medium, unit]
    return _CLASSES.get(unit)


def _state_class(
    quantity: Quantity | None, unit: str, device_class: str | None, counts_down: bool
) -> Literal["measurement", "total", "total_increasing"] | None:
    if quantity is None:
        # A number without a unit that nobody knows may be a code.
        return None if not unit else "total" if device_class in _TOTALS else "measurement"
    if not quantity.is_counter:
        return "total" if device_class in _TOTALS else "measurement"
    # Volumes may run backwards for a moment, signed energies for hours.
    is_signed = quantity.sign is not Sign.NONE and base_of(unit)[0] != "m3"
    return "total" if is_signed or counts_down else "total_increasing"
