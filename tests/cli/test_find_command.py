"""`energymeter find` on the command line."""

from __future__ import annotations

import json
import time

import pytest
from tests.cli.programs import call, silent_server, simulator


def test_a_map_that_is_right_is_confirmed_with_its_evidence(
    pm8000: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "find", pm8000, "--profile", "pm8000")

    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith(f"schneider-electric/pm8000 at {pm8000} unit 1: 25 values, ")
    assert lines[1] == "1. addresses as documented, order ABCD (bytes big, words big), surely"
    assert lines[2].strip().startswith("25 of 25 values make sense")
    assert any("the phases make" in line for line in lines)
    assert sum(line[:2] in ("1.", "2.", "3.") for line in lines) == 3


def test_a_document_that_is_one_off_and_swapped_is_put_right(
    electric: str, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    device = f"{tmp_path}/wrong.py"
    with open(device, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(
            "from flexmodbusreader.device import ModbusDevice, Register\n"
            "Wrong = ModbusDevice(model='Wrong', registers_map=[\n"
            "    Register('active_power_total', 3, 2, 'int32'),\n"
            "    Register('voltage_phase_a', 11, 1, 'uint16'),\n"
            "    Register('voltage_phase_b', 12, 1, 'uint16'),\n"
            "    Register('voltage_phase_c', 13, 1, 'uint16'),\n"
            "    Register('frequency', 17, 1, 'uint16'),\n"
            "])\n"
        )

    done = call(capsys, "find", electric, "--device", device, "--types", "--json")

    assert done.code == 0
    best = json.loads(done.out)["candidates"][0]
    assert best["shift"] == -1
    assert best["byte_order"] == "big"


def test_json_is_one_object_with_the_three_best(
    electric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "find", electric, "--profile", "electric", "--json")

    data = json.loads(done.out)
    assert data["found"] is True
    assert data["host"] == electric
    assert len(data["candidates"]) == 3
    best = data["candidates"][0]
    assert (best["shift"], best["order"], best["byte_order"]) == (0, "CDAB", "big")
    assert best["evidence"] > data["candidates"][1]["evidence"]
    assert 200 < best["values"]["voltage_phase_a"] < 260
    assert {"weight", "text"} == set(best["clues"][0])


def test_another_map_is_not_found_and_the_code_is_1(
    electric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "find", electric, "--profile", "pm8000")

    assert done.code == 1
    assert "refuses every read" in done.out


def test_registers_without_a_map_are_surveyed(
    electric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "find", electric, "--range", "0-30")

    assert done.code == 0
    assert "31 of 31 holding registers answer" in done.out
    assert "voltages of three phases from 10, int16 big x 0.1" in done.out
    as_json = call(capsys, "find", electric, "--range", "0-30", "--json")
    whats = {proposal["what"] for proposal in json.loads(as_json.out)["proposals"]}
    assert "voltages of three phases" in whats


def test_registers_without_a_map_are_looked_for_in_both_tables(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with simulator("--profile", "sdm630", "--seed", "1") as program:
        where = f"127.0.0.1:{program.port}"
        done = call(capsys, "find", where, "--range", "0-90")
        as_data = call(capsys, "find", where, "--range", "0-90", "--json")

    assert done.code == as_data.code == 0
    lines = done.out.splitlines()
    assert "of 91 holding registers answer" in lines[0]
    assert "of 91 input registers answer" in lines[1]
    assert lines[2].startswith("likely: voltages of three phases from 0, float32 ABCD")
    assert json.loads(as_data.out)["table"] == "input"


def test_registers_that_say_nothing_are_no_finding(
    electric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "find", electric, "--range", "30-60")

    assert done.code == 1
    assert "nothing there looks like" in done.out


def test_the_other_table_is_named_when_the_registers_are_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with simulator("--profile", "eastron/sdm120", "--seed", "1") as program:
        place = f"127.0.0.1:{program.port}"
        done = call(capsys, "find", place, "--profile", "eastron/sdm120", "--table", "holding")
        assert done.code == 1
        done = call(capsys, "find", place, "--profile", "eastron/sdm120")
        assert done.code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--profile", "no-such-meter"],
        [],
        ["--profile", "electric", "--range", "0-10"],
        ["--range", "10-0"],
        ["--range", "0-70000"],
        ["--profile", "electric", "--table", "coil"],
        ["--profile", "electric", "--unit", "256"],
        ["--profile", "electric", "--timeout", "nan"],
    ],
)
def test_wrong_usage_is_one_sentence_and_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "find", "127.0.0.1:1", *arguments)

    assert done.code == 2
    assert done.out == ""
    assert len(done.err.splitlines()) == 1


def test_silence_is_told_and_the_code_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    with silent_server() as port:
        start = time.monotonic()
        done = call(
            capsys, "find", f"127.0.0.1:{port}", "--profile", "electric", "--timeout", "0.2"
        )

    assert done.code == 1
    assert "no answer" in done.err
    assert time.monotonic() - start < 5
