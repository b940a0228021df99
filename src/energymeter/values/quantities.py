"""What a value's name means: its unit, its plausible range, whether it counts or measures.

One table; nothing else in the project knows units or ranges. Names follow one pattern: the
quantity, then `_phase_a|b|c`, `_phase_ab|bc|ca`, `_total`, `_average`, `_channel_n`,
`_tariff_n`; `int_` in front is a second copy in another number format. Directions are the
meter's: import is energy taken from the grid, positive active power.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Quantity", "quantity_of", "unit_factor"]


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


_TABLE = (
    Quantity("voltage", "V", 0, 500_000, typical=(80, 300)),
    Quantity("voltage_ll", "V", 0, 900_000, typical=(150, 500)),
    Quantity("current", "A", -100_000, 100_000, typical=(0.001, 2_000)),
    Quantity("current_neutral", "A", -100_000, 100_000, typical=(0.001, 2_000)),
    Quantity("active_power", "W", -1e9, 1e9, typical=(0.1, 1e6)),
    Quantity("reactive_power", "var", -1e9, 1e9, typical=(0.1, 1e6)),
    Quantity("apparent_power", "VA", -1e9, 1e9, typical=(0.1, 1e6)),
    Quantity("demand_active_power", "W", -1e9, 1e9, typical=(0.1, 1e6)),
    Quantity("max_demand_active_power", "W", -1e9, 1e9, typical=(0.1, 1e6)),
    Quantity("power_factor", "", -1.01, 1.01, typical=(0.01, 1.0)),
    Quantity("phase_angle", "deg", -360, 360, typical=(0.01, 360)),
    Quantity("frequency", "Hz", 0, 500, typical=(45, 65)),
    Quantity("thd_voltage", "%", 0, 1_000, typical=(0.01, 50)),
    Quantity("thd_current", "%", 0, 1_000, typical=(0.01, 300)),
    Quantity("active_energy", "Wh", -1e15, 1e15, is_counter=True, typical=(1, 1e12)),
    Quantity("active_energy_import", "Wh", -1e15, 1e15, is_counter=True, typical=(1, 1e12)),
    Quantity("active_energy_export", "Wh", -1e15, 1e15, is_counter=True, typical=(1, 1e12)),
    Quantity("active_energy_net", "Wh", -1e15, 1e15, typical=(1, 1e12)),
    Quantity("reactive_energy", "varh", -1e15, 1e15, is_counter=True, typical=(1, 1e12)),
    Quantity("reactive_energy_import", "varh", -1e15, 1e15, is_counter=True, typical=(1, 1e12)),
    Quantity("reactive_energy_export", "varh", -1e15, 1e15, is_counter=True, typical=(1, 1e12)),
    Quantity("apparent_energy", "VAh", -1e15, 1e15, is_counter=True, typical=(1, 1e12)),
    Quantity("apparent_energy_import", "VAh", -1e15, 1e15, is_counter=True, typical=(1, 1e12)),
    Quantity("apparent_energy_export", "VAh", -1e15, 1e15, is_counter=True, typical=(1, 1e12)),
    Quantity("volume", "m3", -1e9, 1e9, is_counter=True, typical=(0.001, 1e6)),
    Quantity("flow_rate", "L/min", -1e7, 1e7, typical=(0.001, 1e4)),
    Quantity("temperature", "degC", -100, 1_000, typical=(0.1, 130)),
    Quantity("pressure", "bar", -1, 1_000, typical=(0.001, 100)),
)

_QUANTITIES = {quantity.name: quantity for quantity in _TABLE}

_SUFFIX = re.compile(
    r"_(phase_(a|b|c|ab|bc|ca)|total|average|channel_\d+|tariff_\d+|l[123]|[123])$"
)

# Factor to the base unit of the same dimension, and that base unit.
_UNITS: dict[str, tuple[str, float]] = {
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
}


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


def unit_factor(unit: str, base: str) -> float | None:
    """What one `unit` is in `base` units: 1000.0 for kWh in Wh; None when they do not match."""
    if unit == base:
        return 1.0
    known = _UNITS.get(unit)
    if known is not None and known[0] == base:
        return known[1]
    return None
