"""What commands that ask a running service have in common: where it is, whom to trust there."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from energymeter.cli.options import PositiveFloat
from energymeter.errors import ConfigError
from energymeter.transports.endpoint import host_and_port

if TYPE_CHECKING:
    import ssl

    from energymeter.site.model import WebEntry

__all__ = [
    "TOKEN_VARIABLE",
    "UNREACHABLE",
    "USUAL_URL",
    "OwnService",
    "own_service",
    "site_option",
    "timeout_option",
]

USUAL_URL: Final = "http://127.0.0.1:8080"
TOKEN_VARIABLE: Final = "ENERGYMETER_TOKEN"  # noqa: S105 - its name, not the token
UNREACHABLE: Final = 3
"""The exit code of a command that does not reach the service."""

site_option: Final = click.option(
    "--site",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The site file of the service: says where it listens, and its token.",
)
timeout_option: Final = click.option(
    "--timeout",
    type=PositiveFloat(600),
    default=5.0,
    show_default=True,
    help="Seconds to wait for an answer.",
)

_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens here


class OwnService(NamedTuple):
    """How to ask it from its own machine."""

    url: str
    token: str | None
    tls: ssl.SSLContext | None
    """Where it is encrypted: trusts the owner of its very certificate, and nobody else."""


def own_service(path: Path) -> OwnService:
    """The service of a site file.

    Raises:
        ConfigError: The file does not say where it is, or its certificate cannot be read.
    """
    web = _web_of(path)
    if web is None:
        msg = f"{path}: web = false, so the service cannot be asked"
        raise ConfigError(msg)
    host, port = web.place
    if not port:
        msg = f"{path}: listen = {web.listen!r} leaves the port to the system, give the URL"
        raise ConfigError(msg)
    token = None if web.token is None else web.token.reveal().strip()
    tls = None if web.cert is None else _trusting(web.cert)
    scheme = "http" if tls is None else "https"
    return OwnService(f"{scheme}://{host_and_port(_ANYWHERE.get(host, host), port)}", token, tls)


def _web_of(path: Path) -> WebEntry | None:
    """Only what is said of the HTTP side is read: the rest may be large, or being edited."""
    from energymeter.site.load import load_site  # noqa: PLC0415 - one option needs it
    from energymeter.site.model import WebEntry  # noqa: PLC0415
    from energymeter.site.units import FOLDER  # noqa: PLC0415

    try:
        data = tomllib.loads(path.read_text("utf-8")).get("web", {})
        if data is False:
            return None
        return WebEntry.model_validate(data, context={FOLDER: path.parent.absolute()})
    except (OSError, ValueError):  # no such file, no TOML, or not what may stand there
        return load_site(path).web  # says in full what is wrong


def _trusting(cert: Path) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - no other command pays for it

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    # It is asked by an address of this machine, which need not stand in it.
    tls.check_hostname = False
    tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        tls.load_verify_locations(cert)
    except OSError as error:  # an SSLError is one
        reason = error.strerror or str(error)
        msg = f"{cert}: cannot be used as the certificate of the service: {reason}"
        raise ConfigError(msg) from error
    return tls
