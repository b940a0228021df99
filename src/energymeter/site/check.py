"""What of a site's sinks, store and secrets cannot work, and what in a site is probably a slip.

Looks at the files and environment variables that secrets and certificates stand in; opens no
socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from energymeter.errors import ConfigError
from energymeter.site.faults import Fault, Steps
from energymeter.site.model import PostgresStoreEntry, Site
from energymeter.site.resolve import ResolvedMeter, ResolvedSite
from energymeter.site.secret import PlainSecret, SecretSource
from energymeter.site.sinks import InfluxEntry, MqttEntry, PrometheusEntry, SinkEntry, WebhookEntry

__all__ = ["site_faults", "site_warnings"]

_POSTGRES = ("postgresql://", "postgres://")


def site_faults(site: Site) -> Iterator[Fault]:
    """What cannot work of everything but links and meters."""
    if site.web is not None:
        yield from _secret_faults(site.web, ("web",))
    if isinstance(site.store, PostgresStoreEntry):
        yield from _store_faults(site.store)
    names: set[str | None] = set()
    for number, sink in enumerate(site.sink):
        where: Steps = ("sink", number)
        if sink.name in names:
            yield Fault((*where, "name"), f"there is another sink called {sink.name!r}")
        names.add(sink.name)
        yield from _secret_faults(sink, where)
        for key, text in _sink_faults(sink, site):
            yield Fault((*where, key), text)


def _store_faults(store: PostgresStoreEntry) -> Iterator[Fault]:
    faults = [*_secret_faults(store, ("store",))]
    yield from faults
    if not faults and not store.url.reveal().startswith(_POSTGRES):
        yield Fault(("store", "url"), "it does not begin with postgresql://")


def _secret_faults(entry: BaseModel, where: Steps) -> Iterator[Fault]:
    for key in type(entry).model_fields:
        secret = getattr(entry, key)
        if not isinstance(secret, (SecretSource, PlainSecret)):
            continue
        try:
            is_empty = not secret.reveal()
        except ConfigError as error:
            yield Fault((*where, key), error.message)
        else:
            if is_empty:
                yield Fault((*where, key), "the secret is empty")


def _sink_faults(sink: SinkEntry, site: Site) -> Iterator[tuple[str, str]]:
    """Keys and what is wrong with them."""
    match sink:
        case MqttEntry():
            yield from _mqtt_faults(sink)
        case InfluxEntry(version=2):
            for key in ("org", "bucket"):
                if getattr(sink, key) is None:
                    yield key, "version 2 needs it"
        case InfluxEntry(database=None):
            yield "database", f"version {sink.version} needs it"
        case WebhookEntry():
            if any(name.lower() == "authorization" for name in sink.headers):
                yield "headers", "give what authorizes as token, where nobody prints it"
        case PrometheusEntry() if site.web is None:
            yield "type", "it is served by the HTTP side, remove web = false"


def _mqtt_faults(sink: MqttEntry) -> Iterator[tuple[str, str]]:
    for key in ("ca_file", "cert_file", "key_file"):
        path: Path | None = getattr(sink, key)
        if path is None:
            continue
        if not sink.tls:
            yield key, "it says nothing without tls = true"
        elif not path.is_file():
            yield key, f"there is no file {path}"
    if (sink.cert_file is None) != (sink.key_file is None):
        yield "key_file", "cert_file and key_file go together"
    if sink.password is not None and sink.username is None:
        yield "username", "a password needs one"


def site_warnings(view: ResolvedSite) -> list[str]:
    """What can be built but was hardly meant so, a sentence each."""
    meters = view.meters()
    warnings = [] if meters else ["there are no meters, add a [[meter]]"]
    warnings += [f"link {link.name!r} has no meter" for link in view.links if not link.meters]
    warnings += _idle_ratios(meters.values())
    for sink in view.site.sink if meters else ():
        warnings += _idle_patterns(sink, meters)
    return warnings


def _idle_ratios(meters: Iterable[ResolvedMeter]) -> Iterator[str]:
    """Ratios that are given but change no value; meters that are alike in this count as one."""
    for key in ("ct", "pt"):
        idle: dict[str, list[str]] = {}
        for meter in meters:
            if getattr(meter.entry, key) is not None and not any(
                key in point.ratio for point in meter.points
            ):
                idle.setdefault(meter.profile.name, []).append(meter.name)
        for profile, (name, *others) in idle.items():
            more = f" and {len(others)} more" if others else ""
            yield f"meter {name!r}{more}: {key} says nothing, {profile} has no value it is for"


def _idle_patterns(sink: SinkEntry, meters: dict[str, ResolvedMeter]) -> Iterator[str]:
    fed: dict[str, Any] = {}
    for pattern in sink.meters:
        names = [name for name in meters if fnmatchcase(name, pattern)]
        if not names:
            yield f"sink {sink.name!r}: no meter is called {pattern!r}"
        fed.update(dict.fromkeys(names))
    if not sink.meters:
        yield f"sink {sink.name!r} gets no meters, leave meters out to pass on all"
    points = {point.name for name in fed for point in meters[name].points}
    for pattern in sink.points if points else ():
        if not any(fnmatchcase(point, pattern) for point in points):
            yield f"sink {sink.name!r}: no value is called {pattern!r}"
