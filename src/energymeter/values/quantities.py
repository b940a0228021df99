"""What a value's name means: its unit, its plausible range, whether it counts or measures.

One table; nothing else in the project knows units or ranges. Names follow one pattern: the
quantity, then `_phase_a|b|c`, `_phase_ab|bc|ca`, `_total`, `_average`, `_channel_n`,
`_tariff_n`; `int_` in front is a second copy in another number format. Directions are the
meter's: import is energy taken from the grid, positive active power.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from math import inf
from typing import Final, NamedTuple

__all__ = ["Quantity", "Sign", "base_of", "quantities", "quantity_of", "unit_factor"]


class Sign(StrEnum):
    """What the sign of a value says."""

    NONE = "none"
    """It is never negative."""
    IMPORT = "import"
    """Positive is taken from the grid, negative is fed into it."""
    INDUCTIVE = "inductive"
    """Positive is inductive (lagging) load."""
    FREE = "free"
    """Either sign; it says nothing about a direction."""


class Quantity(NamedTuple):
    """What is measured."""

    name: str
    unit: str
    """The unit of the range and of the simulator's physics; empty for a plain number."""

    low: float
    high: float
    """The range outside which a value cannot be true for any meter of this kind."""

    is_counter: bool = False
    """Whether it only ever grows (until it rolls over or is reset)."""

    typical: tuple[float, float] | None = None
    """Where almost every live value lies; None where nothing can be said."""

    sign: Sign = Sign.NONE
    """The sign convention."""

    growth_per_s: float = inf
    """Fastest a counter can grow where nothing is known of the meter, in `unit` a second."""

    is_setting: bool = False
    """Whether it says how the meter is set up or what it is: a code, a ratio, a serial number."""


def _energy(name: str, unit: str, *, is_signed: bool = False) -> Quantity:
    low, sign = (-1e16, Sign.FREE) if is_signed else (0.0, Sign.NONE)
    return Quantity(name, unit, low, 1e16, True, (1, 1e12), sign, _LARGEST_SITE / 3600)


def _power(name: str, unit: str, sign: Sign) -> Quantity:
    return Quantity(name, unit, -1e9, 1e9, typical=(0.1, 1e6), sign=sign)


def _volume(name: str) -> Quantity:
    # Ten cubic metres a second is the cooling water of a power station.
    return Quantity(name, "m3", -1e9, 1e9, True, (0.001, 1e6), Sign.FREE, 10.0)


def _setting(name: str, unit: str = "", low: float = -inf, high: float = inf) -> Quantity:
    return Quantity(name, unit, low, high, sign=Sign.FREE, is_setting=True)


_LARGEST_SITE: Final = 20e6
"""Watts of the largest site measured by a meter of which nothing is known."""

