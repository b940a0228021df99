"""When a meter counts as online."""

from __future__ import annotations

from tests.sinks.mqtt_meters import info_of, poll_at

from energymeter.reader import Quality
from energymeter.sinks.mqtt_presence import Presence

INFO = info_of(most=3)
START = 1000.0


def feed(
    presence: Presence, now: float, quality: Quality = Quality.GOOD, age_s: float = 0.0
) -> bool:
    return presence.feed(poll_at(INFO, now - age_s, quality), age_s, now)


def test_nothing_is_said_before_anything_is_known() -> None:
    presence = Presence(10.0, START)
    assert not presence.look(START + 29)
    assert presence.is_online is None
    assert presence.look(START + 30)
    assert presence.is_online is False


def test_answer_makes_it_online_once() -> None:
    presence = Presence(10.0, START)
    assert feed(presence, START + 1)
    assert presence.is_online is True
    assert not feed(presence, START + 11)


def test_silence_of_three_intervals_makes_it_offline() -> None:
    presence = Presence(10.0, START)
    feed(presence, START)
    assert not presence.look(START + 29.9)
    assert presence.look(START + 30)
    assert presence.is_online is False


def test_three_empty_polls_make_it_offline_and_one_answer_online() -> None:
    presence = Presence(10.0, START)
    feed(presence, START)
    assert not feed(presence, START + 1, Quality.NOT_READ)
    assert not feed(presence, START + 2, Quality.STALE)
    assert feed(presence, START + 3, Quality.NOT_READ)
    assert presence.is_online is False
    assert feed(presence, START + 4)
    assert presence.is_online is True


def test_meter_that_says_it_has_no_value_is_online() -> None:
    presence = Presence(10.0, START)
    for second in range(4):
        feed(presence, START + second, Quality.NOT_AVAILABLE)
    assert presence.is_online is True


def test_old_polls_from_the_journal_do_not_make_it_online() -> None:
    presence = Presence(10.0, START)
    assert not feed(presence, START + 1, age_s=3600)
    assert presence.is_online is None
    assert feed(presence, START + 2, age_s=1)
    assert presence.is_online is True


def test_polls_that_really_come_slower_are_given_the_time() -> None:
    presence = Presence(10.0, START)
    for minute in range(4):
        feed(presence, START + 60 * minute)
    assert not presence.look(START + 180 + 179)
    assert presence.look(START + 180 + 180)


def test_long_pause_does_not_make_it_patient() -> None:
    presence = Presence(10.0, START)
    for second in (0, 86_400, 86_410, 86_420):
        feed(presence, START + second)
    assert presence.look(START + 86_420 + 30)
