"""A site at work: service, store, journal, sinks and HTTP side, built from a site file.

A change of the store, the web side or the site itself makes a new installation; links, meters and
sinks change in a running one, after it is sure that they can be made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from energymeter.clock import Clock
from energymeter.daemon.lock import StateLock
from energymeter.daemon.tending import ServerTender, StoreTender
from energymeter.errors import ConfigError
from energymeter.reader import ReadReport
from energymeter.service.archive import Archive
from energymeter.service.desk import Desk
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.feeder import StoreFeeder
from energymeter.service.forwarder import Forwarder
from energymeter.service.frames import FrameStream
from energymeter.service.journal import Journal
from energymeter.service.service import Service
from energymeter.service.sink import Sink
from energymeter.service.snapshot import SinkState, Snapshot
from energymeter.service.supervisor import Supervisor
from energymeter.sinks.registry import PushedEntry, is_pushed, make_sink, sink_name
from energymeter.site import ResolvedSite, SiteChanges
from energymeter.site.model import PostgresStoreEntry, SqliteStoreEntry
from energymeter.site.sinks import PrometheusEntry
from energymeter.store import SqliteStore, Store, StoreError

if TYPE_CHECKING:
    from energymeter.httpserver import HttpServer

__all__ = ["Installation", "make_sinks"]

_STORE_READER: Final = "store"
"""The server store's place in the journal; those of sinks begin otherwise."""

_LAST_S: Final = 10.0
"""How long sinks and stores may take for what waits when the service stops."""


class _RunningSink:
    """A sink with its forwarder."""

    def __init__(self, forwarder: Forwarder, task: asyncio.Task[None]) -> None:
        self.forwarder = forwarder
        self.task = task


