"""Errors travel: to another process, and into a copy."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from energymeter import errors
from energymeter.errors import ExceptionReplyError, MeterError

CLASSES = sorted(
    (
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, MeterError)
    ),
    key=lambda kind: kind.__name__,
)
SAMPLES: dict[str, Any] = {
    "endpoint": "192.0.2.7:502",
    "unit": 3,
    "function": 4,
    "code": 2,
    "data": b"\x01",
    "lost": 5,
}
WAYS: dict[str, Callable[[MeterError], MeterError]] = {
    "pickled": lambda error: pickle.loads(pickle.dumps(error)),
    "copied": copy.copy,
    "deeply copied": copy.deepcopy,
}


def sample(kind: type[MeterError]) -> MeterError:
    """An error with everything that its class can carry."""
    wanted = inspect.signature(kind).parameters
    return kind("it failed", **{name: SAMPLES[name] for name in wanted if name != "message"})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_keeps_its_sentence_and_all_that_it_carries(
    kind: type[MeterError], way: str
) -> None:
    error = sample(kind)
    error.add_note("seen at noon")

    again = WAYS[way](error)

    assert type(again) is kind
    assert (str(again), again.message, again.args) == (str(error), error.message, error.args)
    assert vars(again) == vars(error)


def _refuse() -> None:
    msg = "refused"
    raise ExceptionReplyError(msg, function=3, code=2, unit=9)


def test_a_refusal_in_another_process_is_raised_here() -> None:
    with (
        ProcessPoolExecutor(1, get_context("spawn")) as pool,
        pytest.raises(ExceptionReplyError, match="refused") as caught,
    ):
        pool.submit(_refuse).result(60)

    assert (caught.value.code, caught.value.unit) == (2, 9)
