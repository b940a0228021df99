"""What differs between two site files is found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.site.files import BUS, view_of

from energymeter.site import SiteChanges, compare

SINK = '\n[[sink]]\ntype = "mqtt"\nhost = "broker"\n'
FLAT = '\n[[meter]]\nname = "flat"\nlink = "bus1"\nunit = 2\nprofile = "sdm630"\n'
ROOF = '\n[[meter]]\nname = "roof"\nurl = "192.0.2.1"\nprofile = "sdm630"\n'


def between(folder: Path, before: str, after: str) -> SiteChanges:
    """What changes when the one file becomes the other."""
    return compare(view_of(folder, before), view_of(folder, after))


def test_the_same_file_changes_nothing(tmp_path: Path) -> None:
    changes = between(tmp_path, BUS + FLAT + ROOF + SINK, "# again\n" + BUS + FLAT + ROOF + SINK)

    assert changes.is_empty
    assert changes.describe() == "nothing changed"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (BUS, BUS + FLAT, SiteChanges(meters_added=("flat",))),
        (BUS + FLAT, BUS, SiteChanges(meters_removed=("flat",))),
        (
            BUS,
            BUS + ROOF,
            SiteChanges(meters_added=("roof",), links_added=("tcp://192.0.2.1:502",)),
        ),
        (
            BUS + ROOF,
            BUS,
            SiteChanges(meters_removed=("roof",), links_removed=("tcp://192.0.2.1:502",)),
        ),
        (BUS, BUS.replace("19200", "9600"), SiteChanges(links_changed=("bus1",))),
        (BUS, BUS + "interval = 5\n", SiteChanges(meters_changed=("main",))),
        (BUS, BUS + "interval = 10\n", SiteChanges()),
        (BUS, BUS + 'labels = { a = "b" }\n', SiteChanges(meters_changed=("main",))),
        (BUS + ROOF, BUS + ROOF.replace("sdm630", "pm8000"), SiteChanges(meters_changed=("roof",))),
        (
            BUS + ROOF,
            BUS + ROOF.replace('url = "192.0.2.1"', 'link = "bus1"\nunit = 4'),
            SiteChanges(links_removed=("tcp://192.0.2.1:502",), meters_changed=("roof",)),
        ),
        (
            BUS + FLAT,
            "[defaults]\ninterval = 5\n" + BUS + FLAT + "interval = 10\n",
            SiteChanges(meters_changed=("main",)),
        ),
        (BUS, BUS + SINK, SiteChanges(sinks_added=("mqtt",))),
        (BUS + SINK, BUS, SiteChanges(sinks_removed=("mqtt",))),
        (BUS + SINK, BUS + SINK + "qos = 0\n", SiteChanges(sinks_changed=("mqtt",))),
        (
            BUS + SINK + 'password = "a"\nusername = "u"\n',
            BUS + SINK + 'password = "b"\nusername = "u"\n',
            SiteChanges(sinks_changed=("mqtt",)),
        ),
        (
            BUS + SINK,
            BUS + FLAT + SINK,
            SiteChanges(meters_added=("flat",), sinks_affected=("mqtt",)),
        ),
        (
            BUS + SINK + 'meters = ["main"]\n',
            BUS + FLAT + SINK + 'meters = ["main"]\n',
            SiteChanges(meters_added=("flat",)),
        ),
        (BUS, "store = false\n" + BUS, SiteChanges(store=True)),
        (BUS, '[store]\nkeep = "1y"\n' + BUS, SiteChanges(store=True)),
        (BUS, "web = false\n" + BUS, SiteChanges(web=True)),
        (BUS, '[log]\nlevel = "debug"\n' + BUS, SiteChanges(log=True)),
        (BUS, 'name = "plant"\n' + BUS, SiteChanges(site=True)),
        (BUS, 'state = "elsewhere"\n' + BUS, SiteChanges(site=True)),
    ],
)
def test_a_change_is_found_where_it_is(
    tmp_path: Path, before: str, after: str, expected: SiteChanges
) -> None:
    assert between(tmp_path, before, after) == expected


def test_a_profile_that_was_edited_changes_its_meters(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    text = (
        'vendor = "A"\nmodel = "B"\nsources = ["x"]\n'
        'points = [{ name = "frequency", address = 0, type = "uint16", unit = "Hz" }]\n'
    )
    site = BUS.replace("pm8000", "own.toml") + FLAT
    own.write_text(text)
    before = view_of(tmp_path, site)
    own.write_text(text.replace("address = 0", "address = 1"))

    assert compare(before, view_of(tmp_path, site)) == SiteChanges(meters_changed=("main",))


def test_it_is_described_in_a_sentence(tmp_path: Path) -> None:
    changes = between(tmp_path, BUS, BUS.replace("19200", "9600") + FLAT + ROOF)

    assert changes.describe() == "link tcp://192.0.2.1:502 added, link bus1 changed, 2 meters added"
    assert not changes.is_empty
