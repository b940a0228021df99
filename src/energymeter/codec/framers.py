"""The framer of each framing."""

from __future__ import annotations

from energymeter.codec.ascii_mode import AsciiFramer
from energymeter.codec.framing import Framer, Framing, Side
from energymeter.codec.mbap import MbapFramer
from energymeter.codec.rtu import RtuFramer

__all__ = ["make_framer"]


def make_framer(framing: Framing, side: Side) -> Framer:
    """Make the framer of a new connection.

    Args:
        framing: The envelope of its messages.
        side: Whose ear it is: a client hears answers, a server requests.
    """
    match framing:
        case Framing.RTU:
            return RtuFramer(side)
        case Framing.ASCII:
            return AsciiFramer(side)
        case Framing.MBAP:
            return MbapFramer()
