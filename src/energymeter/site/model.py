"""A site as data: what an operator writes into `site.toml`. Opens nothing, reads no other file.

`load` makes it from TOML; who builds links, meters, stores and sinks takes it apart.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from energymeter.errors import ConfigError
from energymeter.site.password import PasswordHash
from energymeter.site.secret import PlainSecret, Secret
from energymeter.site.sinks import SinkEntry
from energymeter.site.units import ByteSize, Duration, LocalPath, UnitNumbers, from_folder
from energymeter.transports import Wire, parse_host_port, parse_wire

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
    "wire_of",
]

_NAME = r"^[^\s/#+@][^/#+@\n]*$"
"""What is named goes into topics, files and addresses: no slash, hash, plus or at sign."""


_UNIT_HERE: Final = "{unit}"
"""Stands in the names of meters in bulk for the unit number."""

_USUAL_WEB_PORT: Final = 8080
_LONGEST_RATE_S: Final = 100 * 86_400.0


class _Entry(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )


@lru_cache(maxsize=16_384)
def wire_of(url: str, default_port: int = 502) -> Wire:
    """What a URL says, read once though it is looked at several times; see `parse_wire`."""
    return parse_wire(url, default_port=default_port)


def _check_url(text: str, info: ValidationInfo) -> str:
    try:
        wire = wire_of(text)
    except ConfigError as error:
        raise ValueError(error.message) from error
    tls = wire.tls
    if tls is None or not (tls.ca or tls.cert or tls.key):
        return text
    ca, cert, key = (
        None if file is None else str(from_folder(Path(file), info))
        for file in (tls.ca, tls.cert, tls.key)
    )
    return str(replace(wire, tls=replace(tls, ca=ca, cert=cert, key=key)))


def _check_profile(name: str, info: ValidationInfo) -> str:
    return str(from_folder(Path(name), info)) if name.endswith(".toml") else name


def _split_listen(text: str) -> tuple[str, int]:
    text = f"127.0.0.1{text}" if text.startswith(":") else text
    host, colon, port = text.rpartition(":")
    if colon and port == "0":
        return parse_host_port(host, _USUAL_WEB_PORT)[0], 0
    return parse_host_port(text, _USUAL_WEB_PORT)


def _none_if_false(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    return None if value is False else value


def _store_type(value: Any) -> str | None:  # noqa: ANN401 - whatever the file holds
    kind = value.get("type", "sqlite") if isinstance(value, dict) else getattr(value, "type", "")
    return kind if isinstance(kind, str) else None


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


Url = Annotated[str, AfterValidator(_check_url)]
"""Where a link leads, as `transports.parse_wire` reads it; certificates are whole paths."""

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
    """A wire or socket with one or more meters."""

    name: Name
    """Name by which meters refer to it."""

    url: Url
    """Where it leads: `tcp://host:502`, `rtu:///dev/ttyUSB0?baudrate=9600`, ..."""

    timeout: Duration = 1.0
    """How long to wait for an answer."""


class Rates(_Entry):
    """How often each group of values is read."""

    fast: Duration = 10.0
    """Measurements: power, voltage, current."""

    slow: Duration = 60.0
    """Counters and slowly changing values: energies, demands."""

    once: Duration = 3600.0
    """Constants: serial numbers, ratios."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.fast <= self.slow <= self.once <= _LONGEST_RATE_S:
            msg = (
                f"fast = {self.fast:g} s, slow = {self.slow:g} s, once = {self.once:g} s are out "
                "of order: fast is the shortest, once the longest, at most 100d"
            )
            raise ValueError(msg)
        return self


class MeterEntry(_Entry):
    """A meter."""

    name: Name
    """Name used in the store, in topics and on pages."""

    link: Name | None = None
    """Name of the link it is on."""

    url: Url | None = None
    """Where it is, if it has a link of its own; meters with one URL share one link."""

    unit: Annotated[int, Field(ge=0, le=255)] | None = None
    """Unit id; by default the profile's, usually 1."""

    units: UnitNumbers | None = None
    """Instead of `unit`, for several identical meters: `1-32` or `1,5,10-20`; `{unit}` in `name`
    and `labels` becomes the unit id of each."""

    profile: Annotated[str, Field(min_length=1), AfterValidator(_check_profile)]
    """Name of its profile, such as `pm8000`, or a file that ends in `.toml`."""

    interval: Duration | None = None
    """Seconds between two polls; by default that of `defaults`."""

    rates: Rates | None = None
    """Instead of one interval: one for each group of values."""

    points: tuple[str, ...] | None = None
    """Which values to read, `*` and `?` as in file names; by default all."""

    labels: dict[str, str] = {}
    """Descriptive labels: building, circuit, tenant."""

    ct: Ratio | None = None
    """Ratio of the current transformers, for meters that give secondary values."""

    pt: Ratio | None = None
    """Ratio of the voltage transformers, likewise."""

    rated_current: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Rated current of the circuit, A: narrows the plausible range."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.link is None) == (self.url is None):
            msg = "a meter needs either a link or a url"
            raise ValueError(msg)
        if self.interval is not None and self.rates is not None:
            msg = "a meter has either an interval or rates"
            raise ValueError(msg)
        if self.units is not None and self.unit is not None:
            msg = "a meter has either a unit or units"
            raise ValueError(msg)
        if self.units is not None and _UNIT_HERE not in self.name:
            msg = f"with units the name needs {_UNIT_HERE}, such as {self.name}-{_UNIT_HERE}"
            raise ValueError(msg)
        return self

    def each(self) -> tuple[MeterEntry, ...]:
        """The meters it stands for: itself, or one for each of `units`."""
        if self.units is None:
            return (self,)
        return tuple(
            self.model_copy(
                update={
                    "name": self.name.replace(_UNIT_HERE, str(unit)),
                    "labels": {
                        key: text.replace(_UNIT_HERE, str(unit))
                        for key, text in self.labels.items()
                    },
                    "unit": unit,
                    "units": None,
                }
            )
            for unit in self.units
        )


