"""Local echo: an adapter that hears itself."""

from __future__ import annotations

from dataclasses import replace

from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.probe import Exchange
from energymeter.doctor.shape import varied

__all__ = ["echo_step", "explain_echo"]


async def explain_echo(case: Case, contact: Exchange) -> Step | None:
    """Whether an answer gets through once our own bytes are taken off."""
    if not contact.sound.is_echoed or case.wire.framing.has_transactions or case.wire.removes_echo:
        return None
    case.tell("asking with our own echo taken off")
    again = await case.ask(varied(contact.request, 1), wire=replace(case.wire, removes_echo=True))
    await case.hang_up()
    return echo_step(case) if again.is_answered else None


def echo_step(case: Case) -> Step:
    """The step that says that there is an echo, and that it can be lived with."""
    return Step(
        Layer.ECHO,
        Verdict.ECHO,
        "everything sent comes back first, then the answer",
        "the adapter echoes what is sent; have the echo removed (or switch it off in the "
        "adapter, where it is called local echo or half duplex)",
        case.command(wire=replace(case.wire, removes_echo=True)),
    )
