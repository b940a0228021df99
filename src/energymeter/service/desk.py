"""What pages, routes and screens may ask of a running service, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from energymeter.clock import Clock
from energymeter.reader import ReadReport
from energymeter.service.archive import Archive
from energymeter.service.events import EventStream
from energymeter.service.frames import FrameStream
from energymeter.service.snapshot import Snapshot

__all__ = ["Desk", "Operator"]


class Operator(Protocol):
    """Does what a person asks for."""

    async def read_now(self, meter: str) -> list[ReadReport]:
        """Ask a meter for all its values at once, before the polls; nothing is kept of it.

        Returns:
            A report for each of its rates.

        Raises:
            KeyError: There is no such meter.
        """
        ...

    def frames(self, link: str) -> FrameStream:
        """The frames on a link.

        Raises:
            KeyError: There is no such link.
        """
        ...

    def reload(self) -> None:
        """Look at the site file again; what comes of it is told as an event."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """The one place where the outside meets the service. Used in the service's loop only."""

    snapshot: Snapshot
    """The newest readings, and how everything is doing."""

    events: EventStream
    archive: Archive
    """The history."""

    operator: Operator
    clock: Clock
