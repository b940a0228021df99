"""Values of meters as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.web.scraping import read_openmetrics, read_text
from tests.web.site_of import NOW, meter_of, point, report_of, snapshot_of

from energymeter.profiles import ProfileLibrary
from energymeter.reader.reading import Quality, Value
from energymeter.service.snapshot import Snapshot
from energymeter.site.sinks import PrometheusEntry
from energymeter.store.base import Series, layout_of
from energymeter.values import DataType
from energymeter.web.exposition import Exposition
from energymeter.web.text_format import Dialect

ALL = PrometheusEntry(type="prometheus")

Values = Mapping[str, tuple[Value, str]]
Samples = Mapping[tuple[str, str], float]


def page_of(snapshot: Snapshot, entry: PrometheusEntry | None = ALL) -> str:
    return "".join(Exposition(snapshot, entry).pieces(NOW, Dialect.TEXT))


def families_of(page: str) -> dict[str, Any]:
    return {family.name: family for family in read_text(page)}


def values_of(snapshot: Snapshot, entry: PrometheusEntry | None = ALL) -> Samples:
    """Metric and meter -> value, of values of meters only."""
    return {
        (sample.name.removeprefix("energymeter_"), sample.labels["meter"]): sample.value
        for family in read_text(page_of(snapshot, entry))
        for sample in family.samples
        if "meter" in sample.labels and not sample.name.startswith("energymeter_meter_")
    }


def test_values_are_told_in_base_units_with_their_kind() -> None:
    values = {
        "voltage_phase_a": (230.5, "V"),
        "active_power_total": (1.5, "kW"),
        "active_energy_import": (100.0, "kWh"),
        "power_factor": (0.95, ""),
        "frequency": (50, "Hz"),
    }
    snapshot = snapshot_of(meter_of("m1", values))
    assert values_of(snapshot) == {
        ("voltage_phase_a_volts", "m1"): 230.5,
        ("active_power_total_watts", "m1"): 1500.0,
        ("active_energy_import_joules_total", "m1"): 360_000_000.0,
        ("power_factor_ratio", "m1"): 0.95,
        ("frequency_hertz", "m1"): 50.0,
    }
    families = families_of(page_of(snapshot))
    assert families["energymeter_active_energy_import_joules"].type == "counter"
    assert families["energymeter_voltage_phase_a_volts"].type == "gauge"


def test_a_sample_says_which_meter_it_is_of() -> None:
    labels = {"building": 'Haus "A"\n\\', "cost center": "4711", "meter": "mine"}
    snapshot = snapshot_of(meter_of("m1", labels=labels), link="bus1")
    (sample,) = families_of(page_of(snapshot))["energymeter_voltage_phase_a_volts"].samples
    assert sample.labels == {
        "meter": "m1",
        "profile": "energymeter/electric",
        "link": "bus1",
        "building": 'Haus "A"\n\\',
        "cost_center": "4711",
        "label_meter": "mine",
    }


@pytest.mark.parametrize("quality", [each for each in Quality if each is not Quality.GOOD])
def test_what_is_not_good_is_absent(quality: Quality) -> None:
    values = {"voltage_phase_a": (1.0, "V"), "voltage_phase_b": (2.0, "V")}
    snapshot = snapshot_of(meter_of("m1", values, qualities=[quality, Quality.GOOD]))
    assert values_of(snapshot) == {("voltage_phase_b_volts", "m1"): 2.0}


@pytest.mark.parametrize(
    ("age_s", "stale_after", "is_told"),
    [(30, None, True), (31, None, False), (59, "1m", True), (61, "1m", False), (6, "5s", False)],
)
def test_what_is_too_old_disappears(age_s: float, stale_after: str | None, is_told: bool) -> None:
    entry = PrometheusEntry.model_validate({"type": "prometheus", "stale_after": stale_after})
    meter = meter_of("m1", time=NOW - timedelta(seconds=age_s), interval_s=10)
    assert bool(values_of(snapshot_of(meter), entry)) is is_told


def test_a_meter_that_was_not_read_yet_has_no_values() -> None:
    assert values_of(snapshot_of(meter_of("m1", time=None))) == {}


def test_without_the_sink_no_value_is_told() -> None:
    assert values_of(snapshot_of(meter_of()), None) == {}


def test_only_the_meters_and_values_that_are_wanted_are_told() -> None:
    entry = PrometheusEntry(type="prometheus", meters=("hall-*",), points=("voltage*",))
    values = {"voltage_phase_a": (1.0, "V"), "frequency": (50.0, "Hz")}
    snapshot = snapshot_of(meter_of("hall-1", values), meter_of("roof", values))
    assert values_of(snapshot, entry) == {("voltage_phase_a_volts", "hall-1"): 1.0}


def test_text_is_left_out_and_a_bit_is_a_number() -> None:
    points = (
        point("serial_number", kind=DataType.STRING),
        point("status", kind=DataType.BOOL),
        point("frequency", "Hz"),
    )
    values: Values = {"serial_number": ("X1", ""), "status": (True, ""), "frequency": (50.0, "Hz")}
    snapshot = snapshot_of(meter_of("m1", values, points=points))
    assert values_of(snapshot) == {("status", "m1"): 1.0, ("frequency_hertz", "m1"): 50.0}


def test_a_counter_that_runs_into_the_negative_grows_all_the_same() -> None:
    meter = meter_of("m1", {"active_energy_export": (-2.0, "kWh")})
    series = tuple(each._replace(counts_down=True) for each in meter.info.series)
    meter.info = replace(meter.info, series=series)
    name = "active_energy_export_joules_total"
    assert values_of(snapshot_of(meter)) == {(name, "m1"): 7_200_000.0}


def test_two_values_of_one_metric_are_told_apart() -> None:
    values = {"my voltage": (1.0, "V"), "my_voltage": (2.0, "V")}
    samples = families_of(page_of(snapshot_of(meter_of("m1", values))))[
        "energymeter_my_voltage_volts"
    ].samples
    assert {sample.labels.get("point"): sample.value for sample in samples} == {
        None: 1.0,
        "my_voltage": 2.0,
    }


@pytest.mark.parametrize("name", ["meter_up", "meter_polls", "build_info", "poll_lateness"])
def test_no_value_takes_the_name_of_a_metric_of_the_service(name: str) -> None:
    unit = "s" if name == "poll_lateness" else ""
    page = page_of(snapshot_of(meter_of("m1", {name: (7.5, unit)})))
    assert " 7.5\n" in page
    names = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    openmetrics = Exposition(snapshot_of(meter_of("m1", {name: (7.5, unit)})), ALL)
    assert list(read_openmetrics("".join(openmetrics.pieces(NOW, Dialect.OPENMETRICS))))


def test_the_fastest_course_tells_what_several_read() -> None:
    meter = meter_of("m1", {"frequency": (50.0, "Hz")})
    slow = (point("frequency", "Hz"), point("active_energy_import", "Wh"))
    meter.info = replace(meter.info, series=layout_of(slow).series)
    meter.intervals_s = (10.0, 60.0)
    meter.reports = [*meter.reports, report_of(slow, [49.0, 1.0], time=NOW)]
    assert values_of(snapshot_of(meter)) == {
        ("frequency_hertz", "m1"): 50.0,
        ("active_energy_import_joules_total", "m1"): 3600.0,
    }


def test_infinite_numbers_are_written_as_prometheus_has_them() -> None:
    values = {"a": (float("inf"), ""), "b": (float("-inf"), ""), "c": (float("nan"), "")}
    page = page_of(snapshot_of(meter_of("m1", values)))
    written = {line.split("{")[0]: line.split()[-1] for line in page.splitlines() if "{" in line}
    assert [written.get(f"energymeter_{name}") for name in "abc"] == ["+Inf", "-Inf", None]


def test_a_counter_below_zero_is_left_out() -> None:
    values = {
        "active_energy": (-1.0, "kWh"),
        "active_energy_import": (-1, "J"),
        "volume": (0, "m3"),
    }
    assert values_of(snapshot_of(meter_of("m1", values))) == {
        ("volume_cubic_meters_total", "m1"): 0.0
    }


def test_a_change_of_the_site_shows_at_the_next_scrape() -> None:
    snapshot = snapshot_of(meter_of("m1"))
    exposition = Exposition(snapshot, ALL)

    def scrape() -> str:
        return "".join(exposition.pieces(NOW, Dialect.TEXT))

    assert 'meter="m1"' in scrape()
    snapshot.meters = {"m2": meter_of("m2", {"frequency": (50.0, "Hz")})}
    snapshot.links["bus1"].meters = ["m2"]
    page = scrape()
    assert 'meter="m1"' not in page
    assert 'energymeter_frequency_hertz{meter="m2"' in page
    snapshot.meters["m2"] = meter_of("m2", {"frequency": (49.0, "Hz")}, labels={"a": "b"})
    assert 'a="b"} 49.0\n' in scrape()


def test_a_meter_may_go_while_the_page_is_being_written() -> None:
    snapshot = snapshot_of(*(meter_of(f"m{number}") for number in range(300)))
    pieces = Exposition(snapshot, ALL).pieces(NOW, Dialect.TEXT)
    page = next(pieces)
    snapshot.meters.clear()
    snapshot.links.clear()
    page += "".join(pieces)
    assert list(read_text(page))


def test_every_shipped_profile_can_be_told() -> None:
    meters = []
    library = ProfileLibrary([])
    for number, name in enumerate(library.names()):
        profile = library.load(name)
        points = [each for each in profile.points if each.type is not DataType.STRING]
        values = {each.name: (1, each.unit) for each in points}
        meters.append(meter_of(f"m{number}", values, points=points, profile=profile))
    exposition = Exposition(snapshot_of(*meters), ALL)
    page = "".join(exposition.pieces(NOW, Dialect.OPENMETRICS))
    samples = [sample for family in read_openmetrics(page) for sample in family.samples]
    keys = {(sample.name, *sorted(sample.labels.items())) for sample in samples}
    assert len(keys) == len(samples) > 2000


def test_series_of_the_info_decide_what_is_told() -> None:
    meter = meter_of("m1", {"frequency": (50.0, "Hz"), "sf_current": (2, "")})
    meter.info = replace(meter.info, series=(Series("frequency", "Hz"),))
    assert values_of(snapshot_of(meter)) == {("frequency_hertz", "m1"): 50.0}
