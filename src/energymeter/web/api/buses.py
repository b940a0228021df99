"""Routes of all that is no meter: links, sinks, the store, and what happened."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from energymeter.service.desk import Desk
from energymeter.service.events import Level, Topic
from energymeter.web.api.service_answers import Events, LinkItem, Links, Sinks, StoreAnswer
from energymeter.web.api.told import (
    event_item,
    json_answer,
    link_item,
    sink_item,
    store_answer,
)
from energymeter.web.problem import documented, refuse

__all__ = ["buses_router"]

_FEW: Final = 100

_LinkName = Annotated[
    str, Path(description="The link's name; of a meter with a URL of its own, that URL.")
]
_After = Annotated[
    int, Query(ge=0, le=2**53, description="Only events with a higher number than this.")
]
_Limit = Annotated[int, Query(ge=1, le=2000, description="How many at most, the newest.")]
_Levels = Annotated[list[Level] | None, Query(description="Only these; several times for more.")]
_Topics = Annotated[list[Topic] | None, Query(description="Likewise.")]
_Name = Annotated[
    str, Query(max_length=500, description="Only of the link, meter or sink of this name.")
]


def buses_router(desk: Desk) -> APIRouter:
    """The routes.

    Args:
        desk: Knows how everything is.
    """
    router = APIRouter(prefix="/api/v1", tags=["service"])
    snapshot, stream = desk.snapshot, desk.events

    @router.get("/links", response_model=Links)
    async def links() -> Response:
        """All links, with how each of their units is doing."""
        return json_answer({"items": [link_item(each) for each in snapshot.links.values()]})

    @router.get(
        "/links/{name:path}",
        response_model=LinkItem,
        responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
    async def link(name: _LinkName) -> Response:
        """A link, with how each of its units is doing."""
        found = snapshot.links.get(name)
        if found is None:
            detail = f"there is no link called {name}, see /api/v1/links"
            raise refuse(HTTPStatus.NOT_FOUND, detail)
        return json_answer(link_item(found))

    @router.get("/sinks", response_model=Sinks)
    async def sinks() -> Response:
        """All sinks, with what waits for each."""
        return json_answer({"items": [sink_item(each) for each in snapshot.sinks.values()]})

    @router.get("/store", response_model=StoreAnswer)
    async def store() -> Response:
        """Where the history is kept, and how that goes."""
        return json_answer(store_answer(snapshot.store))

    @router.get(
        "/events",
        response_model=Events,
        responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY),
    )
    async def events(
        after: _After = 0,
        limit: _Limit = _FEW,
        level: _Levels = None,
        topic: _Topics = None,
        name: _Name = "",
    ) -> Response:
        """What happened of late, oldest first; the service keeps the newest 2000."""
        kept = stream.newest()
        found = [
            event
            for event in kept
            if event.number > after
            and (not level or event.level in level)
            and (not topic or event.topic in topic)
            and (not name or event.name == name)
        ]
        oldest = kept[0].number if kept else after + 1
        return json_answer(
            {
                "newest": kept[-1].number if kept else 0,
                "missed": max(0, oldest - 1 - after),
                "items": [event_item(event) for event in found[-limit:]],
            }
        )

    return router
