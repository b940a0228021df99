"""The API over real HTTP: meters, newest values, links, sinks, events, profiles, orders."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import BaseModel
from tests.support.loops import run
from tests.web.populated import NAMES, Reader, busy_snapshot
from tests.web.serving import Bench, bench
from tests.web.site_of import link_of, meter_of, snapshot_of

from energymeter.service.events import Level, Topic
from energymeter.web.api import answers, service_answers

MODELS: dict[str, type[BaseModel]] = {
    "/meters": answers.MeterPage,
    "/meters/main": answers.Meter,
    "/meters/waiting": answers.Meter,
    "/meters/main/latest": answers.Latest,
    "/meters/waiting/latest": answers.Latest,
    "/latest": answers.LatestPage,
    "/links": service_answers.Links,
    "/links/bus1": service_answers.LinkItem,
    "/links/tcp://192.0.2.2:502": service_answers.LinkItem,
    "/sinks": service_answers.Sinks,
    "/store": service_answers.StoreAnswer,
    "/events": service_answers.Events,
    "/profiles": service_answers.ProfilePage,
    "/profiles/energymeter/electric": service_answers.ProfileAnswer,
}


@asynccontextmanager
async def api(**more: Any) -> AsyncIterator[Bench]:
    """A busy site that is asked below /api/v1."""
    async with bench(busy_snapshot(), operator=Reader(), **more) as bed:
        bed.http.base_url = httpx.URL(f"{bed.server}/api/v1")
        yield bed


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and sentence of a problem that is told as it should be."""
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["type"] == "about:blank"
    assert told["status"] == answer.status_code
    assert told["title"]
    detail = told["detail"]
    assert detail[:1].lower() == detail[:1]
    assert not detail.endswith(".")
    return answer.status_code, detail


def test_what_is_told_is_what_is_described() -> None:
    async def scenario() -> None:
        async with api() as bed:
            bed.events.tell(Level.ERROR, Topic.METER, "main", "it broke")
            for path, model in MODELS.items():
                answer = await bed.http.get(path)
                assert answer.status_code == 200, path
                assert answer.headers["cache-control"] in ("no-store", "private, no-cache")
                told = model.model_validate_json(answer.content)
                assert set(told.model_fields_set) == set(model.model_fields), path

    run(scenario())


def test_head_is_answered_as_get_is_but_for_the_body() -> None:
    async def scenario() -> None:
        async with api() as bed:
            for path in ("/meters", "/meters/main/latest", "/meters/nobody", "/nothing"):
                head, whole = await bed.http.head(path), await bed.http.get(path)
                assert head.status_code == whole.status_code
                assert head.headers["content-type"] == whole.headers["content-type"]
                assert head.content == b""
            assert (await bed.http.head("/meters/main/read")).status_code == 405
            assert (await bed.http.head("/stream")).status_code == 405

    run(scenario())


def test_a_value_is_told_with_its_quality_reason_and_age() -> None:
    async def scenario() -> None:
        async with api() as bed:
            await bed.clock.advance(5)
            told = (await bed.http.get("/meters/main/latest")).json()
        assert (told["meter"], told["state"], told["age_s"]) == ("main", "alive", 5)
        voltage, energy, serial, frequency = told["values"]
        assert voltage == {
            "name": "voltage_phase_a",
            "value": 230.1,
            "unit": "V",
            "quality": "good",
            "reason": "",
            "time": "2026-11-21T15:00:00Z",
            "age_s": 5,
        }
        assert energy["value"] == 2**63
        assert serial["value"] == "A\n\u2028\0\"'<b>"
        assert (frequency["value"], frequency["quality"]) == (None, "out_of_range")
        assert frequency["reason"]

    run(scenario())


def test_a_value_that_was_not_renewed_is_stale_and_says_why() -> None:
    async def scenario() -> None:
        async with api() as bed:
            await bed.clock.advance(31)
            told = (await bed.http.get("/meters/main/latest?quantity=voltage_phase_a")).json()
        (value,) = told["values"]
        assert (value["quality"], value["value"]) == ("stale", 230.1)
        assert value["reason"] == "nothing newer came for 31 s"

    run(scenario())


def test_whatever_a_meter_is_called_it_is_found() -> None:
    async def scenario() -> None:
        async with api() as bed:
            for name, path in product(NAMES, ("", "/latest")):
                answer = await bed.http.get(f"/meters/{quote(name, safe='')}{path}")
                assert answer.status_code == 200
                assert name in (answer.json().get("name"), answer.json().get("meter"))

    run(scenario())


