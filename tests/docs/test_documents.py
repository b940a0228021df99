"""The documents are whole: code compiles, links lead somewhere, nothing is left out or stale."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import click
import pytest
from tests.docs.blocks import DOCUMENTS, ROOT, Block, anchors_of, blocks_of, links_of, name_of

import energymeter
from energymeter.cli.app import cli
from energymeter.codec import Function
from energymeter.profiles import Point, Profile, ProfileLibrary, load_profile
from energymeter.values import DataType
from energymeter.values.quantities import quantities

REFERENCE: Final = ROOT / "docs" / "reference"
GENERATED_ELSEWHERE: Final = "benchmarks/"
"""Linked, but made by another program."""

COMMANDS: Final = cli.list_commands(click.Context(cli))
ALL_TEXT: Final = "\n".join(document.read_text("utf-8") for document in DOCUMENTS)


def _blocks(language: str) -> list[Block]:
    return [block for document in DOCUMENTS for block in blocks_of(document, language)]


@pytest.mark.parametrize("block", _blocks("python"), ids=str)
def test_python_compiles(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("block", _blocks("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", _blocks("toml"), ids=str)
def test_toml_is_a_profile(block: Block, tmp_path: Path) -> None:
    tomllib.loads(block.text)
    path = tmp_path / "acme" / "m1.toml"
    path.parent.mkdir()
    path.write_text(block.text)
    assert load_profile(path).name == "acme/m1"
    assert ProfileLibrary([tmp_path]).load("m1") == load_profile(path)


def test_languages_are_the_ones_the_tests_know() -> None:
    languages = {
        found.group(1)
        for document in DOCUMENTS
        for found in re.finditer(r"^```(\w+)$", document.read_text("utf-8"), re.MULTILINE)
    }
    assert languages <= {"python", "shell", "text", "json", "toml", "sql"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    wrong = []
    for link in links_of(document):
        if link.startswith("https://"):
            continue
        path_text, _, anchor = link.partition("#")
        target = (document.parent / path_text).resolve() if path_text else document
        if not target.exists() and name_is_generated(target):
            continue
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            wrong.append(link)
    assert wrong == []


def name_is_generated(target: Path) -> bool:
    return target.relative_to(ROOT).as_posix().startswith(GENERATED_ELSEWHERE)


def test_every_document_is_reached_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    waiting = list(reached)
    while waiting:
        document = waiting.pop()
        for link in links_of(document):
            target = (document.parent / link.partition("#")[0]).resolve()
            if target in DOCUMENTS and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert {name_of(document) for document in set(DOCUMENTS) - reached} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_explained_to_people(command: str) -> None:
    generated = REFERENCE / "commands.md"
    assert f"## energymeter {command}\n" in generated.read_text("utf-8")
    elsewhere = ALL_TEXT.replace(generated.read_text("utf-8"), "")
    assert f"energymeter {command}" in elsewhere


@pytest.mark.parametrize("name", energymeter.__all__)
def test_every_public_name_is_on_the_page_of_the_api(name: str) -> None:
    page = (REFERENCE / "python-api.md").read_text("utf-8")
    assert re.search(rf"`{name}\b", page)


def test_every_key_of_a_profile_is_explained() -> None:
    page = (REFERENCE / "profile-keys.md").read_text("utf-8")
    keys = {*Profile.model_fields, *Point.model_fields} - {"name"}
    assert {key for key in keys if f"| `{key}` |" not in page} == set()
    page = (REFERENCE / "profile-format.md").read_text("utf-8")
    assert {kind.value for kind in DataType if f"`{kind.value}`" not in page} == set()


def test_every_quantity_is_explained() -> None:
    page = (REFERENCE / "profile-keys.md").read_text("utf-8")
    assert {q.name for q in quantities() if f"| `{q.name}` |" not in page} == set()


def test_every_quality_is_explained() -> None:
    page = (REFERENCE / "json-output.md").read_text("utf-8")
    assert {quality.value for quality in energymeter.Quality if f"`{quality}`" not in page} == set()


def test_every_function_is_in_the_table() -> None:
    page = (REFERENCE / "modbus-functions.md").read_text("utf-8")
    for function in Function:
        assert re.search(rf"^\| {function.value}(/14)? ", page, re.MULTILINE), function
    operations = [name for name in vars(energymeter.Unit) if not name.startswith("_")]
    for name in set(operations) - {"link", "number", "priority", "read"}:
        assert f"`{name}`" in page


def test_simulated_map_is_the_one_of_the_profiles() -> None:
    page = (REFERENCE / "simulated-meters.md").read_text("utf-8")
    rows = {
        (int(first), name, kind)
        for first, name, kinds, _ in re.findall(
            r"^\| (\d+)(?:-\d+)? \| `(\w+)` \| ([a-z, ]+) \| (\w+) \|", page, re.MULTILINE
        )
        for kind in (["electric", "water", "gas"] if kinds == "all" else kinds.split(", "))
    }
    points = {
        (point.address, point.name, kind)
        for kind in ("electric", "water", "gas")
        for point in ProfileLibrary().load(f"energymeter/{kind}").points
        if not point.table.is_bits
    }
    assert rows == points


def test_generated_pages_are_current() -> None:
    script = ROOT / "docs" / "generate.py"
    result = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_changelog_names_this_version() -> None:
    assert energymeter.__version__ in (ROOT / "CHANGELOG.md").read_text("utf-8")
