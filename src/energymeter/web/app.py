"""The application of the HTTP side, put together from routers. Nothing listens yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from http import HTTPStatus
from importlib.util import find_spec
from typing import Annotated, Final

from fastapi import APIRouter, FastAPI, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from energymeter._version import __version__
from energymeter.errors import ConfigError
from energymeter.service.desk import Desk
from energymeter.service.events import Level, Topic
from energymeter.site.sinks import PrometheusEntry
from energymeter.web.api.buses import buses_router
from energymeter.web.api.frames import frames_router
from energymeter.web.api.history import history_router
from energymeter.web.api.listeners import Listeners
from energymeter.web.api.live import live_router
from energymeter.web.api.meters import meters_router
from energymeter.web.api.orders import orders_router
from energymeter.web.api.shelf import shelf_router
from energymeter.web.api.stream import stream_router
from energymeter.web.exposition import metrics_router
from energymeter.web.guard import Guard
from energymeter.web.head import AnswersHead
from energymeter.web.headers import SafeHeaders
from energymeter.web.login import Login, login_router
from energymeter.web.openapi import describe
from energymeter.web.problem import documented, problem, tell_problems
from energymeter.web.status import Health, Status, health_of, status_of
from energymeter.web.verdict import Judge, State

__all__ = ["create_app"]

_METRICS: Final = "/metrics"
_MOST: Final = 100
"""Silent meters, and links, that are told one by one unless somebody asks for more."""

_FRESH: Final = {"Cache-Control": "no-store"}
_Most = Annotated[
    int,
    Query(ge=0, le=100_000, description="Silent meters, and links, that are told at most."),
]

_ALL_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

_ENDLESS: Final = frozenset({"/api/v1/stream", "/api/v1/frames"})

_DESCRIPTION: Final = """\
What a running service knows of its meters, and what it can be asked to do.

Every answer is of now: nothing is to be kept, unless it has an `ETag`. What goes wrong is told as
problem details (RFC 9457). Beyond loopback each request needs `Authorization: Bearer` with the
token of the site file, or the cookie of a login.
"""


def create_app(
    desk: Desk,
    *,
    prometheus: PrometheusEntry | None,
    token: str | None,
    login: Login | None = None,
    pages: bool = True,
) -> FastAPI:
    """The application.

    What the service says of itself is always at `/metrics`, or where the sink has it. Who listens
    to the live stream stands in `app.state.listeners`, to be closed when the service ends.

    Args:
        desk: What is told.
        prometheus: The sink that puts values of meters to the metrics; None: there is none.
        token: What programs have to send; None: none of them gets in with one.
        login: What people log in with; None: nobody does. Without token and login only this
            machine may get here.
        pages: Whether there are pages for people, where the package for them is there.

    Raises:
        ConfigError: The sink wants a path that is taken.
    """
    # FastAPI's own pages of documents come from a foreign server: there are none.
    app = FastAPI(
        title="energymeter",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        # Programs that make clients call their functions so.
        generate_unique_id_function=lambda route: route.name,
    )
    path = _METRICS if prometheus is None else prometheus.path
    listeners = app.state.listeners = Listeners()
    routers = [
        meters_router(desk),
        history_router(desk),
        buses_router(desk),
        shelf_router(desk),
        orders_router(desk),
        stream_router(desk, listeners),
        frames_router(desk, listeners),
        live_router(desk, listeners),
        _status_router(desk),
        login_router(login, desk),
    ]
    _check_path(path, *routers)
    routers.append(metrics_router(desk.snapshot, prometheus, desk.clock, path))
    for router in routers:
        app.include_router(router)
    describe(app, has_token=token is not None, has_login=login is not None)
    _refuse_the_rest(app, routers)
    if pages:
        _mount_pages(app, desk)
    app.add_middleware(AnswersHead, endless=_ENDLESS)
    app.add_middleware(Guard, token=token, sessions=None if login is None else login.sessions)
    app.add_middleware(SafeHeaders)
    tell_problems(app)
    return app


def _mount_pages(app: FastAPI, desk: Desk) -> None:
    if find_spec("nicegui") is None:
        text = "the web pages need nicegui: pip install 'energymeter[web]'"
        desk.events.tell(Level.WARNING, Topic.SERVICE, "", text)
        return
    from energymeter.web.pages import mount  # noqa: PLC0415 - slow to import

    mount(app, desk)


def _status_router(desk: Desk) -> APIRouter:
    router = APIRouter(tags=["service"])
    snapshot, events, clock = desk.snapshot, desk.events, desk.clock
    judge = Judge(snapshot, clock)

    @router.get("/health", responses={503: {"model": Health, "description": "It does not work"}})
    async def health() -> Health:
        """Whether the service works: 200, or 503 when to start it again might help."""
        verdict = judge.look()
        answer = health_of(snapshot, verdict, clock.now())
        code = HTTPStatus.SERVICE_UNAVAILABLE if verdict.state is State.FAILING else HTTPStatus.OK
        return JSONResponse(answer.model_dump(mode="json"), code, _FRESH)  # type: ignore[return-value]

    @router.get("/api/status", responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY))
    async def status(most: _Most = _MOST) -> Status:
        """How everything is; at most so many silent meters and links one by one."""
        answer = status_of(snapshot, events, judge.look(), clock.now(), most)
        return JSONResponse(answer.model_dump(mode="json"), headers=_FRESH)  # type: ignore[return-value]

    return router


def _refuse_the_rest(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Tell what is wrong with other methods, and with other paths of the API.

    Pages take all that no route has: they would answer in HTML.
    """
    known: dict[str, set[str]] = {}
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                known.setdefault(route.path, set()).update(route.methods or ())
    for path, methods in known.items():
        others = [method for method in _ALL_METHODS if method not in methods]
        app.add_route(path, _refusal(methods), methods=others, include_in_schema=False)
    app.add_route("/api/{rest:path}", _nothing, methods=[*_ALL_METHODS], include_in_schema=False)


def _refusal(methods: Collection[str]) -> Callable[[Request], Awaitable[Response]]:
    """Says which methods there are."""
    allowed = ", ".join(sorted(methods))

    async def refuse(_request: Request) -> Response:
        detail = f"this cannot be done here, only {allowed}"
        return problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": allowed})

    return refuse


async def _nothing(_request: Request) -> Response:
    detail = "there is nothing here, see /api/openapi.json for what there is"
    return problem(HTTPStatus.NOT_FOUND, detail)


def _check_path(path: str, *routers: APIRouter) -> None:
    taken = {getattr(route, "path", "") for router in routers for route in router.routes}
    if path.rstrip("/") in taken or path == "/" or path.startswith("/api/") or "{" in path:
        msg = f"the sink prometheus cannot have the path {path}, choose another such as {_METRICS}"
        raise ConfigError(msg)