class Defaults(_Entry):
    """Values for meters that do not set their own."""

    interval: Duration = 10.0
    """Seconds between two polls."""

    rated_current: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """What a circuit can carry, A."""

    labels: dict[str, str] = {}
    """Labels of every meter."""


class SqliteStoreEntry(_Entry):
    """Keep the history in one file; nothing else is needed."""

    type: Literal["sqlite"] = "sqlite"
    path: Annotated[LocalPath, Field(validate_default=True)] = Path("energymeter.db")
    """File, relative to the site file's folder."""

    keep: Duration | None = None
    """Drop what is older; by default nothing is dropped."""

    keep_means: Duration | None = None
    """How long means of 15 minutes outlive what `keep` drops; by default for ever."""

    survives_power_loss: bool = True
    """Wait for the disk before a reading counts as stored."""


class PostgresStoreEntry(_Entry):
    """Keep the history in a PostgreSQL database."""

    type: Literal["postgres"]
    url: Secret
    """As `postgresql://user:password@host/database`."""

    keep: Duration | None = None
    """Drop what is older; by default nothing is dropped."""

    buffer: ByteSize = 1_000_000_000
    """Size of the buffer on disk; beyond it, the oldest readings are dropped."""


StoreEntry = Annotated[
    Annotated[SqliteStoreEntry, Tag("sqlite")] | Annotated[PostgresStoreEntry, Tag("postgres")],
    Discriminator(_store_type),
]


class WebEntry(_Entry):
    """The HTTP side: pages, API, health, metrics."""

    listen: str = "127.0.0.1:8080"
    """Address and port; beyond loopback it needs a token or a password."""

    token: Secret | None = None
    """What programs send as `Authorization: Bearer`; people may log in with it too."""

    password: Secret | None = None
    """What people log in with, as `energymeter site password` writes it."""

    cert: LocalPath | None = None
    """Certificate of the service, PEM: with it everything is encrypted (TLS 1.2 or newer)."""

    key: LocalPath | None = None
    """Private key of `cert`; by default in the same file."""

    @property
    def place(self) -> tuple[str, int]:
        """Host and port; port 0 leaves the choice to the system."""
        return _split_listen(self.listen)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        host, _ = self.place
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            _split_listen(self.listen)
        except ConfigError as error:
            msg = f"listen: {error.message}"
            raise ValueError(msg) from error
        if self.token is None and self.password is None and not self.is_local:
            msg = (
                f"listen = {self.listen!r} can be reached from elsewhere, that needs a token or "
                "a password; or listen on 127.0.0.1"
            )
            raise ValueError(msg)
        if self.key is not None and self.cert is None:
            msg = f"key = {str(self.key)!r} is of no use without the certificate, give cert too"
            raise ValueError(msg)
        if isinstance(self.password, PlainSecret):
            try:
                PasswordHash.parse(self.password.reveal())
            except ConfigError as error:
                msg = f"password: {error.message}"
                raise ValueError(msg) from error
        return self


class LogEntry(_Entry):
    """What the service logs to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged."""

    format: Literal["text", "json"] = "text"
    """Lines for people, or an object of JSON each."""


class Site(_Entry):
    """Everything the service does."""

    name: Name = "site"
    """What the site is called."""

    state: Annotated[LocalPath, Field(validate_default=True)] = Path("state")
    """Folder for what survives a restart: buffers of the sinks, what was learned of meters; from
    the site file's folder on."""

    defaults: Defaults = Defaults()
    """Values for meters that do not set their own."""

    log: LogEntry = LogEntry()
    """What the service logs to stderr."""

    web: Annotated[WebEntry | None, BeforeValidator(_none_if_false)] = WebEntry()
    """The HTTP side; `web = false` for none."""

    store: Annotated[StoreEntry | None, BeforeValidator(_none_if_false)] = SqliteStoreEntry()
    """Where the history is kept; `store = false` turns it off."""

    link: tuple[LinkEntry, ...] = ()
    """Wires and sockets: `[[link]]`, one after the other."""

    meter: tuple[MeterEntry, ...] = ()
    """Meters: `[[meter]]`, one after the other."""

    sink: tuple[SinkEntry, ...] = ()
    """Where readings are forwarded to, one `[[sink]]` each."""
