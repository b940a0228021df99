"""What the API answers, made of the snapshot: plain data, written as JSON in one go.

The models of `answers` and `service_answers` describe it and check it in tests; they are not built
for each answer, which would take ten times as long.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from pydantic import TypeAdapter
from starlette.responses import Response

from energymeter.reader.reading import Quality, Reading
from energymeter.service.events import ServiceEvent
from energymeter.service.snapshot import LinkState, MeterState, SinkState, StoreState
from energymeter.store.base import Series
from energymeter.store.numbers import plain_value
from energymeter.web.api.answers import Condition

__all__ = [
    "as_json",
    "condition_of",
    "event_item",
    "json_answer",
    "latest_of",
    "link_item",
    "meter_item",
    "point_items",
    "sink_item",
    "store_answer",
]

_ANYTHING: Final[TypeAdapter[Any]] = TypeAdapter(Any)
_WORDS: Final = {quality: str(quality.value) for quality in Quality}
"""Plain text is written twice as fast as a member of an enumeration."""

_NO_STORE: Final = {"Cache-Control": "no-store"}


def as_json(content: Any) -> bytes:  # noqa: ANN401 - whatever JSON can be made of
    """Plain data as JSON; numbers that are none become null."""
    return _ANYTHING.dump_json(content)


def json_answer(
    content: Any,  # noqa: ANN401 - likewise
    status: int = 200,
    headers: Mapping[str, str] = _NO_STORE,
) -> Response:
    """An answer of plain data; nobody keeps it, unless the headers say otherwise."""
    return Response(as_json(content), status, headers, "application/json")


def condition_of(state: MeterState) -> Condition:
    """How a meter is."""
    if not state.polls:
        return Condition.WAITING
    return Condition.SILENT if state.fault else Condition.ALIVE


def meter_item(state: MeterState, link: str, now: datetime) -> dict[str, Any]:
    """See `answers.MeterItem`."""
    info, time = state.info, state.time
    return {
        "name": info.name,
        "state": condition_of(state),
        "fault": state.fault,
        "fault_since": state.fault_since,
        "time": time,
        "age_s": _age_s(time, now),
        "revision": state.revision,
        "link": link,
        "url": info.link,
        "unit": info.unit,
        "profile": info.profile.name,
        "labels": dict(info.labels),
        "interval_s": info.interval_s,
        "polls": state.polls,
        "failed": state.failed,
        "skipped": state.skipped,
        "lateness_s": state.lateness_s,
        "duration_s": state.duration_s,
    }


def point_items(state: MeterState) -> list[dict[str, Any]]:
    """See `answers.PointItem`."""
    return [
        {"name": each.name, "unit": each.unit, "kind": each.kind, "form": each.form}
        for each in state.info.series
    ]


def latest_of(state: MeterState, now: datetime, quantities: Collection[str] = ()) -> dict[str, Any]:
    """See `answers.Latest`; `quantities`: only these, none for all."""
    time, series = state.time, _by_name(state.info.series)
    return {
        "meter": state.info.name,
        "state": condition_of(state),
        "fault": state.fault,
        "revision": state.revision,
        "time": time,
        "age_s": _age_s(time, now),
        "values": [
            _value_item(state, reading, series.get(reading.name), now)
            for reading in state.readings(now)
            if not quantities or reading.name in quantities
        ],
    }


@lru_cache(maxsize=1000)
def _by_name(series: tuple[Series, ...]) -> Mapping[str, Series]:
    """Meters of a kind have the same ones."""
    return {each.name: each for each in series}


def _value_item(
    state: MeterState, reading: Reading, series: Series | None, now: datetime
) -> dict[str, Any]:
    name, value, unit, quality, time = reading
    age_s = (now - time).total_seconds()
    reason = ""
    if quality is not Quality.GOOD:
        reason = state.reason(name) or f"nothing newer came for {age_s:.0f} s"
    return {
        "name": name,
        "value": value if series is None else plain_value(series, value),
        "unit": unit,
        "quality": _WORDS[quality],
        "reason": reason,
        "time": time,
        "age_s": age_s if age_s > 0 else 0.0,
    }


def link_item(state: LinkState) -> dict[str, Any]:
    """See `service_answers.LinkItem`."""
    return {
        "name": state.name,
        "url": state.url,
        "is_open": state.link.is_open,
        "fault": state.fault,
        "fault_since": state.fault_since,
        "meters": list(state.meters),
        "utilisation": state.utilisation,
        "wanted": state.wanted,
        "skipped": state.skipped,
        "units": [
            {
                "unit": number,
                "requests": unit.requests,
                "answers": unit.answers,
                "timeouts": unit.timeouts,
                "refusals": unit.refusals,
                "faults": unit.faults,
                "latency_s": unit.latency_s if unit.answers else None,
                "is_silent": unit.is_silent,
            }
            for number, unit in sorted(state.link.health.units.items())
        ],
    }


def sink_item(state: SinkState) -> dict[str, Any]:
    """See `service_answers.SinkItem`."""
    return {
        "name": state.name,
        "type": state.type,
        "sent": state.sent,
        "waiting": state.waiting,
        "dropped": state.dropped,
        "fault": state.fault,
        "fault_since": state.fault_since,
    }


def store_answer(state: StoreState) -> dict[str, Any]:
    """See `service_answers.StoreAnswer`."""
    return {
        "place": state.place,
        "stored": state.stored,
        "waiting": state.waiting,
        "dropped": state.dropped,
        "fault": state.fault,
        "fault_since": state.fault_since,
    }


def event_item(event: ServiceEvent) -> dict[str, Any]:
    """See `service_answers.EventItem`."""
    return event._asdict()


def _age_s(time: datetime | None, now: datetime) -> float | None:
    return None if time is None else max(0.0, (now - time).total_seconds())
