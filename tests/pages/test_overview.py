"""The overview in a browser: it lives, finds, and shows no more than is seen."""

from __future__ import annotations

import re
import time

from playwright.sync_api import expect
from tests.pages.visiting import Visitor

ROWS = ".em-meters tbody tr"


def test_values_move(visitor: Visitor, demo: str) -> None:
    page = visitor.go(demo, ROWS)
    value = page.locator(ROWS, has_text="compressor").locator(".em-value")
    expect(value).not_to_have_text(value.inner_text(), timeout=10_000)


def test_tiles_tell_power_energy_meters_and_polls(visitor: Visitor, demo: str) -> None:
    page = visitor.go(demo, ROWS)
    tiles = page.locator(".em-tile")
    expect(tiles.nth(0)).to_contain_text(re.compile(r"power now.*\d\s*k?W", re.DOTALL))
    expect(tiles.nth(1)).to_contain_text(re.compile(r"energy today.*\d\s*kWh", re.DOTALL))
    expect(tiles.nth(2)).to_contain_text(re.compile(r"1[12]\s*of 12"))
    expect(tiles.nth(3)).to_contain_text(re.compile(r"\d\s*/s"))


def test_a_tile_says_what_it_adds_up(visitor: Visitor, demo: str) -> None:
    page = visitor.go(demo, ROWS)
    page.locator(".em-tile").first.get_by_role("button").focus()
    expect(page.get_by_role("tooltip")).to_contain_text("adds up")
    page.keyboard.press("Escape")
    expect(page.get_by_role("tooltip")).to_be_hidden()


def test_last_hour_and_today_come_from_the_store(visitor: Visitor, demo: str) -> None:
    page = visitor.go(demo, ROWS)
    expect(page.locator(f"{ROWS} .em-spark path").first).to_have_attribute(
        "d", re.compile(r"M.*L"), timeout=10_000
    )
    expect(page.locator(".em-meters .em-col-today").nth(1)).to_contain_text("kWh")


def test_search_finds_one_meter_among_ten_thousand(visitor: Visitor, crowd: str) -> None:
    page = visitor.go(crowd, ROWS)
    page.get_by_role("searchbox").fill("meter-07777")
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator(ROWS)).to_contain_text("meter-07777")
    expect(page.get_by_text("1 of 10 000 meters".replace(" 000", "\u202f000"))).to_be_visible()


def test_filters_and_pages_lead_to_the_rest(visitor: Visitor, crowd: str) -> None:
    page = visitor.go(crowd, ROWS)
    expect(page.locator(ROWS)).to_have_count(50)
    page.get_by_role("button", name="next page").click()
    expect(page.locator(ROWS).first).to_contain_text("meter-00050")
    page.get_by_label("state", exact=True).select_option("silent")
    expect(page.get_by_role("status")).to_contain_text("100 of")
    page.get_by_label("label", exact=True).select_option("floor=3")
    expect(page.locator(ROWS).first).to_contain_text("3")
    page.get_by_role("searchbox").fill("nobody is called so")
    expect(page.get_by_text("no meter is like this")).to_be_visible()


def test_what_was_searched_is_found_again_on_the_way_back(visitor: Visitor, crowd: str) -> None:
    page = visitor.go(crowd, ROWS)
    page.get_by_role("searchbox").fill("meter-00")
    expect(page).to_have_url(re.compile(r"\?q=meter-00$"))
    page.get_by_label("order", exact=True).select_option("name")
    page.get_by_role("button", name="next page").click()
    expect(page).to_have_url(re.compile(r"\?q=meter-00&order=name&page=2$"))
    page.get_by_role("link", name="meter-00051").click()
    page.wait_for_url(re.compile("/meter/meter-00051$"))
    page.go_back()
    expect(page.locator(ROWS).first).to_contain_text("meter-00050")
    expect(page.get_by_role("searchbox")).to_have_value("meter-00")


def test_what_was_there_before_the_connection_was_lost_is_dimmed(
    visitor: Visitor, crowd: str
) -> None:
    page = visitor.go(crowd, ROWS)
    page.evaluate("document.getElementById('popup').ariaHidden = 'false'")
    expect(page.locator("#content")).to_have_css("opacity", "0.45", timeout=10_000)


def test_ten_thousand_meters_open_at_once_and_only_the_seen_are_sent(
    visitor: Visitor, crowd: str
) -> None:
    visitor.go(crowd, ROWS)  # the browser has its scripts then
    visitor.received.clear()
    begun = time.monotonic()
    page = visitor.go(crowd, ROWS)
    assert time.monotonic() - begun < 2.0
    opened = sum(visitor.received)
    assert opened < 200_000
    visitor.received.clear()
    page.wait_for_timeout(2000)
    assert 0 < sum(visitor.received) < 2 * 15_000


def test_nothing_is_sent_to_a_page_in_the_background(visitor: Visitor, crowd: str) -> None:
    page = visitor.go(crowd, ROWS)
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait_for_timeout(700)
    visitor.received.clear()
    page.wait_for_timeout(1500)
    assert sum(visitor.received) < 200  # the socket's own sign of life
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: false, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait_for_timeout(1200)
    assert sum(visitor.received) > 500
