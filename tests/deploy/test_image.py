"""The image, by what is written: nothing here can build one."""

from __future__ import annotations

import json
import re
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import click
import pytest

from energymeter.cli.app import cli

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
IGNORED = ROOT / "deploy" / "Dockerfile.dockerignore"


def instructions() -> list[tuple[str, str]]:
    """Word and rest of each instruction, continued lines joined, without comments."""
    lines = [line for line in DOCKERFILE.read_text("utf-8").splitlines() if line[:1] != "#"]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (word, rest)
        for word, _, rest in (line.partition(" ") for line in joined.splitlines())
        if word
    ]


def last(word: str) -> str:
    return [rest for found, rest in instructions() if found == word][-1]


def sources() -> list[str]:
    return [
        source for word, rest in instructions() if word == "COPY" for source in rest.split()[:-1]
    ]


def test_it_is_built_in_two_stages_of_a_named_python() -> None:
    bases = [rest for word, rest in instructions() if word == "FROM"]
    assert bases == ["python:3.13-slim AS build", "python:3.13-slim"]


@pytest.mark.parametrize("source", sources())
def test_what_is_copied_exists_and_is_sent(source: str) -> None:
    assert (ROOT / source).exists()
    patterns = [
        line for line in IGNORED.read_text("utf-8").splitlines() if line[:1] not in ("#", "")
    ]
    assert patterns[0] == "*"
    assert f"!{source}" in patterns


def test_what_the_build_reads_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed = {"pyproject.toml", "constraints.txt", project["project"]["readme"]}
    needed |= set(project["project"]["license-files"])
    needed |= {
        Path(each).parts[0]
        for each in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    }
    assert needed == set(sources())


def test_the_extras_it_installs_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found = re.search(r'"\.\[([a-z,]+)\]"', DOCKERFILE.read_text("utf-8"))
    assert found is not None
    extras = found.group(1).split(",")
    assert set(extras) <= set(project["project"]["optional-dependencies"])
    assert "web" in extras


def test_nothing_runs_as_root() -> None:
    user = last("USER")
    assert int(user) >= 1000
    words = [word for word, _ in instructions()]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert "RUN" not in words[words.index("USER") :]
    assert f"--uid {user}" in DOCKERFILE.read_text("utf-8")


def test_its_commands_exist() -> None:
    commands = cli.list_commands(click.Context(cli))
    assert json.loads(last("ENTRYPOINT")) == ["energymeter"]
    run, site = json.loads(last("CMD"))
    assert run in commands
    assert Path(site).parent == Path(last("VOLUME"))
    assert last("STOPSIGNAL") == "SIGTERM"


def test_it_says_whether_it_is_healthy_with_options_that_exist() -> None:
    program, name, *options = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert program == "energymeter"
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= known
    assert options[-1] == json.loads(last("CMD"))[1]


def test_nothing_of_the_checkout_is_sent_that_is_not_needed() -> None:
    patterns = IGNORED.read_text("utf-8").splitlines()
    assert any(fnmatchcase("src/energymeter/__pycache__", pattern) for pattern in patterns)
    assert not {"!.git", "!.venv", "!tests"} & set(patterns)
