"""The application of the HTTP side, put together from routers. Nothing listens yet."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from energymeter._version import __version__
from energymeter.errors import ConfigError
from energymeter.service.desk import Desk
from energymeter.site.sinks import PrometheusEntry
from energymeter.web.exposition import metrics_router
from energymeter.web.guard import Guard
from energymeter.web.status import Health, Status, health_of, status_of
from energymeter.web.verdict import Judge, State

__all__ = ["create_app"]

_METRICS: Final = "/metrics"
_MOST: Final = 100
"""Silent meters, and links, that are told one by one unless somebody asks for more."""

_FRESH: Final = {"Cache-Control": "no-store"}


def create_app(
    desk: Desk,
    *,
    prometheus: PrometheusEntry | None,
    token: str | None,
) -> FastAPI:
    """The application.

    What the service says of itself is always at `/metrics`, or where the sink has it.

    Args:
        desk: What is told.
        prometheus: The sink that puts values of meters to the metrics; None: there is none.
        token: What callers have to send; None only where nobody but this machine gets here.

    Raises:
        ConfigError: The sink wants a path that is taken.
    """
    # FastAPI's own pages of documents come from a foreign server: there are none.
    app = FastAPI(
        title="energymeter",
        version=__version__,
        description="How a running service is doing.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    path = _METRICS if prometheus is None else prometheus.path
    status = _status_router(desk)
    _check_path(path, status)
    for router in (status, metrics_router(desk.snapshot, prometheus, desk.clock, path)):
        app.include_router(router)
    app.add_middleware(Guard, token=token)
    app.add_exception_handler(RequestValidationError, _malformed)
    return app


def _status_router(desk: Desk) -> APIRouter:
    router = APIRouter()
    snapshot, events, clock = desk.snapshot, desk.events, desk.clock
    judge = Judge(snapshot, clock)

    @router.get("/health", responses={503: {"model": Health, "description": "It does not work"}})
    async def health() -> Health:
        """Whether the service works: 200, or 503 when to start it again might help."""
        verdict = judge.look()
        answer = health_of(snapshot, verdict, clock.now())
        code = HTTPStatus.SERVICE_UNAVAILABLE if verdict.state is State.FAILING else HTTPStatus.OK
        return JSONResponse(answer.model_dump(mode="json"), code, _FRESH)  # type: ignore[return-value]

    @router.get("/api/status")
    async def status(most: Annotated[int, Query(ge=0, le=100_000)] = _MOST) -> Status:
        """How everything is; at most so many silent meters and links one by one."""
        answer = status_of(snapshot, events, judge.look(), clock.now(), most)
        return JSONResponse(answer.model_dump(mode="json"), headers=_FRESH)  # type: ignore[return-value]

    return router


def _check_path(path: str, *routers: APIRouter) -> None:
    taken = {getattr(route, "path", "") for router in routers for route in router.routes}
    if path.rstrip("/") in taken or path == "/" or path.startswith("/api/") or "{" in path:
        msg = f"the sink prometheus cannot have the path {path}, choose another such as {_METRICS}"
        raise ConfigError(msg)


async def _malformed(_request: Request, error: Exception) -> JSONResponse:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    sentences = [
        f"{'.'.join(str(part) for part in fault['loc'][1:])}: "
        f"{fault['msg'][:1].lower()}{fault['msg'][1:]}"
        for fault in faults
    ]
    return JSONResponse({"detail": "; ".join(sentences)}, HTTPStatus.UNPROCESSABLE_ENTITY)
