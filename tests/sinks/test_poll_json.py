"""The one form of a poll in JSON."""

from __future__ import annotations

import json
import math

from tests.sinks.polls import ENERGY, MODEL, ONLINE, POWER, VOLTAGE, poll_of

from energymeter.reader import Quality
from energymeter.service.sink import SinkValue
from energymeter.sinks.poll_json import json_bytes, poll_lines, poll_object


def test_a_poll_is_told_with_id_time_units_and_qualities() -> None:
    poll = poll_of(
        0.25,
        SinkValue(VOLTAGE, 230.1, Quality.GOOD),
        SinkValue(ENERGY, None, Quality.WITHHELD),
        SinkValue(POWER, 1.5, Quality.STALE),
        SinkValue(ONLINE, True, Quality.GOOD),
        SinkValue(MODEL, "PM8000", Quality.GOOD),
    )
    assert json.loads(json_bytes(poll_object(poll))) == {
        "id": "main-1769860800250000",
        "meter": "main",
        "time": "2026-01-31T12:00:00.250000Z",
        "values": {
            "voltage_phase_a": {"value": 230.1, "unit": "V", "quality": "good"},
            "active_energy_import": {"value": None, "unit": "Wh", "quality": "withheld"},
            "active_power_total": {"value": 1.5, "unit": "kW", "quality": "stale"},
            "online": {"value": True, "unit": "", "quality": "good"},
            "model": {"value": "PM8000", "unit": "", "quality": "good"},
        },
    }


def test_a_number_that_json_lacks_is_no_good_value() -> None:
    poll = poll_of(0, SinkValue(POWER, math.nan, Quality.GOOD))
    value = poll_object(poll)["values"]["active_power_total"]
    assert value == {"value": None, "unit": "kW", "quality": "not_available"}


def test_a_text_never_breaks_its_line() -> None:
    nasty = 'a\nb\r"\\\x00\u2028\ud800'
    (line,) = poll_lines([poll_of(0, SinkValue(MODEL, nasty, Quality.GOOD))])
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert json.loads(line)["values"]["model"]["value"] == nasty
