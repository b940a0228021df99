"""Faults as people write them: `late=500ms:0.1,unit=3`, or the same keys in TOML and JSON.

    KIND[=AMOUNT][:PROBABILITY][,KEY=VALUE]...

Keys: unit, function, address and wire (a number or a range, 10-20; each more than once), for (a
duration) and times. In a table `fault` holds the text, or its beginning, and the keys the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from energymeter.errors import ConfigError
from energymeter.simulator.faults.amount import (
    Amount,
    Measure,
    Ranges,
    parse_duration,
    parse_range,
)
from energymeter.simulator.faults.fault import Fault
from energymeter.simulator.faults.kind import Kind
from energymeter.simulator.faults.table import KINDS
from energymeter.transports.options import nearest

__all__ = ["FAULT_KEYS", "parse_fault", "parse_ranges"]

_MOST: Final = {"unit": 255, "function": 127, "address": 65535, "wire": 65535}
"""Largest number of each filter."""

FAULT_KEYS: Final = ("amount", "probability", *_MOST, "for", "times")
"""The keys beside `fault`."""


def parse_fault(source: str | Mapping[str, Any]) -> Fault:
    """Make a fault of what somebody wrote.

    Raises:
        ConfigError: It is none; one sentence says what is wrong, and where.
    """
    if isinstance(source, str):
        return _fault(*_split(source), source)
    written = source.get("fault")
    if not isinstance(written, str):
        msg = "a fault needs the key fault, such as fault = 'late=500ms'"
        raise ConfigError(msg)
    name, keys = _split(written)
    for key, value in source.items():
        if key == "fault":
            continue
        if key not in FAULT_KEYS:
            raise _unknown_key(written, str(key))
        if key in keys:
            msg = f"{written}: {key} is given twice"
            raise ConfigError(msg)
        keys[key] = list(value) if isinstance(value, (list, tuple)) else [value]
    return _fault(name, keys, written)


def parse_ranges(values: Iterable[Any], key: str) -> Ranges:
    """Numbers and ranges of them, as in `unit = [3, "5-7"]`.

    Raises:
        ConfigError: One is no such thing.
    """
    ranges = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            msg = f"{key}: {value!r} is no number and no range of them, write 7 or 7-12"
            raise ConfigError(msg)
        try:
            ranges.append(parse_range(str(value), _MOST[key]))
        except ConfigError as error:
            msg = f"{key}: {error}"
            raise ConfigError(msg) from error
    return tuple(ranges)


def _split(text: str) -> tuple[str, dict[str, list[Any]]]:
    head, *rest = text.split(",")
    head, colon, probability = head.partition(":")
    name, equals, amount = head.partition("=")
    keys: dict[str, list[Any]] = {}
    if equals:
        keys["amount"] = [amount.strip()]
    if colon:
        keys["probability"] = [probability.strip()]
    for part in rest:
        key, equals, value = (word.strip() for word in part.partition("="))
        if key not in FAULT_KEYS[2:]:
            raise _unknown_key(text, key)
        if not equals or not value:
            msg = f"{text}: {key} has no value, write {key}=..."
            raise ConfigError(msg)
        keys.setdefault(key, []).append(value)
    return name.strip(), keys


def _fault(name: str, keys: Mapping[str, list[Any]], text: str) -> Fault:
    kind = KINDS.get(name)
    if kind is None:
        guess = nearest(name, KINDS)
        hint = f", did you mean {guess}?" if guess else "; there are: " + ", ".join(KINDS)
        msg = f"there is no fault {name!r}{hint}"
        raise ConfigError(msg)
    try:
        for_s = _single(keys, "for")
        return Fault(
            kind=kind,
            amount=_amount(kind, _single(keys, "amount")),
            probability=_probability(_single(keys, "probability")),
            units=parse_ranges(keys.get("unit", ()), "unit"),
            functions=parse_ranges(keys.get("function", ()), "function"),
            addresses=parse_ranges(keys.get("address", ()), "address"),
            wires=parse_ranges(keys.get("wire", ()), "wire"),
            for_s=None if for_s is None else _duration(for_s),
            times=_times(_single(keys, "times")),
        )
    except ConfigError as error:
        msg = f"{text}: {error}"
        raise ConfigError(msg) from error


def _single(keys: Mapping[str, list[Any]], key: str) -> Any:  # noqa: ANN401 - text or a number
    values = keys.get(key, [None])
    if len(values) != 1:
        msg = f"{key} is given {len(values)} times, once is possible"
        raise ConfigError(msg)
    return values[0]


def _amount(kind: Kind, value: object) -> Amount | None:
    if value is None:
        if kind.is_amount_needed:
            msg = f"{kind.name} needs an amount, {kind.measure.value}: {kind.name}=..."
            raise ConfigError(msg)
        return None
    if kind.measure is Measure.NONE:
        msg = f"{kind.name} has no amount"
        raise ConfigError(msg)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        msg = f"{value!r} is not {kind.measure.value}"
        raise ConfigError(msg)
    return kind.measure.parse(str(value))


def _probability(value: object) -> float:
    if value is None:
        return 1.0
    try:
        probability = float(str(value))
    except ValueError:
        probability = -1.0
    if isinstance(value, bool) or not 0 < probability <= 1:
        msg = f"a probability of {value!s} is not possible, use more than 0 and up to 1"
        raise ConfigError(msg)
    return probability


def _duration(value: object) -> float:
    if not isinstance(value, str):
        msg = f"for: {value!r} is no duration, write 500ms, 20s, 5min, 1h or 2d"
        raise ConfigError(msg)
    seconds = parse_duration(value)
    if seconds <= 0:
        msg = f"for: {value} is over at once, use more than 0"
        raise ConfigError(msg)
    return seconds


def _times(value: object) -> int | None:
    if value is None:
        return None
    text = str(value)
    if isinstance(value, (bool, float)) or not (text.isascii() and text.isdigit()) or not int(text):
        msg = f"times: {text} is not possible, use 1 or more"
        raise ConfigError(msg)
    return int(text)


def _unknown_key(text: str, key: str) -> ConfigError:
    guess = nearest(key, FAULT_KEYS)
    hint = f", did you mean {guess}?" if guess else "; there are: " + ", ".join(FAULT_KEYS)
    return ConfigError(f"{text}: there is no key {key!r}{hint}")
