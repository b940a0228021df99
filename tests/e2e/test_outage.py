"""What is around the service goes away and comes back: nothing is lost, no poll is disturbed."""

from __future__ import annotations

import re
import resource
from datetime import UTC, datetime

from tests.e2e.running import Running, acknowledged, eventually, meters, receiver, stored_since


def _site(simulated_entries: str, port: int) -> str:
    return (
        'name = "plant"\n[web]\nlisten = "{listen}"\n'
        f'[[sink]]\ntype = "webhook"\nurl = "http://127.0.0.1:{port}/"\n' + simulated_entries
    )


def test_a_receiver_that_was_away_gets_everything_and_polls_go_on(running: Running) -> None:
    with meters(3) as simulated, receiver() as hook:
        running.write(_site(simulated.entries("200ms"), hook.port))
        running.start()
        eventually(lambda: hook.ids, "readings arrive")
        hook.stop()
        eventually(
            lambda: (running.get("/api/status") or {})["sinks"][0]["fault"], "the sink is missed"
        )
        before = running.get("/api/status")
        eventually(lambda: running.get("/api/status")["sinks"][0]["waiting"] > 30, "readings wait")
        skipped = sum(meter["skipped"] for meter in running.get("/api/status").get("meters_", []))
        assert skipped == 0
        hook.start()
        eventually(lambda: not running.get("/api/status")["sinks"][0]["fault"], "it is back", 70.0)
        assert before["store"]["dropped"] == 0
        assert running.stop() == 0
        assert acknowledged(running.store) <= set(hook.ids)
    assert "works again" in running.text() or re.search(r"sink webhook: .*again", running.text())


def test_a_disk_that_takes_nothing_is_told_and_recovers(running: Running) -> None:
    with meters(2) as simulated, receiver() as hook:
        running.write(_site(simulated.entries("100ms"), hook.port))
        running.start()
        eventually(lambda: stored_since(running.store, datetime.min.replace(tzinfo=UTC)), "stored")
        no_more = 4096
        unlimited = resource.RLIM_INFINITY
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (no_more, unlimited))
        eventually(lambda: running.get("/api/status")["store"]["fault"], "the fault is told")
        had = len(hook.ids)
        eventually(lambda: len(hook.ids) > had + 20, "it goes on passing on")
        assert running.get("/api/status")["store"]["waiting"] > 0
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        eventually(lambda: not running.get("/api/status")["store"]["fault"], "it recovers", 60.0)
        assert running.stop() == 0
        passed_on = set(hook.ids)
    assert passed_on <= acknowledged(running.store)
    assert "takes readings again" in running.text()