_MEASURED: Final = (
    Quantity("voltage", "V", 0, 500_000, typical=(80, 300)),
    Quantity("voltage_ll", "V", 0, 900_000, typical=(150, 500)),
    Quantity("voltage_pen", "V", 0, 500_000),
    Quantity("supply_voltage", "V", 0, 1_000),
    Quantity("current", "A", -100_000, 100_000, typical=(0.001, 2_000), sign=Sign.IMPORT),
    Quantity("current_neutral", "A", -100_000, 100_000, typical=(0.001, 2_000), sign=Sign.FREE),
    Quantity("current_ground", "A", -100_000, 100_000, typical=(0.001, 2_000), sign=Sign.FREE),
    _power("active_power", "W", Sign.IMPORT),
    Quantity("active_power_import", "W", 0, 1e9, typical=(0.1, 1e6)),
    # Some meters give what is fed in as a negative amount.
    _power("active_power_export", "W", Sign.FREE),
    _power("reactive_power", "var", Sign.INDUCTIVE),
    # The sign of the active power, on some meters.
    _power("apparent_power", "VA", Sign.IMPORT),
    _power("demand_active_power", "W", Sign.IMPORT),
    _power("demand_reactive_power", "var", Sign.INDUCTIVE),
    _power("demand_apparent_power", "VA", Sign.FREE),
    Quantity("demand_current", "A", -100_000, 100_000, typical=(0.001, 2_000), sign=Sign.FREE),
    _power("max_demand_active_power", "W", Sign.IMPORT),
    _power("max_demand_reactive_power", "var", Sign.INDUCTIVE),
    _power("max_demand_apparent_power", "VA", Sign.FREE),
    Quantity("max_demand_current", "A", -100_000, 100_000, typical=(0.001, 2_000), sign=Sign.FREE),
    _power("battery_power", "W", Sign.FREE),
    Quantity("battery_soc", "%", 0, 100),
    # Beyond 1: the four-quadrant form, where 2 - x stands for a leading x.
    Quantity("power_factor", "", -2, 2, typical=(0.01, 1.0), sign=Sign.INDUCTIVE),
    Quantity("phase_angle", "deg", -360, 360, typical=(0.01, 360), sign=Sign.INDUCTIVE),
    Quantity("angle_voltage_ab", "deg", -360, 360, typical=(0.01, 360), sign=Sign.FREE),
    Quantity("angle_voltage_ac", "deg", -360, 360, typical=(0.01, 360), sign=Sign.FREE),
    Quantity("frequency", "Hz", 0, 500, typical=(45, 65)),
    Quantity("thd_voltage", "%", 0, 1_000, typical=(0.01, 50)),
    Quantity("thd_current", "%", 0, 1_000, typical=(0.01, 300)),
    _energy("active_energy", "Wh", is_signed=True),
    *(
        _energy(f"active_energy_{kind}{end}", "Wh")
        for kind in ("import", "export")
        for end in ("", "_partial", "_resettable", "_nonresettable")
    ),
    # Delivered by the grid and received by it: counters of meters that name them so.
    _energy("active_energy_delivered", "Wh"),
    _energy("active_energy_received", "Wh"),
    _energy("active_energy_total_resettable", "Wh", is_signed=True),
    *(
        Quantity(name, "Wh", -1e16, 1e16, typical=(1, 1e12), sign=Sign.IMPORT)
        for name in ("active_energy_net", "active_energy_net_nonresettable")
    ),
    _energy("reactive_energy", "varh", is_signed=True),
    *(
        _energy(f"reactive_energy_{kind}", "varh")
        for kind in (
            *("import", "export", "import_partial", "export_partial"),
            *("delivered", "received"),
        )
    ),
    _energy("apparent_energy", "VAh"),
    _energy("apparent_energy_import", "VAh"),
    _energy("apparent_energy_export", "VAh"),
    _volume("volume"),
    _volume("volume_reverse"),
    Quantity("volume_net", "m3", -1e9, 1e9, typical=(0.001, 1e6), sign=Sign.FREE),
    _volume("gas_volume"),
    _energy("heat_energy", "Wh"),
    _power("heat_power", "W", Sign.FREE),
    Quantity("flow_rate", "L/min", -1e7, 1e7, typical=(0.001, 1e4), sign=Sign.FREE),
    Quantity("flow_rate_volumetric", "L/min", -1e7, 1e7, sign=Sign.FREE),
    Quantity("flow_rate_percent", "%", -200, 200, sign=Sign.FREE),
    Quantity("flow_velocity", "m/s", -1_000, 1_000, sign=Sign.FREE),
    Quantity("sound_speed", "m/s", 0, 10_000),
    Quantity("reynolds_number", "", 0, 1e9),
    Quantity("signal_upstream", "", 0, 65_535),
    Quantity("signal_downstream", "", 0, 65_535),
    Quantity("signal_quality", "%", 0, 100),
    Quantity("temperature", "degC", -100, 1_000, typical=(0.1, 130), sign=Sign.FREE),
    Quantity("temperature_difference", "K", -1_000, 1_000, sign=Sign.FREE),
    Quantity("pressure", "bar", -1, 1_000, typical=(0.001, 100), sign=Sign.FREE),
    Quantity("working_time", "s", 0, 1e11, is_counter=True, growth_per_s=1.1),
    Quantity("power_failures", "", 0, 1e9, is_counter=True, growth_per_s=1.0),
)

