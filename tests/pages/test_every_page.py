"""What holds for each page: it opens on a desk and a phone, by day and night, for everybody."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.pages.conftest import shown
from tests.pages.crowd import Crowd
from tests.pages.visiting import DESK, PHONE, Visitor
from tests.web.site_of import desk_of, meter_of, snapshot_of

from energymeter.clock import SystemClock
from energymeter.service.events import EventStream
from energymeter.web.pages.server import assets

PAGES = {
    "overview": ("/", ".em-meters tbody tr"),
    "meter": ("/meter/office", ".em-chart canvas"),
    "links": ("/links", ".em-table tbody tr"),
    "link": ("/link/gateway", ".em-trace li"),
    "events": ("/events", ".em-events li"),
}


@pytest.mark.parametrize("name", PAGES)
def test_page_opens_on_desk_and_phone_in_light_and_dark(
    visitor: Visitor, demo: str, name: str
) -> None:
    path, ready = PAGES[name]
    visitor.go(demo + path, ready)
    for size, colours in ((DESK, "light"), (PHONE, "dark"), (DESK, "dark")):
        visitor.resize(size)
        visitor.in_colours(colours)
        assert visitor.barriers() == []
        assert visitor.overflow() <= 0


def test_long_names_fit_a_phone(browser: Browser) -> None:
    long = "the outgoing circuit of the third floor, " * 3
    labels = {"building": f"north {long}"}
    state = meter_of(
        "m" * 120, {"active_energy_import_total": (123456789.125, "kWh")}, labels=labels
    )
    clock = SystemClock()
    snapshot = snapshot_of(state)
    snapshot.site = long
    desk = desk_of(snapshot, EventStream(clock), clock)
    with shown(desk) as address, Visitor(browser, PHONE) as someone:
        for path in ("/", f"/meter/{state.info.name}", "/links", "/link/bus1"):
            someone.go(address + path, "#content .em-card")
            assert someone.overflow() <= 0, path


def test_what_is_old_is_grey_and_says_how_old(browser: Browser) -> None:
    clock = SystemClock()
    then = clock.now() - timedelta(days=3)
    state = meter_of("m1", {"active_power_total": (1234.0, "W")}, time=then)
    state.fault, state.fault_since = "no answer within 1 s", then
    desk = desk_of(snapshot_of(state), EventStream(clock), clock)
    with shown(desk) as address, Visitor(browser) as someone:
        page = someone.go(f"{address}/meter/m1", "#content .em-card")
        box = page.locator(".em-meter-head .em-old")
        expect(box).to_contain_text("1.234")
        expect(box).to_contain_text("3 d ago")
        expect(page.locator(".em-fault")).to_contain_text(f"since {then.astimezone():%d %b}")


def test_what_is_not_there_says_so(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/meter/nowhere")
    page.get_by_text("there is no meter nowhere here").wait_for()
    page = visitor.go(f"{demo}/link/nowhere")
    page.get_by_text("there is no link nowhere here").wait_for()


def test_colours_follow_the_system_until_somebody_chooses(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/events")
    visitor.in_colours("dark")
    page.get_by_role("button", name="colours").click()  # light
    page.wait_for_selector("body.body--light")
    page.reload()
    page.wait_for_selector("body.body--light")
    page.get_by_role("button", name="colours").click()  # dark
    page.wait_for_selector("body.body--dark")


def test_pages_are_reached_by_keyboard(visitor: Visitor, demo: str) -> None:
    page = visitor.go(f"{demo}/events", ".em-events li")
    page.keyboard.press("Tab")
    assert _focused(page) == "to the content"
    for _ in range(3):
        page.keyboard.press("Tab")
    assert _focused(page) == "Links"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/links$"))


def test_a_phone_is_renewed_too(browser: Browser, demo: str) -> None:
    with Visitor(browser, PHONE) as someone:
        page = someone.go(demo, ".em-meters tbody tr")
        page.wait_for_function(
            "before => document.querySelector('.em-meters .em-value').textContent != before",
            arg=page.locator(".em-meters .em-value").first.text_content(),
        )
        someone.check()


def _focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim()"))


def test_all_that_a_page_begins_with_is_in_memory_before_the_first_visit(browser: Browser) -> None:
    wanted: list[str] = []
    missing: list[str] = []

    def looked_for(path: str) -> None:
        if path.startswith("/_nicegui/"):
            wanted.append(path)
            if path not in assets():
                missing.append(path)

    with shown(Crowd(3).desk) as address, Visitor(browser) as visitor:
        visitor.page.on("request", lambda request: looked_for(urlsplit(request.url).path))
        visitor.go(address, ".em-meters tbody tr")
    assert len(wanted) > 8
    assert missing == []
