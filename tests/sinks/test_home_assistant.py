"""What Home Assistant is told, held against what its documentation allows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from tests.sinks.mqtt_meters import ELECTRIC, PROFILES, info_of, poll_at

from energymeter.profiles import ProfileLibrary
from energymeter.service.sink import MeterInfo
from energymeter.sinks.home_assistant import Discovery
from energymeter.sinks.homie import HomieLayout
from energymeter.sinks.mqtt_layout import TopicLayout
from energymeter.sinks.mqtt_plain import PlainLayout

SCHEMA: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "home_assistant_schema.json").read_text("utf-8")
)


def layout_of_kind(kind: str) -> TopicLayout:
    if kind == "plain":
        return PlainLayout("energymeter", "My site")
    return HomieLayout("homie", "My site", lambda: 0.0)


def announced(
    info: MeterInfo, layout: TopicLayout | None = None, **more: Any
) -> tuple[str, dict[str, Any]]:
    discovery = Discovery("homeassistant", "My site", layout or layout_of_kind("plain"), **more)
    (message,) = discovery.announcements({info.name: info})
    assert message.retain
    return message.topic, json.loads(message.payload)


def spelled_out(data: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    full = {words.get(key, key): value for key, value in data.items()}
    assert len(full) == len(data), "a key stands there twice, short and long"
    return full


def check_keys(data: Mapping[str, Any], rules: Mapping[str, Any]) -> None:
    required = set(rules.get("required", ()))
    assert required <= set(data)
    assert set(data) <= required | set(rules["optional"])


def check_class(component: Mapping[str, Any]) -> None:
    unit, state_class = component.get("unit_of_measurement"), component.get("state_class")
    assert state_class in (None, *SCHEMA["state_classes"])
    device_class = component.get("device_class")
    if device_class is not None:
        rules = SCHEMA["device_classes"][device_class]
        assert unit in rules["units"]
        assert state_class is None or state_class in rules["state_classes"]


def check_component(component: Mapping[str, Any]) -> dict[str, Any]:
    full = spelled_out(component, SCHEMA["abbreviations"])
    check_keys(full, SCHEMA["platforms"][full["platform"]])
    check_class(full)
    assert not re.search(r"[+#\x00]", full["state_topic"])
    if "entity_category" in full:
        assert full["entity_category"] in SCHEMA["entity_categories_of_sensors"]
    for key in ("expire_after", "suggested_display_precision"):
        assert isinstance(full.get(key, 0), int)
        assert full.get(key, 0) >= 0
    return full


def check(topic: str, message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Fails where Home Assistant would not take it; returns the components with long keys."""
    assert re.match(SCHEMA["topic"], topic)
    root = spelled_out(message, SCHEMA["abbreviations"])
    check_keys(root, SCHEMA["root"])
    device = spelled_out(root["device"], SCHEMA["device_abbreviations"])
    check_keys(device, SCHEMA["device"])
    assert any(device.get(key) for key in SCHEMA["device"]["needs_one_of"])
    check_keys(spelled_out(root["origin"], SCHEMA["origin_abbreviations"]), SCHEMA["origin"])
    assert root["availability_mode"] in SCHEMA["availability"]["modes"]
    for place in root["availability"]:
        check_keys(spelled_out(place, SCHEMA["abbreviations"]), SCHEMA["availability"])
    components = [check_component(each) for each in root["components"].values()]
    assert components
    assert len({each["unique_id"] for each in components}) == len(components)
    assert len({each["name"] for each in components}) == len(components)
    return components


@pytest.mark.parametrize("kind", ["plain", "homie"])
@pytest.mark.parametrize("profile", PROFILES)
def test_announcement_is_as_documented(profile: str, kind: str) -> None:
    info = info_of(profile=profile)
    components = check(*announced(info, layout_of_kind(kind)))
    assert len(components) == len(info.series)


@pytest.mark.parametrize("profile", ProfileLibrary([]).names())
def test_every_shipped_meter_is_announced_as_documented(profile: str) -> None:
    check(*announced(info_of(profile=profile)))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_value_template_finds_its_value_in_the_state(profile: str) -> None:
    layout = PlainLayout("energymeter", "My site")
    info = info_of(profile=profile)
    components = check(*announced(info, layout))
    list(layout.opening({info.name: info}, {}))
    (state,) = layout.of_poll(poll_at(info, 1.0))
    values = json.loads(state.payload)["values"]
    asked = []
    for component in components:
        assert component["state_topic"] == state.topic
        match = re.fullmatch(
            r"\{\{ value_json\['values'\]\.get\((\".*\")\) \}\}", component["value_template"]
        )
        assert match is not None
        asked.append(json.loads(match[1]))
    assert asked == list(values)


