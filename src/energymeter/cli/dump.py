"""`energymeter dump`: what all registers of a meter hold."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from energymeter.cli.options import NumberRange, PositiveFloat
from energymeter.cli.progress import progress
from energymeter.cli.wire import URL, check_units, open_link, traffic_options
from energymeter.client import Priority
from energymeter.codec import Table
from energymeter.discovery.targets import parse_span
from energymeter.errors import ConfigError, MeterError
from energymeter.eventloop import run
from energymeter.recording.mapdump import DumpReader, MapDump, render_dump
from energymeter.transports import Wire, parse_wire

__all__ = ["command"]

_TABLES: Final = {
    "holding": (Table.HOLDING,),
    "input": (Table.INPUT,),
    "both": (Table.HOLDING, Table.INPUT),
}


@click.command("dump")
@click.argument("host", metavar=URL)
@click.option(
    "--range", "span", metavar="FIRST-LAST", required=True, help="Addresses, such as 0-500."
)
@click.option(
    "--table",
    type=click.Choice(list(_TABLES)),
    default="holding",
    show_default=True,
    help="Which registers.",
)
@click.option(
    "--unit", type=click.IntRange(0, 255), default=1, show_default=True, help="Unit to ask."
)
@click.option(
    "--timeout",
    type=PositiveFloat(3600),
    default=1.0,
    show_default=True,
    help="Seconds to wait for a connection and for an answer.",
)
@click.option(
    "--pause",
    type=NumberRange(0, 60),
    default=0.02,
    show_default=True,
    help="Seconds between two reads.",
)
@click.option(
    "--lone",
    is_flag=True,
    help="Read registers one by one where pairs are refused; some meters answer that with "
    "anything.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to a file; default: stdout.",
)
@traffic_options
def command(host: str, **options: Any) -> int:  # noqa: ANN401
    """Read a range of registers and print one per line: address, hexadecimal, number, characters.

    Only reads, never in a hurry: short reads with pauses, and what is refused is halved until
    all that answers is found. Compare two dumps with diff.

    Exit code 0: read. 1: nothing answers, or the meter was lost on the way. 2: wrong usage.
    Whatever ends it, Ctrl-C too, what was read until then is printed.
    """
    first, last = parse_span(options["span"])
    wire = parse_wire(host)
    check_units(wire, [options["unit"]])
    return run(_dump(wire, first, last, options))


async def _dump(wire: Wire, first: int, last: int, options: Mapping[str, Any]) -> int:
    async with open_link(wire, options) as opened:
        reader = DumpReader(
            opened.link.unit(options["unit"], priority=Priority.PERSON),
            wire=str(wire),
            number=options["unit"],
            pause_s=options["pause"],
            asks_alone=options["lone"],
        )
        try:
            with progress("reading registers", wanted=not options["trace"]) as bar:
                tables = _TABLES[options["table"]]
                await reader.read(
                    tables,
                    first,
                    last,
                    lambda done, everything: bar.at(done, everything, _found_text(reader)),
                )
        except (MeterError, CancelledError):  # cancelled by Ctrl-C
            if any(reader.dump.words.values()):
                _write(reader.dump, options["output"])
            raise
    refusal = reader.last_refusal
    if not any(reader.dump.words.values()) and refusal is not None:
        other = {"holding": "input", "input": "holding"}.get(options["table"])
        hint = "" if other is None else f"; try --table {other}"
        msg = f"none of the registers {first}..{last} answers: {refusal.message}{hint}"
        raise MeterError(msg)
    _write(reader.dump, options["output"])
    return 0


def _write(dump: MapDump, path: Path | None) -> None:
    text = render_dump(dump)
    if path is None:
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise ConfigError(msg) from error
    registers = sum(map(len, dump.words.values()))
    _say(f"wrote {path}, {registers} registers")


def _found_text(reader: DumpReader) -> str:
    found = sum(map(len, reader.dump.words.values()))
    return f"{found} registers answered, {reader.requests} reads"


def _say(text: str) -> None:
    click.echo(f"energymeter dump: {text}", err=True)
