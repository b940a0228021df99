"""Our own topics: what stands in them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from tests.sinks.mqtt_meters import info_of, poll_at

from energymeter.reader import Quality
from energymeter.reader.reading import Value
from energymeter.service.sink import MeterInfo, SinkPoll, SinkValue
from energymeter.sinks.mqtt_layout import Message
from energymeter.sinks.mqtt_plain import PlainLayout
from energymeter.store import Form, Series
from energymeter.values import DataType

VOLTAGE = Series("voltage_phase_a", "V", DataType.UINT16, divisor=10)
FLOAT = Series("active_power_total", "kW", DataType.FLOAT32)
ENERGY = Series("active_energy_import", "Wh", DataType.UINT64, form=Form.INTEGER)


def meter(*series: Series, name: str = "m") -> MeterInfo:
    profile = info_of().profile
    return MeterInfo(
        name=name, link="", unit=1, profile=profile, interval_s=1.0, series=tuple(series)
    )


def opened(*infos: MeterInfo, retained: dict[str, bytes] | None = None) -> PlainLayout:
    layout = PlainLayout("energymeter", "site")
    list(layout.opening({info.name: info for info in infos}, retained or {}))
    return layout


def poll(time_us: int, *values: tuple[Series, Value] | tuple[Series, Value, Quality]) -> SinkPoll:
    full = [
        SinkValue(each[0], each[1], each[2] if len(each) > 2 else Quality.GOOD) for each in values
    ]
    return SinkPoll("m", time_us, full)


def state(layout: PlainLayout, made: SinkPoll) -> dict[str, Any]:
    (message,) = layout.of_poll(made)
    assert message.topic == "energymeter/site/m/state"
    found: dict[str, Any] = json.loads(message.payload)
    return found


def test_state_is_one_object_with_id_time_and_values() -> None:
    layout = opened(meter(VOLTAGE, ENERGY))
    made = poll(1_767_225_600_123_456, (VOLTAGE, 230.1), (ENERGY, 2**63))
    assert state(layout, made) == {
        "id": "m-1767225600123456",
        "time": "2026-01-01T00:00:00.123456Z",
        "time_ms": 1_767_225_600_123,
        "values": {"voltage_phase_a": 230.1, "active_energy_import": 2**63},
    }
    assert datetime.fromisoformat(state(layout, made)["time"]) == made.time


@pytest.mark.parametrize(
    ("series", "value", "text"),
    [
        (VOLTAGE, 229.99999999999997, "230"),
        (VOLTAGE, 230.1, "230.1"),
        (VOLTAGE, 0.7 * 3, "2.1"),
        (Series("e", type=DataType.UINT64, divisor=100), 12345678901234.56, "12345678901234.56"),
        (Series("e", type=DataType.FLOAT64), 0.1 + 0.2, "0.30000000000000004"),
        (FLOAT, 229.99000549316406, "229.99"),
        (FLOAT, 0.1 + 0.2, "0.3"),
        (FLOAT, float("nan"), "null"),
        (FLOAT, float("inf"), "null"),
        (FLOAT, 0.0, "0"),
        (ENERGY, 123456789012345678, "123456789012345678"),
        (Series("flag", form=Form.BOOLEAN, type=DataType.BOOL), True, "true"),
        (Series("text", form=Form.TEXT, type=DataType.STRING), 'a"\nb', '"a\\"\\nb"'),
        (Series('odd "name"'), 1.5, "1.5"),
    ],
)
def test_value_has_the_shortest_text_that_gives_it_back(
    series: Series, value: Value, text: str
) -> None:
    layout = opened(meter(series))
    (message,) = layout.of_poll(poll(0, (series, value)))
    assert f'"values":{{{json.dumps(series.name)}:{text}}}'.encode() in message.payload


def test_only_doubts_are_told_as_quality() -> None:
    layout = opened(meter(VOLTAGE, FLOAT, ENERGY))
    made = poll(0, (VOLTAGE, 230.1), (FLOAT, float("nan")), (ENERGY, None, Quality.WITHHELD))
    found = state(layout, made)
    assert found["values"] == {
        "voltage_phase_a": 230.1,
        "active_power_total": None,
        "active_energy_import": None,
    }
    assert found["quality"] == {
        "active_power_total": "not_available",
        "active_energy_import": "withheld",
    }


def test_value_of_a_slower_rate_is_told_again_with_its_own_time() -> None:
    layout = opened(meter(VOLTAGE, ENERGY))
    state(layout, poll(1_000_000, (ENERGY, 5)))
    found = state(layout, poll(2_000_000, (VOLTAGE, 230.1)))
    assert found["values"] == {"active_energy_import": 5, "voltage_phase_a": 230.1}
    assert found["times_ms"] == {"active_energy_import": 1000}
    found = state(layout, poll(3_000_000, (VOLTAGE, 230.2), (ENERGY, 6)))
    assert "times_ms" not in found


def test_value_is_told_after_it_was_none_and_the_same_again() -> None:
    layout = opened(meter(VOLTAGE))
    told = [
        state(layout, poll(second, (VOLTAGE, value)))["values"]["voltage_phase_a"]
        for second, value in enumerate([230.1, None, 230.1, 230.1, 0.0])
    ]
    assert told == [230.1, None, 230.1, 230.1, 0]


def test_poll_of_a_meter_that_was_removed_is_told_and_not_kept() -> None:
    layout = opened()
    (message,) = layout.of_poll(poll_at(info_of("gone"), 1.0))
    assert (message.topic, message.retain) == ("energymeter/site/gone/state", False)


def test_what_an_earlier_run_left_of_other_meters_is_taken_away() -> None:
    retained = {
        "energymeter/site/m/availability": b"online",
        "energymeter/site/gone/availability": b"online",
        "energymeter/other/gone/availability": b"online",
    }
    layout = PlainLayout("energymeter", "site")
    assert list(layout.opening({"m": meter(VOLTAGE)}, retained)) == [
        Message("energymeter/site/gone/availability", b""),
        Message("energymeter/site/gone/state", b""),
    ]


def test_value_that_is_no_longer_read_disappears_with_the_next_opening() -> None:
    layout = opened(meter(VOLTAGE, ENERGY))
    state(layout, poll(0, (VOLTAGE, 230.1), (ENERGY, 5)))
    list(layout.opening({"m": meter(VOLTAGE)}, {}))
    assert state(layout, poll(1, (VOLTAGE, 230.1)))["values"] == {"voltage_phase_a": 230.1}


def test_value_that_has_another_unit_now_is_not_told_as_it_was() -> None:
    layout = opened(meter(VOLTAGE, ENERGY))
    state(layout, poll(0, (VOLTAGE, 230.1), (ENERGY, 5000)))
    list(layout.opening({"m": meter(VOLTAGE, ENERGY._replace(unit="kWh"))}, {}))
    assert state(layout, poll(1, (VOLTAGE, 230.1)))["values"] == {"voltage_phase_a": 230.1}
