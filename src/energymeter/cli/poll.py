"""`energymeter poll`: what the original `main.py` does, for any meter."""

from __future__ import annotations

import sys
from typing import Any

import click

from energymeter.cli.options import PositiveFloat, Target, meter_options, reading_options, target
from energymeter.cli.session import open_reader
from energymeter.errors import UnknownHostError
from energymeter.eventloop import run
from energymeter.service import ConsoleReporter, Poll, Poller

__all__ = ["command"]


@click.command("poll")
@click.argument("host", metavar="HOST[:PORT]")
@meter_options
@reading_options
@click.option(
    "--interval",
    type=PositiveFloat(86400),
    default=10.0,
    show_default=True,
    help="Seconds between polls, kept without drift.",
)
@click.option("--polls", type=click.IntRange(1), help="End after so many; default: never.")
@click.option(
    "--accept-counters",
    is_flag=True,
    help="Believe the counters as they are now: the meter was reset or exchanged.",
)
def command(
    host: str,
    interval: float,
    polls: int | None,
    accept_counters: bool,
    **options: Any,  # noqa: ANN401 - whatever the shared options are
) -> int:
    """Read a meter on a fixed beat and print the values, until Ctrl-C.

    Faults are told on stderr and survived; the exit code is 1 when the last poll brought nothing.
    """
    place = target(host, options)
    try:
        return run(_poll(place, interval, polls, accept_counters=accept_counters))
    except KeyboardInterrupt:
        click.echo("polling stopped", err=True)
        return 0


async def _poll(place: Target, interval: float, polls: int | None, *, accept_counters: bool) -> int:
    is_first = True
    is_empty = False
    title = f"{place.profile.name} at {place.endpoint}"
    console = ConsoleReporter(title, interval, sys.stdout, sys.stderr)
    async with open_reader(place, remembers=True) as reader:
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
            console.tell_order(reader.order_finding)
            console.show(poll)

        await Poller(reader, interval, show).run(polls)
    return 1 if is_empty else 0
