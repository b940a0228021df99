"""`main.py` as the original's users call it, against a pymodbus server with a PM8000's map."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.interop.foreign import PM8000_VALUES, PymodbusServer, pm8000_device
from tests.interop.programs import ROOT, Program

from energymeter.devices.example_meter import ExampleMeter
from energymeter.values import Order, WireOrder

SWAPPED = WireOrder(Order.BIG, Order.LITTLE)
NAMES = [register.name for register in ExampleMeter.registers]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with closing(PymodbusServer(pm8000_device())) as server:
        yield server.port


@pytest.fixture(scope="module")
def swapped_port() -> Iterator[int]:
    """The same meter with the low word first."""
    with closing(PymodbusServer(pm8000_device(SWAPPED))) as server:
        yield server.port


def start(port: int, *options: str) -> Program:
    command = [sys.executable, "main.py", "--host", "127.0.0.1", "--port", str(port)]
    return Program([*command, *options])


def printed_values(program: Program) -> list[str]:
    """The values of the next poll, in the order of the map."""
    program.wait_for(r"^\d\d:\d\d:\d\d Example Meter Device at 127\.0\.0\.1:\d+$")
    return [program.wait_for(rf"^\s+{name}\s+(\S+)$")[1] for name in NAMES]


EXPECTED = [
    str(value) if isinstance(value, int) else f"{value:.6g}" for _, value in PM8000_VALUES.values()
]


def test_script_prints_every_value_at_every_poll(port: int) -> None:
    with start(port, "--interval", "0.2") as program:
        polls = [printed_values(program) for _ in range(3)]

    assert polls == [EXPECTED] * 3


def test_script_ends_quietly_on_ctrl_c(port: int) -> None:
    with start(port, "--interval", "0.2") as program:
        printed_values(program)
        code = program.stop(signal.SIGINT)

    assert code == 0
    assert program.rest()[-1] == "polling stopped"


@pytest.mark.parametrize(
    "options", [("--wordorder", "LITTLE"), ("--byteorder", "AUTO", "--wordorder", "AUTO")]
)
def test_script_reads_a_meter_with_the_low_word_first(
    swapped_port: int, options: tuple[str, ...]
) -> None:
    with start(swapped_port, "--interval", "5", "--message_size", "20", *options) as program:
        assert printed_values(program) == EXPECTED


def test_script_survives_a_meter_that_is_not_there_yet(port: int) -> None:
    with closing(PymodbusServer(pm8000_device())) as gone:
        free_port = gone.port

    with start(free_port, "--interval", "0.2", "--timeout", "0.5") as program:
        program.wait_for(rf"127\.0\.0\.1:{free_port} refused the connection")
        program.wait_for(r"next poll in 0\.2 s")

        assert program.stop(signal.SIGINT) == 0


def test_help_lists_all_arguments_of_the_original() -> None:
    done = subprocess.run(
        [sys.executable, "main.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert set(re.findall(r"--\w+", done.stdout)) == {
        "--help",
        "--host",
        "--port",
        "--timeout",
        "--interval",
        "--byteorder",
        "--wordorder",
        "--message_size",
    }
    assert done.stdout.count("{AUTO,BIG,LITTLE}") >= 2
    assert "Energy meter Modbus reader" in done.stdout


def test_missing_host_is_wrong_usage() -> None:
    done = subprocess.run(
        [sys.executable, "main.py", "--port", "502"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "--host" in done.stderr
