"""What everything is that readings are passed on to, and what it is promised. No I/O.

A sink is handed batches of polls, oldest first, each poll at least once, in the order they were
made. It is asked for the next batch only after `send` returned. A sink never buffers: what waits
stands in the journal, which survives restarts (`journal`, `forwarder`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from energymeter.profiles import Profile
from energymeter.reader.reading import Quality, Value
from energymeter.store.base import Series, datetime_of

__all__ = ["MeterInfo", "Sink", "SinkPoll", "SinkValue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterInfo:
    """What a sink may want to know of a meter besides its values."""

    name: str
    link: str
    """Where it is, such as `rtu:///dev/ttyUSB0`."""

    unit: int
    profile: Profile
    interval_s: float
    """Seconds between two polls of its fastest values."""

    series: tuple[Series, ...]
    """All the values it is read for: name, unit, type, gauge or counter."""

    labels: Mapping[str, str] = field(default_factory=dict)


class SinkValue(NamedTuple):
    """One value of a poll."""

    series: Series
    value: Value
    """None where there is none; then `quality` says why."""

    quality: Quality


class SinkPoll(NamedTuple):
    """One poll of one meter, as sinks get it."""

    meter: str
    """The meter's name in the site."""

    time_us: int
    """When it was read: microseconds since 1970, UTC."""

    values: Sequence[SinkValue]
    """Those the sink asked for; never empty."""

    @property
    def id(self) -> str:
        """The same each time it is sent, and of no other poll: lets receivers drop repetitions."""
        return f"{self.meter}-{self.time_us}"

    @property
    def time(self) -> datetime:
        """When it was read, UTC."""
        return datetime_of(self.time_us)


class Sink(Protocol):
    """Passes polls on. Called from one task only; cancelling any call leaves it usable."""

    async def open(self, meters: Mapping[str, MeterInfo]) -> None:
        """Get ready; called before the first batch, and again after `close`.

        Args:
            meters: All meters of the site that this sink gets, by name.

        Raises:
            SinkUnavailableError: Not now; it is tried again later.
            ConfigError: Never, as it is set up.
        """
        ...

    async def send(self, polls: Sequence[SinkPoll]) -> None:
        """Pass these on; returns once the receiver has them.

        Raises:
            SinkUnavailableError: Not now: the same polls come again later.
            SinkRejectedError: Never: they are dropped and counted.
        """
        ...

    async def close(self) -> None:
        """Say good-bye and let go of everything; may be called at any time, never raises."""
        ...
