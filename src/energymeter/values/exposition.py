"""What a value is called in Prometheus: base units, plural, behind the quantity's own name.

Names follow https://prometheus.io/docs/practices/naming/. Energy is told in joules and not in
watt-hours; docs/decisions/0020-prometheus-units.md says why.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

from energymeter.values.quantities import base_of

__all__ = ["prometheus_name"]

_WORDS: Final[dict[str, tuple[str, float]]] = {
    "V": ("volts", 1.0),
    "A": ("amperes", 1.0),
    "W": ("watts", 1.0),
    "var": ("vars", 1.0),
    "VA": ("volt_amperes", 1.0),
    "Wh": ("joules", 3600.0),
    "varh": ("var_seconds", 3600.0),
    "VAh": ("volt_ampere_seconds", 3600.0),
    "Hz": ("hertz", 1.0),
    "deg": ("degrees", 1.0),
    "degC": ("celsius", 1.0),
    "K": ("kelvin", 1.0),
    "bar": ("pascals", 1e5),
    "m3": ("cubic_meters", 1.0),
    "L/min": ("cubic_meters_per_second", 1 / 60_000),
    "m/s": ("meters_per_second", 1.0),
    "s": ("seconds", 1.0),
}
"""By the base unit of the table of quantities: the word at the end, and what one of it is."""

_RESERVED: Final = ("_total", "_count", "_sum", "_bucket", "_info", "_created")
"""Endings that mean something else to Prometheus than to a meter."""


@lru_cache(maxsize=4096)
def prometheus_name(name: str, unit: str, is_counter: bool) -> tuple[str, float]:
    """The metric of a value, and what a number in `unit` is multiplied by for it.

    Values of one name have one metric, whether meters tell them in Wh, kWh or GJ. A unit that
    nobody knows stands behind the name as it is.

    Args:
        name: The point's name, such as `active_energy_import`.
        unit: Its unit as the profile has it; empty for a plain number.
        is_counter: Whether it only grows; then the metric ends in `_total`.

    Returns:
        Such as `("energymeter_active_energy_import_joules_total", 3600000.0)` for kWh.
    """
    word, factor = _word(name, unit)
    metric = f"energymeter_{_plain(name)}"
    if word and not metric.endswith(f"_{word}"):
        metric = f"{metric}_{word}"
    if is_counter:
        return f"{metric}_total", factor
    return (f"{metric}_value" if metric.endswith(_RESERVED) else metric), factor


def _word(name: str, unit: str) -> tuple[str, float]:
    if unit == "%":
        return "ratio", 0.01
    base, to_base = base_of(unit)
    if not base:
        return ("ratio" if name.startswith("power_factor") else ""), to_base
    word, to_word = _WORDS.get(base, ("", 1.0))
    if not word:
        return _plain(unit), 1.0
    return word, _whole(to_base * to_word)


def _whole(factor: float) -> float:
    # A gigajoule is 1e9 joules, also by way of watt-hours, which have no finite number for it.
    nearest = float(round(factor))
    return nearest if math.isclose(factor, nearest, rel_tol=1e-12) else factor


def _plain(text: str) -> str:
    """Only what a metric's name may hold."""
    return re.sub(r"_+", "_", re.sub(r"[^a-z0-9_]", "_", text.lower())).strip("_")
