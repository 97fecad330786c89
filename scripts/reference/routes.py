"""The page of the HTTP routes."""

from tallymark.api.app import all_routes
from tallymark.api.services import Access, Route

from .markdown import page, table

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
    ]
    return page(text)


def row(route: Route) -> tuple[str, str, str]:
    """Return the line of one route."""
    return f"`{route.method} {route.path}`", route.summary, WHO[route.access]
