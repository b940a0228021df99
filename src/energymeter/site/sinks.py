"""What an operator writes of the sinks, one class for each kind. Data only; drivers stay out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from energymeter.site.secret import Secret
from energymeter.site.units import ByteSize, Duration

__all__ = [
    "CsvEntry",
    "InfluxEntry",
    "JsonLinesEntry",
    "MqttEntry",
    "PrometheusEntry",
    "SinkEntry",
    "WebhookEntry",
]


class _Sink(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=60)] | None = None
    """What it is called in messages and files; by default its type."""

    meters: tuple[str, ...] = ("*",)
    """Names of the meters it gets, `*` and `?` as in file names."""

    points: tuple[str, ...] = ("*",)
    """Names of the values it gets, likewise."""


class _Buffered(_Sink):
    buffer: ByteSize = 100_000_000
    """How many bytes of readings may wait for it on the disk; then the oldest are dropped."""

    every: Duration | None = None
    """Pass on at most one poll of a meter in that time; by default every poll."""


class MqttEntry(_Buffered):
    """Publish to an MQTT broker."""

    type: Literal["mqtt"]
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """By default 1883, with TLS 8883."""

    username: str | None = None
    password: Secret | None = None
    client_id: str | None = None
    """By default made of the site's name."""

    tls: bool = False
    ca_file: Path | None = None
    """Certificates that are trusted; by default those of the system."""

    cert_file: Path | None = None
    key_file: Path | None = None
    prefix: str = "energymeter"
    """First part of every topic."""

    qos: Literal[0, 1, 2] = 1
    layout: Literal["plain", "homie"] = "plain"
    """Topics of our own, or those of the Homie convention 5."""

    home_assistant: bool = False
    """Announce every meter to Home Assistant."""

    discovery_prefix: str = "homeassistant"


class InfluxEntry(_Buffered):
    """Write line protocol to InfluxDB."""

    type: Literal["influx"]
    url: str
    """As `http://host:8086`."""

    version: Literal[1, 2, 3] = 2
    database: str | None = None
    """Of version 1 and 3."""

    org: str | None = None
    bucket: str | None = None
    token: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    measurement: str = "energymeter"


class WebhookEntry(_Buffered):
    """POST readings as JSON."""

    type: Literal["webhook"]
    url: str
    headers: dict[str, str] = {}
    token: Secret | None = None
    """Sent as `Authorization: Bearer`."""

    batch: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Most polls in one request."""


class CsvEntry(_Buffered):
    """Write CSV files."""

    type: Literal["csv"]
    folder: Path
    rotate: Literal["hour", "day", "month"] = "day"
    keep: Duration | None = None
    """Delete files that are older; by default none."""


class JsonLinesEntry(_Buffered):
    """Write a line of JSON for each poll to stdout, or to a file."""

    type: Literal["json"]
    path: Path | None = None
    """By default stdout."""


class PrometheusEntry(_Sink):
    """Serve /metrics beside the health route."""

    type: Literal["prometheus"]
    path: str = "/metrics"
    stale_after: Duration | None = None
    """Values that are older disappear; by default after three intervals of their meter."""


SinkEntry = Annotated[
    MqttEntry | InfluxEntry | WebhookEntry | CsvEntry | JsonLinesEntry | PrometheusEntry,
    Field(discriminator="type"),
]