FOUND = [
    ("name=ZÄHLER", ["Zähler 水"]),
    ("name=a", ["a%2Fb?c&d", "hall 2: Süd", "main", "waiting"]),
    ("state=silent", ["silent"]),
    ("state=silent&state=waiting", ["silent", "waiting"]),
    ("label=building=north", ["a%2Fb?c&d", "hall 2: Süd", "waiting"]),
    ("label=größe&label=building=south&name=m", ["main"]),
    ("label=floor", []),
    ("link=tcp://192.0.2.2:502", ["main"]),
    ("link=nothing", []),
]


def test_meters_are_found_by_what_is_known_of_them() -> None:
    async def scenario() -> None:
        async with api() as bed:
            for query, found in FOUND:
                told = (await bed.http.get(f"/meters?{query}")).json()
                latest = (await bed.http.get(f"/latest?{query}")).json()
                assert [item["name"] for item in told["items"]] == sorted(found), query
                assert told["total"] == len(found)
                assert [item["meter"] for item in latest["items"]] == sorted(found)

    run(scenario())


def test_pages_follow_each_other_until_there_are_no_more() -> None:
    async def scenario() -> None:
        snapshot = snapshot_of(*(meter_of(f"m{number}") for number in range(25)))
        found, cursor = [], ""
        async with bench(snapshot) as bed:
            while cursor is not None:
                query = f"limit=10&cursor={quote(cursor)}"
                page = (await bed.http.get(f"/api/v1/meters?{query}")).json()
                assert page["total"] == 25
                found += [item["name"] for item in page["items"]]
                cursor = page["next"]
        assert found == sorted(snapshot.meters)

    run(scenario())


REFUSED = [
    ("/meters/nobody", 404, "no meter called nobody"),
    ("/meters/nobody/latest", 404, "no meter called nobody"),
    ("/meters/main/latest?quantity=x", 404, "no value called x"),
    ("/meters?limit=0", 422, "limit: "),
    ("/meters?limit=many", 422, "limit: "),
    ("/meters?state=tired", 422, "state"),
    ("/links/nothing", 404, "no link called nothing"),
    ("/profiles/acme/none", 404, "is not known"),
    ("/events?after=-1", 422, "after: "),
    ("/nothing", 404, "there is nothing here"),
    ("/meters/", 404, "there is nothing here"),
    ("/stream?every_s=0", 422, "every_s: "),
    ("/meters/main/read", 405, "only POST"),
    ("/reload", 405, "only POST"),
]


def test_what_cannot_be_told_is_refused_in_one_sentence() -> None:
    async def scenario() -> None:
        async with api() as bed:
            for path, status, words in REFUSED:
                answer = await bed.http.get(path)
                assert answer.status_code == status, path
                assert words in problem_of(answer)[1]

    run(scenario())


def test_other_methods_are_refused_with_those_there_are() -> None:
    async def scenario() -> None:
        async with api() as bed:
            for method in ("POST", "PUT", "DELETE"):
                answer = await bed.http.request(method, "/meters/main")
                assert problem_of(answer)[0] == 405
                assert answer.headers["allow"] == "GET"

    run(scenario())


def test_links_are_told_with_their_units() -> None:
    async def scenario() -> None:
        async with api() as bed:
            told = (await bed.http.get("/links/bus1")).json()
        assert told["meters"] == list(NAMES[1:])
        three, seven = told["units"]
        assert (three["unit"], three["latency_s"]) == (3, None)
        assert (seven["requests"], seven["timeouts"], seven["latency_s"]) == (10, 2, 0.02)

    run(scenario())


def test_events_are_told_from_a_number_on() -> None:
    async def scenario() -> None:
        async with api() as bed:
            for number in range(5):
                level = Level.ERROR if number % 2 else Level.INFO
                bed.events.tell(level, Topic.METER, f"m{number}", f"event {number}")
            told = (await bed.http.get("/events?after=2")).json()
            errors = (await bed.http.get("/events?level=error&limit=1")).json()
            of_one = (await bed.http.get("/events?name=m2&topic=meter")).json()
        assert [item["number"] for item in told["items"]] == [3, 4, 5]
        assert (told["newest"], told["missed"]) == (5, 0)
        assert [item["name"] for item in errors["items"]] == ["m3"]
        assert [item["name"] for item in of_one["items"]] == ["m2"]

    run(scenario())


def test_who_comes_late_is_told_how_many_events_are_gone() -> None:
    async def scenario() -> None:
        async with api() as bed:
            for number in range(2010):
                bed.events.tell(Level.INFO, Topic.SERVICE, "", f"event {number}")
            told = (await bed.http.get("/events?after=4&limit=2000")).json()
        assert (told["missed"], len(told["items"]), told["newest"]) == (6, 2000, 2010)

    run(scenario())


