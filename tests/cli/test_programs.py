"""Programs that go on until they are ended: simulate, poll, main.py; and the help."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest
from tests.cli.programs import (
    ROOT,
    call,
    free_port,
    free_row,
    line_of,
    run,
    silent_server,
    simulator,
    start,
)

from energymeter import BlockingLink
from energymeter._version import __version__

Capture = pytest.CaptureFixture[str]

_CLI = ROOT / "src" / "energymeter" / "cli"
_COMMAND = re.compile(r'^@click\.(?:command|group)\("(\w+)"', re.MULTILINE)


def commands() -> set[str]:
    """Those that there is a file for."""
    found = {path.stem: _COMMAND.findall(path.read_text("utf-8")) for path in _CLI.glob("*.py")}
    assert all(names in ([], [stem]) for stem, names in found.items())
    return {stem for stem, names in found.items() if names}


def test_help_lists_all_commands_and_each_has_help(capsys: Capture) -> None:
    outcome = call(capsys, "--help")
    assert outcome.code == 0
    listed = [line.split()[0] for line in outcome.out.partition("Commands:\n")[2].splitlines()]
    assert len(listed) == len(set(listed))
    assert set(listed) == commands() >= {"read", "simulate", "run", "demo"}
    for name in listed:
        outcome = call(capsys, name, "-h")
        assert outcome.code == 0
        assert f"energymeter {name} " in outcome.out


def test_no_arguments_show_the_help_whole(capsys: Capture) -> None:
    outcome = call(capsys)
    assert outcome.code == 2
    assert outcome.err.strip() == call(capsys, "--help").out.strip()


def test_version() -> None:
    assert run("--version").out.strip() == f"energymeter, version {__version__}"


def test_the_installed_command_is_the_module() -> None:
    script = subprocess.run(
        [sys.executable, "-c", "from energymeter.cli.app import main; main()", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert script.stdout == run("--version").out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_simulate_says_where_it_listens_and_ends_cleanly(number: signal.Signals) -> None:
    with simulator("-t", "water", "-a", "127.0.0.1", "--seed", "3") as program:
        assert program.greeting.startswith("simulating energymeter/water")
        assert program.greeting.endswith(f"on 127.0.0.1:{program.port}, seed 3\n")
        with BlockingLink("127.0.0.1", program.port) as link:
            assert link.unit(1).read_holding_registers(101) == (1,)
            # A client that is still connected does not keep it from ending.
            outcome = program.end(number)
    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize(("kind", "number"), [("electric", 0), ("water", 1), ("gas", 2)])
def test_simulate_is_the_meter_that_was_asked_for(kind: str, number: int) -> None:
    with (
        simulator("--meter-type", kind) as program,
        BlockingLink("127.0.0.1", program.port) as link,
    ):
        assert link.unit(1).read_input_registers(100, 2) == (1, number)


def test_simulate_many_meters_on_consecutive_ports() -> None:
    first = free_row(3)
    with simulator("--count", "3", port=first) as program:
        assert f"3 meters energymeter/electric on 127.0.0.1:{first} to {first + 2}" in (
            program.greeting
        )
        for port in range(first, first + 3):
            with BlockingLink("127.0.0.1", port) as link:
                assert link.unit(1).read_holding_registers(100) == (1,)


def test_poll_prints_each_poll_and_ends_after_so_many(capsys: Capture, electric: str) -> None:
    arguments = ("poll", electric, "--profile", "electric", "--interval", "0.1", "--polls", "3")
    outcome = call(capsys, *arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.count(f"energymeter/electric at {electric}\n") == 3
    assert outcome.out.count("voltage_phase_a") == 3


def test_poll_of_a_silent_meter_ends_with_1(capsys: Capture) -> None:
    with silent_server() as port:
        arguments = ("poll", f"127.0.0.1:{port}", "--profile", "electric", "--timeout", "0.1")
        outcome = call(capsys, *arguments, "--interval", "0.1", "--polls", "1")
    assert outcome.code == 1
    assert outcome.out == ""
    assert "no answer" in outcome.err
    assert outcome.err.count("\n") == 1


def test_poll_survives_a_meter_that_comes_later() -> None:
    port = free_port()
    target = f"127.0.0.1:{port}"
    with start("poll", target, "--profile", "electric", "--interval", "0.3") as poll:
        assert poll.process.stderr is not None
        assert "refused the connection" in line_of(poll.process.stderr)
        with simulator(port=port):
            assert f"at {target}" in line_of(poll.stdout)
            outcome = poll.end(signal.SIGINT)
    assert outcome.code == 0
    assert "answers again" in outcome.err
    assert "Traceback" not in outcome.err


def test_main_script_polls_until_it_is_interrupted(pm8000: str) -> None:
    host, _, port = pm8000.partition(":")
    script = str(ROOT / "main.py")
    arguments = ("--host", host, "--port", port, "--timeout", "1", "--interval", "0.2")
    orders = ("--byteorder", "BIG", "--wordorder", "AUTO", "--message_size", "100")
    with start(script, *arguments, *orders) as program:
        assert "Example Meter Device at " in line_of(program.stdout)
        lines = [line_of(program.stdout) for _ in range(25)]
        outcome = program.end(signal.SIGINT)
    assert outcome.code == 0
    assert lines[3].split()[0] == "voltage_phase_a"
    assert 207 < float(lines[3].split()[1]) < 253
    assert outcome.err.startswith("AUTO: word order BIG taken")
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "127.0.0.1", "--port", "70000"), "port 70000 is out of range"),
        (("--host", "127.0.0.1", "--port", "0"), "port 0 is out of range"),
        (("--host", "nowhere.invalid", "--port", "502"), "'nowhere.invalid' is not known"),
        (("--host", "127.0.0.1", "--port", "502", "--message_size", "3"), "takes 4 registers"),
        (("--host", "127.0.0.1", "--port", "502", "--message_size", "126"), "1 to 125"),
        (("--host", "127.0.0.1", "--port", "502", "--timeout", "0"), "timeout of 0 s"),
        (("--host", "127.0.0.1", "--port", "502", "--interval", "inf"), "interval of inf s"),
    ],
)
def test_main_script_refuses_in_one_line(arguments: tuple[str, ...], words: str) -> None:
    done = subprocess.run(
        [sys.executable, "main.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("main.py: error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_main_script_has_the_original_arguments() -> None:
    done = subprocess.run(
        [sys.executable, "main.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for argument in ("host", "port", "timeout", "interval", "byteorder", "wordorder"):
        assert f"--{argument} " in done.stdout
    assert "{AUTO,BIG,LITTLE}" in done.stdout
    assert "--message_size MESSAGE_SIZE" in done.stdout
