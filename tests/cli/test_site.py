"""`energymeter site`, and `energymeter scan --to-site`, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.programs import call, free_port, run

BUS = """
[[link]]
name = "bus1"
url = "rtu:///dev/ttyUSB0?baudrate=9600"

[[meter]]
name = "flat-{unit}"
link = "bus1"
units = "UNITS"
profile = "sdm630"
"""

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def test_check_sums_a_site_up(site: Path, capsys: Capture) -> None:
    site.write_text(BUS.replace("UNITS", "1-4"))

    done = call(capsys, "site", "check", str(site))

    assert done.code == 0
    first, *others = done.out.splitlines()
    assert first == f"{site}: 1 link, 4 meters, 0.4 polls/s, 1.6 requests/s"
    assert f"store: sqlite {site.parent / 'energymeter.db'}" in others
    assert "web: 127.0.0.1:8080" in others
    assert "sinks: none" in others
    assert others[-1].startswith("link bus1: 4 meters, 0.4 polls/s, 1.6 requests/s, busy 21 %")
    assert done.err == ""


def test_check_says_when_a_line_cannot_keep_its_schedule(site: Path, capsys: Capture) -> None:
    site.write_text(BUS.replace("UNITS", "1-32"))

    done = call(capsys, "site", "check", str(site))

    assert done.code == 0
    assert "warning: link 'bus1': 32 meters would keep it busy 167 % of the time" in done.err
    assert "intervals 2.1 times as long" in done.err


def test_check_says_when_there_is_little_room(site: Path, capsys: Capture) -> None:
    site.write_text(BUS.replace("UNITS", "1-17"))

    done = call(capsys, "site", "check", str(site))

    assert "17 meters would keep it busy 89 % of the time, which leaves little" in done.err


def test_rates_relieve_a_line(site: Path, capsys: Capture) -> None:
    site.write_text(
        BUS.replace("UNITS", "1-32") + 'rates = { fast = "30s", slow = "5m", once = "1d" }\n'
    )

    done = call(capsys, "site", "check", str(site))

    assert done.code == 0
    assert done.err == ""


def test_a_large_site_shows_the_busiest_links_only(site: Path, capsys: Capture) -> None:
    site.write_text(
        "".join(
            f'[[meter]]\nname = "m{number}"\nurl = "10.0.0.{number}"\nprofile = "pm8000"\n'
            f"interval = {300 - number}\n"
            for number in range(1, 41)
        )
    )

    done = call(capsys, "site", "check", str(site))

    lines = [line for line in done.out.splitlines() if line.startswith("link ")]
    assert lines[0].startswith("link tcp://10.0.0.40:502: 1 meter")
    assert len(lines) == 20
    assert done.out.splitlines()[-1] == "and 20 links that are less busy"


def test_check_tells_all_that_is_wrong_and_ends_with_2(site: Path, capsys: Capture) -> None:
    site.write_text(BUS.replace("UNITS", "1-4") + 'unit = "five"\ninterval = 0\n')

    done = call(capsys, "site", "check", str(site))

    assert done.code == 2
    assert done.out == ""
    assert [line.split(": ")[-2] for line in done.err.splitlines()] == [
        'meter[1] "flat-{unit}" unit',
        'meter[1] "flat-{unit}" interval',
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "none.toml"],
        ["check"],
        ["new", "--url", "rtu:/dev/ttyUSB0"],
        ["new", "--url", "dial://192.0.2.1:502"],
        ["new", "--profile", "nothing-like-it"],
        ["new", "no-such-folder/site.toml"],
        ["schema", "-o", "no-such-folder/x.json"],
    ],
)
def test_wrong_usage_is_one_sentence_and_code_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)

    done = call(capsys, "site", *arguments)

    assert done.code == 2
    assert done.out == ""
    assert len(done.err.splitlines()) == 1


def test_a_new_file_passes_the_check(site: Path, capsys: Capture) -> None:
    made = call(capsys, "site", "new", str(site), "--url", "192.0.2.7", "--profile", "em340")
    checked = call(capsys, "site", "check", str(site))

    assert made.code == checked.code == 0
    assert made.err == f"energymeter: wrote {site}\n"
    assert 'url = "tcp://192.0.2.7:502"' in site.read_text()
    assert checked.err == ""


def test_a_new_file_is_printed_when_no_place_is_named(capsys: Capture) -> None:
    done = call(capsys, "site", "new")

    assert done.code == 0
    assert "[[meter]]" in done.out


def test_a_new_file_finds_a_profile_that_is_a_file(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "here" / "acme").mkdir(parents=True)
    (tmp_path / "here" / "acme" / "m1.toml").write_text(
        'vendor = "A"\nmodel = "B"\nsources = ["x"]\n'
        'points = [{ name = "frequency", address = 0, type = "uint16", unit = "Hz" }]\n'
    )
    monkeypatch.chdir(tmp_path / "here")

    for place in (site, Path("site.toml")):
        made = call(capsys, "site", "new", str(place), "--profile", "acme/m1.toml")
        checked = call(capsys, "site", "check", str(place))

        assert made.code == checked.code == 0


def test_a_file_that_is_there_stays_unless_forced(site: Path, capsys: Capture) -> None:
    site.write_text("mine")

    refused = call(capsys, "site", "new", str(site))
    assert refused.code == 2
    assert "--force" in refused.err
    assert site.read_text() == "mine"

    assert call(capsys, "site", "new", str(site), "--force").code == 0
    assert site.read_text() != "mine"


def test_the_schema_is_printed_or_written(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "site.schema.json"

    printed = call(capsys, "site", "schema")
    written = call(capsys, "site", "schema", "-o", str(path))

    assert printed.code == written.code == 0
    assert json.loads(printed.out) == json.loads(path.read_text())
    assert "MeterEntry" in json.loads(printed.out)["$defs"]


def test_a_scan_becomes_a_site_that_passes_the_check(
    pm8000: str, site: Path, capsys: Capture
) -> None:
    scanned = call(capsys, "scan", pm8000, "--units", "1-2", "--to-site", str(site))
    checked = call(capsys, "site", "check", str(site))

    assert scanned.code == checked.code == 0
    assert f"energymeter: wrote {site}" in scanned.err
    assert scanned.out.splitlines()[-1] == "2 of 2 units answer"
    assert f'url = "tcp://{pm8000}"' in site.read_text()
    assert ": 1 link, 2 meters, 0.2 polls/s" in checked.out


def test_a_scan_refuses_to_overwrite_before_it_asks_anybody(site: Path, capsys: Capture) -> None:
    site.write_text("mine")

    done = call(capsys, "scan", f"127.0.0.1:{free_port()}", "--to-site", str(site))

    assert done.code == 2
    assert "--force" in done.err
    assert "asking" not in done.err
    assert site.read_text() == "mine"


def test_a_scan_that_finds_nobody_writes_nothing(site: Path, capsys: Capture) -> None:
    where = f"127.0.0.1:{free_port()}"

    done = call(capsys, "scan", where, "--units", "1", "--to-site", str(site))

    assert done.code == 1
    assert not site.exists()


def test_check_runs_as_a_program_of_its_own(site: Path) -> None:
    site.write_text(BUS.replace("UNITS", "1-4"))

    done = run("site", "check", str(site))

    assert (done.code, done.err) == (0, "")
