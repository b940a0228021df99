"""One simulated meter whose values stand still until a test moves them. No sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from energymeter.blocking import LoopThread
from energymeter.errors import ConfigError
from energymeter.profiles import Profile, ProfileLibrary, load_profile
from energymeter.simulator import ImageMaker, SimulatedMeter
from energymeter.simulator.image import source_of
from energymeter.simulator.physics import PhysicsOptions, create_physics
from energymeter.transports.options import nearest

__all__ = ["ProfileSource", "UnitDouble", "profile_of"]

ProfileSource = str | Path | Profile
"""A profile: its name, its file, or itself."""

_OWN_STATES: Final = ("online", "communication_ok")
"""What a meter knows of itself, beside its physics."""


class UnitDouble:
    """One meter. All values are in base units: V, A, W, var, VA, Hz, Wh, varh, VAh, L/min, m3, ...

    Args:
        profile: What it is.
        seed: The same seed and the same calls give the same values.
        thread: Where it is served, and therefore changed.

    Raises:
        ProfileError: There is no such profile, or its file is broken.
    """

    def __init__(self, profile: ProfileSource, *, seed: int, thread: LoopThread) -> None:
        self.profile = profile_of(profile)
        self._thread = thread
        self._physics = create_physics(
            self.profile.kind, 1, seed, PhysicsOptions(phases=self.profile.phases or 3)
        )
        self._known = (*self._physics.quantities(), *_OWN_STATES)
        maker = ImageMaker(self.profile, self._known)
        self._sources = maker.sources.difference(_OWN_STATES)
        self._counters = maker.counters
        self._held: dict[str, float] = {}
        self.meter = SimulatedMeter(maker, on_reset=self._reset, state=self._state)
        """What answers."""

    @property
    def values(self) -> Mapping[str, float]:
        """What it shows now, by canonical name."""
        return dict(self.meter.values)

    def advance(self, seconds: float) -> None:
        """Let simulated time pass at once, more than 0 seconds: values move, counters count."""
        self._do(lambda: self._physics.step(seconds))

    def set(self, name: str, value: float) -> None:
        """Hold a quantity at a value until it is released; nothing else follows from it.

        Args:
            name: A quantity, or the point of the profile that shows it.
            value: In the quantity's base unit.

        Raises:
            ConfigError: The meter shows no such thing, or nothing that could be set.
        """
        source = self._source(name)
        self._do(lambda: self._held.update({source: float(value)}))

    def freeze(self, *names: str) -> None:
        """Hold quantities at what they are now; no names: all of them.

        Raises:
            ConfigError: See `set`.
        """
        sources = [self._source(name) for name in names] or sorted(self._sources)
        self._do(lambda: self._held.update({s: self.meter.values[s] for s in sources}))

    def release(self, *names: str) -> None:
        """Let quantities go their own way again; no names: all of them.

        Raises:
            ConfigError: See `set`.
        """
        sources = [self._source(name) for name in names] or sorted(self._sources)
        self._do(lambda: self._let_go(sources))

    def reset_counters(self) -> None:
        """Let the counters start again at zero, held ones too."""
        self._do(self.meter.reset_counters)

    def _source(self, name: str) -> str:
        if name in self._sources:
            return name
        point = next((point for point in self.profile.points if point.name == name), None)
        source = None if point is None else source_of(point, self._known)
        if source in self._sources:
            return source
        if point is not None:
            msg = f"{name} of {self.profile.name} is fixed in the simulator and cannot be set"
            raise ConfigError(msg)
        guess = nearest(name, self._sources)
        hint = f"did you mean {guess}?" if guess else "see `values`"
        msg = f"{self.profile.name} shows no {name}, {hint}"
        raise ConfigError(msg)

    def _state(self) -> Mapping[str, float]:
        quantities = self._physics.quantities()
        return {name: quantities[name][0].item() for name in self._sources} | self._held

    def _reset(self) -> None:
        self._let_go(self._counters)
        self._physics.reset_counters(0)

    def _let_go(self, sources: frozenset[str] | list[str]) -> None:
        for source in sources:
            self._held.pop(source, None)

    def _do(self, change: Callable[[], object]) -> None:
        async def change_and_show() -> None:
            change()
            self.meter.show()

        self._thread.run(change_and_show())


def profile_of(source: ProfileSource) -> Profile:
    """The profile that is meant.

    Raises:
        ProfileError: There is none of this name, or its file is broken.
    """
    if isinstance(source, Profile):
        return source
    return load_profile(source) if isinstance(source, Path) else ProfileLibrary().load(source)
