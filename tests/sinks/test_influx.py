"""The InfluxDB sink against a double that keeps to the references of versions 1, 2 and 3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from tests.sinks.http_double import HttpDouble, Reply, serving
from tests.sinks.influx_double import InfluxDouble
from tests.sinks.polls import MODEL, START_US, VOLTAGE, batch, meter_info, poll_of
from tests.support.loops import on_each_loop, run

from energymeter.errors import ConfigError, SinkRejectedError, SinkUnavailableError
from energymeter.reader import Quality
from energymeter.service.sink import SinkPoll, SinkValue
from energymeter.sinks.http import Patience
from energymeter.sinks.influx import InfluxSink
from energymeter.site.sinks import InfluxEntry
from energymeter.store import Form, Series

OPTIONS: Final[dict[int, dict[str, Any]]] = {
    1: {"database": "energy", "username": "me", "password": "secret"},
    2: {"org": "home", "bucket": "meters", "token": "secret"},
    3: {"database": "energy", "token": "secret"},
}
LOGINS: Final = {1: "Basic bWU6c2VjcmV0", 2: "Token secret", 3: "Bearer secret"}
PATIENCE: Final = Patience(5.0, 5.0, 10.0)

every_version = pytest.mark.parametrize("version", [1, 2, 3])


def entry_for(version: int, url: str = "http://127.0.0.1:1", **other: Any) -> InfluxEntry:
    content = {"type": "influx", "url": url, "version": version, **OPTIONS[version], **other}
    return InfluxEntry.model_validate(content)


@asynccontextmanager
async def influx(
    version: int = 2, **other: Any
) -> AsyncIterator[tuple[InfluxSink, InfluxDouble, HttpDouble]]:
    """An open sink, what the server keeps, and the server."""
    kept = InfluxDouble(version, LOGINS[version])
    async with serving(HttpDouble(kept)) as server:
        sink = InfluxSink(entry_for(version, server.url, **other), "plant", PATIENCE)
        await sink.open({"main": meter_info()})
        try:
            yield sink, kept, server
        finally:
            await sink.close()


async def answered(*replies: Reply, polls: list[SinkPoll] | None = None) -> HttpDouble:
    """Send to a server that gives these answers, the last one for ever."""
    left = list(replies)
    double = HttpDouble(lambda _: left.pop(0) if len(left) > 1 else left[0])
    async with serving(double):
        sink = InfluxSink(entry_for(2, double.url), "plant", PATIENCE)
        await sink.open({})
        try:
            await sink.send(polls or batch(1))
        finally:
            await sink.close()
    return double


@on_each_loop
@every_version
def test_points_arrive_by_the_rules_of_each_version(version: int, loop: str) -> None:
    async def main() -> None:
        async with influx(version) as (sink, kept, server):
            await sink.send(batch(3))
            await sink.send(batch(3, first=3))
            assert kept.order == [START_US + second * 1_000_000 for second in range(6)]
            fields = next(iter(kept.points.values()))
            assert fields["active_power_total"] == 1500.0
            assert server.connections == 1

    run(main(), loop)


@every_version
def test_points_sent_again_are_the_same_points(version: int) -> None:
    async def main() -> None:
        async with influx(version) as (sink, kept, _):
            await sink.send(batch(3))
            once = dict(kept.points)
            await sink.send(batch(3))
            assert kept.points == once

    run(main())


@every_version
def test_a_server_behind_a_path_is_found(version: int) -> None:
    async def main() -> None:
        double = HttpDouble()
        async with serving(double):
            sink = InfluxSink(entry_for(version, f"{double.url}/influx/"), "plant", PATIENCE)
            await sink.open({})
            await sink.send(batch(1))
            await sink.close()
        assert double.requests[0].path.startswith("/influx/")

    run(main())


def test_a_poll_without_good_values_asks_nothing_of_the_server() -> None:
    async def main() -> None:
        async with influx() as (sink, _, server):
            await sink.send([poll_of(quality=Quality.NOT_READ)])
            assert server.requests == []

    run(main())


@every_version
def test_a_wrong_login_loses_nothing_and_says_what_to_check(version: int) -> None:
    async def main() -> None:
        async with influx(version) as (sink, kept, _):
            kept.authorization = "something else"
            with pytest.raises(SinkUnavailableError, match="401, check url"):
                await sink.send(batch(2))
            kept.authorization = LOGINS[version]
            await sink.send(batch(2))
            assert len(kept.points) == 2

    run(main())


def test_a_token_that_was_renewed_in_its_file_is_used(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "token"
        path.write_text("secret\n")
        async with influx(token={"file": str(path)}) as (sink, kept, _):
            await sink.send(batch(1))
            path.write_text("renewed\n")
            kept.authorization = "Token renewed"
            await sink.send(batch(1, first=1))
            path.unlink()
            with pytest.raises(SinkUnavailableError, match="cannot be read"):
                await sink.send(batch(1, first=2))
            assert len(kept.points) == 2

    run(main())


@every_version
def test_a_part_the_server_refuses_costs_only_that_part(version: int) -> None:
    async def main() -> None:
        async with influx(version) as (sink, kept, server):
            kept.types["energymeter", "model_text"] = float
            good = [poll_of(n, SinkValue(VOLTAGE, 230.0, Quality.GOOD)) for n in range(4)]
            bad = poll_of(9, SinkValue(MODEL, "x", Quality.GOOD))
            with pytest.raises(SinkRejectedError, match=r"1 of 5 polls refused.*type conflict"):
                await sink.send([*good[:2], bad, *good[2:]])
            assert len(kept.points) == 4
            assert len(server.requests) == 1

    run(main())


def test_lines_refused_whole_are_halved_until_the_bad_one_stands_alone() -> None:
    async def main() -> None:
        async with influx() as (sink, kept, server):
            honest = server.answer

            def suspicious(request: Any) -> Reply:
                if b"model_text" in request.content:
                    return Reply(400, '{"code":"invalid","message":"unable to parse"}')
                return honest(request)

            server.answer = suspicious
            polls = [poll_of(n, SinkValue(VOLTAGE, 230.0, Quality.GOOD)) for n in range(64)]
            polls[17] = poll_of(17, SinkValue(MODEL, "x", Quality.GOOD))
            with pytest.raises(SinkRejectedError, match="1 of 64 polls refused"):
                await sink.send(polls)
            assert len(kept.points) == 63
            assert kept.order == sorted(kept.order)

    run(main())


def test_a_server_that_refuses_everything_is_not_asked_for_ever() -> None:
    async def main() -> None:
        double = HttpDouble(lambda _: Reply(400, '{"code":"invalid","message":"no"}'))
        async with serving(double):
            sink = InfluxSink(entry_for(2, double.url), "plant", PATIENCE)
            await sink.open({})
            with pytest.raises(SinkRejectedError, match="1000 of 1000 polls refused"):
                await sink.send(batch(1000))
            await sink.close()
        assert len(double.requests) < 100

    run(main())


def test_a_batch_that_is_too_large_goes_in_halves() -> None:
    async def main() -> None:
        async with influx() as (sink, kept, server):
            series = tuple(Series(f"value_{n}") for n in range(50))
            values = tuple(SinkValue(each, 1 / 3, Quality.GOOD) for each in series)
            polls = [poll_of(second, *values) for second in range(40)]
            kept.most_bytes = 5000
            await sink.send(polls[:20])
            asked = len(server.requests)
            await sink.send(polls[20:])
            assert len(server.requests) - asked < asked
            assert len(kept.points) == 40
            assert kept.order == sorted(kept.order)

    run(main())


def test_one_poll_that_is_too_large_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(SinkRejectedError, match="takes no request of this size"):
            await answered(Reply(413))

    run(main())


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_later(status: int) -> None:
    async def main() -> None:
        with pytest.raises(SinkUnavailableError, match="asks to wait 30 s: overloaded"):
            await answered(Reply(status, "overloaded", (("Retry-After", "30"),)))

    run(main())


@pytest.mark.parametrize("status", [401, 403, 404, 405, 409])
def test_what_a_person_can_repair_loses_nothing(status: int) -> None:
    async def main() -> None:
        with pytest.raises(SinkUnavailableError, match="check url, org, bucket and token: no"):
            await answered(Reply(status, "no"))

    run(main())


def test_another_program_that_takes_everything_is_noticed() -> None:
    async def main() -> None:
        with pytest.raises(SinkUnavailableError, match="where InfluxDB 2 answers 204"):
            await answered(Reply(200, "<html>welcome</html>"))

    run(main())


def test_a_redirect_is_told_and_not_followed() -> None:
    async def main() -> None:
        elsewhere = HttpDouble()
        async with serving(elsewhere):
            reply = Reply(308, "", (("Location", f"{elsewhere.url}/x"),))
            with pytest.raises(SinkUnavailableError, match="answers 308 and points to"):
                await answered(reply)
        assert elsewhere.requests == []

    run(main())


def test_a_tls_port_asked_without_tls_loses_nothing() -> None:
    async def main() -> None:
        with pytest.raises(SinkUnavailableError, match="write https://"):
            await answered(Reply(400, "Client sent an HTTP request to an HTTPS server."))

    run(main())


@pytest.mark.parametrize(
    ("version", "missing"),
    [(1, "database"), (2, "org"), (2, "bucket"), (3, "database")],
)
def test_a_missing_key_is_named_before_anything_is_sent(version: int, missing: str) -> None:
    gap: dict[str, Any] = {missing: None}
    with pytest.raises(ConfigError, match=f"needs {missing}"):
        InfluxSink(entry_for(version, **gap), "plant")


@pytest.mark.parametrize("url", ["http://h/x?db=y", "http://h/#x", "http://h\x7f"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        InfluxSink(entry_for(2, url), "plant")


def test_a_token_that_cannot_be_sent_loses_nothing() -> None:
    async def main() -> None:
        async with influx(token="two\nlines") as (sink, _, server):
            with pytest.raises(SinkUnavailableError, match="token of the influx sink"):
                await sink.send(batch(1))
            assert server.requests == []

    run(main())


def test_a_text_series_of_another_form_is_a_field_of_its_own() -> None:
    async def main() -> None:
        async with influx() as (sink, kept, _):
            number = Series("model", form=Form.INTEGER)
            await sink.send([poll_of(0), poll_of(1, SinkValue(number, 5, Quality.GOOD))])
            assert len(kept.points) == 2

    run(main())
