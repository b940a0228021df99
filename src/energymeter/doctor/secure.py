"""TLS: is it spoken, do both sides trust each other, and is it TLS at all that is needed?"""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Final

from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.probe import Exchange
from energymeter.doctor.sound import Nature
from energymeter.doctor.surroundings import Door
from energymeter.doctor.who import stranger_step
from energymeter.errors import LinkOpenError
from energymeter.transports import TlsFiles, Way, Wire

__all__ = ["explain_tls", "explain_tls_loss", "find_tls"]

_LEAST_HANDSHAKE_S: Final = 0.5
"""A handshake takes several turns and some reckoning, more than a read."""


async def explain_tls(case: Case, error: LinkOpenError) -> Step | None:
    """Why no TLS came about; None: it did not come that far."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Step(
            Layer.TLS,
            Verdict.CERTIFICATE_REFUSED,
            error.message,
            f"{error.message}; options stand in the URL, as in {case.place}?ca=ISSUER.pem",
        )
    is_shut = isinstance(cause, TimeoutError) and not await _is_open(case)
    is_tls = isinstance(cause, (ssl.SSLError, ConnectionResetError, ConnectionAbortedError))
    if is_shut or not (is_tls or isinstance(cause, TimeoutError)):
        return None
    if isinstance(cause, TimeoutError) and (slow := await _slow_handshake(case)) is not None:
        return slow
    case.tell("asking in the clear")
    plain = replace(case.wire, way=Way.TCP, tls=None)
    exchange = await case.ask(next(iter(case.questions())), wire=plain)
    if exchange.is_answered or exchange.is_from_gateway:
        return Step(
            Layer.TLS,
            Verdict.TLS_NOT_SPOKEN,
            "no TLS is spoken there; it answers in the clear",
            f"port {case.wire.port} speaks Modbus TCP in the clear, not TLS",
            case.command(wire=plain),
        )
    return Step(Layer.TLS, Verdict.TLS_FAILED, error.message, error.message)


async def _slow_handshake(case: Case) -> Step | None:
    """Small devices reckon for seconds until TLS has come about."""
    case.tell(f"trying TLS for {case.longest_s:g} s")
    started = case.clock.monotonic()
    try:
        await case.open(replace(case.wire, connect_timeout_s=case.longest_s))
    except LinkOpenError:
        return None
    took_s = case.clock.monotonic() - started
    return Step(
        Layer.TLS,
        Verdict.SLOW,
        f"TLS comes about after {took_s:.1f} s",
        f"TLS comes about, but only after {took_s:.1f} s, and {case.timeout_s:g} s was waited for",
        case.command(wire=replace(case.wire, connect_timeout_s=float(round(2 * took_s + 1)))),
    )


async def explain_tls_loss(case: Case, contact: Exchange) -> Step | None:
    """A refusal that TLS 1.3 tells only when the first question is asked."""
    if case.wire.way is not Way.TLS or not contact.is_lost or contact.heard:
        return None
    if case.wire.tls is not None and case.wire.tls.cert is None:
        return Step(
            Layer.TLS,
            Verdict.TLS_FAILED,
            f"TLS came about, then at the first question: {contact.error}",
            f"{case.wire.host} accepts TLS and closes the connection at "
            "the first request: it requires a "
            f"certificate of ours; give its file as cert and its key as key, as in "
            f"{case.place}{'&' if '?' in case.place else '?'}cert=FILE&key=FILE",
        )
    return Step(Layer.TLS, Verdict.TLS_FAILED, str(contact.error), str(contact.error))


async def find_tls(case: Case) -> Step | None:
    """Whether a port that does not answer in the clear speaks TLS."""
    if case.wire.way is not Way.TCP:
        return None
    case.tell("trying TLS")
    patience_s = max(case.timeout_s, _LEAST_HANDSHAKE_S)
    wire = replace(case.wire, way=Way.TLS, tls=TlsFiles())
    anybody = replace(wire, tls=TlsFiles(verify=False), connect_timeout_s=patience_s)
    if not await _shakes_hands(case, anybody):
        return None
    exchange = await case.ask(next(iter(case.questions())), wire=anybody)
    await case.hang_up()
    if exchange.sound.nature is Nature.STRANGER:
        return stranger_step(case, exchange.sound.stranger, exchange.sound.data)
    return Step(
        Layer.TLS,
        Verdict.TLS_NEEDED,
        "not a word in the clear, but it speaks TLS",
        f"port {case.wire.port} requires TLS; give the CA certificate in the URL as "
        f"?ca=FILE, ours, if it wants one, as cert=FILE and key=FILE",
        case.command(wire=wire),
    )


async def _shakes_hands(case: Case, wire: Wire) -> bool:
    try:
        await case.open(wire)
    except LinkOpenError as error:
        cause = error.__cause__
        # An alert is TLS too: it wants a certificate of us, or another version.
        return isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or "").upper()
    return True


async def _is_open(case: Case) -> bool:
    host, port = case.wire.host or "", case.wire.port or 0
    return await case.surroundings.try_door(host, port, case.timeout_s) is Door.OPEN
