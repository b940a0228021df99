"""What reading a meter gives: values with their quality, in one report a poll."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from energymeter.errors import MeterError
from energymeter.planner import Block
from energymeter.profiles import Point

__all__ = ["Failure", "Quality", "ReadReport", "Reading", "Value"]

Value = int | float | str | bool | None
"""A value in the unit of its point; None when there is none."""


class Quality(StrEnum):
    """How far a value can be trusted."""

    GOOD = "good"
    NOT_AVAILABLE = "not_available"
    """The meter answered that it has no such value."""
    NOT_READ = "not_read"
    """It could not be read this time."""


class Reading(NamedTuple):
    """One value of a meter at one time."""

    name: str
    value: Value
    unit: str
    quality: Quality
    time: datetime


class Failure(NamedTuple):
    """A read that brought nothing, and why."""

    block: Block
    error: MeterError


class ReadReport:
    """Everything one poll of a meter gave.

    Values and qualities stand in the order of `points`; iterate for `Reading` objects, which
    are made on demand.
    """

    __slots__ = ("failures", "points", "qualities", "time", "values")

    def __init__(
        self,
        *,
        time: datetime,
        points: Sequence[Point],
        values: Sequence[Value],
        qualities: Sequence[Quality],
        failures: Sequence[Failure] = (),
    ) -> None:
        self.time = time
        """When the first answer was asked for, UTC."""
        self.points = points
        self.values = values
        self.qualities = qualities
        self.failures = failures
        """Reads that failed; empty when all went well."""

    def __iter__(self) -> Iterator[Reading]:
        for point, value, quality in zip(self.points, self.values, self.qualities, strict=True):
            yield Reading(point.name, value, point.unit, quality, self.time)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, name: str) -> Reading:
        for reading in self:
            if reading.name == name:
                return reading
        raise KeyError(name)

    @property
    def is_complete(self) -> bool:
        """Whether every read brought an answer."""
        return not self.failures

    @property
    def is_empty(self) -> bool:
        """Whether no value at all could be read."""
        return all(quality is Quality.NOT_READ for quality in self.qualities)

    def as_dict(self) -> dict[str, Value]:
        """Name to value, None where there is none."""
        return {point.name: value for point, value in zip(self.points, self.values, strict=True)}
