"""How a meter answers reads beside its registers: only even ones, a lone one differently."""

from __future__ import annotations

from collections.abc import Callable

from energymeter.codec.codes import READ_FUNCTIONS, ExceptionCode
from energymeter.profiles import Profile
from energymeter.server.tables import refusal

__all__ = ["reading_manners"]


def reading_manners(profile: Profile) -> Callable[[int, int, int], bytes | None] | None:
    """What to ask before each read of the meter's registers (see `Tables.on_read`).

    Returns None for a meter that simply answers.
    """
    # None as address: whatever single register is asked for.
    alone: dict[tuple[int, int | None], bytes] = {
        (int(READ_FUNCTIONS[table]), answer.address): answer.value.to_bytes(2, "big")
        for answer in profile.lone_answers
        for table in answer.tables
    }
    if not alone and not profile.even_reads:
        return None

    def on_read(function: int, address: int, count: int) -> bytes | None:
        if count == 1:
            lone = alone.get((function, address), alone.get((function, None)))
            if lone is not None:
                return lone
        if profile.even_reads and (address % 2 or count % 2):
            raise refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        return None

    return on_read
