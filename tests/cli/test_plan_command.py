"""`energymeter plan`: what it prints for people and for programs, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.programs import call, run

Capture = pytest.CaptureFixture[str]

ACME = """
vendor = "ACME"
model = "M1"
transports = ["{transport}"]
points = [
  {{ name = "voltage_phase_a", address = 0, type = "uint16" }},
  {{ name = "frequency", address = 4, type = "uint32" }},
  {{ name = "[red]", address = 100, type = "uint16" }},
]
[defaults]
{defaults}
"""


def planned(capsys: Capture, *arguments: str) -> dict[str, Any]:
    outcome = call(capsys, "plan", *arguments, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    document: dict[str, Any] = json.loads(outcome.out)
    return document


def acme(tmp_path: Path, transport: str = "rtu", defaults: str = "") -> str:
    file = tmp_path / "acme" / "m1.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(ACME.format(transport=transport, defaults=defaults))
    return str(file)


def test_json_has_the_blocks_the_cost_and_what_the_rules_would_cost(
    capsys: Capture, tmp_path: Path
) -> None:
    # At 9600 8N1 and 20 ms a request costs 40.833 ms and a register 2.083 ms.
    assert planned(capsys, acme(tmp_path)) == {
        "profile": "acme/m1",
        "requests": 2,
        "words": 7,
        "cost_ms": 96.25,
        "blocks": [
            {
                "table": "holding",
                "address": 0,
                "count": 6,
                "points": ["voltage_phase_a", "frequency"],
            },
            {"table": "holding", "address": 100, "count": 1, "points": ["[red]"]},
        ],
        "rules": {
            "per_value": {"requests": 3, "cost_ms": 130.833},
            "adjacent": {"requests": 3, "cost_ms": 130.833},
            "gap_16": {"requests": 2, "cost_ms": 96.25},
            "gap_50": {"requests": 2, "cost_ms": 96.25},
        },
    }


def test_sdm630_is_planned_by_its_short_name(capsys: Capture) -> None:
    document = planned(capsys, "sdm630", "--baud", "9600", "--latency-ms", "20")

    assert document["profile"] == "eastron/sdm630"
    assert sum(len(block["points"]) for block in document["blocks"]) == 62
    assert document["requests"] == len(document["blocks"]) == 4
    assert document["rules"]["per_value"] == {"requests": 62, "cost_ms": 2790.0}
    assert document["cost_ms"] < min(rule["cost_ms"] for rule in document["rules"].values())


def test_line_is_the_meters_own_unless_another_is_named(capsys: Capture, tmp_path: Path) -> None:
    file = acme(tmp_path, defaults='baudrate = 19200\nparity = "E"\nstopbits = 1')

    own = call(capsys, "plan", file).out
    other = call(capsys, "plan", file, "--baud", "38400", "--latency-ms", "3").out

    assert own.startswith("acme/m1 at 19200 8E1, answering after 20 ms: 3 values in 2 requests")
    assert other.startswith("acme/m1 at 38400 8E1, answering after 3 ms: ")


@pytest.mark.parametrize(
    ("transport", "arguments", "words"),
    [
        ("rtu", ("--tcp",), "over TCP, 5 ms there and back: 3 values in 1 request,"),
        (
            "rtu",
            ("--tcp", "--latency-ms", "0.02"),
            "over TCP, 0.02 ms there and back: 3 values in 2",
        ),
        ("tcp", (), "over TCP, 5 ms"),
        ("tcp", ("--baud", "9600"), "at 9600 8N1"),
    ],
)
def test_network_is_planned_for_on_request_and_for_meters_without_a_serial_line(
    capsys: Capture, tmp_path: Path, transport: str, arguments: tuple[str, ...], words: str
) -> None:
    outcome = call(capsys, "plan", acme(tmp_path, transport), *arguments)

    assert outcome.code == 0
    assert words in outcome.out


def test_people_see_the_blocks_and_the_rules(capsys: Capture, tmp_path: Path) -> None:
    outcome = call(capsys, "plan", acme(tmp_path))

    rows = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert "7 registers, 96.2 ms" in rows[0]
    assert "holding 0 6 53.3 voltage_phase_a, frequency" in rows
    assert "holding 100 1 42.9 [red]" in rows
    assert "this plan 2 7 96.2 1.00" in rows
    assert "one request a value 3 4 130.8 1.36" in rows
    assert [row for row in rows if row.startswith(("adjacent", "gaps up to 16", "gaps up to 50"))]


def test_bits_count_as_the_registers_they_fill(capsys: Capture) -> None:
    document = planned(capsys, "electric", "--tcp", "--latency-ms", "5")

    assert [block["table"] for block in document["blocks"]] == ["holding", "coil", "discrete"]
    assert document["words"] == 102 + 1 + 1


def test_device_file_is_planned_like_a_profile(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from energymeter import ModbusDevice, Register\n"
        "Mine = ModbusDevice('Mine', [Register('v', 10, 2, 'float32')], index_shift=-1)\n"
    )

    [block] = planned(capsys, "--device", str(file))["blocks"]

    assert block == {"table": "holding", "address": 9, "count": 2, "points": ["v"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name one meter: PROFILE, or --device FILE.py"),
        (("electric", "--device", "x.py"), "name one meter"),
        (("electic",), "'electic' is not known"),
        (("nowhere.toml",), "nowhere.toml"),
        (("--device", "nowhere.py"), "no such device file"),
        (("electric", "--tcp", "--baud", "9600"), "--baud is for a serial line"),
        (("electric", "--baud", "0"), "--baud"),
        (("electric", "--baud", "fast"), "'fast'"),
        (("electric", "--latency-ms", "0"), "--latency-ms"),
        (("electric", "--latency-ms", "nan"), "not a number"),
        (("electric", "water"), "unexpected extra argument"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_in_one_sentence(
    capsys: Capture, arguments: tuple[str, ...], words: str
) -> None:
    outcome = call(capsys, "plan", *arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err


def test_it_is_a_command_of_the_program() -> None:
    outcome = run("plan", "pm8000", "--json")

    assert outcome.code == 0
    assert json.loads(outcome.out)["profile"] == "schneider-electric/pm8000"
    assert "plan " in run("--help").out
