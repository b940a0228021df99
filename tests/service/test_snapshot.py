"""The newest of everything, as pages see it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from tests.service.benching import PLAIN
from tests.support.peculiar import profile_of

from energymeter.profiles import Profile
from energymeter.reader.reading import Quality, ReadReport, Value
from energymeter.service.sink import MeterInfo
from energymeter.service.snapshot import Lateness, MeterState, Snapshot

START = datetime(2026, 11, 21, 15, tzinfo=UTC)

FAST = profile_of(
    {"name": "power", "address": 0, "type": "uint16"},
    {"name": "sf", "address": 1, "type": "uint16"},
)
SLOW = profile_of(
    {"name": "energy", "address": 2, "type": "uint16"},
    {"name": "sf", "address": 1, "type": "uint16"},
)


def report(
    profile: Profile,
    values: Mapping[str, Value],
    *,
    time: datetime = START,
    bad: Mapping[str, str] = {},
) -> ReadReport:
    points = profile.readable_points
    return ReadReport(
        time=time,
        points=points,
        values=[values[point.name] for point in points],
        qualities=[Quality.OUT_OF_RANGE if point.name in bad else Quality.GOOD for point in points],
        reasons={n: bad[point.name] for n, point in enumerate(points) if point.name in bad},
    )


def state_of(
    *reports: ReadReport | None, intervals_s: tuple[float, ...] = (1.0, 60.0)
) -> MeterState:
    info = MeterInfo(name="m1", link="x", unit=1, profile=PLAIN, interval_s=1.0, series=())
    return MeterState(info, intervals_s[: len(reports)], list(reports))


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_meter_that_was_not_read_yet_has_nothing_to_show() -> None:
    state = state_of(None, None)

    assert list(state.readings(START)) == []
    assert state.time is None
    assert not state.is_alive
    assert state.reason("power") == ""


def test_readings_of_all_rates_are_shown_each_with_its_time() -> None:
    state = state_of(
        report(FAST, {"power": 5, "sf": 1}, time=after(59)),
        report(SLOW, {"energy": 7, "sf": 2}),
    )
    found = {reading.name: reading for reading in state.readings(after(59))}

    assert (found["power"].value, found["power"].time) == (5, after(59))
    assert (found["energy"].value, found["energy"].time) == (7, START)
    assert state.time == after(59)


def test_of_a_value_that_two_rates_bring_the_faster_one_counts() -> None:
    state = state_of(
        report(FAST, {"power": 5, "sf": 1}), report(SLOW, {"energy": 7, "sf": 2}, time=after(1))
    )

    assert [r.value for r in state.readings(after(1)) if r.name == "sf"] == [1]


def test_values_that_were_not_renewed_for_three_intervals_are_stale() -> None:
    state = state_of(report(FAST, {"power": 5, "sf": 1}), report(SLOW, {"energy": 7, "sf": 2}))

    def qualities(seconds: float) -> dict[str, Quality]:
        return {r.name: r.quality for r in state.readings(after(seconds))}

    assert set(qualities(3.0).values()) == {Quality.GOOD}
    assert qualities(3.1)["power"] is Quality.STALE
    assert qualities(3.1)["energy"] is Quality.GOOD
    assert qualities(180.1)["energy"] is Quality.STALE


def test_a_value_that_is_not_good_keeps_its_quality_and_says_why() -> None:
    state = state_of(report(FAST, {"power": None, "sf": 1}, bad={"power": "60000 is too much"}))
    found = {reading.name: reading for reading in state.readings(after(100))}

    assert found["power"].quality is Quality.OUT_OF_RANGE
    assert state.reason("power") == "60000 is too much"
    assert state.reason("sf") == ""
    assert state.reason("nothing") == ""


def test_a_meter_is_alive_while_it_answers() -> None:
    state = state_of(None)
    state.polls = 1
    assert state.is_alive
    state.fault = "no answer"
    assert not state.is_alive


@pytest.mark.parametrize(
    ("late_s", "place"),
    [(0.0, 0), (0.001, 0), (0.0011, 1), (0.1, 6), (0.10001, 7), (10.0, 12), (10.1, 13), (1e6, 13)],
)
def test_lateness_is_counted_in_its_class(late_s: float, place: int) -> None:
    lateness = Lateness()
    lateness.add(late_s)

    assert [n for n, count in enumerate(lateness.counts) if count] == [place]
    assert lateness.longest_s == lateness.total_s == late_s
    assert len(lateness.counts) == len(Lateness.LIMITS_S) + 1


def test_lateness_adds_up() -> None:
    lateness = Lateness()
    for late_s in (0.5, 0.25, 0.25):
        lateness.add(late_s)

    assert sum(lateness.counts) == 3
    assert lateness.total_s == 1.0
    assert lateness.longest_s == 0.5


def test_what_meters_are_is_given_by_name() -> None:
    snapshot = Snapshot("town", START)
    state = state_of(None)
    snapshot.meters["m1"] = state

    assert snapshot.infos() == {"m1": state.info}
