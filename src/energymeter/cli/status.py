"""`energymeter status`: ask a running service how it is doing."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from energymeter.cli.own_service import (
    TOKEN_VARIABLE,
    UNREACHABLE,
    USUAL_URL,
    own_service,
    site_option,
    timeout_option,
)
from energymeter.errors import ConfigError

if TYPE_CHECKING:
    import ssl

    from rich.console import Console

__all__ = ["command"]

_WATCH_S: Final = 2.0
_MOST_BYTES: Final = 100_000_000


class _Service(NamedTuple):
    """Where the service is, and what it wants to hear."""

    url: str
    token: str | None
    timeout_s: float
    tls: ssl.SSLContext | None = None
    """Whom to trust where it is encrypted; None: whom this machine trusts."""


class _UnreachableError(Exception):
    """Nobody there is a service of ours; the text is a sentence."""


@click.command("status")
@click.argument("url", required=False)
@site_option
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
@click.option("--watch", is_flag=True, help="Refresh every 2 s, until Ctrl-C.")
@click.option(
    "--health", is_flag=True, help="Print one line; exit code 0 even if meters or sinks are down."
)
@click.option(
    "--most",
    type=click.IntRange(0, 100_000),
    default=20,
    show_default=True,
    help="Maximum number of silent meters, and of links, to list.",
)
@timeout_option
def command(  # noqa: PLR0913, PLR0917 - one parameter an option
    url: str | None,
    site: Path | None,
    as_json: bool,
    watch: bool,
    health: bool,
    most: int,
    timeout: float,
) -> int:
    """Show how a running service is doing.

    URL is where it listens, by default http://127.0.0.1:8080. A service that can be reached from
    elsewhere wants its token: give --site, or put it into the environment variable
    ENERGYMETER_TOKEN.

    Exit codes: 0 all is well, 1 something is wrong, 2 wrong usage or token, 3 not reachable.
    """
    if url is not None and site is not None:
        msg = "give a URL or --site, not both"
        raise click.UsageError(msg)
    if as_json + watch + health > 1:
        msg = "--json, --watch and --health do not go together"
        raise click.UsageError(msg)
    service = _service(url, site, timeout)
    try:
        if health:
            return _tell_health(service)
        if watch:
            return _watch(service, most)
        code, answer = _ask(service, f"/api/status?most={most}")
        _check(service, code, answer)
        if as_json:
            click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        else:
            _print(answer)
    except _UnreachableError as error:
        click.echo(f"energymeter status: {error}", err=True)
        return UNREACHABLE
    return 0 if answer["state"] == "ok" else 1


def _tell_health(service: _Service) -> int:
    code, answer = _ask(service, "/health")
    if code != 503:
        _check(service, code, answer)
    reasons = "; ".join(str(reason) for reason in answer.get("reasons", ()))
    meters = answer.get("meters", {})
    what = reasons or f"{meters.get('alive')} of {meters.get('total')} meters answer"
    click.echo(_printable(f"{answer.get('site')}: {answer.get('state')}, {what}"))
    return 0 if code == 200 else 1


def _watch(service: _Service, most: int) -> int:
    from rich.live import Live  # noqa: PLC0415 - only who watches pays for it

    from energymeter.cli.status_view import status_view  # noqa: PLC0415

    console = _console()
    result = 0

    def look() -> Any:  # noqa: ANN401 - whatever rich can show
        nonlocal result
        try:
            code, answer = _ask(service, f"/api/status?most={most}")
            _check(service, code, answer)
        except _UnreachableError as error:
            result = UNREACHABLE
            return str(error)
        result = 0 if answer["state"] == "ok" else 1
        return status_view(answer)

    try:
        if not console.is_terminal:
            _repeat(lambda: console.print(look()))
        with Live(look(), console=console, auto_refresh=False, screen=True) as live:
            _repeat(lambda: live.update(look(), refresh=True))
    except KeyboardInterrupt:
        pass
    return result


def _repeat(show: Callable[[], None]) -> None:
    while True:
        show()
        time.sleep(_WATCH_S)


def _print(answer: dict[str, Any]) -> None:
    from energymeter.cli.status_view import status_view  # noqa: PLC0415 - only people pay for it

    _console().print(status_view(answer))


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415 - only people pay for it

    return Console(file=sys.stdout, highlight=False, soft_wrap=False)


def _service(url: str | None, site: Path | None, timeout_s: float) -> _Service:
    """Where to ask, of what the user said.

    Raises:
        ConfigError: The site file or the URL cannot be used.
    """
    if site is not None:
        found = own_service(site)
        return _Service(found.url, found.token, timeout_s, found.tls)
    place = (url or USUAL_URL).rstrip("/")
    if "://" not in place:
        place = f"http://{place}"
    if not place.startswith(("http://", "https://")):
        msg = f"{url!r} is not the address of a service, write http://HOST:PORT"
        raise ConfigError(msg)
    return _Service(place, os.environ.get(TOKEN_VARIABLE), timeout_s)


def _ask(service: _Service, path: str) -> tuple[int, dict[str, Any]]:
    """The code and the JSON of an answer, empty when it is none.

    Raises:
        _UnreachableError: There is no answer.
        ConfigError: The service wants a token, or another one.
    """
    import http.client  # noqa: PLC0415 - the start of every other command would pay for it
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    class NoRedirects(urllib.request.HTTPRedirectHandler):
        """The token is for this place, no other."""

        def redirect_request(self, *_: Any) -> None:  # noqa: ANN401
            return None

    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=service.tls),
        NoRedirects,
    )
    headers = {} if service.token is None else {"Authorization": f"Bearer {service.token}"}
    try:
        request = urllib.request.Request(service.url + path, headers=headers)  # noqa: S310 - checked
        with opener.open(request, timeout=service.timeout_s) as response:
            return response.status, _json(response.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 401:
                raise ConfigError(_token_text(service)) from error
            return error.code, _json(error.read(_MOST_BYTES))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _UnreachableError(_why(service, error)) from error


def _token_text(service: _Service) -> str:
    if service.token is None:
        return (
            f"{service.url} requires its token: give --site, or set {TOKEN_VARIABLE}; "
            "with a password alone only people get in"
        )
    return f"{service.url} does not take this token"


def _why(service: _Service, error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, ConnectionRefusedError):
        return f"nothing listens at {service.url}, is the service running?"
    if isinstance(reason, TimeoutError):
        return f"no answer from {service.url} within {service.timeout_s:g} s"
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return f"{service.url} cannot be asked: {_printable(text)}"


def _check(service: _Service, code: int, answer: dict[str, Any]) -> None:
    if code == 200 and "state" in answer:
        return
    detail = answer.get("detail", f"code {code}")
    msg = f"what answers at {service.url} is not an energymeter service: {_printable(str(detail))}"
    raise _UnreachableError(msg)


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
