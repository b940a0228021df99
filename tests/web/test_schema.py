"""The API keeps what its description promises, whatever it is asked: schemathesis tries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.web.populated import NAMES, busy_desk, fill
from tests.web.site_of import NOW

from energymeter.clock import ManualClock
from energymeter.store import SqliteStore
from energymeter.web.api_page import api_page
from energymeter.web.app import create_app


def test_the_page_of_the_reference_is_current() -> None:
    assert PAGE.read_text("utf-8").partition("\n")[2] == api_page()


def not_a_fault_of_ours(
    _context: object, response: schemathesis.Response, _case: schemathesis.Case[Any]
) -> None:
    """503 and 504 say that the store or a meter does not answer, where that is described."""
    assert response.status_code != 500, response.text


CHECKS = [
    not_a_fault_of_ours,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rest.md"
LOCAL = {"Host": "127.0.0.1"}
EXAMPLES = 15
KNOWN = ["", "", *map(quote, NAMES), quote("tcp://192.0.2.2:502"), "energymeter/electric"]
QUANTITIES = ["", "voltage_phase_a", "active_energy_import", "serial_number", "frequency"]
WITHOUT_END = {"/api/v1/stream", "/api/v1/frames"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    with SqliteStore(tmp_path_factory.mktemp("store") / "site.db") as store:
        fill(store)
        desk = busy_desk(ManualClock(NOW), store)
        yield create_app(desk, prometheus=None, token=None, pages=False)


def test_clients_made_of_the_description_have_functions_with_short_names(app: FastAPI) -> None:
    operations = [each for path in app.openapi()["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert {"meters", "latest", "history", "read", "health"} <= set(names)
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)


def test_every_answer_is_as_it_is_described(app: FastAPI) -> None:
    described = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=LOCAL)
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    tried = [each.label for each in operations if each.path not in WITHOUT_END]
    for operation in operations:
        if operation.label not in tried:
            continue

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(), st.sampled_from(KNOWN), st.sampled_from(QUANTITIES))
        def each_is_as_it_is_described(
            case: schemathesis.Case[Any], name: str, quantity: str
        ) -> None:
            if name and "name" in case.path_parameters:
                case.path_parameters["name"] = name
            if quantity and case.query.get("quantity"):
                case.query["quantity"] = [quantity]
            case.call_and_validate(checks=CHECKS, headers=LOCAL, allow_redirects=False)

        each_is_as_it_is_described()
    assert len(tried) > 15
