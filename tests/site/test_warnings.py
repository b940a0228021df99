"""What is probably a slip is said, and does not stop anybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.site.files import BUS, view_of

from energymeter.site import site_warnings

MQTT = '\n[[sink]]\ntype = "mqtt"\nhost = "broker"\n'


@pytest.mark.parametrize(
    "text",
    [
        BUS,
        BUS + MQTT + 'meters = ["ma*", "main"]\npoints = ["*energy*"]\n',
        BUS.replace("pm8000", "acuvim-ii") + 'ct = "100/5"\n',
    ],
)
def test_of_a_sound_site_nothing_is_said(tmp_path: Path, text: str) -> None:
    assert site_warnings(view_of(tmp_path, text)) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "there are no meters"),
        (BUS + '[[link]]\nname = "bus2"\nurl = "rtu:///dev/ttyUSB1"\n', "'bus2' has no meter"),
        (BUS + MQTT + 'meters = ["main", "flat-*"]\n', "no meter is called 'flat-*'"),
        (BUS + MQTT + "meters = []\n", "'mqtt' gets no meters"),
        (BUS + MQTT + 'points = ["*", "gas_*"]\n', "no value is called 'gas_*'"),
        (BUS + "pt = 100\n", "meter 'main': pt says nothing"),
        (
            BUS.replace('"main"', '"m-{unit}"') + 'units = "1-5"\nct = 20\n',
            "meter 'm-1' and 4 more: ct says nothing",
        ),
    ],
)
def test_a_slip_is_one_sentence(tmp_path: Path, text: str, what: str) -> None:
    warnings = site_warnings(view_of(tmp_path, text))

    assert len(warnings) == 1
    assert what in warnings[0]