def component_of(profile: str, name: str) -> dict[str, Any]:
    _, message = announced(info_of(profile=profile))
    found: dict[str, Any] = message["cmps"][name]
    return found


@pytest.mark.parametrize(
    ("profile", "name", "expected"),
    [
        (ELECTRIC, "voltage_phase_a", ("voltage", "measurement", "V", 1)),
        (ELECTRIC, "active_energy_import", ("energy", "total_increasing", "kWh", 2)),
        (ELECTRIC, "frequency", ("frequency", "measurement", "Hz", 2)),
        ("energymeter/water", "volume_total", ("water", "total_increasing", "m³", 2)),
        ("energymeter/gas", "volume_total", ("gas", "total_increasing", "m³", 2)),
        ("generic/tuf-2000m", "volume_net", ("volume", "total", "m³", 0)),
        ("schneider-electric/ion6200", "voltage_phase_a", ("voltage", "measurement", "V", 1)),
    ],
)
def test_value_has_the_classes_of_its_quantity(
    profile: str, name: str, expected: tuple[object, ...]
) -> None:
    component = component_of(profile, name)
    keys = ("dev_cla", "stat_cla", "unit_of_meas", "suggested_display_precision")
    assert tuple(component[key] for key in keys) == expected


def test_reactive_energy_keeps_its_statistics_without_a_class() -> None:
    component = component_of(ELECTRIC, "reactive_energy_import")
    assert "dev_cla" not in component
    assert component["stat_cla"] == "total_increasing"


def test_settings_are_diagnostic_and_make_no_statistics() -> None:
    component = component_of("energymeter/water", "meter_type")
    assert component["ent_cat"] == "diagnostic"
    assert "stat_cla" not in component


def test_flag_is_a_binary_sensor() -> None:
    component = component_of("energymeter/water", "status_online")
    assert (component["p"], component["pl_on"], component["pl_off"]) == (
        "binary_sensor",
        "True",
        "False",
    )


def test_values_expire_after_three_intervals() -> None:
    _, message = announced(info_of(interval_s=0.5))
    assert {each["exp_aft"] for each in message["cmps"].values()} == {2}
    _, message = announced(info_of(interval_s=10.0), every_s=60.0)
    assert {each["exp_aft"] for each in message["cmps"].values()} == {180}


def test_only_what_is_passed_on_is_announced() -> None:
    _, message = announced(info_of(), points=("active_energy_*", "voltage_phase_a"))
    names = set(message["cmps"])
    assert {"active_energy_import", "voltage_phase_a"} <= names
    assert "frequency" not in names


def test_counters_alone_do_not_expire_at_the_pace_of_what_is_left_out() -> None:
    _, message = announced(info_of(), points=("active_energy_*",))
    assert not any("exp_aft" in each for each in message["cmps"].values())


def test_meter_without_anything_to_pass_on_is_not_announced() -> None:
    discovery = Discovery("homeassistant", "site", layout_of_kind("plain"), ("nothing",))
    assert list(discovery.announcements({"main": info_of()})) == []


def test_meter_that_is_gone_is_taken_back_and_those_of_others_stay() -> None:
    discovery = Discovery("homeassistant", "site", layout_of_kind("plain"))
    topics = [message.topic for message in discovery.announcements({"a": info_of("a")})]
    foreign = [
        "homeassistant/device/energymeter-site_2-a/config",
        "homeassistant/device/zigbee/config",
    ]
    gone = "homeassistant/device/energymeter-site-b/config"
    retained = dict.fromkeys([*topics, *foreign, gone], b"{}")
    forgotten = list(discovery.forgetting(["a"], retained))
    assert [(each.topic, each.payload, each.retain) for each in forgotten] == [(gone, b"", True)]


def test_names_that_differ_in_little_are_different_devices() -> None:
    names = ["Main", "main", "ma in", "ma_in", "mäin", "main_1", "Main 1", "電力", "電気"]
    topics = {announced(info_of(name))[0] for name in names}
    assert len(topics) == len(names)


def test_meter_is_there_only_while_service_and_meter_are_online() -> None:
    _, message = announced(info_of("Kitchen"))
    assert [place["t"] for place in message["avty"]] == [
        "energymeter/My site/status",
        "energymeter/My site/Kitchen/availability",
    ]
    assert message["avty_mode"] == "all"
