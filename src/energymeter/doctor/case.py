"""What is examined, and how: the context every examiner gets.

It keeps one link open at a time (many devices have room for no more), asks over it, and watches
the clock. What examiners learn for those after them is kept here too.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

from energymeter.client import Priority, Unit
from energymeter.clock import Clock, SystemClock
from energymeter.codec import ReadRequest
from energymeter.codec.codes import READ_FUNCTIONS, Table
from energymeter.discovery import ProfileTree
from energymeter.doctor.probe import Exchange, Probe
from energymeter.doctor.surroundings import Surroundings
from energymeter.profiles import Point, Profile
from energymeter.transports import Way, Wire

__all__ = ["USUAL_PORTS", "USUAL_UNITS", "Case", "question_of", "telling_points"]

USUAL_PORTS: Final = (502, 503, 1502, 5020, 8899, 4196, 9999, 10001, 26, 23, 802)
"""Ports meters, gateways and converters are found at, the likeliest first."""

USUAL_UNITS: Final = (1, 2, 3, 10, 100, 126, 200, 247, 255, 0)
"""Unit numbers of the factory and of installers, the likeliest first."""

_USUAL_TIMEOUT_S: Final = 1.0
"""What commands wait when they are not told."""

_LONGER: Final = 4
"""How much longer than a time-out a slow meter is listened for, in time-outs."""

_BREATH_S: Final = 0.2
"""A device needs a moment to notice that a connection has ended; a fifth of the time-out if that
is less."""

_DIAL_AGAIN_S: Final = 10.0
"""A device that dials in does so again soon after it was hung up on, if it does."""

_TELLING: Final = ("voltage", "frequency", "active_power", "current", "volume", "flow")


@dataclass(slots=True, kw_only=True)
class Case:
    """One examination."""

    wire: Wire
    """Where the user says the meter is."""

    unit: int = 1
    is_unit_given: bool = False
    """Whether the user named the unit; else it is the usual one."""

    profile: Profile | None = None
    meter_words: tuple[str, ...] = ()
    """How the user named the profile, for command lines: `--profile sdm630`."""

    timeout_s: float = 1.0
    """What the user waits for an answer, seconds."""

    limit_s: float = 60.0
    """How long all of it may take, seconds."""

    tree: Callable[[], ProfileTree] | None = None
    """Makes the tree of all profiles there are; called when it is needed. None: there are none."""

    tell: Callable[[str], None] = lambda _text: None
    """Told what is being tried."""

    surroundings: Surroundings = field(default_factory=Surroundings)
    clock: Clock = field(default_factory=SystemClock)
    usual_ports: tuple[int, ...] = USUAL_PORTS

    contact: Exchange | None = None
    """The first question and what came of it."""

    question: ReadRequest | None = None
    """A question that the unit answers with registers, or at least with a refusal."""

    addresses: tuple[str, ...] = ()
    """What the host's name stands for."""

    is_map_at_home: bool = False
    """Whether the profile's registers answer where it says."""

    fitting: tuple[str, ...] = ()
    """Profiles that fit, when none was given."""

    _probe: Probe | None = None
    _started: float | None = None

    async def __aenter__(self) -> Self:
        self._started = self.clock.monotonic()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return 0.0 if self._started is None else self.clock.monotonic() - self._started

    @property
    def has_time(self) -> bool:
        """Whether something more may be tried."""
        return self.seconds < self.limit_s - 2 * self.timeout_s

    @property
    def longest_s(self) -> float:
        """How long a meter is listened for that may be slow."""
        return _LONGER * self.timeout_s

    @property
    def is_serial(self) -> bool:
        """Whether the way is a serial port of this machine."""
        return self.wire.way is Way.SERIAL

    @property
    def place(self) -> str:
        """Where it is, as people write it."""
        return str(replace(self.wire, timeout_s=None, connect_timeout_s=None))

    @property
    def probe(self) -> Probe | None:
        """The link that is open now, if there is one."""
        return self._probe

    async def open(self, wire: Wire | None = None) -> Probe:
        """The link to `wire`, by default the user's; another one that was open is closed.

        Raises:
            LinkOpenError: It cannot be opened.
        """
        probe = await self._probe_to(wire or self.wire)
        await probe.open()
        return probe

    async def hang_up(self) -> None:
        """Close the link that is open, and let the device notice."""
        probe, self._probe = self._probe, None
        if probe is None:
            return
        await probe.link.close()
        if not self.is_serial:
            await self.breathe()

    async def breathe(self) -> None:
        """Let the device notice that a connection has ended."""
        await asyncio.sleep(min(_BREATH_S, self.timeout_s / 5))

    async def ask(
        self,
        request: ReadRequest,
        *,
        unit: int | None = None,
        wire: Wire | None = None,
        timeout_s: float | None = None,
        repeats_busy: bool = False,
    ) -> Exchange:
        """Ask, over the link that is open if it leads to `wire`; see `Probe.ask`."""
        probe = await self._probe_to(wire or self.wire)
        wanted = self.unit if unit is None else unit
        return await probe.ask(request, unit=wanted, timeout_s=timeout_s, repeats_busy=repeats_busy)

    async def listen(self, exchange: Exchange, seconds: float) -> Exchange:
        """Go on listening after a question; see `Probe.listen`."""
        return exchange if self._probe is None else await self._probe.listen(exchange, seconds)

    async def client(self, unit: int | None = None) -> Unit:
        """The unit, to be read as readers do."""
        probe = await self._probe_to(self.wire)
        return probe.link.unit(self.unit if unit is None else unit, priority=Priority.PERSON)

    def units(self) -> Iterator[int]:
        """Other units to try, the likeliest first."""
        usual = () if self.profile is None else (self.profile.defaults.unit,)
        # On a network without a gateway the unit means nothing: 255 and 0 are what devices like.
        alone = (1, 255, 0) if self.wire.framing.has_transactions else ()
        for unit in dict.fromkeys((*usual, *alone, *USUAL_UNITS)):
            if unit != self.unit and (unit or alone):
                yield unit

    def questions(self) -> Iterable[ReadRequest]:
        """Questions a unit is likely to answer, if only with a refusal."""
        points = () if self.profile is None else telling_points(self.profile)
        asked = [question_of(point) for point in points[:1]]
        asked += [
            ReadRequest(READ_FUNCTIONS[table], 0, 2) for table in (Table.HOLDING, Table.INPUT)
        ]
        return dict.fromkeys(asked)

    def command(  # noqa: PLR0913 - keyword-only, each a word of the line
        self,
        *,
        wire: Wire | None = None,
        unit: int | None = None,
        meter: Sequence[str] | None = None,
        timeout_s: float | None = None,
        extra: Sequence[str] = (),
        verb: str | None = None,
    ) -> str:
        """A command line that reads the meter, or examines it further if it has no profile.

        Args:
            wire: Where; None: where the user says.
            unit: Which unit; None: the user's.
            meter: How to name the profile; None: as the user did.
            timeout_s: How long to wait for an answer; None: as the user does.
            extra: Further words.
            verb: The command; None: `read`, or `doctor` where there is no profile to read with.
        """
        wire = wire or self.wire
        unit = self.unit if unit is None else unit
        usual = 1 if self.profile is None else self.profile.defaults.unit
        if meter is None:
            meter = self.meter_words
        else:
            usual = -1  # what another profile says of it is not known here
        if timeout_s is not None and wire.timeout_s is not None:
            wire = replace(wire, timeout_s=timeout_s)  # what the URL says counts
        verb = verb or ("read" if meter else "doctor")
        words = ["energymeter", verb, str(wire), *meter]
        if unit != usual or self.is_unit_given:
            words += ["--unit", str(unit)]
        if timeout_s is None and self.timeout_s != _USUAL_TIMEOUT_S and wire.timeout_s is None:
            timeout_s = self.timeout_s
        if timeout_s is not None and wire.timeout_s is None:
            words += ["--timeout", f"{timeout_s:g}"]
        return shlex.join([*words, *extra])

    async def _probe_to(self, wire: Wire) -> Probe:
        if wire.way is Way.LISTEN and wire != self.wire:
            wire = replace(wire, connect_timeout_s=_DIAL_AGAIN_S)
        if self._probe is not None and self._probe.wire == wire:
            return self._probe
        await self.hang_up()
        endpoint = self.surroundings.endpoint(wire)
        timeout_s = wire.timeout_s or self.timeout_s
        self._probe = Probe(wire, endpoint, timeout_s=timeout_s, clock=self.clock)
        return self._probe


def question_of(point: Point, table: Table | None = None) -> ReadRequest:
    """The read of one point alone."""
    return ReadRequest(READ_FUNCTIONS[table or point.table], point.address, point.count)


def telling_points(profile: Profile) -> list[Point]:
    """The points that are in registers; first those every model of a meter has, then the others."""
    points = [point for point in profile.readable_points if not point.table.is_bits]
    return sorted(points, key=lambda point: (point.optional, _rank(point.name)))


def _rank(name: str) -> int:
    return next((n for n, word in enumerate(_TELLING) if name.startswith(word)), len(_TELLING))
