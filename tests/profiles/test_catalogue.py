"""The page of the meters names every profile, its quirks and its sources."""

from __future__ import annotations

import pytest

from energymeter.profiles import Profile, ProfileLibrary
from energymeter.profiles.catalogue import meters_page, quirks_of

LIBRARY = ProfileLibrary([])
PROFILES = [found for _, found in LIBRARY.load_each() if isinstance(found, Profile)]
PAGE = meters_page(PROFILES)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_meter_is_on_the_page_with_sources_and_quirks(profile: Profile) -> None:
    _, _, rest = PAGE.partition(f"\n## {profile.name}\n")
    section, _, _ = rest.partition("\n## ")

    assert f"[`{profile.name}`]" in PAGE
    assert all(source in section for source in profile.sources)
    assert all(quirk in section for quirk in quirks_of(profile))
    assert "Quantities: " in section


@pytest.mark.parametrize(
    ("name", "quirk"),
    [
        ("sdm630", "even"),
        ("sdm630", "80 registers"),
        ("sdm630", "Any register read alone"),
        ("em340", "Low word first"),
        ("em340", "Functions 3 and 4"),
        ("em340", "96..101"),
        ("em340", "Register 11 read alone"),
        ("dvh4013", "20..20, 22..22"),
        ("dvh4013", "gap"),
        ("konect", "Bytes inside"),
        ("pro-3em", "Swapped bytes"),
        ("dtsd422", "Encoding sign_magnitude"),
        ("wb-map3e", "Another word order"),
        ("smart-energy-meter", "SunSpec"),
        ("smart-energy-meter", "Unit 71"),
        ("ion6200", "Scaled by `scale_voltage`"),
        ("acuvim-ii", "ratio"),
        ("efr4001ip", "Count downwards"),
        ("pm180", "offset"),
        ("vm-3p75ct", "Not in every meter"),
        ("pv-data-logger-meter", "TCP port 503"),
        ("adw300", "1200 baud"),
    ],
)
def test_quirk_is_said_in_words(name: str, quirk: str) -> None:
    assert any(quirk in text for text in quirks_of(LIBRARY.load(name)))


def test_plain_meter_has_no_quirks() -> None:
    assert quirks_of(LIBRARY.load("pm8000")) == []
