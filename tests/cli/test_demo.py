"""`energymeter demo`: a site that anybody can look at, one meter of which misbehaves."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cli.programs import Outcome, call, line_of, start
from tests.support.loops import run

from energymeter import Link, MeterReader, ProfileLibrary, TcpEndpoint
from energymeter.cli import demo
from energymeter.cli.demo_site import MADE_BY, METERS, start_meters
from energymeter.daemon import daemon as daemon_module
from energymeter.site import load_site
from energymeter.store import SqliteStore
from energymeter.values.quantities import base_of

pytestmark = pytest.mark.usefixtures("logging_as_it_was")

GATEWAY = {meter.name for meter in METERS if meter.link == "gateway"}
SECONDS = 8.0


@dataclass
class Shown:
    """A demo that ran to its end, and what was asked of it meanwhile."""

    folder: Path
    greeting: list[str]
    health: dict[str, Any]
    status: dict[str, Any]
    metrics: str
    copied: set[str]
    """The meters that a service with a copy of its site file has read meanwhile."""
    outcome: Outcome
    took_s: float


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder, other = tmp_path_factory.mktemp("demo"), tmp_path_factory.mktemp("other")
    began = time.monotonic()
    arguments = ("demo", "--seconds", str(SECONDS), "--seed", "1", "--folder", str(folder))
    with start(*arguments) as program:
        greeting = [line_of(program.stdout).rstrip()]
        while greeting[-1] != "Ctrl-C ends":
            greeting.append(line_of(program.stdout).rstrip())
        ready_s = time.monotonic() - began
        address = re.findall(r"http://\S+(?=/metrics)", "\n".join(greeting))[0]
        copied = run_a_copy(folder / "site.toml", other)
        time.sleep(max(0.0, ready_s + SECONDS - 1.0 - (time.monotonic() - began)))
        health, status = (asked(f"{address}{path}") for path in ("/health", "/api/status"))
        metrics = asked(f"{address}/metrics")
        out, err = program.process.communicate(timeout=20)
        outcome = Outcome(program.process.returncode, out.decode(), err.decode())
    took_s = time.monotonic() - began - ready_s
    return Shown(
        folder,
        greeting,
        json.loads(health),
        json.loads(status),
        metrics,
        copied,
        outcome,
        took_s,
    )


def asked(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def run_a_copy(site: Path, folder: Path) -> set[str]:
    """Run the service on a copy of a site file until it has read every meter."""
    shutil.copy(site, folder)
    with start("run", str(folder / "site.toml")) as service:
        found: set[str] = set()
        end = time.monotonic() + 6
        while len(found) < len(METERS) and time.monotonic() < end:
            time.sleep(0.1)
            if (folder / "energymeter.db").exists():
                found = stored(folder)
        assert service.end(signal.SIGTERM).code == 0
    return found


def stored(folder: Path) -> set[str]:
    with SqliteStore(folder / "energymeter.db", read_only=True) as store:
        return set(store.latest())


def test_it_says_what_it_is_and_where_to_look(shown: Shown) -> None:
    first, page, *others, _ = shown.greeting
    assert first == f"simulating 12 meters, site file {shown.folder / 'site.toml'}"
    address = page.removeprefix("page     ").removesuffix("/")
    assert others == [
        f"API      {address}/api/openapi.json",
        f"metrics  {address}/metrics",
        f"screen   energymeter top {address}",
        f"status   energymeter status {address}",
    ]
    assert shown.health["meters"]["total"] == 12
    assert shown.health["site"] == "demo"
    assert shown.metrics.count("energymeter_meter_polls_total{") == 12
    assert re.search(r'^energymeter_voltage_\w+{meter="grid",.*circuit="main"', shown.metrics, re.M)


def test_it_ends_by_itself_and_is_plain_in_a_pipe(shown: Shown) -> None:
    assert shown.outcome.code == 0
    assert "\x1b" not in shown.outcome.out
    assert "Traceback" not in shown.outcome.err
    assert shown.outcome.err.splitlines()[-1].endswith("info service: stopped")
    assert SECONDS - 1 < shown.took_s < SECONDS + 5


def test_every_meter_has_its_line_again_and_again(shown: Shown) -> None:
    lines = shown.outcome.out.splitlines()
    for meter in METERS:
        own = [line for line in lines if f" {meter.name} " in line]
        assert len(own) >= 3
        if meter.name != "heat-pump":
            assert not [line for line in own if "no answer" in line]
            assert re.search(r"\d \S+; \d+ values$", own[-1]), own[-1]


def test_one_misbehaves_for_everybody_to_see_and_disturbs_nobody(shown: Shown) -> None:
    lines = [line for line in shown.outcome.out.splitlines() if " heat-pump " in line]
    assert any(line.endswith(" values") for line in lines)
    assert "left alone" in lines[-1]
    assert "warning meter heat-pump: " in shown.outcome.err
    assert [meter["name"] for meter in shown.status["silent"]] == ["heat-pump"]
    assert shown.health["state"] == "degraded"
    assert shown.health["reasons"] == ["1 of 12 meters does not answer"]
    failed = counted(shown.metrics, "failed_polls")
    skipped = counted(shown.metrics, "skipped_polls")
    assert failed.pop("heat-pump") >= 2
    assert set(failed.values()) == {0}
    # Five meters share the gateway; a computer that has much else to do may cost them one.
    assert all(skipped[name] <= 1 for name in GATEWAY)
    assert all(skipped[name] == 0 for name in skipped.keys() - GATEWAY)
    assert "cannot keep its schedule" not in shown.outcome.err


def counted(metrics: str, name: str) -> dict[str, float]:
    """A counter of every meter."""
    found = re.findall(
        rf'^energymeter_meter_{name}_total{{.*?meter="([^"]+)".*}} (\S+)$', metrics, re.M
    )
    return {meter: float(number) for meter, number in found}


def test_the_folder_keeps_site_and_store(shown: Shown) -> None:
    site = load_site(shown.folder / "site.toml")
    assert [meter.name for meter in site.meter] == [meter.name for meter in METERS]
    assert stored(shown.folder) == {meter.name for meter in METERS}
    with SqliteStore(shown.folder / "energymeter.db", read_only=True) as store:
        assert store.check() == []


def test_a_copy_of_its_site_file_runs_beside_it(shown: Shown) -> None:
    assert shown.copied == {meter.name for meter in METERS}


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such terminals")
def test_on_a_terminal_it_is_a_table_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    import pty  # noqa: PLC0415 - not on Windows

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "energymeter", "demo"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={
            **os.environ,
            "TMPDIR": str(tmp_path),
            "COLUMNS": "100",
            "LINES": "40",
            "TERM": "xterm",
        },
    )
    os.close(theirs)
    try:
        screen = b""
        while b"heat-pump" not in screen or b" values" not in screen:
            screen += piece_of(ours)
        # The folder is one of its own, and is gone afterwards.
        assert list(tmp_path.iterdir())
        os.killpg(process.pid, signal.SIGINT)
        while piece := piece_of(ours):
            screen += piece
        assert process.wait(10) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
    text = screen.decode()
    assert "Traceback" not in text
    assert "service: stopped" in text
    assert re.search(r"kitchen +[\d.]+ W +[\d.]+ kWh +38 values", text)
    assert "\x1b[?25h" in text  # the cursor is shown again
    assert list(tmp_path.iterdir()) == []


def piece_of(terminal: int) -> bytes:
    """What is written to it next; empty once nobody writes any more."""
    ready, _, _ = select.select([terminal], [], [], 15)
    assert ready, "the program says nothing"
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


@pytest.fixture
def _process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_module, "spare_collector", lambda: None)
    monkeypatch.setattr(daemon_module, "set_up", lambda *_args, **_keys: None)
    monkeypatch.setattr(daemon_module, "follow_signals", lambda _daemon: None)
    monkeypatch.setattr(demo, "_LOOK_S", 0.1)


@pytest.mark.usefixtures("_process_as_it_was")
def test_without_the_web_side_it_shows_the_meters_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(demo._demo(tmp_path, 1.2, 1, 10.0, None)) == 0
    out = capsys.readouterr().out
    assert "health" not in out
    assert "kitchen " in out
    assert "web = false" in (tmp_path / "site.toml").read_text("utf-8")


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn", "nicegui"])
def test_it_goes_without_the_web_side_where_that_is_not_installed(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted: list[str | None] = []

    async def noted(
        _folder: Path, _seconds: float | None, _seed: int, _speed: float, listen: str | None
    ) -> int:
        wanted.append(listen)
        return 0

    monkeypatch.setattr(demo, "_demo", noted)
    assert call(capsys, "demo").code == 0
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name == missing else object())
    assert call(capsys, "demo").code == 0
    assert call(capsys, "demo", "--listen", "127.0.0.1:8080").code == 0
    assert wanted == ["127.0.0.1:0", None, "127.0.0.1:8080"]


def test_it_writes_over_no_site_file_but_that_of_a_demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site.toml"
    site.write_text('name = "mine"\n', "utf-8")
    outcome = call(capsys, "demo", "--folder", str(tmp_path), "--seconds", "1")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"energymeter: {site}: is not of a demo, name another folder\n"
    assert site.read_text("utf-8") == 'name = "mine"\n'


@pytest.mark.usefixtures("_process_as_it_was")
def test_an_older_demo_is_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site.toml").write_text(f"{MADE_BY}\nold = 1\n", "utf-8")
    for _ in range(2):
        assert run(demo._demo(tmp_path, 0.3, 1, 10.0, None)) == 0
    assert capsys.readouterr().out.count("simulating 12 meters") == 2


def test_a_folder_that_cannot_be_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    outcome = call(capsys, "demo", "--folder", str(tmp_path / "file" / "x"))
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "Traceback" not in outcome.err


def test_a_port_that_is_taken_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ("demo", "--folder", str(tmp_path), "--listen", f"127.0.0.1:{port}")
        outcome = call(capsys, *arguments)
    assert outcome.code == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in outcome.err
    assert "Traceback" not in outcome.err


def test_counters_go_on_where_the_folder_of_a_demo_is_used_again(tmp_path: Path) -> None:
    async def kept(speed: float, for_s: float) -> float:
        async with AsyncExitStack() as stack:
            ports = await start_meters(stack, seed=1, speed=speed, folder=tmp_path)
            await asyncio.sleep(for_s)
            link = await stack.enter_async_context(Link(TcpEndpoint("127.0.0.1", ports["grid"])))
            profile = ProfileLibrary().load("schneider-electric/pm8000")
            report = await MeterReader(link.unit(1), profile).read()
            value = report["active_energy_import"].value
        assert isinstance(value, (int, float))
        return value

    async def both() -> tuple[float, float]:
        return await kept(3600.0, 2.5), await kept(1.0, 0.0)

    first, second = run(both())
    assert second >= first


def test_the_meter_at_the_grid_measures_what_the_others_take_together() -> None:
    powers = run(measured())
    grid = powers.pop("grid")
    others = sum(powers.values())
    assert len(powers) == 7
    assert 0.9 * others < grid < others + 9000  # a heat pump's connection has no more


async def measured() -> dict[str, float]:
    """The powers of the meters of electricity in W, but of the one that may tell nothing."""
    library = ProfileLibrary()
    powers = {}
    async with AsyncExitStack() as stack:
        ports = await start_meters(stack, seed=1, speed=1.0)
        for meter in METERS:
            if meter.name == "heat-pump" or library.load(meter.profile).kind != "electricity":
                continue
            async with Link(TcpEndpoint("127.0.0.1", ports[meter.link])) as link:
                reader = MeterReader(link.unit(meter.unit), library.load(meter.profile))
                power = (await reader.read())["active_power_total"]
            assert isinstance(power.value, float)
            powers[meter.name] = power.value * base_of(power.unit)[1]
    return powers
