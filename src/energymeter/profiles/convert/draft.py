"""What the importers share: loose rows of other programs' files become the points of a profile."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, TypeVar

from energymeter.codec.codes import Table
from energymeter.errors import ProfileError
from energymeter.profiles.convert.naming import profile_name
from energymeter.profiles.load import parse_profile
from energymeter.profiles.model import Profile
from energymeter.values import DataType, Order, WireOrder

__all__ = [
    "ORDERS",
    "Draft",
    "Imported",
    "choice",
    "mapping",
    "name_from",
    "number",
    "rows",
    "whole",
]

T = TypeVar("T")

ORDERS: Final = {WireOrder(byte, word).letters: (byte, word) for byte in Order for word in Order}
"""`ABCD` and its three sisters, and what they mean."""

_UNITS: Final = {
    "volt": "V", "volts": "V", "amp": "A", "amps": "A", "ampere": "A", "amperes": "A",
    "watt": "W", "watts": "W", "kilowatt": "kW", "var": "var", "vars": "var", "va": "VA",
    "kw": "kW", "mw": "MW", "kvar": "kvar", "kva": "kVA", "wh": "Wh", "kwh": "kWh", "mwh": "MWh",
    "varh": "varh", "kvarh": "kvarh", "vah": "VAh", "kvah": "kVAh", "hz": "Hz", "hertz": "Hz",
    "°c": "degC", "c": "degC", "degc": "degC", "°": "deg", "deg": "deg", "degrees": "deg",
    "m³": "m3", "m3": "m3", "m³/h": "m3/h", "l": "L", "l/h": "L/h", "l/min": "L/min",
}  # fmt: skip


class Imported(NamedTuple):
    """A profile made of another program's file."""

    profile: Profile
    remarks: tuple[str, ...]
    """What could not be taken over, for people."""


def mapping(value: Any, place: str) -> Mapping[str, Any]:  # noqa: ANN401 - data of any shape
    """The value as a table of keys.

    Raises:
        ProfileError: It is none.
    """
    if not isinstance(value, Mapping):
        msg = f"{place}: a table of keys and values was expected, not {value!r}"
        raise ProfileError(msg)
    return value


def rows(value: Any, place: str) -> list[Mapping[str, Any]]:  # noqa: ANN401 - likewise
    """The value as a list of tables; None is the empty list.

    Raises:
        ProfileError: It is none.
    """
    if not isinstance(value, (list, type(None))):
        msg = f"{place}: a list was expected, not {value!r}"
        raise ProfileError(msg)
    return [mapping(row, f"{place}[{index}]") for index, row in enumerate(value or [])]


def whole(value: Any, place: str) -> int:  # noqa: ANN401 - likewise
    """A whole number, as number or text, decimal or 0x.

    Raises:
        ProfileError: It is none.
    """
    try:
        if not isinstance(value, bool):
            return int(value, 0) if isinstance(value, str) else int(value)
    except (TypeError, ValueError):
        pass
    msg = f"{place}: a whole number was expected, not {value!r}"
    raise ProfileError(msg)


def number(value: Any, place: str) -> Decimal:  # noqa: ANN401 - likewise
    """A number with all the digits it was written with.

    Raises:
        ProfileError: It is none.
    """
    try:
        if not isinstance(value, bool):
            return Decimal(str(value).strip())
    except InvalidOperation:
        pass
    msg = f"{place}: a number was expected, not {value!r}"
    raise ProfileError(msg)


def choice(value: Any, choices: Mapping[str, T], place: str) -> T:  # noqa: ANN401 - likewise
    """What a word stands for.

    Raises:
        ProfileError: It is none of the words.
    """
    if str(value) not in choices:
        msg = f"{place}: one of {', '.join(choices)} was expected, not {value!r}"
        raise ProfileError(msg)
    return choices[str(value)]


def name_from(*parts: str) -> str:
    """A point's name of the words of another program: `Voltage L1` is `voltage_l1`."""
    return re.sub(r"\W+", "_", " ".join(parts).lower()).strip("_") or "unnamed"


@dataclass
class Draft:
    """A profile that is being collected."""

    origin: str
    vendor: str
    model: str
    tool: str
    """Whose file it is."""
    defaults: dict[str, Any] = field(default_factory=dict)
    transports: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    _points: list[dict[str, Any]] = field(default_factory=list)
    _orders: list[str | None] = field(default_factory=list)

    def add(
        self,
        name: str,
        table: Table,
        address: int,
        data_type: DataType,
        *,
        order: str | None = None,
        **more: Any,  # noqa: ANN401 - any other key of a point
    ) -> None:
        """Add a point; one whose place is taken by another is left out with a remark.

        Args:
            name: As the other program has it.
            table: Where it is.
            address: As on the wire.
            data_type: Its type.
            order: Four letters such as `ABCD`; None where it has no meaning.
            more: Other keys of the point; None is left out.
        """
        point = {key: value for key, value in more.items() if value not in (None, "")}
        unit = str(point.get("unit", ""))
        if unit:
            point["unit"] = _UNITS.get(unit.lower(), unit)
        point |= {"name": self._unique(name_from(name)), "tables": [table]}
        point |= {"address": address, "type": data_type}
        other = next((p for p in self._points if _collide(p, point)), None)
        if other is not None:
            self.leave_out(name, f"its registers are those of {other['name']}, read otherwise")
            return
        self._points.append(point)
        self._orders.append(order)

    def leave_out(self, name: str, reason: str) -> None:
        """Remark that a value is not taken over."""
        self.remarks.append(f"{name} is left out: {reason}")

    def finish(self) -> Imported:
        """The profile.

        Raises:
            ProfileError: There are no points, or they make no profile.
        """
        if not self._points:
            msg = f"{self.origin}: there is no value in it that a profile could take over"
            raise ProfileError(msg)
        tables = Counter(table for point in self._points for table in point["tables"])
        letters = Counter(order for order in self._orders if order is not None)
        usual = letters.most_common(1)[0][0] if letters else "ABCD"
        for point, order in zip(self._points, self._orders, strict=True):
            if order is not None and order != usual:
                byte, word = ORDERS[order]
                point |= {"byte_order": byte, "word_order": word}
        byte, word = ORDERS[usual]
        profile = parse_profile(
            {
                "name": profile_name(self.vendor, self.model),
                "vendor": self.vendor,
                "model": self.model,
                "sources": [f"{self.tool}: {self.origin}"],
                "transports": self.transports,
                "byte_order": byte,
                "word_order": word,
                "tables": [tables.most_common(1)[0][0]],
                "defaults": {k: v for k, v in self.defaults.items() if v is not None},
                "points": self._points,
            },
            self.origin,
        )
        return Imported(profile, tuple(self.remarks))

    def _unique(self, name: str) -> str:
        taken = {point["name"] for point in self._points}
        candidate, count = name, 1
        while candidate in taken:
            count += 1
            candidate = f"{name}_{count}"
        return candidate


def _collide(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one["tables"] != other["tables"]:
        return False
    (first, end), (start, stop) = _span(one), _span(other)
    is_twin = (first, end, one["type"]) == (start, stop, other["type"])
    return first < stop and start < end and not is_twin


def _span(point: Mapping[str, Any]) -> tuple[int, int]:
    count = int(point.get("length") or DataType(point["type"]).words or 1)
    return point["address"], point["address"] + count
