"""The live stream through a web socket: who listens says which meters, and may change their mind.

    -> {"meters": ["main", "hall 2"], "events": true, "every_s": 1}
    <- {"type": "readings", "items": [...]}

What is sent is what `/api/v1/stream` sends, several at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from energymeter.service.desk import Desk
from energymeter.web.api.changes import Changes
from energymeter.web.api.listeners import Listeners
from energymeter.web.api.stream import chosen_meters
from energymeter.web.api.told import as_json, event_item, latest_of
from energymeter.web.session import identity_of

__all__ = ["Subscription", "live_router"]

_PIECE_BYTES: Final = 32_768
_LONGEST_BYTES: Final = 262_144
_TRY_AGAIN: Final = 1013
_GOING_AWAY: Final = 1001
"""RFC 6455, section 7.4.1, and the registry of IANA."""


class Subscription(BaseModel):
    """What somebody wants to hear from now on."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    meters: Annotated[list[str], Field(max_length=10_000)] | None = None
    """The names of the meters; null: all."""

    events: bool = True
    """Whether events are told too."""

    after: Annotated[int, Field(ge=0, le=2**53)] | None = None
    """Events with a higher number first; null: those from now on."""

    every_s: Annotated[float, Field(ge=0.2, le=60)] = 1.0
    """Seconds between two looks for what is new."""


def live_router(desk: Desk, listeners: Listeners) -> APIRouter:
    """The route.

    Args:
        desk: Where everything stands.
        listeners: Who listens.
    """
    router = APIRouter(prefix="/api/v1")

    @router.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        if listeners.is_full:
            await socket.close(_TRY_AGAIN, "too many listen already")
            return
        task = asyncio.create_task(_Listener(desk, socket).run())
        try:
            with listeners.one(identity_of(socket), task):
                await asyncio.wait({task})
        finally:
            task.cancel()
        with suppress(WebSocketDisconnect, RuntimeError):  # the other side may be gone
            await socket.close(_GOING_AWAY)
        if not task.cancelled():
            task.result()

    return router


class _Listener:
    """One web socket.

    Args:
        desk: Where everything stands.
        socket: It; open.
    """

    def __init__(self, desk: Desk, socket: WebSocket) -> None:
        self._desk = desk
        self._socket = socket
        self._sending: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until the other side goes."""
        try:
            while True:
                message = await self._next()
                if message["type"] == "websocket.disconnect":
                    return
                await self._follow(message.get("text") or message.get("bytes") or "")
        except WebSocketDisconnect:
            return
        finally:
            await self._stop()

    async def _next(self) -> Message:
        """What the other side says next; what goes wrong with the sending meanwhile is raised."""
        receiving = asyncio.create_task(self._socket.receive())
        waiting: set[asyncio.Task[Any]] = {receiving}
        if self._sending is not None:
            waiting.add(self._sending)
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not receiving.done():
                receiving.cancel()
        if self._sending is not None and self._sending.done():
            self._sending.result()
        return await receiving

    async def _follow(self, text: str | bytes) -> None:
        await self._stop()
        if len(text) > _LONGEST_BYTES:
            await self._send({"type": "fault", "detail": "this is too long"})
            return
        try:
            wanted = Subscription.model_validate_json(text)
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(str(part) for part in fault["loc"])
            text = fault["msg"][:1].lower() + fault["msg"][1:]
            await self._send({"type": "fault", "detail": f"{place}: {text}" if place else text})
            return
        self._sending = asyncio.create_task(self._tell(wanted))

    async def _stop(self) -> None:
        sending, self._sending = self._sending, None
        if sending is None:
            return
        sending.cancel()
        await asyncio.wait({sending})
        if not sending.cancelled():
            with suppress(WebSocketDisconnect):
                sending.result()

    async def _tell(self, wanted: Subscription) -> None:
        clock = self._desk.clock
        changes = Changes(self._desk, chosen_meters(self._desk, wanted.meters), wanted.after)
        due_s = clock.monotonic()
        while True:
            for items in self._pieces(changes):
                await self._socket.send_text(f'{{"type":"readings","items":[{items}]}}')
                await asyncio.sleep(0)
            gone = changes.gone()
            if gone:
                await self._send({"type": "gone", "meters": gone})
            if wanted.events:
                await self._tell_events(changes)
            due_s = max(due_s + wanted.every_s, clock.monotonic())
            await clock.sleep_until(due_s)

    def _pieces(self, changes: Changes) -> Iterator[str]:
        """Meters that were read since they were told, as JSON, several at a time."""
        items: list[str] = []
        size = 0
        for state in changes.meters():
            items.append(as_json(latest_of(state, self._desk.clock.now())).decode())
            size += len(items[-1])
            if size >= _PIECE_BYTES:
                yield ",".join(items)
                items, size = [], 0
        if items:
            yield ",".join(items)

    async def _tell_events(self, changes: Changes) -> None:
        missed, events = changes.events()
        if missed or events:
            items = [event_item(event) for event in events]
            await self._send({"type": "events", "missed": missed, "items": items})

    async def _send(self, content: dict[str, Any]) -> None:
        await self._socket.send_text(as_json(content).decode())
