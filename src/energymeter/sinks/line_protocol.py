"""Polls as InfluxDB line protocol. Pure.

Source: InfluxDB's reference of the line protocol. What it cannot express is replaced, never sent
in the hope that it works: a backslash in a tag by a slash (at the end of a tag it has no valid
form, influxdata/influxdb#5231), line ends and other control characters by a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Final

from energymeter.errors import ConfigError
from energymeter.reader.reading import Quality, Value
from energymeter.service.sink import MeterInfo, SinkPoll
from energymeter.store.base import Form, Series
from energymeter.store.numbers import number_text, plain_value
from energymeter.values.quantities import base_of

__all__ = ["LineWriter", "field_name", "tags_of"]

_TAGS: Final = ("site", "meter", "profile", "unit")
_RESERVED: Final = ("time", *_TAGS)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_NAME: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_MEASUREMENT: Final = str.maketrans({",": r"\,", " ": r"\ "})
_TEXT: Final = str.maketrans({'"': r"\"", "\\": r"\\"})


def _clean(text: str) -> str:
    # Lone surrogates have no UTF-8; they would stop the whole batch.
    return _CONTROL.sub(" ", text).encode(errors="replace").decode()


def _name(text: str) -> str:
    return _clean(text).replace("\\", "/").strip()


def field_name(series: Series) -> str:
    """What the field of a value is called.

    Its name, behind texts `_text`: what is a number in one meter is a text in another, and a
    field that changes its type is refused. Names that mean something else get `value_` in front.
    """
    name = _name(series.name)
    if name in _RESERVED or name.startswith("_"):
        name = f"value_{name.lstrip('_')}"
    return f"{name}_text" if series.form is Form.TEXT else name


def tags_of(site: str, meter: str, info: MeterInfo | None) -> dict[str, str]:
    """The tags of a meter, by name: site, meter, profile, unit, and its labels.

    A label that is called like another tag, like a value of the meter, or like something InfluxDB
    reserves gets `label_` in front. Tags without text are left out.
    """
    tags = {"site": site, "meter": meter}
    if info is not None:
        tags |= {"profile": info.profile.name, "unit": str(info.unit)}
        taken = {field_name(series) for series in info.series}
        for label, text in info.labels.items():
            key = _name(label)
            if key in taken or key in _RESERVED or key.startswith("_"):
                key = f"label_{key.lstrip('_')}"
            tags[key] = text
    cleaned = {key: _name(text) for key, text in tags.items()}
    return {key: cleaned[key] for key in sorted(cleaned) if key and cleaned[key]}


class LineWriter:
    """Writes polls of a site as lines.

    Args:
        measurement: What the lines are of.
        site: Tag of every line.

    Raises:
        ConfigError: Lines of such a measurement are not accepted, or taken for comments.
    """

    def __init__(self, measurement: str, site: str) -> None:
        if not measurement.strip() or measurement[0] in "#_ " or "\\" in measurement:
            msg = (
                f"the measurement {measurement!r} is not possible in InfluxDB: begin it with a "
                "letter, and use no backslash"
            )
            raise ConfigError(msg)
        self._measurement = _clean(measurement).translate(_MEASUREMENT)
        self._site = site
        self._meters: Mapping[str, MeterInfo] = {}
        self._heads: dict[str, str] = {}
        self._fields: dict[Series, tuple[str, float]] = {}

    def open(self, meters: Mapping[str, MeterInfo]) -> None:
        """What is known of the meters, by name; of others there are polls, but no labels."""
        self._meters = meters
        self._heads = {}

    def body(self, polls: Iterable[SinkPoll]) -> bytes:
        """Their lines, one for each poll that has a good value."""
        return "".join(line for poll in polls if (line := self._line(poll))).encode()

    def _line(self, poll: SinkPoll) -> str:
        fields = ",".join(
            field
            for series, value, quality in poll.values
            if quality is Quality.GOOD and (field := self._field(series, value))
        )
        if not fields:
            return ""
        head = self._heads.get(poll.meter)
        if head is None:
            head = self._heads[poll.meter] = self._head(poll.meter)
        return f"{head} {fields} {poll.time_us}\n"

    def _head(self, meter: str) -> str:
        tags = tags_of(self._site, meter, self._meters.get(meter))
        pairs = (f",{key.translate(_NAME)}={text.translate(_NAME)}" for key, text in tags.items())
        return self._measurement + "".join(pairs)

    def _field(self, series: Series, value: Value) -> str:
        plain = plain_value(series, value)
        if plain is None:
            return ""
        known = self._fields.get(series)
        if known is None:
            factor = 1.0 if series.form is Form.TEXT else base_of(series.unit)[1]
            known = self._fields[series] = (field_name(series).translate(_NAME), factor)
        key, factor = known
        if series.form is Form.TEXT:
            return f'{key}="{_clean(str(plain)).translate(_TEXT)}"'
        if isinstance(plain, bool):
            return f"{key}={'true' if plain else 'false'}"
        if isinstance(plain, str):
            return ""  # no number: it would be refused, and the whole line with it
        number = float(plain)
        if factor != 1.0:
            # Fifteen digits are what a float holds of any decimal: 0.29 kW is 290 W, not 289.9...
            number = float(f"{number * factor:.15g}")
        return f"{key}={number_text(number)}" if isfinite(number) else ""
