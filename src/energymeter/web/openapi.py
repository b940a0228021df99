"""The description of the API, set right where the framework describes what we do otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

from energymeter.web.problem import MEDIA_TYPE, Problem, documented

__all__ = ["describe"]

_REFERENCE: Final = f"#/components/schemas/{Problem.__name__}"
_TOKEN: Final = {"type": "http", "scheme": "bearer", "description": "The token of the site file."}
_COOKIE: Final = {
    "type": "apiKey",
    "in": "cookie",
    "name": "energymeter",
    "description": "What `POST /login` gives; called `energymeter-` and the port.",
}


def describe(app: FastAPI, *, has_token: bool, has_login: bool) -> None:
    """Have an application describe itself with its problems and with who may ask.

    Args:
        app: The application.
        has_token: Whether programs have to send a token.
        has_login: Whether people can log in.
    """
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = make()
            schemes = {"token": _TOKEN} if has_token else {}
            if has_login:
                schemes["session"] = _COOKIE
            _set_right(described, schemes)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _set_right(described: dict[str, Any], schemes: dict[str, Any]) -> None:
    for path, operation in _operations(described):
        responses = operation["responses"]
        for answer in responses.values():
            content = answer.get("content", {})
            plain = content.get("application/json", {}).get("schema", {})
            if plain.get("$ref") == _REFERENCE:
                content[MEDIA_TYPE] = content.pop("application/json")
        _tell_of_the_guard(responses, is_guarded=bool(schemes) and path != "/login")
    if schemes:
        described["components"]["securitySchemes"] = schemes
        described["security"] = [{name: []} for name in schemes]


def _operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for operation in methods.values():
            yield path, operation


def _tell_of_the_guard(responses: dict[str, Any], *, is_guarded: bool) -> None:
    """What every route may answer before it is asked."""
    statuses = [HTTPStatus.FORBIDDEN]
    statuses.append(HTTPStatus.UNAUTHORIZED if is_guarded else HTTPStatus.MISDIRECTED_REQUEST)
    content = {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE}}}
    for status, told in documented(*statuses).items():
        responses.setdefault(str(status), {"description": told["description"], "content": content})
