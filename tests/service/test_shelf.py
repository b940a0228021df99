"""What was learned reaches the disk without holding anybody up, and is found again."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from tests.service.benching import DayClock
from tests.support.loops import on_each_loop, run, turns, until

from energymeter.codec.codes import Table
from energymeter.reader import FileMemory, Knowledge
from energymeter.reader.memory import Fact, FactKind, SavedCount
from energymeter.service import shelf as shelf_module
from energymeter.service.shelf import Shelf


def knowledge(energy: float, holes: int = 0) -> Knowledge:
    facts = [
        Fact(kind=FactKind.HOLE, table=Table.HOLDING, first=n, count=1, due=9.0, pause_s=600.0)
        for n in range(holes)
    ]
    return Knowledge(facts=facts, counts={"energy": SavedCount(energy, 5.0)})


def on_disk(folder: Path, unit: int = 1) -> Knowledge | None:
    return FileMemory("bus", unit, "x/y", folder=folder).load()


@on_each_loop
def test_what_is_saved_is_on_the_disk_a_moment_later(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = DayClock()
        shelf = Shelf(tmp_path, clock)
        task = asyncio.create_task(shelf.run())
        shelf.memory("bus", 1, "x/y", meter="m1").save(knowledge(7, holes=2))
        assert on_disk(tmp_path) is None
        await clock.advance(1.1)
        await until(lambda: on_disk(tmp_path) is not None)
        assert on_disk(tmp_path) == knowledge(7, holes=2)
        task.cancel()
        await asyncio.wait([task])

    run(scenario(), loop)


@on_each_loop
def test_thousands_of_memories_are_written_a_few_at_a_time(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    monkeypatch.setattr(shelf_module, "_save_all", lambda work: written.append(len(work)))

    async def scenario() -> None:
        clock = DayClock()
        shelf = Shelf(tmp_path, clock)
        for unit in range(1200):
            shelf.memory("bus", unit, "x/y", meter=f"m{unit}").save(knowledge(unit))
        task = asyncio.create_task(shelf.run())
        for second in range(1, 31):
            await clock.advance(1.0)
            await until(lambda: len(written) == second)  # noqa: B023 - it is over within the turn
        assert written[0] == 20
        assert max(written) == 20
        task.cancel()
        await asyncio.wait([task])
        await shelf.flush()
        assert sum(written) == 1200

    run(scenario(), loop)


@on_each_loop
def test_of_many_savings_of_one_meter_the_newest_is_written(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        shelf = Shelf(tmp_path, DayClock())
        memory = shelf.memory("bus", 1, "x/y", meter="m1")
        for energy in range(100):
            memory.save(knowledge(energy))
        await shelf.flush()
        assert on_disk(tmp_path) == knowledge(99)

    run(scenario(), loop)


@on_each_loop
def test_what_a_reader_changes_after_saving_does_not_reach_the_thread(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    save_all = shelf_module._save_all

    def later(work: list[tuple[FileMemory, Knowledge]]) -> None:
        gate.wait(10)
        save_all(work)

    monkeypatch.setattr(shelf_module, "_save_all", later)

    async def scenario() -> None:
        shelf = Shelf(tmp_path, DayClock())
        known = knowledge(1, holes=1)
        shelf.memory("bus", 1, "x/y", meter="m1").save(known)
        flushing = asyncio.create_task(shelf.flush())
        await turns(5)
        known.facts[0].pause_s = 3600.0
        known.facts.clear()
        gate.set()
        await flushing
        assert on_disk(tmp_path) == knowledge(1, holes=1)

    run(scenario(), loop)


@on_each_loop
def test_the_next_reader_of_a_meter_knows_what_the_last_one_saved(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(shelf_module, "_save_all", lambda _: gate.wait(10))

    async def scenario() -> None:
        shelf = Shelf(tmp_path, DayClock())
        shelf.memory("bus", 1, "x/y", meter="m1").save(knowledge(3, holes=1))

        before_writing = shelf.memory("bus", 1, "x/y", meter="m1").load()
        flushing = asyncio.create_task(shelf.flush())
        await turns(5)
        while_writing = shelf.memory("bus", 1, "x/y", meter="m1").load()
        gate.set()
        await flushing

        assert before_writing == while_writing == knowledge(3, holes=1)
        # A copy: the last reader may go on learning.
        assert before_writing is not None
        assert while_writing is not None
        before_writing.facts.clear()
        assert while_writing == knowledge(3, holes=1)
        assert shelf.memory("bus", 2, "x/y", meter="m2").load() is None

    run(scenario(), loop)


def test_what_is_on_the_disk_is_found_after_a_restart(tmp_path: Path) -> None:
    FileMemory("bus", 1, "x/y", folder=tmp_path).save(knowledge(5, holes=3))

    assert Shelf(tmp_path, DayClock()).memory("bus", 1, "x/y", meter="m1").load() == knowledge(
        5, holes=3
    )


@on_each_loop
def test_flushing_while_some_are_being_written_spoils_no_file(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = most = 0
    lock = threading.Lock()
    save_all = shelf_module._save_all

    def counting(work: list[tuple[FileMemory, Knowledge]]) -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        threading.Event().wait(0.02)
        save_all(work)
        with lock:
            at_once -= 1

    monkeypatch.setattr(shelf_module, "_save_all", counting)

    async def scenario() -> None:
        clock = DayClock()
        shelf = Shelf(tmp_path, clock)
        memory = shelf.memory("bus", 1, "x/y", meter="m1")
        task = asyncio.create_task(shelf.run())
        memory.save(knowledge(1))
        await clock.advance(1.0)
        memory.save(knowledge(2))
        await shelf.flush()
        task.cancel()
        await asyncio.wait([task])
        assert most == 1
        assert on_disk(tmp_path) == knowledge(2)

    run(scenario(), loop)


@on_each_loop
def test_cancelled_while_it_writes_nothing_is_lost(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = DayClock()
        shelf = Shelf(tmp_path, clock)
        task = asyncio.create_task(shelf.run())
        for unit in range(1, 4):
            shelf.memory("bus", unit, "x/y", meter=f"m{unit}").save(knowledge(unit))
        await clock.advance(1.0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await shelf.flush()
        assert [on_disk(tmp_path, unit) for unit in range(1, 4)] == [
            knowledge(unit) for unit in range(1, 4)
        ]

    run(scenario(), loop)


def test_who_glances_knows_everything_and_changes_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, DayClock())
    shelf.memory("bus", 1, "x/y", meter="m1").save(knowledge(7, holes=2))
    glance = shelf.glance("bus", 1, "x/y", meter="m1")
    assert glance.load() == knowledge(7, holes=2)
    glance.save(knowledge(1))
    assert shelf.memory("bus", 1, "x/y", meter="m1").load() == knowledge(7, holes=2)
    assert shelf.glance("bus", 2, "x/y", meter="m2").load() is None


@on_each_loop
def test_counters_go_with_the_name_and_refusals_stay_with_the_place(
    loop: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        shelf = Shelf(tmp_path, DayClock())
        shelf.memory("bus", 1, "x/y", meter="house").save(knowledge(7, holes=2))
        shelf.memory("bus", 2, "x/y", meter="barn").save(knowledge(3000))
        await shelf.flush()

        for after in (shelf, Shelf(tmp_path, DayClock())):
            moved = after.memory("bus", 9, "x/z", meter="house").load()
            swapped = after.memory("bus", 2, "x/y", meter="house").load()
            other = after.memory("bus", 1, "x/y", meter="barn").load()
            assert moved == knowledge(7)
            assert swapped == knowledge(7)
            assert other == knowledge(3000, holes=2)

    run(scenario(), loop)


@on_each_loop
def test_where_names_were_exchanged_each_has_its_own_newest_counters(
    loop: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        shelf = Shelf(tmp_path, DayClock())
        for unit, meter, energy in ((1, "a", 7), (2, "b", 3000), (2, "a", 3001), (1, "b", 8)):
            shelf.memory("bus", unit, "x/y", meter=meter).save(knowledge(energy))
        await shelf.flush()
        again = Shelf(tmp_path, DayClock())
        assert again.memory("bus", 2, "x/y", meter="a").load() == knowledge(3001)
        assert again.memory("bus", 1, "x/y", meter="b").load() == knowledge(8)

    run(scenario(), loop)


def test_names_that_cannot_be_read_are_told_and_nothing_else_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    FileMemory("bus", 1, "x/y", folder=tmp_path).save(knowledge(5))
    (tmp_path / "names.json").write_text("[[1]]")
    assert Shelf(tmp_path, DayClock()).memory("bus", 1, "x/y", meter="a").load() == knowledge(5)
    assert "names.json cannot be used" in caplog.text
