"""The store in PostgreSQL in its own ways: its tables, its views, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from tests.postgres import Postgres, schema_of
from tests.store.support import FAR, GOOD, START, START_US, after, plant_poll, rows_kept

from energymeter.reader import Quality
from energymeter.store import (
    Form,
    Layout,
    Series,
    StoreBusyError,
    StoreCorruptError,
    StoredPoll,
    StoreError,
    StoreFullError,
    StoreVersionError,
)
from energymeter.store.errors import StoreUnavailableError
from energymeter.store.postgres import PostgresStore

DAY = timedelta(days=1)


@pytest.fixture
def schema(tmp_path: Path) -> str:
    return schema_of(tmp_path)


@pytest.fixture
def store(postgres: Postgres, schema: str) -> Iterator[PostgresStore]:
    with PostgresStore(postgres.url, schema=schema) as store:
        yield store


def _days(postgres: Postgres, schema: str) -> list[str]:
    rows = postgres.sql(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = %s::regclass ORDER BY 1",
        f"{schema}.poll",
    )
    return [name for (name,) in rows]


def test_each_day_has_a_partition_and_the_next_one_is_made_ahead(
    postgres: Postgres, schema: str, store: PostgresStore
) -> None:
    assert _days(postgres, schema) == []
    store.append([plant_poll(0)])
    assert _days(postgres, schema) == ["poll_20260301", "poll_20260302"]
    store.append([plant_poll(7200), plant_poll(-86_400 * 400)])
    assert _days(postgres, schema) == [
        *("poll_20250125", "poll_20250126"),
        *("poll_20260301", "poll_20260302", "poll_20260303"),
    ]
    assert postgres.sql(f"SELECT count(*) FROM {schema}.poll_20260302") == [(1,)]


def test_the_last_day_of_a_datetime_is_taken_and_none_after_it(store: PostgresStore) -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    time_us = (last - START) // timedelta(microseconds=1) + START_US
    store.append([plant_poll(0)._replace(time_us=time_us)])
    assert store.latest()["main"].time == last
    found = store.history("main", "voltage", last, last)
    assert found is not None
    assert found.values == []
    found = store.history("main", "voltage", START, last)
    assert found is not None
    assert found.values == []
    with pytest.raises(ValueError, match="9999"):
        store.append([plant_poll(0)._replace(time_us=time_us + 1)])


def test_a_day_that_another_program_dropped_is_made_again(
    postgres: Postgres, schema: str, store: PostgresStore
) -> None:
    store.append([plant_poll(0)])
    with PostgresStore(postgres.url, schema=schema) as other:
        while other.expire(START + DAY):
            pass
    assert _days(postgres, schema) == ["poll_20260302"]
    store.append([plant_poll(1, 7), plant_poll(2, 8)])
    found = store.history("main", "active_energy_import", START, FAR)
    assert found is not None
    assert found.values == [7, 8]


def test_a_day_that_is_read_is_not_dropped_and_the_call_may_come_again(
    postgres: Postgres, schema: str, store: PostgresStore
) -> None:
    store.append([plant_poll(0)])
    with psycopg.connect(postgres.url) as reader:
        reader.execute(f"SELECT count(*) FROM {schema}.poll".encode())
        with pytest.raises(StoreBusyError):
            store.expire(FAR)
    assert len(rows_kept(store, "main", "voltage")) == 1
    while store.expire(FAR):
        pass
    assert len(rows_kept(store, "main", "voltage")) == 0
    assert len(store.latest()) == 1


def test_people_read_names_units_and_qualities(
    postgres: Postgres, schema: str, store: PostgresStore
) -> None:
    layout = Layout(
        (
            Series("power", "W"),
            Series("energy", "Wh", form=Form.INTEGER),
            Series("serial", form=Form.TEXT),
        )
    )
    qualities = (Quality.GOOD, Quality.GOOD, Quality.GOOD)
    store.append(
        [
            StoredPoll("a/b", layout, START_US, [1.5, 2**60 + 1, "A7"], qualities),
            StoredPoll(
                "a/b", layout, START_US + 1, [None, 7, "x\0"], (Quality.WITHHELD, *GOOD[:2])
            ),
        ]
    )
    columns = "meter, name, value, unit, quality, text"
    rows = postgres.sql(
        f"SELECT {columns} FROM {schema}.reading WHERE meter = 'a/b' ORDER BY time, name"
    )
    assert rows == [
        ("a/b", "energy", float(2**60), "Wh", "good", str(2**60 + 1)),
        ("a/b", "power", 1.5, "W", "good", None),
        ("a/b", "serial", None, "", "good", "A7"),
        ("a/b", "energy", 7.0, "Wh", "good", None),
        ("a/b", "power", None, "W", "withheld", None),
        ("a/b", "serial", None, "", "good", '{"json": "\\"x\\\\u0000\\""}'),
    ]
    newest = postgres.sql(f"SELECT {columns} FROM {schema}.latest_reading ORDER BY name")
    assert newest == rows[3:]
    wide = postgres.sql(f"SELECT meter, readings FROM {schema}.wide ORDER BY time")
    assert wide[0] == ("a/b", {"power": 1.5, "energy": 2**60 + 1, "serial": "A7"})
    assert wide[1][1]["power"] is None


def test_a_value_that_is_no_number_spoils_no_view(
    postgres: Postgres, schema: str, store: PostgresStore
) -> None:
    store.append([plant_poll(0, voltage=float("nan")), plant_poll(1, voltage=float("inf"))])
    rows = postgres.sql(f"SELECT readings ->> 'voltage' FROM {schema}.wide ORDER BY time")
    assert rows == [("NaN",), ("Infinity",)]


def test_people_s_question_about_a_meter_s_day_opens_that_day_by_its_index(
    postgres: Postgres, schema: str, store: PostgresStore
) -> None:
    store.append([plant_poll(60 * n, meter=f"m{n % 50}") for n in range(3000)])
    postgres.sql(f"ANALYZE {schema}.poll")
    plan = "\n".join(
        line
        for (line,) in postgres.sql(
            f"EXPLAIN SELECT time, value FROM {schema}.reading WHERE meter = 'm7' "
            "AND name = 'power' AND time >= '2026-03-02T00:00Z' AND time < '2026-03-03T00:00Z'"
        )
    )
    assert "poll_20260302" in plan
    assert "poll_20260301" not in plan
    assert "poll_20260302_meter_time_idx" in plan


_WORDS = {
    "53100": StoreFullError,
    "40P01": StoreBusyError,
    "57014": StoreBusyError,
    "53300": StoreUnavailableError,
    "XX001": StoreCorruptError,
    "42501": StoreError,
}


@pytest.mark.parametrize("code", _WORDS)
def test_what_the_server_fails_with_is_told_and_nothing_of_the_call_is_kept(
    postgres: Postgres, schema: str, store: PostgresStore, code: str
) -> None:
    store.append([plant_poll(0, 0)])
    postgres.sql(
        f"CREATE FUNCTION {schema}.fail() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN RAISE 'it is so' USING ERRCODE = '{code}'; END$$"
    )
    postgres.sql(
        f"CREATE TRIGGER fail BEFORE UPDATE ON {schema}.latest "
        f"FOR EACH ROW EXECUTE FUNCTION {schema}.fail()"
    )
    batch = [plant_poll(n, n) for n in range(1, 5)]
    with pytest.raises(StoreError) as caught:
        store.append(batch)
    assert type(caught.value) is _WORDS[code]
    assert "\n" not in caught.value.message
    assert len(rows_kept(store, "main", "voltage")) == 1
    postgres.sql(f"DROP TRIGGER fail ON {schema}.latest")
    store.append(batch)
    assert len(rows_kept(store, "main", "voltage")) == 5
    assert store.check() == []


def test_a_newer_version_is_refused_and_left_alone(
    postgres: Postgres, schema: str, store: PostgresStore
) -> None:
    store.append([plant_poll(0)])
    postgres.sql(f"UPDATE {schema}.store SET version = 99")
    with pytest.raises(StoreVersionError):
        PostgresStore(postgres.url, schema=schema)
    assert postgres.sql(f"SELECT version FROM {schema}.store") == [(99,)]


@pytest.mark.parametrize("table", ["precious (id int)", "store (id text)"])
def test_a_schema_with_something_else_is_refused_and_left_alone(
    postgres: Postgres, schema: str, table: str
) -> None:
    postgres.sql(f"CREATE SCHEMA {schema}")
    postgres.sql(f"CREATE TABLE {schema}.{table}")
    with pytest.raises(StoreCorruptError):
        PostgresStore(postgres.url, schema=schema)
    found = postgres.sql("SELECT count(*) FROM pg_tables WHERE schemaname = %s", schema)
    assert found == [(1,)]


def test_an_empty_schema_is_taken_and_its_name_may_be_a_word_of_sql(postgres: Postgres) -> None:
    postgres.sql('CREATE SCHEMA "user"')
    with PostgresStore(postgres.url, schema="user") as store:
        store.append([plant_poll(0)])
        assert len(rows_kept(store, "main", "voltage")) == 1
        assert store.check() == []


@pytest.mark.parametrize("name", ["", "Upper", "a b", 'a"b', "ä", "x" * 64, "1a", "a;b"])
def test_a_name_that_is_none_is_refused(postgres: Postgres, name: str) -> None:
    with pytest.raises(StoreError, match="schema"):
        PostgresStore(postgres.url, schema=name)


def test_many_may_begin_at_once(postgres: Postgres, schema: str) -> None:
    failures: list[BaseException] = []

    def begin(number: int) -> None:
        try:
            with PostgresStore(postgres.url, schema=schema) as store:
                store.append([plant_poll(86_400 * n, n, f"m{(number + n) % 4}") for n in range(4)])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with PostgresStore(postgres.url, schema=schema) as store:
        kept = sum(len(rows_kept(store, f"m{n}", "voltage")) for n in range(4))
        assert kept == 24
        assert store.check() == []


def test_more_may_read_at_a_time_than_there_are_connections(store: PostgresStore) -> None:
    store.append([plant_poll(n, n) for n in range(100)])
    found: list[int] = []

    def read() -> None:
        for _ in range(5):
            found.append(len(rows_kept(store, "main", "voltage")))  # noqa: PERF401 - one by one

    threads = [threading.Thread(target=read) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [100] * 60


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE {s}.poll SET numbers = '{{1}}'", "in poll"),
        ("UPDATE {s}.latest SET ratings = 'abc'", "in latest"),
        ("UPDATE {s}.poll SET meter = 77", "without a meter"),
        ("UPDATE {s}.layout SET body = '[[1]]'", "layout"),
        ("DELETE FROM {s}.latest", "newest"),
    ],
)
def test_what_is_wrong_is_found(
    postgres: Postgres, schema: str, store: PostgresStore, statement: str, what: str
) -> None:
    store.append([plant_poll(0), plant_poll(1)])
    assert store.check() == []
    postgres.sql(statement.format(s=schema))
    with PostgresStore(postgres.url, schema=schema) as fresh:
        assert any(what in sentence for sentence in fresh.check())


def test_rows_that_are_no_readings_give_one_clear_error(
    postgres: Postgres, schema: str, store: PostgresStore
) -> None:
    store.append([plant_poll(0)])
    postgres.sql(f"UPDATE {schema}.latest SET numbers = '{{1,2}}'")
    with pytest.raises(StoreCorruptError):
        store.latest()


def test_a_name_that_postgres_cannot_keep_is_told_and_nobody_has_it(store: PostgresStore) -> None:
    for key in ("a\0b", "\ud800"):
        with pytest.raises(StoreError):
            store.append([plant_poll(0, meter="fine"), plant_poll(0, meter=key)])
        assert store.latest([key]) == {}
        assert store.history(key, "voltage", START, FAR) is None
        assert store.history("fine", key, START, FAR) is None
    assert store.latest() == {}


def test_a_backup_is_pg_dump_s_and_it_restores(
    postgres: Postgres, schema: str, store: PostgresStore, tmp_path: Path
) -> None:
    store.append([plant_poll(86_400 * n, n) for n in range(3)])
    with pytest.raises(StoreError, match="pg_dump"):
        store.backup(tmp_path / "copy")
    dump = postgres.programs / "pg_dump", f"--schema={schema}", f"--file={tmp_path / 'copy.sql'}"
    subprocess.run([*dump, f"--dbname={postgres.url}"], check=True, capture_output=True)
    postgres.sql("CREATE DATABASE other")
    url = postgres.url.removesuffix("/postgres") + "/other"
    load = postgres.programs / "psql", "--quiet", f"--file={tmp_path / 'copy.sql'}"
    subprocess.run([*load, f"--dbname={url}"], check=True, capture_output=True)
    with PostgresStore(url, schema=schema) as copy:
        copy.append([plant_poll(86_400 * 3, 3), plant_poll(0, 0, "new")])
        found = copy.history("main", "active_energy_import", START, FAR)
        assert found is not None
        assert found.values == [0, 1, 2, 3]
        assert copy.check() == []


def test_without_the_driver_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"energymeter\[postgres\]"):
        PostgresStore("postgresql://localhost/energy")


def test_nothing_is_made_smaller(store: PostgresStore) -> None:
    store.append([plant_poll(0)])
    assert not store.compact(FAR)
    with pytest.raises(ValueError, match="time zone"):
        store.compact(after(0).replace(tzinfo=None))
