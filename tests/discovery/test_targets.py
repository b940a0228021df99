"""What to look at, as people write it."""

from __future__ import annotations

import pytest

from energymeter.discovery.targets import parse_hosts, parse_span, parse_units
from energymeter.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("meter.local", ["meter.local:502"]),
        ("meter.local:503", ["meter.local:503"]),
        ("192.0.2.0/30", ["192.0.2.1:502", "192.0.2.2:502"]),
        ("192.0.2.9/30:1502", ["192.0.2.9:1502", "192.0.2.10:1502"]),
        ("192.0.2.7/32", ["192.0.2.7:502"]),
        ("[::1]:503", ["[::1]:503"]),
    ],
)
def test_hosts_and_networks(text: str, hosts: list[str]) -> None:
    assert [str(wire.endpoint()) for wire in parse_hosts(text, 502)] == hosts


@pytest.mark.parametrize(
    "text", ["", "192.0.2.0/99", "host/24", "10.0.0.0/8", "192.0.2.0/24:0", "192.0.2.0/24:x", "/24"]
)
def test_what_is_no_host_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_hosts(text, 502)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "units"), [("1-3", [1, 2, 3]), ("5", [5]), ("7,1-2,2", [1, 2, 7]), ("0,255", [0, 255])]
)
def test_units(text: str, units: list[int]) -> None:
    assert parse_units(text) == units


@pytest.mark.parametrize("text", ["", "x", "3-1", "1-256", "-1", "1,,2", "1-2-3"])
def test_what_is_no_unit_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_units(text)


def test_spans_in_both_notations() -> None:
    assert parse_span("0-120") == (0, 120)
    assert parse_span("0x5000-0x5010") == (0x5000, 0x5010)
    assert parse_span("7") == (7, 7)
    for text in ("0-65536", "9-1", "a-b"):
        with pytest.raises(ConfigError):
            parse_span(text)
