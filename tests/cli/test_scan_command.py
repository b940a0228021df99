"""`energymeter scan` on the command line."""

from __future__ import annotations

import json
import signal

import pytest
from tests.cli.programs import call, free_port, line_of, run, silent_server, start


def test_units_that_answer_are_listed_with_what_fits(
    pm8000: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "scan", pm8000, "--units", "1-2")

    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith(f"{pm8000} unit 1: schneider-electric/pm8000 fits; ")
    assert "voltage_phase_a 2" in lines[0]
    assert lines[-1] == "2 of 2 units answer"
    assert "at most " in done.err
    assert " s a host" in done.err


def test_units_are_told_when_they_are_found_and_an_interrupt_takes_nothing_back() -> None:
    with start("simulate", "--listen", "rtu+tcp://127.0.0.1:0", "--profile", "sdm630") as bus:
        url = line_of(bus.stdout).split(" on ")[1].split(",")[0]
        with start("scan", url, "--units", "1-3", "--timeout", "600") as scan:
            assert "unit 1: eastron/sdm630 fits" in line_of(scan.stdout)
            outcome = scan.end(signal.SIGINT)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err


def test_json_names_hosts_units_and_profiles(
    electric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "scan", electric, "--units", "7", "--json")

    assert done.code == 0
    host = json.loads(done.out)["hosts"][0]
    assert host["host"] == electric
    assert host["open"] is True
    found = host["units"][0]
    assert found["unit"] == 7
    assert found["profiles"] == ["energymeter/electric"]
    assert found["requests"] < 10
    assert found["sunspec"] is None


def test_a_network_is_scanned_and_only_who_accepts_is_listed(
    electric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    port = electric.partition(":")[2]

    done = call(capsys, "scan", f"127.0.0.0/30:{port}", "--units", "1", "--json")

    assert done.code == 0
    assert [host["host"] for host in json.loads(done.out)["hosts"]] == [electric]


def test_the_progress_bar_stays_out_of_a_pipe(electric: str) -> None:
    done = run("scan", electric, "--units", "1")

    assert done.code == 0
    assert "\x1b" not in done.out + done.err
    assert done.err.count("\n") == 1


def test_nobody_there_is_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "scan", f"127.0.0.1:{free_port()}", "--units", "1")

    assert done.code == 1
    assert done.out == "no unit could be asked\n"
    assert done.err.count("refused the connection") == 1
    assert done.err.count("127.0.0.1") == 2  # who is asked, and what came of it


def test_silent_units_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with silent_server() as port:
        done = call(capsys, "scan", f"127.0.0.1:{port}", "--units", "1-2", "--timeout", "0.1")

    assert done.code == 1
    assert done.out == "0 of 2 units answer\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["127.0.0.1", "--units", "0-300"],
        ["127.0.0.1", "--units", "x"],
        ["127.0.0.0/99"],
        ["10.0.0.0/8"],
        ["127.0.0.1:0"],
        ["127.0.0.1", "--timeout", "0"],
        ["no-such-host.invalid", "--units", "1"],
    ],
)
def test_wrong_usage_is_one_sentence_and_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "scan", *arguments)

    assert done.code == 2
    assert done.out == ""
    assert [line for line in done.err.splitlines() if not line.startswith("asking ")]
