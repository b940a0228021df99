"""`energymeter top`: all meters of a running service on a screen."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from energymeter.cli.options import PositiveFloat
from energymeter.cli.own_service import (
    TOKEN_VARIABLE,
    UNREACHABLE,
    USUAL_URL,
    own_service,
    site_option,
    timeout_option,
)
from energymeter.errors import ConfigError
from energymeter.eventloop import run

if TYPE_CHECKING:
    from energymeter.tui.http_client import HttpClient

__all__ = ["command"]


@click.command("top")
@click.argument("url", required=False)
@site_option
@click.option(
    "--token-env",
    metavar="NAME",
    default=TOKEN_VARIABLE,
    show_default=True,
    help="The environment variable that holds the token.",
)
@click.option(
    "--ca",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Additional trusted CA for https, a PEM file.",
)
@click.option(
    "--interval",
    type=PositiveFloat(3600),
    default=0.5,
    show_default=True,
    help="Seconds between two updates.",
)
@timeout_option
def command(  # noqa: PLR0913, PLR0917 - one parameter an option
    url: str | None,
    site: Path | None,
    token_env: str,
    ca: Path | None,
    interval: float,
    timeout: float,
) -> int:
    """Watch all meters of a running service: values, links, events, frames.

    URL is where it listens, by default http://127.0.0.1:8080. Keys: enter opens a meter, / filters,
    s sorts, tab shows the links, e the events, ? all keys, q ends. A service that wants to know who
    you are, and gets no token, makes it ask for the password.

    Exit codes: 0 you quit, 2 wrong usage, token or password, 3 not reachable.
    """
    if url is not None and site is not None:
        msg = "give a URL or --site, not both"
        raise click.UsageError(msg)
    if find_spec("textual") is None:
        msg = "energymeter top needs textual: pip install 'energymeter[tui]'"
        raise ConfigError(msg)
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        msg = "energymeter top needs a terminal; energymeter status prints instead"
        raise ConfigError(msg)
    client = _client_of_site(site, timeout) if site is not None else None
    if client is None:
        client = _client_at(url or USUAL_URL, os.environ.get(token_env), ca, timeout)
    return run(_show(client, interval))


async def _show(client: HttpClient, interval_s: float) -> int:
    from energymeter.tui.app import TopApp  # noqa: PLC0415 - textual takes its time
    from energymeter.tui.http_client import LoginWantedError  # noqa: PLC0415
    from energymeter.tui.http_source import HttpSource  # noqa: PLC0415
    from energymeter.tui.source import SourceLostError  # noqa: PLC0415
    from energymeter.tui.words import clean  # noqa: PLC0415

    source = HttpSource(client)
    try:
        try:
            await source.overview()  # a screen that only says that there is nothing helps nobody
        except LoginWantedError:
            prompt = f"password or token of {clean(client.url)}"
            await client.log_in(click.prompt(prompt, hide_input=True, err=True))
        # Without the mouse, the terminal's own way to mark and copy goes on working.
        sentence = await TopApp(source, interval_s=interval_s).run_async(mouse=False)
    except SourceLostError as error:
        click.echo(f"energymeter top: {error.message}", err=True)
        return UNREACHABLE
    finally:
        await source.close()
    if sentence is not None:
        raise ConfigError(sentence)
    return 0


def _client_at(url: str, token: str | None, ca: Path | None, timeout_s: float) -> HttpClient:
    import ssl  # noqa: PLC0415 - no other command pays for it

    from energymeter.tui.http_client import HttpClient  # noqa: PLC0415

    place = url if "://" in url else f"http://{url}"
    tls = None
    if ca is not None:
        tls = ssl.create_default_context()
        try:
            tls.load_verify_locations(ca)
        except OSError as error:  # an SSLError is one
            msg = f"{ca}: cannot be used as --ca: {error.strerror or error}"
            raise ConfigError(msg) from error
    return HttpClient(place, token=token or None, timeout_s=timeout_s, tls=tls)


def _client_of_site(path: Path, timeout_s: float) -> HttpClient:
    """The way to the service of a site file.

    Raises:
        ConfigError: The file does not say it.
    """
    from energymeter.tui.http_client import HttpClient  # noqa: PLC0415

    url, token, tls = own_service(path)
    return HttpClient(url, token=token, timeout_s=timeout_s, tls=tls)