def test_a_profile_that_is_known_is_not_sent_again() -> None:
    async def scenario() -> None:
        async with api() as bed:
            first = await bed.http.get("/profiles/pm8000")
            tag = first.headers["etag"]
            again = await bed.http.get("/profiles/pm8000", headers={"If-None-Match": tag})
            other = await bed.http.get("/profiles/sdm630", headers={"If-None-Match": tag})
        assert first.json()["name"] == "schneider-electric/pm8000"
        assert (again.status_code, again.content) == (304, b"")
        assert other.status_code == 200

    run(scenario())


def test_profiles_are_searched() -> None:
    async def scenario() -> None:
        async with api() as bed:
            told = (await bed.http.get("/profiles?name=PM8000")).json()
        assert [item["name"] for item in told["items"]] == ["schneider-electric/pm8000"]
        assert told["items"][0]["points"] >= 25

    run(scenario())


def test_a_reload_is_passed_on() -> None:
    async def scenario() -> None:
        reader = Reader()
        async with bench(snapshot_of(), operator=reader) as bed:
            bed.events.tell(Level.INFO, Topic.SERVICE, "", "started")
            answer = await bed.http.post("/api/v1/reload")
        assert (answer.status_code, answer.json()) == (202, {"after": 1})
        assert reader.reloads == 1

    run(scenario())


def test_a_meter_is_read_at_once() -> None:
    async def scenario() -> None:
        reader = Reader()
        async with bench(busy_snapshot(), operator=reader) as bed:
            answer = await bed.http.post(f"/api/v1/meters/{quote(NAMES[1])}/read")
        told = answers.Latest.model_validate_json(answer.content)
        assert reader.asked == [NAMES[1]]
        assert (told.meter, told.state) == (NAMES[1], answers.Condition.ALIVE)
        assert told.values[0].value == 230.1

    run(scenario())


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("silent", 504, "did not answer within 1 s"),
        ("waiting", 404, "no meter called waiting any more"),
        ("nobody", 404, "no meter called nobody"),
    ],
)
def test_a_meter_that_cannot_be_read_is_told_so(name: str, status: int, words: str) -> None:
    async def scenario() -> None:
        async with api() as bed:
            answer = await bed.http.post(f"/meters/{name}/read")
        assert problem_of(answer)[0] == status
        assert words in answer.json()["detail"]

    run(scenario())


def test_readings_at_once_are_rationed() -> None:
    async def scenario() -> None:
        async with api() as bed:
            codes = [(await bed.http.post("/meters/main/read")).status_code for _ in range(30)]
            refused = await bed.http.post("/meters/main/read")
            await bed.clock.advance(1)
            after = [(await bed.http.post("/meters/main/read")).status_code for _ in range(3)]
        assert codes == [200] * 10 + [429] * 20
        assert refused.headers["retry-after"] == "1"
        assert after == [200, 200, 429]

    run(scenario())


def test_every_field_and_parameter_is_described() -> None:
    async def scenario() -> None:
        async with api() as bed:
            described = (await bed.http.get(f"{bed.server}/api/openapi.json")).json()
        for path, methods in described["paths"].items():
            if not path.startswith("/api/v1"):
                continue
            for operation in methods.values():
                assert operation["description"], path
                for parameter in operation.get("parameters", []):
                    assert parameter["description"], (path, parameter["name"])
        schemas = described["components"]["schemas"]
        for name in [model.__name__ for model in set(MODELS.values())] + ["Problem"]:
            for field, schema in schemas[name]["properties"].items():
                assert schema.get("description"), (name, field)
        assert "HTTPValidationError" not in json.dumps(described["paths"])

    run(scenario())


def test_a_meter_that_goes_while_somebody_looks_is_no_more() -> None:
    async def scenario() -> None:
        snapshot = snapshot_of(meter_of("m1"))
        async with bench(snapshot) as bed:
            assert (await bed.http.get("/api/v1/meters/m1")).status_code == 200
            snapshot.meters.clear()
            snapshot.links = {"bus1": link_of("bus1", [])}
            assert (await bed.http.get("/api/v1/meters/m1")).status_code == 404
            assert (await bed.http.get("/api/v1/meters")).json()["total"] == 0

    run(scenario())


def test_a_silent_meter_says_since_when_and_why() -> None:
    async def scenario() -> None:
        async with api() as bed:
            told = (await bed.http.get("/meters/silent")).json()
        assert (told["state"], told["age_s"]) == ("silent", 80)
        assert told["fault"] == "no answer within 1 s"
        assert told["fault_since"] == "2026-11-21T14:55:00Z"

    run(scenario())
