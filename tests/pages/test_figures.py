"""Numbers, names and times as the pages write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from energymeter.store.base import Series
from energymeter.values import DataType
from energymeter.web.pages.figures import (
    age_text,
    counted,
    figure,
    grouped,
    label_of,
    listed,
    moment_text,
    scaled,
    seconds_text,
    share_text,
)


@pytest.mark.parametrize(
    ("watts", "shown"),
    [
        (0.0, "0.000 W"),
        (842.34, "842.3 W"),
        (999.96, "1.000 kW"),
        (12_412.0, "12.41 kW"),
        (-3_200.0, "\N{MINUS SIGN}3.200 kW"),
        (5_600_000.0, "5.600 MW"),
    ],
)
def test_a_power_has_four_digits_and_a_prefix(watts: float, shown: str) -> None:
    assert str(scaled(watts, "W")) == shown


def test_no_digit_is_shown_that_the_meter_cannot_tell() -> None:
    assert str(scaled(842.0, "W", 1.0)) == "842 W"
    assert str(scaled(1_240.0, "W", 10.0)) == "1.24 kW"
    assert str(scaled(20_000.0, "W", 1_000.0)) == "20 kW"


@pytest.mark.parametrize(
    ("value", "series", "shown"),
    [
        (230.12, Series("voltage_phase_a", "V", DataType.UINT16, divisor=100), "230.12 V"),
        (230.1234, Series("voltage_phase_a", "V"), "230.1 V"),
        (0.9312, Series("active_power_total", "kW", DataType.FLOAT32), "931.2 W"),
        (17834.2, Series("active_energy", "kWh", DataType.UINT32, divisor=10), "17\u202f834.2 kWh"),
        (14_587_009, Series("active_energy_import", "Wh", DataType.INT64), "14\u202f587.009 kWh"),
        (0.987, Series("power_factor_total"), "0.987"),
        (21.5, Series("temperature", "degC", DataType.INT16, divisor=10), "21.5 °C"),
        (3, Series("error_code", "", DataType.UINT16), "3"),
        ("PM8000", Series("model_name", "", DataType.STRING), "PM8000"),
        (None, Series("voltage_phase_a", "V"), "\N{EN DASH}"),
        (True, Series("pulse", "", DataType.BOOL), "on"),
    ],
)  # fmt: skip
def test_a_value_is_written_as_its_kind_wants(value: object, series: Series, shown: str) -> None:
    assert str(figure(value, series)) == shown  # type: ignore[arg-type]


def test_what_was_counted_is_told_in_units_people_pay_for() -> None:
    assert str(counted(1_750.0, "Wh")) == "1.75 kWh"
    assert str(counted(950_000.0, "Wh")) == "950.0 kWh"
    assert str(counted(42e6, "Wh")) == "42.00 MWh"
    assert str(counted(2.587, "m3")) == "2.587 m³"


def test_names_are_words() -> None:
    assert label_of("active_power_phase_a") == "Active power L1"
    assert label_of("voltage_phase_ab") == "Voltage L1\N{EN DASH}L2"
    assert label_of("active_energy_import_tariff_2") == "Active energy import tariff 2"
    assert label_of("thd_current_phase_c") == "THD current L3"


def test_digits_are_grouped_from_five_on() -> None:
    assert grouped(9_999) == "9999"
    assert grouped(10_000) == "10\u202f000"
    assert grouped(-0.0001, 2) == "0.00"


def test_times_are_short() -> None:
    assert [age_text(s) for s in (0.4, 5, 200, 9_000, 400_000)] == [
        "now", "5 s", "3 min", "2 h", "5 d",
    ]  # fmt: skip
    assert [seconds_text(s) for s in (0.0004, 0.001, 0.25)] == ["0.4 ms", "1 ms", "250 ms"]
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert moment_text(now, now, UTC) == "12:00:00"
    assert moment_text(now - timedelta(days=1), now, UTC) == "20 Nov 12:00:00"


def test_shares_and_lists() -> None:
    assert [share_text(s) for s in (0.0012, 0.34, 1.08)] == ["0.1%", "34%", "108%"]
    assert listed("abc", 5) == "a, b, c"
    assert listed("abcdef", 2) == "a, b and 4 more"
