"""`energymeter read`: what it prints, and how it ends."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime
from pathlib import Path

import pytest
from tests.cli.programs import call, free_port, run, silent_server
from tests.cli.terminal import energymeter_in_terminal

from energymeter import ProfileLibrary

Capture = pytest.CaptureFixture[str]


def test_table_shows_every_value_with_unit_and_quality(capsys: Capture, electric: str) -> None:
    outcome = call(capsys, "read", electric, "--profile", "electric")
    assert (outcome.code, outcome.err) == (0, "")
    title, *lines = outcome.out.splitlines()
    assert title.startswith(f"energymeter/electric at {electric} unit 1, ")
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.strip()}
    assert rows["name"] == ["value", "unit", "quality"]
    value, unit, quality = rows["voltage_phase_a"]
    assert (unit, quality) == ("V", "good")
    assert 207 < float(value) < 253
    profile = ProfileLibrary().load("electric")
    assert {point.name for point in profile.readable_points} < set(rows)


def test_table_in_a_pipe_is_not_cut(capsys: Capture, electric: str) -> None:
    # A float read in the wrong order can have forty digits; names and units stay whole.
    outcome = call(capsys, "read", electric, "--device", "examples/03_own_meter.py")
    assert outcome.code == 1
    outcome = call(capsys, "read", electric, "--profile", "electric")
    assert "…" not in outcome.out


def test_json_has_exactly_the_documented_keys(capsys: Capture, electric: str) -> None:
    outcome = call(capsys, "read", electric, "--profile", "electric", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    document = json.loads(outcome.out)
    assert list(document) == ["meter", "host", "unit", "time", "values"]
    assert document["meter"] == "energymeter/electric"
    assert document["host"] == electric
    assert document["unit"] == 1
    assert document["time"].endswith("Z")
    assert datetime.fromisoformat(document["time"]).tzinfo is not None
    points = ProfileLibrary().load("electric").readable_points
    assert set(document["values"]) == {point.name for point in points}
    for point in points:
        entry = document["values"][point.name]
        assert list(entry) == ["value", "unit", "quality"]
        assert entry["unit"] == point.unit
        assert entry["quality"] == "good"
        assert type(entry["value"]) in (int, float)


def test_csv_has_a_header_and_a_line_a_value(capsys: Capture, electric: str) -> None:
    outcome = call(capsys, "read", electric, "--profile", "electric", "--csv")
    assert outcome.code == 0
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    assert list(rows[0]) == ["time", "meter", "name", "value", "unit", "quality"]
    assert len(rows) == len(ProfileLibrary().load("electric").readable_points)
    assert {row["quality"] for row in rows} == {"good"}


def test_unit_is_the_one_asked_for(capsys: Capture, electric: str) -> None:
    outcome = call(capsys, "read", electric, "--profile", "electric", "--unit", "9", "--json")
    assert json.loads(outcome.out)["unit"] == 9


def test_auto_finds_the_order_and_says_so(capsys: Capture, pm8000: str) -> None:
    arguments = ("read", pm8000, "--profile", "pm8000", "--json")
    outcome = call(capsys, *arguments, "--wordorder", "auto", "--byteorder", "AUTO")
    assert outcome.code == 0
    assert outcome.err.startswith("AUTO: ")
    assert 207 < json.loads(outcome.out)["values"]["voltage_phase_a"]["value"] < 253


def test_a_message_size_changes_the_reads_but_not_the_values(capsys: Capture, pm8000: str) -> None:
    arguments = ("read", pm8000, "--profile", "pm8000", "--json", "--message_size", "4")
    outcome = call(capsys, *arguments)
    assert outcome.code == 0
    assert len(json.loads(outcome.out)["values"]) == 25


def test_a_refused_connection_is_one_line_and_exit_code_1(capsys: Capture) -> None:
    port = free_port()
    outcome = call(capsys, "read", f"127.0.0.1:{port}", "--profile", "electric")
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert f"127.0.0.1:{port} refused the connection" in outcome.err


def test_a_silent_server_is_one_line_and_exit_code_1(capsys: Capture) -> None:
    with silent_server() as port:
        arguments = ("read", f"127.0.0.1:{port}", "--profile", "electric", "--timeout", "0.2")
        outcome = call(capsys, *arguments)
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert f"no answer from 127.0.0.1:{port} unit 1 within 0.2 s" in outcome.err


def test_json_of_a_meter_that_does_not_answer_has_all_points_without_value(
    capsys: Capture,
) -> None:
    outcome = call(capsys, "read", f"127.0.0.1:{free_port()}", "--profile", "electric", "--json")
    assert outcome.code == 1
    values = json.loads(outcome.out)["values"].values()
    assert {(entry["value"], entry["quality"]) for entry in values} == {(None, "not_read")}


def test_a_partial_reading_shows_what_there_is_and_exit_code_1(
    capsys: Capture, electric: str, tmp_path: Path
) -> None:
    file = tmp_path / "partly.py"
    file.write_text(
        "from energymeter import ModbusDevice, Register\n"
        "Partly = ModbusDevice('Partly', [\n"
        "    Register('frequency', 16, 1, 'uint16'), Register('nowhere', 200, 1, 'uint16'),\n"
        "])\n"
    )
    outcome = call(capsys, "read", electric, "--device", str(file), "--message-size", "1", "--csv")
    assert outcome.code == 1
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(outcome.out))}
    assert rows["frequency"]["quality"] == "good"
    assert (rows["nowhere"]["value"], rows["nowhere"]["quality"]) == ("", "not_available")
    assert outcome.err.count("\n") == 1
    assert "holding 200..200" in outcome.err
    assert "illegal data address (2)" in outcome.err


def test_no_number_is_cut_on_a_narrow_terminal(electric: str) -> None:
    with energymeter_in_terminal("read", electric, "--profile", "electric", columns=44) as terminal:
        assert terminal.end() == 0
    rows = [line.split() for line in terminal.text.splitlines() if line.strip()]
    (energy,) = (row for row in rows if row[0].startswith("active_e"))
    assert energy[2:] == ["kWh", "good"]
    assert re.fullmatch(r"[0-9]+\.[0-9]{2}", energy[1])
    assert "…" not in terminal.text


def test_watching_a_host_that_is_not_known_is_wrong_usage() -> None:
    arguments = ("read", "nowhere.invalid", "--profile", "electric", "--watch")
    with energymeter_in_terminal(*arguments) as terminal:
        assert terminal.end() == 2
    assert "host 'nowhere.invalid' is not known" in terminal.text
    assert "Traceback" not in terminal.text


def test_a_ratio_that_no_value_takes_is_refused(capsys: Capture, electric: str) -> None:
    profile = ProfileLibrary().load("energymeter/electric")
    assert not any(point.ratio for point in profile.points)
    outcome = call(capsys, "read", electric, "--profile", "electric", "--ct", "100/5")
    assert (outcome.code, outcome.out) == (2, "")
    assert "--ct would change nothing, no value of energymeter/electric takes" in outcome.err


def test_it_runs_in_a_process_of_its_own(electric: str) -> None:
    outcome = run("read", electric, "--profile", "electric", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["host"] == electric
