"""The page of a meter, and those of links and events, in a browser."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from tests.pages.visiting import Visitor

CHART = ".em-chart canvas"


def drawn(page: Page) -> list[int]:
    """How many points each curve of the chart has."""
    return list(
        page.evaluate(
            """() => {
                const element = document.querySelector(".em-chart");
                const options = getElement(element.id.slice(1)).chart?.getOption();
                return (options?.series ?? []).map((each) => each.data.length);
            }"""
        )
    )


def wait_for_points(page: Page, least: int) -> None:
    """Return once the first curve has so many points."""
    page.wait_for_function(
        """least => {
            const element = document.querySelector(".em-chart");
            const options = getElement(element.id.slice(1)).chart?.getOption();
            return options?.series?.[0]?.data.length >= least;
        }""",
        arg=least,
    )


def test_a_day_is_drawn_from_the_store(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/meter/grid", CHART)
    wait_for_points(page, 250)
    line, bars = drawn(page)
    assert 250 <= line <= 600
    assert 23 <= bars <= 26
    empty = len(page.evaluate("document.createElement('canvas').toDataURL()"))
    assert len(page.evaluate(f"document.querySelector('{CHART}').toDataURL()")) > 10 * empty


def test_a_week_and_an_hour_are_told_in_windows_of_their_own(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/meter/grid", CHART)
    wait_for_points(page, 250)
    week = page.get_by_role("button", name="week", exact=True)
    week.click()
    expect(week).to_have_attribute("aria-pressed", "true")
    page.wait_for_function(
        """() => {
            const element = document.querySelector(".em-chart");
            const points = getElement(element.id.slice(1)).chart.getOption().series[0].data.length;
            return points >= 100 && points <= 110;
        }"""
    )
    page.get_by_role("button", name="hour", exact=True).click()
    expect(week).to_have_attribute("aria-pressed", "false")


def test_any_values_are_drawn_together(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/meter/grid", CHART)
    page.get_by_text(re.compile("^values")).click()
    page.get_by_label("Voltage L1").check()
    expect(page.get_by_text("3 chosen")).to_be_visible()
    for name in ("Voltage L1", "Active power total", "Active energy import"):
        page.get_by_label(name, exact=False).and_(page.locator(":checked")).uncheck()
    expect(page.get_by_text("choose a value to see it")).to_be_visible()


def test_a_time_of_ones_own_is_checked(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/meter/grid", CHART)
    page.get_by_text("from … to …").click()
    page.get_by_label("start").fill("2026-01-02T00:00")
    page.get_by_label("end").fill("2026-01-01T00:00")
    page.get_by_role("button", name="show").click()
    expect(page.get_by_text("the start has to be before the end")).to_be_visible()
    page.get_by_label("end").fill("2026-01-03T00:00")
    page.get_by_role("button", name="show").click()
    expect(page.get_by_text("nothing is kept of this time")).to_be_visible()


def test_an_earlier_day_is_looked_at_and_found_again(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/meter/grid", CHART)
    later = page.get_by_role("button", name="later")
    expect(later).to_be_disabled()
    page.get_by_role("button", name="earlier").click()
    expect(page).to_have_url(re.compile(r"from=.*&to="))
    expect(later).to_be_enabled()
    page.reload()
    expect(later).to_be_enabled()
    later.click()
    expect(later).to_be_disabled()
    expect(page).to_have_url(re.compile("/meter/grid$"))


def test_what_is_drawn_is_named(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/meter/grid?value=frequency&value=nonsense&span=week", CHART)
    expect(page.locator(".em-legend li")).to_have_text(["Frequency Hz"])
    expect(page.get_by_role("button", name="week")).to_have_attribute("aria-pressed", "true")


def test_values_move_and_phases_are_drawn(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/meter/office", ".em-phasor path")
    expect(page.locator(".em-phasor path")).to_have_count(6)
    number = page.locator(".em-reading", has_text=re.compile("^Active power total")).locator(
        ".em-number"
    )
    before = number.inner_text()
    expect(number).not_to_have_text(before, timeout=10_000)


def test_reading_now_shows_the_words_of_the_wire(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/meter/grid", ".em-map")
    page.get_by_role("button", name="read now").click()
    row = page.locator(".em-map tr", has_text="voltage_phase_a")
    expect(row.locator("code")).to_have_text(re.compile(r"^43[0-9A-F]{2} [0-9A-F]{4}$"))
    expect(row).to_contain_text(re.compile(r"2\d\d\.\d+ V"))
    expect(page.get_by_text(re.compile("nothing of it is kept"))).to_be_visible()


def test_a_value_that_is_not_good_says_why(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/meter/heat-pump", ".em-quality")
    mark = page.locator(".em-quality:not([hidden])").first
    mark.wait_for(timeout=30_000)
    mark.focus()
    expect(page.get_by_role("tooltip")).not_to_be_empty()


def test_frames_go_by_until_somebody_pauses(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/link/gateway", ".em-trace li")
    expect(page.locator(".em-trace")).to_contain_text("request to read")
    page.get_by_role("button", name="pause").click()
    expect(page.get_by_role("button", name="go on")).to_be_visible()
    page.wait_for_timeout(500)
    first = page.locator(".em-trace li").first.inner_text()
    page.wait_for_timeout(1300)
    assert page.locator(".em-trace li").first.inner_text() == first
    page.get_by_role("button", name="clear").click()
    expect(page.locator(".em-trace li")).to_have_count(0)
    page.get_by_role("button", name="go on").click()
    page.wait_for_selector(".em-trace li")


def test_links_lead_to_their_units_and_these_to_their_meters(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/links", ".em-table tbody tr")
    page.get_by_role("searchbox").fill("gate")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="gateway").click()
    page.get_by_role("link", name="kitchen").click()
    page.wait_for_url(re.compile("/meter/kitchen$"))


def test_events_are_filtered_by_level(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/events", ".em-events li")
    expect(page.locator(".em-events")).to_contain_text("polls 12 meters")
    page.get_by_label("level").select_option("error")
    expect(page.locator(".em-events li", has_text="info")).to_have_count(0)
    page.get_by_label("level").select_option("")
    page.get_by_role("searchbox").fill("polls 12")
    expect(page.locator(".em-events li")).to_have_count(1)


def test_without_a_store_the_chart_says_so(visitor: Visitor, crowd: str) -> None:
    page = visitor.go(f"{crowd}/meter/meter-00001", CHART)
    expect(page.get_by_text("there is no history")).to_be_visible()
