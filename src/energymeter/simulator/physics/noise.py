"""Noise that is a function of (seed, meter, channel, tick) and of nothing else.

No random stream is drawn from, so meter 7 shows the same series alone and among ten thousand,
and a population that was stopped goes on from its clock alone. No sockets, no clock, no state
that matters: what the objects here remember is only a cache of values they could hash again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Floats", "Noise", "SmoothNoise", "Words64", "hash_normal", "hash_unit"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Words64 = NDArray[np.uint64]

_MASK = (1 << 64) - 1
# Constants of splitmix64: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators,
# 2014.
_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_ALL_16 = np.uint64(0xFFFF)
# A tick no lattice uses early; two-dimensional, because scalars warn when they wrap round.
_CONSTANT_TICK = np.array([[-1]], dtype=np.int64)
# Four 16-bit numbers added have this mean and this standard deviation.
_SUM_MEAN = 2.0 * 0xFFFF
_SUM_DEVIATION = math.sqrt((2.0**32 - 1) / 3.0)


def hash_unit(keys: Words64, ticks: NDArray[np.int64]) -> Floats:
    """Hash each key at its tick to a number evenly spread over 0 (included) to 1 (excluded).

    `ticks` may be negative and must broadcast to the shape of `keys`.
    """
    # 53 bits are what a float64 holds exactly, so that 1.0 itself can never come out.
    return (_hash(keys, ticks) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def hash_normal(keys: Words64, ticks: NDArray[np.int64]) -> Floats:
    """Hash each key at its tick to a bell-shaped number: mean 0, deviation 1, within +-3.47.

    The bound is wanted: limits of the physics can be proven instead of clipped.
    """
    bits = _hash(keys, ticks)
    total = bits & _ALL_16
    for shift in (16, 32, 48):
        total += (bits >> np.uint64(shift)) & _ALL_16
    return (total.astype(np.float64) - _SUM_MEAN) / _SUM_DEVIATION


class Noise:
    """The source of every seeded number of one population; channels are known by name."""

    def __init__(self, seed: int, size: int) -> None:
        """Take any integer as `seed` (its low 64 bits count) and 1 or more meters as `size`."""
        self.size = size
        self._seed = _mix_int(seed & _MASK)
        self._meters = (np.arange(1, size + 1, dtype=np.uint64)) * np.uint64(_GOLDEN)

    def keys(self, channel: str, rows: int) -> Words64:
        """Return the hash keys of a channel, shape (rows, size); rows are independent."""
        base = self._seed ^ _name_hash(channel)
        row_keys = [_mix_int(base + _GOLDEN * (row + 1)) for row in range(rows)]
        return _mix(np.array(row_keys, dtype=np.uint64)[:, np.newaxis] + self._meters)

    def uniform(self, channel: str, rows: int, low: float, high: float) -> Floats:
        """Return constants of each meter, shape (rows, size), even over `low` to `high`."""
        return low + (high - low) * hash_unit(self.keys(channel, rows), _CONSTANT_TICK)


class SmoothNoise:
    """Rows of noise that wander smoothly round zero and never leave +-3.47.

    Each row is a curve through one normal number per period, so it returns to its mean and has
    the same value at a given time whatever steps led there.
    """

    def __init__(self, noise: Noise, channel: str, periods_s: Sequence[float]) -> None:
        """Make one row per entry of `periods_s`: the seconds between two independent values."""
        self._keys = noise.keys(channel, len(periods_s))
        self._per_s = 1.0 / np.array(periods_s, dtype=np.float64)[:, np.newaxis]
        # Every meter turns at its own moment; with one common lattice a fleet would move in step.
        self._phase = hash_unit(self._keys, _CONSTANT_TICK)
        self._tick = np.full(self._keys.shape, np.nan)
        self._left = np.zeros(self._keys.shape)
        self._right = np.zeros(self._keys.shape)

    def at(self, clock_s: float) -> Floats:
        """Return the values at a time in seconds, shape (rows, size), as a fresh array."""
        position = clock_s * self._per_s + self._phase
        tick = np.floor(position)
        stale = np.flatnonzero(tick != self._tick)
        if stale.size:
            self._tick = tick
            ticks = tick.ravel()[stale].astype(np.int64)
            keys = self._keys.ravel()[stale]
            self._left.ravel()[stale] = hash_normal(keys, ticks)
            self._right.ravel()[stale] = hash_normal(keys, ticks + 1)
        position -= tick
        weight = position * position * (3.0 - 2.0 * position)
        return self._left + (self._right - self._left) * weight


def _hash(keys: Words64, ticks: NDArray[np.int64]) -> Words64:
    return _mix(keys + ticks.astype(np.uint64) * np.uint64(_GOLDEN))


def _mix(words: NDArray[Any]) -> Words64:
    """Scramble 64-bit words in place (finaliser of splitmix64) and return them."""
    words ^= words >> np.uint64(30)
    words *= np.uint64(_MIX_1)
    words ^= words >> np.uint64(27)
    words *= np.uint64(_MIX_2)
    words ^= words >> np.uint64(31)
    return words


def _mix_int(word: int) -> int:
    return int(_mix(np.array([word & _MASK], dtype=np.uint64))[0])


def _name_hash(name: str) -> int:
    """Hash a name alike in every process (FNV-1a); Python's own hash of text is salted."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & _MASK
    return value
