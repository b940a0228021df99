"""`energymeter dump`: what all registers of a meter hold."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from energymeter.cli.options import PositiveFloat
from energymeter.cli.wire import URL, open_link, traffic_options
from energymeter.client import Priority
from energymeter.codec import Table
from energymeter.discovery.targets import parse_span
from energymeter.errors import ConfigError, MeterError
from energymeter.eventloop import run
from energymeter.recording.mapdump import DumpReader, MapDump, render_dump
from energymeter.transports import Wire, parse_wire

__all__ = ["command"]

_FIRST_WORD_S: Final = 1.0
_NEXT_WORD_S: Final = 5.0
"""Who waits wants to know for how long, but not all the time."""

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
    type=click.FloatRange(0, 60),
    default=0.02,
    show_default=True,
    help="Seconds to leave the meter alone between two reads.",
)
@click.option(
    "--lone",
    is_flag=True,
    help="Ask for registers one by one where pairs are refused; some meters answer that with "
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
    """Read a whole map and print it, a register a line: address, hexadecimal, number, characters.

    Only reads, never in a hurry: short reads with pauses, and what is refused is halved until
    all that answers is found. Compare two dumps with diff.

    Exit code 0: read. 1: nothing answers, or the meter was lost on the way; what was read until
    then is printed. 2: wrong usage.
    """
    first, last = parse_span(options["span"])
    return run(_dump(parse_wire(host), first, last, options))


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
            await reader.read(_TABLES[options["table"]], first, last, _Progress(reader))
        except MeterError:
            if any(reader.dump.words.values()):
                _write(reader.dump, options["output"])
            raise
    if not any(reader.dump.words.values()) and reader.last_refusal is not None:
        raise reader.last_refusal
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


class _Progress:
    """Says how far reading is, when it takes long."""

    def __init__(self, reader: DumpReader) -> None:
        self._reader = reader
        self._next_s = time.monotonic() + _FIRST_WORD_S

    def __call__(self, done: int, everything: int) -> None:
        if done < everything and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + _NEXT_WORD_S
            found = sum(map(len, self._reader.dump.words.values()))
            _say(
                f"{done} of {everything} registers asked for, {found} answered, "
                f"{self._reader.requests} reads"
            )


def _say(text: str) -> None:
    click.echo(f"energymeter dump: {text}", err=True)
