"""The process that tends a store: beside a writer, killed, and never twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from tests.store.support import FAR, START, after, plant_poll

from energymeter.store import Every, SqliteStore
from energymeter.store.tending import main, tend

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
COMMAND: Final = (sys.executable, "-m", "energymeter.store.tending")
WRITER: Final = Path(__file__).with_name("writer.py")
KILLS: Final = 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.db"


def _fill(path: Path, hours: int, meters: Sequence[str] = ("main", "b")) -> None:
    with SqliteStore(path, survives_power_loss=False) as store:
        store.append([plant_poll(60 * n, n, meter) for n in range(60 * hours) for meter in meters])


def _run(path: Path, **options: datetime) -> subprocess.CompletedProcess[str]:
    words = [
        word for key, at in options.items() for word in (f"--{key.replace('_', '-')}", f"{at}")
    ]
    return subprocess.run(
        [*COMMAND, str(path), *words], capture_output=True, text=True, timeout=60, check=False
    )


def _told(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.count("\n") == 1
    told: dict[str, Any] = json.loads(run.stdout)
    return told


def _energy(path: Path, every: Every = Every.HOUR) -> list[Any]:
    with SqliteStore(path, read_only=True) as store:
        found = store.history("main", "active_energy_import", EPOCH, FAR, every)
        assert found is not None
        assert store.check() == []
        return list(found.values)


def test_a_run_does_all_there_is_and_says_so_in_one_line(path: Path) -> None:
    _fill(path, 30)
    told = _told(_run(path, compact_before=after(29 * 3600), expire_before=after(20 * 3600)))
    assert told["path"] == str(path)
    assert told["expired"] > 0
    assert told["compacted"] > 0
    assert told["expired_means"] == told["hours_without_means"] == 0
    assert _energy(path) == [59, *[60] * 29]
    again = _told(_run(path, compact_before=after(29 * 3600), expire_before=after(20 * 3600)))
    assert again["expired"] == again["compacted"] == 0
    # START is 22:00: the first whole day is over after 26 hours.
    late = _told(_run(path, expire_means_before=after(27 * 3600)))
    assert late["expired_means"] > 0
    with SqliteStore(path) as store:
        assert store.first("main") is not None
        raw = store.history("main", "active_energy_import", EPOCH, FAR)
        assert raw is not None
        assert raw.times[0] == after(20 * 3600)


def test_killed_at_any_moment_it_is_gone_on_with(path: Path) -> None:
    _fill(path, 48, [*(f"meter-{n}" for n in range(15)), "main"])
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    words = ["--compact-before", str(FAR), "--expire-before", str(after(24 * 3600))]
    lock = path.with_name("site.db-tending")
    killed = 0
    for _ in range(KILLS):
        lock.unlink(missing_ok=True)
        with subprocess.Popen(
            [*COMMAND, str(path), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            while not lock.exists():
                time.sleep(0.005)
            time.sleep(chance.uniform(0.0, 0.15))
            process.kill()
            process.communicate()
            killed += process.returncode != 0
        assert _energy(path) == [59, *[60] * 47]
    assert killed > 0
    _told(_run(path, compact_before=FAR, expire_before=after(24 * 3600)))
    assert _energy(path) == [59, *[60] * 47]
    with SqliteStore(path) as store:
        raw = store.history("main", "active_energy_import", EPOCH, FAR)
        assert raw is not None
        assert raw.values == list(range(24 * 60, 48 * 60))


def test_another_process_may_write_and_compact_all_the_while(path: Path) -> None:
    _fill(path, 1, ["main"])
    with subprocess.Popen(
        [sys.executable, str(WRITER), str(path), "0", "False"], stdout=subprocess.PIPE, text=True
    ) as writer:
        try:
            assert writer.stdout is not None
            while int(writer.stdout.readline()) < 500:
                pass
            with SqliteStore(path, read_only=True) as store:
                newest = store.latest(["a"])["a"].time
            told = _told(_run(path, compact_before=newest, expire_before=newest))
            assert writer.poll() is None
            assert told["expired"] > 0
        finally:
            writer.kill()
        acknowledged = int([line for line in writer.stdout.read().split("\n")[:-1] if line][-1])
    _told(_run(path, compact_before=FAR, expire_before=FAR))
    with SqliteStore(path) as store:
        assert store.check() == []
        for meter in ("a", "b"):
            found = store.history(meter, "n", EPOCH, FAR, Every.DAY)
            newest_value = store.latest([meter])[meter].values[0]
            assert found is not None
            # Each step is 1: what was counted is where it stands.
            assert sum(value for value in found.values if isinstance(value, int)) == newest_value
            assert isinstance(newest_value, int)
            assert newest_value >= acknowledged - 1


def test_it_refuses_to_work_beside_another_one(path: Path) -> None:
    _fill(path, 1)
    holder = (
        "import sys; from pathlib import Path; from energymeter.store.tending import _lock\n"
        "lock = _lock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        refused = _run(path, compact_before=FAR)
        process.kill()
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"{path}: another process tends it already\n"
    # Its lock went with it.
    assert _told(_run(path, compact_before=FAR))["compacted"] > 0


@pytest.mark.parametrize("text", ["garbage", "2026-13-01"])
def test_a_time_that_is_none_is_refused(
    path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([str(path), "--compact-before", text])
    assert exit_info.value.code == 2
    assert text in capsys.readouterr().err


def test_no_store_is_told_in_one_sentence_and_not_made(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.nice", lambda _: 0)
    assert main([str(path)]) == 1
    assert capsys.readouterr().err == f"{path}: there is no store\n"
    assert list(path.parent.iterdir()) == []
    path.write_text("once upon a time " * 100)
    assert main([str(path), "--compact-before", "2026-03-01"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_nothing_asked_is_nothing_done(path: Path) -> None:
    _fill(path, 2)
    with SqliteStore(path) as store:
        assert tend(store) == {"expired": 0, "expired_means": 0, "compacted": 0}
        raw = store.history("main", "active_energy_import", START, FAR)
        assert raw is not None
        assert len(raw) == 120
