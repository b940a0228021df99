"""Whoever builds a site gets links with their meters, and everything filled in."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.site.files import BUS, view_of, written

from energymeter.errors import ConfigError
from energymeter.profiles import ProfileLibrary, load_profile
from energymeter.site import LinkEntry, MeterEntry, ProfileShelf, Site, load_site, resolved

OWN = """
vendor = "ACME"
model = "M1"
sources = ["a test"]
points = [{ name = "frequency", address = 0, type = "uint16", unit = "Hz" }]

[defaults]
unit = 71
tcp_port = 8502
"""


def test_meters_are_on_their_links_in_the_order_of_the_file(tmp_path: Path) -> None:
    view = view_of(
        tmp_path,
        BUS
        + """
[[meter]]
name = "roof"
url = "tcp://192.0.2.7"
profile = "sdm630"

[[meter]]
name = "flat"
link = "bus1"
unit = 9
profile = "sdm630"
""",
    )

    assert [(link.name, [m.name for m in link.meters]) for link in view.links] == [
        ("bus1", ["main", "flat"]),
        ("tcp://192.0.2.7:502", ["roof"]),
    ]
    assert view.links[0].wire.serial is not None
    assert view.links[0].wire.serial.baudrate == 19_200
    assert list(view.meters()) == ["main", "flat", "roof"]


def test_meters_with_one_url_share_a_link_however_it_is_written(tmp_path: Path) -> None:
    meter = '[[meter]]\nname = "{0}"\nurl = "{0}"\nunit = {1}\nprofile = "pm8000"\n'
    view = view_of(
        tmp_path,
        meter.replace('name = "{0}"', 'name = "a"').format("gateway", 1)
        + meter.replace('name = "{0}"', 'name = "b"').format("tcp://Gateway:502", 2),
    )

    assert len(view.links) == 1
    assert [meter.entry.link for meter in view.links[0].meters] == ["tcp://gateway:502"] * 2


def test_the_link_of_a_url_is_called_without_its_options(tmp_path: Path) -> None:
    url = "rtu:///dev/ttyUSB0?baudrate=19200"
    view = view_of(tmp_path, f'[[meter]]\nname = "a"\nurl = "{url}"\nprofile = "pm8000"\n')

    assert view.links[0].name == "rtu:///dev/ttyUSB0"
    assert view.links[0].entry.url == url


def test_what_a_meter_does_not_say_the_defaults_and_the_profile_say(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "m1.toml").write_text(OWN)
    view = view_of(
        tmp_path,
        """
[defaults]
interval = "30s"
rated_current = 63
labels = { house = "A", floor = "1" }

[[meter]]
name = "own"
url = "tcp://192.0.2.7"
profile = "acme/m1.toml"
labels = { floor = "2" }

[[meter]]
name = "other"
url = "tcp://192.0.2.8"
profile = "pm8000"
rates = { fast = "2s" }
rated_current = 16
""",
    )

    own, other = view.meters().values()
    assert view.links[0].name == "tcp://192.0.2.7:8502"
    assert own.unit == 71
    assert own.interval_s == 30
    assert own.entry.interval == 30
    assert own.entry.rated_current == 63
    assert own.entry.labels == {"house": "A", "floor": "2"}
    assert own.profile == load_profile(tmp_path / "acme" / "m1.toml")
    assert other.interval_s == 2
    assert other.entry.interval is None
    assert other.entry.rated_current == 16


def test_patterns_pick_the_points_to_read(tmp_path: Path) -> None:
    view = view_of(tmp_path, BUS + 'points = ["voltage_phase_?", "frequency"]\n')

    meter = view.meters()["main"]
    assert {point.name for point in meter.points} == {
        "voltage_phase_a",
        "voltage_phase_b",
        "voltage_phase_c",
        "frequency",
    }


def test_without_patterns_everything_that_can_be_read_is(tmp_path: Path) -> None:
    meter = view_of(tmp_path, BUS).meters()["main"]

    assert meter.points == meter.profile.readable_points


def test_a_profile_is_loaded_once_for_all_meters(tmp_path: Path) -> None:
    bulk = BUS.replace('"main"', '"m-{unit}"') + 'units = "1-40"\n'
    meters = view_of(tmp_path, bulk).meters().values()

    assert len(meters) == 40
    assert len({id(meter.profile) for meter in meters}) == 1


def test_profiles_are_found_in_the_folders_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "m1.toml").write_text(OWN)
    shelf = ProfileShelf(ProfileLibrary([tmp_path]))
    path = written(tmp_path, BUS.replace("pm8000", "m1"))

    view = resolved(load_site(path, shelf), shelf)

    assert view.meters()["main"].profile.name == "acme/m1"


def test_certificates_of_a_url_start_from_the_files_folder(tmp_path: Path) -> None:
    text = '[[link]]\nname = "a"\nurl = "tls://meter?cert=none.pem&key=key.pem"\n'

    with pytest.raises(ConfigError, match=str(tmp_path / "none.pem")):
        view_of(tmp_path, text)


def test_a_site_made_in_python_is_resolved_alike() -> None:
    site = Site(
        link=(LinkEntry(name="a", url="192.0.2.1"),),
        meter=(MeterEntry(name="m{unit}", link="a", units=(1, 2), profile="pm8000"),),
    )

    assert list(resolved(site).meters()) == ["m1", "m2"]


def test_a_site_made_in_python_that_cannot_be_names_the_meter() -> None:
    site = Site(name="plant", meter=(MeterEntry(name="main", link="a", profile="pm8000"),))

    with pytest.raises(ConfigError, match=r'plant: meter\[1\] "main" link: there is no link'):
        resolved(site)
