"""What values are called in Prometheus."""

from __future__ import annotations

import re

import pytest

from energymeter.profiles import ProfileLibrary
from energymeter.store import Kind, layout_of
from energymeter.values.exposition import prometheus_name

NOT_BASE = {"minutes", "hours", "days", "weeks", "kelvins", "fahrenheit", "bits", "calories"}
"""Words that `promtool check metrics` objects to, of its list of units."""


@pytest.mark.parametrize(
    ("name", "unit", "is_counter", "expected"),
    [
        ("active_energy_import", "kWh", True, ("active_energy_import_joules_total", 3.6e6)),
        ("active_energy_import", "Wh", True, ("active_energy_import_joules_total", 3600.0)),
        ("heat_energy", "GJ", True, ("heat_energy_joules_total", 1e9)),
        ("active_energy_net", "kWh", False, ("active_energy_net_joules", 3.6e6)),
        ("reactive_energy", "kvarh", True, ("reactive_energy_var_seconds_total", 3.6e6)),
        ("apparent_energy", "VAh", True, ("apparent_energy_volt_ampere_seconds_total", 3600.0)),
        ("active_power_total", "kW", False, ("active_power_total_watts", 1000.0)),
        ("voltage_phase_a", "V", False, ("voltage_phase_a_volts", 1.0)),
        ("temperature", "degC", False, ("temperature_celsius", 1.0)),
        ("pressure", "mbar", False, ("pressure_pascals", 100.0)),
        ("battery_soc", "%", False, ("battery_soc_ratio", 0.01)),
        ("power_factor_total", "", False, ("power_factor_total_ratio", 1.0)),
        ("volume_total", "L", True, ("volume_total_cubic_meters_total", 0.001)),
        ("working_time", "h", True, ("working_time_seconds_total", 3600.0)),
        ("power_failures", "", True, ("power_failures_total", 1.0)),
        ("hours_total", "", False, ("hours_total_value", 1.0)),
        ("serial_number", "", False, ("serial_number", 1.0)),
        ("Füll-stand", "mm²", False, ("f_ll_stand_mm", 1.0)),
    ],
)
def test_value_is_told_in_base_units(
    name: str, unit: str, is_counter: bool, expected: tuple[str, float]
) -> None:
    metric, factor = prometheus_name(name, unit, is_counter)
    assert (metric.removeprefix("energymeter_"), factor) == expected


def test_flow_is_told_in_cubic_metres_a_second() -> None:
    metric, factor = prometheus_name("flow_rate", "m3/h", False)
    assert metric == "energymeter_flow_rate_cubic_meters_per_second"
    assert factor == pytest.approx(1 / 3600, rel=1e-15)


@pytest.mark.parametrize("profile", ProfileLibrary([]).names())
def test_every_shipped_value_has_a_metric_of_its_own_by_the_rules(profile: str) -> None:
    series = layout_of(ProfileLibrary([]).load(profile).readable_points).series
    metrics = [prometheus_name(each.name, each.unit, each.kind is Kind.COUNTER) for each in series]
    assert len({metric for metric, _ in metrics}) == len(metrics)
    for (metric, factor), each in zip(metrics, series, strict=True):
        assert re.fullmatch(r"energymeter_[a-z0-9]+(_[a-z0-9]+)*", metric)
        assert metric.endswith("_total") == (each.kind is Kind.COUNTER)
        assert not NOT_BASE & set(metric.split("_"))
        assert factor > 0
