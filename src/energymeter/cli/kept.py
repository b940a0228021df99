"""What the commands that look into a store ask for in the same words: which one, and what time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta, tzinfo
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import click

from energymeter.errors import ConfigError

if TYPE_CHECKING:
    from energymeter.store import Every, Store

__all__ = [
    "nearest",
    "open_store",
    "parse_every",
    "parse_time",
    "parse_zone",
    "place_options",
    "store_options",
]

_USUAL_STORE: Final = "energymeter.db"
_SERVERS: Final = ("postgresql://", "postgres://")
_AGO: Final = re.compile(r"-\s*(\d.*)")
_HOW: Final = "write 2026-03-01, 2026-03-01T12:30, -24h, today, yesterday or now"

WINDOWS: Final = ("1m", "15m", "1h", "1d")
EACH_POLL: Final = "poll"


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a store."""
    command = click.option(
        "--site",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="A site file; its store is meant.",
    )(command)
    return click.option(
        "--store",
        metavar="PATH|URL",
        help="A file, or postgresql://USER@HOST/DATABASE; default: that of --site, else "
        f"{_USUAL_STORE}.",
    )(command)


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a store and a time."""
    command = place_options(command)
    for option in reversed(
        (
            click.option("--from", "start", metavar="TIME", help=f"The first moment: {_HOW[6:]}."),
            click.option("--to", "end", metavar="TIME", help="The end; default: now."),
            click.option(
                "--timezone",
                metavar="NAME",
                help="Where days begin and times are meant, such as Europe/Berlin; "
                "default: this computer's.",
            ),
        )
    ):
        command = option(command)
    return command


def parse_zone(name: str | None) -> tzinfo | None:
    """The zone of this name; None for this computer's.

    Raises:
        ConfigError: There is none of this name.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        msg = f"{name!r} is not a time zone, write a name such as Europe/Berlin or UTC"
        raise ConfigError(msg) from None


def parse_time(text: str, now: datetime, zone: tzinfo | None) -> datetime:
    """A time as people write it, UTC.

    Args:
        text: ISO 8601 with a zone or of `zone`; a date is its first moment; or `-24h`, `-7d`,
            `today`, `yesterday`, `now`.
        now: What time it is.
        zone: None for this computer's.

    Raises:
        ConfigError: It is none.
    """
    from energymeter.site.units import parse_duration  # noqa: PLC0415 - pydantic takes its time
    from energymeter.store.days import midnight  # noqa: PLC0415

    word = text.strip().lower()
    try:
        if word == "now":
            return now
        if word in ("today", "yesterday"):
            day = now.astimezone(zone).date()
            return midnight(day - timedelta(days=word == "yesterday"), zone)
        if ago := _AGO.fullmatch(word):
            return now - timedelta(seconds=parse_duration(ago[1]))
        if len(word) <= len("2026-03-01"):
            return midnight(date.fromisoformat(word), zone)
        time = datetime.fromisoformat(text.strip())
        if time.tzinfo is None and zone is not None:
            time = time.replace(tzinfo=zone)
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        msg = f"{text!r} is not a time, {_HOW}"
        raise ConfigError(msg) from None


def parse_every(text: str | None) -> Every | None:
    """The window of this name; None for each poll."""
    from energymeter.store import Every  # noqa: PLC0415 - NumPy takes its time

    windows = dict(zip(WINDOWS, Every, strict=True))
    return None if text is None else windows.get(text)


@contextmanager
def open_store(store: str | None, site: Path | None) -> Iterator[Store]:
    """The store that is meant, for reading, also while the service writes it.

    Args:
        store: A path or URL.
        site: A site file.

    Raises:
        ConfigError: Both are given, there is no such store, or the site keeps none.
        StoreError: It cannot be opened.
    """
    if store is not None and site is not None:
        msg = "give --store or --site, not both"
        raise ConfigError(msg)
    with closing(_of_site(site) if site is not None else _at(store or _USUAL_STORE)) as opened:
        yield opened


def nearest(word: str, known: Iterable[str]) -> str:
    """Names that are like this one, as the end of a sentence; nothing where none is."""
    close = get_close_matches(word, list(known), 3, 0.5)
    return f"; near it: {', '.join(close)}" if close else ""


def _at(place: str) -> Store:
    if place.startswith(_SERVERS):
        from energymeter.store.postgres import PostgresStore  # noqa: PLC0415 - few have it

        return PostgresStore(place)
    from energymeter.store import SqliteStore  # noqa: PLC0415 - NumPy takes its time

    path = Path(place)
    if not path.is_file():
        msg = f"{path}: there is no store; name it with --store, or its site with --site"
        raise ConfigError(msg)
    return SqliteStore(path, read_only=True)


def _of_site(path: Path) -> Store:
    from energymeter.site.load import load_site  # noqa: PLC0415 - few need it
    from energymeter.site.model import PostgresStoreEntry  # noqa: PLC0415

    entry = load_site(path).store
    if entry is None:
        msg = f"{path}: keeps no history (store = false)"
        raise ConfigError(msg)
    if isinstance(entry, PostgresStoreEntry):
        return _at(entry.url.reveal())
    return _at(str(entry.path))
