"""A unit is named after few reads, never more exactly than its answers allow."""

from __future__ import annotations

import asyncio
import math

import pytest
from benchmarks.doubles import DirectUnit, StillMeter
from benchmarks.scan_accuracy import are_twins

from energymeter.codec.codes import Table
from energymeter.discovery import Identity, ProfileTree, identify
from energymeter.discovery.tree import Probe
from energymeter.errors import ExceptionReplyError, RequestTimeout
from energymeter.profiles import Profile, ProfileLibrary
from energymeter.server import Handler, RegisterImage, Tables, UnitRouter

LIBRARY = ProfileLibrary([])
PROFILES = {name: LIBRARY.load(name) for name in LIBRARY.names()}
TREE = ProfileTree(PROFILES.values())


def identity_of(name: str, tree: ProfileTree = TREE, seed: int = 5) -> tuple[Identity, DirectUnit]:
    meter = StillMeter(PROFILES[name], seed)
    unit = DirectUnit(meter.tables, after_each=meter.pass_time)
    return asyncio.run(identify(unit, tree)), unit


@pytest.mark.parametrize(
    "name",
    [
        *("abb/b23", "carlo-gavazzi/em340", "energymeter/electric", "inepro-metering/pro380-mod"),
        *("kron/konect", "peacefair/pzem-016", "schneider-electric/pm8000", "wiren-board/wb-map3e"),
    ],
)
def test_a_model_of_its_own_is_named_alone(name: str) -> None:
    identity, unit = identity_of(name)

    assert identity.profiles == (name,)
    assert identity.requests == len(unit.requests)
    assert identity.plausible >= 0.8 * identity.judged


@pytest.mark.parametrize(
    "name",
    ["janitza/umg-96rm", "weidmueller/em525", "siemens/sentron-pac4200", "eastron/sdm120"],
)
def test_twins_are_named_together(name: str) -> None:
    identity, _ = identity_of(name)

    assert name in identity.profiles
    assert len(identity.profiles) > 1
    assert all(are_twins(PROFILES[name], PROFILES[other]) for other in identity.profiles)


def test_requests_grow_with_the_logarithm_of_the_profiles_not_with_their_number() -> None:
    requests = sorted(identity_of(name)[0].requests for name in list(PROFILES)[::6])

    assert requests[len(requests) // 2] <= 1.7 * math.log2(len(PROFILES))
    assert sum(requests) / len(requests) <= 2 * math.log2(len(PROFILES))
    assert requests[-1] <= 45


def test_only_registers_are_read() -> None:
    _, unit = identity_of("carlo-gavazzi/em540")

    assert {request.function for request in unit.requests} <= {3, 4}
    assert len({(r.function, r.address, r.count) for r in unit.requests}) == len(unit.requests)


def test_a_sunspec_device_is_recognised_and_its_models_are_listed() -> None:
    identity, _ = identity_of("solaredge/inverter-meter-1")

    assert identity.profiles == ("solaredge/inverter-meter-1",)
    assert identity.sunspec is not None
    assert identity.sunspec.models[0] == 1
    assert {201, 202, 203, 204} & set(identity.sunspec.models)
    assert identity.sunspec.manufacturer == "SolarEdge"


def test_a_meter_without_a_profile_is_not_given_a_name() -> None:
    unknown = ("selec/em2m", "kron/konect", "ziehl/efr4001ip", "carlo-gavazzi/em540")
    tree = ProfileTree(p for name, p in PROFILES.items() if name not in unknown)

    for name in unknown:
        identity, _ = identity_of(name, tree)
        assert identity.profiles == ()


@pytest.mark.parametrize("content", ["zero", "random", "refused"])
def test_what_is_no_meter_gets_no_name(content: str) -> None:
    words = bytes(0x20000)
    if content == "random":
        words = bytes((n * n * 31 + n // 7 * 57) & 0xFF for n in range(0x20000))
    image = RegisterImage() if content == "refused" else RegisterImage([(0, words)])

    identity = asyncio.run(identify(DirectUnit(Tables(holding=image, input=image)), TREE))

    assert identity.profiles == ()
    assert identity.sunspec is None


def test_silence_and_the_gateways_word_are_no_life() -> None:
    nobody: dict[int, Handler] = {}
    with pytest.raises(RequestTimeout):
        asyncio.run(identify(DirectUnit(UnitRouter(nobody)), TREE))
    with pytest.raises(ExceptionReplyError):
        asyncio.run(identify(DirectUnit(UnitRouter(nobody, is_silent=False)), TREE))


def test_a_dead_unit_is_asked_once() -> None:
    unit = DirectUnit(UnitRouter({}))

    with pytest.raises(RequestTimeout):
        asyncio.run(identify(unit, TREE))

    assert len(unit.requests) == 1


def test_a_unit_that_falls_silent_is_alive_all_the_same() -> None:
    class Tired:
        def __init__(self) -> None:
            self.left = 2

        def answer(self, _unit: int, pdu: bytes) -> bytes | None:
            self.left -= 1
            return bytes((pdu[0] | 0x80, 2)) if self.left >= 0 else None

    identity = asyncio.run(identify(DirectUnit(Tired()), TREE))

    assert identity.profiles == ()


def copies(profile: Profile) -> ProfileTree:
    twin = profile.model_copy(update={"name": "other/name"})
    return ProfileTree([profile, twin])


def test_no_probe_is_spent_on_profiles_that_are_the_same() -> None:
    tree = copies(PROFILES["eastron/sdm630"])

    assert tree.best_probe(frozenset({0, 1}), frozenset()) is None
    identity, _ = identity_of("eastron/sdm630", tree)
    assert set(identity.profiles) == {"eastron/sdm630", "other/name"}


def test_a_probe_splits_and_is_not_made_twice() -> None:
    everything = frozenset(range(len(TREE.leaves)))

    first = TREE.best_probe(everything, frozenset())
    assert first is not None
    assert TREE.best_probe(everything, frozenset({first})) != first
    classes = {leaf.expect(first).key for leaf in TREE.leaves}
    assert len(classes) > 10


def test_a_register_that_answers_otherwise_when_read_alone_is_asked_alone() -> None:
    leaf = next(leaf for leaf in TREE.leaves if leaf.profile.name == "carlo-gavazzi/em340")

    alone = leaf.expect(Probe(Table.HOLDING, 11, 1))
    inside = leaf.expect(Probe(Table.HOLDING, 0, 20))

    assert alone.fingerprints
    assert not inside.fingerprints
