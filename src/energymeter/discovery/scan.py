"""Which units answer behind which hosts, and what they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from energymeter.client import Link, Priority
from energymeter.discovery.identify import Identity, identify
from energymeter.discovery.tree import ProfileTree
from energymeter.errors import (
    ExceptionReplyError,
    LinkError,
    LinkLostError,
    RemoteProtocolError,
    RequestTimeout,
    UnknownHostError,
)
from energymeter.transports import Wire

__all__ = ["FoundUnit", "HostReport", "scan_host", "scan_hosts"]

_HOSTS_AT_ONCE: Final = 64
_LINK_TRIES: Final = 2


@dataclass(frozen=True, slots=True)
class FoundUnit:
    """A unit that answers."""

    unit: int
    identity: Identity


@dataclass(slots=True)
class HostReport:
    """What was found at one host."""

    place: str
    """Where it is, as people write it."""

    units: list[FoundUnit] = field(default_factory=list)
    silent: int = 0
    """Units asked in vain."""

    is_open: bool = False
    """Whether it accepted a connection."""

    fault: str = ""
    """Why it was given up before all units were asked; empty: it was not."""


async def scan_hosts(  # noqa: PLR0913 - keyword-only, what a user decides
    wires: Sequence[Wire],
    units: Sequence[int],
    tree: ProfileTree,
    *,
    timeout_s: float,
    on_unit: Callable[[HostReport, int], None] | None = None,
    on_host: Callable[[HostReport], None] | None = None,
) -> list[HostReport]:
    """Scan hosts side by side, the units of each one after the other. Only reads.

    Args:
        wires: Where to look.
        units: Which units to ask there.
        tree: What they can be.
        timeout_s: Seconds to wait for a connection and for each answer.
        on_unit: Called after each unit, with its number.
        on_host: Called after each host.

    Raises:
        UnknownHostError: The only host has a name that leads nowhere.
    """
    slots = asyncio.Semaphore(_HOSTS_AT_ONCE)

    async def one(wire: Wire) -> HostReport:
        async with slots:
            report = await scan_host(wire, units, tree, timeout_s=timeout_s, on_unit=on_unit)
        if on_host is not None:
            on_host(report)
        return report

    if len(wires) == 1:
        return [await one(wires[0])]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(wire)) for wire in wires]
    return [task.result() for task in tasks]


async def scan_host(
    wire: Wire,
    units: Sequence[int],
    tree: ProfileTree,
    *,
    timeout_s: float,
    on_unit: Callable[[HostReport, int], None] | None = None,
) -> HostReport:
    """Scan one host; see `scan_hosts`."""
    async with Link.to(wire, timeout_s=timeout_s) as link:
        report = HostReport(str(link))
        try:
            await link.open()
        except UnknownHostError:
            raise
        except LinkError as error:
            report.fault = error.message
            return report
        report.is_open = True
        for number in units:
            try:
                identity = await _identify(link, number, tree)
            except (RequestTimeout, ExceptionReplyError):
                report.silent += 1
            except RemoteProtocolError as error:
                report.fault = f"unit {number}: {error.message}"
                return report
            except LinkError as error:
                report.fault = f"given up at unit {number}: {error.message}"
                return report
            else:
                report.units.append(FoundUnit(number, identity))
            if on_unit is not None:
                on_unit(report, number)
        return report


async def _identify(link: Link, number: int, tree: ProfileTree) -> Identity:
    """Ask one unit; once more when the connection broke meanwhile."""
    for tries_left in reversed(range(_LINK_TRIES)):
        try:
            return await identify(link.unit(number, priority=Priority.PERSON), tree)
        except LinkLostError:
            if not tries_left:
                raise
    raise AssertionError  # unreachable
