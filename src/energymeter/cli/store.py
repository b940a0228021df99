"""`energymeter store`: look after what the service keeps."""

from __future__ import annotations

from pathlib import Path

import click

from energymeter.cli.kept import open_store, place_options
from energymeter.errors import ConfigError

__all__ = ["command"]


@click.group("store")
def command() -> None:
    """Check a store, or copy it; the service may run meanwhile."""


@command.command("check")
@place_options
def check(store: str | None, site: Path | None) -> int:
    """Check the whole store and report what is damaged.

    Exit codes: 0 intact; 1 damaged or not readable; 2 wrong usage.
    """
    with open_store(store, site) as opened:
        meters = opened.meters()
        problems = opened.check()
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        return 1
    click.echo(f"everything is well: {len(meters)} meter{'s' if len(meters) != 1 else ''}")
    return 0


@command.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@place_options
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def backup(file: Path, store: str | None, site: Path | None, *, force: bool) -> int:
    """Write a complete copy of the store to FILE, or nothing; restore it by moving it back.

    A store in PostgreSQL is copied by pg_dump.
    """
    if file.exists() and not force:
        msg = f"{file}: exists already, add --force to overwrite it"
        raise ConfigError(msg)
    with open_store(store, site) as opened:
        opened.backup(file)
    click.echo(f"wrote {file}, {file.stat().st_size:,} bytes")
    return 0
