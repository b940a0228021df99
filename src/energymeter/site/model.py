"""A site as data: what an operator writes into `site.toml`. Opens nothing, reads no other file.

`load` makes it from TOML; who builds links, meters, stores and sinks takes it apart.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from energymeter.errors import ConfigError
from energymeter.site.secret import Secret
from energymeter.site.sinks import SinkEntry
from energymeter.site.units import Duration
from energymeter.transports import parse_wire

__all__ = [
    "Defaults",
    "LinkEntry",
    "LogEntry",
    "MeterEntry",
    "PostgresStoreEntry",
    "Rates",
    "Site",
    "SqliteStoreEntry",
    "StoreEntry",
    "WebEntry",
]

_NAME = r"^[^\s/#+@][^/#+@\n]*$"
"""What is named goes into topics, files and addresses: no slash, hash, plus or at sign."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _parse_url(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    if isinstance(value, str):
        try:
            parse_wire(value)
        except ConfigError as error:
            raise ValueError(error.message) from error
    return value


def _parse_ratio(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    if isinstance(value, Fraction):
        return value
    try:
        primary, _, secondary = str(value).partition("/")
        ratio = Fraction(primary.strip()) / Fraction(secondary.strip() or 1)
    except (ValueError, ZeroDivisionError):
        ratio = Fraction(0)
    if isinstance(value, bool) or ratio <= 0:
        msg = f"{value!r} is no ratio, write 100/5 or 20"
        raise ValueError(msg)
    return ratio


Url = Annotated[str, BeforeValidator(_parse_url)]
"""Where a link leads, as `transports.parse_wire` reads it."""

Ratio = Annotated[
    Fraction,
    BeforeValidator(_parse_ratio),
    PlainSerializer(str),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]},
    ),
]
"""A transformer's ratio: `100/5` or 20."""

Name = Annotated[str, Field(pattern=_NAME, max_length=120)]


class LinkEntry(_Entry):
    """A wire or socket with one meter or many."""

    name: Name
    """What meters call it."""

    url: Url
    """Where it leads: `tcp://host:502`, `rtu:///dev/ttyUSB0?baudrate=9600`, ..."""

    timeout: Duration = 1.0
    """How long to wait for an answer."""


class Rates(_Entry):
    """How often each group of values is read; what is left out is not read by rate."""

    fast: Duration = 10.0
    """What is measured: power, voltage, current."""

    slow: Duration = 60.0
    """What counts, and what changes rarely: energies, demands."""

    once: Duration = 3600.0
    """What never changes: serial numbers, ratios."""


class MeterEntry(_Entry):
    """A meter."""

    name: Name
    """What it is called everywhere: in the store, in topics, on pages."""

    link: Name | None = None
    """Name of the link it is on."""

    url: Url | None = None
    """Where it is, if it has a link of its own; meters with one URL share one link."""

    unit: Annotated[int, Field(ge=0, le=255)] | None = None
    """Its unit number; by default what the profile says, usually 1."""

    profile: str
    """Name of its profile, such as `pm8000`, or a file."""

    interval: Duration | None = None
    """Seconds between two polls; by default that of `defaults`."""

    rates: Rates | None = None
    """Instead of one interval: one for each group of values."""

    points: tuple[str, ...] | None = None
    """Which values to read, `*` and `?` as in file names; by default all."""

    labels: dict[str, str] = {}
    """What a person wants to know of it: building, circuit, tenant."""

    ct: Ratio | None = None
    """Ratio of the current transformers, for meters that give secondary values."""

    pt: Ratio | None = None
    """Ratio of the voltage transformers, likewise."""

    rated_current: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """What the circuit can carry, A: narrows what is believed."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.link is None) == (self.url is None):
            msg = "a meter needs either a link or a url"
            raise ValueError(msg)
        if self.interval is not None and self.rates is not None:
            msg = "a meter has either an interval or rates"
            raise ValueError(msg)
        return self


class Defaults(_Entry):
    """What meters and links have that say nothing themselves."""

    interval: Duration = 10.0
    """Seconds between two polls."""

    rated_current: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """What a circuit can carry, A."""

    labels: dict[str, str] = {}
    """Labels of every meter."""


class SqliteStoreEntry(_Entry):
    """Keep the history in one file; nothing else is needed."""

    type: Literal["sqlite"] = "sqlite"
    path: Path = Path("energymeter.db")
    """The file, from the site file's folder on."""

    keep: Duration | None = None
    """Drop what is older; by default nothing is dropped."""

    survives_power_loss: bool = True
    """Whether the disk has each reading before it counts as kept."""


class PostgresStoreEntry(_Entry):
    """Keep the history in a PostgreSQL database."""

    type: Literal["postgres"]
    url: Secret
    """As `postgresql://user:password@host/database`."""

    keep: Duration | None = None
    """Drop what is older; by default nothing is dropped."""


StoreEntry = SqliteStoreEntry | PostgresStoreEntry


class WebEntry(_Entry):
    """The HTTP side: health, metrics, status."""

    listen: str = "127.0.0.1:8080"
    """Address and port; beyond loopback it needs a token."""

    token: Secret | None = None
    """What callers send as `Authorization: Bearer`; loopback needs none."""


class LogEntry(_Entry):
    """What the service says on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Site(_Entry):
    """Everything the service does."""

    name: Name = "site"
    """What the site is called."""

    state: Path = Path("state")
    """Folder for what survives a restart: buffers of the sinks, what was learned of meters; from
    the site file's folder on."""

    defaults: Defaults = Defaults()
    log: LogEntry = LogEntry()
    web: WebEntry | None = WebEntry()
    store: StoreEntry | None = Field(default=SqliteStoreEntry())
    link: tuple[LinkEntry, ...] = ()
    meter: tuple[MeterEntry, ...] = ()
    sink: tuple[SinkEntry, ...] = ()
