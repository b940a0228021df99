"""Energy counters: what powers add up to. No sockets, no clock.

Between two instants power is taken as a straight line, so a step of any length adds the area of
a trapezoid, and import minus export is exactly the integral of the signed power.

What is shown are whole quanta, a power of two of a Wh, as a real meter counts pulses: phases,
tariffs and directions then add up to their totals exactly, in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from energymeter.simulator.physics.load import PHASES
from energymeter.simulator.physics.noise import Floats, Noise
from energymeter.simulator.physics.published import frozen
from energymeter.simulator.physics.state import check_index, read_array
from energymeter.simulator.physics.tariff import TARIFFS_IN_USE, tariff_weights

__all__ = ["DIRECTIONS", "EnergyCounters", "EnergyRecord"]

HOUR_S = 3600.0
# In Wh, varh, VAh. Sums stay exact up to 2 GWh.
_QUANTA_PER_WH = 2.0**22

# The order of the counters, in Wh, varh and VAh.
DIRECTIONS = (
    "active_energy_import",
    "active_energy_export",
    "reactive_energy_import",
    "reactive_energy_export",
    "apparent_energy_import",
    "apparent_energy_export",
)

# Counters of a meter some years old: Wh of a phase, var and VA hours as shares of them.
_AGED_WH = (4.0e5, 1.2e7)
_AGED_REACTIVE, _AGED_APPARENT = 0.30, 1.05
_AGED_EXPORT = (0.2, 0.6)
# How much of the import was counted in tariff 1; the sun only shines there.
_AGED_DAY = (0.62, 0.78)
# How much had been counted when the partial counters were last reset.
_AGED_PARTIAL = (0.3, 0.9)


class EnergyRecord(NamedTuple):
    """The counters of one moment; none of the arrays is ever written into."""

    by_tariff: tuple[Floats, ...]
    """One array of shape (6, 3, size) for each tariff in use: directions, phases, meters."""
    erased: Floats
    """What resets have taken away, whole quanta, shape (6, 3, size)."""
    before_partial: Floats
    """What the partial counters do not show, whole quanta, shape (6, 3, size)."""

    def shown(self, tariff: int, direction: int) -> Floats:
        """Return the phases of one tariff in use and direction in whole quanta."""
        counted = self.by_tariff[TARIFFS_IN_USE.index(tariff)][direction]
        return np.asarray(_whole_quanta(counted))


class EnergyCounters:
    """Six counters of each phase and tariff; they never fall unless reset."""

    def __init__(
        self, noise: Noise, *, phases: int = PHASES, start_at_zero: bool, has_export: bool
    ) -> None:
        """Start at zero, or at seeded amounts in which the sums already fit together."""
        shape = (len(DIRECTIONS), PHASES, noise.size)
        day, night, partial = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        if not start_at_zero:
            imported = noise.uniform("energy/import", PHASES, *_AGED_WH)
            imported[phases:] = 0.0
            for row, share in ((0, 1.0), (2, _AGED_REACTIVE), (4, _AGED_APPARENT)):
                day[row] = imported * share
            day_share = noise.uniform("energy/day", PHASES, *_AGED_DAY)
            night = day * (1.0 - day_share)
            day -= night
            if has_export:
                day[1] = imported * noise.uniform("energy/export", 1, *_AGED_EXPORT)
                day[5] = day[1]
            partial = (day + night) * noise.uniform("energy/partial", 1, *_AGED_PARTIAL)
        self._seeded_partial = _whole_quanta(partial)
        self.record = EnergyRecord(
            (frozen(day), frozen(night)), frozen(np.zeros(shape)), frozen(self._seeded_partial)
        )
        """The counters now; replaced by every step."""
        self._resets: frozenset[int] = frozenset()

    def add(self, before: Floats, after: Floats, end_s: float, dt_s: float) -> None:
        """Add a step of `dt_s` seconds that ends at `end_s`, between two sets of `rates`."""
        by_tariff = list(self.record.by_tariff)
        for tariff, (before_s, after_s) in tariff_weights(end_s - dt_s, end_s, dt_s).items():
            row = TARIFFS_IN_USE.index(tariff)
            if before_s == after_s:
                added = (before + after) * (before_s / HOUR_S)
            else:
                added = before * (before_s / HOUR_S) + after * (after_s / HOUR_S)
            added += by_tariff[row]
            by_tariff[row] = frozen(added)
        self.record = self.record._replace(by_tariff=tuple(by_tariff))

    def reset(self, index: int) -> None:
        """Set the counters of one meter to zero; what it had counted stays in `erased`."""
        erased, partial = self.record.erased.copy(), self.record.before_partial.copy()
        partial[:, :, index] = 0.0
        by_tariff = []
        for counted in self.record.by_tariff:
            erased[:, :, index] += _whole_quanta(counted[:, :, index])
            cleared = counted.copy()
            cleared[:, :, index] = 0.0
            by_tariff.append(frozen(cleared))
        self.record = EnergyRecord(tuple(by_tariff), frozen(erased), frozen(partial))
        self._resets |= {index}

    def state(self) -> dict[str, Any]:
        """Return what `parse` reads; few meters are ever reset, so only those are listed."""
        erased = self.record.erased
        return {
            "counters": [counted.tolist() for counted in self.record.by_tariff],
            "erased": {str(index): erased[:, :, index].tolist() for index in sorted(self._resets)},
        }

    def parse(self, state: Mapping[str, Any]) -> tuple[EnergyRecord, frozenset[int]]:
        """Check a saved state for `restore`; raises `ValueError` if unusable."""
        shape = self.record.erased.shape
        counters = read_array(state, "counters", (len(TARIFFS_IN_USE), *shape), lowest=0.0)
        erased, partial = np.zeros(shape), self._seeded_partial.copy()
        resets = _saved_resets(state, shape[-1])
        for index, amounts in resets.items():
            erased[:, :, index] = read_array({"erased": amounts}, "erased", shape[:-1], lowest=0.0)
            partial[:, :, index] = 0.0
        record = EnergyRecord(tuple(map(frozen, counters)), frozen(erased), frozen(partial))
        return record, frozenset(resets)

    def restore(self, parsed: tuple[EnergyRecord, frozenset[int]]) -> None:
        """Go on from what `parse` returned."""
        self.record, self._resets = parsed

    @staticmethod
    def rates(active_w: Floats, reactive_var: Floats, apparent_va: Floats) -> Floats:
        """Sort the powers of the phases into the six directions, shape (6, 3, size)."""
        rates = np.empty((len(DIRECTIONS), *active_w.shape))
        np.maximum(active_w, 0.0, out=rates[0])
        np.maximum(-active_w, 0.0, out=rates[1])
        np.maximum(reactive_var, 0.0, out=rates[2])
        np.maximum(-reactive_var, 0.0, out=rates[3])
        # Apparent power has no sign of its own: it counts where the active power flows.
        rates[4] = np.where(active_w >= 0, apparent_va, 0.0)
        rates[5] = apparent_va - rates[4]
        return rates


def _whole_quanta(counted: Floats) -> Floats:
    whole: Floats = np.floor(counted * _QUANTA_PER_WH) / _QUANTA_PER_WH
    return whole


def _saved_resets(state: Mapping[str, Any], size: int) -> dict[int, Any]:
    """Return what resets erased by meter, unread; raises `ValueError` for unknown meters."""
    try:
        resets = {int(key): amounts for key, amounts in dict(state["erased"]).items()}
        for index in resets:
            check_index(index, size)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        message = f"saved state has no usable erased: {error}"
        raise ValueError(message) from error
    return resets
