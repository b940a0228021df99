"""The pure pieces of the pages: markup, slots, choices, spans, phases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.web.site_of import NOW, meter_of, snapshot_of

from energymeter.clock import ManualClock
from energymeter.profiles import Profile, ProfileLibrary
from energymeter.reader.reading import Quality, Reading
from energymeter.service.archive import Archive
from energymeter.store import Every
from energymeter.store.base import layout_of
from energymeter.web.pages.asker import Asker
from energymeter.web.pages.controls import page_asked
from energymeter.web.pages.directory import Directory, Wish
from energymeter.web.pages.glance import Glances, newest, standing_of, sum_of
from energymeter.web.pages.markup import Markup, join, tag
from energymeter.web.pages.phases import phases_html, phases_of
from energymeter.web.pages.plot import Curve, legend_of, options_of
from energymeter.web.pages.slots import Slots
from energymeter.web.pages.spans import Span, bars_every, custom, lines_every, moved, thinned
from energymeter.web.pages.today import Today
from energymeter.web.pages.totals import Sum, choose
from energymeter.web.pages.trend import spark_path

POWER = {"active_power_total": (1200.0, "W")}
EVIL = '"><script>alert(1)</script>'


def test_what_stands_in_markup_cannot_break_out() -> None:
    made = tag("a", EVIL, href=EVIL, title=None, hidden=False, data_k="x")
    assert "<script" not in made
    assert str(made).startswith('<a href="&quot;&gt;')
    assert "title" not in made


def test_markup_inside_of_markup_stays_as_it_is() -> None:
    assert tag("p", tag("b", "x"), " & ") == "<p><b>x</b> &amp; </p>"
    assert join([Markup("<i>"), "<"]) == "<i>&lt;"
    assert tag("input", disabled=True) == "<input disabled>"


def test_only_what_differs_is_sent_again() -> None:
    slots = Slots()
    slots.text("a", "1")
    slots.attribute("a", "class", "x")
    assert slots.take() == {"a": "1", "a@class": "x"}
    slots.text("a", "1")
    assert slots.take() == {}
    slots.text("a", "2")
    assert slots.take() == {"a": "2"}


def test_what_was_filled_anew_is_not_taken_for_what_was_there() -> None:
    slots = Slots()
    slots.text("r1.v", "1")
    slots.take()
    slots.forgotten("r1.")
    slots.text("r1.v", "1")
    assert slots.take() == {"r1.v": "1"}


def test_lines_in_front_are_in_their_order() -> None:
    slots = Slots()
    slots.in_front("log", Markup("<li>1"))
    slots.in_front("log", Markup("<li>2"))
    assert slots.take() == {"log^": "<li>2<li>1"}


@pytest.mark.parametrize(
    ("values", "main", "counters"),
    [
        (("active_power_total", "active_power_phase_a"), ["active_power_total"], []),
        (
            ("active_power_phase_a", "active_power_phase_b", "active_power_phase_c"),
            ["active_power_phase_a", "active_power_phase_b", "active_power_phase_c"],
            [],
        ),
        (
            ("active_power", "active_energy_import_tariff_1", "active_energy_import_tariff_2"),
            ["active_power"],
            ["active_energy_import_tariff_1", "active_energy_import_tariff_2"],
        ),
        (("voltage_phase_a", "frequency"), ["voltage_phase_a"], []),
    ],
)
def test_a_meter_is_told_by_its_total(
    values: tuple[str, ...], main: list[str], counters: list[str]
) -> None:
    state = meter_of(values={name: (1.0, "Wh" if "energy" in name else "W") for name in values})
    glance = Glances().of(state.info)
    assert [each.name for each in glance.main] == main
    assert [each.name for each in glance.counters] == counters


@pytest.mark.parametrize("name", ProfileLibrary([]).names())
def test_every_bundled_profile_has_something_to_show(name: str) -> None:
    profile: Profile = ProfileLibrary([]).load(name)
    glance = Glances().of(
        meter_of(profile=profile, points=profile.points, values={}, time=None).info
    )
    assert glance.main
    assert {each.name for each in glance.main} <= {
        each.name for each in layout_of(profile.points).series
    }


def test_only_values_that_can_be_trusted_count() -> None:
    good = meter_of(values=POWER)
    series = good.info.series[0]
    assert newest(good, series, NOW).value == 1200.0
    assert newest(good, series, NOW + timedelta(minutes=5)).is_stale
    bad = meter_of(values=POWER, qualities=[Quality.OUT_OF_RANGE])
    assert newest(bad, series, NOW).value is None
    assert sum_of(bad, (series,), NOW).value is None


def test_a_meter_stands_as_it_answers() -> None:
    state = meter_of(values=POWER)
    assert standing_of(state, NOW) == "ok"
    assert standing_of(state, NOW + timedelta(minutes=5)) == "stale"
    state.fault = "no answer"
    assert standing_of(state, NOW) == "silent"
    assert standing_of(meter_of(time=None), NOW) == "waiting"


def test_the_site_is_what_is_marked_as_the_grid() -> None:
    glances = Glances()
    grid = meter_of("a", POWER, labels={"role": "grid"})
    main = meter_of("b", POWER, labels={"circuit": "main"})
    other = meter_of("c", POWER)
    named = meter_of("mains", POWER)

    def chosen(*states: object) -> tuple[str, ...]:
        meters = snapshot_of(*states).meters  # type: ignore[arg-type]
        return choose(meters, glances).names

    assert chosen(grid, main, other, named) == ("a",)
    assert chosen(main, other, named) == ("b",)
    assert chosen(other, named) == ("mains",)
    assert chosen(other, meter_of("d", POWER)) == ("c", "d")
    assert chosen(meter_of("w", {"volume": (1.0, "m3")})) == ()


def test_a_silent_meter_at_the_grid_is_missing_in_the_sum() -> None:
    glances, clock = Glances(), ManualClock(NOW)
    here, gone = meter_of("a", POWER), meter_of("b", POWER, qualities=[Quality.NOT_READ])
    meters = snapshot_of(here, gone).meters
    today = Today(Archive(lambda: None), clock, Asker())
    adding = Sum(choose(meters, glances), meters, glances, today)
    assert adding.go_on(NOW, 1)
    assert not adding.go_on(NOW, 1)
    assert adding.power.watts == 1200.0
    assert adding.power.missing == 1
    assert adding.energy.watt_hours is None


def test_words_are_found_in_names_labels_and_profiles() -> None:
    states = [
        meter_of("office-1", POWER, labels={"floor": "3"}),
        meter_of("office-2", POWER, labels={"floor": "4"}),
        meter_of("hall", {"active_power_total": (9000.0, "W")}),
    ]
    states[1].fault = "no answer"
    directory = Directory(snapshot_of(*states), Glances())
    assert directory.renew()
    assert not directory.renew()

    def found(**wish: object) -> list[str]:
        return list(directory.found(Wish(**wish), NOW))  # type: ignore[arg-type]

    assert found(text="OFFICE") == ["office-1", "office-2"]
    assert found(text="office floor=4") == ["office-2"]
    assert found(label="floor=3") == ["office-1"]
    assert found(state="silent") == ["office-2"]
    assert found(order="trouble")[0] == "office-2"
    assert found(order="largest")[0] == "hall"
    assert found(order="name")[0] == "hall"
    assert found(kind="water") == []


def test_spans_are_told_as_finely_as_they_are_drawn() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)

    def spans(**ago: float) -> Span:
        return Span(now - timedelta(**ago), now)

    assert lines_every(spans(hours=1)) is None
    windows = [lines_every(spans(days=days)) for days in (1, 7, 31, 400)]
    assert windows == [60, 900, 3600, 86_400]
    assert [bars_every(spans(hours=h)) for h in (1, 24, 24 * 31)] == [900, 3600, 86_400]


def test_many_points_become_few_and_gaps_stay_open() -> None:
    times = [1000 * n for n in range(3600)]
    points = thinned(times, [1.0] * 3600)
    assert 400 <= len(points) <= 500
    assert {value for _, value in points} == {1.0}
    holed = thinned([0, 1000, 2000, 60_000, 61_000], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert [value for _, value in holed] == [1.0, 2.0, 3.0, None, 4.0, 5.0]


def test_a_look_goes_back_as_far_as_it_is_long_and_never_beyond_now() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    day = Span(now - timedelta(days=1), now)
    before = moved(day, -1, now)
    assert before == Span(now - timedelta(days=2), now - timedelta(days=1))
    assert moved(before, 1, now) == day
    assert moved(day, 1, now) == day
    first = Span(datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC))
    assert moved(first, -1, now) == first


def test_a_page_that_cannot_be_is_the_first() -> None:
    assert [page_asked(text) for text in ("", "1", "3", "0", "-1", "x", "9" * 5000)] == [
        *(0, 0, 2, 0, 0, 0, 0)
    ]


def test_the_address_holds_what_is_not_as_usual() -> None:
    slots = Slots()
    slots.address("/", [("q", "a b&c"), ("state", ""), ("page", "2")])
    assert slots.take() == {"@address": "/?q=a+b%26c&page=2"}
    slots.address("/", [("q", ""), ("page", "")])
    assert slots.take() == {"@address": "/"}


def curve(unit: str, every: Every | None = None) -> Curve:
    return Curve("x", unit, [(0, 1.0), (1, 2.0)], every)


def test_a_power_is_drawn_from_zero_and_a_voltage_is_not() -> None:
    span = Span(NOW - timedelta(days=1), NOW)
    options = options_of([curve("kW"), curve("V"), curve("kWh", Every.HOUR)], span, 0, is_dark=True)
    assert [axis["scale"] for axis in options["yAxis"]] == [False, True, False]
    assert options["xAxis"]["containShape"] is False


def test_what_is_drawn_is_told_with_the_window_it_is_counted_in() -> None:
    legend = legend_of([curve("kW"), curve("kWh", Every.HOUR)], is_dark=False)
    assert "<small>kW</small>" in legend
    assert "<small>kWh per hour</small>" in legend


def test_nonsense_in_the_fields_of_time_is_a_sentence() -> None:
    for start, end in (("x", "y"), (None, None), ("2026-01-02", "2026-01-01"), ("0001-01-01",) * 2):
        assert isinstance(custom(start, end), str)
    assert isinstance(custom("1900-01-01", "2026-01-01"), str)
    assert isinstance(custom("2026-01-01T00:00", "2026-01-02T00:00"), Span)


def reading(name: str, value: float, unit: str) -> Reading:
    return Reading(name, value, unit, Quality.GOOD, NOW)


def test_currents_lag_behind_by_what_the_powers_say() -> None:
    readings = [
        *(reading(f"voltage_phase_{p}", 230.0, "V") for p in "abc"),
        *(reading(f"current_phase_{p}", 5.0, "A") for p in "abc"),
        *(reading(f"active_power_phase_{p}", 1.0, "kW") for p in "abc"),
        *(reading(f"reactive_power_phase_{p}", 1000.0, "var") for p in "abc"),
    ]
    by_name = {each.name: each for each in readings}
    phases = phases_of(by_name)
    assert [round(phase.angle or 0.0) for phase in phases] == [45, 45, 45]
    assert str(phases_html(by_name)).count("<path") == 6


def test_phases_stay_where_their_values_are_not_good_for_a_while() -> None:
    readings = {
        name: Reading(name, None, "V", Quality.NOT_READ, NOW)
        for name in (f"voltage_phase_{p}" for p in "abc")
    }
    shown = str(phases_html(readings))
    assert shown.count("<path") == 0
    assert shown.count("<circle") == 2


def test_a_meter_of_one_phase_has_no_phases() -> None:
    assert phases_of({"voltage_phase_a": reading("voltage_phase_a", 230.0, "V")}) == ()
    assert phases_of({}) == ()


def test_a_trend_is_a_line_through_what_is_known() -> None:
    assert spark_path([]) == ""
    assert spark_path([1.0]) == ""
    assert spark_path([1.0, None, 2.0]).count("L") == 1
    assert spark_path([1.0, *[None] * 30, 2.0, 3.0]).count("M") == 2


def test_what_nobody_wants_any_more_is_not_asked() -> None:
    async def ask() -> list[str]:
        asked: list[str] = []
        asker = Asker()

        async def question() -> None:
            asked.append("x")

        asker.want("a", question)
        asker.want("a", question)
        assert len(asker) == 1
        async with asyncio.timeout(5):
            while len(asker):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.001)
        asker.want("b", question)
        await asker.close()
        return asked

    assert asyncio.run(ask()) == ["x"]
