"""Faults of simulated meters, begun by hand or scripted, as a tested program meets them."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from energymeter import BlockingLink, ExceptionReplyError, LinkError, RequestTimeout
from energymeter.errors import ConfigError
from energymeter.testing import MeterDouble
from energymeter.testing.plugin import MeterFactory, ScriptFactory


def outcome(link: BlockingLink) -> str:
    """What a read of a meter comes to, in a word."""
    try:
        link.unit(1).read_holding_registers(3027, 2)
    except RequestTimeout:
        return "nothing"
    except ExceptionReplyError as error:
        return f"exception {error.code}"
    except LinkError:
        return "lost"
    return "good"


@pytest.fixture
def meter(simulated_meter: MeterFactory) -> MeterDouble:
    return simulated_meter("pm8000", seed=1)


def test_fault_lasts_until_its_block_ends(meter: MeterDouble) -> None:
    with BlockingLink(meter.url, timeout_s=0.1) as link:
        with meter.fault("silence") as fault:
            during = outcome(link), meter.faults, fault.hits
        after = outcome(link), meter.faults, fault.hits

    assert during == ("nothing", ("silence",), 1)
    assert after == ("good", (), 1)


def test_fault_lasts_until_it_is_ended_or_all_are(meter: MeterDouble) -> None:
    first, _ = meter.fault("late=10ms"), meter.fault("exception=4,function=4")
    both = meter.faults
    first.end()
    first.end()
    one = meter.faults
    meter.clear_faults()

    assert (both, one, meter.faults) == (
        ("late=10ms", "exception=4,function=4"),
        ("exception=4,function=4",),
        (),
    )
    assert str(first) == "late=10ms"


def test_late_answer_is_late(meter: MeterDouble) -> None:
    with BlockingLink(meter.url) as link:
        link.open()
        meter.fault("late=100ms")
        begun = time.monotonic()

        assert outcome(link) == "good"
    assert 0.1 <= time.monotonic() - begun < 1


@pytest.mark.parametrize(
    ("text", "words"),
    [("latte", "did you mean late"), ("late=x", "late=x"), ("hang_up", "hang_up is for")],
)
def test_fault_that_cannot_be_is_told_in_words(
    simulated_meter: MeterFactory, text: str, words: str
) -> None:
    meter = simulated_meter("pm8000", listen="udp://127.0.0.1:0")

    with pytest.raises(ConfigError, match=words):
        meter.fault(text)
    with pytest.raises(ConfigError, match=words):
        meter.script(None, text)
    assert meter.faults == ()


def test_script_plays_one_step_for_each_request(
    meter: MeterDouble, scripted_fault: ScriptFactory
) -> None:
    script = scripted_fault(meter, None, "silence", "exception=4", "hang_up")
    with BlockingLink(meter.url, timeout_s=0.1) as link:
        outcomes = [outcome(link) for _ in range(5)]

    assert outcomes == ["good", "nothing", "exception 4", "lost", "good"]
    assert script.remaining == 0
    assert len(meter.requests) == 5


def test_script_follows_the_one_before(meter: MeterDouble, scripted_fault: ScriptFactory) -> None:
    first = scripted_fault(meter, "exception=1")
    scripted_fault(meter, "exception=2", "exception=3")
    with BlockingLink(meter.url) as link:
        assert outcome(link) == "exception 1"
        assert first.remaining == 0
        assert [outcome(link) for _ in range(3)] == ["exception 2", "exception 3", "good"]


def test_clearing_the_faults_drops_the_script(meter: MeterDouble) -> None:
    script = meter.script("silence", "silence")
    meter.clear_faults()
    with BlockingLink(meter.url, timeout_s=0.1) as link:
        assert outcome(link) == "good"
    assert script.remaining == 2


def test_script_without_steps_is_a_mistake(meter: MeterDouble) -> None:
    with pytest.raises(ConfigError, match="without steps"):
        meter.script()


def test_program_in_another_process_meets_the_fault(meter: MeterDouble) -> None:
    meter.fault("exception=4")
    command = [sys.executable, "-m", "energymeter", "read", meter.url, "--profile", "pm8000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert done.returncode == 1
    assert "server device failure (4)" in done.stderr
