"""The site file changes under a running service: what is not touched is not disturbed."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from tests.daemon.housing import (
    House,
    eventually,
    link,
    living,
    meter,
    sink,
    site,
    stored,
)
from tests.support.loops import on_each_loop, run

from energymeter.daemon.daemon import follow_signals
from energymeter.errors import MeterError
from energymeter.service.events import Level, Topic
from energymeter.store import SqliteStore
from energymeter.store.base import EPOCH

LEFT = link("left", "a")
RIGHT = link("right", "b")
L1, L2 = meter("l1", "left", 1), meter("l2", "left", 2)
R1, R2 = meter("r1", "right", 1), meter("r2", "right", 2)
FOR_LEFT, FOR_RIGHT = sink("for-left", "l*"), sink("for-right", "r*")
BEFORE = site(LEFT, RIGHT, L1, L2, R1, FOR_LEFT, FOR_RIGHT)


@dataclass(frozen=True)
class Change:
    """Another version of the site, and what it touches of `BEFORE`."""

    after: str
    told: str
    meters: frozenset[str] = frozenset()
    """Those of both versions that are made anew."""
    links: frozenset[str] = frozenset()
    sinks: frozenset[str] = frozenset()


CHANGES = {
    "a meter added": Change(
        site(LEFT, RIGHT, L1, L2, R1, R2, FOR_LEFT, FOR_RIGHT),
        "reloaded: meter r2 added",
        sinks=frozenset({"for-right"}),
    ),
    "a meter removed": Change(
        site(LEFT, RIGHT, L1, R1, FOR_LEFT, FOR_RIGHT),
        "reloaded: meter l2 removed",
        sinks=frozenset({"for-left"}),
    ),
    "a meter changed": Change(
        site(LEFT, RIGHT, L1, meter("l2", "left", 3), R1, FOR_LEFT, FOR_RIGHT),
        "reloaded: meter l2 changed",
        meters=frozenset({"l2"}),
        sinks=frozenset({"for-left"}),
    ),
    "another beat": Change(
        site(LEFT, RIGHT, L1, L2, meter("r1", "right", 1, interval="250ms"), FOR_LEFT, FOR_RIGHT),
        "reloaded: meter r1 changed",
        meters=frozenset({"r1"}),
        sinks=frozenset({"for-right"}),
    ),
    "a link changed": Change(
        site(LEFT, link("right", "b", 'timeout = "900ms"'), L1, L2, R1, FOR_LEFT, FOR_RIGHT),
        "reloaded: link right changed",
        meters=frozenset({"r1"}),
        links=frozenset({"right"}),
    ),
    "a link added": Change(
        site(LEFT, RIGHT, link("more", "c"), L1, L2, R1, FOR_LEFT, FOR_RIGHT),
        "reloaded: link more added",
    ),
    "a sink removed": Change(
        site(LEFT, RIGHT, L1, L2, R1, FOR_LEFT), "reloaded: sink for-right removed"
    ),
    "a sink added": Change(
        site(LEFT, RIGHT, L1, L2, R1, FOR_LEFT, FOR_RIGHT, sink("more")),
        "reloaded: sink more added",
    ),
    "a sink changed": Change(
        site(LEFT, RIGHT, L1, L2, R1, FOR_LEFT, sink("for-right", "r*", 'every = "1s"')),
        "reloaded: sink for-right changed",
        sinks=frozenset({"for-right"}),
    ),
    "the log": Change(
        site(LEFT, RIGHT, L1, L2, R1, FOR_LEFT, FOR_RIGHT, '[log]\nlevel = "warning"'),
        "reloaded: log changed",
    ),
}


def parts_of(house: House) -> tuple[dict[str, object], dict[str, object], dict[str, object]]:
    """What each meter, link and sink is at work with."""
    installation = house.installation
    meters: dict[str, object] = dict(installation.snapshot.meters)
    links: dict[str, object] = {
        name: state.link for name, state in installation.snapshot.links.items()
    }
    sinks: dict[str, object] = {name: sink.forwarder for name, sink in installation._sinks.items()}
    return meters, links, sinks


def touched(before: dict[str, object], after: dict[str, object]) -> set[str]:
    return {name for name in before if name in after and before[name] is not after[name]}


@pytest.mark.parametrize("name", CHANGES)
def test_only_what_changed_is_begun_anew(name: str, tmp_path: Path) -> None:
    change = CHANGES[name]

    async def scenario() -> None:
        async with living(tmp_path, BEFORE, buses="abc") as house:
            await house.polled("l1", "l2", "r1")
            installation = house.installation
            before = parts_of(house)
            assert await house.change(change.after) == change.told
            assert house.installation is installation
            after = parts_of(house)
            assert [touched(old, new) for old, new in zip(before, after, strict=True)] == [
                change.meters,
                change.links,
                change.sinks,
            ]
            await house.polled(*after[0], times=2)
            for meter_name in set(before[0]) & set(after[0]) - change.meters:
                assert installation.snapshot.meters[meter_name].skipped == 0
            assert installation.snapshot.sinks.keys() == after[2].keys()

    run(scenario())


@on_each_loop
def test_a_meter_that_stays_misses_no_poll_and_keeps_its_connection(
    loop: str, tmp_path: Path
) -> None:
    step_s = 0.2  # a poll may be late by half of it
    texts = [CHANGES[name].after for name in ("a meter added", "another beat", "a link added")]
    before, *versions = (text.replace("100ms", "200ms") for text in (BEFORE, *texts))

    async def scenario() -> None:
        async with living(tmp_path, before, buses="abc") as house:
            await house.polled("l1", "l2")
            opened = house.installation.snapshot.links["left"].link._opener.connection
            assert opened is not None
            for text in (*versions, before, *versions):
                await house.change(text)
                await asyncio.sleep(step_s / 3)
            await house.polled("l1", "l2")
            assert house.installation.snapshot.links["left"].link._opener.connection is opened
            assert not house.told(Topic.SITE, Level.ERROR)
            for unit in (1, 2):
                times = house.units["a"].times(unit)
                steps = [round((after - one) / step_s) for one, after in pairwise(times)]
                # The first poll asks twice.
                assert set(steps[1:]) == {1}

    run(scenario(), loop)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no such signal")
@on_each_loop
def test_a_signal_has_the_file_read_too(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, BEFORE, buses="abc") as house:
            follow_signals(house.daemon)
            hang_up = lambda: os.kill(os.getpid(), signal.SIGHUP)  # noqa: E731
            assert await house.outcome(hang_up) == "reloaded, nothing changed"
            profile = house.folder / "plain.toml"
            text = profile.read_text("utf-8")
            profile.write_text(text.replace("word_0", "word_7"), "utf-8")
            # Nobody looks at the profiles by themselves.
            assert await house.outcome(hang_up) == "reloaded: 3 meters changed"
            await house.polled("l1")
            asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
            asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    run(scenario(), loop)


def test_whoever_may_can_have_it_read_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, BEFORE, buses="abc") as house:
            outcome = await house.outcome(house.installation.reload)
            assert outcome == "reloaded, nothing changed"

    run(scenario())


def without_file(house: House) -> None:
    house.path.unlink()


def with_text(text: str) -> Callable[[House], None]:
    return lambda house: house.write(text)


BROKEN: dict[str, tuple[Callable[[House], None], str]] = {
    "no TOML": (with_text("name = \n"), "site.toml:1: is not TOML, column 8"),
    "gone": (without_file, "site.toml: there is no such file"),
    "no link": (with_text(site(LEFT, meter("l1", "lft", 1))), "lft"),
    "no profile": (with_text(site(LEFT, L1.replace("plain.", "gone."))), "gone.toml"),
    "no secret": (
        with_text(
            site(LEFT, L1, '[[sink]]\ntype = "webhook"\nurl = "http://x"\ntoken = {env = "NO_XY"}')
        ),
        "NO_XY",
    ),
    "meters in vain": (with_text(site(LEFT, L1, '[[sink]]\ntype = "prometheus"')), "HTTP side"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_the_reason_and_the_old_one_goes_on(
    name: str, tmp_path: Path
) -> None:
    act, reason = BROKEN[name]

    async def scenario() -> None:
        async with living(tmp_path, BEFORE, buses="abc") as house:
            await house.polled("l1")
            before = parts_of(house)
            outcome = await house.outcome(lambda: act(house))
            assert outcome.startswith("the new version is not taken, the old one goes on: ")
            assert reason in outcome
            assert house.told(Topic.SITE, Level.ERROR) == [outcome]
            await house.polled("l1", "l2", "r1")
            assert parts_of(house) == before
            # It is not told again and again, and a good one is taken as ever.
            changed = CHANGES["a meter added"]
            assert await house.change(changed.after) == changed.told
            assert len(house.told(Topic.SITE)) == 2

    run(scenario())


def test_a_fault_of_the_program_while_reading_the_file_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with living(tmp_path, BEFORE, buses="abc") as house:
            await house.polled("l1")

            def broken() -> None:
                raise RecursionError("too deep")

            monkeypatch.setattr(house.daemon, "_load", broken)
            outcome = await house.outcome(house.daemon.reload)
            assert "the old one goes on" in outcome
            assert "a fault of the program (RecursionError: too deep)" in outcome
            await house.polled("l1")

    run(scenario())


def test_a_change_while_it_starts_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from energymeter.daemon.installation import Installation  # noqa: PLC0415

    start = Installation.start

    async def slow_start(installation: Installation) -> None:
        changed = CHANGES["a meter added"].after
        text = (tmp_path / "site.toml").read_text("utf-8")
        url = text.partition("tcp://")[2].partition('"')[0]
        (tmp_path / "site.toml").write_text(
            changed.replace("{a}", f"tcp://{url}").replace("{b}", "tcp://127.0.0.1:1"), "utf-8"
        )
        await start(installation)

    monkeypatch.setattr(Installation, "start", slow_start)

    async def scenario() -> None:
        async with living(tmp_path, BEFORE, buses="abc") as house:
            await eventually(lambda: "r2" in house.installation.snapshot.meters)

    run(scenario())


OTHER_STORE = '[store]\npath = "other.db"'


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (site(LEFT, L1, L2, FOR_LEFT, OTHER_STORE), "store changed"),
        (site(LEFT, L1, L2, FOR_LEFT).replace("plant", "works"), "site changed"),
        (site(LEFT, L1, L2, FOR_LEFT, head='web = false\nstate = "memory"'), "site changed"),
        (site(LEFT, L1, L2, FOR_LEFT, head='[web]\nlisten = "127.0.0.1:0"'), "web changed"),
    ],
    ids=["store", "name", "state", "web"],
)
def test_what_everything_hangs_on_has_all_begin_anew(after: str, told: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, site(LEFT, L1, L2, FOR_LEFT)) as house:
            await house.polled("l1", "l2")
            installation = house.installation
            assert await house.change(after) == f"reloaded: {told}"
            assert house.installation is not installation
            await house.polled("l1", "l2", times=3)
            snapshot = house.installation.snapshot
            assert snapshot.site == house.installation.view.site.name
            assert bool(house.installation.address) == (told == "web changed")
            assert snapshot.sinks["for-left"].fault == ""
        lines = (tmp_path / "for-left.jsonl").read_text("utf-8").splitlines()
        if "other.db" in after:
            assert stored(tmp_path / "other.db") == {"l1", "l2"}
        assert stored(tmp_path / "energymeter.db") == {"l1", "l2"}
        assert len(lines) >= 6

    run(scenario())


CANNOT_START = {
    "a folder is where the store should be": '[store]\npath = "folder"',
    "a file is where its folder should be": '[store]\npath = "plain.toml/x/energymeter.db"',
    "a port that is taken": '[web]\nlisten = "{taken}"',
    "a state that cannot be": 'state = "plain.toml/x"',
}
HOOK = '[[sink]]\ntype = "webhook"\nurl = "http://127.0.0.1:1"'
"""Nobody is there."""


@pytest.mark.parametrize("name", CANNOT_START)
def test_if_the_new_one_cannot_start_the_old_one_comes_back(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            head = CANNOT_START[name].replace("{taken}", f"127.0.0.1:{taken.getsockname()[1]}")
            head = head if "web" in head else f"web = false\n{head}"
            async with living(tmp_path, site(LEFT, L1, L2, HOOK)) as house:
                await eventually(lambda: house.installation.snapshot.sinks["webhook"].waiting > 3)
                waiting = house.installation.snapshot.sinks["webhook"].waiting
                # It would have the sink forgotten, and all that waits for it.
                outcome = await house.change(site(LEFT, L1, sink("other"), head=head))
                assert outcome.startswith("the new version is not taken, the old one goes on: ")
                assert outcome.count("\n") == 0
                forwarder = house.installation._sinks["webhook"].forwarder
                assert forwarder._reader.waiting >= waiting
                await house.polled("l1", "l2")
                assert not (tmp_path / "other.jsonl").exists()
                assert house.installation.snapshot.store.place == str(tmp_path / "energymeter.db")
        assert stored(tmp_path / "energymeter.db") == {"l1", "l2"}

    run(scenario())


def test_a_sink_that_cannot_be_made_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    mqtt = '[[sink]]\ntype = "mqtt"\nhost = "127.0.0.1"'

    async def scenario() -> None:
        async with living(tmp_path, site(LEFT, L1)) as house:
            await house.polled("l1")
            installation = house.installation
            for head in ("web = false", 'web = false\nstate = "other"'):
                outcome = await house.change(site(LEFT, L1, mqtt, head=head))
                assert "pip install 'energymeter[mqtt]'" in outcome
            assert house.installation is installation
            await house.polled("l1")
        assert not (tmp_path / "other").exists()

    run(scenario())


def test_if_not_even_the_old_one_can_start_it_ends_with_the_reason(
    tmp_path: Path,
) -> None:
    (tmp_path / "folder").mkdir()

    async def scenario() -> None:
        async with living(tmp_path, site(LEFT, L1)) as house:
            await house.polled("l1")
            (tmp_path / "energymeter.db").unlink()
            (tmp_path / "energymeter.db").mkdir()
            house.write(site(LEFT, L1, '[store]\npath = "folder"'))
            await eventually(lambda: house.daemon.installation is None)

    with pytest.raises(MeterError, match=r"energymeter\.db"):
        run(scenario())


def test_a_file_that_has_become_empty_is_refused_and_the_old_one_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, BEFORE, buses=("a", "b", "c")) as house:
            assert await house.change("") == (
                "the new version is not taken, the old one goes on: "
                f"{house.path}: has neither meters nor sinks; if that is meant, end the service "
                "and restart it"
            )
            await house.polled("l1", "l2", "r1")

    run(scenario())


def test_a_file_is_taken_when_nobody_writes_it_any_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, BEFORE, buses=("a", "b", "c")) as house:
            seen = len(house.told(Topic.SITE))
            # Each of these pieces is a site.
            for part in range(12):
                house.write(site(LEFT, RIGHT, L1, f"# {part}"))
                await asyncio.sleep(0.03)
            assert await house.change(BEFORE + "# end") == "reloaded, nothing changed"
            assert len(house.told(Topic.SITE)) == seen + 1

    run(scenario())


def test_the_last_polls_of_a_meter_that_is_removed_reach_the_sinks(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, BEFORE, buses=("a", "b", "c")) as house:
            await house.polled("l2", times=3)
            await house.change(site(LEFT, RIGHT, L1, R1, FOR_LEFT, FOR_RIGHT))
            await house.polled("l1", times=8)
            assert house.told(Topic.SINK) == []
            lines = (tmp_path / "for-left.jsonl").read_text("utf-8").splitlines()
        passed_on = [line for line in lines if json.loads(line)["meter"] == "l2"]
        with SqliteStore(tmp_path / "energymeter.db", read_only=True) as store:
            kept = store.history("l2", "word_0", EPOCH, datetime.now(UTC))
        assert kept is not None
        assert len(passed_on) == len(kept)

    run(scenario())


def test_a_sink_that_gets_other_meters_still_knows_those_it_had(tmp_path: Path) -> None:
    # Of a meter with rates it has values that come again tomorrow.
    async def scenario() -> None:
        async with living(tmp_path, BEFORE, buses=("a", "b", "c")) as house:
            before = house.installation._made["for-right"]
            await house.change(site(LEFT, RIGHT, L1, L2, R1, R2, FOR_LEFT, FOR_RIGHT))
            await house.polled("r2")
            assert house.installation._made["for-right"] is before
            lines = tmp_path / "for-right.jsonl"
            await eventually(lambda: '"r2"' in lines.read_text("utf-8"))

    run(scenario())


def test_a_sink_that_was_changed_and_fails_too_says_why(tmp_path: Path) -> None:
    def to(folder: str) -> str:
        more = f'[[sink]]\ntype = "json"\npath = "{folder}/out.jsonl"'
        return site(LEFT, L1, more)

    async def scenario() -> None:
        async with living(tmp_path, to("/proc/one")) as house:
            await eventually(lambda: house.told(Topic.SINK))
            await house.change(to("/proc/two"))
            await eventually(lambda: len(house.told(Topic.SINK)) == 2)
            first, second = house.told(Topic.SINK)
            assert "/proc/one/" in first
            assert "/proc/two/" in second

    run(scenario())


def test_a_sink_that_becomes_another_kind_is_shown_as_that(tmp_path: Path) -> None:
    other = '[[sink]]\nname = "out"\ntype = "json"\npath = "out.jsonl"'

    async def scenario() -> None:
        async with living(tmp_path, site(LEFT, L1, HOOK.replace("type", 'name="out"\ntype'))) as h:
            await eventually(lambda: h.installation.snapshot.sinks["out"].fault)
            assert await h.change(site(LEFT, L1, other)) == "reloaded: sink out changed"
            state = h.installation.snapshot.sinks["out"]
            assert state.type == "json"
            await eventually(lambda: not state.fault)
            # What waited for the one goes to the other.
            await eventually(lambda: state.sent > 2)

    run(scenario())


def test_the_level_of_the_log_follows_the_file_unless_it_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()

    async def scenario() -> None:
        async with living(tmp_path, site(LEFT, L1)) as house:
            root = logging.getLogger()
            assert root.level == logging.INFO
            await house.change(site(LEFT, L1, '[store]\npath = "folder"\n[log]\nlevel = "error"'))
            assert root.level == logging.INFO
            await house.change(site(LEFT, L1, '[log]\nlevel = "error"\nformat = "json"'))
            assert root.level == logging.ERROR
            house.daemon._events.tell(Level.WARNING, Topic.SITE, "", "not to be heard")
            house.daemon._events.tell(Level.ERROR, Topic.SITE, "", "to be heard")

    run(scenario())
    err = capfd.readouterr().err
    assert "not to be heard" not in err
    assert json.loads(err.splitlines()[-1])["text"] == "to be heard"


def hook(token: str, *more: str) -> str:
    return "\n".join([HOOK, f'token = "{token}"', *more])


def test_no_secret_is_ever_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    secrets = ("tok-one-9", "tok-two-8", "tok-web-7", "key-head-6", "db%2Fpass-5", "db/pass-5")
    store = '[store]\ntype = "postgres"\nurl = "postgresql://me:db%2Fpass-5@127.0.0.1:1/x"\n'
    web = '[web]\nlisten = "127.0.0.1:0"\ntoken = "tok-web-7"\n'
    headers = 'headers = {"X-Key" = "key-head-6"}'
    debug = '[log]\nlevel = "debug"'

    async def scenario() -> None:
        async with living(tmp_path, site(LEFT, L1, hook("tok-one-9"), debug)) as house:
            await eventually(lambda: house.installation.snapshot.sinks["webhook"].fault)
            await house.change(site(LEFT, L1, hook("tok-two-8", headers), debug))
            await house.change(site(LEFT, L1, hook("tok-two-8", headers), debug, head=web + store))
            await eventually(lambda: house.installation.snapshot.store.fault)
            for secret in secrets:
                logging.getLogger("somebody").error("it failed with %s", secret)

    run(scenario())
    err = capfd.readouterr().err
    assert err.count("it failed with ***") == len(secrets)
    assert [secret for secret in secrets if secret in err] == []
