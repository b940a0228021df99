"""Saved states of populations: read back with care, and the checks every population shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from energymeter.simulator.physics.noise import Floats

__all__ = [
    "check_header",
    "check_index",
    "check_size",
    "check_step",
    "header",
    "read_array",
    "read_clock",
]

STATE_VERSION = 2


def header(kind: str, size: int, clock_s: float) -> dict[str, Any]:
    """Return the part every saved state begins with."""
    return {"kind": kind, "version": STATE_VERSION, "size": size, "clock_s": clock_s}


def check_header(state: Mapping[str, Any], kind: str, size: int) -> None:
    """Refuse a state of another kind, version or size with a `ValueError`."""
    expected = {"kind": kind, "version": STATE_VERSION, "size": size}
    for key, wanted in expected.items():
        if state.get(key) != wanted:
            message = f"saved state has {key} {state.get(key)!r}, this population has {wanted!r}"
            raise ValueError(message)


def read_clock(state: Mapping[str, Any]) -> float:
    """Return the saved time in seconds, or raise `ValueError`."""
    clock_s = state.get("clock_s")
    if not isinstance(clock_s, int | float) or not math.isfinite(clock_s):
        message = f"saved state has no usable clock_s: {clock_s!r}"
        raise ValueError(message)
    return float(clock_s)


def read_array(
    state: Mapping[str, Any], key: str, shape: tuple[int, ...], *, lowest: float = -math.inf
) -> Floats:
    """Return a saved array as float64.

    Raises:
        ValueError: It is not of this shape, or has numbers that are not finite or below `lowest`.
    """
    try:
        array = np.array(state[key], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        message = f"saved state has no usable {key}"
        raise ValueError(message) from error
    if array.shape != shape:
        message = f"saved state has {key} of shape {array.shape}, expected {shape}"
        raise ValueError(message)
    if not np.isfinite(array).all():
        message = f"saved state has numbers in {key} that are not finite"
        raise ValueError(message)
    if (array < lowest).any():
        message = f"saved state has numbers in {key} below {lowest:g}"
        raise ValueError(message)
    return array


def check_size(size: int) -> None:
    """Raise `ValueError` unless a population can have this many meters."""
    if size < 1:
        message = f"a population has 1 meter or more, not {size}"
        raise ValueError(message)


def check_step(dt_s: float) -> None:
    """Raise `ValueError` unless time can advance by `dt_s`."""
    if not (math.isfinite(dt_s) and dt_s > 0):
        message = f"time advances by more than 0 s, not by {dt_s}"
        raise ValueError(message)


def check_index(index: int, size: int) -> None:
    """Raise `IndexError` unless `index` is a meter; -1 is not the last one."""
    if not 0 <= index < size:
        message = f"there is no meter {index} in a population of {size}"
        raise IndexError(message)
