"""Which two values stand for a meter among many: what it measures now, and what it counted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from energymeter.tui.source import Figure
from energymeter.values.quantities import base_of

__all__ = ["COUNTED", "MEASURED", "comparable", "leading", "worst_quality"]

MEASURED: Final = (
    "active_power_total",
    "active_power",
    "active_power_import_total",
    "active_power_total_1",
    "heat_power",
    "flow_rate",
    "flow_rate_volumetric",
    "active_power_phase_a",
    "active_power_channel_1",
    "active_power_export_total",
    "flow_rate_percent",
    "current_phase_a",
    "voltage_phase_a",
)
"""What a meter measures now, the most telling first."""

COUNTED: Final = (
    "active_energy_import_total",
    "active_energy_import",
    "active_energy_total",
    "active_energy",
    "active_energy_delivered",
    "active_energy_import_tariff_1",
    "heat_energy",
    "heat_energy_total",
    "volume_total",
    "volume",
    "gas_volume",
    "active_energy_import_phase_a",
)
"""What it has counted, likewise."""

_WORST: Final = ("not_read", "withheld", "out_of_range", "not_available", "stale", "good")


def leading(names: Iterable[str], wanted: Iterable[str]) -> str | None:
    """The first of `wanted` that there is; None: none."""
    known = set(names)
    return next((name for name in wanted if name in known), None)


def comparable(value: object, unit: str) -> float | None:
    """A value in the base unit of its dimension; None when it is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value * base_of(unit)[1]


def worst_quality(figures: Iterable[Figure | None]) -> str:
    """The least trustworthy quality of these; empty when there are none."""
    ranks: Mapping[str, int] = {name: rank for rank, name in enumerate(_WORST)}
    qualities = [figure.quality for figure in figures if figure is not None]
    return min(qualities, key=lambda quality: ranks.get(quality, 0), default="")
