"""What a simulated meter says about itself: the SunSpec chain of models."""

from __future__ import annotations

from energymeter.profiles import ProfileLibrary, parse_profile
from energymeter.profiles.model import Profile
from energymeter.simulator import ImageMaker

SOLAREDGE = ProfileLibrary([]).load("solaredge/inverter-meter-1")


def words_of(profile: Profile, first: int, count: int) -> bytes:
    image = ImageMaker(profile, []).image({})
    for start, data in image.holding:
        if start <= first and first + count <= start + len(data) // 2:
            return data[2 * (first - start) :][: 2 * count]
    raise AssertionError(first)


def with_phases(phases: int) -> Profile:
    return SOLAREDGE.model_copy(update={"phases": phases})


def test_a_three_phase_meter_is_a_sunspec_model_203_although_its_like_may_be_others() -> None:
    assert SOLAREDGE.fingerprints[0].expect == (201, 202, 203, 204)
    assert words_of(SOLAREDGE, 40188, 2) == bytes((0, 203, 0, 105))


def test_a_one_phase_meter_of_the_same_map_is_a_model_201() -> None:
    assert words_of(with_phases(1), 40188, 1) == bytes((0, 201))


def test_the_meter_behind_the_inverter_has_a_maker_and_a_model_of_its_own() -> None:
    maker = words_of(SOLAREDGE, 40123, 16)
    model = words_of(SOLAREDGE, 40139, 16)

    assert maker.rstrip(b"\0") == b"SolarEdge"
    assert model.rstrip(b"\0") == b"PRO380-Mod"


def test_a_fingerprint_that_no_model_of_the_chain_is_keeps_its_first_value() -> None:
    profile = parse_profile(
        {
            "name": "test/meter",
            "vendor": "test",
            "model": "meter",
            "fingerprints": [{"address": 11, "type": "uint16", "expect": [341, 342]}],
            "points": [{"name": "voltage_phase_a", "address": 0, "type": "uint16", "unit": "V"}],
        },
        "test",
    )

    image = dict(ImageMaker(profile, []).image({}).holding)

    assert image[11] == (341).to_bytes(2, "big")
