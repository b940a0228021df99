"""The grid at the meter's terminals: wandering voltage and frequency, sags, swells, outages.

Pure functions of time (no sockets, no clock); the only state is which condition is forced.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from energymeter.simulator.physics.load import PHASES
from energymeter.simulator.physics.noise import Bools, Floats, Noise, SmoothNoise
from energymeter.simulator.physics.options import PhysicsOptions
from energymeter.simulator.physics.pulses import Pulse, PulseTrain
from energymeter.simulator.physics.state import check_index

__all__ = ["OVER_VOLTAGE_SHARE", "UNDER_VOLTAGE_SHARE", "Condition", "Grid"]

Condition = Literal["over_voltage", "under_voltage", "power_outage"]

OVER_VOLTAGE_SHARE = 1.1
UNDER_VOLTAGE_SHARE = 0.9

# Voltage without load, as shares of nominal. The mean is above 1 as behind a real transformer.
# Slow rows: the whole meter, then each phase. Extremes: 1 +- 0.035, far from both thresholds.
_MEAN = 1.010
_METER_WANDER, _PHASE_WANDER = 0.0040, 0.0022
_FLICKER, _GRAIN = 0.0006, 0.0003

# Load drop at the reference load, as a share of nominal; times the spread below it stays under
# 3.2 %, so a swell of 1.14 cannot sink under 1.1 nor a sag of 0.86 rise over 0.9 by feed-in.
_DROP = 0.020
_REFERENCE_VA = 6000.0
_X_PER_R = 0.3
_SWELL, _SAG = (1.14, 1.20), (0.70, 0.86)
_FORCED_LEVELS: dict[Condition, float] = {
    "over_voltage": 1.16,
    "under_voltage": 0.82,
    "power_outage": 0.0,
}
_EVENT_S = (5.0, 30.0)
_OUTAGE_S = (30.0, 600.0)
# Place of the outage in `_event_pulses`.
_OUTAGE = 2

# Frequency, in Hz: one wander for the whole synchronous grid, and the grain of each meter.
_FREQUENCY_WANDER = ((600.0, 0.016), (90.0, 0.009), (10.0, 0.003))
_FREQUENCY_GRAIN = 0.001
_FREQUENCY_LIMIT = 0.1


class Grid:
    """Voltage and frequency in front of every meter of a population."""

    def __init__(self, noise: Noise, seed: int, options: PhysicsOptions) -> None:
        """Draw the grids; `seed` is the one `noise` was made with."""
        self.nominal_v = options.nominal_voltage_v
        self.nominal_hz = options.nominal_frequency_hz
        self._slow = SmoothNoise(noise, "grid/slow", [1800.0] + [600.0] * PHASES)
        self._fast = SmoothNoise(noise, "grid/fast", [8.0] * PHASES + [1.0] * PHASES)
        # A frequency belongs to the grid and not to a meter, hence a source of size 1.
        self._common = SmoothNoise(
            Noise(seed, 1), "grid/frequency", [period for period, _ in _FREQUENCY_WANDER]
        )
        self._grain = SmoothNoise(noise, "grid/frequency_grain", [1.0])
        # Bigger roofs come with thicker cables, otherwise their voltage would run away.
        reference_va = max(_REFERENCE_VA, options.solar_w / PHASES)
        spread = noise.uniform("grid/impedance", PHASES, 0.6, 1.25)
        self._ohm = spread * (_DROP * self.nominal_v**2 / reference_va)
        self._events = [
            (event, PulseTrain(noise, f"grid/event_{event}", [pulse]))
            for event, pulse in enumerate(_event_pulses(options))
            if pulse is not None
        ]
        self._forced: dict[int, Condition] = {}
        self._forced_indexes: NDArray[np.intp] = np.array([], dtype=np.intp)
        self._forced_levels: Floats = np.array([])
        self._size = noise.size

    def open_voltage(self, clock_s: float) -> Floats:
        """Return the voltage without load in V, shape (3, size); 0 on all phases in an outage."""
        slow, fast = self._slow.at(clock_s), self._fast.at(clock_s)
        share = _MEAN + _METER_WANDER * slow[0] + _PHASE_WANDER * slow[1:]
        grain = 1.0 + _FLICKER * fast[:PHASES] + _GRAIN * fast[PHASES:]
        for event, train in self._events:
            self._apply_event(share, train, clock_s, is_outage=event == _OUTAGE)
        if self._forced_indexes.size:
            share[:, self._forced_indexes] = self._forced_levels
        open_v: Floats = self.nominal_v * share * grain
        return open_v

    def terminal_voltage(self, open_v: Floats, active_w: Floats, reactive_var: Floats) -> Floats:
        """Return the voltage under load: less R and X times the current, shape (3, size).

        Powers are those drawn at the terminals. The drop depends on the voltage it leaves, hence
        the root of U^2 - U0 U + (R P + X Q) = 0.
        """
        burden = self._ohm * (active_w + _X_PER_R * reactive_var)
        return 0.5 * (open_v + np.sqrt(open_v * open_v - 4.0 * burden))

    def frequency(self, clock_s: float, outage: Bools) -> Floats:
        """Return the frequency in Hz, shape (size,); 0 where `outage`."""
        shares = [share for _, share in _FREQUENCY_WANDER]
        rows = zip(self._common.at(clock_s)[:, 0], shares, strict=True)
        common = sum(float(value) * share for value, share in rows)
        deviation = common + _FREQUENCY_GRAIN * self._grain.at(clock_s)[0]
        deviation = np.clip(deviation, -_FREQUENCY_LIMIT, _FREQUENCY_LIMIT)
        return np.where(outage, 0.0, self.nominal_hz + deviation)

    def force(self, index: int, condition: Condition | None) -> None:
        """Hold one meter in a condition on all phases; None gives it back to chance.

        Raises:
            IndexError: There is no such meter.
            ValueError: There is no such condition.
        """
        check_index(index, self._size)
        self._set_forced(_with(self._forced, index, condition))

    def forced(self) -> dict[str, str]:
        """Return the forced conditions by meter, ready for JSON."""
        return {str(index): condition for index, condition in self._forced.items()}

    def parse_forced(self, saved: Mapping[str, Condition]) -> dict[int, Condition]:
        """Read back what `forced` returned; raises `ValueError` for anything else."""
        forced: dict[int, Condition] = {}
        try:
            for index, condition in dict(saved).items():
                check_index(int(index), self._size)
                forced = _with(forced, int(index), condition)
        except (IndexError, TypeError, ValueError, AttributeError) as error:
            message = f"saved state has no usable list of forced conditions: {error}"
            raise ValueError(message) from error
        return forced

    def restore_forced(self, forced: Mapping[int, Condition]) -> None:
        """Replace all forced conditions by these."""
        self._set_forced(dict(forced))

    def _set_forced(self, forced: dict[int, Condition]) -> None:
        self._forced = forced
        self._forced_indexes = np.array(list(forced), dtype=np.intp)
        self._forced_levels = np.array([_FORCED_LEVELS[name] for name in forced.values()])

    def _apply_event(
        self, share: Floats, train: PulseTrain, clock_s: float, *, is_outage: bool
    ) -> None:
        """Write the voltage of the meters that are in this event now into `share`."""
        level = train.at(clock_s)[0]
        (hit,) = np.nonzero(level)
        if not hit.size:
            return
        if is_outage:
            share[:, hit] = 0.0
            return
        # Half of the events hit all phases, the others one.
        variant = train.variant[0, hit]
        only = np.floor((variant - 0.5) * 2.0 * PHASES)
        for phase in range(PHASES):
            columns = hit[(only < 0) | (only == phase)]
            share[phase, columns] = level[columns]


def _event_pulses(options: PhysicsOptions) -> tuple[Pulse | None, Pulse | None, Pulse | None]:
    """Return swell, sag and outage: the later one wins where two meet."""
    if not options.events:
        return None, None, None
    swell_s, sag_s = options.swell_interval_s, options.sag_interval_s
    outage_s = options.outage_interval_s
    return (
        None if swell_s is None else Pulse(swell_s, _EVENT_S, _SWELL),
        None if sag_s is None else Pulse(sag_s, _EVENT_S, _SAG),
        None if outage_s is None else Pulse(outage_s, _OUTAGE_S, (1.0, 1.0)),
    )


def _with(
    forced: Mapping[int, Condition], index: int, condition: Condition | None
) -> dict[int, Condition]:
    """Return `forced` with one meter changed; the input stays as it is."""
    changed = {meter: name for meter, name in forced.items() if meter != index}
    if condition is None:
        return changed
    if condition not in get_args(Condition):
        message = f"there is no condition {condition!r}: use one of {', '.join(_FORCED_LEVELS)}"
        raise ValueError(message)
    return {**changed, index: condition}
