"""The text of a first site file: from nothing, from one address, or from what a scan found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energymeter.errors import ConfigError
from energymeter.profiles.convert.toml import value_text
from energymeter.transports import parse_wire

__all__ = ["FoundLink", "FoundMeter", "check_may_write", "new_site_text", "save_site", "site_text"]

_HEAD: Final = """# What energymeter reads, keeps and passes on. Every key: energymeter site schema.
# Look it over with: energymeter site check FILE
name = "site"

[defaults]
interval = "10s"  # between two polls of a meter

[store]
type = "sqlite"
path = "energymeter.db"  # from this file's folder on
# keep = "2y"  # what is older is dropped

[web]
listen = "127.0.0.1:8080"  # beyond loopback it needs: token = { env = "ENERGYMETER_TOKEN" }

# Where readings are passed on to; as many as you like.
# [[sink]]
# type = "mqtt"
# host = "192.0.2.20"
# home_assistant = true
"""

_WIRES: Final = """
# A wire or socket. Others: rtu:///dev/ttyUSB0?baudrate=9600&parity=N, rtu+tcp://HOST:PORT
"""

_MORE: Final = """# rates = { fast = "5s", slow = "1m", once = "1d" }  # instead of one interval
# labels = { building = "A", tenant = "bakery" }
# ct = "100/5"  # where the meter shows secondary values

# Many meters alike:
# [[meter]]
# name = "flat-{unit}"
# link = "LINK"
# units = "2-33"
# profile = "PROFILE"
"""

_SAMPLE_URL: Final = "tcp://192.0.2.10:502"
_SAMPLE_PROFILE: Final = "eastron/sdm630"


@dataclass(frozen=True, slots=True)
class FoundMeter:
    """A unit that answers."""

    unit: int
    profiles: tuple[str, ...]
    """Those that fit, the best first; empty: none does."""


@dataclass(frozen=True, slots=True)
class FoundLink:
    """Where units answer."""

    url: str
    meters: tuple[FoundMeter, ...]


def new_site_text(
    url: str | None = None, profile: str | None = None, *, unit: int | None = None
) -> str:
    """A file that loads, with what usually has to be said, ready to be changed.

    Args:
        url: Where the first meter is; None: an address that is nobody's.
        profile: Its profile; None: a common one.
        unit: Its unit; None: what the profile says.
    """
    url, profile = url or _SAMPLE_URL, profile or _SAMPLE_PROFILE
    link = _link_name(url)
    return "".join(
        (
            _HEAD,
            _WIRES,
            _table("link", {"name": link, "url": url}),
            "\n",
            _table(
                "meter",
                {"name": _short(profile), "link": link, "unit": unit, "profile": profile},
            ),
            _MORE,
        )
    )


def site_text(found: Sequence[FoundLink]) -> str:
    """A file with the meters a scan found; it loads as it stands.

    Units that no profile fits are there as comments.

    Args:
        found: Links without a meter are left out.
    """
    links = [link for link in found if link.meters]
    counts = Counter(
        _short(meter.profiles[0], meter.unit)
        for link in links
        for meter in link.meters
        if meter.profiles
    )
    link_names, meter_names = _Names(), _Names()
    parts = [_HEAD]
    for link in links:
        name = link_names.take(_link_name(link.url))
        parts.append(_table("link", {"name": name, "url": link.url}))
        for meter in link.meters:
            wanted = _short(meter.profiles[0], meter.unit) if meter.profiles else ""
            if counts[wanted] != 1:
                wanted = f"{name}-{wanted or meter.unit}"
            parts.append(_meter_text(meter, meter_names.take(wanted), name))
    return "\n".join(parts)


def check_may_write(path: Path, *, force: bool) -> None:
    """Make sure that a file can be written here, and overwrites nothing.

    Raises:
        ConfigError: There is something at this place, or no such folder.
    """
    if not path.absolute().parent.is_dir():
        msg = f"{path} cannot be written: there is no folder {path.parent}"
        raise ConfigError(msg)
    if path.exists() and not force:
        msg = f"{path} exists, choose another name or overwrite it with --force"
        raise ConfigError(msg)


def save_site(path: Path, text: str, *, force: bool = False) -> None:
    """Write a site file.

    Args:
        path: Where to; its folder has to be there.
        text: All of it.
        force: Whether a file that is there may be lost.

    Raises:
        ConfigError: There is a file already, or it cannot be written.
    """
    check_may_write(path, force=force)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror}"
        raise ConfigError(msg) from error


def _meter_text(meter: FoundMeter, name: str, link: str) -> str:
    first, *others = meter.profiles or ("",)
    text = _table("meter", {"name": name, "link": link, "unit": meter.unit, "profile": first})
    if first:
        also = (f"# profile = {value_text(other)}  # fits as well\n" for other in others)
        return text + "".join(also)
    why = f"unit {meter.unit} answers, but no profile fits; energymeter find may find out more"
    return "".join(f"# {line}\n" for line in (why, *text.splitlines()))


def _table(name: str, entries: dict[str, str | int | None]) -> str:
    lines = [
        f"{key} = {value_text(value)}\n" for key, value in entries.items() if value is not None
    ]
    return "".join([f"[[{name}]]\n", *lines])


def _short(profile: str, unit: int | None = None) -> str:
    """What a meter of this profile may be called."""
    name = _plain(Path(profile).stem if profile.endswith(".toml") else profile.rpartition("/")[2])
    return name if unit is None else f"{name}-{unit}"


def _link_name(url: str) -> str:
    """The last part of a serial port, else the host."""
    wire = parse_wire(url)
    place = wire.host or f"port-{wire.port}" if wire.path is None else Path(wire.path).name
    return _plain(place)


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-") or "one"


class _Names:
    """Gives each name once; what was taken before gets a number."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wanted: str) -> str:
        tries = (wanted, *(f"{wanted}-{number}" for number in range(2, len(self._taken) + 3)))
        name = next(name for name in tries if name not in self._taken)
        self._taken.add(name)
        return name
