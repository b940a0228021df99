"""Wrong usage: one clear line on stderr, exit code 2, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.programs import call, free_port, run

Capture = pytest.CaptureFixture[str]

NOWHERE = "127.0.0.1:1"
SERIAL = f"rtu+tcp://{NOWHERE}"


def refused(capsys: Capture, *arguments: str) -> str:
    """The one line a wrong call gets."""
    outcome = call(capsys, *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.err.count("\n") == 1, outcome.err
    assert outcome.err.startswith("energymeter")
    return outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("read", NOWHERE, "--profile", "electic"), ("'electic' is not known", "electric")),
        (("read", NOWHERE, "--profile", "zzzzzz"), ("'zzzzzz' is not known",)),
        (("read", NOWHERE, "--profile", "../../etc/passwd"), ("is not known",)),
        (("read", NOWHERE), ("--profile NAME", "--device FILE.py")),
        (("read",), ("HOST[:PORT]", "energymeter read --help")),
        (("read", "127.0.0.1:70000", "--profile", "electric"), ("port 70000", "1 to 65535")),
        (("read", "127.0.0.1:0", "--profile", "electric"), ("port 0", "give the port")),
        (("read", "127.0.0.1:http", "--profile", "electric"), ("'http'", "1 to 65535")),
        (("read", "127.0.0.1:", "--profile", "electric"), ("port is 'empty'",)),
        (("read", ":502", "--profile", "electric"), ("names no host", "HOST:502")),
        (("read", "[::1:502", "--profile", "electric"), ("[IPV6]:PORT",)),
        (("read", "nowhere.invalid", "--profile", "electric"), ("'nowhere.invalid'", "not known")),
        (("poll", "nowhere.invalid", "--profile", "electric"), ("'nowhere.invalid'", "not known")),
        (
            ("read", NOWHERE, "--profile", "electric", "--device", "x.py"),
            ("--profile or --device, not both",),
        ),
        (("read", NOWHERE, "--profile", "electric", "--unit", "256"), ("--unit", "255")),
        (("read", NOWHERE, "--profile", "electric", "--timeout", "0"), ("--timeout",)),
        (("read", NOWHERE, "--profile", "electric", "--timeout", "nan"), ("nan", "not a number")),
        (("poll", NOWHERE, "--profile", "electric", "--interval", "inf"), ("--interval",)),
        (("read", NOWHERE, "--profile", "electric", "--wordorder", "middle"), ("--wordorder",)),
        (("read", NOWHERE, "--profile", "electric", "--message-size", "126"), ("125",)),
        (
            ("read", NOWHERE, "--profile", "pm8000", "--message-size", "3"),
            ("active_energy_import takes 4 registers", "is 3"),
        ),
        (("read", NOWHERE, "--profile", "electric", "--watch", "--json"), ("--watch",)),
        (("read", NOWHERE, "--profile", "electric", "--watch"), ("terminal", "poll")),
        (("read", NOWHERE, "--profile", "pm8000", "--ct", "1e99999999"), ("--ct", "100/5")),
        (("read", NOWHERE, "--profile", "pm8000", "--ct", "nan"), ("--ct", "100/5")),
        (("poll", NOWHERE, "--profile", "pm8000", "--pt", "5/0"), ("--pt", "100/5")),
        (("poll", NOWHERE, "--profile", "pm8000", "--pt", "20"), ("--pt", "change nothing")),
        (
            ("read", SERIAL, "--profile", "sdm120", "--unit", "0-3"),
            ("unit 0 is the broadcast address",),
        ),
        (
            ("poll", SERIAL, "--profile", "sdm120", "--unit", "0"),
            ("unit 0 is the broadcast address",),
        ),
        (
            ("find", SERIAL, "--profile", "sdm120", "--unit", "0"),
            ("unit 0 is the broadcast address",),
        ),
        (("find", SERIAL, "--range", "0-9", "--unit", "0"), ("unit 0 is the broadcast address",)),
        (("dump", SERIAL, "--range", "0-9", "--unit", "0"), ("unit 0 is the broadcast address",)),
        (("scan", SERIAL, "--units", "0-3"), ("unit 0 is the broadcast address",)),
        (("doctor", SERIAL, "--unit", "0"), ("unit 0 is the broadcast address",)),
        (("find", NOWHERE), ("--profile NAME", "--device FILE.py", "--range")),
        (("dump", NOWHERE, "--range", "0-9", "--pause", "nan"), ("--pause", "not a number")),
        (("profile", "show", "x" * 5000), ("is not known",)),
        (("read", NOWHERE, "--device", "x" * 5000), ("File name too long",)),
        (("read", NOWHERE, "--device", "."), ("Is a directory",)),
        (("simulate", "--port", "70000"), ("--port", "65535")),
        (("simulate", "--meter-type", "steam"), ("'steam'", "'electric', 'water', 'gas'")),
        (("simulate", "--meter-type", "gas", "--profile", "gas"), ("give only one of",)),
        (("simulate", "--port", "65535", "--count", "2"), ("beyond 65535",)),
        (("simulate", "--address", "nowhere.invalid", "--port", "0"), ("cannot listen",)),
        (("simulate", "--speed", "nan", "--port", "0"), ("--speed", "not a number")),
        (("frame", "01", "0g"), ("'g' is not a hexadecimal digit",)),
        (("frame", "010"), ("3 hexadecimal digits",)),
        (("frame", ""), ("0 hexadecimal digits",)),
        (("frame",), ("HEX",)),
        (("nothing",), ("'nothing'", "energymeter --help")),
        (("--nothing",), ("--nothing",)),
    ],
    ids=lambda words: " ".join(words)[:80],
)
def test_wrong_arguments(
    capsys: Capture, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    line = refused(capsys, *arguments)
    for word in words:
        assert word in line


def test_a_port_in_use_cannot_be_listened_on(capsys: Capture, electric: str) -> None:
    port = electric.partition(":")[2]
    assert f"cannot listen on 127.0.0.1 port {port}" in refused(capsys, "simulate", "--port", port)


DEVICE = "from energymeter import ModbusDevice, Register\n"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("x = (\n", ("line 1", "never closed"), id="syntax error"),
        pytest.param("x = 1\0\n", ("py: source code", "null bytes"), id="no text"),
        pytest.param(DEVICE + "\n1 / 0\n", ("line 3", "ZeroDivisionError"), id="runtime error"),
        pytest.param("import sys\nsys.exit('bye')\n", ("bye",), id="ends the program"),
        pytest.param("import no_such_thing\n", ("no_such_thing", "pip install"), id="no package"),
        pytest.param("x = 1\n", ("has no ModbusDevice",), id="no device"),
        pytest.param(
            DEVICE
            + "One = ModbusDevice('1', [Register('v', 0, 1, 'uint16')])\n"
            + "Two = ModbusDevice('2', [Register('v', 0, 1, 'uint16')])\n",
            ("several devices", ":NAME", "One, Two"),
            id="several devices",
        ),
        pytest.param(
            DEVICE
            + "M = ModbusDevice('M', [Register('v', 0, 2, 'uint32'), "
            + "Register('w', 1, 2, 'float32')])\n",
            ("v (uint32, 0..1)", "w (float32, 1..2)", "overlap"),
            id="overlap",
        ),
        pytest.param(
            DEVICE
            + "M = ModbusDevice('M', [Register('v', 0, 2, 'uint32'), "
            + "Register('w', 0, 2, 'float32')])\n",
            ("v (uint32", "w (float32", "overlap"),
            id="one address, two types",
        ),
        pytest.param(
            DEVICE + "M = ModbusDevice('M', [Register('v', 0, 1, 'uint32')])\n",
            ("v: UINT32 takes 2 registers", "length says 1"),
            id="wrong length",
        ),
        pytest.param(
            DEVICE + "M = ModbusDevice('M', [Register('v', 0, 1, 'uint24')])\n",
            ("v: data type UINT24", "UINT16"),
            id="unknown type",
        ),
        pytest.param(
            DEVICE + "M = ModbusDevice('M', [Register('v', 0, 1, 'uint16')], index_shift=-1)\n",
            ("v: index 0 with shift -1", "address -1"),
            id="negative address",
        ),
        pytest.param(
            DEVICE + "M = ModbusDevice('M', [])\n", ("registers_map is empty",), id="no registers"
        ),
        pytest.param(
            DEVICE + "M = ModbusDevice('M', [Register('v', 0, 1)])\n",
            ("line 2", "'data_type'"),
            id="missing argument",
        ),
    ],
)
def test_broken_device_file(
    capsys: Capture, tmp_path: Path, source: str, words: tuple[str, ...]
) -> None:
    file = tmp_path / "broken.py"
    file.write_text(source)
    line = refused(capsys, "read", NOWHERE, "--device", str(file))
    for word in (str(file), *words):
        assert word in line


def test_line_numbers_are_right_for_a_relative_path(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("\n\nraise KeyError('x')\n")
    monkeypatch.chdir(tmp_path)
    assert "broken.py: line 3: KeyError" in refused(
        capsys, "read", NOWHERE, "--device", "broken.py"
    )


def test_missing_device_file_and_missing_name(capsys: Capture, tmp_path: Path) -> None:
    assert "no such device file" in refused(capsys, "read", NOWHERE, "--device", "nowhere.py")
    file = tmp_path / "one.py"
    file.write_text(DEVICE + "One = ModbusDevice('1', [Register('v', 0, 1, 'uint16')])\n")
    line = refused(capsys, "read", NOWHERE, "--device", f"{file}:Other")
    assert "'Other'" in line
    assert "One" in line


def test_a_real_process_has_no_traceback_either() -> None:
    outcome = run("read", NOWHERE, "--profile", "electic")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "did you mean electric?" in outcome.err


def test_a_refused_connection_in_a_real_process() -> None:
    outcome = run("read", f"127.0.0.1:{free_port()}", "--profile", "electric")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
