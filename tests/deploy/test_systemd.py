"""The unit file: systemd itself finds nothing wrong, and it says what the program keeps."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import click
import pytest

from energymeter.cli.app import cli

UNIT = Path(__file__).parents[2] / "deploy" / "energymeter.service"


def settings() -> dict[str, list[str]]:
    """Key -> values, of all sections."""
    found = defaultdict(list)
    for line in UNIT.read_text("utf-8").splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found[key].append(value)
    return found


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program in its place that exists here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    copy = tmp_path / UNIT.name
    program = settings()["ExecStart"][0].split()[0]
    copy.write_text(UNIT.read_text("utf-8").replace(program, "/bin/true"))
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, check=False
    )


def test_systemd_finds_nothing_wrong(unit: Path) -> None:
    done = analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


def test_what_it_may_do_to_the_machine_is_little(unit: Path) -> None:
    done = analyze("security", "--offline=true", "--threshold=20", str(unit))
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_it_runs_commands_that_exist() -> None:
    program, command, site = shlex.split(settings()["ExecStart"][0])
    assert Path(program).name == "energymeter"
    assert command in cli.list_commands(click.Context(cli))
    folder = settings()["ConfigurationDirectory"][0]
    assert Path(site).parent == Path("/etc") / folder


def test_it_speaks_the_way_the_program_does() -> None:
    found = settings()
    assert found["Type"] == ["notify"]
    assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert found["Restart"] == ["on-failure"]
    assert found["RestartPreventExitStatus"] == ["2"]  # a site file that is wrong
    assert found["WatchdogSec"]


def test_it_has_a_user_of_its_own_and_the_serial_ports() -> None:
    found = settings()
    assert found["User"] == ["energymeter"]
    assert found["SupplementaryGroups"] == ["dialout"]
    assert found["StateDirectory"] == ["energymeter"]
    # Either would hide adapters that are plugged in later.
    assert not found["PrivateDevices"] + found["DeviceAllow"] + found["ProtectClock"]
