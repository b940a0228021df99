"""Who may ask: who knows the token, and without one only this machine's own programs."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import websockets
from tests.support.loops import run
from tests.transports.pki import Pki
from tests.web.serving import Bench, bench
from tests.web.site_of import NOW, desk_of, meter_of, snapshot_of

from energymeter.clock import ManualClock
from energymeter.errors import ConfigError
from energymeter.service.events import EventStream
from energymeter.site.model import WebEntry
from energymeter.site.password import PasswordHash
from energymeter.site.sinks import PrometheusEntry
from energymeter.web.app import create_app
from energymeter.web.guard import Guard
from energymeter.web.serve import web_server

TOKEN = "a-token-nobody-guesses"
HASH = str(PasswordHash.of("correct horse battery"))
ROUTES = ("/health", "/metrics", "/api/status", "/api/openapi.json", "/nothing")


def test_without_the_token_nothing_is_told() -> None:
    wrong = ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xe4")

    async def scenario() -> None:
        async with bench(snapshot_of(meter_of()), token=TOKEN) as bed:
            for path in ROUTES:
                for header in wrong:
                    headers = [(b"Authorization", header.encode("latin-1"))]
                    answer = await bed.http.get(path, headers=headers)
                    assert answer.status_code == 401, (path, header)
                answer = await bed.http.get(path)
                assert answer.status_code == 401
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert "token" in answer.json()["detail"]

    run(scenario())


def test_with_the_token_everything_is_told_by_any_name() -> None:
    async def scenario() -> None:
        async with bench(snapshot_of(meter_of()), token=TOKEN) as bed:
            for header in (f"Bearer {TOKEN}", f"bearer  {TOKEN}"):
                headers = {"Authorization": header, "Host": "meters.example"}
                for path in ROUTES[:-1]:
                    assert (await bed.http.get(path, headers=headers)).status_code == 200

    run(scenario())


def test_a_token_may_hold_any_character() -> None:
    async def scenario() -> None:
        async with bench(snapshot_of(meter_of()), token="gr\xfc\xdfe-aus-der-halle") as bed:
            headers = [(b"Authorization", "Bearer gr\xfc\xdfe-aus-der-halle".encode())]
            assert (await bed.http.get("/health", headers=headers)).status_code == 200

    run(scenario())


def test_without_a_token_only_names_of_this_machine_lead_here() -> None:
    own = ("localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]:80")
    foreign = ("evil.example", "127.0.0.1.evil.example", "192.0.2.1", "[::2]:80", "[::1", "local")

    async def scenario() -> None:
        async with bench(snapshot_of(meter_of())) as bed:
            for host in own:
                answer = await bed.http.get("/health", headers={"Host": host})
                assert answer.status_code == 200, host
            for host in foreign:
                answer = await bed.http.get("/api/status", headers={"Host": host})
                assert answer.status_code == 421, host

    run(scenario())


def test_a_page_of_another_site_may_not_ask() -> None:
    async def scenario() -> None:
        async with bench(snapshot_of(meter_of())) as bed:
            for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
                answer = await bed.http.get("/health", headers={"Origin": origin})
                assert answer.status_code == 403
            own = await bed.http.get("/health", headers={"Origin": str(bed.server)})
            assert own.status_code == 200

    run(scenario())


def test_a_web_socket_is_guarded_too() -> None:
    async def scenario() -> None:
        sent = []

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: object) -> None:
            sent.append(message)

        async def reached(*_: object) -> None:
            sent.append("reached")

        scope = {"type": "websocket", "headers": [(b"host", b"localhost")]}
        await Guard(reached, TOKEN)(scope, receive, send)
        assert sent == [{"type": "websocket.close", "code": 1008}]
        await Guard(reached, None)(scope, receive, send)
        assert sent[1:] == ["reached"]

    run(scenario())


@pytest.mark.parametrize("web", [{"token": TOKEN}, {"password": HASH}], ids=["token", "password"])
def test_nothing_is_told_without_a_login(web: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with bench(snapshot_of(meter_of()), **web) as bed:
            paths = await all_paths(bed)
            assert len(paths) >= 20
            for path in [*paths, "/", "/nothing", "/_nicegui/x.js", "/api/v1", "/favicon.ico"]:
                for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
                    answer = await bed.http.request(method, path)
                    assert answer.status_code == 401, (method, path)
                    assert len(answer.content) < 300
                for cookie in ("", "x", f"energymeter-{bed.server.port}=", 'a=b; =;;, "[{'):
                    answer = await bed.http.get(path, headers={"Cookie": cookie})
                    assert answer.status_code == 401
            for path in ("/api/v1/live", "/_nicegui_ws/socket.io/", "/anything"):
                with pytest.raises(websockets.InvalidStatus) as refused:
                    await websockets.connect(
                        str(bed.server).replace("http", "ws") + path,
                        origin=websockets.Origin(str(bed.server)),
                        proxy=None,
                    )
                assert refused.value.response.status_code == 403

    run(scenario())


async def all_paths(bed: Bench) -> list[str]:
    """Every path the application has a route for, but the login."""
    app = bed.server._app
    paths = app.openapi()["paths"]  # type: ignore[attr-defined]
    return [re.sub(r"{.*?}", "m1", path) for path in paths if path != "/login"]


def test_with_a_certificate_everything_is_encrypted(tmp_path: Path) -> None:
    issuer = Pki(tmp_path)
    files = issuer.sign("web")

    async def scenario() -> None:
        async with bench(
            snapshot_of(meter_of()), token=TOKEN, cert=files.cert, key=files.key, ca=issuer.ca
        ) as bed:
            assert str(bed.server).startswith("https://127.0.0.1:")
            answer = await bed.http.post("/login", data={"password": TOKEN})
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith(f"__Host-energymeter-{bed.server.port}=")
            assert "Secure" in cookie
            assert (await bed.http.get("/health")).status_code == 200
            plain = {"Origin": str(bed.server).replace("https", "http")}
            assert (await bed.http.get("/health", headers=plain)).status_code == 403
            old = ssl.create_default_context(cafile=issuer.ca)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                old.maximum_version = ssl.TLSVersion.TLSv1_1
                old.minimum_version = ssl.TLSVersion.TLSv1
            old.set_ciphers("ALL:@SECLEVEL=0")
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                await asyncio.open_connection("127.0.0.1", bed.server.port, ssl=old)

    run(scenario())


def test_our_own_commands_trust_the_certificate_of_the_site_file(tmp_path: Path) -> None:
    files, other = Pki(tmp_path).sign("web", hosts=("meters.example",)), Pki(tmp_path, "other")
    site = tmp_path / "site.toml"

    async def status(port: int, cert: str | None) -> tuple[int | None, str]:
        site.write_text(
            f'[web]\nlisten = "127.0.0.1:{port}"\ntoken = "{TOKEN}"\n'
            f'cert = "{cert}"\nkey = "{files.key}"\n'
        )
        command = [sys.executable, "-m", "energymeter", "status", "--site", str(site)]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    async def scenario() -> None:
        web: dict[str, Any] = {"token": TOKEN, "cert": files.cert, "key": files.key}
        async with bench(snapshot_of(meter_of()), ca=files.ca, **web) as bed:
            code, told = await status(bed.server.port, files.cert)
            assert (code, "Traceback" in told) == (0, False), told
            code, told = await status(bed.server.port, other.sign("other").cert)
            assert code == 3
            assert "cannot be asked" in told

    run(scenario())


def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    made = Pki(tmp_path).sign("web")
    cert, key = str(made.cert), str(made.key)
    text = tmp_path / "text"
    text.write_text("no certificate")
    for files, words in (
        ({"cert": str(tmp_path / "none.pem")}, "cannot be read"),
        ({"cert": str(text)}, "holds no certificate"),
        ({"cert": cert}, "holds no private key"),
        ({"cert": cert, "key": str(text)}, "holds no private key"),
    ):
        with pytest.raises(ConfigError, match=words) as told:
            server_of(**files)
        assert "the web side cannot be encrypted" in str(told.value)
    assert server_of(cert=cert, key=key)


def test_no_page_loads_anything_from_elsewhere() -> None:
    async def scenario() -> None:
        async with bench(snapshot_of(meter_of())) as bed:
            for path in ("/docs", "/redoc"):
                assert (await bed.http.get(path)).status_code == 404
            described = (await bed.http.get("/api/openapi.json")).json()
        assert {"/health", "/api/status", "/metrics"} <= set(described["paths"])
        for path, methods in described["paths"].items():
            for operation in methods.values():
                assert operation["description"], path

    run(scenario())


def server_of(**web: object) -> object:
    entry = WebEntry.model_validate(web)
    events = EventStream(ManualClock(NOW))
    clock = ManualClock(NOW)
    return web_server(entry, desk_of(snapshot_of(), events, clock), prometheus=None, pages=False)


def test_without_nicegui_the_service_runs_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("energymeter.web.app.find_spec", lambda _name: None)
    clock = ManualClock(NOW)
    events = EventStream(clock)
    app = create_app(desk_of(snapshot_of(), events, clock), prometheus=None, token=None)
    assert "/health" in app.openapi()["paths"]
    (event,) = events.newest()
    assert event.text == "the web pages need nicegui: pip install 'energymeter[web]'"


def test_an_empty_token_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_TOKEN", " ")
    with pytest.raises(ConfigError, match="is empty"):
        server_of(listen="0.0.0.0:8080", token={"env": "WEB_TOKEN"})


def test_beyond_loopback_there_is_no_service_without_a_token() -> None:
    entry = WebEntry.model_construct(listen="0.0.0.0:8080", token=None)
    events = EventStream(ManualClock(NOW))
    with pytest.raises(ConfigError, match="needs a token"):
        web_server(
            entry, desk_of(snapshot_of(), events, ManualClock(NOW)), prometheus=None, pages=False
        )


@pytest.mark.parametrize("path", ["/", "/health", "/health/", "/api/status", "/api/x", "/{a}"])
def test_the_sink_cannot_have_a_path_that_is_taken(path: str) -> None:
    entry = PrometheusEntry(type="prometheus", path=path)
    clock = ManualClock(NOW)
    with pytest.raises(ConfigError, match="choose another"):
        create_app(
            desk_of(snapshot_of(), EventStream(clock), clock),
            prometheus=entry,
            token=None,
            pages=False,
        )
