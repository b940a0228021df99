"""What went wrong, as every route tells it: problem details (RFC 9457), one sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from energymeter.httpserver import faults_text
from energymeter.store.errors import StoreError

__all__ = ["MEDIA_TYPE", "Problem", "documented", "problem", "refuse", "tell_problems"]

MEDIA_TYPE: Final = "application/problem+json"


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str = "about:blank"
    """Always `about:blank`: the status says what kind it is."""

    title: str
    """What the status is called."""

    status: int
    """The status of the answer once more."""

    detail: str
    """One sentence for people: what, where, and what to try."""


def problem(
    status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer that tells it."""
    content = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
    }
    whole = {"Cache-Control": "no-store", **(headers or {})}
    return JSONResponse(content, status, whole, MEDIA_TYPE)


def refuse(status: HTTPStatus, detail: str, *, wait_s: float | None = None) -> HTTPException:
    """What a route raises; `wait_s`: after how many seconds to come again."""
    headers = None if wait_s is None else {"Retry-After": str(max(1, ceil(wait_s)))}
    return HTTPException(status, detail, headers)


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The problems of a route, for the description of the API."""
    return {int(status): {"model": Problem, "description": status.phrase} for status in statuses}


def tell_problems(app: FastAPI) -> None:
    """Have an application tell everything that goes wrong in this form."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(StoreError, _no_store)
    app.add_exception_handler(Exception, _failed)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is asked for these only
    status = HTTPStatus(error.status_code)
    detail = error.detail
    if detail == status.phrase:
        detail = _USUAL.get(status, detail.lower())
    return problem(status, detail, error.headers)


_USUAL: Final = {
    HTTPStatus.NOT_FOUND: "there is nothing here, see /api/openapi.json for what there is",
    HTTPStatus.METHOD_NOT_ALLOWED: "this cannot be done here, see /api/openapi.json for what can",
}


async def _malformed(_request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, faults_text(faults))


async def _no_store(_request: Request, error: Exception) -> Response:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "5"})


async def _failed(_request: Request, _error: Exception) -> Response:
    detail = "internal error, see the service's log"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
