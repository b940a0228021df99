"""`energymeter poll`: what the original `main.py` does, for any meter."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from energymeter.cli.options import PositiveFloat, Target, meter_options, reading_options, target
from energymeter.cli.session import Session, open_session
from energymeter.cli.wire import URL, traffic_options
from energymeter.errors import UnknownHostError
from energymeter.eventloop import run
from energymeter.service import ConsoleReporter, Poll, Poller

__all__ = ["command"]


@click.command("poll")
@click.argument("host", metavar=URL)
@meter_options
@reading_options
@traffic_options
@click.option(
    "--interval",
    type=PositiveFloat(86400),
    default=10.0,
    show_default=True,
    help="Seconds between polls; does not drift.",
)
@click.option("--polls", type=click.IntRange(1), help="Stop after this many polls; default: never.")
@click.option(
    "--accept-counters",
    is_flag=True,
    help="Accept the counters as they are now, after a reset or a meter exchange.",
)
def command(
    host: str,
    interval: float,
    polls: int | None,
    accept_counters: bool,
    **options: Any,  # noqa: ANN401 - whatever the shared options are
) -> int:
    """Read one or more meters on a link at a fixed interval and print the values, until Ctrl-C.

    Errors are reported on stderr and polling continues. Exit code 1: the last poll read nothing.
    """
    place = target(host, options)
    try:
        return run(_poll(place, interval, polls, accept_counters=accept_counters))
    except KeyboardInterrupt:
        click.echo("polling stopped", err=True)
        return 0


async def _poll(place: Target, interval: float, polls: int | None, *, accept_counters: bool) -> int:
    async with open_session(place, remembers=True) as session:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(
                        _poll_one(
                            place, session, unit, interval, polls, accept_counters=accept_counters
                        )
                    )
                    for unit in place.units
                ]
        except* OSError as errors:  # an unknown host is one, and an output nobody reads
            raise errors.exceptions[0] from None
    return 0 if any(task.result() for task in tasks) else 1


async def _poll_one(  # noqa: PLR0913 - private, one call
    place: Target,
    session: Session,
    unit: int,
    interval: float,
    polls: int | None,
    *,
    accept_counters: bool,
) -> bool:
    """Poll one meter; returns whether the last poll brought something."""
    is_first = is_empty = True
    reader = session.readers[unit]
    title = f"{place.profile.name} at {place.place}"
    if len(place.units) > 1:
        title = place.title(unit)
    console = ConsoleReporter(title, interval, sys.stdout, sys.stderr)
    if accept_counters:
        reader.accept_counters()

    def show(poll: Poll) -> None:
        nonlocal is_first, is_empty
        for failure in poll.report.failures:
            # Later on a name that does not resolve is a fault like any other.
            if is_first and isinstance(failure.error, UnknownHostError):
                raise failure.error
        is_first = False
        is_empty = poll.report.is_empty
        session.note(unit, poll.report)
        console.tell_order(reader.order_finding)
        console.show(poll)

    await Poller(reader, interval, show).run(polls)
    return not is_empty
