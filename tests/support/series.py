"""The quantities of a physics over time, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energymeter.simulator.physics import Physics

__all__ = ["Series", "record"]


class Series(Mapping[str, NDArray[Any]]):
    """Name -> array (moments, size); a quantity is computed when it is asked for."""

    def __init__(self, moments: list[Mapping[str, NDArray[Any]]]) -> None:
        self._moments = moments
        self._made: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._made:
            self._made[name] = np.array([moment[name] for moment in self._moments])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._moments[0])

    def __len__(self) -> int:
        return len(self._moments[0])


def record(physics: Physics, steps_s: Iterable[float]) -> Series:
    """Step, and keep every moment, the one before the first step first."""
    moments = [physics.quantities()]
    for dt_s in steps_s:
        physics.step(dt_s)
        moments.append(physics.quantities())
    return Series(moments)
