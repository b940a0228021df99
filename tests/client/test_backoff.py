"""How long a link is left alone after failures: pure numbers."""

from __future__ import annotations

import pytest

from energymeter.client import Backoff


def test_the_pause_doubles_with_every_failure() -> None:
    backoff = Backoff(first_s=0.5, longest_s=100.0)

    assert [backoff.pause_s(n, 0.0) for n in range(1, 6)] == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_the_pause_never_exceeds_the_longest() -> None:
    backoff = Backoff(first_s=0.5, longest_s=3.0)

    assert [backoff.pause_s(n, 0.0) for n in (3, 4, 100, 10_000)] == [2.0, 3.0, 3.0, 3.0]


@pytest.mark.parametrize(("chance", "pause_s"), [(0.0, 4.0), (0.5, 3.0), (1.0, 2.0)])
def test_jitter_shortens_the_pause_by_up_to_its_share(chance: float, pause_s: float) -> None:
    assert Backoff(first_s=4.0, jitter=0.5).pause_s(1, chance) == pause_s


def test_without_jitter_chance_changes_nothing() -> None:
    assert Backoff(first_s=4.0, jitter=0.0).pause_s(1, 1.0) == 4.0
