"""What holds for each page: it opens on a desk and a phone, by day and night, for everybody."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page
from tests.pages.crowd import Crowd
from tests.pages.visiting import DESK, PHONE, Visitor

from energymeter.blocking import LoopThread
from energymeter.site.model import WebEntry
from energymeter.web.pages.server import assets
from energymeter.web.serve import web_server

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
    server = web_server(
        WebEntry.model_validate({"listen": "127.0.0.1:0"}), Crowd(3).desk, prometheus=None
    )
    thread = LoopThread()
    thread.run(server.start())
    wanted: list[str] = []
    missing: list[str] = []

    def looked_for(path: str) -> None:
        if path.startswith("/_nicegui/"):
            wanted.append(path)
            if path not in assets():
                missing.append(path)

    try:
        with Visitor(browser) as visitor:
            visitor.page.on("request", lambda request: looked_for(urlsplit(request.url).path))
            visitor.go(str(server), ".em-meters tbody tr")
    finally:
        thread.run(server.close())
        thread.close()
    assert len(wanted) > 8
    assert missing == []
