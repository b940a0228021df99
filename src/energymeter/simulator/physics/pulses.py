"""Things that switch on for a while: appliances, taps, faults of the grid.

Time is cut into slots, and in each slot at most one pulse happens, at a hashed moment, for a
hashed time, at a hashed level. Like the noise it is a function of time alone: no sockets, no
clock, nothing to save.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energymeter.simulator.physics.noise import Bools, Floats, Noise, hash_unit

__all__ = ["ALWAYS", "DAY_S", "Pulse", "PulseTrain"]

DAY_S = 86_400.0
HOUR_S = 3_600.0
ALWAYS = (1.0,) * 24

# Slots of different meters differ by this much, so that a fleet does not breathe in step.
_SLOT_LOW, _SLOT_HIGH = 0.85, 1.15
# One tick per slot and draw: does it happen, when, how long, how strong, which variant.
_DRAWS = 5


@dataclass(frozen=True, slots=True)
class Pulse:
    """How often, how long and how strong one thing is on."""

    slot_s: float
    """Seconds in which it happens at most once; a meter's own slots are up to 15 % off."""
    duration_s: tuple[float, float]
    """Shortest and longest time on; the longest must fit into the shortest slot."""
    level: tuple[float, float]
    """Lowest and highest level while on, in the unit of the caller."""
    chance: tuple[float, ...] = ALWAYS
    """Probability that it happens, for each of the 24 hours of the day, 0 to 1."""
    ramp_s: float = 0.0
    """Time to rise and to fall; 0 switches at once."""

    def __post_init__(self) -> None:
        if self.duration_s[1] > self.slot_s * _SLOT_LOW:
            message = (
                f"a pulse of {self.duration_s[1]:g} s does not fit into a slot of"
                f" {self.slot_s:g} s: use {self.duration_s[1] / _SLOT_LOW:.0f} s or more"
            )
            raise ValueError(message)


class PulseTrain:
    """Rows of pulses, one row per kind of pulse, one column per meter."""

    def __init__(self, noise: Noise, channel: str, pulses: Sequence[Pulse]) -> None:
        """Make one row for each entry of `pulses`."""
        rows = len(pulses)
        self._keys = noise.keys(channel, rows)
        self._slot_s = noise.uniform(f"{channel}/slot", rows, _SLOT_LOW, _SLOT_HIGH)
        self._slot_s *= _column([pulse.slot_s for pulse in pulses])
        self._phase = noise.uniform(f"{channel}/phase", rows, 0.0, 1.0)
        self._shortest_s = [pulse.duration_s[0] for pulse in pulses]
        self._longest_s = [pulse.duration_s[1] for pulse in pulses]
        self._lowest = [pulse.level[0] for pulse in pulses]
        self._highest = [pulse.level[1] for pulse in pulses]
        self._chance = np.array([pulse.chance for pulse in pulses])
        self._ramp_s = _column([pulse.ramp_s for pulse in pulses])
        shape = self._keys.shape
        self._tick = np.full(shape, np.nan)
        self._start_s, self._end_s = np.zeros(shape), np.zeros(shape)
        self._level, self._variant = np.zeros(shape), np.zeros(shape)

    def at(self, clock_s: float) -> Floats:
        """Return the levels at a time in seconds, shape (rows, size); 0 where nothing is on."""
        position = clock_s / self._slot_s + self._phase
        tick = np.floor(position)
        stale = np.flatnonzero(tick != self._tick)
        if stale.size:
            self._tick = tick
            self._draw(stale)
        age_s = (position - tick) * self._slot_s
        is_on: Bools = (age_s >= self._start_s) & (age_s < self._end_s)
        if not self._ramp_s.any():
            return np.where(is_on, self._level, 0.0)
        from_edge_s = np.minimum(age_s - self._start_s, self._end_s - age_s)
        ramp = np.minimum(from_edge_s / np.maximum(self._ramp_s, 1e-9), 1.0)
        return np.where(is_on, self._level * ramp, 0.0)

    @property
    def variant(self) -> Floats:
        """A further number of the pulse of the present slot, 0 to 1, shape (rows, size)."""
        return self._variant

    def _draw(self, stale: NDArray[np.intp]) -> None:
        """Draw the pulses of the slots that some meters have just entered."""
        row = stale // self._keys.shape[1]
        keys = self._keys.ravel()[stale]
        tick = self._tick.ravel()[stale]
        first = tick.astype(np.int64) * _DRAWS
        happens, when, how_long, how_strong, variant = (
            hash_unit(keys, first + draw) for draw in range(_DRAWS)
        )
        slot_s = self._slot_s.ravel()[stale]
        duration_s = _between(self._shortest_s, self._longest_s, row, how_long)
        start_s = when * (slot_s - duration_s)
        # The hour at which the pulse would begin decides, not the hour of the slot: slots can be
        # as long as a day.
        begin_s = (tick - self._phase.ravel()[stale]) * slot_s + start_s
        hour = ((begin_s % DAY_S) // HOUR_S).astype(np.intp) % 24
        lasts = happens < self._chance[row, hour]
        self._start_s.ravel()[stale] = start_s
        self._end_s.ravel()[stale] = np.where(lasts, start_s + duration_s, start_s)
        self._level.ravel()[stale] = _between(self._lowest, self._highest, row, how_strong)
        self._variant.ravel()[stale] = variant


def _between(
    low: Sequence[float], high: Sequence[float], row: NDArray[np.intp], share: Floats
) -> Floats:
    lows: Floats = np.array(low)[row]
    highs: Floats = np.array(high)[row]
    return lows + (highs - lows) * share


def _column(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)[:, np.newaxis]
