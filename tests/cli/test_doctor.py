"""`energymeter doctor` on the command line."""

from __future__ import annotations

import json
import sys
import time

import pytest
from tests.cli.programs import call, free_port, silent_server, simulator
from tests.cli.terminal import in_terminal


def test_a_good_meter_is_well_and_the_code_is_0(
    pm8000: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "doctor", pm8000, "--profile", "pm8000")

    assert done.code == 0, done.out
    lines = done.out.splitlines()
    assert lines[0] == "ok    name      127.0.0.1 is an address"
    assert lines[-1].startswith(f"all is well: schneider-electric/pm8000, unit 1 at tcp://{pm8000}")
    assert lines[-1].endswith(f"; try: energymeter read tcp://{pm8000} --profile pm8000")
    assert all(line.startswith("ok ") for line in lines[:-1])


def test_no_colour_where_nobody_wants_one() -> None:
    command = [sys.executable, "-m", "energymeter", "doctor", "nowhere.invalid"]
    with in_terminal(command, environment={"NO_COLOR": "1"}) as plain:
        plain.end()
    with in_terminal(command) as coloured:
        coloured.end()
    assert b"\x1b[31mWRONG" in coloured.raw
    assert b"WRONG name" in plain.raw
    assert b"\x1b[31m" not in plain.raw


def test_how_long_it_may_take_is_said_before(
    pm8000: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "doctor", pm8000, "--profile", "pm8000", "--timeout", "2")

    head = f"examining tcp://{pm8000} unit 1 as schneider-electric/pm8000: at most 120 s\n"
    assert done.err == head


def test_without_a_profile_it_says_which_fits(
    pm8000: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "doctor", pm8000)

    assert done.code == 0
    assert "answers, and schneider-electric/pm8000 fits; try: energymeter read" in done.out


def test_what_is_wrong_is_the_last_line_and_the_code_is_1(
    pm8000: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "doctor", f"rtu+tcp://{pm8000}", "--profile", "pm8000", "--timeout", "0.2")

    assert done.code == 1
    *_, wrong, sentence = done.out.splitlines()
    assert wrong.startswith("WRONG framing ")
    assert sentence.endswith(
        f"; try: energymeter read tcp://{pm8000} --profile pm8000 --timeout 0.2"
    )


def test_json_is_one_object(pm8000: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "doctor", pm8000, "--profile", "pm8000", "--unit", "9", "--json")

    data = json.loads(done.out)
    assert data["well"] is True  # a meter on Modbus TCP answers to every number
    assert (data["url"], data["unit"]) == (f"tcp://{pm8000}", 9)
    assert (data["layer"], data["verdict"]) == (None, "fine")
    assert data["command"] == f"energymeter read tcp://{pm8000} --profile pm8000 --unit 9"
    assert set(data["steps"][0]) == {"layer", "verdict", "mark", "seen"}


def test_json_names_the_layer_and_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "doctor", f"127.0.0.1:{free_port()}", "--timeout", "0.2", "--json")

    data = json.loads(done.out)
    assert done.code == 1
    assert (data["well"], data["layer"], data["verdict"]) == (False, "port", "port-refused")
    assert data["steps"][-1]["mark"] == "wrong"


def test_silence_is_bounded_by_the_time_out(capsys: pytest.CaptureFixture[str]) -> None:
    with silent_server() as port:
        start = time.monotonic()
        done = call(capsys, "doctor", f"127.0.0.1:{port}", "--timeout", "0.05")

    assert done.code == 1
    assert "lets us in and says nothing" in done.out
    assert time.monotonic() - start < 10


def test_a_simulator_with_a_bad_manner_is_seen_through(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with simulator("--profile", "sdm630", "--fault", "constant_id") as program:
        place = f"127.0.0.1:{program.port}"
        done = call(capsys, "doctor", place, "--profile", "sdm630", "--timeout", "0.3")

    assert done.code == 1
    assert f"'tcp://{place}?ids=ignore'" in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["127.0.0.1:1", "--profile", "no-such-meter"],
        ["127.0.0.1:1", "--profile", "pm8000", "--device", "x.py"],
        ["127.0.0.1:1", "--unit", "256"],
        ["127.0.0.1:1", "--timeout", "nan"],
        ["rtu:///dev/ttyUSB0", "--unit", "0"],
        ["tcp://:502"],
        ["dial://127.0.0.1:502"],
        ["tls://127.0.0.1:802?ca=/no/such/file"],
        ["modbus://127.0.0.1"],
        [],
    ],
)
def test_wrong_usage_is_one_sentence_and_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "doctor", *arguments)

    assert done.code == 2
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
