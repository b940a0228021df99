"""Logging in and out with a browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect
from tests.pages.conftest import TOKEN
from tests.pages.visiting import DESK, PHONE, Visitor

from energymeter.web.pages.login import login_page

FORM = ".em-login"


@pytest.fixture
def guest(browser: Browser) -> Visitor:
    """Somebody who may be refused, which the console tells as an error."""
    return Visitor(browser)


def test_who_is_not_logged_in_is_asked_to(guest: Visitor, locked: str) -> None:
    with guest:
        page = guest.go(f"{locked}/events", FORM)
        expect(page).to_have_url(re.compile(r"/login\?next="))
        for size in (DESK, PHONE):
            guest.resize(size)
            for colours in ("light", "dark"):
                page.emulate_media(color_scheme=colours)
                assert guest.barriers() == []
                assert guest.overflow() <= 0
        guest.check()


def test_a_wrong_word_is_refused_and_the_right_one_admits(guest: Visitor, locked: str) -> None:
    with guest:
        page = guest.go(f"{locked}/events", FORM)
        page.get_by_label("password").fill("guessed")
        page.get_by_role("button", name="log in").click()
        expect(page.get_by_role("alert")).not_to_be_empty()
        page.get_by_label("password").fill(TOKEN)
        page.get_by_role("button", name="log in").click()
        expect(page).to_have_url(re.compile("/events$"))
        expect(page.locator(".em-events li").first).to_be_visible()
        page.get_by_role("button", name="log out").click()
        page.wait_for_selector(FORM)


def test_nothing_that_is_sent_breaks_out_of_the_form() -> None:
    page = login_page('/meter/"><script>alert(1)</script>', "<b>no</b>")
    assert "<script" not in page
    assert "<b>" not in page