_SETTINGS: Final = (
    _setting("frequency_nominal", "Hz", 0, 500),
    _setting("ct_amps", "A", 0, 1e6),
    _setting("ct_primary", "A", 0, 1e6),
    _setting("ct_secondary", "A", 0, 1e6),
    _setting("pt_primary", "V", 0, 1e7),
    _setting("pt_secondary", "V", 0, 1e7),
    _setting("power_int_scale", "W", 0, 1e6),
    *(
        _setting(name)
        for name in (
            *("active_tariff", "application", "baud_rate_code", "capacity_unit", "ct_ratio"),
            *("current_int_scale", "device_code", "device_type", "energy_unit", "error_code"),
            *("export_exponent", "firmware_checksum", "firmware_version", "flow_unit"),
            *("fluid_name", "hardware_version", "import_exponent", "load_type", "mac_address"),
            *("manufacturer", "measuring_system", "medium", "meter_name", "meter_type"),
            *("modbus_address", "model_code", "model_name", "number_of_phases"),
            *("number_of_wires", "phase_config", "phase_sequence", "power_energy_format"),
            *("power_system", "pt_ratio", "rotation_field", "scale_current"),
            *("scale_neutral_current", "scale_power", "scale_voltage", "serial_number"),
            *("sf_active_energy", "sf_active_power", "sf_apparent_energy", "sf_apparent_power"),
            *("sf_current", "sf_frequency", "sf_power_factor", "sf_reactive_power"),
            *("sf_voltage", "status", "unit_flow", "unit_power", "unit_volume", "volume_unit"),
        )
    ),
)

_QUANTITIES: Final = {quantity.name: quantity for quantity in (*_MEASURED, *_SETTINGS)}

_SUFFIX: Final = re.compile(
    r"_(phase_(a|b|c|ab|bc|ca)|total|average|channel_\d+|tariff_\d+|l[123]|\d{1,2})$"
)

# Factor to the base unit of the same dimension, and that base unit.
_UNITS: Final[dict[str, tuple[str, float]]] = {
    "kV": ("V", 1e3),
    "mV": ("V", 1e-3),
    "mA": ("A", 1e-3),
    "kW": ("W", 1e3),
    "MW": ("W", 1e6),
    "kvar": ("var", 1e3),
    "kVA": ("VA", 1e3),
    "kWh": ("Wh", 1e3),
    "MWh": ("Wh", 1e6),
    "kvarh": ("varh", 1e3),
    "kVAh": ("VAh", 1e3),
    "m3/h": ("L/min", 1e3 / 60),
    "L/h": ("L/min", 1 / 60),
    "L": ("m3", 1e-3),
    "mbar": ("bar", 1e-3),
    "kPa": ("bar", 1e-2),
    "%": ("", 1e-2),
    "GJ": ("Wh", 1e9 / 3600),
    "MJ": ("Wh", 1e6 / 3600),
    "GWh": ("Wh", 1e9),
    "Mvarh": ("varh", 1e6),
    "MVAh": ("VAh", 1e6),
    "Mvar": ("var", 1e6),
    "MVA": ("VA", 1e6),
    "mW": ("W", 1e-3),
    "min": ("s", 60),
    "h": ("s", 3600),
}


def quantities() -> tuple[Quantity, ...]:
    """The whole table, what is measured first, then the settings."""
    return (*_MEASURED, *_SETTINGS)


@lru_cache(maxsize=4096)
def quantity_of(name: str) -> Quantity | None:
    """The quantity a value of this name is of; None when the table does not know it."""
    base = name.lower().removeprefix("int_")
    while base not in _QUANTITIES:
        shorter = _SUFFIX.sub("", base)
        if shorter == base:
            return None
        if base.endswith(("_phase_ab", "_phase_bc", "_phase_ca")) and shorter == "voltage":
            shorter = "voltage_ll"
        base = shorter
    return _QUANTITIES[base]


def base_of(unit: str) -> tuple[str, float]:
    """The base unit of the same dimension and what one `unit` is in it; itself where unknown."""
    return _UNITS.get(unit, (unit, 1.0))


def unit_factor(unit: str, base: str) -> float | None:
    """What one `unit` is in `base` units: 1000.0 for kWh in Wh; None when they do not match."""
    if unit == base:
        return 1.0
    known = _UNITS.get(unit)
    if known is not None and known[0] == base:
        return known[1]
    return None
