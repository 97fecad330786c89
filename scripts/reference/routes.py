"""The page of the HTTP routes."""

from typing import Any

import msgspec

from tallymark.api.app import all_routes
from tallymark.api.services import Access, Route
from tallymark.insights.insight import Answer

from .markdown import page, table
from .schema import schema_text

WHO: dict[Access, str] = {
    "open": "anybody",
    "read": "a secret (`sk_`) or read (`rk_`) key",
    "local": "only the socket in the data folder",
    "metrics": "this machine; others with a secret or read key, or if `metrics_public` is set",
}


def route_page() -> str:
    """Return every route, who may use it, and what it takes."""
    text = [
        "# HTTP routes",
        "",
        "Everything is JSON. The server describes itself in full at `/tm/v1/openapi.json` (OpenAPI",
        "3.1) and, to read, at `/tm/v1/docs`. Sending is told in [events](events.md), asking in",
        "[insights](insights/README.md).",
        "",
        "A key is sent as `Authorization: Bearer <key>`. A key names its project; over the socket in",
        "the data folder no key is needed, and the header `Tallymark-Project` names the project.",
        "",
        "A [token of a user](../how-to/users.md#tokens-for-programs-that-act-for-you) is sent like a key, with",
        "`Tallymark-Project` if its user is in several; it may what its user may who is signed in.",
        "",
        "An error is `application/problem+json` with `code`, `detail`, `hint` and `request_id`; see",
        "[error codes](errors.md).",
        "",
        table(("route", "what it does", "who may"), [row(route) for route in all_routes()]),
        "",
        "## Query parameters",
        "",
        table(
            ("route", "parameter", "meaning"),
            [
                (f"`{route.path}`", f"`{name}`", meaning)
                for route in all_routes()
                for name, meaning in route.query.items()
            ],
        ),
        "",
        "## Answers",
        "",
        "What a question is answered with is told with its [insight](insights/README.md).",
        "",
        table(
            ("route", "answers with"),
            [(f"`{r.method} {r.path}`", link(r.answer)) for r in all_routes() if is_object(r)],
        ),
        *objects(),
    ]
    return page(text)


def objects() -> list[str]:
    """Return every object of the answers, each with its fields."""
    kinds = [route.answer for route in all_routes() if is_object(route)]
    _, components = msgspec.json.schema_components(kinds, ref_template="#{name}")
    return [
        line
        for name, schema in sorted(components.items())
        for line in (
            "",
            f"### {name}",
            "",
            schema_text(schema).replace("../filters.md", "filters.md"),
        )
    ]


def is_object(route: Route) -> bool:
    """Say whether the answer of a route is an object of ours that is described here."""
    return isinstance(route.answer, type) and issubclass(route.answer, msgspec.Struct) and route.answer is not Answer  # fmt: skip


def link(kind: Any) -> str:
    """Return the link to the description of an object."""
    return f"[{kind.__name__}](#{kind.__name__.lower()})"


def row(route: Route) -> tuple[str, str, str]:
    """Return the line of one route."""
    return f"`{route.method} {route.path}`", route.summary, who_may(route)


def who_may(route: Route) -> str:
    """Return who may use a route: by key, over the socket, or signed in and at least something."""
    least = route.least_role
    if least is None:
        return WHO[route.access]
    users = "any user" if route.is_of_users and least == "viewer" else f"a user, {least} or more"
    if not route.takes_token:
        users = f"{users} in person"
    return f"{users}; {WHO[route.access].replace('only ', '')}"
