"""`energymeter read`: one reading, or a table renewed in place."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

import click

from energymeter.cli.options import PositiveFloat, Target, meter_options, reading_options, target
from energymeter.cli.render import as_csv, as_json, as_table
from energymeter.cli.session import open_session
from energymeter.cli.wire import URL, traffic_options
from energymeter.client import Priority
from energymeter.errors import LinkOpenError, UnknownHostError
from energymeter.eventloop import run
from energymeter.reader import EventKind, MeterReader, ReadReport
from energymeter.service.console import failure_lines, rejected

__all__ = ["command"]


@click.command("read")
@click.argument("host", metavar=URL)
@meter_options
@reading_options
@traffic_options
@click.option("--json", "form", flag_value="json", help="Print one JSON object.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV with a header line.")
@click.option("--watch", is_flag=True, help="Refresh the table in place until Ctrl-C.")
@click.option(
    "--interval",
    type=PositiveFloat(86400),
    default=1.0,
    show_default=True,
    help="Seconds between readings, with --watch.",
)
def command(host: str, form: str | None, watch: bool, interval: float, **options: Any) -> int:  # noqa: ANN401
    """Read a meter once and print its values; with several units, one after the other.

    Where: HOST[:PORT] for Modbus TCP, or a URL: rtu:///dev/ttyUSB0?baudrate=9600&parity=E,
    ascii:///..., rtu+tcp://HOST:PORT, udp://, rtu+udp://, tls://HOST, listen://:PORT.

    Exit codes: 0 everything was read; 1 nothing or only a part was read, stderr says why;
    2: wrong usage.
    """
    if watch and form:
        msg = "--watch shows a table, leave out --json and --csv"
        raise click.UsageError(msg)
    if watch and not sys.stdout.isatty():
        msg = "--watch renews a table on a terminal; for a pipe or a file there is poll"
        raise click.UsageError(msg)
    place = target(host, options)
    if watch:
        try:
            return run(_watch(place, interval))
        except KeyboardInterrupt:
            return 0
    return run(_read_once(place, form))


async def _read_once(place: Target, form: str | None) -> int:
    reports: dict[int, ReadReport] = {}
    async with open_session(place, remembers=False, priority=Priority.PERSON) as session:
        for unit, reader in session.readers.items():
            report = await reader.read()
            _raise_unknown_host(report)
            session.note(unit, report)
            _tell(_prefix(place, unit), reader, report)
            reports[unit] = report
            if form is None:
                _print_table(place, unit, report)
            if _is_lost(report):  # the others have the same way
                break
    if form == "json":
        click.echo(as_json(reports, place))
    elif form == "csv":
        click.echo(as_csv(reports, place), nl=False)
    is_complete = all(report.is_complete for report in reports.values())
    return 0 if is_complete and len(reports) == len(place.units) else 1


def _print_table(place: Target, unit: int, report: ReadReport) -> None:
    if report.is_empty:
        return
    from rich.console import Console  # noqa: PLC0415 - only people pay for it

    console = Console()
    if not console.is_terminal:
        # A pipe has no width to fit in; names must not be cut there.
        console.width = 200
    console.print(_title(place, unit, report), highlight=False, markup=False)
    console.print(as_table(report))


async def _watch(place: Target, interval: float) -> int:
    from rich.console import Group, RenderableType  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from energymeter.service.poller import Poll, Poller  # noqa: PLC0415

    shown: dict[int, RenderableType] = {}
    async with open_session(place, remembers=True) as session:
        with Live(auto_refresh=False) as live:

            def show(unit: int, poll: Poll) -> None:
                reader, report = session.readers[unit], poll.report
                _raise_unknown_host(report)
                session.note(unit, report)
                lines = [Text(line, style="red") for line in failure_lines(report)]
                if reader.order_finding is not None:
                    lines.append(Text(f"AUTO: {reader.order_finding.reason}", style="dim"))
                title = Text(_title(place, unit, report))
                shown[unit] = Group(title, as_table(report), *lines)
                live.update(Group(*(shown[known] for known in sorted(shown))), refresh=True)

            try:
                async with asyncio.TaskGroup() as group:
                    for unit, reader in session.readers.items():
                        poller = Poller(reader, interval, partial(show, unit))
                        group.create_task(poller.run())
            except* UnknownHostError as errors:
                raise errors.exceptions[0] from None
    return 0


def _title(place: Target, unit: int, report: ReadReport) -> str:
    return f"{place.title(unit)}, {report.time.astimezone():%Y-%m-%d %H:%M:%S}"


def _prefix(place: Target, unit: int) -> str:
    """What a line on stderr begins with: which unit it is of, where there are several."""
    return f"energymeter: unit {unit}" if len(place.units) > 1 else "energymeter"


def _is_lost(report: ReadReport) -> bool:
    """Whether not the unit but the way to it failed."""
    return any(isinstance(failure.error, LinkOpenError) for failure in report.failures)


def _raise_unknown_host(report: ReadReport) -> None:
    """A name that leads nowhere is wrong usage, not a meter that fails."""
    for failure in report.failures:
        if isinstance(failure.error, UnknownHostError):
            raise failure.error


def _tell(prefix: str, reader: MeterReader, report: ReadReport) -> None:
    if reader.order_finding is not None:
        click.echo(f"AUTO: {reader.order_finding.reason}", err=True)
    for line in failure_lines(report):
        click.echo(f"{prefix}: not read: {line}", err=True)
    for name, reason in rejected(report).items():
        click.echo(f"{prefix}: not believed: {name}: {reason}", err=True)
    for event in report.events:
        if event.kind is not EventKind.LEARNED:  # what was refused stands among what was not read
            click.echo(f"{prefix}: {event.text}", err=True)
    for warning in report.warnings:
        click.echo(f"{prefix}: does not go together: {warning}", err=True)
