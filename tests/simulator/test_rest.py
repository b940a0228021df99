"""REST over simulated meters, asked over real HTTP."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.simulator.faulty import electric
from tests.support.loops import on_each_loop, run

from energymeter.client import Link
from energymeter.clock import ManualClock
from energymeter.errors import ConfigError, RequestTimeout
from energymeter.simulator import Manners, Misbehaviour, SimulatedFleet
from energymeter.simulator.control import SimulatorControl
from energymeter.simulator.faults import KINDS
from energymeter.transports import TcpEndpoint

httpx = pytest.importorskip("httpx", reason="the extra web is not installed")
pytest.importorskip("fastapi", reason="the extra web is not installed")
rest = pytest.importorskip("energymeter.simulator.rest", reason="the extra web is not installed")


@dataclass
class Bench:
    """Three meters, units 1 to 3, and their REST."""

    fleet: SimulatedFleet
    clock: ManualClock
    http: Any
    server: Any

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path)
        assert answer.status_code == 200
        return answer.json()


def fleet_of(count: int = 3) -> tuple[SimulatedFleet, SimulatorControl, ManualClock]:
    clock = ManualClock()
    misbehaviour = Misbehaviour(1, clock)
    fleet = SimulatedFleet(
        electric(),
        count=count,
        listen=["tcp://127.0.0.1:0"],
        manners=Manners(misbehaviour=misbehaviour),
        clock=clock,
    )
    return fleet, SimulatorControl(fleet, misbehaviour), clock


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    fleet, control, clock = fleet_of()
    async with (
        fleet,
        rest.RestServer(control) as server,
        httpx.AsyncClient(base_url=str(server), timeout=5) as http,
    ):
        yield Bench(fleet, clock, http, server)


@on_each_loop
def test_a_fault_comes_works_is_listed_and_goes(loop: str) -> None:
    async def scenario() -> None:
        async with (
            bench() as bed,
            Link(TcpEndpoint("127.0.0.1", bed.fleet.ports[0]), timeout_s=0.05) as link,
        ):
            added = await bed.http.post("/faults", json={"fault": "dead,unit=2"})
            assert added.status_code == 201
            assert added.json() == {"id": 1, "fault": "dead,unit=2", "hits": 0, "ends_in_s": None}
            with pytest.raises(RequestTimeout):
                await link.unit(2).read_holding_registers(0)
            await link.unit(1).read_holding_registers(0)
            (listed,) = await bed.get("/faults")
            assert listed["hits"] >= 1
            assert (await bed.http.delete("/faults/1")).status_code == 204
            assert await bed.get("/faults") == []

    run(scenario(), loop)


@pytest.mark.parametrize(
    "body",
    [
        {"fault": "late=500ms:0.1,unit=3,for=20s"},
        {"fault": "late", "amount": "500ms", "probability": 0.1, "unit": 3, "for": "20s"},
        {"fault": "late=500ms", "probability": 0.1, "unit": [3], "for": "20s"},
    ],
)
def test_a_fault_is_text_or_keys(body: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with bench() as bed:
            added = (await bed.http.post("/faults", json=body)).json()
            assert added["fault"] == "late=500ms:0.1,unit=3,for=20s"
            assert added["ends_in_s"] == 20.0
            await bed.clock.advance(5.0)
            (listed,) = await bed.get("/faults")
            assert listed["ends_in_s"] == 15.0
            await bed.clock.advance(15.0)
            assert await bed.get("/faults") == []

    run(scenario())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"fault": "dea"}, "did you mean dead?"),
        ({"fault": "late", "amount": "soon"}, "late: 'soon' is no duration"),
        ({"fault": "dead,wire=7"}, "there is no such wire"),
        ({}, "fault: field required"),
        ({"fault": "dead", "unitt": 3}, "unitt: extra inputs are not permitted"),
        ({"fault": 3}, "fault: input should be a valid string"),
    ],
)
def test_a_fault_that_cannot_be_is_told_in_a_sentence(body: dict[str, Any], words: str) -> None:
    async def scenario() -> None:
        async with bench() as bed:
            answer = await bed.http.post("/faults", json=body)
            assert answer.status_code == 422
            assert words in answer.json()["detail"]
            assert await bed.get("/faults") == []

    run(scenario())


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("DELETE", "/faults/9", "there is no fault 9"),
        ("GET", "/meters/9", "there is no meter 9, there are 1 to 3"),
        ("POST", "/meters/9/reset", "there is no meter 9"),
    ],
)
def test_what_is_not_there_is_told_in_a_sentence(method: str, path: str, words: str) -> None:
    async def scenario() -> None:
        async with bench() as bed:
            answer = await bed.http.request(method, path)
            assert answer.status_code == 404
            assert words in answer.json()["detail"]

    run(scenario())


def test_nonsense_is_refused_and_the_next_request_served() -> None:
    async def scenario() -> None:
        async with bench() as bed:
            answer = await bed.http.post("/faults", content=b"{nonsense")
            assert answer.status_code == 422
            assert isinstance(answer.json()["detail"], str)
            assert (await bed.http.get("/faults/x")).status_code == 405
            assert (await bed.http.delete("/faults/x")).status_code == 422
            assert await bed.get("/faults") == []

    run(scenario())


def test_all_faults_go_at_once() -> None:
    async def scenario() -> None:
        async with bench() as bed:
            for fault in ("dead", "late"):
                await bed.http.post("/faults", json={"fault": fault})
            assert (await bed.http.delete("/faults")).status_code == 204
            assert await bed.get("/faults") == []

    run(scenario())


def test_meters_are_listed_shown_reset_and_put_offline() -> None:
    async def scenario() -> None:
        async with bench() as bed:
            meters = await bed.get("/meters")
            assert meters[1] == {"number": 2, "profile": "energymeter/electric", "is_online": True}
            shown = await bed.get("/meters/2")
            counter = shown["values"]["active_energy_import_total"]
            assert counter["value"] > 0
            assert counter["unit"] == "Wh"

            assert (await bed.http.post("/meters/2/reset")).status_code == 200
            shown = await bed.get("/meters/2")
            assert shown["values"]["active_energy_import_total"]["value"] == 0
            others = await bed.get("/meters/1")
            assert others["values"]["active_energy_import_total"]["value"] > 0

            offline = await bed.http.put("/meters/3/online", json={"online": False})
            assert offline.json()["is_online"] is False
            assert not bed.fleet.meters[2].is_online

    run(scenario())


def test_wires_and_kinds_are_listed() -> None:
    async def scenario() -> None:
        async with bench() as bed:
            (wire,) = await bed.get("/wires")
            url = f"tcp://127.0.0.1:{bed.fleet.ports[0]}"
            assert wire == {"number": 1, "url": url, "units": [1, 2, 3]}
            kinds = await bed.get("/kinds")
            assert [kind["name"] for kind in kinds] == list(KINDS)

    run(scenario())


def test_the_speed_can_be_changed() -> None:
    async def scenario() -> None:
        async with bench() as bed:
            assert await bed.get("/speed") == {"speed": 1.0}
            answer = await bed.http.put("/speed", json={"speed": 60})
            assert answer.json() == {"speed": 60.0}
            assert bed.fleet.speed == 60.0
            for speed in (0, -1, "fast"):
                answer = await bed.http.put("/speed", json={"speed": speed})
                assert answer.status_code == 422

    run(scenario())


def test_a_page_of_another_site_cannot_control_it() -> None:
    async def scenario() -> None:
        async with bench() as bed:
            for origin, code in (("http://example.com", 403), (str(bed.server), 200)):
                answer = await bed.http.post("/meters/1/reset", headers={"Origin": origin})
                assert answer.status_code == code

    run(scenario())


def test_the_description_is_true() -> None:
    async def scenario() -> None:
        async with bench() as bed:
            described = await bed.get("/openapi.json")
        assert described["info"]["title"] == "energymeter simulator"
        for path, methods in described["paths"].items():
            for method, route in methods.items():
                assert route["description"] or route["summary"], (method, path)
                codes = route["responses"]
                assert ("422" in codes) is ("requestBody" in route or "{" in path), (method, path)
                assert ("404" in codes) is ("{" in path), (method, path)
                for code in ("404", "422"):
                    if code in codes:
                        schema = codes[code]["content"]["application/json"]["schema"]
                        assert schema == {"$ref": "#/components/schemas/Problem"}

    run(scenario())


@on_each_loop
def test_it_ends_cleanly_steals_no_signal_and_logs_nothing(
    loop: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.WARNING)

    async def scenario() -> None:
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        async with bench() as bed:
            assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
            await bed.get("/faults")
            port = bed.server.port
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    run(scenario(), loop)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_it_ends_though_a_client_is_still_connected() -> None:
    async def scenario() -> None:
        _, control, _ = fleet_of()
        server = rest.RestServer(control)
        await server.start()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(3):
            await server.close()
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)

    run(scenario())


def test_a_port_in_use_is_told_in_a_sentence() -> None:
    async def scenario() -> None:
        _, control, _ = fleet_of()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            server = rest.RestServer(control, port=port)
            with pytest.raises(ConfigError, match=f"port {port}: Address already in use"):
                await server.start()
            await server.close()

    run(scenario())


def test_it_listens_on_loopback_unless_it_is_told_otherwise() -> None:
    _, control, _ = fleet_of()
    assert rest.RestServer(control).host == "127.0.0.1"
