"""Readings to a server of somebody's own: POST with JSON."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from energymeter.errors import ConfigError, SinkUnavailableError
from energymeter.service.sink import MeterInfo, SinkPoll
from energymeter.sinks.http import (
    HttpPoster,
    Patience,
    checked_headers,
    rejected,
    reveal,
    unavailable_unless,
)
from energymeter.sinks.parts import Parts
from energymeter.sinks.poll_json import json_bytes, poll_object
from energymeter.site.sinks import WebhookEntry

__all__ = ["WebhookSink", "idempotency_key"]

_ABOUT_THE_WAY: Final = frozenset((401, 403, 404, 405, 407, 408, 421, 425, 429))
"""Of 400 to 499, those that are not about the readings: address, login, load."""

_REFUSALS: Final = frozenset(range(400, 500)) - _ABOUT_THE_WAY


def idempotency_key(polls: Sequence[SinkPoll]) -> str:
    """The same for the same polls, 32 hexadecimal digits."""
    ids = "\n".join(poll.id for poll in polls)
    return hashlib.sha256(ids.encode(errors="replace")).hexdigest()[:32]


class WebhookSink:
    """Posts readings as JSON; see `service.sink.Sink`.

    Args:
        entry: What stands in the site file.
        site: Told in every request.
        patience: How long to wait for the server.

    Raises:
        ConfigError: Something in the entry cannot be.
    """

    def __init__(self, entry: WebhookEntry, site: str, patience: Patience | None = None) -> None:
        self._headers = checked_headers(entry.headers, "webhook")
        self._entry = entry
        self._site = site
        self._poster = HttpPoster("webhook", entry.url, patience)
        self._parts = Parts(entry.batch)
        if entry.token is not None and "authorization" in self._headers:
            msg = "the webhook sink has two logins: its token, and one in its headers"
            raise ConfigError(msg)

    async def open(self, meters: Mapping[str, MeterInfo]) -> None:
        """See `Sink.open`."""
        del meters  # nothing of them is sent
        await self._poster.open()

    async def send(self, polls: Sequence[SinkPoll]) -> None:
        """See `Sink.send`."""
        await self._parts.send(polls, self._post)

    async def close(self) -> None:
        """See `Sink.close`."""
        await self._poster.close()

    async def _post(self, polls: Sequence[SinkPoll]) -> None:
        try:
            login = self._login()
        except ConfigError as error:  # it was there at the start; a person can repair it
            raise SinkUnavailableError(error.message) from error
        body = await asyncio.to_thread(self._body, polls)  # batches may be large
        headers = {
            "content-type": "application/json",
            "idempotency-key": idempotency_key(polls),
            **self._headers,
            **login,
        }
        answer = await self._poster.post(body, headers)
        unavailable_unless(answer, self._poster.place, _REFUSALS, "url, token and headers")
        if not answer.is_success:
            raise rejected(answer, self._poster.place)

    def _body(self, polls: Sequence[SinkPoll]) -> bytes:
        return json_bytes({"site": self._site, "polls": [poll_object(poll) for poll in polls]})

    def _login(self) -> dict[str, str]:
        if self._entry.token is None:
            return {}
        token = reveal(self._entry.token, "token of the webhook sink")
        return {"authorization": f"Bearer {token}"}
