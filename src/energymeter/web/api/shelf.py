"""Routes of profiles: what kinds of meters there are, and what is known of each."""

from __future__ import annotations

import asyncio
import hashlib
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response

from energymeter.errors import ProfileError
from energymeter.profiles import Point, Profile, ProfileLibrary
from energymeter.service.desk import Desk
from energymeter.web.api.choice import Cursor, Limit, page_of
from energymeter.web.api.service_answers import ProfileAnswer, ProfilePage
from energymeter.web.api.told import as_json, json_answer
from energymeter.web.problem import documented, refuse

__all__ = ["shelf_router"]

_FEW: Final = 100

_ProfileName = Annotated[
    str, Path(description="The profile's name: `vendor/model`, or `model` where that is enough.")
]
_Search = Annotated[
    str, Query(max_length=200, description="What the name holds, in any case of letters.")
]
_Known = Annotated[
    str | None, Header(alias="If-None-Match", description="The `ETag` of what is known already.")
]


class _Shelf:
    """Loads profiles once each, away from the loop.

    Args:
        desk: Has the profiles in use, which may stand anywhere.
    """

    def __init__(self, desk: Desk) -> None:
        self._snapshot = desk.snapshot
        self._library = ProfileLibrary()
        self._loaded: dict[tuple[str, int], Profile | ProfileError] = {}

    def names(self) -> list[str]:
        """All there are, but for those in use from elsewhere."""
        return self._library.names()

    def find(self, name: str) -> Profile:
        """The profile of this name.

        Raises:
            ProfileError: There is none, or it cannot be read.
        """
        path = self._library.path_of(name)
        try:
            key = str(path), path.stat().st_mtime_ns
        except OSError as error:
            msg = f"profile {name!r} cannot be read: {error.strerror}"
            raise ProfileError(msg) from error
        found = self._loaded.get(key)
        if found is None:
            try:
                found = self._library.load(name)
            except ProfileError as error:
                found = error
            self._loaded[key] = found
        if isinstance(found, ProfileError):
            raise found
        return found

    def in_use(self, name: str) -> Profile | None:
        """The profile of this name that a meter is read by; None: there is none."""
        for state in self._snapshot.meters.values():
            if state.info.profile.name == name:
                return state.info.profile
        return None

    def item(self, name: str) -> dict[str, Any]:
        """See `service_answers.ProfileItem`."""
        try:
            profile = self.find(name)
        except ProfileError as error:
            texts = dict.fromkeys(("vendor", "model", "description", "kind"), "")
            return {"name": name, **texts, "points": 0, "fault": str(error)}
        return {
            "name": name,
            "vendor": profile.vendor,
            "model": profile.model,
            "description": profile.description,
            "kind": profile.kind,
            "points": len(profile.points),
            "fault": "",
        }


def shelf_router(desk: Desk) -> APIRouter:
    """The routes.

    Args:
        desk: Has the profiles in use.
    """
    router = APIRouter(prefix="/api/v1", tags=["profiles"])
    shelf = _Shelf(desk)

    @router.get(
        "/profiles",
        response_model=ProfilePage,
        responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY),
    )
    async def profiles(name: _Search = "", limit: Limit = _FEW, cursor: Cursor = "") -> Response:
        """The profiles at hand, the user's own and the shipped ones, by name."""

        def read() -> Response:
            wanted = name.casefold()
            names = [each for each in shelf.names() if wanted in each.casefold()]
            total, page, after = page_of(names, str, cursor, limit)
            items = [shelf.item(each) for each in page]
            return json_answer({"total": total, "next": after, "items": items})

        return await asyncio.to_thread(read)

    @router.get(
        "/profiles/{name:path}",
        response_model=ProfileAnswer,
        responses={
            **documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
            304: {"description": "It is still what is known already"},
        },
    )
    async def profile(name: _ProfileName, known: _Known = None) -> Response:
        """A profile with all its values and where they stand."""
        try:
            found = shelf.in_use(name)
            if found is None:
                found = await asyncio.to_thread(shelf.find, name)
        except ProfileError as error:
            raise refuse(HTTPStatus.NOT_FOUND, str(error)) from error
        body = as_json(_profile(found))
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"Cache-Control": "private, no-cache", "ETag": tag}
        if known is not None and tag in (each.strip() for each in known.split(",")):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    return router


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "vendor": profile.vendor,
        "model": profile.model,
        "description": profile.description,
        "kind": profile.kind,
        "notes": profile.notes,
        "sources": profile.sources,
        "points": [_point(point) for point in profile.points],
    }


def _point(point: Point) -> dict[str, Any]:
    return {
        "name": point.name,
        "note": point.note,
        "unit": point.unit,
        "type": point.type,
        "tables": point.tables,
        "address": point.address,
        "words": point.count,
    }
