"""A good site file becomes what it says."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from tests.site.files import BUS, loaded, written

from energymeter.errors import ConfigError
from energymeter.site import Rates, load_site
from energymeter.site.model import PostgresStoreEntry, SqliteStoreEntry, WebEntry
from energymeter.site.sinks import CsvEntry, JsonLinesEntry, MqttEntry


def test_an_empty_file_is_a_site_with_a_store_and_a_page(tmp_path: Path) -> None:
    site = loaded(tmp_path, "")

    assert site.name == "site"
    assert site.meter == ()
    assert site.web == WebEntry()
    assert site.store == SqliteStoreEntry(path=tmp_path / "energymeter.db")
    assert site.state == tmp_path / "state"


def test_false_switches_store_and_web_off(tmp_path: Path) -> None:
    site = loaded(tmp_path, "store = false\nweb = false\n")

    assert site.store is None
    assert site.web is None


def test_durations_and_sizes_are_read_as_people_write_them(tmp_path: Path) -> None:
    site = loaded(
        tmp_path,
        BUS
        + """
rates = { fast = "500ms", slow = "5m", once = "1d" }
ct = "100/5"

[[sink]]
type = "csv"
folder = "out"
buffer = "2GB"
every = "15m"
keep = "1y"
""",
    )

    assert site.meter[0].rates == Rates(fast=0.5, slow=300, once=86_400)
    assert site.meter[0].ct == Fraction(20)
    sink = site.sink[0]
    assert isinstance(sink, CsvEntry)
    assert (sink.buffer, sink.every, sink.keep) == (2_000_000_000, 900, 365 * 86_400)


def test_paths_start_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    (tmp_path / "word").write_text("hunter2\n")

    site = loaded(
        tmp_path,
        """
state = "var/state"

[store]
path = "../history.db"

[[sink]]
type = "csv"
folder = "out"

[[sink]]
type = "json"
path = "/var/log/meters.jsonl"

[[sink]]
type = "mqtt"
host = "broker"
tls = true
ca_file = "ca.pem"
username = "me"
password = { file = "word" }
""",
    )

    csv, lines, mqtt = site.sink
    assert site.state == tmp_path / "var" / "state"
    assert isinstance(site.store, SqliteStoreEntry)
    assert site.store.path == tmp_path / ".." / "history.db"
    assert isinstance(csv, CsvEntry)
    assert csv.folder == tmp_path / "out"
    assert isinstance(lines, JsonLinesEntry)
    assert lines.path == Path("/var/log/meters.jsonl")
    assert isinstance(mqtt, MqttEntry)
    assert mqtt.ca_file == tmp_path / "ca.pem"
    assert mqtt.password is not None
    assert mqtt.password.reveal() == "hunter2"


def test_a_file_named_from_elsewhere_still_starts_from_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "")
    monkeypatch.chdir(tmp_path.parent)

    site = load_site(Path(tmp_path.name) / "site.toml")

    assert site.state == tmp_path / "state"


def test_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")

    assert loaded(tmp_path, 'state = "~/state"').state == Path("/home/somebody/state")


def test_meters_in_bulk_come_out_one_by_one(tmp_path: Path) -> None:
    site = loaded(
        tmp_path,
        """
[[link]]
name = "bus1"
url = "rtu:///dev/ttyUSB0"

[[meter]]
name = "flat-{unit}"
link = "bus1"
units = "1-3,20"
profile = "sdm630"
labels = { flat = "no {unit}", house = "A" }
""",
    )

    assert [meter.name for meter in site.meter] == ["flat-1", "flat-2", "flat-3", "flat-20"]
    assert [meter.unit for meter in site.meter] == [1, 2, 3, 20]
    assert site.meter[3].labels == {"flat": "no 20", "house": "A"}
    assert all(meter.units is None for meter in site.meter)


def test_units_may_be_a_list(tmp_path: Path) -> None:
    site = loaded(
        tmp_path,
        '[[meter]]\nname = "m{unit}"\nurl = "192.0.2.1"\nunits = [7, 3]\nprofile = "pm8000"\n',
    )

    assert [meter.name for meter in site.meter] == ["m3", "m7"]


def test_a_sink_is_called_by_its_type_unless_it_has_a_name(tmp_path: Path) -> None:
    site = loaded(
        tmp_path,
        """
[[sink]]
type = "mqtt"
host = "broker"

[[sink]]
type = "mqtt"
name = "cloud"
host = "broker"

[[sink]]
type = "prometheus"
""",
    )

    assert [sink.name for sink in site.sink] == ["mqtt", "cloud", "prometheus"]


def test_a_database_is_named_by_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE", "postgresql://me:hunter2@db/meters")

    site = loaded(tmp_path, '[store]\ntype = "postgres"\nurl = { env = "DATABASE" }\n')

    assert isinstance(site.store, PostgresStoreEntry)
    assert site.store.url.reveal() == "postgresql://me:hunter2@db/meters"


@pytest.mark.parametrize(
    ("listen", "place", "is_local"),
    [
        ("127.0.0.1:9000", ("127.0.0.1", 9000), True),
        (":9000", ("127.0.0.1", 9000), True),
        ("localhost", ("localhost", 8080), True),
        ("[::1]:0", ("::1", 0), True),
        ("0.0.0.0:80", ("0.0.0.0", 80), False),
        ("meters.example:80", ("meters.example", 80), False),
    ],
)
def test_where_the_web_listens_is_taken_apart(
    listen: str, place: tuple[str, int], is_local: bool
) -> None:
    web = WebEntry.model_validate({"listen": listen, "token": "hunter2"})

    assert web.place == place
    assert web.is_local is is_local


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="energymeter site new"):
        load_site(tmp_path / "none.toml")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "site.toml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load_site(path)

    assert caught.value.message.startswith(f"{path}: cannot be read: ")
    assert "\n" not in caught.value.message
