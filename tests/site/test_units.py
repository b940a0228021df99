"""Unit numbers as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from energymeter.site.units import parse_units


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ("1-3", (1, 2, 3)),
        ("5", (5,)),
        (" 1 , 10-12,3 ", (1, 3, 10, 11, 12)),
        ("1-3,2-4", (1, 2, 3, 4)),
        ("0-255", tuple(range(256))),
        ([9, 2, 2], (2, 9)),
        ((4,), (4,)),
    ],
)
def test_units_come_out_ascending_and_once(written: Any, numbers: tuple[int, ...]) -> None:
    assert parse_units(written) == numbers


@pytest.mark.parametrize(
    "written", ["", ",", "1-", "3-1", "1-256", "a", "-1", "1 2", [], [256], [True], [1.5], 7, None]
)
def test_what_are_no_units_is_refused_with_an_example(written: Any) -> None:
    with pytest.raises(ValueError, match=r"write 1-32 or 1,5,10-20"):
        parse_units(written)
