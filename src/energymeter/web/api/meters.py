"""Routes of meters: which there are, and their newest values."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.responses import Response

from energymeter.service.desk import Desk
from energymeter.service.snapshot import MeterState
from energymeter.web.api.answers import Latest, LatestPage, Meter, MeterPage
from energymeter.web.api.choice import (
    Chosen,
    Cursor,
    Limit,
    Quantities,
    links_of,
    meter_named,
    page_of,
)
from energymeter.web.api.told import json_answer, latest_of, meter_item, point_items
from energymeter.web.problem import documented, refuse

__all__ = ["MeterName", "meters_router"]

_FEW: Final = 100

MeterName = Annotated[str, Path(description="The meter's name, as the site file has it.")]


def meters_router(desk: Desk) -> APIRouter:
    """The routes.

    Args:
        desk: Where the newest values are.
    """
    router = APIRouter(prefix="/api/v1", tags=["meters"])
    snapshot, clock = desk.snapshot, desk.clock

    @router.get(
        "/meters/{name}/latest",
        response_model=Latest,
        responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
    async def latest(name: MeterName, quantity: Quantities = None) -> Response:
        """The newest values of a meter, each with its quality and age."""
        state = meter_named(snapshot, name)
        wanted = _checked(state, quantity)
        return json_answer(latest_of(state, clock.now(), wanted))

    @router.get(
        "/meters",
        response_model=MeterPage,
        responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY),
    )
    async def meters(choice: Chosen, limit: Limit = _FEW, cursor: Cursor = "") -> Response:
        """The meters of the site, or those that are asked for, by name."""
        total, page, after = page_of(choice.of(snapshot), _name, cursor, limit)
        links, now = links_of(snapshot), clock.now()
        items = [meter_item(each, links.get(_name(each), ""), now) for each in page]
        return json_answer({"total": total, "next": after, "items": items})

    @router.get(
        "/meters/{name}",
        response_model=Meter,
        responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
    async def meter(name: MeterName) -> Response:
        """A meter, how it is doing, and what is read of it."""
        state = meter_named(snapshot, name)
        item = meter_item(state, links_of(snapshot).get(name, ""), clock.now())
        return json_answer({**item, "points": point_items(state)})

    @router.get(
        "/latest",
        response_model=LatestPage,
        responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY),
    )
    async def latest_of_several(
        choice: Chosen, quantity: Quantities = None, limit: Limit = _FEW, cursor: Cursor = ""
    ) -> Response:
        """The newest values of the meters that are asked for, by name."""
        total, page, after = page_of(choice.of(snapshot), _name, cursor, limit)
        now, wanted = clock.now(), frozenset(quantity or ())
        items: list[dict[str, Any]] = [latest_of(each, now, wanted) for each in page]
        return json_answer({"total": total, "next": after, "items": items})

    return router


def _name(state: MeterState) -> str:
    return state.info.name


def _checked(state: MeterState, quantities: list[str] | None) -> frozenset[str]:
    """What is wanted of a meter.

    Raises:
        HTTPException: 404, it has no such value.
    """
    wanted = frozenset(quantities or ())
    unknown = wanted - {each.name for each in state.info.series} if wanted else ()
    if unknown:
        detail = (
            f"{state.info.name} has no value called {min(unknown)}, "
            "see points of /api/v1/meters/{name}"
        )
        raise refuse(HTTPStatus.NOT_FOUND, detail)
    return wanted
