"""Fields and buttons, as plain HTML; `live.js` tells the server what is done with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from energymeter.web.pages.figures import TO, grouped
from energymeter.web.pages.markup import Markup, join, nothing, tag

__all__ = ["BACK", "ON", "button", "facts", "page_asked", "pager", "search", "select"]

BACK: Final = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"
ON: Final = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"


def search(what: str, label: str, value: str) -> Markup:
    """A field to type words into."""
    field = tag(
        "input",
        type="search",
        id=f"f-{what}",
        value=value,
        placeholder=label,
        aria_label=label,
        autocomplete="off",
        spellcheck="false",
        data_search=what,
    )
    return tag("span", field, class_="em-search")


def select(what: str, label: str, choices: Mapping[str, str], chosen: str) -> Markup:
    """A field to choose in; a choice that is not the first stands out."""
    options = [
        tag("option", text, value=value, selected=value == chosen)
        for value, text in choices.items()
    ]
    return tag("select", *options, id=f"f-{what}", aria_label=label, data_choose=what)


def button(what: str, text: str, arg: str = "", *, class_: str = "em-button") -> Markup:
    """A button that tells what it is for."""
    return tag("button", text, type="button", class_=class_, data_act=what, data_arg=arg)


def pager(page: int, count: int, size: int) -> Markup:
    """Ways to the other pages of a list; nothing where there is one.

    Args:
        page: The one that is shown, from 0.
        count: Entries in all.
        size: Entries of a page.
    """
    last = max(0, (count - 1) // size)
    if not last:
        return nothing()

    def step(to: int, text: str, label: str) -> Markup:
        return tag(
            "button",
            text,
            type="button",
            class_="em-button",
            id=f"page-{label.split(maxsplit=1)[0]}",
            data_act="page",
            data_arg=to,
            aria_label=label,
            disabled=to == page,
        )

    first, end = page * size + 1, min((page + 1) * size, count)
    return tag(
        "nav",
        step(0, "«", "first page"),
        step(max(0, page - 1), BACK, "previous page"),
        tag("span", f"{grouped(first)}{TO}{grouped(end)} of {grouped(count)}", class_="em-num"),
        step(min(last, page + 1), ON, "next page"),
        step(last, "»", "last page"),
        class_="em-pager",
        aria_label="pages of the list",
    )


def page_asked(text: str) -> int:
    """The page, from 0, that an address asks for, from 1; nonsense is the first."""
    return max(0, int(text) - 1) if text.isdecimal() and len(text) < 10 else 0


def facts(pairs: Mapping[str, Markup | str]) -> Markup:
    """Names and what they stand for."""
    return tag(
        "dl",
        join(tag("div", tag("dt", name), tag("dd", text)) for name, text in pairs.items()),
        class_="em-facts",
    )
