"""REST over a running simulator: list, add and remove faults, look at meters, reset them.

Needs the extra `web` (fastapi, uvicorn), so nothing imports it but who uses it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import Body, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from energymeter._version import __version__
from energymeter.errors import ConfigError
from energymeter.httpserver import HttpServer, faults_text
from energymeter.simulator.control import SimulatorControl
from energymeter.simulator.faults import KINDS, ActiveFault, parse_fault

__all__ = ["RestServer", "create_app"]

Numbers = int | str | list[int | str]
"""A number, a range such as `5-7`, or several of both."""


class Problem(BaseModel):
    """Why it was not done."""

    detail: str
    """One sentence."""


class FaultBody(BaseModel):
    """A fault to begin: the text of the command line, or its beginning and the rest as keys."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"fault": "late=500ms:0.1,unit=3"},
                {"fault": "late", "amount": "500ms", "probability": 0.1, "unit": 3},
            ]
        },
    )

    fault: str
    amount: str | int | float | None = None
    probability: float | None = None
    unit: Numbers | None = None
    function: Numbers | None = None
    address: Numbers | None = None
    wire: Numbers | None = None
    for_: Annotated[str | None, Field(alias="for")] = None
    times: int | None = None


class FaultState(BaseModel):
    """A fault that is on, or an event that has just happened."""

    id: int
    fault: str
    """As on the command line."""

    hits: int
    """How often it happened."""

    ends_in_s: float | None
    """Seconds until it ends by itself; null: it does not."""


class KindState(BaseModel):
    """A kind of fault there is."""

    name: str
    line: str
    """What happens."""

    amount: str
    """What its amount is; empty: it has none."""

    usual: str
    """The amount when none is given; empty: it is needed, or chosen each time."""

    wires: str
    """Where it can happen."""


class WireState(BaseModel):
    """A wire with meters on it."""

    number: int
    url: str
    units: list[int] | None
    """Unit numbers that answer; null: all."""


class MeterState(BaseModel):
    """A meter."""

    number: int
    """Its unit number, or its place in a row of ports."""

    profile: str
    is_online: bool


class ValueState(BaseModel):
    """A quantity."""

    value: float
    unit: str


class MeterValues(MeterState):
    """A meter and what it shows now."""

    values: dict[str, ValueState]


class OnlineBody(BaseModel):
    """Whether a meter measures."""

    model_config = ConfigDict(extra="forbid")

    online: bool


class SpeedBody(BaseModel):
    """Simulated seconds a real second."""

    model_config = ConfigDict(extra="forbid")

    speed: Annotated[float, Field(gt=0, allow_inf_nan=False)]


_REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": Problem, "description": "It cannot be"}
}
_ABSENT: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": Problem, "description": "It is not there"},
    **_REFUSED,
}


def create_app(control: SimulatorControl) -> FastAPI:  # noqa: C901 - one function a route
    """The application; nothing listens yet."""
    app = FastAPI(
        title="energymeter simulator",
        version=__version__,
        description="Faults, counters and values of simulated meters while they run.",
    )
    _keep_web_pages_out(app)
    _answer_in_sentences(app)

    @app.get("/faults")
    async def list_faults() -> list[FaultState]:
        """The faults that are on."""
        return [_fault_state(control, active) for active in control.faults()]

    @app.post("/faults", status_code=201, responses=_REFUSED)
    async def add_fault(body: FaultBody) -> FaultState:
        """Let a fault begin; an event without a probability happens at once."""
        written = body.model_dump(by_alias=True, exclude_none=True)
        return _fault_state(control, control.add_fault(parse_fault(written)))

    @app.delete("/faults", status_code=204)
    async def clear_faults() -> Response:
        """End all faults."""
        control.clear_faults()
        return Response(status_code=204)

    @app.delete("/faults/{number}", status_code=204, responses=_ABSENT)
    async def remove_fault(number: int) -> Response:
        """End a fault."""
        control.remove_fault(number)
        return Response(status_code=204)

    @app.get("/kinds")
    async def list_kinds() -> list[KindState]:
        """The kinds of faults there are."""
        return [
            KindState(
                name=kind.name,
                line=kind.line,
                amount=kind.measure.value,
                usual=kind.usual_text,
                wires=kind.where.value,
            )
            for kind in KINDS.values()
        ]

    @app.get("/wires")
    async def list_wires() -> list[WireState]:
        """Where the meters answer."""
        return [
            WireState(
                number=number,
                url=str(outlet),
                units=None if outlet.answers_all else list(outlet.meters),
            )
            for number, outlet in enumerate(control.place.outlets, start=1)
        ]

    @app.get("/meters")
    async def list_meters() -> list[MeterState]:
        """The meters."""
        return [_meter_state(control, number) for number in control.place.numbered]

    @app.get("/meters/{number}", responses=_ABSENT)
    async def show_meter(number: int) -> MeterValues:
        """A meter, and what it shows now in base units."""
        values = {
            name: ValueState(value=value, unit=unit) for name, value, unit in control.values(number)
        }
        return MeterValues(**_meter_state(control, number).model_dump(), values=values)

    @app.post("/meters/{number}/reset", responses=_ABSENT)
    async def reset_meter(number: int) -> MeterState:
        """Let a meter's counters start again at zero."""
        control.meter(number).reset_counters()
        return _meter_state(control, number)

    @app.put("/meters/{number}/online", responses=_ABSENT)
    async def set_online(number: int, body: OnlineBody) -> MeterState:
        """Let a meter measure, or not."""
        control.meter(number).set_online(body.online)
        return _meter_state(control, number)

    @app.get("/speed")
    async def show_speed() -> SpeedBody:
        """Simulated seconds a real second."""
        return SpeedBody(speed=control.place.speed)

    @app.put("/speed", responses=_REFUSED)
    async def set_speed(body: Annotated[SpeedBody, Body()]) -> SpeedBody:
        """Let simulated time run faster or slower."""
        control.place.speed = body.speed
        return body

    return app


def _keep_web_pages_out(app: FastAPI) -> None:
    """Refuse what a page of another site makes a browser send; there is no password to stop it."""

    @app.middleware("http")
    async def check_origin(
        request: Request, go_on: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        origin = request.headers.get("origin")
        if origin is None or origin.partition("://")[2] == request.headers.get("host"):
            return await go_on(request)
        return JSONResponse({"detail": f"a page of {origin} may not control this"}, 403)


def _answer_in_sentences(app: FastAPI) -> None:
    async def refused(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    async def absent(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 404)

    async def malformed(_request: Request, error: Exception) -> JSONResponse:
        faults = error.errors() if isinstance(error, RequestValidationError) else []
        return JSONResponse({"detail": faults_text(faults)}, 422)

    app.add_exception_handler(ConfigError, refused)
    app.add_exception_handler(LookupError, absent)
    app.add_exception_handler(RequestValidationError, malformed)


def _fault_state(control: SimulatorControl, active: ActiveFault) -> FaultState:
    return FaultState(
        id=active.number,
        fault=str(active.fault),
        hits=active.hits,
        ends_in_s=control.ends_in_s(active),
    )


def _meter_state(control: SimulatorControl, number: int) -> MeterState:
    meter = control.meter(number)
    return MeterState(number=number, profile=meter.profile.name, is_online=meter.is_online)


class RestServer(HttpServer):
    """The REST of a simulator, in the loop the simulator runs in.

    Args:
        control: What it controls.
        host: Address to listen on; only loopback by default.
        port: Port to listen on; 0 lets the system choose, see `port`.
    """

    def __init__(
        self, control: SimulatorControl, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        super().__init__(create_app(control), host=host, port=port, name="REST")
