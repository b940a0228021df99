"""What is secret in a site file is shown nowhere."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from tests.site.files import complaints, loaded

WORD = "hunter2"

GOOD = f"""
[web]
token = "{WORD}"

[store]
type = "postgres"
url = "postgresql://me:{WORD}@db/meters"

[[sink]]
type = "mqtt"
host = "broker"
username = "me"
password = "{WORD}"

[[sink]]
type = "influx"
url = "http://h:8086"
org = "o"
bucket = "b"
token = "{WORD}"

[[sink]]
type = "webhook"
url = "http://h"
headers = {{ X-Api-Key = "{WORD}" }}
"""


def test_no_secret_is_in_what_is_printed_of_a_site(tmp_path: Path) -> None:
    site = loaded(tmp_path, GOOD)

    assert WORD not in repr(site)
    assert WORD not in str(site)
    assert WORD not in f"{site.store!r} {site.web} {site.sink}"


def test_no_secret_is_in_a_dump(tmp_path: Path) -> None:
    site = loaded(tmp_path, GOOD)
    site = site.model_copy(update={"sink": site.sink[:2]})  # headers are no secrets

    assert WORD not in site.model_dump_json()
    assert WORD not in str(site.model_dump())


def test_a_secret_is_revealed_to_who_asks(tmp_path: Path) -> None:
    site = loaded(tmp_path, GOOD)

    assert site.web is not None
    assert site.web.token is not None
    assert site.web.token.reveal() == WORD
    assert copy.deepcopy(site).web == site.web


@pytest.mark.parametrize(
    "text",
    [
        f'[[sink]]\ntype = "mqtt"\nhost = "h"\npassword = ["{WORD}"]\n',
        f'[[sink]]\ntype = "mqtt"\nhost = "h"\npassword = {{ word = "{WORD}" }}\n',
        f'[[sink]]\ntype = "mqtt"\nhost = "h"\npasword = "{WORD}"\n',
        f'[[sink]]\ntype = "mqqt"\nhost = "h"\npassword = "{WORD}"\n',
        f'[[sink]]\ntype = "webhook"\nurl = "http://me:{WORD}@h"\n',
        f'[[sink]]\ntype = "webhook"\nurl = ["http://me:{WORD}@h"]\n',
        f'[[sink]]\ntype = "webhook"\nurl = "http://h"\nheaders = "{WORD}"\n',
        f'[[sink]]\ntype = "webhook"\nurl = "http://h"\nheaders = {{ a = ["{WORD}"] }}\n',
        f'[[sink]]\ntype = "webhook"\nurl = "http://h"\nheaders = {{ Authorization = "{WORD}" }}\n',
        f'sink = ["mqtt://me:{WORD}@h"]\n',
        f'store = "postgresql://me:{WORD}@db"\n',
        f'[store]\ntype = "postgres"\nurl = "me:{WORD}@db"\n',
        f'[store]\nurl = "postgresql://me:{WORD}@db"\n',
        f'[web]\ntoken = [["{WORD}"]]\nlisten = 5\n',
        f'[[link]]\nname = "a"\nurl = "tcp://me:{WORD}@h"\n',
        f'[[link]]\nname = "a"\nurl = ["tcp://me:{WORD}@h"]\n',
        f'[web]\ntoken = "{WORD}',
        f"[web]\ntoken = {WORD}\n",
    ],
)
def test_no_secret_is_in_a_complaint(tmp_path: Path, text: str) -> None:
    lines = complaints(tmp_path, text)

    assert lines
    assert WORD not in "\n".join(lines)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('{ env = "ENERGYMETER_NOT_SET" }', "ENERGYMETER_NOT_SET is not set"),
        ('{ file = "none" }', "No such file"),
        ('{ file = "binary" }', "not UTF-8"),
        ('{ file = "empty" }', "the secret is empty"),
        ('""', "the secret is empty"),
        ("{}", "give a secret as either env or file"),
        ('{ env = "A", file = "B" }', "give a secret as either env or file"),
    ],
)
def test_a_secret_that_is_not_there_is_told_before_it_is_needed(
    tmp_path: Path, source: str, reason: str
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("\n")

    lines = complaints(tmp_path, f"[web]\ntoken = {source}\n")

    assert len(lines) == 1
    assert lines[0].startswith("site.toml:2: web.token: ")
    assert reason in lines[0]
