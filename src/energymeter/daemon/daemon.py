"""Runs a site until it is told to stop, and follows its file while it does."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from energymeter._version import __version__
from energymeter.clock import Clock, SystemClock
from energymeter.daemon.installation import Installation
from energymeter.daemon.logs import set_up
from energymeter.daemon.notify import Notifier
from energymeter.errors import ConfigError, MeterError
from energymeter.eventloop import spare_collector
from energymeter.service.events import EventStream, Level, Topic
from energymeter.site import ProfileShelf, ResolvedSite, compare, load_site, resolved, site_warnings
from energymeter.site.model import WebEntry

__all__ = ["Daemon"]

_log = logging.getLogger(__name__)

_LOOK_S: Final = 2.0
"""Seconds between two looks at the file."""

_STATE_KEPT: Final = ("store", "web", "site")


class Daemon:
    """`energymeter run`.

    Args:
        path: The site file.
        listen: Where the HTTP side listens, instead of what the file says; None: as it says.
        on_ready: Called once everything runs, with the installation.
        clock: Times it all.
    """

    def __init__(
        self,
        path: Path,
        *,
        listen: str | None = None,
        on_ready: Callable[[Installation], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._path = path
        self._listen = listen
        self._on_ready = on_ready
        self._clock = clock if clock is not None else SystemClock()
        self._events = EventStream(self._clock)
        self._installation: Installation | None = None
        self._notifier = Notifier()
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()

    @property
    def installation(self) -> Installation | None:
        """What runs now."""
        return self._installation

    def stop(self) -> None:
        """End, in good order."""
        self._stop.set()

    def reload(self) -> None:
        """Look at the file again, whether it changed or not."""
        self._reload.set()

    async def run(self) -> None:
        """Run until `stop`.

        Raises:
            ConfigError: The site file is wrong at the start.
            StoreError: The store cannot be opened at the start.
        """
        view = await asyncio.to_thread(self._load)
        _set_up_log(view)
        for warning in site_warnings(view):
            self._events.tell(Level.WARNING, Topic.SITE, "", warning)
        self._installation = self._new(view)
        await self._installation.start()
        alive = asyncio.create_task(self._notifier.keep_alive(self._clock, lambda: True))
        try:
            self._tell_started(view)
            spare_collector()
            self._notifier.ready(f"polls {len(view.meters())} meters")
            if self._on_ready is not None:
                self._on_ready(self._installation)
            await self._follow()
        finally:
            self._notifier.stopping()
            alive.cancel()
            if self._installation is not None:
                await self._installation.stop()
            self._events.tell(Level.INFO, Topic.SERVICE, "", "stopped")

    def _load(self) -> ResolvedSite:
        shelf = ProfileShelf()
        site = load_site(self._path, shelf)
        if self._listen is not None:
            try:
                web = WebEntry(listen=self._listen, token=site.web and site.web.token)
            except ValidationError as error:
                msg = f"--listen {self._listen}: {error.errors()[0]['msg']}"
                raise ConfigError(msg) from error
            site = site.model_copy(update={"web": web})
        return resolved(site, shelf)

    def _new(self, view: ResolvedSite) -> Installation:
        return Installation(view, events=self._events, reload=self.reload, clock=self._clock)

    def _tell_started(self, view: ResolvedSite) -> None:
        assert self._installation is not None  # noqa: S101 - it was made just now
        meters = len(view.meters())
        address = self._installation.address
        self._events.tell(
            Level.INFO,
            Topic.SERVICE,
            "",
            f"energymeter {__version__} polls {meters} meter{'s' if meters != 1 else ''} on "
            f"{len(view.links)} link{'s' if len(view.links) != 1 else ''} of {self._path}"
            + (f", {address}/health" if address else ""),
        )

    async def _follow(self) -> None:
        """Reload when the file changes or somebody asks, until `stop`."""
        stopping = asyncio.create_task(self._stop.wait())
        seen = _stamp(self._path)
        try:
            while not stopping.done():
                asked = asyncio.create_task(self._reload.wait())
                await asyncio.wait(
                    [stopping, asked], timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED
                )
                asked.cancel()
                now = _stamp(self._path)
                if stopping.done() or (now == seen and not self._reload.is_set()):
                    continue
                self._reload.clear()
                seen = now
                self._notifier.reloading()
                await self._take_over()
                self._notifier.ready()
        finally:
            stopping.cancel()

    async def _take_over(self) -> None:
        """Go on with what stands in the file now; a broken one is told, and changes nothing."""
        old = self._installation
        assert old is not None  # noqa: S101 - it runs
        try:
            view = await asyncio.to_thread(self._load)
            changes = compare(old.view, view)
            if changes.is_empty:
                self._events.tell(Level.INFO, Topic.SITE, "", "reloaded, nothing changed")
                return
            if changes.log:
                _set_up_log(view)
            if any(getattr(changes, part) for part in _STATE_KEPT) or _serves_other(old.view, view):
                await self._replace(old, view)
            else:
                await old.apply(view, changes)
        except MeterError as error:
            text = f"the new version is not taken, the old one goes on: {error}"
            self._events.tell(Level.ERROR, Topic.SITE, "", text)
            return
        for warning in site_warnings(view):
            self._events.tell(Level.WARNING, Topic.SITE, "", warning)
        self._events.tell(Level.INFO, Topic.SITE, "", f"reloaded: {changes.describe()}")

    async def _replace(self, old: Installation, view: ResolvedSite) -> None:
        """Stop everything and start anew; if that fails, with the old version."""
        self._installation = None
        await old.stop()
        try:
            new = self._new(view)
            await new.start()
        except MeterError:
            back = self._new(old.view)
            await back.start()
            self._installation = back
            raise
        self._installation = new


def _serves_other(before: ResolvedSite, after: ResolvedSite) -> bool:
    """Whether the routes of the HTTP side change: those of the sink prometheus are made once."""

    def served(view: ResolvedSite) -> list[object]:
        return [sink for sink in view.site.sink if sink.type == "prometheus"]

    return served(before) != served(after)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written; None: it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def follow_signals(daemon: Daemon) -> None:
    """End on SIGTERM and SIGINT, reload on SIGHUP; for the running loop."""
    loop = asyncio.get_running_loop()
    for name, call in (
        ("SIGTERM", daemon.stop),
        ("SIGINT", daemon.stop),
        ("SIGHUP", daemon.reload),
    ):
        number = getattr(signal, name, None)  # Windows has not all of them
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, call)
        except NotImplementedError:
            _log.debug("%s cannot be followed here", name)


def _set_up_log(view: ResolvedSite) -> None:
    """Have the log look as the site wants, and hold none of its secrets."""
    site = view.site
    entries = [entry for entry in (site.web, site.store, *site.sink) if entry is not None]
    values = [getattr(entry, name) for entry in entries for name in type(entry).model_fields]
    secrets = [value.reveal() for value in values if hasattr(value, "reveal")]
    set_up(site.log.level, site.log.format, secrets=secrets)
