"""The page that Prometheus scrapes, over real HTTP; and what the service says of itself there."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.loops import on_each_loop, run
from tests.web.scraping import read_openmetrics, read_text
from tests.web.serving import bench
from tests.web.site_of import NOW, meter_of, point, profile_of, sink_of, snapshot_of

from energymeter.service.snapshot import Snapshot
from energymeter.site.sinks import PrometheusEntry
from energymeter.web.catalogue import metrics_page
from energymeter.web.exposition import Exposition
from energymeter.web.own_metrics import GROUPS
from energymeter.web.text_format import Dialect

ALL = PrometheusEntry(type="prometheus")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def samples_of(snapshot: Snapshot) -> dict[tuple[str, ...], float]:
    """Metric and the values of its labels -> number."""
    page = "".join(Exposition(snapshot, None).pieces(NOW, Dialect.TEXT))
    return {
        (sample.name.removeprefix("energymeter_"), *sample.labels.values()): sample.value
        for family in read_text(page)
        for sample in family.samples
    }


@on_each_loop
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_prometheus_gets_the_text_it_asks_for(loop: str, encoding: str) -> None:
    async def scenario() -> None:
        async with bench(snapshot_of(meter_of("m1")), prometheus=ALL) as bed:
            headers = {"Accept-Encoding": encoding}
            plain = await bed.http.get("/metrics", headers=headers)
            headers["Accept"] = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
            openmetrics = await bed.http.get("/metrics", headers=headers)
        assert plain.headers.get("content-encoding", "identity") == encoding
        assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert openmetrics.headers["content-type"] == (
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        )
        assert openmetrics.text.endswith("# EOF\n")
        wanted = "energymeter_voltage_phase_a_volts"
        for families in (read_text(plain.text), read_openmetrics(openmetrics.text)):
            assert [family.name for family in families].count(wanted) == 1

    run(scenario(), loop)


def test_the_sink_says_where_the_metrics_are() -> None:
    async def scenario() -> None:
        entry = PrometheusEntry(type="prometheus", path="/prometheus/meters")
        async with bench(snapshot_of(meter_of()), prometheus=entry) as bed:
            assert (await bed.http.get("/metrics")).status_code == 404
            assert "voltage" in (await bed.http.get("/prometheus/meters")).text

    run(scenario())


def test_without_the_sink_the_service_still_tells_of_itself() -> None:
    async def scenario() -> None:
        async with bench(snapshot_of(meter_of("m1"))) as bed:
            page = (await bed.http.get("/metrics")).text
        assert "energymeter_meter_up" in page
        assert "voltage" not in page

    run(scenario())


def test_meters_are_told() -> None:
    late = meter_of("m1", time=NOW - timedelta(seconds=25))
    late.polls, late.failed, late.skipped, late.lateness_s, late.duration_s = 9, 2, 1, 0.5, 0.25
    late.fault = "no answer"
    samples = samples_of(snapshot_of(late, meter_of("m2", time=None)))
    own = {name[0]: value for name, value in samples.items() if "m1" in name}
    assert own == {
        "meter_up": 0,
        "meter_last_reading_age_seconds": 25,
        "meter_polls_total": 9,
        "meter_failed_polls_total": 2,
        "meter_skipped_polls_total": 1,
        "meter_poll_lateness_seconds": 0.5,
        "meter_poll_duration_seconds": 0.25,
    }
    names = {name[0] for name in samples if "m2" in name}
    assert "meter_last_reading_age_seconds" not in names


def test_links_and_units_are_told() -> None:
    snapshot = snapshot_of(meter_of("m1"), link="bus1")
    link = snapshot.links["bus1"]
    link.utilisation, link.wanted, link.skipped = 0.25, 0.5, 3
    unit = link.link.health.of(7)
    unit.requests, unit.answers, unit.timeouts, unit.latency_s = 10, 8, 2, 0.02
    samples = samples_of(snapshot)
    assert samples["link_open", "bus1"] == 0
    assert samples["link_utilisation_ratio", "bus1"] == 0.25
    assert samples["link_wanted_ratio", "bus1"] == 0.5
    assert samples["link_skipped_polls", "bus1"] == 3
    assert samples["unit_requests_total", "bus1", "7"] == 10
    assert samples["unit_timeouts_total", "bus1", "7"] == 2
    assert samples["unit_latency_seconds", "bus1", "7"] == 0.02


def test_sinks_and_store_are_told() -> None:
    snapshot = snapshot_of(meter_of("m1"))
    snapshot.sinks["mqtt"] = sink_of("mqtt", fault="connection refused")
    snapshot.store.stored, snapshot.store.waiting, snapshot.store.dropped = 5, 4, 3
    samples = samples_of(snapshot)
    numbers = ("up", "sent_polls_total", "waiting_polls", "dropped_polls_total")
    assert [samples[f"sink_{name}", "mqtt", "mqtt"] for name in numbers] == [0, 7, 2, 1]
    numbers = ("up", "stored_polls_total", "waiting_polls", "dropped_polls_total")
    assert [samples[(f"store_{name}",)] for name in numbers] == [1, 5, 4, 3]
    snapshot.store.place = ""
    assert ("store_up",) not in samples_of(snapshot)


def test_the_process_is_told() -> None:
    samples = samples_of(snapshot_of())
    assert samples["start_time_seconds",] == NOW.timestamp()
    assert samples["process_cpu_seconds_total",] > 0
    assert samples["process_resident_memory_bytes",] > 1_000_000
    assert samples["process_open_fds",] >= 3


def test_lateness_is_a_histogram() -> None:
    snapshot = snapshot_of()
    for late_s in (0.0, 0.003, 0.003, 20.0):
        snapshot.lateness.add(late_s)
    samples = samples_of(snapshot)
    assert samples["poll_lateness_seconds_bucket", "0.001"] == 1
    assert samples["poll_lateness_seconds_bucket", "0.005"] == 3
    assert samples["poll_lateness_seconds_bucket", "+Inf"] == 4
    assert samples["poll_lateness_seconds_count",] == 4
    assert samples["poll_lateness_seconds_sum",] == 20.006


def test_every_metric_of_the_table_is_told_and_no_other() -> None:
    snapshot = snapshot_of(meter_of("m1"))
    snapshot.sinks["mqtt"] = sink_of("mqtt")
    snapshot.links["bus1"].link.health.of(1).answers = 1
    page = "".join(Exposition(snapshot, None).pieces(NOW, Dialect.TEXT))
    told = {line.split()[2]: line.split()[3] for line in page.splitlines() if "# TYPE" in line}
    families = [family for _, group in GROUPS.values() for family in group]
    assert told == {family.name: family.kind.value for family in families}


def test_the_page_of_the_reference_is_current() -> None:
    assert PAGE.read_text("utf-8").partition("\n")[2] == metrics_page()


def test_a_thousand_meters_are_written_quickly_and_in_small_pieces() -> None:
    points = tuple(point(f"voltage_phase_a_{number}", "V") for number in range(25))
    values = {each.name: (230.5, "V") for each in points}
    profile = profile_of()
    meters = (
        meter_of(f"m{number}", values, points=points, profile=profile) for number in range(1000)
    )
    exposition = Exposition(snapshot_of(*meters), ALL)
    began = time.perf_counter()
    pieces = list(exposition.pieces(NOW, Dialect.TEXT))
    assert time.perf_counter() - began < 1.0  # 0.05 s where nothing else runs
    assert sum(piece.count("\n") for piece in pieces) > 25_000
    assert max(map(len, pieces)) < 200_000


def test_others_have_their_turn_while_the_page_is_written() -> None:
    points = tuple(point(f"voltage_phase_a_{number}", "V") for number in range(25))
    values = {each.name: (230.5, "V") for each in points}
    profile = profile_of()
    meters = [
        meter_of(f"m{number}", values, points=points, profile=profile) for number in range(500)
    ]

    async def scenario() -> None:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with bench(snapshot_of(*meters), prometheus=ALL) as bed:
            await bed.http.get("/health")
            task = asyncio.create_task(others())
            answer = await bed.http.get("/metrics", headers={"Accept-Encoding": "identity"})
            task.cancel()
        assert len(answer.content) > 1_000_000
        assert turns > 25

    run(scenario())
