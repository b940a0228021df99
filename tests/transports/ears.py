"""A protocol that remembers what it was told."""

from __future__ import annotations

import asyncio
from typing import Self, cast

__all__ = ["Ear", "Ears"]


class Ear(asyncio.Protocol):
    """One end of a connection."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.losses: list[Exception | None] = []
        self.times_made = 0
        self._transport: asyncio.Transport | None = None

    def itself(self) -> Self:
        """For whoever asks for a factory."""
        return self

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None, "nobody is connected"
        return self._transport

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def is_lost(self) -> bool:
        return bool(self.losses)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.times_made += 1
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.losses.append(exc)


class Ears:
    """A factory of protocols that keeps those it made; only the connected ones count."""

    def __init__(self) -> None:
        self.made: list[Ear] = []

    def __call__(self) -> Ear:
        ear = Ear()
        self.made.append(ear)
        return ear

    @property
    def connected(self) -> list[Ear]:
        return [ear for ear in self.made if ear.times_made]

    @property
    def open(self) -> list[Ear]:
        return [ear for ear in self.connected if not ear.is_lost]
