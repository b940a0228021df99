"""Each example runs as its first lines say, against a simulated meter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.programs import free_port, line_of, simulator, start
from tests.docs.blocks import ROOT

from energymeter import BlockingLink, ExceptionReplyError

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def electric() -> Iterator[str]:
    with simulator("-t", "electric", "--seed", "1") as program:
        yield str(program.port)


@pytest.fixture(scope="module")
def pm8000() -> Iterator[str]:
    with simulator("--profile", "pm8000", "--seed", "1") as program:
        yield str(program.port)


def run(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_is_short_numbered_and_says_how_it_is_run(example: Path) -> None:
    lines = example.read_text("utf-8").splitlines()
    assert len(lines) < 60
    assert example.name[:2].isdigit()
    assert f"Run: python examples/{example.name}" in "\n".join(lines[:6])


def test_read_once(electric: str) -> None:
    assert "voltage_phase_a" in run("01_read_once.py", "127.0.0.1", electric)


def test_read_once_says_what_is_wrong() -> None:
    script = str(ROOT / "examples" / "01_read_once.py")
    arguments = ["127.0.0.1", str(free_port())]
    done = subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "refused the connection" in done.stderr
    assert "Traceback" not in done.stderr


def test_poll_async(electric: str) -> None:
    lines = run("02_poll_async.py", "127.0.0.1", electric, "2").splitlines()
    assert sorted(line.split(":")[0] for line in lines) == ["unit 1", "unit 1", "unit 2", "unit 2"]


def test_own_meter(pm8000: str) -> None:
    values = dict(
        line.split(": ") for line in run("03_own_meter.py", "127.0.0.1", pm8000).splitlines()
    )
    assert len(values) == 5
    assert 207 < float(values["voltage_phase_a"]) < 253


def test_own_meter_needs_no_pymodbus(pm8000: str) -> None:
    script = ROOT / "examples" / "03_own_meter.py"
    program = (
        "import runpy, sys; sys.modules['pymodbus'] = None; "
        f"sys.argv = ['x', '127.0.0.1', '{pm8000}']; "
        f"runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_simulate_in_process() -> None:
    lines = run("04_simulate_in_process.py", "127.0.0.1").splitlines()
    before, after = (float(word) for word in lines[1].split() if word[0].isdigit())
    assert after > before
    assert lines[2] == "after a reset: 0.0 m3"


def test_custom_server() -> None:
    with start(str(ROOT / "examples" / "05_custom_server.py"), "127.0.0.1", "0", "30") as program:
        port = int(line_of(program.stdout).rpartition(":")[2])
        with BlockingLink("127.0.0.1", port) as link:
            unit = link.unit(1)
            assert unit.read_holding_registers(10) == (50,)
            unit.write_register(10, 60)
            assert unit.read_holding_registers(10) == (60,)
            with pytest.raises(ExceptionReplyError) as error_info:
                unit.write_register(10, 101)
            assert error_info.value.code == 3
            high, low = unit.read_holding_registers(0, 2)
            assert high << 16 | low > 1_700_000_000
        assert line_of(program.stdout) == "set point is now 60\n"
