"""`energymeter profile` as a user meets it."""

from __future__ import annotations

import json
import shutil
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.programs import ROOT, call

from energymeter.profiles import ProfileLibrary, load_profile

FILES = ROOT / "tests" / "profiles" / "files"
FACTS = ROOT / "tests" / "facts"
POINT = '{ name = "voltage_phase_a", address = 3, type = "uint16", unit = "V" }'
GOOD = f'vendor = "Acme"\nmodel = "M1"\nphases = 1\nsources = ["p. 3"]\npoints = [{POINT}]\n'


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "energymeter" / "profiles"


def write(folder: Path, name: str, text: str = GOOD) -> Path:
    path = folder / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_list_shows_every_profile(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(capsys, "profile", "list")

    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert sum("/" in line.split(" ")[2] for line in lines if line.startswith("  ")) == len(
        ProfileLibrary([]).names()
    )
    (line,) = [line for line in lines if " eastron/sdm630 " in line]
    assert line.split() == ["eastron/sdm630", "Eastron", "SDM630", "electricity", "62", "rtu"]


def test_list_as_json_is_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    entries = json.loads(call(capsys, "profile", "list", "--json").out)

    (entry,) = [entry for entry in entries if entry["profile"] == "seneca/s604"]
    assert (entry["vendor"], entry["points"], entry["transports"]) == ("Seneca", 28, ["rtu"])


def test_broken_profile_is_listed_as_broken_and_the_others_go_on(
    capsys: pytest.CaptureFixture[str], own: Path
) -> None:
    write(own, "acme/good")
    path = write(own, "acme/broken", GOOD.replace("uint16", "int24"))

    outcome = call(capsys, "profile", "list")

    assert outcome.code == 1
    assert "acme/good" in outcome.out
    assert "siemens/sentron-pac2200" in outcome.out
    (line,) = [line for line in outcome.out.splitlines() if "acme/broken" in line]
    assert line.split()[1:] == ["broken"]
    assert f"{path}: points.voltage_phase_a.type" in outcome.err
    assert outcome.err.count("\n") == 1


def test_profile_path_comes_before_own_and_shipped(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, own: Path
) -> None:
    write(tmp_path / "extra", "acme/m1", GOOD.replace("M1", "from the path"))
    write(own, "acme/m1")
    write(own, "acme/m2")

    outcome = call(capsys, "profile", "list", "--profile-path", str(tmp_path / "extra"), "--json")

    models = {entry["profile"]: entry["model"] for entry in json.loads(outcome.out)}
    assert (models["acme/m1"], models["acme/m2"]) == ("from the path", "M1")


def test_read_takes_a_profile_path_and_a_profile_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, electric: str
) -> None:
    shipped = ProfileLibrary([]).path_of("electric")
    path = tmp_path / "extra" / "acme" / "mine.toml"
    path.parent.mkdir(parents=True)
    shutil.copy(shipped, path)

    by_name = call(
        capsys, "read", electric, "--profile", "mine", "--json", "--profile-path",
        str(tmp_path / "extra"),
    )  # fmt: skip
    by_file = call(capsys, "read", electric, "--profile", str(path), "--json")

    assert (by_name.code, by_file.code) == (0, 0)
    assert json.loads(by_name.out)["meter"] == json.loads(by_file.out)["meter"] == "acme/mine"


def test_show_says_quirks_sources_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(capsys, "profile", "show", "ion6200")

    assert outcome.code == 0
    assert outcome.out.startswith("schneider-electric/ion6200: Schneider Electric ION6200\n")
    assert "quirk: Low word first." in outcome.out
    assert "source: VOLTTRON/volttron" in outcome.out
    (line,) = [line for line in outcome.out.splitlines() if " voltage_phase_a " in line]
    assert line.split()[:5] == ["voltage_phase_a", "holding", "99", "uint16", "V"]
    assert "x scale_voltage" in line


