"""Faults of when and in what pieces an answer goes out."""

from __future__ import annotations

from typing import Final

from energymeter.simulator.faults.exchange import Exchange, Hit, Piece

__all__ = [
    "echo_request",
    "grow_with_load",
    "hang_up",
    "hold_back",
    "is_alone",
    "send_twice",
    "split",
    "take_longer",
]

_MOST_PIECES: Final = 4


def echo_request(exchange: Exchange, _hit: Hit) -> None:
    """The request comes back before the answer."""
    exchange.pieces.insert(0, Piece(0.0, exchange.encode(*exchange.request)))


def send_twice(exchange: Exchange, hit: Hit) -> None:
    """The same bytes once more, after a pause."""
    exchange.pieces.append(Piece(hit.draw(), exchange.frame))


def is_alone(exchange: Exchange, _hit: Hit) -> bool:
    """No answer has waited for this one."""
    return not exchange.is_glued


def hold_back(exchange: Exchange, _hit: Hit) -> None:
    """The answer waits, and goes out in one write with the next one."""
    exchange.memory.held = b"".join(piece.data or b"" for piece in exchange.pieces)
    exchange.pieces.clear()


def split(exchange: Exchange, hit: Hit) -> None:
    """Two to four pieces with pauses between them."""
    pieces: list[Piece] = []
    for piece in exchange.pieces:
        data = piece.data or b""
        count = min(hit.chance.randint(1, _MOST_PIECES - 1), max(0, len(data) - 1))
        cuts = sorted(hit.chance.sample(range(1, len(data)), count)) if count else []
        starts = [0, *cuts]
        parts = [data[a:b] for a, b in zip(starts, [*cuts, len(data)], strict=True)]
        pieces.append(Piece(piece.pause_s, parts[0]))
        pieces += [Piece(hit.draw(), part) for part in parts[1:]]
    exchange.pieces = pieces


def hang_up(exchange: Exchange, hit: Hit) -> None:
    """The first bytes, half of them unless the amount says how many; then the connection drops."""
    sent = b"".join(piece.data or b"" for piece in exchange.pieces)
    count = min(len(sent), int(hit.draw(otherwise=len(sent) // 2)))
    first = [Piece(0.0, sent[:count])] if count else []
    exchange.pieces = [*first, Piece(0.0, None)]


def take_longer(exchange: Exchange, hit: Hit) -> None:
    """The meter takes its time, and keeps those behind waiting."""
    exchange.delay_s += hit.draw()


def grow_with_load(exchange: Exchange, hit: Hit) -> None:
    """It takes longer the more is asked of it."""
    exchange.delay_s += hit.draw() * exchange.load
