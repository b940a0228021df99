"""`/health` says whether the service works, and `/api/status` everything else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.loops import on_each_loop, run
from tests.web.serving import bench
from tests.web.site_of import NOW, link_of, meter_of, sink_of, snapshot_of

from energymeter.clock import ManualClock
from energymeter.service.events import Level, Topic
from energymeter.service.snapshot import MeterState, Snapshot
from energymeter.web.verdict import Judge, State


def silent(name: str = "m2", reason: str = "no answer within 1 s") -> MeterState:
    meter = meter_of(name)
    meter.fault, meter.fault_since = reason, NOW - timedelta(minutes=5)
    return meter


@on_each_loop
def test_a_service_that_works_is_healthy(loop: str) -> None:
    async def scenario() -> None:
        async with bench(snapshot_of(meter_of("m1"))) as bed:
            await bed.clock.advance(90)
            answer = await bed.http.get("/health")
            assert answer.status_code == 200
            health = answer.json()
            assert health["state"] == "ok"
            assert health["reasons"] == []
            assert health["uptime_s"] == 90
            assert health["meters"] == {"total": 1, "alive": 1, "silent": 0, "waiting": 0}
            assert health["store"]["place"] == "energymeter.db"

    run(scenario(), loop)


def break_store(snapshot: Snapshot) -> None:
    snapshot.store.fault = "disk full"
    snapshot.store.fault_since = NOW - timedelta(minutes=10)


def lose_sink(snapshot: Snapshot) -> None:
    snapshot.sinks["mqtt"] = sink_of("mqtt", fault="connection refused")


def lose_link(snapshot: Snapshot) -> None:
    snapshot.links["bus1"].fault = "connection refused"


def overload_link(snapshot: Snapshot) -> None:
    snapshot.links["bus1"].wanted, snapshot.links["bus1"].skipped = 1.5, 3


def silence_meter(snapshot: Snapshot) -> None:
    snapshot.meters["m1"] = silent("m1")


@pytest.mark.parametrize(
    ("spoil", "code", "state", "reason"),
    [
        (
            break_store,
            200,
            "degraded",
            "the store takes nothing for 10 min: disk full; the polls wait",
        ),
        (lose_sink, 200, "degraded", "sink mqtt cannot send: connection refused"),
        (lose_link, 200, "degraded", "link bus1 is not there: connection refused"),
        (
            overload_link,
            200,
            "degraded",
            "link bus1 cannot keep its schedule: its meters need 150% of the time there is",
        ),
        (silence_meter, 200, "degraded", "1 of 1 meters does not answer"),
    ],
)
def test_what_is_wrong_is_said_and_only_what_a_restart_may_help_is_a_failure(
    spoil: Callable[[Snapshot], None], code: int, state: str, reason: str
) -> None:
    async def scenario() -> None:
        snapshot = snapshot_of(meter_of("m1"))
        spoil(snapshot)
        async with bench(snapshot) as bed:
            answer = await bed.http.get("/health")
            assert answer.status_code == code
            assert answer.json()["state"] == state
            assert answer.json()["reasons"] == [reason]

    run(scenario())


def test_a_store_that_loses_polls_is_a_failure_until_it_takes_them_again() -> None:
    async def scenario() -> None:
        snapshot = snapshot_of(meter_of("m1"))
        snapshot.store.dropped = 5  # long ago
        async with bench(snapshot) as bed:
            break_store(snapshot)
            assert (await bed.http.get("/health")).status_code == 200
            snapshot.store.dropped += 3
            answer = await bed.http.get("/health")
            assert answer.status_code == 503
            reason = "the store takes nothing for 10 min: disk full; 3 polls are lost"
            assert answer.json()["reasons"] == [reason]
            snapshot.store.fault = ""
            assert (await bed.http.get("/health")).status_code == 200

    run(scenario())


def test_a_link_whose_polls_stand_still_is_a_failure_and_recovers() -> None:
    async def scenario() -> None:
        snapshot = snapshot_of(meter_of("m1"))
        async with bench(snapshot) as bed:
            assert (await bed.http.get("/health")).status_code == 200
            await bed.clock.advance(61)
            answer = await bed.http.get("/health")
            assert answer.status_code == 503
            assert answer.json()["reasons"] == ["link bus1 has not been polled for 61 s"]
            snapshot.meters["m1"].polls += 1
            assert (await bed.http.get("/health")).status_code == 200

    run(scenario())


def test_failing_polls_are_polls() -> None:
    async def scenario() -> None:
        clock = ManualClock(NOW)
        snapshot = snapshot_of(silent("m1"))
        judge = Judge(snapshot, clock)
        for _ in range(10):
            snapshot.meters["m1"].polls += 1
            assert judge.look().state is State.DEGRADED
            await clock.advance(60)

    run(scenario())


def test_a_rare_poll_is_not_a_missing_one() -> None:
    async def scenario() -> None:
        clock = ManualClock(NOW)
        judge = Judge(snapshot_of(meter_of("m1", interval_s=3600)), clock)
        judge.look()
        await clock.advance(3 * 3600)
        assert judge.look().state is State.OK
        await clock.advance(60)
        assert judge.look().state is State.FAILING

    run(scenario())


def test_a_site_without_store_and_meters_is_healthy() -> None:
    async def scenario() -> None:
        async with bench(Snapshot("empty", NOW)) as bed:
            answer = await bed.http.get("/health")
            assert (answer.status_code, answer.json()["store"]) == (200, None)

    run(scenario())


def test_a_thousand_reasons_are_cut_off() -> None:
    snapshot = snapshot_of(meter_of("m1"))
    for number in range(1000):
        link = snapshot.links[f"l{number}"] = link_of(f"l{number}", [])
        link.fault = "connection refused"
    reasons = Judge(snapshot, ManualClock(NOW)).look().reasons
    assert len(reasons) == 21
    assert reasons[-1] == "and 980 more"


def test_the_status_tells_meters_links_sinks_store_and_events() -> None:
    async def scenario() -> None:
        snapshot = snapshot_of(meter_of("m1"), silent("m2"), meter_of("m3", time=None))
        snapshot.sinks["mqtt"] = sink_of("mqtt")
        snapshot.store.stored = 12
        for late_s in (0.0, 0.05, 0.2):
            snapshot.lateness.add(late_s)
        unit = snapshot.links["bus1"].link.health.of(1)
        unit.requests, unit.timeouts, unit.refusals, unit.faults = 10, 3, 2, 1
        async with bench(snapshot) as bed:
            bed.events.tell(Level.WARNING, Topic.METER, "m2", "no answer within 1 s")
            status = (await bed.http.get("/api/status")).json()
        assert status["meters"] == {"total": 3, "alive": 1, "silent": 1, "waiting": 1}
        assert status["silent"] == [
            {
                "name": "m2",
                "link": "bus1",
                "unit": 1,
                "profile": "energymeter/electric",
                "since": "2026-11-21T14:55:00Z",
                "reason": "no answer within 1 s",
            }
        ]
        (link,) = status["links"]
        counted = {key: link[key] for key in ("requests", "timeouts", "refusals", "faults")}
        assert counted == {"requests": 10, "timeouts": 3, "refusals": 2, "faults": 1}
        assert (link["name"], link["meters"], link["is_open"]) == ("bus1", 3, False)
        assert status["sinks"][0]["sent"] == 7
        assert status["store"]["stored"] == 12
        assert (status["polls"], status["late_polls"]) == (3, 1)
        assert status["events"][0]["text"] == "no answer within 1 s"

    run(scenario())


def test_of_many_links_those_in_trouble_are_told() -> None:
    async def scenario() -> None:
        snapshot = snapshot_of(meter_of("m1"))
        for number in range(300):
            snapshot.links[f"l{number}"] = link_of(f"l{number}", [])
        snapshot.links["l250"].fault = "connection refused"
        async with bench(snapshot) as bed:
            status = (await bed.http.get("/api/status", params={"most": 2})).json()
            assert status["links"][0]["name"] == "l250"
            assert (len(status["links"]), status["links_total"]) == (2, 301)
            refused = await bed.http.get("/api/status", params={"most": "all"})
            assert refused.status_code == 422
            assert refused.json()["detail"].startswith("most: input should be")

    run(scenario())
