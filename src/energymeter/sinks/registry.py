"""From what stands in a site file to the sink it means; drivers are imported when needed."""

from __future__ import annotations

from typing import TypeGuard

from energymeter.service.sink import Sink
from energymeter.site.sinks import (
    CsvEntry,
    InfluxEntry,
    JsonLinesEntry,
    MqttEntry,
    PrometheusEntry,
    SinkEntry,
    WebhookEntry,
)

__all__ = ["PushedEntry", "is_pushed", "make_sink", "sink_name"]

PushedEntry = MqttEntry | InfluxEntry | WebhookEntry | CsvEntry | JsonLinesEntry
"""Sinks that are sent readings."""


def is_pushed(entry: SinkEntry) -> TypeGuard[PushedEntry]:
    """Whether readings are sent to it; Prometheus comes and asks, which the web side answers."""
    return not isinstance(entry, PrometheusEntry)


def sink_name(entry: SinkEntry) -> str:
    """What it is called in messages and files: its name, else its type."""
    return entry.name or entry.type


def make_sink(entry: PushedEntry, site: str) -> Sink:
    """The sink an entry means, not open yet.

    Args:
        entry: What stands in the site file; its paths are taken as they are.
        site: What the site is called.

    Raises:
        ConfigError: Something in the entry cannot be, or the sink's driver is not installed.
    """
    match entry:
        case MqttEntry():
            from energymeter.sinks.mqtt import MqttSink  # noqa: PLC0415 - its driver is an extra

            return MqttSink(entry, site)
        case InfluxEntry():
            from energymeter.sinks.influx import InfluxSink  # noqa: PLC0415 - likewise

            return InfluxSink(entry, site)
        case WebhookEntry():
            from energymeter.sinks.webhook import WebhookSink  # noqa: PLC0415 - likewise

            return WebhookSink(entry, site)
        case CsvEntry():
            from energymeter.sinks.csv_file import CsvSink  # noqa: PLC0415 - only when there is one

            return CsvSink(entry)
        case JsonLinesEntry():
            from energymeter.sinks.json_lines import JsonLinesSink  # noqa: PLC0415 - likewise

            return JsonLinesSink(entry)
