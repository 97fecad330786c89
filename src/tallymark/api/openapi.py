"""The OpenAPI 3.1 document, made from the tables of routes, protocols and insights."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from tallymark import __version__
from tallymark.collect.protocol import Protocol
from tallymark.core.errors import CODES
from tallymark.insights.insight import Insight, Provenance, Table

from .problem import MEDIA_TYPE, Problem
from .services import Route
from .sign_in import COOKIE

Json: TypeAlias = dict[str, Any]
_REF = "#/components/schemas/{name}"
_SECURITY: Mapping[str, list[Json]] = {
    "open": [{}],
    "read": [{"secretKey": []}, {"readKey": []}],
    "local": [],
    "metrics": [{}, {"secretKey": []}, {"readKey": []}],
}
_ANYTHING: Json = {"type": ["object", "array", "string"]}
_EVENT_EXAMPLE = {
    "name": "signup",
    "id": "018f5c1e-7b7a-7c33-9f0e-6f1f3a9d2b10",
    "time": "2026-11-22T10:00:00Z",
    "user_id": "u-42",
    "properties": {"plan": "pro", "seats": 3},
}


def document(
    routes: Sequence[Route],
    protocols: Iterable[Protocol],
    insights: Iterable[Insight],
    wire_event: Any = None,
) -> Json:
    """Return the whole document as plain JSON values."""
    insights = list(insights)
    protocols = list(protocols)
    types = _types(routes, insights, [wire_event, *(one.answer for one in protocols)])
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    reference = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, Json] = {}
    event = reference.get(repr(wire_event), {})
    for (method, path), sharing in _addresses(protocols).items():
        paths.setdefault(path, {})[method.lower()] = _collect(
            sharing, method, path, event, reference
        )
    for route in routes:
        if route.path == "/tm/v1/ask/{insight}":
            for insight in insights:
                path = f"/tm/v1/ask/{insight.name}"
                paths.setdefault(path, {})["post"] = _ask(insight, route, reference)
            continue
        paths.setdefault(route.path, {})[route.method.lower()] = _plain(route, reference)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tallymark",
            "version": __version__,
            "description": "Record every use once, durably, and answer every question from it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": _security_schemes(),
            "responses": {"Problem": _problem_response()},
        },
    }


def _types(routes: Sequence[Route], insights: Sequence[Insight], wire: Sequence[Any]) -> list[Any]:
    found: list[Any] = [Problem, Provenance, Table]
    found += [kind for route in routes for kind in (route.body, route.answer) if kind is not None]
    found += [insight.question for insight in insights]
    found += [insight.data for insight in insights if insight.data is not None]
    found += [kind for kind in wire if kind is not None]
    # A type that several routes share is described once.
    return list({repr(kind): kind for kind in found}.values())


def _addresses(protocols: Iterable[Protocol]) -> dict[tuple[str, str], list[Protocol]]:
    """Return the protocols that answer at each address of collection."""
    found: dict[tuple[str, str], list[Protocol]] = {}
    for protocol in protocols:
        for address in (*protocol.routes, *((e.method, e.path) for e in protocol.endpoints)):
            found.setdefault(address, []).append(protocol)
    return found


def _collect(
    sharing: Sequence[Protocol],
    method: str,
    path: str,
    event: Json,
    reference: Mapping[str, Json],
) -> Json:
    names = " or ".join(protocol.name for protocol in sharing)
    first = sharing[0]
    brings_events = any((method, path) in protocol.routes for protocol in sharing)
    answer = reference.get(repr(first.answer), {}) if first.answer is not None else {}
    described: Json = {
        "operationId": _operation(method, path),
        "summary": f"Send events ({names}).".replace(" (native)", "")
        if brings_events
        else f"What clients of {names} ask for.",
        "tags": ["Collect"],
        "security": [{"publicKey": []}, {"secretKey": []}] if brings_events else [{}],
        "parameters": [*_in_path(path), *_query(first.query)],
        "responses": {"2XX": _ok("application/json", answer), **_problems()},
    }
    is_own = all(protocol.open is None for protocol in sharing)
    if method == "POST" and is_own:
        events = {"type": "array", "items": event}
        batch = {"type": "object", "required": ["events"], "properties": {"events": events}}
        described["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": [event, events, batch]},
                    "examples": {"one": {"summary": "One event", "value": _EVENT_EXAMPLE}},
                },
                "application/x-ndjson": {"schema": event},
            },
        }
    elif method == "POST":
        described["description"] = "Bodies are read as this protocol's clients send them."
        described["requestBody"] = {"content": {"*/*": {"schema": _ANYTHING}}}
    return described


def _in_path(path: str) -> list[Json]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    text = {"type": "string"}
    return [{"name": n, "in": "path", "required": True, "schema": text} for n in names]


def _ask(insight: Insight, route: Route, reference: Mapping[str, Json]) -> Json:
    answer = {
        "type": "object",
        "required": ["data", "view", "table", "question", "provenance"],
        "properties": {
            "data": reference[repr(insight.data)],
            "view": {"const": insight.view},
            "table": reference[repr(Table)],
            "question": reference[repr(insight.question)],
            "provenance": reference[repr(Provenance)],
        },
    }
    example = msgspec.to_builtins(insight.example)
    return {
        "operationId": f"ask_{insight.name}",
        "summary": insight.summary,
        "tags": ["Ask"],
        "security": _SECURITY["read"],
        "parameters": _query(route.query),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": reference[repr(insight.question)],
                    "examples": {"one": {"summary": "An example", "value": example}},
                }
            },
        },
        "responses": {"200": _ok("application/json", answer), **_problems()},
    }


def _plain(route: Route, reference: Mapping[str, Json]) -> Json:
    answer = reference[repr(route.answer)]
    described: Json = {
        "operationId": _operation(route.method, route.path),
        "summary": route.summary,
        "tags": [_tag(route)],
        "security": _security(route),
        "parameters": [*_in_path(route.path), *_query(route.query)],
        "responses": {
            str(route.status): _ok(route.media_type, answer),
            **{str(status): _ok(route.media_type, answer) for status in route.also},
            **_problems(),
        },
    }
    if route.access == "local":
        described["description"] = _who(route)
    if route.body is not None:
        content = {"application/json": {"schema": reference[repr(route.body)]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _query(described: Mapping[str, str]) -> list[Json]:
    text = {"type": "string"}
    return [
        {"name": name, "in": "query", "required": False, "description": says, "schema": text}
        for name, says in described.items()
    ]


def _tag(route: Route) -> str:
    return {"read": "Ask", "local": "Control"}.get(route.access, "Service")


def _ok(media_type: str, schema: Json) -> Json:
    return {"description": "As asked.", "content": {media_type: {"schema": schema}}}


def _problems() -> Json:
    return {"default": {"$ref": "#/components/responses/Problem"}}


def _problem_response() -> Json:
    codes = ", ".join(sorted(CODES))
    return {
        "description": f"Not as asked; `code` is one of: {codes}.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
    }


def _security(route: Route) -> list[Json]:
    by_key = _SECURITY[route.access]
    if route.least_role is None:
        return by_key
    return [*by_key, {"session": []}, *([{"userToken": []}] if route.takes_token else [])]


def _who(route: Route) -> str:
    only = "Answered over the Unix socket of the data folder"
    if route.role is None:
        return f"{only} alone."
    if route.is_of_users and route.role == "viewer":
        return f"{only}, and to whoever is signed in."
    where = "" if route.is_of_users or route.role == "owner" else " of the project"
    return f"{only}, and to whoever is signed in and at least {route.role}{where}."


def _security_schemes() -> Json:
    def bearer(description: str) -> Json:
        return {"type": "http", "scheme": "bearer", "description": description}

    return {
        "publicKey": bearer("pk_: may only send events; may stand in a page."),
        "secretKey": bearer("sk_: sends and asks; stays on servers."),
        "readKey": bearer("rk_: only asks."),
        "userToken": bearer("ut_: does what its user may, up to its own role; never sends events."),
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": COOKIE,
            "description": "Somebody signed in; X-CSRF-Token goes with what may change something.",
        },
    }


def _operation(method: str, path: str) -> str:
    whole = path.lower()
    short = whole.removeprefix("/tm/v1/")
    # Of `/tm/v1/e` too little would be left: PostHog has `/e`.
    words = short if len(short) > 1 else whole
    return re.sub(r"[^a-z0-9]+", "_", f"{method.lower()}_{words}").strip("_").replace("__", "_")
