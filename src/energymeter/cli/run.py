"""`energymeter run`: the service of a site."""

from __future__ import annotations

from pathlib import Path

import click

from energymeter.eventloop import run

__all__ = ["command"]


@click.command("run")
@click.argument("site", type=click.Path(path_type=Path, dir_okay=False), default="site.toml")
@click.option(
    "--listen",
    metavar="ADDRESS:PORT",
    help="Address of the web side; overrides the site file.",
)
def command(site: Path, listen: str | None) -> int:
    """Poll a site's meters, store the readings and forward them, until SIGTERM or Ctrl-C.

    SITE is the site file, by default site.toml here; `energymeter site new` makes a first one. It
    is read again when it changes, and on SIGHUP.

    Exit codes: 0 stopped on request; 1 unrecoverable error; 2 the site file is wrong.
    """
    try:
        return run(_run(site, listen))
    except KeyboardInterrupt:
        return 0


async def _run(site: Path, listen: str | None) -> int:
    from energymeter.daemon.daemon import Daemon, follow_signals  # noqa: PLC0415 - heavy

    daemon = Daemon(site, listen=listen)
    follow_signals(daemon)
    await daemon.run()
    return 0
