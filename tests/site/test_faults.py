"""What is wrong with a site file is said with line and key, all of it, and what to try."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.site.files import BUS, complaints, loaded

METER = '[[meter]]\nname = "main"\nurl = "192.0.2.1"\nprofile = "pm8000"\n'
"""Four lines."""


def only(lines: list[str]) -> str:
    """The one line there is."""
    assert len(lines) == 1, lines
    return lines[0]


def test_a_fault_names_file_line_table_name_and_key(tmp_path: Path) -> None:
    line = only(complaints(tmp_path, METER + 'interval = "fast"\n'))

    assert line.startswith('site.toml:5: meter[1] "main" interval: ')
    assert "'fast'" in line
    assert "10s" in line


def test_several_faults_are_a_line_each_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = '[log]\nlevel = "loud"\n' + METER + "unit = 300\n[defaults]\ninterval = 0\n"

    lines = complaints(tmp_path, text)

    places = [line.split(": ")[0:2] for line in lines]
    assert places == [
        ["site.toml:2", "log.level"],
        ["site.toml:7", 'meter[1] "main" unit'],
        ["site.toml:9", "defaults.interval"],
    ]


def test_faults_of_sense_are_told_together_too(tmp_path: Path) -> None:
    lines = complaints(tmp_path, METER.replace("pm8000", "pm80") + METER)

    assert [line.split(": ")[1] for line in lines] == [
        'meter[1] "main" profile',
        'meter[2] "main" name',
    ]


def test_hundreds_of_faults_do_not_fill_the_screen(tmp_path: Path) -> None:
    lines = complaints(tmp_path, METER.replace("pm8000", "") * 100)

    assert len(lines) < 30
    assert "more" in lines[-1]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[[meters]]\n", "did you mean meter?"),
        ('nmae = "x"\n', "did you mean name?"),
        ('[store]\npaht = "x"\n', "did you mean path?"),
        ('[web]\ntokne = "x"\n', "did you mean token?"),
        (METER + "proflie = 1\n", "did you mean profile?"),
        (METER + 'rates = { fats = "1s" }\n', "did you mean fast?"),
        (
            '[[link]]\nname = "a"\nurl = "h"\nbaudrate = 9600\n',
            "the known ones are name, url, timeout",
        ),
        ('[[sink]]\ntype = "mqtt"\nhst = "x"\nhost = "x"\n', "did you mean host?"),
        ('[[sink]]\ntype = "mqqt"\nhost = "x"\n', "did you mean mqtt?"),
        ('[[sink]]\nhost = "x"\n', "a type is needed: one of mqtt, influx"),
        ('[store]\ntype = "postgre"\n', "did you mean postgres?"),
        ('[[sink]]\ntype = "mqtt"\nhost = "h"\npassword = { evn = "X" }\n', "did you mean env?"),
        ('[meter]\nname = "main"\n', "[[meter]] with two brackets"),
        (METER.replace("pm8000", "pm80"), "did you mean"),
        (BUS.replace('link = "bus1"', 'link = "bus"'), "did you mean 'bus1'?"),
        (METER.replace("192.0.2.1", "rtu:/dev/ttyUSB0"), "did you mean rtu:///dev/ttyUSB0?"),
    ],
)
def test_a_slip_of_the_pen_is_told_what_was_meant(tmp_path: Path, text: str, hint: str) -> None:
    assert hint in "\n".join(complaints(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = 1\nb = c\n", "site.toml:2: is not TOML"),
        ('a = "x', "site.toml:1: is not TOML"),
        ("[web]\n[web]\n", "site.toml:2: is not TOML"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path, text: str, place: str) -> None:
    assert only(complaints(tmp_path, text)).startswith(place)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (BUS + BUS.partition("[[meter]]")[0], "link[2]"),
        (METER + METER.replace("192.0.2.1", "192.0.2.2"), 'meter[2] "main" name'),
        (METER + METER.replace("main", "twin"), 'meter[2] "twin" unit'),
        (METER + METER.replace("main", "twin") + "unit = 1\n", 'meter[2] "twin" unit'),
        (BUS + BUS.replace("bus1", "bus2").replace("19200", "9600").replace("main", "x"), "url"),
        (BUS + METER.replace("192.0.2.1", "rtu:///dev/ttyUSB0").replace("main", "x"), "url"),
        (
            METER + METER.replace("192.0.2.1", "192.0.2.1?pause=1s").replace("main", "x"),
            'meter[2] "x" url',
        ),
        (METER.replace("192.0.2.1", "dial://192.0.2.1:502"), 'meter[1] "main" url'),
        (METER.replace("192.0.2.1", "tls://h?ca=none.pem"), 'meter[1] "main" url'),
        (BUS + "unit = 0\n", 'meter[1] "main" unit'),
        (METER + 'points = ["volt*", "colour*"]\n', 'meter[1] "main" points'),
        (METER + "points = []\n", 'meter[1] "main" points'),
        (METER.replace("pm8000", "none.toml"), 'meter[1] "main" profile'),
        (METER.replace("pm8000", "meter.py"), 'meter[1] "main" profile'),
        (METER.replace("pm8000", "sunspec"), 'meter[1] "main" profile'),
        (METER + 'link = "bus1"\n', 'meter[1] "main"'),
        (METER + 'units = "1-2"\n', "{unit}"),
        (METER + 'units = "1-300"\n', 'meter[1] "main" units'),
        (METER + 'unit = 1\nunits = "1-2"\n', 'meter[1] "main"'),
        (METER + "interval = 1\nrates = {}\n", 'meter[1] "main"'),
        (METER + 'rates = { fast = "1h", slow = "1m" }\n', 'meter[1] "main" rates'),
        (METER + 'rates = { once = "1y" }\n', 'meter[1] "main" rates'),
        (METER + "ct = 0\n", 'meter[1] "main" ct'),
        (METER + "rated_current = nan\n", 'meter[1] "main" rated_current'),
        (METER.replace("main", "a/b"), 'meter[1] "a/b" name'),
        ('[[sink]]\ntype = "json"\n[[sink]]\ntype = "json"\n', 'sink[2] "json" name'),
        ('[[sink]]\ntype = "json"\nbuffer = "much"\n', 'sink[1] "json" buffer'),
        ('[[sink]]\ntype = "mqtt"\nhost = "h"\npassword = "x"\n', 'sink[1] "mqtt" username'),
        ('[[sink]]\ntype = "mqtt"\nhost = "h"\nca_file = "x"\n', 'sink[1] "mqtt" ca_file'),
        (
            '[[sink]]\ntype = "mqtt"\nhost = "h"\ntls = true\nca_file = "x"\n',
            'sink[1] "mqtt" ca_file',
        ),
        ('[[sink]]\ntype = "influx"\nurl = "http://h"\norg = "o"\n', 'sink[1] "influx" bucket'),
        ('[[sink]]\ntype = "influx"\nurl = "http://h"\nversion = 3\n', 'sink[1] "influx" database'),
        ('[[sink]]\ntype = "influx"\nurl = "h:8086"\n', 'sink[1] "influx" url'),
        (
            '[[sink]]\ntype = "webhook"\nurl = "http://h"\nheaders = { authorization = "x" }\n',
            'sink[1] "webhook" headers',
        ),
        ('web = false\n[[sink]]\ntype = "prometheus"\n', 'sink[1] "prometheus" type'),
        ('[web]\nlisten = "0.0.0.0:8080"\n', "web"),
        ('[web]\nlisten = "[::]:8080"\n', "web"),
        ('[web]\nlisten = "127.0.0.1:99999"\n', "web"),
        ("web = true\n", "web"),
        ("meter = 1\n", "meter"),
        ('meter = ["x"]\n', "meter[1]"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(tmp_path: Path, text: str, place: str) -> None:
    lines = complaints(tmp_path, text)

    assert any(place in line for line in lines), lines
    assert all(line.startswith("site.toml") for line in lines)
    assert len(lines) <= 2


def test_a_fault_of_meters_in_bulk_is_told_once(tmp_path: Path) -> None:
    text = METER.replace("main", "m{unit}").replace("pm8000", "pm80") + 'units = "1-32"\n'

    assert 'meter[1] "m{unit}" profile' in only(complaints(tmp_path, text))


def test_several_profiles_may_read_one_unit(tmp_path: Path) -> None:
    other = METER.replace("main", "solar").replace("pm8000", "sdm630")

    assert len(loaded(tmp_path, METER + other).meter) == 2


def test_a_broken_profile_names_its_own_file_and_key(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('vendor = "A"\nmodel = "B"\npoints = 5\n')

    line = only(complaints(tmp_path, METER.replace("pm8000", "own.toml")))

    assert line.startswith('site.toml:4: meter[1] "main" profile: ')
    assert f"{tmp_path / 'own.toml'}: points" in line


def test_faults_in_a_file_of_inline_tables_are_still_told(tmp_path: Path) -> None:
    line = only(complaints(tmp_path, 'meter = [{ name = "a", url = "h", profile = 1 }]\n'))

    assert 'meter[1] "a" profile' in line
