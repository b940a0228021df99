"""What is written as a first site file loads, and names what was found."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.site.files import loaded, view_of

from energymeter.errors import ConfigError
from energymeter.site import site_warnings
from energymeter.site.write import (
    FoundLink,
    FoundMeter,
    check_may_write,
    new_site_text,
    save_site,
    site_text,
)


def test_a_new_file_loads_as_it_stands(tmp_path: Path) -> None:
    view = view_of(tmp_path, new_site_text())

    assert len(view.meters()) == 1
    assert site_warnings(view) == []


def test_a_new_file_has_the_address_and_profile_that_were_given(tmp_path: Path) -> None:
    site = loaded(tmp_path, new_site_text("rtu:///dev/ttyUSB0?parity=E", "em340"))

    assert (site.link[0].name, site.link[0].url) == ("ttyUSB0", "rtu:///dev/ttyUSB0?parity=E")
    assert (site.meter[0].name, site.meter[0].profile) == ("em340", "em340")


def test_what_is_commented_out_in_a_new_file_loads_too(tmp_path: Path) -> None:
    text = new_site_text()
    lines = [
        line.removeprefix("# ") if " = " in line or line.startswith("# [[") else line
        for line in text.splitlines()
    ]
    text = "\n".join(lines).replace("LINK", "192-0-2-10").replace("PROFILE", "sdm630")

    site = loaded(tmp_path, text)

    assert len(site.meter) == 33
    assert len(site.sink) == 1
    assert site.meter[0].rates is not None


def test_a_scan_becomes_a_link_a_host_and_a_meter_a_unit(tmp_path: Path) -> None:
    found = [
        FoundLink("tcp://192.0.2.1:502", (FoundMeter(1, ("eastron/sdm630",)),)),
        FoundLink("tcp://192.0.2.2:502", ()),
        FoundLink(
            "rtu:///dev/ttyUSB0?baudrate=19200",
            (
                FoundMeter(1, ("schneider-electric/pm8000",)),
                FoundMeter(2, ("schneider-electric/pm8000",)),
            ),
        ),
    ]

    view = view_of(tmp_path, site_text(found))

    assert [(link.name, [(m.name, m.unit) for m in link.meters]) for link in view.links] == [
        ("192-0-2-1", [("sdm630-1", 1)]),
        ("ttyUSB0", [("pm8000-1", 1), ("pm8000-2", 2)]),
    ]
    assert site_warnings(view) == []


def test_meters_that_would_be_called_alike_are_called_by_their_link(tmp_path: Path) -> None:
    meter = (FoundMeter(1, ("eastron/sdm630",)),)
    found = [
        FoundLink("tcp://192.0.2.1:502", meter),
        FoundLink("tcp://192.0.2.1:503", meter),
        FoundLink("tcp://plant:502", meter),
        FoundLink("tcp://192.0.2.1-2:502", meter),
    ]

    site = loaded(tmp_path, site_text(found))

    assert [link.name for link in site.link] == [
        "192-0-2-1",
        "192-0-2-1-2",
        "plant",
        "192-0-2-1-2-2",
    ]
    assert [meter.name for meter in site.meter] == [
        "192-0-2-1-sdm630-1",
        "192-0-2-1-2-sdm630-1",
        "plant-sdm630-1",
        "192-0-2-1-2-2-sdm630-1",
    ]


def test_profiles_that_fit_as_well_are_named_beside(tmp_path: Path) -> None:
    text = site_text(
        [FoundLink("192.0.2.1", (FoundMeter(5, ("eastron/sdm630", "eastron/sdm230")),))]
    )

    assert '# profile = "eastron/sdm230"' in text
    assert [meter.profile for meter in loaded(tmp_path, text).meter] == ["eastron/sdm630"]


def test_a_unit_that_no_profile_fits_is_a_comment_with_the_reason(tmp_path: Path) -> None:
    found = (FoundMeter(5, ()), FoundMeter(6, ("eastron/sdm630",)))
    text = site_text([FoundLink("192.0.2.1", found)])

    assert "# unit 5 answers, but no profile fits" in text
    assert "# unit = 5\n" in text
    assert [meter.unit for meter in loaded(tmp_path, text).meter] == [6]


def test_units_without_any_profile_still_make_a_file_that_loads(tmp_path: Path) -> None:
    text = site_text([FoundLink("192.0.2.1", (FoundMeter(5, ()), FoundMeter(6, ())))])

    assert loaded(tmp_path, text).meter == ()


def test_a_file_is_written_and_never_over_another(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    save_site(path, "first")

    with pytest.raises(ConfigError, match="--force"):
        save_site(path, "second")

    assert path.read_text() == "first"
    save_site(path, "third", force=True)
    assert path.read_text() == "third"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written: there is no folder"):
        save_site(tmp_path / "none" / "site.toml", "text")


def test_a_folder_that_is_not_there_is_told_before_anything_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        check_may_write(tmp_path / "nowhere" / "site.toml", force=False)
