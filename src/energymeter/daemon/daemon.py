"""Runs a site until it is told to stop, and follows its file while it does."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from energymeter._version import __version__
from energymeter.clock import Clock, SystemClock
from energymeter.daemon.installation import Installation, make_sinks
from energymeter.daemon.logs import set_up
from energymeter.daemon.notify import Notifier
from energymeter.errors import ConfigError, MeterError
from energymeter.eventloop import spare_collector
from energymeter.service.events import EventStream, Level, Topic
from energymeter.site import ProfileShelf, ResolvedSite, compare, load_site, resolved, site_warnings
from energymeter.site.model import WebEntry
from energymeter.site.secret import PlainSecret, SecretSource

__all__ = ["Daemon"]

_log = logging.getLogger(__name__)

_LOOK_S: Final = 2.0
"""Seconds between two looks at the file."""

_STATE_KEPT: Final = ("store", "web", "site")

_Stamp = tuple[int, int, int]


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
        self._secrets: set[str] = set()
        """All there ever were: what is on its way out may still name an old one."""

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
            MeterError: After a change neither the new version nor the old one can start.
        """
        # Before it is read: what changes from then on is seen.
        stamp = _stamp(self._path)
        view = await asyncio.to_thread(self._load)
        self._set_up_log(view, view)
        for warning in site_warnings(view):
            self._events.tell(Level.WARNING, Topic.SITE, "", warning)
        self._installation = await self._started(view)
        # That the loop runs is all it proves: what else may be wrong, a new start does not mend.
        alive = asyncio.create_task(self._notifier.keep_alive(self._clock, lambda: True))
        try:
            self._tell_started(view)
            spare_collector()
            self._tell_ready()
            if self._on_ready is not None:
                self._on_ready(self._installation)
            await self._follow(stamp)
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
                said = dict(site.web or WebEntry())
                web = WebEntry.model_validate({**said, "listen": self._listen})
            except ValidationError as error:
                reason = error.errors()[0]["msg"].removeprefix("Value error, ")
                msg = f"--listen {self._listen}: {reason}"
                raise ConfigError(msg) from error
            site = site.model_copy(update={"web": web})
        return resolved(site, shelf)

    def _set_up_log(self, view: ResolvedSite, *hidden: ResolvedSite) -> None:
        """Have the log look as this version wants, and hold no secret of any."""
        for each in hidden:
            self._secrets |= _secrets(each)
        set_up(view.site.log.level, view.site.log.format, secrets=self._secrets)

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

    def _tell_ready(self) -> None:
        assert self._installation is not None  # noqa: S101 - it runs
        meters = len(self._installation.view.meters())
        self._notifier.ready(f"polls {meters} meter{'s' if meters != 1 else ''}")

    async def _follow(self, seen: _Stamp | None) -> None:
        """Reload when the file changes or somebody asks, until `stop`."""
        stopping = asyncio.create_task(self._stop.wait())
        last = seen
        try:
            while not stopping.done():
                asked = asyncio.create_task(self._reload.wait())
                await asyncio.wait(
                    [stopping, asked], timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED
                )
                asked.cancel()
                # Half a file may be a whole site: it is taken once nobody writes any more.
                before, last = last, _stamp(self._path)
                is_due = self._reload.is_set() or (last != seen and last == before)
                if stopping.done() or not is_due:
                    continue
                self._reload.clear()
                seen = last
                self._notifier.reloading()
                await self._take_over()
                self._tell_ready()
        finally:
            stopping.cancel()

    async def _take_over(self) -> None:
        """Go on with what stands in the file now; a broken one is told, and changes nothing."""
        old = self._installation
        assert old is not None  # noqa: S101 - it runs
        view = await self._read_again()
        if view is None:
            return
        if old.view.links and not (view.links or view.site.sink):
            # As a full disk or a broken copy leaves it; what waits for the sinks would be lost.
            self._refuse(
                f"{self._path}: has neither meters nor sinks; if that is meant, end the service "
                "and restart it"
            )
            return
        changes = compare(old.view, view)
        if changes.is_empty:
            self._events.tell(Level.INFO, Topic.SITE, "", "reloaded, nothing changed")
            return
        self._set_up_log(old.view, view)
        try:
            if any(getattr(changes, part) for part in _STATE_KEPT) or _serves_other(old.view, view):
                await self._replace(old, view)
            else:
                await old.apply(view, changes)
        except MeterError as error:
            if self._installation is None:
                raise
            self._refuse(str(error))
            return
        self._set_up_log(view)
        for warning in site_warnings(view):
            self._events.tell(Level.WARNING, Topic.SITE, "", warning)
        self._events.tell(Level.INFO, Topic.SITE, "", f"reloaded: {changes.describe()}")

    async def _read_again(self) -> ResolvedSite | None:
        """What stands in the file; None: nothing that can be, which was told."""
        try:
            return await asyncio.to_thread(self._load)
        except MeterError as error:
            self._refuse(str(error))
        except Exception as error:  # whatever it is: the service runs well without that file
            _log.exception("the site file cannot be read")
            self._refuse(f"a fault of the program ({type(error).__name__}: {error})")
        return None

    def _refuse(self, reason: str) -> None:
        text = f"the new version is not taken, the old one goes on: {reason}"
        self._events.tell(Level.ERROR, Topic.SITE, "", text)

    async def _replace(self, old: Installation, view: ResolvedSite) -> None:
        """Stop everything and start anew; if that fails, with the old version.

        Raises:
            MeterError: The new version cannot start. Without an installation afterwards, the old
                one could not either.
        """
        make_sinks(view)  # the likeliest fault is found before anything is stopped
        self._installation = None
        await old.stop()
        try:
            self._installation = await self._started(view)
        except MeterError as error:
            try:
                self._installation = await self._started(old.view)
            except MeterError as again:
                msg = f"neither the new version can start: {error}; nor the old one: {again}"
                raise MeterError(msg) from again
            raise

    async def _started(self, view: ResolvedSite) -> Installation:
        installation = Installation(
            view, events=self._events, reload=self.reload, clock=self._clock
        )
        await installation.start()
        return installation


def _serves_other(before: ResolvedSite, after: ResolvedSite) -> bool:
    """Whether the routes of the HTTP side change: those of the sink prometheus are made once."""

    def served(view: ResolvedSite) -> list[object]:
        return [sink for sink in view.site.sink if sink.type == "prometheus"]

    return served(before) != served(after)


def _stamp(path: Path) -> _Stamp | None:
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


def _secrets(view: ResolvedSite) -> set[str]:
    """What no line of the log may hold."""
    found = set()
    site = view.site
    for entry in (site.web, site.store, *site.sink):
        for name in () if entry is None else type(entry).model_fields:
            value = getattr(entry, name)
            if isinstance(value, (PlainSecret, SecretSource)):
                found |= _forms(value.reveal())
            elif name == "headers":
                found |= set(value.values())
    return found


def _forms(secret: str) -> set[str]:
    """A secret as it stands there, and the password in it where it is an address."""
    try:
        password = urlsplit(secret).password or ""
    except ValueError:
        password = ""
    return {secret, password, unquote(password)}
