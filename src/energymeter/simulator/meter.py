"""One simulated meter: tables that show its quantities, and what writing to them does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from energymeter.codec import Table
from energymeter.codec.codes import MAX_READ_WORDS, ExceptionCode
from energymeter.codec.messages_ext import IDENTIFICATION_NAMES
from energymeter.profiles import Point, Profile
from energymeter.server import BitImage, RegisterImage, Tables, Write
from energymeter.server.tables import refusal
from energymeter.simulator.image import Image, ImageMaker
from energymeter.simulator.manners import reading_manners

__all__ = ["SimulatedMeter"]

_RUNNING: Final = b"\xff"
"""The run indicator that ends the answer to function 17."""


class SimulatedMeter:
    """A meter that answers like the real one.

    Args:
        maker: Makes its images; shared by all meters of a profile.
        on_reset: Called when its counters are to be reset; the meter is shown anew afterwards with
            what `state` returns.
        state: Its quantities now, by canonical name.
        image: What it shows at first; None: it is made here.
    """

    def __init__(
        self,
        maker: ImageMaker,
        *,
        on_reset: Callable[[], None],
        state: Callable[[], Mapping[str, float]],
        image: Image | None = None,
    ) -> None:
        profile = maker.profile
        self._maker = maker
        self._on_reset = on_reset
        self._state = state
        self._still: Mapping[str, float] | None = None
        """What it shows while it does not measure."""

        self._commands = _writable(profile)
        self._on_read = reading_manners(profile)
        self.tables = self._make_tables(
            server_id=f"{profile.vendor} {profile.model}".encode("ascii", "replace") + _RUNNING,
            identification=_identification(profile),
        )
        self.show(image)

    @property
    def profile(self) -> Profile:
        """What it is."""
        return self._maker.profile

    @property
    def is_online(self) -> bool:
        """Whether it measures; offline its values stand still and its status says so."""
        return self._still is None

    @property
    def values(self) -> Mapping[str, float]:
        """The quantities it shows now, in base units, by canonical name."""
        return self._state() if self._still is None else self._still

    def show(self, image: Image | None = None) -> None:
        """Put the quantities as they are now into the tables, each table in one step.

        Args:
            image: Made of what `state` returns now, with many others at once; None: it is made
                here. What does not measure does not take it.
        """
        if image is None or self._still is not None:
            image = self._image(self.values)
        _put(image, self.tables)

    def set_online(self, is_online: bool) -> None:
        """Let it measure, or not."""
        if is_online != self.is_online:
            self._still = None if is_online else dict(self._state())
        self.show()

    def reset_counters(self) -> None:
        """Let its counters start again at zero, even when it does not measure."""
        self._on_reset()
        if self._still is not None:
            # What stands still stands still, but the client sees its reset.
            fresh = self._state()
            self._still = {**self._still, **{name: fresh[name] for name in self._maker.counters}}
        self.show()

    def restart(self) -> None:
        """Do what switching off and on does: what clients have set is forgotten."""
        self.set_online(True)

    def counter_spans(self, table: Table) -> Sequence[tuple[int, int]]:
        """See `FaultyMeter.counter_spans`."""
        return self._maker.billed_spans(table)

    def shadow(self, change: Callable[[float], float] | None = None) -> Tables:
        """See `FaultyMeter.shadow`; tables of their own, which nothing moves."""
        values = dict(self.values)
        if change is not None:
            for name, scale in self._maker.billed.items():
                values[name] = change(values[name] / scale) * scale
        tables = self._make_tables()
        _put(self._image(values), tables)
        return tables

    def _make_tables(
        self, server_id: bytes = _RUNNING, identification: Mapping[int, bytes] | None = None
    ) -> Tables:
        holding = RegisterImage()
        return Tables(
            holding=holding,
            input=holding if self._maker.mirrors else RegisterImage(),
            coils=BitImage(),
            discrete=BitImage(),
            max_read_words=self.profile.max_read_words or MAX_READ_WORDS,
            on_read=self._on_read,
            on_write=self._write,
            server_id=server_id,
            identification=identification,
        )

    def _image(self, values: Mapping[str, float]) -> Image:
        return self._maker.image({**values, "online": self.is_online, "communication_ok": True})

    def _write(self, write: Write) -> None:
        """Carry a write out, or refuse all of it when one address is not for writing."""
        commands: list[tuple[str, int]] = []
        for offset, value in enumerate(write.values):
            point = self._commands.get((write.table, write.address + offset))
            if point is None:
                raise refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
            if value not in (0, 1):
                raise refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
            commands.append((point.name, value))
        for name, value in commands:
            if name == "online":
                self.set_online(bool(value))
            elif value:
                self.reset_counters()


def _put(image: Image, tables: Tables) -> None:
    tables.holding.replace(image.holding)
    if tables.input is not tables.holding:
        tables.input.replace(image.input)
    tables.coils.replace(image.coils)
    tables.discrete.replace(image.discrete)


def _writable(profile: Profile) -> dict[tuple[Table, int], Point]:
    """Where a client may write: the command points the simulator knows."""
    return {
        (point.table, point.address): point
        for point in profile.points
        if point.access != "r" and point.name in ("online", "reset_counters")
    }


def _identification(profile: Profile) -> dict[int, bytes]:
    """The objects of function 43/14; vendor, product and revision are mandatory there."""
    given = profile.identification.model_dump()
    fallback = {
        "vendor_name": profile.vendor,
        "product_code": profile.model,
        "major_minor_revision": "1.0",
    }
    return {
        object_id: text.encode("utf-8")[:244]
        for object_id, name in IDENTIFICATION_NAMES.items()
        if (text := given.get(name) or fallback.get(name, ""))
    }
