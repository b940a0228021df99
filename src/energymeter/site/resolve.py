"""A site as whoever builds it needs it: links and their meters, with defaults and profiles.

Finds everything that makes a site impossible to build. Opens profiles, no sockets.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Final

from energymeter.errors import ConfigError
from energymeter.profiles import Point, Profile
from energymeter.site.faults import Fault, Steps, complaint
from energymeter.site.model import LinkEntry, MeterEntry, Site, wire_of
from energymeter.site.shelf import ProfileShelf
from energymeter.transports import TlsFiles, Way, Wire

__all__ = ["ResolvedLink", "ResolvedMeter", "ResolvedSite", "resolve", "resolved"]

_USUAL_PORT: Final = 502


@dataclass(frozen=True, slots=True)
class ResolvedMeter:
    """A meter with everything it was not said about itself."""

    entry: MeterEntry
    """As in the file, with the defaults: `link`, `unit`, `labels`, `rated_current` are there, and
    `interval` unless it has `rates`; `url` and `units` are not."""

    profile: Profile
    """Shared by all meters of this profile."""

    points: tuple[Point, ...]
    """The values to read, in the profile's order; at least one."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.entry.name

    @property
    def unit(self) -> int:
        """The unit to ask, 0 to 255."""
        return self.profile.defaults.unit if self.entry.unit is None else self.entry.unit

    @property
    def interval_s(self) -> float:
        """Seconds between two polls of its fastest values."""
        if self.entry.rates is not None:
            return self.entry.rates.fast
        assert self.entry.interval is not None  # noqa: S101 - filled in
        return self.entry.interval


