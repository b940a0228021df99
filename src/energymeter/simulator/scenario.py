"""A scenario: what happens to simulated meters, and when, as a TOML file.

    [[step]]
    at = "10s"
    for = "20s"
    unit = 3
    fault = "dead"

`at` counts from the start of the simulator in real time, whatever its `--speed`. A step has
either `fault`, with the keys of a fault beside it, or `do`, one of the actions below. It may last
`for` a time, and come again `every` so often. Data and its checks; `timeline` lets it happen.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from energymeter.errors import ConfigError
from energymeter.simulator.faults import (
    FAULT_KEYS,
    Fault,
    parse_duration,
    parse_fault,
    parse_ranges,
)
from energymeter.simulator.faults.amount import Ranges
from energymeter.transports.options import nearest

__all__ = ["Action", "Scenario", "Step", "load_scenario", "parse_scenario"]


class Action(StrEnum):
    """What `do` can say."""

    RESET_COUNTERS = "reset_counters"
    """The counters start again at zero."""

    OFFLINE = "offline"
    """The meter does not measure: its values stand still, its status says so."""

    ONLINE = "online"
    """It measures again."""

    CLEAR_FAULTS = "clear_faults"
    """All faults end, those of the command line too."""


_UNDONE_BY: Final = {Action.OFFLINE: Action.ONLINE, Action.ONLINE: Action.OFFLINE}

_FAULT_ONLY: Final = tuple(key for key in FAULT_KEYS if key not in ("unit", "for"))


class Step(BaseModel):
    """One thing that happens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    """What to call it when it happens."""

    at: float
    """When it begins first, in seconds from the start."""

    for_s: float | None = Field(default=None, alias="for")
    """How long it lasts, in seconds; None: until something ends it."""

    every: float | None = None
    """After how many seconds it begins again; None: never."""

    unit: Ranges = ()
    """For which meters; empty: all."""

    fault: InstanceOf[Fault] | None = None
    do: Action | None = None

    @model_validator(mode="before")
    @classmethod
    def _join_fault(cls, data: Any) -> Any:  # noqa: ANN401 - raw input of any shape
        """Make one fault of the keys that belong to it."""
        if not isinstance(data, dict):
            return data
        step = dict(data)
        if ("fault" in step) == ("do" in step):
            msg = "a step needs either fault or do"
            raise ValueError(msg)
        beside = {key: step.pop(key) for key in _FAULT_ONLY if key in step}
        if "do" in step:
            if beside:
                msg = f"{next(iter(beside))} belongs to a fault, not to do"
                raise ValueError(msg)
            return step
        keys = {key: step[key] for key in ("unit", "for") if key in step}
        step["fault"] = parse_fault({"fault": step["fault"], **keys, **beside})
        return step

    @field_validator("at", "for_s", "every", mode="before")
    @classmethod
    def _read_duration(cls, value: Any) -> float:  # noqa: ANN401 - raw input of any shape
        if not isinstance(value, str):
            msg = f"{value!r} is no duration, write 500ms, 20s, 5min, 1h or 2d"
            raise ValueError(msg)  # noqa: TRY004 - pydantic passes this one on
        return parse_duration(value)

    @field_validator("unit", mode="before")
    @classmethod
    def _read_unit(cls, value: Any) -> Ranges:  # noqa: ANN401 - raw input of any shape
        return parse_ranges(value if isinstance(value, list) else [value], "unit")

    @field_validator("do", mode="before")
    @classmethod
    def _read_action(cls, value: Any) -> Action:  # noqa: ANN401 - raw input of any shape
        if value not in list(Action):
            guess = nearest(str(value), list(Action))
            hint = f"did you mean {guess}?" if guess else f"use {', '.join(Action)}"
            msg = f"{value!r} is not a known action, {hint}"
            raise ValueError(msg)
        return Action(value)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.do is not None and self.for_s is not None and self.undone_by is None:
            msg = f"{self.do} happens at one moment, leave out for"
            raise ValueError(msg)
        if self.every is not None and self.every <= (self.for_s or 0.0):
            msg = "every has to be longer than what it repeats"
            raise ValueError(msg)
        if self.do is Action.CLEAR_FAULTS and self.unit:
            msg = "clear_faults applies to all units, leave out unit"
            raise ValueError(msg)
        return self

    @property
    def undone_by(self) -> Action | None:
        """What ends the action; None: nothing does."""
        return None if self.do is None else _UNDONE_BY.get(self.do)

    def __str__(self) -> str:
        if self.fault is not None:
            text = str(self.fault)
        else:
            text = str(self.do) + "".join(
                f",unit={first}" if first == last else f",unit={first}-{last}"
                for first, last in self.unit
            )
        return f"{text} ({self.name})" if self.name else text


class Scenario(BaseModel):
    """A timeline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    step: tuple[Step, ...] = Field(min_length=1)


def load_scenario(path: Path) -> Scenario:
    """Load a scenario file.

    Raises:
        ConfigError: It cannot be read, is no TOML or no scenario; a sentence for each mistake.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"{path}: cannot be read: {reason}"
        raise ConfigError(msg) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{path}: is not TOML: {error}"
        raise ConfigError(msg) from error
    return parse_scenario(data, str(path))


def parse_scenario(data: Mapping[str, Any], origin: str) -> Scenario:
    """Make a scenario of plain data.

    Args:
        data: As TOML gives it.
        origin: What to call its source in errors.

    Raises:
        ConfigError: It is none; a sentence for each mistake.
    """
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        sentences = [f"{_place(fault['loc'])}{_reason(fault)}" for fault in error.errors()]
        msg = f"{origin}: {'; '.join(dict.fromkeys(sentences))}"
        raise ConfigError(msg) from error


def _place(location: tuple[int | str, ...]) -> str:
    """Write a place as people count: `step 2: at: `."""
    parts: list[str] = []
    for part in location:
        if isinstance(part, int) and parts == ["step"]:
            parts = [f"step {part + 1}"]
        else:
            parts.append(str(part))
    return "".join(f"{part}: " for part in parts)


def _reason(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "extra_forbidden":
            key = str(fault["loc"][-1])
            known = (*FAULT_KEYS, "name", "at", "every", "fault", "do")
            guess = nearest(key, known) if len(fault["loc"]) > 1 else nearest(key, ("name", "step"))
            return "there is no such key" + (f", did you mean {guess}?" if guess else "")
        case "missing":
            return "this key is needed"
        case "too_short":
            return "there is no step, write at least one [[step]]"
        case "value_error":
            return fault["msg"].removeprefix("Value error, ")
        case "string_type":
            return f"text was expected, not {fault['input']!r}"
        case _:
            return f"a list of [[step]] tables was expected, not {fault['input']!r}"
