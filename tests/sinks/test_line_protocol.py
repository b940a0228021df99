"""Lines that InfluxDB reads as they were meant, whatever stands in names and texts."""

from __future__ import annotations

import math
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sinks.influx_double import Line, parse_lines
from tests.sinks.polls import (
    ENERGY,
    MODEL,
    ONLINE,
    POWER,
    START_US,
    VOLTAGE,
    meter_info,
    poll_of,
)

from energymeter.errors import ConfigError
from energymeter.reader import Quality
from energymeter.service.sink import SinkPoll, SinkValue
from energymeter.sinks.line_protocol import LineWriter
from energymeter.store import Form, Series
from energymeter.values import DataType

TEXTS: Final = st.text(
    st.sampled_from('ab ,="\\\n\r\t#_ä°\u2028\x00\ud800') | st.characters(), max_size=12
)
PLAIN_TEXTS: Final = st.text(st.sampled_from("ab,= '\"#ä°"), min_size=1, max_size=12).map(
    lambda text: f"x{text}x"
)


def lines_of(*polls: SinkPoll, writer: LineWriter | None = None) -> list[Line]:
    body = (writer or LineWriter("energymeter", "plant")).body(polls)
    return parse_lines(body) if body else []


def test_a_poll_is_one_line_with_its_tags_and_base_units() -> None:
    writer = LineWriter("energymeter", "plant")
    writer.open({"main": meter_info(labels={"building": "B 7"})})
    assert writer.body([poll_of(0.25)]).decode() == (
        "energymeter,building=B\\ 7,meter=main,profile=schneider-electric/pm8000,site=plant,unit=7 "
        "voltage_phase_a=230.1,active_power_total=1500,active_energy_import=12345,online=true,"
        f'model_text="PM8000" {START_US + 250_000}\n'
    )


def test_only_good_numbers_are_sent() -> None:
    poll = poll_of(
        0,
        SinkValue(VOLTAGE, 229.9, Quality.STALE),
        SinkValue(POWER, math.nan, Quality.GOOD),
        SinkValue(ENERGY, 5, Quality.GOOD),
    )
    (line,) = lines_of(poll)
    assert line.fields == {"active_energy_import": 5.0}


def test_a_poll_without_a_good_value_is_no_line() -> None:
    assert lines_of(poll_of(quality=Quality.NOT_READ)) == []


def test_a_number_too_large_for_its_unit_is_left_out() -> None:
    series = Series("active_power_total", "kW", DataType.FLOAT64)
    assert lines_of(poll_of(0, SinkValue(series, 1e307, Quality.GOOD))) == []


@pytest.mark.parametrize(("kilowatt", "watt"), [(0.29, 290), (1.1, 1100), (4.35, 4350)])
def test_another_unit_adds_no_digits(kilowatt: float, watt: float) -> None:
    series = Series("active_power_total", "kW", DataType.FLOAT64)
    (line,) = lines_of(poll_of(0, SinkValue(series, kilowatt, Quality.GOOD)))
    assert line.fields == {"active_power_total": watt}


@pytest.mark.parametrize("value", [17, 17.0, 17.5, 2**40])
@pytest.mark.parametrize("form", [Form.FLOAT, Form.INTEGER])
def test_a_number_is_a_float_whatever_its_form(value: float, form: Form) -> None:
    series = Series("status", type=DataType.INT64, form=form)
    (line,) = lines_of(poll_of(0, SinkValue(series, value, Quality.GOOD)))
    assert line.fields == {"status": float(value)}


def test_what_is_a_text_in_one_meter_and_a_number_in_another_are_two_fields() -> None:
    text = Series("serial_number", type=DataType.STRING, form=Form.TEXT)
    number = Series("serial_number", type=DataType.UINT32, form=Form.INTEGER)
    lines = lines_of(
        poll_of(0, SinkValue(text, "12", Quality.GOOD)),
        poll_of(1, SinkValue(number, 12, Quality.GOOD)),
    )
    assert [line.fields for line in lines] == [{"serial_number_text": "12"}, {"serial_number": 12}]


def test_names_that_mean_something_else_are_changed() -> None:
    series = Series("time"), Series("_field"), Series("unit"), Series("voltage")
    writer = LineWriter("energymeter", "plant")
    labels = {"voltage": "low", "time": "day", "_x": "y", "meter": "old", "": "z", "empty": " "}
    writer.open({"main": meter_info(series=series, labels=labels)})
    values = (SinkValue(each, 1.0, Quality.GOOD) for each in series)
    (line,) = lines_of(poll_of(0, *values), writer=writer)
    assert set(line.fields) == {"value_time", "value_field", "value_unit", "voltage"}
    assert line.tags == {
        "label_meter": "old",
        "label_time": "day",
        "label_voltage": "low",
        "label_x": "y",
        "meter": "main",
        "profile": "schneider-electric/pm8000",
        "site": "plant",
        "unit": "7",
    }


@given(PLAIN_TEXTS, PLAIN_TEXTS, PLAIN_TEXTS, PLAIN_TEXTS)
def test_usual_names_and_texts_come_back_as_they_were(
    site: str, meter: str, label: str, text: str
) -> None:
    writer = LineWriter("energymeter", site)
    writer.open({meter: meter_info(meter, labels={label: text})})
    poll = poll_of(0, SinkValue(MODEL, text, Quality.GOOD), meter=meter)
    (line,) = lines_of(poll, writer=writer)
    assert (line.tags["site"], line.tags["meter"], line.tags[label]) == (site, meter, text)
    assert line.fields == {"model_text": text}


@given(TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3), TEXTS, TEXTS)
def test_whatever_stands_in_names_the_line_is_one_line_with_the_same_value(
    site: str, meter: str, labels: dict[str, str], name: str, text: str
) -> None:
    writer = LineWriter("a b,c=d", site)
    series = Series(f"x{name}")
    writer.open({meter: meter_info(meter, series=(series, MODEL), labels=labels)})
    poll = poll_of(
        0, SinkValue(series, 1.5, Quality.GOOD), SinkValue(MODEL, text, Quality.GOOD), meter=meter
    )
    (line,) = lines_of(poll, writer=writer)
    assert (line.measurement, line.time) == ("a b,c=d", START_US)
    assert 1.5 in line.fields.values()
    assert len(line.fields) == 2


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53))
def test_a_number_comes_back_as_it_was(number: float) -> None:
    (line,) = lines_of(poll_of(0, SinkValue(Series("x"), number, Quality.GOOD)))
    assert line.fields == {"x": float(number)}


@pytest.mark.parametrize("measurement", ["", " ", "#x", "_x", " x", "a\\b"])
def test_a_measurement_that_influxdb_would_not_take_is_refused(measurement: str) -> None:
    with pytest.raises(ConfigError):
        LineWriter(measurement, "plant")


def test_booleans_stay_booleans() -> None:
    (line,) = lines_of(poll_of(0, SinkValue(ONLINE, 0, Quality.GOOD)))
    assert line.fields["online"] is False
