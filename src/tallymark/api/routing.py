"""Finds the route of a request in an exact table: no prefixes, no redirects, no rewriting.

Segments are told apart before they are decoded, so ``..%2f`` is one odd name and never a step up.
"""

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote_to_bytes

from msgspec import Struct
from starlette.types import Scope

from tallymark.core.errors import NotFound, TallymarkError

from .services import Route


class NotThisWay(TallymarkError):
    """The address is there, but not for this method; ``allow`` are those it answers."""

    default_code = "METHOD_NOT_ALLOWED"

    def __init__(self, method: str, allow: Iterable[str]) -> None:
        super().__init__(f"{method[:20]} is not answered here.")
        self.allow = ", ".join(sorted(allow))


class Match(Struct, frozen=True):
    """A route with the parts of the address it names."""

    route: Route
    params: Mapping[str, str]


class Routes:
    """The table; ``elsewhere`` gives the methods answered by others, to tell 405 from 404."""

    def __init__(
        self, routes: Iterable[Route], elsewhere: Callable[[Scope], set[str]] = lambda _: set()
    ) -> None:
        self._by_path: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in routes:
            self._by_path.setdefault(shape(route.path), {})[route.method] = route
        self._elsewhere = elsewhere

    def find(self, scope: Scope) -> Match:
        """Return the route of the request; raises NotFound or NotThisWay."""
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        parts = segments(scope)
        for wanted, methods in self._by_path.items():
            params = fit(wanted, parts)
            if params is None:
                continue
            if method not in methods:
                raise NotThisWay(scope["method"], methods)
            return Match(methods[method], params)
        if others := self._elsewhere(scope):
            raise NotThisWay(scope["method"], {*others, "OPTIONS"})
        raise NotFound("There is nothing at this address.")


def shape(path: str) -> tuple[str, ...]:
    """Return the segments of a route's path; ``{name}`` stands for any one."""
    return tuple(path.strip("/").split("/"))


def segments(scope: Scope) -> tuple[str, ...]:
    """Return the decoded segments of the path of a request; raises NotFound if one is no text."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    parts = raw.removeprefix(b"/").removesuffix(b"/").split(b"/")
    try:
        return tuple(unquote_to_bytes(part).decode() for part in parts)
    except UnicodeDecodeError:
        raise NotFound("There is nothing at this address.") from None


def fit(wanted: tuple[str, ...], parts: tuple[str, ...]) -> dict[str, str] | None:
    """Return what stands at the named segments, None if the path is another one."""
    if len(wanted) != len(parts):
        return None
    params = {}
    for expected, given in zip(wanted, parts, strict=True):
        if expected.startswith("{"):
            if not given:
                return None
            params[expected[1:-1]] = given
        elif expected != given:
            return None
    return params
