"""Logging in: the password admits, guessing gets nowhere, and foreign pages are kept out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.loops import run
from tests.web.serving import Bench, bench
from tests.web.site_of import NOW, desk_of, meter_of, snapshot_of

from energymeter.clock import ManualClock
from energymeter.errors import ConfigError
from energymeter.service.events import EventStream
from energymeter.site.model import WebEntry
from energymeter.site.password import PasswordHash
from energymeter.web.attempts import Attempts
from energymeter.web.serve import web_server
from energymeter.web.session import LONGEST_IDLE_S, LONGEST_S, Sessions, safe_goal

PASSWORD = "correct horse battery"
HASH = str(PasswordHash.of(PASSWORD))
TOKEN = "a-token-nobody-guesses"
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


@asynccontextmanager
async def guarded(**web: Any) -> AsyncIterator[Bench]:
    async with bench(snapshot_of(meter_of("m1")), **{"password": HASH, **web}) as bed:
        yield bed


async def log_in(bed: Bench, password: str = PASSWORD, **fields: str) -> httpx.Response:
    return await bed.http.post("/login", data={"password": password, **fields})


def own(bed: Bench) -> dict[str, str]:
    """What a browser sends along from a page of the service."""
    return {"Origin": str(bed.server)}


def test_the_password_admits_until_the_logout() -> None:
    async def scenario() -> None:
        async with guarded() as bed:
            assert (await bed.http.get("/api/v1/meters")).status_code == 401
            answer = await log_in(bed, next="/links?x=1")
            assert (answer.status_code, answer.headers["location"]) == (303, "/links?x=1")
            assert (await bed.http.get("/api/v1/meters")).status_code == 200
            cookies = dict(bed.http.cookies)
            gone = await bed.http.post("/logout", headers=own(bed))
            assert (gone.status_code, gone.headers["location"]) == (303, "/login")
            assert not bed.http.cookies
            bed.http.cookies.update(cookies)
            assert (await bed.http.get("/api/v1/meters")).status_code == 401

    run(scenario())


def test_the_cookie_is_for_this_service_and_no_script() -> None:
    async def scenario() -> None:
        async with guarded() as bed:
            plain = (await log_in(bed)).headers["set-cookie"]
            behind_a_proxy = await bed.http.post(
                "/login",
                data={"password": PASSWORD},
                headers={"Origin": "https://meters.example", "Host": "meters.example"},
            )
        name, _, value = plain.partition(";")[0].partition("=")
        assert name == f"energymeter-{bed.server.port}"
        assert len(value) >= 43  # 256 bits
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(plain.split("; "))
        assert "Secure" not in plain
        assert behind_a_proxy.headers["set-cookie"].startswith("__Host-energymeter")
        assert "Secure" in behind_a_proxy.headers["set-cookie"]

    run(scenario())


def test_cookies_of_others_on_this_machine_do_no_harm() -> None:
    async def scenario() -> None:
        async with guarded() as bed:
            await log_in(bed)
            ((name, key),) = bed.http.cookies.items()
            bed.http.cookies.clear()
            strange = f'{{"a": [1]}}; b=\xe4; =; "; {name}={key}; c=a,b'
            answer = await bed.http.get("/health", headers=[(b"Cookie", strange.encode("latin-1"))])
            assert answer.status_code == 200

    run(scenario())


def test_who_opens_a_page_is_led_to_the_login_and_back() -> None:
    async def scenario() -> None:
        async with guarded() as bed:
            sent = await bed.http.get("/meter/hall%202?from=1&to=2", headers=PAGE)
            assert sent.status_code == 303
            where = sent.headers["location"]
            assert where == "/login?next=/meter/hall%25202%3Ffrom%3D1%26to%3D2"
            form = await bed.http.get(where, headers=PAGE)
            assert form.status_code == 200
            assert 'name="password"' in form.text
            (goal,) = re.findall(r'name="next"[^>]*value="([^"]*)"', form.text)
            back = await log_in(bed, next=goal.replace("&amp;", "&"))
            assert back.headers["location"] == "/meter/hall%202?from=1&to=2"
            for path in ("/api/v1/meters", "/_nicegui/x.js", "/health"):
                program = await bed.http.get(path, headers={"Cookie": "", "Accept": "*/*"})
                assert program.status_code == 401

    run(scenario())


def test_the_login_page_needs_nothing_from_anywhere() -> None:
    async def scenario() -> None:
        async with guarded() as bed:
            form = await bed.http.get("/login", headers=PAGE)
        assert "<script" not in form.text
        assert not re.findall(r'(src|href)="(?!data:)', form.text)
        assert "default-src 'none'" in form.headers["content-security-policy"]
        assert form.headers["cache-control"] == "no-store"

    run(scenario())


def test_a_wrong_password_is_told_on_the_page_and_to_programs() -> None:
    async def scenario() -> None:
        async with guarded() as bed:
            program = await log_in(bed, "wrong")
            page = await bed.http.post(
                "/login", data={"password": "wrong", "next": '/"><b>'}, headers=PAGE
            )
        assert (program.status_code, page.status_code) == (401, 401)
        assert program.json()["detail"] == "this is not the password"
        assert "this is not the password" in page.text
        assert "<b>" not in page.text
        assert not bed.http.cookies

    run(scenario())


def test_a_thousand_guesses_get_nowhere_and_lock_out_nobody_else() -> None:
    async def scenario() -> None:
        async with guarded() as bed:
            answers = [await log_in(bed, f"guess {number}") for number in range(1000)]
            assert {answer.status_code for answer in answers} == {401, 429}
            tried = sum(answer.status_code == 401 for answer in answers)
            assert tried == 5
            assert answers[-1].headers["retry-after"] == "1"
            assert (await log_in(bed)).status_code == 429  # not even the right one now
            told = [event.text for event in bed.events.newest()]
            assert told == ["5 wrong passwords came from 127.0.0.1, it has to wait now"]
            transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
            async with httpx.AsyncClient(transport=transport, base_url=str(bed.server)) as other:
                answer = await other.post("/login", data={"password": PASSWORD})
                assert answer.status_code == 303
            await bed.clock.advance(2)
            assert (await log_in(bed)).status_code == 303

    run(scenario())


def test_waits_grow_with_each_failure_and_end_with_the_right_password() -> None:
    async def scenario() -> None:
        clock = ManualClock(NOW)
        attempts = Attempts(clock)
        waits = []
        for _ in range(16):
            attempts.begin("192.0.2.1")
            waits.append(attempts.wait_s("192.0.2.1"))
            await clock.advance(waits[-1])
            assert attempts.wait_s("192.0.2.1") == 0
        assert waits[:4] == [0] * 4
        assert waits[4:14] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
        attempts.begin("192.0.2.1")
        attempts.succeeded("192.0.2.1")
        assert attempts.wait_s("192.0.2.1") == 0

    run(scenario())


def test_an_attack_from_everywhere_is_slowed_and_its_memory_bounded() -> None:
    async def scenario() -> None:
        clock = ManualClock(NOW)
        attempts = Attempts(clock)
        attempts.begin("10.0.0.1")
        attempts.succeeded("10.0.0.1")
        tried = 0
        for number in range(20_000):
            address = f"2001:db8:{number // 65536:x}:{number % 65536:x}::1"
            if not attempts.wait_s(address):
                attempts.begin(address)
                tried += 1
            if number % 2000 == 0:
                await clock.advance(10)
        assert tried == 20 + 10
        assert len(attempts) <= 4096 + 256
        assert attempts.wait_s("10.0.0.1") == 0  # who was here before is not held up
        assert 0 < attempts.wait_s("10.0.0.2") <= 10  # who is new only for a moment

    run(scenario())


def test_addresses_of_one_network_count_as_one() -> None:
    attempts = Attempts(ManualClock(NOW))
    for number in range(5):
        attempts.begin(f"2001:db8::{number + 1:x}")
    assert attempts.wait_s("2001:db8::ffff") == 1
    assert attempts.wait_s("2001:db8:0:1::1") == 0
    for _ in range(5):
        attempts.begin("::ffff:192.0.2.1")
    assert attempts.wait_s("192.0.2.1") == 1


def test_a_foreign_page_can_do_nothing_in_the_name_of_who_is_logged_in() -> None:
    foreign = [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
        {},  # nothing says that it was one of our pages
    ]

    async def scenario() -> None:
        async with guarded() as bed:
            await log_in(bed)
            for headers in foreign:
                answer = await bed.http.post("/api/v1/reload", headers=headers)
                assert answer.status_code == 403, headers
            own_ones = [own(bed), {"Sec-Fetch-Site": "same-origin"}]
            for headers in own_ones:
                answer = await bed.http.post("/api/v1/reload", headers=headers)
                assert answer.status_code == 202, headers

    run(scenario())


def test_a_link_from_elsewhere_may_lead_here_but_nothing_may_be_embedded() -> None:
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}

    async def scenario() -> None:
        async with bench(snapshot_of()) as bed:
            page = {**visit, "Sec-Fetch-Dest": "document"}
            assert (await bed.http.get("/health", headers=page)).status_code == 200
            for dest in ("iframe", "image", "script"):
                embedded = {**visit, "Sec-Fetch-Dest": dest}
                assert (await bed.http.get("/health", headers=embedded)).status_code == 403

    run(scenario())


def test_the_token_admits_programs_and_people() -> None:
    async def scenario() -> None:
        async with guarded(token=TOKEN) as bed:
            bearer = {"Authorization": f"Bearer {TOKEN}"}
            assert (await bed.http.post("/api/v1/reload", headers=bearer)).status_code == 202
            assert (await log_in(bed, TOKEN)).status_code == 303
            assert (await bed.http.get("/api/v1/store")).status_code == 200

    run(scenario())


def test_without_login_there_is_nothing_to_log_in_to() -> None:
    async def scenario() -> None:
        async with bench(snapshot_of()) as bed:
            form = await bed.http.get("/login?next=/links")
            assert (form.status_code, form.headers["location"]) == (303, "/links")

    run(scenario())


def test_a_session_ends_when_nobody_uses_it_and_after_its_time() -> None:
    async def scenario() -> None:
        clock = ManualClock(NOW)
        sessions = Sessions(clock)
        idle, used = sessions.begin(), sessions.begin()
        ended = []
        await clock.advance(LONGEST_IDLE_S - 1)
        assert sessions.find(used)
        await clock.advance(2)
        assert sessions.find(idle) is None
        opened = sessions.begin()
        session = sessions.find(opened)
        assert session is not None
        with session.in_use(lambda: ended.append(opened)):
            await clock.advance(LONGEST_S - 1)
            assert sessions.find(opened) is session  # an open page uses it
            assert sessions.find(used) is None
            await clock.advance(2)
            assert ended == [opened]
            assert sessions.find(opened) is None
        assert len(sessions) == 0

    run(scenario())


def test_a_thousand_sessions_are_enough() -> None:
    sessions = Sessions(ManualClock(NOW))
    keys = [sessions.begin() for _ in range(1005)]
    assert len(sessions) == 1000
    assert sessions.find(keys[0]) is None
    assert sessions.find(keys[-1]) is not None
    assert len(set(keys)) == 1005
    sessions.drop_all()
    assert len(sessions) == 0


@pytest.mark.parametrize(
    "goal",
    [
        None,
        "",
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=1",
        " /a",
        "/login",
        "/logout?x",
        "/" + "a" * 3000,
    ],
)
def test_a_login_leads_nowhere_else(goal: str | None) -> None:
    assert safe_goal(goal) == "/"


def test_a_form_that_is_no_form_is_refused() -> None:
    async def scenario() -> None:
        async with guarded() as bed:
            long = await bed.http.post("/login", content=b"password=" + b"a" * 10_000)
            odd = await bed.http.post("/login", content=b"\xff\xfe")
            many = await bed.http.post("/login", content=b"&".join([b"a=1"] * 99))
            none = await bed.http.post("/login")
        assert [each.status_code for each in (long, odd, many, none)] == [413, 400, 400, 401]

    run(scenario())


def test_what_everybody_is_told_about_each_answer() -> None:
    async def scenario() -> None:
        async with guarded() as bed:
            page = await bed.http.get("/login", headers=PAGE)
            data = await bed.http.get("/health")
        for answer in (page, data):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]

    run(scenario())


def test_a_hash_of_a_password_is_checked_when_the_site_is_read(tmp_path: Path) -> None:
    for wrong in ("secret", "scrypt$1$2$3$4", "scrypt$3$8$1$AAAAAAAAAAAA$AAAA", HASH[:-3]):
        with pytest.raises(ValueError, match="energymeter site password"):
            WebEntry.model_validate({"password": wrong})
    huge = HASH.replace("$32768$", "$1073741824$")
    with pytest.raises(ValueError, match="numbers that cannot be used"):
        WebEntry.model_validate({"password": huge})
    file = tmp_path / "password"
    file.write_text("plain text\n")
    entry = WebEntry.model_validate({"password": {"file": str(file)}})
    desk = desk_of(snapshot_of(), EventStream(ManualClock(NOW)), ManualClock(NOW))
    with pytest.raises(ConfigError, match="no hash of a password"):
        web_server(entry, desk, prometheus=None, pages=False)


def test_a_password_is_known_however_its_accents_were_typed() -> None:
    known = PasswordHash.parse(str(PasswordHash.of("Zähler-Ärger")))
    assert known.fits("Za\u0308hler-A\u0308rger")
    assert not known.fits("Zahler-Arger")
    assert not known.fits("a" * 1_000_000)
    assert str(PasswordHash.of(PASSWORD)) != HASH


def test_what_is_weak_beyond_loopback_is_told() -> None:
    clock = ManualClock(NOW)
    events = EventStream(clock)
    entry = WebEntry.model_validate({"listen": "0.0.0.0:0", "token": "short"})
    web_server(entry, desk_of(snapshot_of(), events, clock), prometheus=None, pages=False)
    told = " ".join(event.text for event in events.newest())
    assert "is not encrypted" in told
    assert "has 5 characters and can be guessed" in told


def test_the_site_file_demands_a_secret_beyond_loopback() -> None:
    with pytest.raises(ValueError, match="needs a token or a password"):
        WebEntry.model_validate({"listen": "0.0.0.0:8080"})
    assert WebEntry.model_validate({"listen": "0.0.0.0:8080", "password": HASH})
    with pytest.raises(ValueError, match="without the certificate"):
        WebEntry.model_validate({"key": "key.pem"})
