"""The page where people log in: plain HTML that needs neither scripts nor other files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from energymeter.web.pages.markup import Markup, nothing, tag
from energymeter.web.session import LOGIN_PATH

__all__ = ["login_page"]


def login_page(goal: str = "/", fault: str = "") -> str:
    """The page.

    Args:
        goal: Where to go after the login.
        fault: Why the last try did not do; empty: there was none.
    """
    told = tag("p", fault, class_="em-fault", role="alert", id="fault") if fault else nothing()
    form = tag(
        "form",
        tag("h1", tag("span", class_="em-mark"), "energymeter"),
        told,
        tag("input", type="hidden", name="next", value=goal),
        tag("label", "password", for_="password"),
        tag(
            "input",
            type="password",
            id="password",
            name="password",
            required=True,
            autofocus=True,
            autocomplete="current-password",
            aria_describedby="fault" if fault else None,
        ),
        tag("button", "log in", type="submit", class_="em-button em-primary"),
        method="post",
        action=LOGIN_PATH,
        class_="em-card em-login",
    )
    page = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", "Log in · energymeter"),
            tag("link", rel="icon", href="data:,"),
            tag("style", Markup(_style())),
        ),
        tag("body", tag("main", form, class_="em-login-main")),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"


@lru_cache(maxsize=1)
def _style() -> str:
    return (Path(__file__).parent / "style.css").read_text("utf-8")
