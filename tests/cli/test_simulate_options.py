"""`simulate` with wires, faults, scenarios and REST, as its users meet it."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
import urllib.request
from pathlib import Path

import pytest
from tests.cli.programs import Outcome, call, line_of, simulator, start

from energymeter import BlockingLink
from energymeter.errors import ExceptionReplyError, RequestTimeout
from energymeter.simulator.faults import KINDS

Capture = pytest.CaptureFixture[str]

TCP = "tcp://127.0.0.1:0"


def wrong(capsys: Capture, *arguments: str) -> Outcome:
    """Call `simulate` with something it must refuse before it listens anywhere."""
    outcome = call(capsys, "simulate", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert len(outcome.err.splitlines()) == 1
    return outcome


def test_the_kinds_of_faults_are_listed(capsys: Capture) -> None:
    outcome = call(capsys, "simulate", "--list-faults")
    assert outcome.code == 0
    names = [line for line in outcome.out.splitlines() if not line.startswith(" ")]
    assert names == list(KINDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fault", "dea"], "there is no fault 'dea', did you mean dead?"),
        (["--fault", "late=soon"], "'soon' is no duration"),
        (["--fault", "dead,wire=2"], "there is no such wire"),
        (["--fault", "wrong_id", "--listen", "rtu+tcp://127.0.0.1:0"], "no wire here is one"),
        (["--scenario", "absent.toml"], "absent.toml: cannot be read"),
        (["--listen", TCP, "--port", "5020"], "give --listen or --port, not both"),
        (["--listen", TCP, "--address", "0.0.0.0"], "give --listen or --address, not both"),
        (["--listen", "tcpp://127.0.0.1:1"], "tcpp:// is unknown"),
        (["--listen", TCP, "--count", "300"], "units beyond 247"),
        (["--meter", "3"], "write UNIT=PROFILE"),
        (["--meter", "x=sdm630"], "--meter x=sdm630: 'x' is no number"),
        (["--meter", "3=sdm630", "--meter", "1-3=sdm120"], "unit 3 is already taken"),
        (["--meter", "3=sdm630", "--count", "2"], "leave out --profile, --unit and --count"),
        (["--meter", "3=sdm630", "--profile", "sdm120"], "leave out --profile, --unit and --count"),
        (["--latency", "20"], "--latency: '20' is no duration"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    capsys: Capture, arguments: list[str], words: str
) -> None:
    assert words in wrong(capsys, *arguments).err


def test_a_wrong_scenario_names_its_file_and_step(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("[[step]]\nat = '1s'\nfault = 'dea'\n")
    outcome = wrong(capsys, "--scenario", str(path))
    assert f"{path}: step 1: there is no fault 'dea'" in outcome.err


def test_a_step_for_a_unit_that_is_not_there_is_told(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("[[step]]\nat = '1s'\ndo = 'offline'\nunit = 9\n")
    outcome = wrong(capsys, "--scenario", str(path), "--port", "0")
    assert "step 1: unit 9: there is no such meter, there is 1" in outcome.err


def test_a_fault_is_announced_and_works() -> None:
    with simulator("--fault", "exception=2,unit=3", "--seed", "1") as program:
        assert line_of(program.stdout) == "fault 1: exception=2,unit=3\n"
        with BlockingLink("127.0.0.1", program.port) as link:
            link.unit(1).read_holding_registers(0)
            with pytest.raises(ExceptionReplyError):
                link.unit(3).read_holding_registers(0)


def test_wires_are_announced_with_their_units() -> None:
    with start("simulate", "--listen", TCP, "--listen", TCP, "--count", "3", "--seed", "4") as run:
        assert (
            line_of(run.stdout) == "simulating 3 meters energymeter/electric on 2 wires, seed 4\n"
        )
        ports = []
        for number in (1, 2):
            line = line_of(run.stdout)
            found = re.fullmatch(rf"wire {number}: tcp://127\.0\.0\.1:(\d+), units 1 to 3\n", line)
            assert found, line
            ports.append(int(found[1]))
        for port in ports:
            with BlockingLink("127.0.0.1", port, timeout_s=0.2) as link:
                assert link.unit(3).read_holding_registers(101) == (0,)
                with pytest.raises(RequestTimeout):
                    link.unit(4).read_holding_registers(101)
        outcome = run.end(signal.SIGTERM)
    assert (outcome.code, outcome.err) == (0, "")


def test_a_mixed_bus_is_announced_meter_by_meter() -> None:
    with simulator("--meter", "2=gas", "--meter", "7-8=water", "--seed", "4") as program:
        assert program.greeting.startswith("simulating 3 meters on 127.0.0.1:")
        lines = [line_of(program.stdout) for _ in range(3)]
        assert lines == [
            "unit 2: energymeter/gas\n",
            "unit 7: energymeter/water\n",
            "unit 8: energymeter/water\n",
        ]
        with BlockingLink("127.0.0.1", program.port) as link:
            assert link.unit(2).read_holding_registers(101) == (2,)
            assert link.unit(8).read_holding_registers(101) == (1,)


def test_a_scenario_is_told_as_it_happens(tmp_path: Path) -> None:
    path = tmp_path / "demo.toml"
    path.write_text(
        "[[step]]\nname = 'it dies'\nat = '200ms'\nfor = '1500ms'\nfault = 'exception=2'\n"
    )
    with simulator("--scenario", str(path)) as program:
        lines = [line_of(program.stdout) for _ in range(2)]
        assert lines == ["Ctrl-C ends\n", "200ms: exception=2,for=1.5s (it dies)\n"]
        with BlockingLink("127.0.0.1", program.port) as link:
            with pytest.raises(ExceptionReplyError):
                link.unit(1).read_holding_registers(0)
            assert line_of(program.stdout) == "1.7s: over: exception=2,for=1.5s (it dies)\n"
            link.unit(1).read_holding_registers(0)
        outcome = program.end(signal.SIGINT)
    assert (outcome.code, outcome.err) == (0, "")


def test_rest_controls_a_running_simulator() -> None:
    pytest.importorskip("fastapi", reason="the extra web is not installed")
    with simulator("--rest", "0") as program:
        line = line_of(program.stdout)
        found = re.match(r"REST on (http://127\.0\.0\.1:\d+), described on \1/docs\n", line)
        assert found, line
        request = urllib.request.Request(
            f"{found[1]}/faults",
            data=json.dumps({"fault": "dead"}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 201
        with (
            BlockingLink("127.0.0.1", program.port, timeout_s=0.2) as link,
            pytest.raises(RequestTimeout),
        ):
            link.unit(1).read_holding_registers(0)
        outcome = program.end(signal.SIGTERM)
    assert (outcome.code, outcome.err) == (0, "")


def test_a_rest_port_in_use_ends_it_with_a_sentence() -> None:
    pytest.importorskip("fastapi", reason="the extra web is not installed")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start("simulate", "--port", "0", "--rest", str(port)) as program:
            program.process.wait(timeout=15)
            outcome = program.end(0)
    assert outcome.code == 2
    assert outcome.err == (
        f"energymeter: REST cannot listen on 127.0.0.1 port {port}: Address already in use\n"
    )


def test_latency_is_kept() -> None:
    with (
        simulator("--latency", "80ms") as program,
        BlockingLink("127.0.0.1", program.port) as link,
    ):
        link.unit(1).read_holding_registers(0)
        begin = time.monotonic()
        link.unit(1).read_holding_registers(0)
        assert time.monotonic() - begin >= 0.075