def test_show_as_toml_is_the_profile(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    outcome = call(capsys, "profile", "show", "em340", "--toml")

    path = write(tmp_path, "carlo-gavazzi/em340", outcome.out)
    assert load_profile(path) == ProfileLibrary([]).load("em340")


def test_show_of_an_unknown_profile_suggests_one(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(capsys, "profile", "show", "sdm360")

    assert outcome.code == 2
    assert "did you mean" in outcome.err


def test_lint_of_all_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(capsys, "profile", "lint")

    assert outcome.code == 0
    assert " 0 errors" in outcome.out.splitlines()[-1]
    assert "error:" not in outcome.out


def test_lint_of_a_file_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    good = write(tmp_path, "acme/good")
    bad = write(tmp_path, "acme/bad", GOOD.replace('"V"', '"A"').replace('"p. 3"', ""))

    outcome = call(capsys, "profile", "lint", str(good), str(bad), "pm8000")

    assert outcome.code == 1
    assert outcome.out.splitlines() == [
        f"{bad}: error: sources: say where the facts come from: document, revision, page",
        f"{bad}: error: voltage_phase_a: unit A is none of voltage (V)",
        "3 checked, 2 errors, 0 warnings",
    ]


def test_lint_of_a_file_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(capsys, "profile", "lint", "absent.toml")

    assert outcome.code == 1
    assert "absent.toml: error: cannot be read" in outcome.out


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads(call(capsys, "profile", "schema").out)

    assert schema["properties"]["vendor"]["type"] == "string"


def test_new_profile_is_found_by_its_name(capsys: pytest.CaptureFixture[str], own: Path) -> None:
    made = call(capsys, "profile", "new", "Müller & Co", "M-1 (rev B)")
    again = call(capsys, "profile", "new", "Müller & Co", "M-1 (rev B)")
    lint = call(capsys, "profile", "lint", "m-1")

    assert made.code == 0
    assert f"wrote {own / 'muller-co' / 'm-1.toml'}" in made.err
    assert again.code == 2
    assert "exists" in again.err
    assert lint.code == 0


def test_new_profile_goes_where_it_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "deep" / "mine.toml"

    assert call(capsys, "profile", "new", "Acme", "M1", "-o", str(path)).code == 0
    assert load_profile(path).vendor == "Acme"


def test_import_of_facts_prints_the_profile(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(capsys, "profile", "import", str(FACTS / "seneca-s604.json"))

    assert outcome.code == 0
    data = tomllib.loads(outcome.out)
    assert (data["vendor"], data["model"], len(data["points"])) == ("Seneca", "S604", 28)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("modpoll.csv", "modpoll"),
        ("telegraf_request.conf", "telegraf"),
        ("home_assistant.yaml", "home-assistant"),
        ("modbus_exporter.yml", "modbus-exporter"),
    ],
)
def test_import_of_another_programs_file_warns_of_what_is_left(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, form: str
) -> None:
    path = tmp_path / "acme" / "m1.toml"
    named = ["--vendor", "Acme", "--model", "M1"]

    outcome = call(
        capsys, "profile", "import", str(FILES / name), "--from", form, *named, "-o", str(path)
    )

    assert outcome.code == 0
    assert "warning: " in outcome.err
    profile = load_profile(path)
    assert (profile.name, profile.vendor, profile.model) == ("acme/m1", "Acme", "M1")


def test_import_of_a_part(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(capsys, "profile", "import", str(FILES / "modpoll.csv"), "--part", "hall 4")

    assert tomllib.loads(outcome.out)["defaults"]["unit"] == 8


@pytest.mark.parametrize("arguments", [["absent.json"], [str(ROOT / "Makefile")]])
def test_import_of_what_is_no_such_file_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    outcome = call(capsys, "profile", "import", *arguments)

    assert outcome.code == 2
    assert outcome.err.count("\n") == 1


def test_export_prints_the_form_and_says_what_is_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = call(capsys, "profile", "export", "solaredge/inverter-meter-1", "--to", "modpoll")

    assert outcome.code == 0
    assert outcome.out.startswith("device,inverter-meter-1,1\n")
    assert "warning: current_total" in outcome.err


def test_export_never_writes_over_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("mine", "utf-8")

    outcome = call(capsys, "profile", "export", "em340", "--to", "home-assistant", "-o", str(path))

    assert outcome.code == 2
    assert path.read_text("utf-8") == "mine"


def test_loading_stays_within_its_budget() -> None:
    """Promised: all in 300 ms, one in 30 ms. Three times that here, for slow machines."""
    library = ProfileLibrary([])

    def took_s(load: Callable[[], object]) -> float:
        begin = time.process_time()
        load()
        return time.process_time() - begin

    assert min(took_s(lambda: list(library.load_each())) for _ in range(3)) < 0.9
    assert min(took_s(lambda: library.load("wattnode-wnc-modbus")) for _ in range(3)) < 0.09
