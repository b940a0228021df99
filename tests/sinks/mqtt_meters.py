"""Meters of shipped profiles, and polls of them, for what is published of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

from energymeter.profiles import Profile, ProfileLibrary
from energymeter.reader import Quality
from energymeter.reader.reading import Value
from energymeter.service.sink import MeterInfo, SinkPoll, SinkValue
from energymeter.site.sinks import MqttEntry
from energymeter.store import Form, Series, layout_of

__all__ = ["ELECTRIC", "PROFILES", "entry_of", "info_of", "poll_at"]

ELECTRIC = "eastron/sdm630"
PROFILES = (
    ELECTRIC,
    "schneider-electric/pm8000",
    "energymeter/water",
    "energymeter/gas",
    "kamstrup/multical-603",
    "generic/tuf-2000m",
)


@lru_cache
def _profile(name: str) -> Profile:
    return ProfileLibrary([]).load(name)


def info_of(
    name: str = "main", profile: str = ELECTRIC, interval_s: float = 10.0, *, most: int = 1000
) -> MeterInfo:
    """A meter that is read for all its values, or the first few."""
    found = _profile(profile)
    return MeterInfo(
        name=name,
        link="tcp://127.0.0.1:502",
        unit=1,
        profile=found,
        interval_s=interval_s,
        series=layout_of(found.readable_points).series[:most],
    )


def poll_at(
    info: MeterInfo,
    time_s: float,
    quality: Quality = Quality.GOOD,
    series: Iterable[Series] | None = None,
) -> SinkPoll:
    """A poll of all its values, so many seconds after 1970."""
    values = tuple(
        SinkValue(each, _value(each, place) if quality is Quality.GOOD else None, quality)
        for place, each in enumerate(info.series if series is None else series)
    )
    return SinkPoll(info.name, math.floor(time_s * 1e6), values)


def _value(series: Series, place: int) -> Value:
    if series.form is Form.TEXT:
        return "text"
    if series.form is Form.BOOLEAN:
        return place % 2 == 0
    return 100 + place if series.form is Form.INTEGER else (1000 + place) / 10


def entry_of(port: int, **more: object) -> MqttEntry:
    """What stands in a site file."""
    return MqttEntry.model_validate({"type": "mqtt", "host": "127.0.0.1", "port": port, **more})
