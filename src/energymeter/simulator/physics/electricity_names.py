"""Which quantities an electricity meter has, by canonical name, and how each is made.

Conventions, beside those of `moment`:

- Totals of directed powers are the sums of the directed phases, so that their integrals are the
  totals of the counters.
- Delivered is what the grid delivers to the site (import), received what it gets back (export).
- A reset zeroes the totals, the partial and the resettable counters, not the nonresettable ones.
  Until a first reset partial and resettable counters show less than the totals: the meter's
  former life had one of its own.
- Channels 1 to 3 are the phases a to c, channels 4 to 6 are the same once more; a trailing _1 or
  _2 is the first or second of two meters in one unit, which measure the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from energymeter.simulator.physics.energy import DIRECTIONS
from energymeter.simulator.physics.extras import MEDIA
from energymeter.simulator.physics.load import PHASES
from energymeter.simulator.physics.moment import Moment
from energymeter.simulator.physics.noise import Floats
from energymeter.simulator.physics.published import PHASE_NAMES, Recipe, by_row
from energymeter.simulator.physics.tariff import TARIFFS, active_tariff

__all__ = ["RECIPES"]

_Block = Callable[[Moment], NDArray[Any]]
_Recipes = dict[str, Recipe[Moment]]
_View = Callable[[Moment, int], Floats]
"""The counters of a direction as some register shows them, shape (3, size)."""

_LINES = ("ab", "bc", "ca")
_POWERS = ("active", "reactive", "apparent")
_CHANNELS = 6
_ALIASES = {"delivered": "import", "received": "export"}
_ON_CHANNELS = (
    "voltage",
    "current",
    "active_power",
    "reactive_power",
    "apparent_power",
    "power_factor",
    *DIRECTIONS,
    "active_energy",
    "reactive_energy",
    "apparent_energy",
)


def _phases(name: str, block: _Block) -> _Recipes:
    return {f"{name}_phase_{phase}": by_row(block, row) for row, phase in enumerate(PHASE_NAMES)}


def _lines(name: str, block: _Block) -> _Recipes:
    return {f"{name}_phase_{line}": by_row(block, row) for row, line in enumerate(_LINES)}


def _sum(block: _Block) -> Recipe[Moment]:
    return lambda moment: block(moment).sum(axis=0)


def _mean(block: _Block) -> Recipe[Moment]:
    return lambda moment: block(moment).sum(axis=0) / PHASES


def _power_recipes() -> _Recipes:
    recipes: _Recipes = {
        **_phases("active_power", lambda moment: moment.powers.active_w),
        **_phases("reactive_power", lambda moment: moment.powers.reactive_var),
        **_phases("apparent_power", lambda moment: moment.powers.apparent_va),
        **_phases("power_factor", lambda moment: moment.power_factor),
        **_phases("phase_angle", lambda moment: moment.phase_angle),
        **_phases("active_power_import", lambda moment: moment.import_power),
        **_phases("active_power_export", lambda moment: moment.export_power),
        "active_power_import_total": _sum(lambda moment: moment.import_power),
        "active_power_export_total": _sum(lambda moment: moment.export_power),
        "power_factor_total": lambda moment: moment.total_power_factor,
        "phase_angle_total": lambda moment: moment.total_angle,
    }
    for row, name in enumerate(_POWERS):
        recipes[f"{name}_power_total"] = by_row(lambda moment: moment.powers.totals, row)
        recipes[f"demand_{name}_power_total"] = by_row(lambda moment: moment.demand, row)
        recipes[f"max_demand_{name}_power_total"] = by_row(lambda moment: moment.max_demand, row)
    return recipes


def _current_recipes() -> _Recipes:
    return {
        **_phases("current", lambda moment: moment.current),
        "current_total": _sum(lambda moment: moment.current),
        "current_average": _mean(lambda moment: moment.current),
        "current_neutral": lambda moment: moment.neutral_current,
        "current_ground": lambda moment: moment.extras.ground_current(
            moment.clock_s, moment.powers.voltage_v
        ),
        **_phases("thd_current", lambda moment: moment.current_distortion),
        "thd_current_average": _mean(lambda moment: moment.current_distortion),
    }


def _voltage_recipes() -> _Recipes:
    return {
        **_phases("voltage", lambda moment: moment.powers.voltage_v),
        **_lines("voltage", lambda moment: moment.line_voltage),
        "voltage_average": _mean(lambda moment: moment.powers.voltage_v),
        "voltage_ll_average": _mean(lambda moment: moment.line_voltage),
        "voltage_pen": lambda moment: moment.extras.pen_voltage(moment.neutral_current),
        **_phases("thd_voltage", lambda moment: moment.voltage_distortion),
        **_lines("thd_voltage", lambda moment: moment.line_distortion),
        "thd_voltage_average": _mean(lambda moment: moment.voltage_distortion),
        "angle_voltage_ab": lambda moment: moment.voltage_angle(1, -120.0),
        "angle_voltage_ac": lambda moment: moment.voltage_angle(2, 120.0),
        "frequency": lambda moment: moment.frequency(),
        "frequency_nominal": lambda moment: moment.constant(moment.grid.nominal_hz),
        # Codes of the meters that have them: 0 (of 0 and -1), and 1 (of 1, 0 and -1), are right.
        "phase_sequence": lambda moment: moment.constant(0.0),
        "rotation_field": lambda moment: moment.constant(1.0),
    }


def _shown(tariff: int | None) -> _View:
    return lambda moment, direction: moment.energy(direction, tariff)


def _kept(moment: Moment, direction: int) -> Floats:
    kept: Floats = moment.energy(direction) + moment.record.erased[direction]
    return kept


def _partial(moment: Moment, direction: int) -> Floats:
    partial: Floats = moment.energy(direction) - moment.record.before_partial[direction]
    return partial


_SINCE_RESET: tuple[tuple[_View, str, tuple[str, ...]], ...] = (
    (_partial, "partial", DIRECTIONS[:4]),
    (_partial, "resettable", (*DIRECTIONS[:2], "active_energy_total")),
    (_kept, "nonresettable", (*DIRECTIONS[:2], "active_energy_net")),
)


def _part(view: _View, direction: int, part: str) -> _Block:
    """Combine an import (at `direction`) and the export after it as `part` says."""
    if part == "import":
        return lambda moment: view(moment, direction)
    if part == "export":
        return lambda moment: view(moment, direction + 1)
    if part == "net":
        return lambda moment: view(moment, direction) - view(moment, direction + 1)
    return lambda moment: view(moment, direction) + view(moment, direction + 1)


def _energy_recipes() -> _Recipes:
    recipes: _Recipes = {}
    for row, power in enumerate(_POWERS):
        for part in ("import", "export", "total"):
            name = f"{power}_energy_{part}"
            whole = _part(_shown(None), 2 * row, part)
            recipes |= _phases(name.removesuffix("_total"), whole)
            recipes[name if part == "total" else f"{name}_total"] = _sum(whole)
            for tariff in TARIFFS:
                recipes[f"{name}_tariff_{tariff}"] = _sum(_part(_shown(tariff), 2 * row, part))
    net = _part(_shown(None), 0, "net")
    recipes |= {**_phases("active_energy_net", net), "active_energy_net_total": _sum(net)}
    for view, suffix, names in _SINCE_RESET:
        for name in names:
            stem, _, part = name.rpartition("_")
            row = _POWERS.index(stem.removesuffix("_energy"))
            recipes[f"{name}_{suffix}"] = _sum(_part(view, 2 * row, part))
    return recipes


def _other_recipes() -> _Recipes:
    return {
        "active_tariff": lambda moment: moment.constant(active_tariff(moment.clock_s)),
        "temperature": lambda moment: moment.extras.temperature(moment.clock_s),
        "supply_voltage": lambda moment: moment.extras.supply_voltage(moment.clock_s),
        "battery_power": lambda moment: moment.constant(0.0),
        "battery_soc": lambda moment: moment.extras.battery_charge(moment.clock_s),
        "power_failures": lambda moment: moment.failures,
        "power_outage": lambda moment: moment.powers.outage,
        "over_voltage": lambda moment: moment.over_voltage,
        "under_voltage": lambda moment: moment.under_voltage,
        "no_alarms": lambda moment: (
            ~(moment.powers.outage | moment.over_voltage | moment.under_voltage)
        ),
        "online": lambda moment: moment.constant(1.0) > 0,
        **{name: _medium(name) for name in MEDIA},
    }


def _medium(name: str) -> Recipe[Moment]:
    return lambda moment: moment.extras.medium(name, moment.clock_s)


def _with_aliases(recipes: _Recipes) -> _Recipes:
    """Add the second names: channels, both meters of a unit, other words for a direction."""
    second: _Recipes = {}
    for name in _ON_CHANNELS:
        for channel in range(_CHANNELS):
            phase = PHASE_NAMES[channel % PHASES]
            second[f"{name}_channel_{channel + 1}"] = recipes[f"{name}_phase_{phase}"]
    for meter in (1, 2):
        second[f"frequency_{meter}"] = recipes["frequency"]
        for power in _POWERS:
            second[f"{power}_power_total_{meter}"] = recipes[f"{power}_power_total"]
        second[f"power_factor_total_{meter}"] = recipes["power_factor_total"]
        for direction in DIRECTIONS:
            second[f"{direction}_{meter}"] = recipes[f"{direction}_total"]
    for power in _POWERS[:2]:
        for alias, direction in _ALIASES.items():
            second[f"{power}_energy_{alias}"] = recipes[f"{power}_energy_{direction}_total"]
    for power in _POWERS:
        for phase in PHASE_NAMES:
            both = recipes[f"{power}_energy_phase_{phase}"]
            second[f"{power}_energy_total_phase_{phase}"] = both
    return {**recipes, **second}


RECIPES: Mapping[str, Recipe[Moment]] = _with_aliases(
    {
        **_power_recipes(),
        **_current_recipes(),
        **_voltage_recipes(),
        **_energy_recipes(),
        **_other_recipes(),
    }
)
"""Canonical name -> how to make it of a moment."""
