"""POST to a server that may be slow, gone, or of another opinion; what its answers mean.

Redirects are not followed: what is sent, a token above all, goes where the site file says. TLS is
verified against what this computer trusts. The environment's proxies are used.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import ssl
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from energymeter._version import __version__
from energymeter.errors import ConfigError, SinkRejectedError, SinkUnavailableError
from energymeter.sinks.parts import TooLargeError
from energymeter.site.secret import Secret

if TYPE_CHECKING:
    import httpx

__all__ = [
    "Answer",
    "HttpPoster",
    "Patience",
    "checked_headers",
    "packed",
    "rejected",
    "reveal",
    "unavailable_unless",
]

_LONGEST_ANSWER_BYTES: Final = 65_536
_LONGEST_REASON: Final = 200

_OUR_HEADERS: Final = frozenset(("content-length", "transfer-encoding", "connection"))
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_TEXT: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")


class Patience(NamedTuple):
    """How long to wait, in seconds."""

    connect_s: float = 10.0
    answer_s: float = 20.0
    """For each piece that is sent or received."""

    total_s: float = 25.0
    """For one request with its answer, whatever happens in between."""


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    text: str
    location: str
    retry_after: str

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """The beginning of its text, on one line; else its number alone."""
        text = " ".join(self.text.split())
        return text[:_LONGEST_REASON] or f"status {self.status}"


class HttpPoster:
    """Sends bodies to one address.

    A request that does not end in an answer costs its connection: nothing half sent is left for
    the next one.

    Args:
        kind: The sink's type, for messages.
        url: Where to; `http://` or `https://`.
        patience: How long to wait.

    Raises:
        ConfigError: The address is none, or httpx is not installed.
    """

    def __init__(self, kind: str, url: str, patience: Patience | None = None) -> None:
        _require_httpx(kind)
        import httpx  # noqa: PLC0415 - an extra

        try:
            self._url = httpx.URL(url)
        except httpx.InvalidURL:
            self._url = httpx.URL("")
        if self._url.scheme not in ("http", "https") or not self._url.host:
            msg = f"the url of the {kind} sink is no address, write http://host:port"
            raise ConfigError(msg)
        self._patience = patience if patience is not None else Patience()
        self._trust: ssl.SSLContext | None = None
        self._client: httpx.AsyncClient | None = None
        host = f"[{self._url.host}]" if ":" in self._url.host else self._url.host
        port = f":{self._url.port}" if self._url.port is not None else ""
        self.place = f"{self._url.scheme}://{host}{port}"
        """Where it sends to, without what may be secret in the address."""

    async def open(self) -> None:
        """Get ready; nothing is sent."""
        if self._trust is None and self._url.scheme == "https":
            self._trust = await asyncio.to_thread(ssl.create_default_context)
        # It tells every request at level info, with the whole address: it may hold a secret.
        log = logging.getLogger("httpx")
        if log.level == logging.NOTSET:
            log.setLevel(logging.WARNING)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send this and return what is answered.

        Raises:
            SinkUnavailableError: There is no answer.
        """
        import httpx  # noqa: PLC0415 - an extra

        if self._client is None:
            self._client = self._make_client()
        try:
            async with asyncio.timeout(self._patience.total_s):
                return await self._exchange(self._client, body, headers)
        except TimeoutError as error:
            await self._drop_client()
            msg = f"{self.place} did not respond completely within {self._patience.total_s:g} s"
            raise SinkUnavailableError(msg) from error
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            await self._drop_client()
            raise SinkUnavailableError(self._complaint(error)) from error
        except BaseException:
            # A request cancelled while it connects may keep its place in the pool for ever
            # (encode/httpcore#1093), so the pool goes with it.
            await self._drop_client()
            raise

    async def close(self) -> None:
        """Let go of the connection; may be called again, and `post` after it."""
        await self._drop_client()

    def _make_client(self) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415 - an extra

        wait = httpx.Timeout(self._patience.answer_s, connect=self._patience.connect_s)
        trust = self._trust
        if trust is None:  # without TLS; making a context that trusts somebody takes a while
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx.AsyncClient(timeout=wait, verify=trust, follow_redirects=False)

    async def _exchange(
        self, client: httpx.AsyncClient, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        own = {"user-agent": f"energymeter/{__version__}", "accept-encoding": "identity"}
        text = bytearray()
        async with client.stream(
            "POST", self._url, content=body, headers={**own, **headers}
        ) as response:
            async for piece in response.aiter_raw():
                text += piece
                if len(text) > _LONGEST_ANSWER_BYTES:
                    break
        return Answer(
            response.status_code,
            text.decode(errors="replace"),
            response.headers.get("Location", ""),
            response.headers.get("Retry-After", ""),
        )

    async def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                await client.aclose()

    def _complaint(self, error: Exception) -> str:
        import httpx  # noqa: PLC0415 - an extra

        reason = _root_of(error)
        if isinstance(error, httpx.ConnectTimeout):
            return f"{self.place} cannot be reached within {self._patience.connect_s:g} s"
        if isinstance(error, httpx.TimeoutException):
            return f"{self.place} does not answer within {self._patience.answer_s:g} s"
        if isinstance(error, httpx.ConnectError):
            return f"{self.place} cannot be reached: {reason}; is the address right?"
        return f"{self.place} broke the connection: {reason}"


def _require_httpx(kind: str) -> None:
    try:
        import httpx  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        msg = f"the {kind} sink needs httpx: pip install 'energymeter[http]'"
        raise ConfigError(msg) from error


def _root_of(error: BaseException) -> str:
    """What the system says, behind the layers of the library."""
    found = str(error) or type(error).__name__
    deeper: BaseException | None = error
    while deeper is not None:
        if isinstance(deeper, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted, {deeper.verify_message}"
        if isinstance(deeper, OSError) and deeper.strerror:
            found = deeper.strerror
        deeper = deeper.__cause__ or deeper.__context__
    return found


def reveal(secret: Secret, what: str) -> str:
    """A secret that can stand in a header.

    Raises:
        ConfigError: It is not there, or has characters that cannot be sent.
    """
    text = secret.reveal()
    if not _HEADER_TEXT.fullmatch(text):
        msg = f"the {what} is empty or has characters that cannot be sent in a header"
        raise ConfigError(msg)
    return text


def checked_headers(headers: Mapping[str, str], kind: str) -> dict[str, str]:
    """These with names in small letters.

    Raises:
        ConfigError: One cannot be sent, or is not for a person to set.
    """
    for name, text in headers.items():
        if not _HEADER_NAME.fullmatch(name) or (text and not _HEADER_TEXT.fullmatch(text)):
            msg = f"the header {name!r} of the {kind} sink has characters that cannot be sent"
            raise ConfigError(msg)
        if name.lower() in _OUR_HEADERS:
            msg = f"the header {name!r} of the {kind} sink is set by the sink itself, leave it out"
            raise ConfigError(msg)
    return {name.lower(): text for name, text in headers.items()}


async def packed(make: Callable[[], bytes]) -> bytes:
    """What `make` returns, compressed by gzip, in a thread: batches may be large.

    Nothing stays nothing.
    """

    def work() -> bytes:
        body = make()
        return gzip.compress(body, compresslevel=1, mtime=0) if body else b""

    return await asyncio.to_thread(work)


def unavailable_unless(answer: Answer, place: str, refusals: Collection[int], check: str) -> None:
    """Return for a success, and for what says that the readings themselves are refused.

    Args:
        answer: What was answered.
        place: By whom.
        refusals: Numbers of answers that are about the readings.
        check: What a person should look at when the address or login is wrong.

    Raises:
        SinkUnavailableError: It is about something else; nothing is lost.
    """
    status = answer.status
    if answer.is_success:
        return
    if 300 <= status < 400:
        target = f" and points to {answer.location[:_LONGEST_REASON]}" if answer.location else ""
        msg = f"{place} answers {status}{target}: if it is right, write that address into url"
    elif status == 400 and "HTTPS" in answer.text:
        msg = f"{place} speaks TLS only: write https:// instead of http://"
    elif status in refusals:
        return
    elif status in (408, 425, 429) or status >= 500:
        wait = f", asks to wait {answer.retry_after} s" if answer.retry_after.isdigit() else ""
        msg = f"{place} is overloaded, it answers {status}{wait}: {answer.reason}"
    else:
        msg = f"{place} answers {status}, check {check}: {answer.reason}"
    raise SinkUnavailableError(msg)


def rejected(answer: Answer, place: str) -> SinkRejectedError:
    """The error for a refusal of the readings themselves."""
    if answer.status == 413:
        return TooLargeError(f"{place} takes no request of this size")
    return SinkRejectedError(f"{place} answers {answer.status}: {answer.reason}")
