"""The plugin in pytest runs of their own, as in a project that has energymeter installed."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import pytest

PLUGIN: Final = "energymeter.testing.plugin"

IS_INSTALLED: Final = any(
    found.value == PLUGIN for found in entry_points(group="pytest11", name="energymeter")
)

FIXTURES: Final = (
    "manual_clock",
    "memory_line",
    "pty_bus",
    "scripted_fault",
    "simulated_meter",
)


def run_pytest(
    folder: Path, source: str, *options: str, limit_s: float = 20
) -> subprocess.CompletedProcess[str]:
    (folder / "test_own_program.py").write_text(source)
    plugin = [] if IS_INSTALLED else ["-p", PLUGIN]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *plugin]
    return subprocess.run(
        [*command, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


def python(source: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_fixtures_are_there_without_an_import_and_say_what_they_are(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "", "--fixtures")

    assert done.returncode in (0, 5)
    for name in FIXTURES:
        head = done.stdout.index(f"{name} --")
        assert "no docstring" not in done.stdout[head : head + 200]


def test_tests_of_a_program_pass_and_end_clean(tmp_path: Path) -> None:
    source = """
from energymeter import BlockingLink

def test_meter(simulated_meter):
    meter = simulated_meter("pm8000", seed=1)
    meter.set("voltage_phase_a", 230.5)
    with BlockingLink(meter.host, meter.port) as link:
        assert link.read(meter.unit.profile)["voltage_phase_a"].value == 230.5

def test_bus(pty_bus):
    bus = pty_bus({1: "sdm630", 2: "sdm120"})
    with BlockingLink(bus.url) as link:
        assert link.read(bus.units[2].profile, 2).is_complete
"""
    done = run_pytest(tmp_path, source)

    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_failing_test_neither_hangs_nor_leaves_anything_open(tmp_path: Path) -> None:
    source = """
import socket, threading

LEFT = []

def test_fails(simulated_meter, pty_bus):
    meter = simulated_meter("pm8000")
    bus = pty_bus({1: "sdm120"})
    meter.fault("late=1h")
    connection = socket.create_connection((meter.host, meter.port))
    LEFT.append((meter, connection))
    connection.sendall(bytes.fromhex("0001 0000 0006 01 03 0bb7 0002"))
    meter.wait_for_requests(1)
    raise ValueError("the program under test is wrong")

def test_nothing_is_left():
    (meter, connection), = LEFT
    assert connection.recv(10) == b""
    connection.close()
    assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
"""
    done = run_pytest(tmp_path, source)

    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "the program under test is wrong" in done.stdout


def test_script_that_was_not_played_to_the_end_is_an_error(tmp_path: Path) -> None:
    source = """
from energymeter import BlockingLink

def test_asks_too_little(simulated_meter, scripted_fault):
    meter = simulated_meter("pm8000")
    scripted_fault(meter, None, "silence", None)
    with BlockingLink(meter.url) as link:
        link.unit(1).read_holding_registers(3027, 2)
"""
    done = run_pytest(tmp_path, source)

    assert "1 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "2 of 3 steps were not played of: a good answer, silence, a good answer" in done.stdout


def test_bus_is_skipped_in_words_where_there_are_no_ptys(tmp_path: Path) -> None:
    source = """
import os

def test_bus(monkeypatch, request):
    monkeypatch.delattr(os, "openpty")
    request.getfixturevalue("pty_bus")
"""
    done = run_pytest(tmp_path, source, "-rs")

    assert "1 skipped" in done.stdout, done.stdout + done.stderr
    assert "pty_bus needs ptys, and this system has none" in done.stdout


def test_plugin_costs_nothing_until_it_is_used() -> None:
    source = (
        f"import sys, {PLUGIN}; "
        "print([name for name in sys.modules if name.startswith('energymeter.') "
        f"and not '{PLUGIN}'.startswith(name)])"
    )
    assert python(source) == "['energymeter._version']\n"


@pytest.mark.parametrize("module", ["energymeter", "energymeter.testing", "energymeter.cli.app"])
def test_nothing_else_needs_pytest(module: str) -> None:
    assert python(f"import sys, {module}; print('pytest' in sys.modules)") == "False\n"
