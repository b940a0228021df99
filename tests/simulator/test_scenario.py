"""Scenario files: what they may say, and what people are told when one is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from energymeter.errors import ConfigError
from energymeter.simulator.scenario import Action, load_scenario, parse_scenario

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "scenarios").glob("*.toml"))

WHOLE = """
name = "a bad day"

[[step]]
name = "unit 3 dies"
at = "10s"
for = "20s"
unit = 3
fault = "dead"

[[step]]
at = "20s"
every = "1h"
fault = "late"
amount = "500ms"
probability = 0.1
unit = [1, "5-7"]
address = "10-20"
function = 3

[[step]]
at = "30s"
do = "reset_counters"
unit = 3
"""


def test_a_step_has_a_fault_or_something_to_do() -> None:
    scenario = parse_scenario(tomllib.loads(WHOLE), "test")
    dead, late, reset = scenario.step
    assert scenario.name == "a bad day"
    assert (dead.at, dead.for_s, str(dead.fault)) == (10.0, 20.0, "dead,unit=3,for=20s")
    assert (late.every, late.do) == (3600.0, None)
    assert str(late.fault) == "late=500ms:0.1,unit=1,unit=5-7,function=3,address=10-20"
    assert (reset.do, reset.unit, reset.fault) == (Action.RESET_COUNTERS, ((3, 3),), None)
    assert str(dead) == "dead,unit=3,for=20s (unit 3 dies)"
    assert str(reset) == "reset_counters,unit=3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "step: this key is needed"),
        ("step = []", "step: there is no step"),
        ("step = 3", "a list of [[step]] tables was expected"),
        ("name = 3\n[[step]]\nat='1s'\ndo='online'", "name: text was expected, not 3"),
        ("title = 'x'\n[[step]]\nat='1s'\ndo='online'", "title: there is no such key"),
        ("[[steps]]\nat='1s'", "steps: there is no such key, did you mean step?"),
        ("[[step]]\nfault='dead'", "step 1: at: this key is needed"),
        ("[[step]]\nat='1s'", "step 1: a step needs either fault or do"),
        ("[[step]]\nat='1s'\nfault='dead'\ndo='online'", "step 1: a step needs either fault or do"),
        ("[[step]]\nat=10\nfault='dead'", "step 1: at: 10 is no duration, write 500ms"),
        ("[[step]]\nat='soon'\nfault='dead'", "step 1: at: 'soon' is no duration"),
        ("[[step]]\nat='1s'\nfault='dea'", "step 1: there is no fault 'dea', did you mean dead?"),
        ("[[step]]\nat='1s'\nfault='late'\namount='x'", "step 1: late: 'x' is no duration"),
        ("[[step]]\nat='1s'\nfault='dead'\nunits=3", "units: there is no such key"),
        ("[[step]]\nat='1s'\ndo='resett'", "'resett' is not a known action"),
        ("[[step]]\nat='1s'\ndo='reset_counter'", "did you mean reset_counters?"),
        ("[[step]]\nat='1s'\ndo='online'\nprobability=0.5", "probability belongs to a fault"),
        ("[[step]]\nat='1s'\ndo='reset_counters'\nfor='2s'", "leave out for"),
        ("[[step]]\nat='1s'\ndo='clear_faults'\nunit=2", "leave out unit"),
        ("[[step]]\nat='1s'\nfault='dead'\nunit='x'", "unit: 'x' is no number"),
        ("[[step]]\nat='1s'\ndo='offline'\nunit='x'", "unit: 'x' is no number"),
        ("[[step]]\nat='1s'\nfault='dead'\nfor='2s'\nevery='2s'", "every has to be longer"),
        ("[[step]]\nat='1s'\nfault='dead'\nevery='0s'", "every has to be longer"),
        ("[[step]]\nat='1s'\nfault='dead,unit=3'\nunit=4", "unit is given twice"),
        ("step = [3]", "step 1: "),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(tomllib.loads(text), "demo.toml")
    message = str(caught.value)
    assert message.startswith("demo.toml: ")
    assert words in message
    assert "\n" not in message
    assert "Value error" not in message


def test_every_mistake_is_told() -> None:
    text = "[[step]]\nat='soon'\nfault='dead'\n[[step]]\nat='1s'\nfault='dea'"
    with pytest.raises(ConfigError) as caught:
        parse_scenario(tomllib.loads(text), "demo.toml")
    assert "step 1: at: 'soon'" in str(caught.value)
    assert "step 2: there is no fault 'dea'" in str(caught.value)


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_scenario(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[[step\n")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_scenario(broken)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_scenarios_that_explain_themselves(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.name
    assert all(step.name for step in scenario.step)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3
