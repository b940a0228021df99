"""Names as topics and identifiers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energymeter.errors import ConfigError
from energymeter.sinks.mqtt_names import identifier, spoken, topic_level, topic_prefix


@pytest.mark.parametrize("name", ["Main meter", "Zähler 1", "電力", "a.b-c_d", "$x"])
def test_name_stands_in_a_topic_as_it_is(name: str) -> None:
    assert topic_level(name) == name


@given(st.text(max_size=40))
def test_topic_level_never_holds_what_mqtt_forbids(name: str) -> None:
    level = topic_level(name)
    assert level
    assert not re.search(r"[/+#\x00-\x1f\x7f-\x9f]", level)
    level.encode()


@pytest.mark.parametrize("joint", ["_", "-"])
@given(one=st.text(max_size=30), other=st.text(max_size=30))
def test_identifiers_are_plain_and_differ_like_their_names(
    joint: str, one: str, other: str
) -> None:
    for name in (one, other):
        assert re.fullmatch(f"[a-z0-9]+({joint}[a-z0-9]+)*", identifier(name, joint))
    assert (identifier(one, joint) == identifier(other, joint)) == (one == other)


def test_name_that_looks_like_a_hashed_one_is_hashed_itself() -> None:
    hashed = identifier("Main")
    assert identifier(hashed) != hashed


def test_long_name_gives_a_short_identifier() -> None:
    assert len(identifier("m" * 1000)) < 100


@pytest.mark.parametrize("prefix", ["", "/", "a//b", "a/+/b", "a/#", "$SYS", "a\x00", "/a"])
def test_prefix_that_is_none_is_refused_in_words(prefix: str) -> None:
    with pytest.raises(ConfigError, match="cannot begin a topic"):
        topic_prefix(prefix, "prefix")


def test_prefix_may_have_levels() -> None:
    assert topic_prefix("home/energy/", "prefix") == "home/energy"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("voltage_phase_ab", "Voltage phase AB"),
        ("thd_current_phase_a", "THD current phase A"),
        ("active_energy_import", "Active energy import"),
        ("_", "_"),
    ],
)
def test_names_are_spoken_as_people_say_them(name: str, words: str) -> None:
    assert spoken(name) == words
