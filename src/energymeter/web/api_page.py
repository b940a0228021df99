"""The page of the reference that lists every route of the API, made of its own description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from energymeter.clock import SystemClock
from energymeter.service.archive import Archive
from energymeter.service.desk import Desk, Operator
from energymeter.service.events import EventStream
from energymeter.service.snapshot import Snapshot
from energymeter.web.api.live import Subscription
from energymeter.web.app import create_app

__all__ = ["api_page"]

_HEAD: Final = """# REST

What a running service answers to programs. How to use it: [use the REST API](../howto/rest.md);
access control: [secure the web side](../howto/secure-the-web-side.md). The same, for programs that
generate clients, is at `/api/openapi.json`.

Times are ISO 8601 with a zone, durations seconds, values numbers in the unit beside them. Whole
numbers may be larger than 2^53, which JavaScript rounds. NaN and infinite numbers are
null. Every answer is of now and has `Cache-Control: no-store`, but for profiles, which have an
`ETag`.

What goes wrong comes as `application/problem+json` (RFC 9457), with one sentence in `detail`:

| status | when |
|---|---|
| 400, 413 | the form of a login cannot be read |
| 401 | token or login is missing or wrong |
| 403 | a page of another site made the browser ask |
| 404 | there is no such meter, value, link, profile or path |
| 405 | the path is right, the method is not; `Allow` has those that are |
| 409 | the meter is being read already |
| 421 | a service without login was requested under a host name other than `localhost` |
| 422 | a parameter is wrong, or the answer would be too long |
| 429 | too many requests; `Retry-After` says when to retry |
| 503 | there is no store, or there are too many subscribers |
| 504 | the meter does not answer |

A list has pages: `limit` is how many, `cursor` the `next` of the page before; `total` counts all
pages.
"""

_LIVE: Final = """## The web socket /api/v1/live

A client sends a JSON object that selects what it receives; a later one replaces it. Requests
of browsers are taken from pages of the service only.

| field | default | meaning |
|---|---|---|
"""

_TOLD: Final = """
What comes back are objects with a `type`:

| type | with |
|---|---|
| `readings` | `items`, a `Latest` of each meter that was read since it was told; first of all |
| `gone` | `meters`, the names of those that are no more |
| `events` | `items`, an `EventItem` each; `missed`, how many are not kept any more |
| `fault` | `detail`, why the request was not understood |

It is closed with 1008 when the login ends, 1001 when the service does, 1013 when a hundred listen
already.
"""

_ORDER: Final = ("meters", "service", "profiles", "orders", "live", "login")
_TITLES: Final = {
    "meters": "Meters and their values",
    "service": "The service",
    "profiles": "Profiles",
    "orders": "Orders",
    "live": "What is new",
    "login": "Login",
}


def api_page() -> str:
    """The page, in Markdown."""
    described = _description()
    parts = [_HEAD]
    for tag in _ORDER:
        parts.append(f"## {_TITLES[tag]}\n")
        parts += [
            "\n".join(_route(method, path, operation))
            for path, methods in described["paths"].items()
            for method, operation in methods.items()
            if operation.get("tags") == [tag]
        ]
    parts.append(_LIVE + "\n".join(_subscription()) + "\n" + _TOLD)
    parts.append("## What comes back\n")
    schemas = described["components"]["schemas"]
    parts += ["\n".join(_model(name, schema)) for name, schema in sorted(schemas.items())]
    return "\n".join(parts)


def _description() -> dict[str, Any]:
    clock = SystemClock()
    nobody = cast("Operator", None)  # nothing is asked while it is described
    snapshot = Snapshot("", clock.now())
    desk = Desk(snapshot, EventStream(clock), Archive(lambda: None), nobody, clock)
    return create_app(desk, prometheus=None, token=None, pages=False).openapi()


def _route(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {method.upper()} {path}\n"
    yield operation["description"] + "\n"
    answer = next(iter(operation["responses"].items()))
    content = answer[1].get("content", {})
    for media, told in content.items():
        kind = _type(told.get("schema", {}))
        if answer[0].startswith("2") and kind:
            yield f"Answers {answer[0]} with {kind}, `{media}`.\n"
    if "text/event-stream" in content:
        yield f"Events: {answer[1]['description']}.\n"
    parameters = operation.get("parameters", ())
    if parameters:
        yield "| parameter | default | meaning |"
        yield "|---|---|---|"
        for each in parameters:
            needed = "needed" if each["required"] else _default(each["schema"])
            yield f"| `{each['name']}` | {needed} | {each.get('description', '')} |"
        yield ""


def _subscription() -> Iterator[str]:
    for name, schema in Subscription.model_json_schema()["properties"].items():
        yield f"| `{name}` | {_default(schema) or 'null'} | {_line(schema['description'])} |"


def _model(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    yield _line(schema.get("description", "")) + "\n"
    if "enum" in schema:
        yield ", ".join(f"`{each}`" for each in schema["enum"]) + "\n"
        return
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    for field, told in schema.get("properties", {}).items():
        yield f"| `{field}` | {_type(told)} | {_line(told.get('description', ''))} |"
    yield ""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(filter(None, map(_type, schema["anyOf"]))))
    match schema.get("type"):
        case "array":
            return f"list of {_type(schema.get('items', {}))}"
        case "object" if "additionalProperties" in schema:
            return f"table of {_type(schema['additionalProperties'])}"
        case "string" if schema.get("format") == "date-time":
            return "time"
        case kind:
            return _KINDS.get(str(kind), "")


_KINDS: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "object",
}


def _default(schema: dict[str, Any]) -> str:
    value = schema.get("default")
    if value is None or value == "":
        return ""
    return str(value).lower() if isinstance(value, bool) else f"`{value}`"


def _line(text: str) -> str:
    return " ".join(text.split())
