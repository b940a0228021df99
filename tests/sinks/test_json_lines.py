"""Lines of JSON to a file and to standard output."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sinks.polls import batch, polls_by_id
from tests.support.loops import run, until

from energymeter.errors import SinkUnavailableError
from energymeter.service.sink import SinkPoll
from energymeter.sinks.json_lines import JsonLinesSink
from energymeter.sinks.poll_json import poll_object
from energymeter.site.sinks import JsonLinesEntry


def sink_for(path: Path | None, stdout: int = 1) -> JsonLinesSink:
    content = {"type": "json", **({} if path is None else {"path": str(path)})}
    return JsonLinesSink(JsonLinesEntry.model_validate(content), stdout)


def write(path: Path, polls: list[SinkPoll]) -> None:
    async def main() -> None:
        sink = sink_for(path)
        await sink.open({})
        await sink.send(polls)
        await sink.close()

    run(main())


def ids_in(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            continue


def test_each_poll_is_a_line_as_a_webhook_has_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.jsonl"
    write(path, batch(3))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [poll_object(poll) for poll in batch(3)]


def test_lines_are_added_and_those_that_come_again_stand_there_once(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write(path, batch(5))
    path.write_bytes(path.read_bytes()[:-9])
    write(path, batch(8))
    assert ids_in(path) == polls_by_id(batch(8))


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "x.jsonl"
        sink = sink_for(path)
        await sink.open({})
        await sink.send(batch(2))
        path.rename(tmp_path / "x.jsonl.1")
        await sink.send(batch(2, first=2))
        assert ids_in(path) == polls_by_id(batch(2, first=2))
        await sink.close()

    run(main())


def test_a_place_that_cannot_be_written_is_told_when_it_is_opened() -> None:
    async def main() -> None:
        with pytest.raises(SinkUnavailableError, match="cannot write to /dev/null/x"):
            await sink_for(Path("/dev/null/x")).open({})

    run(main())


def test_stdout_gets_the_lines(pipe: tuple[int, int]) -> None:
    async def main() -> None:
        reader, writer = pipe
        sink = sink_for(None, writer)
        await sink.open({})
        await sink.send(batch(2))
        await sink.close()
        lines = os.read(reader, 100_000).splitlines()
        assert [json.loads(line)["id"] for line in lines] == polls_by_id(batch(2))

    run(main())


def test_a_stdout_that_nobody_reads_any_more_is_told(pipe: tuple[int, int]) -> None:
    async def main() -> None:
        reader, writer = pipe
        os.close(reader)
        sink = sink_for(None, writer)
        await sink.open({})
        with pytest.raises(SinkUnavailableError, match="cannot write to stdout: Broken pipe"):
            await sink.send(batch(1))
        await sink.close()

    run(main())


def test_a_stdout_that_is_read_slowly_holds_up_nobody_else(pipe: tuple[int, int]) -> None:
    async def main() -> None:
        reader, writer = pipe
        sink = sink_for(None, writer)
        await sink.open({})
        sending = asyncio.create_task(sink.send(batch(1000)))
        await asyncio.sleep(0.02)
        assert not sending.done()
        found = bytearray()

        def is_done() -> bool:
            found.extend(os.read(reader, 65_536))
            return sending.done() or found.count(b"\n") == 1000

        await until(is_done)
        await sending
        assert found.count(b"\n") == 1000
        await sink.close()

    run(main())
