"""Each broken set-up gets its right sentence, and following the advice helps."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
import pytest
from tests.doctor.bench import LIBRARY, case_of
from tests.doctor.haste import run_hastily
from tests.doctor.setups import SETUPS, Bench, Setup
from tests.doctor.table import HEAD, HOWTO, row_of
from tests.support.loops import run
from tests.transports.pki import Pki

from energymeter.cli.app import cli
from energymeter.doctor import Case, Diagnosis, Layer, Verdict, examine

LIMIT_S: Final = 60.0
"""What is promised, with a time-out of a second."""

HALF_A_REMEDY: Final = {
    Verdict.TLS_NEEDED: "the issuer's certificate is still to be given",
    Verdict.NOBODY_DIALS_IN: "the device has still to be told",
    Verdict.OTHER_SCALE: "the profile is still to be put right",
    Verdict.ALL_REFUSED: "the map is still to be found",
    Verdict.NONSENSE: "the map is still to be found",
    Verdict.ALL_ZERO: "the meter is still to be found",
    Verdict.OTHER_ORDER: "an option of read, not of doctor",
    Verdict.TOO_LONG: "an option of read, not of doctor",
    Verdict.LEAVES_OUT: "an option of read, not of doctor",
}
"""Verdicts whose command is not the end of the matter, and why."""

DEAD_END: Final = "the address exists in the story only"


async def _examine(setup: Setup, bench: Bench) -> tuple[Diagnosis, Diagnosis | None]:
    async with setup.make(bench) as case:
        first = await examine(case)
        is_whole = setup.verdict not in HALF_A_REMEDY and "192.0.2." not in first.command
        if not first.command or not is_whole:
            return first, None
        return first, await examine(_as_told(first.command, case))


def _as_told(command: str, before: Case) -> Case:
    """The examination of what the advice says."""
    program, verb, url, *words = shlex.split(command)
    assert program == "energymeter"
    context = _parsed(verb, [url, *words])
    name = context.params["profile"]
    mine = before.profile is not None and name == before.profile.name
    profile = before.profile if mine or name is None else LIBRARY.load(name)
    unit = context.params.get("unit")
    units = context.params.get("units")
    number = units[0] if units else unit
    case = case_of(url, profile, timeout_s=context.params["timeout"], tree=before.tree)
    case = replace(case, surroundings=before.surroundings)
    return case if number is None else replace(case, unit=number)


def _parsed(verb: str, arguments: list[str]) -> click.Context:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    return command.make_context(verb, list(arguments))


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_a_broken_set_up_gets_its_sentence(setup: Setup, pki: Pki, tmp_path: Path) -> None:
    task = _examine(setup, Bench(pki, tmp_path))
    diagnosis, after = run(task) if setup.is_real else run_hastily(task)

    assert diagnosis.broken is not None
    assert (diagnosis.broken.layer, diagnosis.broken.verdict) == (setup.layer, setup.verdict)
    assert setup.says in diagnosis.sentence
    assert diagnosis.seconds < LIMIT_S
    assert sum(step.is_broken for step in diagnosis.steps) == 1
    if diagnosis.command:
        _, verb, *arguments = shlex.split(diagnosis.command)
        _parsed(verb, arguments)
    if after is not None:
        assert after.is_well, after.sentence
    assert row_of(setup, diagnosis) in HOWTO.read_text("utf-8").splitlines()


def test_the_document_has_no_other_rows() -> None:
    text = HOWTO.read_text("utf-8").partition(HEAD)[2].partition("\n\n")[0]
    titles = re.findall(r"^\| (.+?) \| \w+: ", text, re.MULTILINE)
    assert titles == [setup.title for setup in SETUPS]


def test_every_layer_and_nearly_every_verdict_has_a_set_up() -> None:
    assert {setup.layer for setup in SETUPS} == set(Layer)
    missing = set(Verdict) - {setup.verdict for setup in SETUPS}
    assert missing == {
        Verdict.FINE,
        Verdict.NOTED,
        Verdict.NOT_FINISHED,
        Verdict.CANNOT_LISTEN,
        Verdict.DEVICE_FAILED,
    }
