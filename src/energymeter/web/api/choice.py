"""Which meters somebody wants, and which page of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import nsmallest
from http import HTTPStatus
from typing import Annotated, Final, NamedTuple, TypeVar

from fastapi import Depends, Query

from energymeter.service.snapshot import MeterState, Snapshot
from energymeter.web.api.answers import Condition
from energymeter.web.api.told import condition_of
from energymeter.web.problem import refuse

__all__ = [
    "Choice",
    "Chosen",
    "Cursor",
    "Limit",
    "Quantities",
    "links_of",
    "meter_named",
    "page_of",
]

_LONGEST: Final = 200
_Item = TypeVar("_Item")

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most on this page.")]
Cursor = Annotated[
    str,
    Query(
        max_length=_LONGEST,
        description="Where the page begins: `next` of the page before; empty for the first.",
    ),
]
Quantities = Annotated[
    list[str] | None,
    Query(max_length=100, description="Only values of these points; several times for several."),
]
_Name = Annotated[
    str, Query(max_length=_LONGEST, description="What the name holds, in any case of letters.")
]
_Labels = Annotated[
    list[str] | None,
    Query(
        max_length=20,
        description="`key=value`, or `key` for any value; several times for all of them.",
    ),
]
_States = Annotated[
    list[Condition] | None, Query(description="How it is; several times for either.")
]
_Link = Annotated[str, Query(max_length=500, description="The name of its link.")]


class Choice(NamedTuple):
    """Which meters; what is empty does not narrow it."""

    name: str
    labels: tuple[tuple[str, str | None], ...]
    states: tuple[Condition, ...]
    link: str

    def of(self, snapshot: Snapshot) -> Iterator[MeterState]:
        """These meters of a snapshot, in its order."""
        for state in self._on_link(snapshot):
            info = state.info
            if self.name and self.name not in info.name.casefold():
                continue
            if self.states and condition_of(state) not in self.states:
                continue
            if all(_has(info.labels, key, value) for key, value in self.labels):
                yield state

    def _on_link(self, snapshot: Snapshot) -> Iterable[MeterState]:
        meters = snapshot.meters
        if not self.link:
            return meters.values()
        link = snapshot.links.get(self.link)
        return [meters[name] for name in (link.meters if link else ()) if name in meters]


def _has(labels: Mapping[str, str], key: str, value: str | None) -> bool:
    return key in labels and value in (None, labels[key])


def _choice(
    name: _Name = "", label: _Labels = None, state: _States = None, link: _Link = ""
) -> Choice:
    labels = []
    for text in label or ():
        key, mark, value = text.partition("=")
        labels.append((key, value if mark else None))
    return Choice(name.casefold(), tuple(labels), tuple(state or ()), link)


Chosen = Annotated[Choice, Depends(_choice)]
"""The parameters `name`, `label`, `state` and `link` of a route."""


def page_of(
    items: Iterable[_Item], name: Callable[[_Item], str], cursor: str, limit: int
) -> tuple[int, list[_Item], str | None]:
    """A page in the order of the names: whatever comes or goes between two pages, none is twice.

    Args:
        items: All of them.
        name: What each is called; no two are called alike.
        cursor: The name of the last one of the page before; empty: the first page.
        limit: How many at most.

    Returns:
        How many there are in all, those of the page, and the cursor of the next one; None: there
        is none.
    """
    found = list(items)
    behind = [each for each in found if name(each) > cursor] if cursor else found
    page = nsmallest(limit, behind, key=name)
    return len(found), page, name(page[-1]) if len(behind) > len(page) else None


def meter_named(snapshot: Snapshot, name: str) -> MeterState:
    """The meter of this name.

    Raises:
        HTTPException: 404, there is none.
    """
    state = snapshot.meters.get(name)
    if state is None:
        detail = f"there is no meter called {name}, see /api/v1/meters"
        raise refuse(HTTPStatus.NOT_FOUND, detail)
    return state


def links_of(snapshot: Snapshot) -> dict[str, str]:
    """The name of each meter's link."""
    return {meter: link.name for link in snapshot.links.values() for meter in link.meters}
