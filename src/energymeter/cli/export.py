"""`energymeter export`: the history as Parquet or CSV, for other programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from energymeter.cli.kept import (
    EACH_POLL,
    WINDOWS,
    open_store,
    parse_every,
    parse_time,
    parse_zone,
    store_options,
)
from energymeter.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from energymeter.store import Every
    from energymeter.store.export import Column, Writer

__all__ = ["command"]

_PATIENCE_S: Final = 1.0
"""What is done by then needs no bar."""

_FORMATS: Final = (".parquet", ".csv")


@click.command("export")
@click.argument("target", metavar="FILE")
@click.option("--parquet", is_flag=True, help="Write Parquet, regardless of the file name.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV, likewise.")
@click.option(
    "--meter",
    "meters",
    multiple=True,
    metavar="PATTERN",
    help="Which meters, such as 'house-*'; may be repeated; default: all.",
)
@click.option(
    "--quantity",
    "quantities",
    multiple=True,
    metavar="PATTERN",
    help="Which quantities, such as 'active_energy_*'; may be repeated; default: all.",
)
@click.option(
    "--every",
    type=click.Choice([EACH_POLL, *WINDOWS]),
    default=EACH_POLL,
    show_default=True,
    help="Each poll, or windows: means of gauges, increases of counters.",
)
@click.option(
    "--long/--wide",
    "is_long",
    default=True,
    help="A row for each value, or one for each time with a column for each quantity; "
    "default: long.",
)
@store_options
def command(target: str, **options: Any) -> int:  # noqa: ANN401
    """Write the history of meters to a file; `-` is stdout, for CSV.

    Everything there is, unless --from, --to, --meter and --quantity say less. The file takes its
    place when it is whole; until then an older one stays. Times are UTC unless --timezone is
    given; days (--every 1d) are local ones.

    Exit code 0: written. 1: the store cannot be read. 2: wrong usage.
    """
    from energymeter.store.export import Export, columns_of, subjects_of  # noqa: PLC0415 - NumPy

    zone, now = parse_zone(options["timezone"]), datetime.now(UTC)
    every = parse_every(options["every"])
    is_parquet = _is_parquet(target, options)
    start = None if options["start"] is None else parse_time(options["start"], now, zone)
    end = now if options["end"] is None else parse_time(options["end"], now, zone)
    with open_store(options["store"], options["site"]) as store:
        subjects = subjects_of(store, options["meters"], options["quantities"])
        export = Export(store, subjects, start=start, end=end, every=every, zone=zone)
        columns = None if options["is_long"] else columns_of(subjects)
        with closing(_Bar()) as bar, _writer(target, is_parquet, columns, every, zone) as writer:
            values = export.run(writer, bar)
    if target != "-":
        meters = f"{len(subjects):,} meter{'' if len(subjects) == 1 else 's'}"
        click.echo(f"energymeter export: wrote {target}, {values:,} values of {meters}", err=True)
    return 0


def _is_parquet(target: str, options: dict[str, Any]) -> bool:
    suffix = "" if target == "-" else Path(target).suffix.lower()
    if options["parquet"] and options["as_csv"]:
        msg = "give --parquet or --csv, not both"
        raise ConfigError(msg)
    if target == "-" and options["parquet"]:
        msg = "Parquet goes to a file, stdout takes CSV only"
        raise ConfigError(msg)
    if options["parquet"] or options["as_csv"] or target == "-":
        return bool(options["parquet"])
    if suffix not in _FORMATS:
        msg = f"unknown format for {target}: name it .parquet or .csv, or give --parquet or --csv"
        raise ConfigError(msg)
    return suffix == ".parquet"


@contextmanager
def _writer(
    target: str,
    is_parquet: bool,
    columns: Sequence[Column] | None,
    every: Every | None,
    zone: tzinfo | None,
) -> Iterator[Writer]:
    from energymeter.store import Every  # noqa: PLC0415 - as above
    from energymeter.store.export import CsvWriter, replacing  # noqa: PLC0415

    # A day is told in the zone whose midnight it begins at.
    told_in = UTC if zone is None and every is not Every.DAY else zone
    if target == "-":
        yield CsvWriter(sys.stdout, columns, every, told_in)
        sys.stdout.flush()
        return
    with ExitStack() as stack:
        part = stack.enter_context(replacing(Path(target)))
        if is_parquet:
            from energymeter.store.export_parquet import ParquetWriter  # noqa: PLC0415

            parquet = ParquetWriter(part, columns, every, zone)
            yield stack.enter_context(closing(parquet))
        else:
            file = stack.enter_context(part.open("w", encoding="utf-8", newline=""))
            yield CsvWriter(file, columns, every, told_in)


class _Bar:
    """Says on a terminal how far it is, once it takes long."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._shows_from_s = time.monotonic() + _PATIENCE_S
        self._update: Any = None

    def __call__(self, share: float, values: int) -> None:
        if self._update is None and time.monotonic() >= self._shows_from_s and sys.stderr.isatty():
            self._update = self._begin()
        if self._update is not None:
            self._update(completed=share, values=f"{values:,}")

    def close(self) -> None:
        self._stack.close()

    def _begin(self) -> Any:  # noqa: ANN401 - a function
        from rich.console import Console  # noqa: PLC0415 - only people pay for it
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[values]} values"))
        progress = Progress(
            *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
        )
        self._stack.enter_context(progress)
        return partial(progress.update, progress.add_task("", total=1.0, values="0"))
