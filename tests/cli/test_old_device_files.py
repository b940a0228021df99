"""Device files in the form of the original reader load unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.programs import call, simulator

Capture = pytest.CaptureFixture[str]

HEAD = "from flexmodbusreader.device import ModbusDevice, Register\n"

WITH_PYMODBUS = (
    "from pymodbus.client.tcp import ModbusTcpClient\n"
    + HEAD
    + "from flexmodbusreader.reader import ModbusDeviceDataReader\n"
    "F = ModbusTcpClient.DATATYPE\n"
)

BODY = """
MyDevice = ModbusDevice(
    model="My Own Meter",
    registers_map=[
        Register("voltage_phase_a", 3000, 2, {FLOAT32}),
        Register("active_energy_import", 3204, 4, {UINT64}),
        Register("current_phase_a", 2998, 2, {FLOAT32}),
    ],
    index_shift=-1,
)
"""


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(
            WITH_PYMODBUS
            + BODY.format(
                FLOAT32="ModbusTcpClient.DATATYPE.FLOAT32", UINT64="ModbusTcpClient.DATATYPE.UINT64"
            ),
            id="pymodbus's types",
        ),
        pytest.param(HEAD + BODY.format(FLOAT32="'float32'", UINT64="'UINT64'"), id="names"),
        pytest.param(
            HEAD
            + "from energymeter import DataType\n"
            + BODY.format(FLOAT32="DataType.FLOAT32", UINT64="DataType.UINT64"),
            id="our types",
        ),
    ],
)
def test_device_file_is_simulated_and_read(capsys: Capture, tmp_path: Path, source: str) -> None:
    file = tmp_path / "my_device.py"
    file.write_text(source)
    with simulator("--device", str(file), "--seed", "1") as program:
        target = f"127.0.0.1:{program.port}"
        outcome = call(capsys, "read", target, "--device", f"{file}:MyDevice", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    document = json.loads(outcome.out)
    assert document["meter"] == "My Own Meter"
    assert set(document["values"]) == {
        "voltage_phase_a",
        "active_energy_import",
        "current_phase_a",
    }
    assert 207 < document["values"]["voltage_phase_a"]["value"] < 253
    assert document["values"]["active_energy_import"]["value"] > 0


def test_a_device_file_leaves_nothing_in_its_folder(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "my_device.py"
    file.write_text(HEAD + BODY.format(FLOAT32="'float32'", UINT64="'uint64'"))
    call(capsys, "read", "127.0.0.1:1", "--device", str(file))
    assert [path.name for path in tmp_path.iterdir()] == ["my_device.py"]
