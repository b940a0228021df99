"""`energymeter read`: one reading, or a table renewed in place."""

from __future__ import annotations

from typing import Any

import click

from energymeter.cli.options import PositiveFloat, Target, meter_options, reading_options, target
from energymeter.cli.render import as_csv, as_json, as_table
from energymeter.cli.session import open_reader
from energymeter.errors import UnknownHostError
from energymeter.eventloop import run
from energymeter.reader import EventKind, MeterReader, ReadReport
from energymeter.service.console import failure_lines, rejected

__all__ = ["command"]


@click.command("read")
@click.argument("host", metavar="HOST[:PORT]")
@meter_options
@reading_options
@click.option("--json", "form", flag_value="json", help="Print one JSON object.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV with a header line.")
@click.option("--watch", is_flag=True, help="Renew the table in place until Ctrl-C.")
@click.option(
    "--interval",
    type=PositiveFloat(86400),
    default=1.0,
    show_default=True,
    help="Seconds between readings, with --watch.",
)
def command(host: str, form: str | None, watch: bool, interval: float, **options: Any) -> int:  # noqa: ANN401
    """Read a meter once and print its values.

    Exit code 0: everything was read. 1: nothing, or only a part; stderr says which and why.
    2: wrong usage.
    """
    if watch and form:
        msg = "--watch shows a table, leave out --json and --csv"
        raise click.UsageError(msg)
    place = target(host, options)
    if watch:
        try:
            return run(_watch(place, interval))
        except KeyboardInterrupt:
            return 0
    return run(_read_once(place, form))


async def _read_once(place: Target, form: str | None) -> int:
    async with open_reader(place, remembers=False) as reader:
        report = await reader.read()
    _raise_unknown_host(report)
    _tell(reader, report)
    if form == "json":
        click.echo(as_json(report, place))
    elif form == "csv":
        click.echo(as_csv(report, place), nl=False)
    elif not report.is_empty:
        from rich.console import Console  # noqa: PLC0415 - only people pay for it

        console = Console()
        if not console.is_terminal:
            # A pipe has no width to fit in; names must not be cut there.
            console.width = 200
        console.print(_title(place, report), highlight=False, markup=False)
        console.print(as_table(report))
    return 0 if report.is_complete else 1


async def _watch(place: Target, interval: float) -> int:
    from rich.console import Group  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from energymeter.service.poller import Poll, Poller  # noqa: PLC0415

    async with open_reader(place, remembers=True) as reader:
        with Live(auto_refresh=False) as live:

            def show(poll: Poll) -> None:
                report = poll.report
                _raise_unknown_host(report)
                lines = [Text(line, style="red") for line in failure_lines(report)]
                if reader.order_finding is not None:
                    lines.append(Text(f"AUTO: {reader.order_finding.reason}", style="dim"))
                title = Text(_title(place, report))
                live.update(Group(title, as_table(report), *lines), refresh=True)

            await Poller(reader, interval, show).run()
    return 0


def _title(place: Target, report: ReadReport) -> str:
    time = f"{report.time.astimezone():%Y-%m-%d %H:%M:%S}"
    return f"{place.profile.name} at {place.endpoint} unit {place.unit}, {time}"


def _raise_unknown_host(report: ReadReport) -> None:
    """A name that leads nowhere is wrong usage, not a meter that fails."""
    for failure in report.failures:
        if isinstance(failure.error, UnknownHostError):
            raise failure.error


def _tell(reader: MeterReader, report: ReadReport) -> None:
    if reader.order_finding is not None:
        click.echo(f"AUTO: {reader.order_finding.reason}", err=True)
    for line in failure_lines(report):
        click.echo(f"energymeter: not read: {line}", err=True)
    for name, reason in rejected(report).items():
        click.echo(f"energymeter: not believed: {name}: {reason}", err=True)
    for event in report.events:
        if event.kind is not EventKind.LEARNED:  # what was refused stands among what was not read
            click.echo(f"energymeter: {event.text}", err=True)
    for warning in report.warnings:
        click.echo(f"energymeter: does not go together: {warning}", err=True)
