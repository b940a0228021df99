"""Pages of a list: together they are the list, whatever its size and theirs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from energymeter.web.api.choice import page_of

NAMES = st.lists(st.text(min_size=1, max_size=6), unique=True, max_size=40)
LIMITS = st.integers(1, 12)


def walk(names: list[str], limit: int) -> list[list[str]]:
    pages, cursor = [], ""
    while True:
        total, page, after = page_of(names, str, cursor, limit)
        assert total == len(names)
        pages.append(page)
        if after is None:
            return pages
        cursor = after


@given(names=NAMES, limit=LIMITS)
def test_all_pages_together_are_the_list_in_order(names: list[str], limit: int) -> None:
    pages = walk(names, limit)
    assert [name for page in pages for name in page] == sorted(names)
    assert all(len(page) == limit for page in pages[:-1])
    assert len(pages) == max(1, -(-len(names) // limit))


@given(names=NAMES, limit=LIMITS, data=st.data())
def test_what_comes_or_goes_between_two_pages_hides_and_repeats_nothing(
    names: list[str], limit: int, data: st.DataObject
) -> None:
    first, cursor = page_of(names, str, "", limit)[1:]
    gone = set(data.draw(st.lists(st.sampled_from(names)) if names else st.just([])))
    come = [name for name in data.draw(NAMES) if name not in names]
    later = [name for name in names if name not in gone] + come
    rest: list[str] = []
    while cursor is not None:
        _, page, cursor = page_of(later, str, cursor, limit)
        rest += page
    assert not set(first) & set(rest)
    stayed = set(names) - gone
    assert stayed <= set(first) | set(rest)


@given(names=NAMES, cursor=st.text(max_size=6), limit=LIMITS)
def test_any_cursor_gives_what_is_behind_it(names: list[str], cursor: str, limit: int) -> None:
    _, page, _ = page_of(names, str, cursor, limit)
    assert page == sorted(name for name in names if name > cursor)[:limit]
