"""Announces meters to Home Assistant: one discovery message for each, with all its values.

Keys: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload, short forms where
they are old enough for every version that knows device discovery. Knows no connection.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from energymeter._version import __version__
from energymeter.service.sink import MeterInfo
from energymeter.sinks.mqtt_layout import Message, Place, TopicLayout
from energymeter.sinks.mqtt_names import identifier, spoken
from energymeter.store.base import Form, Series
from energymeter.values.home_assistant import appearance, decimals_of

__all__ = ["Discovery"]

_INTERVALS: Final = 3
"""After so many intervals without a value Home Assistant shows none."""


class Discovery:
    """What Home Assistant is told.

    Args:
        prefix: First levels of the topics it looks into, `homeassistant` unless changed there.
        site: What the site is called.
        layout: Where the values are.
        points: Names of the values that are passed on, `*` and `?` as in file names.
        every_s: Seconds between two polls that are passed on, where polls are left out.
    """

    def __init__(
        self,
        prefix: str,
        site: str,
        layout: TopicLayout,
        points: Iterable[str] = ("*",),
        every_s: float | None = None,
    ) -> None:
        self._prefix = prefix
        self._base = f"energymeter-{identifier(site)}-"
        self._layout = layout
        self._points = tuple(points)
        self._every_s = every_s or 0.0
        self.birth_topic = f"{prefix}/status"
        """Where Home Assistant says `online` when it has started."""

    def leftovers(self) -> tuple[str, ...]:
        """Topic filters of what an earlier run may have announced."""
        return (f"{self._prefix}/device/+/config",)

    def forgetting(self, meters: Iterable[str], retained: Mapping[str, bytes]) -> Iterator[Message]:
        """What takes back the announcements of meters of this site that are no more."""
        here = {self._topic(name) for name in meters}
        for topic in retained:
            is_ours = topic.startswith(f"{self._prefix}/device/{self._base}")
            if is_ours and topic.endswith("/config") and topic not in here:
                yield Message(topic, b"")

    def announcements(self, meters: Mapping[str, MeterInfo]) -> Iterator[Message]:
        """A message for each meter that has a value to pass on."""
        for name, info in meters.items():
            series = [each for each in info.series if self._is_passed_on(each.name)]
            if series:
                document = json.dumps(self._device(info, series), ensure_ascii=False)
                yield Message(self._topic(name), document.encode())

    def _id(self, meter: str) -> str:
        return self._base + identifier(meter)

    def _topic(self, meter: str) -> str:
        return f"{self._prefix}/device/{self._id(meter)}/config"

    def _is_passed_on(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._points)

    def _device(self, info: MeterInfo, series: list[Series]) -> dict[str, Any]:
        ident = self._id(info.name)
        frequent = {p.name for p in info.profile.points if p.how_often == "fast"}
        has_frequent = any(each.name in frequent for each in series)
        components = {}
        for each in series:
            place = self._layout.place(info.name, each)
            component = _component(info, each, place)
            component["uniq_id"] = f"{ident}-{identifier(each.name)}"
            if has_frequent if place.is_repeated else each.name in frequent:
                interval_s = max(info.interval_s, self._every_s)
                component["exp_aft"] = max(1, math.ceil(_INTERVALS * interval_s))
            components[identifier(each.name)] = component
        return {
            "dev": {
                "ids": [ident],
                "name": info.name,
                "mf": info.profile.vendor,
                "mdl": info.profile.model,
            },
            "o": {"name": "energymeter", "sw": __version__},
            "avty": [
                {
                    "t": switch.topic,
                    "val_tpl": f"{{{{ 'online' if value == '{switch.there}' else 'offline' }}}}",
                }
                for switch in self._layout.switches(info.name)
            ],
            "avty_mode": "all",
            "cmps": components,
        }


def _component(info: MeterInfo, series: Series, place: Place) -> dict[str, Any]:
    component: dict[str, Any] = {"p": "sensor", "name": spoken(series.name)}
    component["stat_t"] = place.topic
    if place.member is not None:
        # `values` is a method of dictionaries too: brackets ask for the member.
        name = json.dumps(place.member, ensure_ascii=False)
        component["val_tpl"] = f"{{{{ value_json['values'].get({name}) }}}}"
    if series.form is Form.BOOLEAN:
        on, off = ("true", "false") if place.member is None else ("True", "False")
        component |= {"p": "binary_sensor", "pl_on": on, "pl_off": off}
    look = appearance(
        series.name,
        series.unit,
        series.type,
        medium=info.profile.kind,
        counts_down=series.counts_down,
    )
    if look.unit is not None:
        component["unit_of_meas"] = look.unit
    if look.device_class is not None:
        component["dev_cla"] = look.device_class
    if look.state_class is not None:
        component["stat_cla"] = look.state_class
        component["suggested_display_precision"] = decimals_of(
            series.unit,
            series.type,
            series.divisor,
            is_whole=series.form is Form.INTEGER or series.divisor > 1,
        )
    if look.is_diagnostic:
        component["ent_cat"] = "diagnostic"
    return component