class Installation:
    """One site, at work between `start` and `stop`.

    Args:
        view: The site.
        events: Told what happens; outlives the installation.
        reload: Has the site file looked at again.
        clock: Times it all.

    Raises:
        ConfigError: Something in the site cannot be; nothing was started.
        StoreError: The embedded store cannot be opened.
    """

    def __init__(
        self,
        view: ResolvedSite,
        *,
        events: EventStream,
        reload: Callable[[], None],
        clock: Clock,
    ) -> None:
        site = view.site
        self.view = view
        self.events = events
        self._reload = reload
        self._clock = clock
        self.snapshot = Snapshot(site.name, clock.now())
        self._supervisor = Supervisor(events, clock)
        self._sinks: dict[str, _RunningSink] = {}
        self.store: Store | None = None
        """The embedded store; None: there is none, or it is on another machine."""

        self._feeder: StoreFeeder | None = None
        self._tender: StoreTender | ServerTender | None = None
        with ExitStack() as made:
            made.enter_context(StateLock(site.state))
            self._build(made)
            self._files = made.pop_all()
            """What is open of it on the disk."""

    def _build(self, made: ExitStack) -> None:
        """Make the parts; nothing runs yet. What has to be closed is put on the stack."""
        view, site, events, clock = self.view, self.view.site, self.events, self._clock
        self._made = make_sinks(view)
        # Also without sinks: one may be added while the service runs.
        self._journal = Journal(site.state / "journal", clock=clock)
        made.callback(self._journal.close)
        for name, entry in _pushed(view).items():  # before the first poll is written
            reader = self._journal.reader(_reader_of(name), most_bytes=entry.buffer)
            state = self.snapshot.sinks[name] = SinkState(name, entry.type)
            state.waiting = reader.waiting
        self._open_store()
        if self.store is not None:
            made.callback(self.store.close)
        self._service = Service(
            site.name,
            store=self.store,
            journal=self._journal,
            state_folder=site.state,
            snapshot=self.snapshot,
            events=events,
            clock=clock,
        )
        self._web = self._new_web()

    @property
    def address(self) -> str:
        """Where the HTTP side is; empty: nowhere."""
        return "" if self._web is None else str(self._web)

    async def start(self) -> None:
        """Start everything.

        Raises:
            ConfigError: The address of the HTTP side is taken, or a meter cannot be read so.
        """
        try:
            if self._web is not None:
                await self._web.start()
            await self._service.start()
            await self._service.apply(self.view.links)
        except BaseException:
            await self.stop()
            raise
        self._supervisor.start(Topic.SERVICE, "sinks", self._wake)
        if self._feeder is not None:
            self._supervisor.start(Topic.STORE, "", self._feeder.run)
        if self._tender is not None:
            self._supervisor.start(Topic.STORE, "tending", self._tender.run)
        for name, entry in _pushed(self.view).items():
            self._start_sink(name, entry)
        # Not before it is sure that this version runs: the one before may come back.
        self._keep_places()

    async def apply(self, view: ResolvedSite, changes: SiteChanges) -> None:
        """Go on with another version of the site, in which neither store, web nor site changed.

        Raises:
            ConfigError: Something in it cannot be; the old version goes on.
        """
        pushed = _pushed(view)
        fresh = {*changes.sinks_added, *changes.sinks_changed}
        made = {name: sink for name, sink in make_sinks(view).items() if name in fresh}
        # A sink that only gets other meters goes on with what it knows of the others.
        touched = {*made, *(name for name in changes.sinks_affected if name in pushed)}
        await self._service.apply(view.links)
        # The last polls of meters that go are for the sinks that still know them.
        await self._service.flush()
        self.view = view
        await self._stop_sinks([n for n in self._sinks if n in touched or n not in pushed])
        self._made.update(made)
        for name in touched:
            self._start_sink(name, pushed[name])
        self._keep_places()

    async def stop(self) -> None:
        """End the polls under way, keep and pass on what they brought, let go of everything."""
        async with AsyncExitStack() as rest:  # whatever goes wrong, the rest is ended too
            rest.push_async_callback(asyncio.to_thread, self._files.close)
            if self._web is not None:
                rest.push_async_callback(self._web.close)
            if self._feeder is not None:
                rest.push_async_callback(self._feeder.close, _LAST_S)
            rest.push_async_callback(self._supervisor.close)
            rest.push_async_callback(self._stop_sinks, list(self._sinks))
            await self._service.stop()

    async def read_now(self, meter: str) -> list[ReadReport]:
        """See `Operator.read_now`."""
        return await self._service.read_now(meter)

    def frames(self, link: str) -> FrameStream:
        """See `Operator.frames`."""
        return self._service.frames(link)

    def reload(self) -> None:
        """See `Operator.reload`."""
        self._reload()

    def _new_web(self) -> HttpServer | None:
        entry = self.view.site.web
        prometheus = [s for s in self.view.site.sink if isinstance(s, PrometheusEntry)]
        if entry is None:
            if prometheus:
                msg = "the sink prometheus is served by the HTTP side, which is off: add [web]"
                raise ConfigError(msg)
            return None
        try:
            from energymeter.web.serve import web_server  # noqa: PLC0415 - an extra
        except ImportError as error:
            msg = "the HTTP side needs fastapi and uvicorn: pip install 'energymeter[web]'"
            if not prometheus and "web" not in self.view.site.model_fields_set:
                self.events.tell(Level.WARNING, Topic.SERVICE, "", msg)
                return None
            raise ConfigError(msg) from error
        desk = Desk(self.snapshot, self.events, Archive(self._newest_store), self, self._clock)
        return web_server(entry, desk, prometheus=prometheus[0] if prometheus else None)

    def _newest_store(self) -> Store | None:
        if self._feeder is not None:
            return self._feeder.store
        return self.store

    def _open_store(self) -> None:
        entry, state = self.view.site.store, self.snapshot.store
        match entry:
            case SqliteStoreEntry():
                _make_folder(entry.path)
                self.store = SqliteStore(entry.path, survives_power_loss=entry.survives_power_loss)
                self._tender = StoreTender(entry, events=self.events, clock=self._clock)
                state.place = str(entry.path)
            case PostgresStoreEntry():
                state.place = "postgresql"
                self._feeder = StoreFeeder(
                    self._journal.reader(_STORE_READER, most_bytes=entry.buffer),
                    _opener(entry),
                    state=state,
                    events=self.events,
                    clock=self._clock,
                )
                if entry.keep is not None:
                    self._tender = ServerTender(self._feeder, entry.keep, clock=self._clock)
            case None:
                state.place = ""

    def _keep_places(self) -> None:
        """Forget the places of sinks that are no more."""
        names = [_reader_of(name) for name in _pushed(self.view)]
        if self._feeder is not None:
            names.append(_STORE_READER)
        self._journal.keep_only(names)

    async def _wake(self) -> None:
        """Tell everybody who reads the journal that there is something new."""
        came = self._service.on_journal
        while True:
            await came.wait()
            came.clear()
            self._tell_journal()
            for sink in self._sinks.values():
                sink.forwarder.wake()
            if self._feeder is not None:
                self._feeder.wake()

    def _tell_journal(self) -> None:
        """Tell once when the journal cannot be written, and once when it can again."""
        fault, state = self._journal.fault, self.snapshot.journal
        state.waiting, state.dropped = self._journal.waiting, self._journal.dropped
        if bool(fault) != bool(state.fault):
            if fault:
                state.fault_since = self._clock.now()
                text = f"the journal: {fault}; what waits for sinks is in memory only"
                self.events.tell(Level.ERROR, Topic.SINK, "", text)
            else:
                state.fault_since = None
                self.events.tell(Level.INFO, Topic.SINK, "", "the journal can be written again")
        state.fault = fault

    def _start_sink(self, name: str, entry: PushedEntry) -> None:
        state = self.snapshot.sinks.setdefault(name, SinkState(name, entry.type))
        state.type = entry.type
        forwarder = Forwarder(
            self._journal.reader(_reader_of(name), most_bytes=entry.buffer),
            self._made[name],
            state,
            self.events,
            name=name,
            meters=self.snapshot.infos(),
            meter_patterns=entry.meters,
            points=entry.points,
            every_s=entry.every,
            clock=self._clock,
        )
        task = self._supervisor.start(Topic.SINK, name, forwarder.run)
        self._sinks[name] = _RunningSink(forwarder, task)

    async def _stop_sinks(self, names: Iterable[str]) -> None:
        await asyncio.gather(*(self._stop_sink(name) for name in names))

    async def _stop_sink(self, name: str) -> None:
        running = self._sinks.pop(name)
        await running.forwarder.close(_LAST_S)
        running.task.cancel()
        await asyncio.wait([running.task])
        if name not in _pushed(self.view):
            self.snapshot.sinks.pop(name, None)


def make_sinks(view: ResolvedSite) -> dict[str, Sink]:
    """The sinks of a site that are sent readings, by name; none is open.

    Raises:
        ConfigError: One of them cannot be.
    """
    return {name: make_sink(entry, view.site.name) for name, entry in _pushed(view).items()}


def _reader_of(sink: str) -> str:
    """The name of a sink's place in the journal."""
    return f"sink-{sink}"


def _pushed(view: ResolvedSite) -> Mapping[str, PushedEntry]:
    """The sinks that are sent readings, by name."""
    return {sink_name(entry): entry for entry in view.site.sink if is_pushed(entry)}


def _make_folder(path: Path) -> None:
    """Make the folder of a file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{path}: the folder of the store cannot be made: {error.strerror}"
        raise StoreError(msg) from error


def _opener(entry: PostgresStoreEntry) -> Callable[[], Store]:
    url = entry.url.reveal()

    def open_store() -> Store:
        from energymeter.store.postgres import PostgresStore  # noqa: PLC0415 - an extra

        return PostgresStore(url)

    return open_store
