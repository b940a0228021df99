"""InfluxDB's write interface as its references describe it, strict, with a parser of its own.

It checks paths, parameters and tokens of each version, refuses what the references call wrong,
keeps points by measurement, tags and time, and refuses fields that change their type as each
version does: 1 and 2 keep the rest and tell of a partial write, 3 tells the lines.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Final

from tests.sinks.http_double import Reply, Request

__all__ = ["InfluxDouble", "Line", "parse_line", "parse_lines"]

FieldValue = float | bool | str

_FLOAT: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TRUE: Final = ("t", "T", "true", "True", "TRUE")
_FALSE: Final = ("f", "F", "false", "False", "FALSE")


@dataclass(frozen=True)
class Line:
    measurement: str
    tags: dict[str, str]
    fields: dict[str, FieldValue]
    time: int

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...], int]:
        return self.measurement, tuple(sorted(self.tags.items())), self.time


class _Cursor:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def name(self, ends: str, escapable: str) -> str:
        """Up to one of `ends`; a backslash takes the meaning of what is `escapable`."""
        found = []
        while self.at < len(self.text) and self.text[self.at] not in ends:
            if self.text[self.at] == "\\":
                following = self.text[self.at + 1 : self.at + 2]
                # Two backslashes, or one at the end, are read differently by each version.
                if following not in escapable or not following:
                    raise ValueError("a backslash before something that needs none")
                self.at += 1
            found.append(self.text[self.at])
            self.at += 1
        if not found:
            raise ValueError("a name or value is empty")
        return "".join(found)

    def take(self, expected: str) -> None:
        if self.text[self.at : self.at + 1] != expected:
            raise ValueError(f"{expected!r} is missing at {self.at}")
        self.at += 1

    def sees(self, mark: str) -> bool:
        return self.text[self.at : self.at + 1] == mark

    def quoted(self) -> str:
        self.take('"')
        found = []
        while not self.sees('"'):
            if self.at >= len(self.text):
                raise ValueError("a text does not end")
            if self.sees("\\"):
                self.at += 1
                if self.text[self.at] not in '"\\':
                    raise ValueError("an escape in a text that is none")
            found.append(self.text[self.at])
            self.at += 1
        self.at += 1
        return "".join(found)


def parse_line(text: str) -> Line:
    """One line; raises `ValueError` for what some version would not take or take otherwise."""
    if text.startswith("#"):
        raise ValueError("a comment")
    cursor = _Cursor(text)
    measurement = cursor.name(", ", ", ")
    tags: dict[str, str] = {}
    while cursor.sees(","):
        cursor.take(",")
        key = cursor.name("=, ", "=, ")
        cursor.take("=")
        if key in tags or key.startswith("_") or key == "time":
            raise ValueError(f"the tag {key} is not possible")
        tags[key] = cursor.name("=, ", "=, ")
    cursor.take(" ")
    fields: dict[str, FieldValue] = {}
    while not fields or cursor.sees(","):
        if fields:
            cursor.take(",")
        key = cursor.name("=, ", "=, ")
        cursor.take("=")
        if key in fields or key in tags or key.startswith("_") or key == "time":
            raise ValueError(f"the field {key} is not possible")
        fields[key] = cursor.quoted() if cursor.sees('"') else _plain(cursor.name(", ", ""))
    cursor.take(" ")
    if not re.fullmatch(r"-?\d+", text[cursor.at :]):
        raise ValueError("no time")
    if list(tags) != sorted(tags):
        raise ValueError("the tags are not sorted")
    return Line(measurement, tags, fields, int(text[cursor.at :]))


def _plain(text: str) -> FieldValue:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if not _FLOAT.fullmatch(text):
        raise ValueError(f"{text!r} is no float")
    return float(text)


def parse_lines(body: bytes) -> list[Line]:
    text = body.decode("utf-8")
    assert text.endswith("\n")
    return [parse_line(line) for line in text[:-1].split("\n")]


@dataclass
class InfluxDouble:
    """What a server of one version keeps; call it with a request."""

    version: int
    authorization: str
    points: dict[object, dict[str, FieldValue]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    types: dict[tuple[str, str], type] = field(default_factory=dict)
    most_bytes: int = 1_000_000

    def __call__(self, request: Request) -> Reply:
        path, query = {
            1: ("/write", {"db": "energy", "precision": "u"}),
            2: ("/api/v2/write", {"org": "home", "bucket": "meters", "precision": "us"}),
            3: ("/api/v3/write_lp", {"db": "energy", "precision": "microsecond"}),
        }[self.version]
        if request.method != "POST" or request.path != path:
            return Reply(404, "404 page not found")
        if request.headers.get("authorization") != self.authorization:
            return Reply(401, json.dumps({"code": "unauthorized", "message": "unauthorized"}))
        if request.query != query:
            return Reply(404, json.dumps({"code": "not found", "message": "bucket not found"}))
        if len(request.content) > self.most_bytes:
            return Reply(413, json.dumps({"code": "request too large", "message": "too large"}))
        return self._take(request.content)

    def _take(self, body: bytes) -> Reply:
        try:
            lines = parse_lines(body)
        except ValueError as error:
            return Reply(
                400, json.dumps({"code": "invalid", "message": f"unable to parse: {error}"})
            )
        wrong = [line for line in lines if not self._keep(line)]
        if not wrong:
            return Reply(204)
        text = f"field type conflict in {wrong[0].measurement}"
        if self.version == 3:
            data = [{"original_line": "", "line_number": 1, "error_message": text} for _ in wrong]
            message = "partial write of line protocol occurred"
            return Reply(400, json.dumps({"error": message, "data": data}))
        if self.version == 2:
            message = f"failure writing points to database: partial write: {text} dropped=1"
            return Reply(422, json.dumps({"code": "unprocessable entity", "message": message}))
        return Reply(400, json.dumps({"error": f"partial write: {text} dropped={len(wrong)}"}))

    def _keep(self, line: Line) -> bool:
        for name, value in line.fields.items():
            if self.types.setdefault((line.measurement, name), type(value)) is not type(value):
                return False
        self.points.setdefault(line.key, {}).update(line.fields)
        self.order.append(line.time)
        return True
