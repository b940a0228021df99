"""What is different between two sites, so that a reload touches nothing else. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from energymeter.profiles import Profile
from energymeter.site.resolve import ResolvedMeter, ResolvedSite
from energymeter.site.sinks import SinkEntry

__all__ = ["SameMeter", "SiteChanges", "compare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteChanges:
    """What differs; names in the order of the file they are in, the later one where in both."""

    links_added: tuple[str, ...] = ()
    links_removed: tuple[str, ...] = ()
    links_changed: tuple[str, ...] = ()
    """Another URL or time-out; their meters need not have changed."""

    meters_added: tuple[str, ...] = ()
    meters_removed: tuple[str, ...] = ()
    meters_changed: tuple[str, ...] = ()
    """Another link, unit, profile, interval, or anything else that is said of it."""

    sinks_added: tuple[str, ...] = ()
    sinks_removed: tuple[str, ...] = ()
    sinks_changed: tuple[str, ...] = ()
    sinks_affected: tuple[str, ...] = ()
    """As they were, but they get other meters now, or meters that changed."""

    store: bool = False
    web: bool = False
    log: bool = False
    site: bool = False
    """The site's own name, or the folder of its state."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is different."""
        return self == SiteChanges()

    def describe(self) -> str:
        """A sentence for people, such as `2 meters added, link bus1 changed`."""
        parts = [
            _phrase(what, getattr(self, f"{what}s_{how}"), how)
            for what in ("link", "meter", "sink")
            for how in ("added", "removed", "changed")
        ]
        parts += [
            f"{what} changed" for what in ("store", "web", "log", "site") if getattr(self, what)
        ]
        return ", ".join(filter(None, parts)) or "nothing changed"


def compare(before: ResolvedSite, after: ResolvedSite) -> SiteChanges:
    """What has to be started, stopped and started anew to come from one to the other.

    Secrets count by what stands in the file: a variable or a file that holds something else now
    is no change.
    """
    meters_before, meters_after = before.meters(), after.meters()
    is_same = SameMeter()
    meters = _Difference.of(
        meters_before,
        meters_after,
        [
            name
            for name, meter in meters_after.items()
            if name in meters_before and not is_same(meters_before[name], meter)
        ],
    )
    links = _difference(
        {link.name: link.entry for link in before.links},
        {link.name: link.entry for link in after.links},
    )
    sinks_after = {str(sink.name): sink for sink in after.site.sink}
    sinks = _difference({str(sink.name): sink for sink in before.site.sink}, sinks_after)
    touched = {*meters.added, *meters.removed, *meters.changed}
    return SiteChanges(
        links_added=links.added,
        links_removed=links.removed,
        links_changed=links.changed,
        meters_added=meters.added,
        meters_removed=meters.removed,
        meters_changed=meters.changed,
        sinks_added=sinks.added,
        sinks_removed=sinks.removed,
        sinks_changed=sinks.changed,
        sinks_affected=tuple(
            name
            for name, sink in sinks_after.items()
            if name not in sinks.added and name not in sinks.changed and _gets_any(sink, touched)
        ),
        store=before.site.store != after.site.store,
        web=before.site.web != after.site.web,
        log=before.site.log != after.site.log,
        site=(before.site.name, before.site.state) != (after.site.name, after.site.state),
    )


@dataclass(frozen=True, slots=True)
class _Difference:
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    @classmethod
    def of(
        cls, before: Mapping[str, Any], after: Mapping[str, Any], changed: list[str]
    ) -> _Difference:
        return cls(
            added=tuple(name for name in after if name not in before),
            removed=tuple(name for name in before if name not in after),
            changed=tuple(changed),
        )


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> _Difference:
    changed = [name for name in after if name in before and before[name] != after[name]]
    return _Difference.of(before, after, changed)


class SameMeter:
    """Says whether two meters are to be read alike.

    Profiles are compared once each pair: thousands of meters share a few.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], bool] = {}

    def __call__(self, before: ResolvedMeter, after: ResolvedMeter) -> bool:
        """Compare two; the points follow from entry and profile."""
        return before.entry == after.entry and self._is_same(before.profile, after.profile)

    def _is_same(self, before: Profile, after: Profile) -> bool:
        key = id(before), id(after)
        if key not in self._known:
            self._known[key] = before == after
        return self._known[key]


def _gets_any(sink: SinkEntry, names: set[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in sink.meters for name in names)


def _phrase(what: str, names: tuple[str, ...], how: str) -> str:
    if not names:
        return ""
    return f"{what} {names[0]} {how}" if len(names) == 1 else f"{len(names)} {what}s {how}"