@dataclass(frozen=True, slots=True)
class ResolvedLink:
    """A link and the meters on it."""

    entry: LinkEntry
    """Of a meter with a URL of its own: a link called like that URL without its options."""

    wire: Wire
    """What its URL says."""

    meters: tuple[ResolvedMeter, ...]
    """In the order of the file."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.entry.name


@dataclass(frozen=True, slots=True)
class ResolvedSite:
    """A site that can be built."""

    site: Site
    links: tuple[ResolvedLink, ...]
    """First those with a name, then those of meters with a URL, each in the order of the file."""

    def meters(self) -> dict[str, ResolvedMeter]:
        """All meters by name, by link."""
        return {meter.name: meter for link in self.links for meter in link.meters}


def resolved(site: Site, shelf: ProfileShelf | None = None) -> ResolvedSite:
    """What is needed to build a site.

    Args:
        site: From `load_site`, or made in Python.
        shelf: Where profiles come from; that of `load_site` has them already.

    Raises:
        ConfigError: It cannot be built; the message has a line for each fault.
    """
    view, faults = resolve(site, shelf or ProfileShelf())
    if faults:
        raise ConfigError(complaint(faults, site.name, _names_of(site)))
    return view


def resolve(site: Site, shelf: ProfileShelf) -> tuple[ResolvedSite, list[Fault]]:
    """What can be built of a site, and what cannot."""
    return _Resolver(site, shelf).work()


_Place = tuple[Way, str | None, int | None, str | None]
"""Where a link leads, without its options: two links to one place would disturb each other."""


@dataclass(slots=True, eq=False)
class _Found:
    """A link that is being put together."""

    entry: LinkEntry
    wire: Wire
    meters: list[ResolvedMeter] = field(default_factory=list)


class _Resolver:
    def __init__(self, site: Site, shelf: ProfileShelf) -> None:
        self._site = site
        self._shelf = shelf
        self._faults: list[Fault] = []
        self._named: dict[str, _Found] = {}
        self._by_place: dict[_Place, _Found] = {}
        self._askers: dict[tuple[str, int, str], str] = {}
        """Link, unit and profile to the meter they are of."""
        self._certificates: set[TlsFiles | None] = set()

    def work(self) -> tuple[ResolvedSite, list[Fault]]:
        for number, link in enumerate(self._site.link):
            self._add_link(link, ("link", number))
        names: set[str] = set()
        for number, entry in enumerate(self._site.meter):
            where: Steps = ("meter", number)
            for meter in entry.each():
                if meter.name in names:
                    self._tell(where, "name", f"there is another meter called {meter.name!r}")
                names.add(meter.name)
                self._add_meter(meter, where)
        every = dict.fromkeys((*self._named.values(), *self._by_place.values()))
        links = tuple(ResolvedLink(f.entry, f.wire, tuple(f.meters)) for f in every)
        # A fault of meters in bulk is found with each of them.
        return ResolvedSite(self._site, links), list(dict.fromkeys(self._faults))

    def _tell(self, where: Steps, key: str, text: str) -> None:
        self._faults.append(Fault((*where, key), text))

    def _add_link(self, entry: LinkEntry, where: Steps) -> None:
        wire = self._wire(entry.url, _USUAL_PORT, where)
        if entry.name in self._named:
            self._tell(where, "name", f"there is another link called {entry.name!r}")
        elif wire is not None:
            found = _Found(entry, wire)
            other = self._by_place.setdefault(_place_of(wire), found)
            if other is not found:
                text = f"link {other.entry.name!r} leads there too, put all meters on one of them"
                self._tell(where, "url", text)
            self._named[entry.name] = found

    def _add_meter(self, entry: MeterEntry, where: Steps) -> None:
        try:
            profile = self._shelf.load(entry.profile)
        except ConfigError as error:
            self._tell(where, "profile", error.message)
            return
        try:
            points = self._shelf.pick(entry.profile, entry.points)
        except ConfigError as error:
            self._tell(where, "points", error.message)
            return
        found = self._link_of(entry, profile, where)
        if found is None:
            return
        unit = profile.defaults.unit if entry.unit is None else entry.unit
        if unit == 0 and found.wire.way is Way.SERIAL:
            self._tell(where, "unit", "unit 0 is everybody on a serial line and nobody answers")
        name = found.entry.name
        other = self._askers.setdefault((name, unit, entry.profile), entry.name)
        if other != entry.name:
            text = f"meter {other!r} is unit {unit} on this link with this profile already"
            self._tell(where, "unit", text)
        found.meters.append(ResolvedMeter(self._complete(entry, name, unit), profile, points))

    def _complete(self, entry: MeterEntry, link: str, unit: int) -> MeterEntry:
        usual = self._site.defaults
        changes: dict[str, Any] = {"link": link, "url": None, "unit": unit}
        if entry.interval is None and entry.rates is None:
            changes["interval"] = usual.interval
        if entry.rated_current is None:
            changes["rated_current"] = usual.rated_current
        if usual.labels:
            changes["labels"] = {**usual.labels, **entry.labels}
        return entry.model_copy(update=changes)

    def _link_of(self, entry: MeterEntry, profile: Profile, where: Steps) -> _Found | None:
        if entry.url is None:
            found = self._named.get(entry.link or "")
            if found is None and all(entry.link != link.name for link in self._site.link):
                self._tell(where, "link", self._no_such_link(entry.link or ""))
            return found
        wire = self._wire(entry.url, profile.defaults.tcp_port or _USUAL_PORT, where)
        if wire is None:
            return None
        place = _place_of(wire)
        found = self._by_place.get(place)
        if found is None:
            # A name like this is allowed here only: no link of the file can have it.
            url = str(wire)
            link = LinkEntry.model_construct(name=url.partition("?")[0], url=url)
            found = self._by_place[place] = _Found(link, wire)
        elif found.entry.name in self._named:
            name = found.entry.name
            self._tell(where, "url", f"link {name!r} leads there, write link = {name!r} instead")
        elif found.wire != wire:
            text = f"{found.wire} of another meter leads there too, write both alike"
            self._tell(where, "url", text)
        return found

    def _no_such_link(self, name: str) -> str:
        near = get_close_matches(name, self._named, n=1)
        if near:
            return f"there is no link {name!r}, did you mean {near[0]!r}?"
        names = ", ".join(self._named)
        return f"there is no link {name!r}, " + (
            f"there are {names}" if names else "add a [[link]]"
        )

    def _wire(self, url: str, default_port: int, where: Steps) -> Wire | None:
        """The way to a device, if a client can go it."""
        try:
            wire = wire_of(url, default_port)
            is_known = wire.tls in self._certificates and wire.host and wire.port
            if not is_known:  # certificates are read once, not for each of many meters
                wire.endpoint()
        except ConfigError as error:
            self._tell(where, "url", error.message)
            return None
        if wire.tls is not None:
            self._certificates.add(wire.tls)
        host = wire.host and wire.host.lower()
        return wire if host == wire.host else replace(wire, host=host)


def _place_of(wire: Wire) -> _Place:
    return wire.way, wire.host, wire.port, wire.path


def _names_of(site: Site) -> dict[str, Any]:
    """What a message calls the parts of a site."""
    return {
        "link": [{"name": link.name} for link in site.link],
        "meter": [{"name": meter.name} for meter in site.meter],
    }
