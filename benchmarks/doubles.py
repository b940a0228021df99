"""Simulated meters without sockets, for the accuracy of `find` and `scan`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from energymeter.codec import ReadRequest
from energymeter.codec.codes import ExceptionCode
from energymeter.errors import ExceptionReplyError, RequestTimeout
from energymeter.profiles import AddressRange, Profile
from energymeter.server import Handler
from energymeter.simulator import ImageMaker, SimulatedMeter
from energymeter.simulator.physics import create_physics
from energymeter.values import WireOrder

__all__ = ["DirectUnit", "StillMeter", "moved"]

_AN_HOUR_S = 3600.0


class StillMeter:
    """One simulated meter after some hours of life; time passes when it is told to."""

    def __init__(self, profile: Profile, seed: int, hours: int = 30) -> None:
        self._physics = create_physics(profile.kind, 1, seed)
        for _ in range(hours):
            self._physics.step(_AN_HOUR_S)
        own = {"online": 1.0, "communication_ok": 1.0}
        maker = ImageMaker(profile, (*self._physics.quantities(), *own))
        self._meter = SimulatedMeter(maker, on_reset=lambda: None, state=self._state)
        self.tables = self._meter.tables

    def pass_time(self, seconds: float = 0.05) -> None:
        """Let so much time pass, and show it."""
        self._physics.step(seconds)
        self._meter.show()

    def _state(self) -> Mapping[str, Any]:
        quantities = self._physics.quantities()
        return {name: float(column[0]) for name, column in quantities.items()}


class DirectUnit:
    """A unit that is asked without a wire; counts what it is asked."""

    def __init__(
        self,
        handler: Handler,
        number: int = 1,
        *,
        after_each: Callable[[], None] | None = None,
    ) -> None:
        self.requests: list[ReadRequest] = []
        self._handler = handler
        self._number = number
        self._after_each = after_each

    async def read(self, request: ReadRequest) -> bytes:
        self.requests.append(request)
        answer = self._handler.answer(self._number, request.pdu)
        if self._after_each is not None:
            self._after_each()
        if answer is None:
            msg = "no answer"
            raise RequestTimeout(msg)
        if answer[0] & 0x80:
            msg = "refused"
            raise ExceptionReplyError(msg, function=request.function, code=ExceptionCode(answer[1]))
        return answer[2:]


def moved(profile: Profile, shift: int, order: WireOrder, *, margin: int = 0) -> Profile:
    """The profile with all its addresses moved, in another order.

    With a margin so many registers on either side of every readable stretch answer zero.
    """
    points = tuple(p.model_copy(update={"address": p.address + shift}) for p in profile.points)
    fingerprints = tuple(
        f.model_copy(update={"address": f.address + shift})
        for f in profile.fingerprints
        if 0 <= f.address + shift <= 0xFFFF
    )
    lone = tuple(
        a if a.address is None else a.model_copy(update={"address": a.address + shift})
        for a in profile.lone_answers
        if a.address is None or 0 <= a.address + shift <= 0xFFFF
    )
    readable = tuple(
        AddressRange(
            tables=(table,),
            first=max(0, first + shift - margin),
            last=min(0xFFFF, end - 1 + shift + margin),
        )
        for table in dict.fromkeys(t for p in profile.points for t in p.tables)
        for first, end in profile.readable_in(table)
    )
    return profile.model_copy(
        update={
            "points": points,
            "fingerprints": fingerprints,
            "lone_answers": lone,
            "readable": readable,
            "holes": (),
            "even_reads": profile.even_reads and shift % 2 == 0,
            "sunspec": profile.sunspec and shift == 0,
            "byte_order": order.byte,
            "word_order": order.word,
        }
    )
