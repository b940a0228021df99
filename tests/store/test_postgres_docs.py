"""Every statement of docs/howto/postgresql.md does something on a server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.postgres import Postgres, start_postgres

from energymeter.reader import Quality
from energymeter.store import Kind, Layout, PostgresStore, Series, StoredPoll
from energymeter.store.base import microseconds

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "postgresql.md"
GRAFANA = {
    "$__timeGroup(time, $__interval)": "date_bin('5 minutes', time, '2000-01-01Z') AS time",
    "$__timeFilter(time)": "time >= now() - interval '6 hours'",
    "$meter": "building-1/main",
}
LAYOUT = Layout(
    (
        Series("active_power_total", "W"),
        Series("voltage_phase_a", "V"),
        Series("frequency", "Hz"),
        Series("active_energy_import", "Wh", kind=Kind.COUNTER),
    )
)


@pytest.fixture(scope="module")
def served() -> Iterator[Postgres]:
    """A server with the schema of the page."""
    server = start_postgres()
    with PostgresStore(server.url) as store:
        now_us = microseconds(datetime.now(UTC))
        store.append(
            [
                StoredPoll(
                    "building-1/main",
                    LAYOUT,
                    now_us - 60_000_000 * n,
                    [1e3, 230.0, 50.0, 9e6 - n],
                    (Quality.GOOD,) * 4,
                )
                for n in range(30)
            ]
        )
    yield server
    server.remove()


def _statements() -> list[str]:
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [each.strip() for block in blocks for each in block.split(";") if each.strip()]


def test_every_statement_works_and_every_question_has_an_answer(served: Postgres) -> None:
    statements = _statements()
    assert len(statements) > 8
    for statement in statements:
        plain = statement
        for macro, meaning in GRAFANA.items():
            plain = plain.replace(macro, meaning)
        rows = served.sql(plain)
        assert rows or not plain.startswith("SELECT"), statement
    seen = served.sql("SELECT has_table_privilege('grafana', 'energymeter.reading', 'SELECT')")
    assert seen == [(True,)]


def test_who_only_reads_the_views_reads_no_table(served: Postgres) -> None:
    served.sql("CREATE ROLE guest")
    served.sql("GRANT USAGE ON SCHEMA energymeter TO guest")
    served.sql("GRANT SELECT ON energymeter.reading TO guest")
    for table, may in (("reading", True), ("poll", False), ("latest", False)):
        found = served.sql(f"SELECT has_table_privilege('guest', 'energymeter.{table}', 'SELECT')")
        assert found == [(may,)]
