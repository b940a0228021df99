"""The webhook sink against a server on loopback."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any, Final

import pytest
from tests.sinks.http_double import HttpDouble, Reply, serving
from tests.sinks.polls import batch, poll_of, polls_by_id
from tests.support.loops import on_each_loop, run
from tests.transports.pki import Pki

from energymeter.errors import ConfigError, SinkRejectedError, SinkUnavailableError
from energymeter.service.sink import SinkPoll
from energymeter.sinks.http import Patience
from energymeter.sinks.poll_json import poll_object
from energymeter.sinks.webhook import WebhookSink, idempotency_key
from energymeter.site.sinks import WebhookEntry

PATIENCE: Final = Patience(5.0, 5.0, 10.0)


def sink_to(url: str, **other: Any) -> WebhookSink:
    entry = WebhookEntry.model_validate({"type": "webhook", "url": url, **other})
    return WebhookSink(entry, "plant", PATIENCE)


async def answered(reply: Reply, polls: list[SinkPoll] | None = None) -> HttpDouble:
    double = HttpDouble(lambda _: reply)
    async with serving(double):
        sink = sink_to(f"{double.url}/hook?key=hush")
        await sink.open({})
        try:
            await sink.send(polls or batch(1))
        finally:
            await sink.close()
    return double


@on_each_loop
def test_polls_are_posted_as_json(loop: str) -> None:
    async def main() -> None:
        double = HttpDouble(lambda _: Reply(201, "{}"))
        async with serving(double):
            sink = sink_to(f"{double.url}/hook?key=1", token="secret", headers={"X-Plant": "north"})
            await sink.open({})
            await sink.send(batch(2))
            await sink.close()
        (request,) = double.requests
        assert (request.method, request.path, request.query) == ("POST", "/hook", {"key": "1"})
        assert request.headers["authorization"] == "Bearer secret"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["x-plant"] == "north"
        assert request.json == {"site": "plant", "polls": [poll_object(p) for p in batch(2)]}

    run(main(), loop)


def test_no_request_has_more_polls_than_the_entry_says() -> None:
    async def main() -> None:
        double = HttpDouble()
        async with serving(double):
            sink = sink_to(double.url, batch=3)
            await sink.open({})
            await sink.send(batch(8))
            await sink.close()
        sent = [[poll["id"] for poll in request.json["polls"]] for request in double.requests]
        assert [len(ids) for ids in sent] == [3, 3, 2]
        assert [each for ids in sent for each in ids] == polls_by_id(batch(8))

    run(main())


def test_the_same_polls_have_the_same_key_and_others_another() -> None:
    async def main() -> None:
        double = HttpDouble()
        async with serving(double):
            sink = sink_to(double.url)
            await sink.open({})
            await sink.send(batch(2))
            await sink.send(batch(2))
            await sink.send(batch(2, first=1))
            await sink.close()
        first, again, other = (each.headers["idempotency-key"] for each in double.requests)
        assert first == again == idempotency_key(batch(2))
        assert other != first

    run(main())


@pytest.mark.parametrize("status", [400, 409, 410, 415, 422])
def test_readings_that_are_refused_are_rejected(status: int) -> None:
    async def main() -> None:
        with pytest.raises(SinkRejectedError, match=f"answers {status}: never"):
            await answered(Reply(status, "never"))

    run(main())


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 408, 425, 429, 500, 503])
def test_anything_else_is_tried_again(status: int) -> None:
    async def main() -> None:
        with pytest.raises(SinkUnavailableError, match=f"answers {status}"):
            await answered(Reply(status, "later"))

    run(main())


def test_messages_do_not_tell_the_path_and_query_of_the_address() -> None:
    async def main() -> None:
        with pytest.raises(SinkUnavailableError) as caught:
            await answered(Reply(404))
        assert "hush" not in str(caught.value)
        assert "hook" not in str(caught.value)

    run(main())


def test_the_log_does_not_tell_the_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run(answered(Reply(200)))
    assert "hush" not in caplog.text


def test_one_refused_poll_does_not_take_the_others_with_it() -> None:
    async def main() -> None:
        taken: list[str] = []

        def judge(request: Any) -> Reply:
            ids = [poll["id"] for poll in request.json["polls"]]
            if poll_of(5).id in ids:
                return Reply(422, "no such meter")
            taken.extend(ids)
            return Reply()

        async with serving(HttpDouble(judge)) as double:
            sink = sink_to(double.url)
            await sink.open({})
            with pytest.raises(SinkRejectedError, match=r"1 of 9 polls refused.*no such meter"):
                await sink.send(batch(9))
            await sink.close()
        assert taken == [each.id for each in batch(9) if each.id != poll_of(5).id]

    run(main())


def test_a_connection_cut_before_the_answer_is_tried_again() -> None:
    async def main() -> None:
        double = HttpDouble(drops=True)
        async with serving(double):
            sink = sink_to(double.url)
            await sink.open({})
            with pytest.raises(SinkUnavailableError, match="broke the connection"):
                await sink.send(batch(1))
            double.drops = False
            await sink.send(batch(1))
            await sink.close()
        assert len(double.requests) == 2

    run(main())


def test_a_server_that_does_not_answer_is_not_waited_for_longer_than_said() -> None:
    async def main() -> None:
        async with serving(HttpDouble(is_hanging=True)) as double:
            entry = WebhookEntry.model_validate({"type": "webhook", "url": double.url})
            for patience, text in (
                (Patience(1, 0.05, 5), "does not answer within 0.05 s"),
                (Patience(1, 5, 0.05), "did not respond completely within 0.05 s"),
            ):
                sink = WebhookSink(entry, "plant", patience)
                await sink.open({})
                with pytest.raises(SinkUnavailableError, match=text):
                    await sink.send(batch(1))
                await sink.close()

    run(main())


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async def main() -> None:
        await answered(Reply(200, "x" * 3_000_000))

    run(main())


def test_a_certificate_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    files = Pki(tmp_path).sign("server")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert files.cert is not None
    tls.load_cert_chain(files.cert, files.key)

    async def main() -> None:
        double = HttpDouble()
        async with serving(double, tls=tls):
            sink = sink_to(double.url.replace("http:", "https:"))
            await sink.open({})
            with pytest.raises(SinkUnavailableError, match="certificate is not trusted"):
                await sink.send(batch(1))
            await sink.close()
        assert double.requests == []

    run(main())


def test_an_issuer_this_computer_trusts_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Pki(tmp_path).sign("server")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert files.cert is not None
    assert files.ca is not None
    tls.load_cert_chain(files.cert, files.key)
    monkeypatch.setenv("SSL_CERT_FILE", files.ca)

    async def main() -> None:
        double = HttpDouble()
        async with serving(double, tls=tls):
            sink = sink_to(double.url.replace("http:", "https:"))
            await sink.open({})
            await sink.send(batch(1))
            await sink.close()
        assert len(double.requests) == 1

    run(main())


@pytest.mark.parametrize(
    "headers",
    [{"X y": "z"}, {"X": "a\r\nB: c"}, {"X": "ä"}, {"": "x"}, {"Content-Length": "5"}],
)
def test_headers_that_cannot_be_sent_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        sink_to("http://127.0.0.1:1", headers=headers)


def test_two_logins_are_one_too_many() -> None:
    with pytest.raises(ConfigError, match="two logins"):
        sink_to("http://127.0.0.1:1", headers={"Authorization": "Basic x"}, token="secret")
