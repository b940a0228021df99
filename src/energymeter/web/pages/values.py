"""All values of one meter, in groups, each with its quality and its age where that matters."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from energymeter.reader.reading import Quality, Reading
from energymeter.service.snapshot import MeterState
from energymeter.store.base import Series
from energymeter.values import quantity_of
from energymeter.values.quantities import base_of
from energymeter.values.text import format_value
from energymeter.web.pages.figures import DASH, NOW, age_text, figure, label_of
from energymeter.web.pages.markup import Markup, join, tag
from energymeter.web.pages.slots import Slots

__all__ = ["MeterValues", "group_of"]

Group = Literal["power", "voltage", "current", "energy", "volume and heat", "other", "set-up"]

_ORDER: Final[tuple[Group, ...]] = (
    *("power", "voltage", "current", "energy"),
    *("volume and heat", "other", "set-up"),
)

_MARKS: Final = {
    Quality.NOT_AVAILABLE: "not available",
    Quality.OUT_OF_RANGE: "rejected",
    Quality.WITHHELD: "withheld",
    Quality.STALE: "stale",
    Quality.NOT_READ: "not read",
}
_OLDER_S: Final = 1.0
"""The age of a value is shown where it is so much older than the meter's newest one."""


def group_of(series: Series) -> Group:
    """Where a value belongs."""
    quantity = quantity_of(series.name)
    if quantity is None or quantity.is_setting or not series.type.words:
        return "set-up" if quantity is None or quantity.is_setting else "other"
    name, base = quantity.name, base_of(quantity.unit)[0]
    if base in ("Wh", "varh", "VAh") and name != "heat_energy":
        return "energy"
    if name.startswith(("heat", "flow", "volume", "gas", "temperature")):
        return "volume and heat"
    if base in ("W", "var", "VA") or name in ("power_factor", "phase_angle"):
        return "power"
    if base == "V" or name == "thd_voltage":
        return "voltage"
    if base == "A" or name == "thd_current":
        return "current"
    return "other"


class MeterValues:
    """The groups, and what of them changed.

    Args:
        slots: Where they are shown; all keys begin with `v`.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._keys: dict[str, tuple[str, Series]] = {}

    def html(self, state: MeterState, now: datetime) -> Markup:
        """All groups with values in them."""
        self._slots.forgotten("v")
        groups: dict[Group, list[Series]] = {group: [] for group in _ORDER}
        for series in state.info.series:
            groups[group_of(series)].append(series)
        for members in groups.values():
            members.sort(key=lambda each: "_phase_" in each.name)  # what is whole goes first
        self._keys = {
            series.name: (f"v{place}", series) for place, series in enumerate(state.info.series)
        }
        parts = [self._group(group, members) for group, members in groups.items() if members]
        self.renew(state, now)
        return tag("div", *parts, class_="em-groups")

    def renew(self, state: MeterState, now: datetime) -> None:
        """Show what they are now."""
        for reading in state.readings(now):
            found = self._keys.get(reading.name)
            if found is not None:
                self._renew(*found, state, reading, now)

    def _renew(
        self, key: str, series: Series, state: MeterState, reading: Reading, now: datetime
    ) -> None:
        slots, quality = self._slots, reading.quality
        shown = figure(reading.value, series)
        slots.text(f"{key}.n", shown.number)
        slots.text(f"{key}.u", shown.unit)
        exact = f"{format_value(reading.value, series.type, series.divisor)} {series.unit}".rstrip()
        slots.attribute(f"{key}.n", "title", exact if reading.value is not None else None)
        age_s = reading.age_s(now)
        newest = state.time
        is_older = newest is not None and (newest - reading.time).total_seconds() > _OLDER_S
        has_age = reading.value is not None and (is_older or quality is not Quality.GOOD)
        age = age_text(age_s) if has_age else ""
        slots.text(f"{key}.a", "" if age == NOW else age)
        if quality is Quality.GOOD:
            slots.attribute(f"{key}.q", "hidden", "")
            slots.attribute(f"{key}.r", "class", "em-reading")
            return
        reason = state.reason(reading.name)
        if quality is Quality.STALE and not reason:
            reason = f"nothing newer came for {age_text(age_s)}"
        word = _MARKS[quality]
        slots.text(f"{key}.q", word)
        slots.attribute(f"{key}.q", "data-tip", reason or word)
        slots.attribute(f"{key}.q", "aria-label", f"{word}: {reason}" if reason else word)
        slots.attribute(f"{key}.q", "hidden", None)
        slots.attribute(f"{key}.r", "class", "em-reading em-old")

    def _group(self, group: Group, members: list[Series]) -> Markup:
        rows = tag("ul", join(self._row(series) for series in members), class_="em-readings")
        title = group[:1].upper() + group[1:]
        if group == "set-up":
            summary = tag("summary", tag("h2", title), tag("small", f"{len(members)} values"))
            return tag("details", summary, rows, class_="em-card em-group")
        return tag("section", tag("h2", title), rows, class_="em-card em-group")

    def _row(self, series: Series) -> Markup:
        key, _ = self._keys[series.name]
        return tag(
            "li",
            tag("span", label_of(series.name), class_="em-label", title=series.name),
            tag("span", "", data_k=f"{key}.a", class_="em-age em-num"),
            tag(
                "button",
                "",
                type="button",
                hidden=True,
                data_k=f"{key}.q",
                class_="em-quality",
                data_tip="…",
            ),
            tag("span", DASH, data_k=f"{key}.n", class_="em-number em-num"),
            tag("span", "", data_k=f"{key}.u", class_="em-unit"),
            data_k=f"{key}.r",
            class_="em-reading",
        )
