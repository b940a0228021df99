"""Who is logged in: sessions of people with a browser, kept in memory only. Knows no password.

What pages need stands here too. A page asks `identity_of(request)`: everything behind the guard
has an identity, without a login that of this machine. A form of login posts the fields `password`
and `next` to `LOGIN_PATH`; a form without fields to `LOGOUT_PATH` logs out. Where the browser has
no session, the guard sends whoever opens a page to `LOGIN_PATH?next=...`, and gives a problem to
everybody else.

The page at `LOGIN_PATH` is the text that `energymeter.web.pages.login.login_page(goal, fault)`
gives: plain HTML without scripts and without foreign files, for behind the guard is all the rest.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import Scope

from energymeter.clock import Alarm, Clock

__all__ = [
    "LOGIN_PATH",
    "LOGOUT_PATH",
    "LONGEST_IDLE_S",
    "LONGEST_S",
    "SCOPE_KEY",
    "Identity",
    "Means",
    "Session",
    "Sessions",
    "cookie_name",
    "identity_of",
    "is_encrypted",
    "safe_goal",
]

LOGIN_PATH: Final = "/login"
LOGOUT_PATH: Final = "/logout"

SCOPE_KEY: Final = "energymeter.identity"
"""Where the guard leaves the identity in the scope."""

LONGEST_IDLE_S: Final = 12 * 3600.0
"""A session nobody used for so long is over; an open page uses it."""

LONGEST_S: Final = 30 * 86_400.0
"""A session is over after this time in any case."""

_ID_BYTES: Final = 32
_MOST_SESSIONS: Final = 1000
_LONGEST_GOAL: Final = 2000


class Means(StrEnum):
    """What somebody showed to be let in."""

    MACHINE = "machine"
    """Nothing: the service listens on loopback only, and has neither token nor password."""

    TOKEN = "token"  # noqa: S105 - a word, not a secret
    """The token, as a program does."""

    SESSION = "session"
    """The cookie of somebody who logged in."""


class Session:
    """One login; ends by itself, when it is closed, or when others push it out.

    Args:
        now_s: The moment it begins, of the monotonic clock.
    """

    __slots__ = ("_at_end", "begun_s", "is_over", "latest_end", "open_sockets", "used_s")

    def __init__(self, now_s: float) -> None:
        self.begun_s = now_s
        self.used_s = now_s
        self.latest_end: Alarm | None = None
        self.open_sockets = 0
        self.is_over = False
        self._at_end: set[Callable[[], None]] = set()

    def is_due(self, now_s: float) -> bool:
        """Whether its time is over."""
        if now_s - self.begun_s >= LONGEST_S:
            return True
        return not self.open_sockets and now_s - self.used_s >= LONGEST_IDLE_S

    def end(self) -> None:
        """It is over; whoever holds something open in its name lets go of it."""
        if self.is_over:
            return
        self.is_over = True
        if self.latest_end is not None:
            self.latest_end.cancel()
        for call in list(self._at_end):
            call()

    @contextmanager
    def in_use(self, at_end: Callable[[], None]) -> Iterator[None]:
        """Something is open in its name; `at_end` is called when the session ends before that."""
        self.open_sockets += 1
        self._at_end.add(at_end)
        try:
            yield
        finally:
            self._at_end.discard(at_end)
            self.open_sockets -= 1

    def use(self, now_s: float) -> None:
        """Somebody used it."""
        self.used_s = now_s


class Identity:
    """Who asks.

    Args:
        means: What was shown.
        session: With `Means.SESSION` the session.
    """

    __slots__ = ("means", "session")

    def __init__(self, means: Means, session: Session | None = None) -> None:
        self.means = means
        self.session = session

    @property
    def is_current(self) -> bool:
        """Whether it still counts; a stream asks again and again."""
        return self.session is None or not self.session.is_over

    @property
    def can_log_out(self) -> bool:
        """Whether there is something to log out of: only then a page shows the button."""
        return self.session is not None


class Sessions:
    """All sessions; at most a thousand, the one unused for longest makes room.

    Args:
        clock: Says how long each is used already.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # By the digest of its id: how long a look-up takes tells nothing of the ids there are.
        self._known: OrderedDict[bytes, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def begin(self) -> str:
        """A new session; its id is for the cookie and kept nowhere."""
        now_s = self._clock.monotonic()
        self._drop_due(now_s)
        while len(self._known) >= _MOST_SESSIONS:
            self._known.popitem(last=False)[1].end()
        key = secrets.token_urlsafe(_ID_BYTES)
        session = self._known[_digest(key)] = Session(now_s)
        # What is open in its name ends with it, also if nobody ever asks again.
        session.latest_end = self._clock.call_at(now_s + LONGEST_S, lambda: self.drop(session))
        return key

    def find(self, key: str) -> Session | None:
        """The session of this id, which is in use by that; None: there is none, or no more."""
        digest = _digest(key)
        session = self._known.get(digest)
        if session is None:
            return None
        now_s = self._clock.monotonic()
        if session.is_due(now_s):
            del self._known[digest]
            session.end()
            return None
        session.use(now_s)
        self._known.move_to_end(digest)
        return session

    def drop(self, session: Session) -> None:
        """End a session."""
        for digest, known in self._known.items():
            if known is session:
                del self._known[digest]
                break
        session.end()

    def drop_all(self) -> None:
        """End them all."""
        while self._known:
            self._known.popitem()[1].end()

    def _drop_due(self, now_s: float) -> None:
        due = [digest for digest, session in self._known.items() if session.is_due(now_s)]
        for digest in due:
            self._known.pop(digest).end()


def identity_of(connection: HTTPConnection) -> Identity | None:
    """Who asks with this request or web socket; None: nobody the guard let in.

    Works in routes, in pages mounted below, and with `starlette.requests.Request` alike.
    """
    found = connection.scope.get(SCOPE_KEY)
    return found if isinstance(found, Identity) else None


def cookie_name(port: int, *, is_secure: bool) -> str:
    """What the cookie is called: cookies do not know ports, and services share machines."""
    # With this prefix browsers take it from this very host, encrypted, only.
    return f"{'__Host-' if is_secure else ''}energymeter-{port}"


def is_encrypted(scope: Scope) -> bool:
    """Whether we speak TLS with whoever asks."""
    return scope.get("scheme") in ("https", "wss")


def safe_goal(text: str | None) -> str:
    """Where to go after the login: a path here, whatever somebody wrote into `next`."""
    if not text or len(text) > _LONGEST_GOAL or not text.isprintable():
        return "/"
    # Browsers take // and /\ for another host, and drop blanks at the ends.
    if not text.startswith("/") or text[1:2] in ("/", "\\") or text != text.strip():
        return "/"
    path = text.partition("?")[0]
    return "/" if path in (LOGIN_PATH, LOGOUT_PATH) else text


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
