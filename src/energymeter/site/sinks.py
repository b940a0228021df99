"""What an operator writes of the sinks, one class for each kind. Data only; drivers stay out."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from energymeter.site.secret import Secret
from energymeter.site.units import ByteSize, Duration, LocalPath

__all__ = [
    "CsvEntry",
    "InfluxEntry",
    "JsonLinesEntry",
    "MqttEntry",
    "PrometheusEntry",
    "SinkEntry",
    "WebhookEntry",
]


def _check_http(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        msg = "is no address of a web server, write http://HOST:PORT or https://HOST"
        raise ValueError(msg)
    if "@" in parts.netloc:
        msg = "leave out what is before the @: this address is shown to people"
        raise ValueError(msg)
    return url


HttpUrl = Annotated[str, AfterValidator(_check_http)]
"""`http://HOST:PORT` or `https://HOST`, without a password."""


class _Sink(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=60)] | None = None
    """What it is called in messages and files; by default its type."""

    meters: tuple[str, ...] = ("*",)
    """Meters to forward; `*` and `?` as in file names."""

    points: tuple[str, ...] = ("*",)
    """Values to forward, likewise."""

    @model_validator(mode="before")
    @classmethod
    def _name(cls, data: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        if isinstance(data, dict) and isinstance(data.get("type"), str):
            return {"name": data["type"], **data}
        return data


class _Buffered(_Sink):
    buffer: ByteSize = 100_000_000
    """Size of the buffer on disk; beyond it, the oldest readings are dropped."""

    every: Duration | None = None
    """Forward at most one poll of a meter per interval; by default every poll."""


class MqttEntry(_Buffered):
    """Publish to an MQTT broker."""

    type: Literal["mqtt"]
    host: Annotated[str, Field(min_length=1)]
    """Name or address of the broker."""

    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """By default 1883, with TLS 8883."""

    username: str | None = None
    """User name at the broker."""

    password: Secret | None = None
    """Password of that user."""

    client_id: str | None = None
    """By default made of the site's name."""

    tls: bool = False
    """Whether to encrypt; the broker's certificate is verified then."""

    ca_file: LocalPath | None = None
    """Certificates that are trusted; by default those of the system."""

    cert_file: LocalPath | None = None
    """Client certificate, for brokers that require one."""

    key_file: LocalPath | None = None
    """Its key."""

    prefix: str = "energymeter"
    """First part of every topic."""

    qos: Literal[0, 1, 2] = 1
    """Quality of service of the readings: 0 at most once, 1 at least once, 2 exactly once."""

    layout: Literal["plain", "homie"] = "plain"
    """Plain topics, or those of the Homie convention 5."""

    home_assistant: bool = False
    """Announce every meter to Home Assistant."""

    discovery_prefix: str = "homeassistant"
    """First part of the topics Home Assistant looks for announcements in."""


class InfluxEntry(_Buffered):
    """Write line protocol to InfluxDB."""

    type: Literal["influx"]
    url: HttpUrl
    """As `http://host:8086`."""

    version: Literal[1, 2, 3] = 2
    """Main version of the server."""

    database: str | None = None
    """Of version 1 and 3."""

    org: str | None = None
    """Of version 2."""

    bucket: str | None = None
    """Of version 2."""

    token: Secret | None = None
    """Of version 2 and 3."""

    username: str | None = None
    """Of version 1."""

    password: Secret | None = None
    """Of version 1."""

    measurement: str = "energymeter"
    """Measurement name of the lines."""


class WebhookEntry(_Buffered):
    """POST readings as JSON."""

    type: Literal["webhook"]
    url: HttpUrl
    """Address to post to."""

    headers: Annotated[dict[str, str], Field(repr=False)] = {}
    """More headers, by name."""

    token: Secret | None = None
    """Sent as `Authorization: Bearer`."""

    batch: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Most polls in one request."""


class CsvEntry(_Buffered):
    """Write CSV files."""

    type: Literal["csv"]
    folder: LocalPath
    """Where the files are, from the site file's folder on."""

    rotate: Literal["hour", "day", "month"] = "day"
    """When a new file begins."""

    keep: Duration | None = None
    """Delete files that are older; by default none."""


class JsonLinesEntry(_Buffered):
    """Write a line of JSON for each poll to stdout, or to a file."""

    type: Literal["json"]
    path: LocalPath | None = None
    """The file, from the site file's folder on; by default stdout."""


class PrometheusEntry(_Sink):
    """Add the values of meters to /metrics."""

    type: Literal["prometheus"]
    path: Annotated[str, Field(pattern=r"^/[^\s?#]*$")] = "/metrics"
    """Where the metrics are."""

    stale_after: Duration | None = None
    """Values that are older disappear; by default after three intervals of their meter."""


SinkEntry = Annotated[
    MqttEntry | InfluxEntry | WebhookEntry | CsvEntry | JsonLinesEntry | PrometheusEntry,
    Field(discriminator="type"),
]
