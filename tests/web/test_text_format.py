"""Whatever people write into names and labels, both readers of Prometheus get it back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.scraping import Read, read_openmetrics, read_text

from energymeter.web.text_format import (
    Dialect,
    Family,
    Kind,
    dialect_of,
    finite,
    head,
    label_block,
    label_names,
)

READERS: list[tuple[Dialect, Read]] = [
    (Dialect.TEXT, read_text),
    (Dialect.OPENMETRICS, read_openmetrics),
]
CHARACTERS = st.characters(exclude_categories=["Cs"])
OF_PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)

each_reader = pytest.mark.parametrize(("dialect", "read"), READERS, ids=["text", "openmetrics"])


@each_reader
@given(values=st.lists(st.text(CHARACTERS, max_size=20), max_size=4))
def test_any_label_comes_back_as_it_was(dialect: Dialect, read: Read, values: list[str]) -> None:
    labels = {f"l{number}": value for number, value in enumerate(values)}
    family = Family("energymeter_x", Kind.GAUGE, "a number")
    page = f"{head(family, dialect)}energymeter_x{label_block(labels)} 1\n{dialect.end}"
    (found,) = read(page)
    (sample,) = found.samples
    assert sample.labels == labels
    assert sample.value == 1


@each_reader
@given(number=st.floats() | st.integers(-(2**63), 2**64))
def test_any_number_comes_back_as_it_was(dialect: Dialect, read: Read, number: float) -> None:
    lines = finite(f"energymeter_x {number!r}\n")
    (found,) = read(head(Family("energymeter_x", Kind.GAUGE, "x"), dialect) + lines + dialect.end)
    read_back = float(found.samples[0].value)
    assert read_back == float(number) or (math.isnan(read_back) and math.isnan(number))


@pytest.mark.parametrize("text", ["a \\ b", 'say "x"', "two\nlines", "\\n"])
@each_reader
def test_help_comes_back_as_it_was(dialect: Dialect, read: Read, text: str) -> None:
    page = f"{head(Family('x_total', Kind.COUNTER, text), dialect)}x_total 3\n{dialect.end}"
    (found,) = read(page)
    assert (found.documentation, found.type) == (text, "counter")


@given(labels=st.lists(st.text(max_size=12), max_size=8, unique=True))
def test_label_names_are_valid_and_all_different(labels: list[str]) -> None:
    names = label_names(labels, ["meter", "link"])
    assert list(names) == labels
    assert len(set(names.values())) == len(labels)
    for name in names.values():
        assert name.replace("_", "a").isalnum()
        assert name.isascii()
        assert not name[0].isdigit()
        assert not name.startswith("__")
        assert name not in {"meter", "link", "job", "instance", "le"}


def test_a_label_that_prometheus_takes_stays_as_it_is() -> None:
    assert label_names(["building", "cost center", "job"], []) == {
        "building": "building",
        "cost center": "cost_center",
        "job": "label_job",
    }


@pytest.mark.parametrize(
    ("accept", "dialect"),
    [
        ("", Dialect.TEXT),
        ("*/*", Dialect.TEXT),
        ("text/plain", Dialect.TEXT),
        ("application/openmetrics-text", Dialect.OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", Dialect.OPENMETRICS),
        ("text/plain;version=0.0.4;q=0.9, application/openmetrics-text;q=0.1", Dialect.TEXT),
        ("application/openmetrics-text;q=0, */*", Dialect.TEXT),
        ("application/openmetrics-text;q=soon", Dialect.TEXT),
        (OF_PROMETHEUS_3, Dialect.OPENMETRICS),
    ],
)
def test_the_text_is_the_one_that_is_wanted_more(accept: str, dialect: Dialect) -> None:
    assert dialect_of(accept) is dialect
