"""Which protocols answer at which address of collection: an exact table, and a few patterns.

Several protocols may share an address; then what the request holds says whose it is. Each foreign
protocol is also answered under its own name, ``/segment/v1/batch``, where nothing is shared.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from starlette.types import Scope

from tallymark.collect.protocol import Endpoint, Protocol
from tallymark.core.errors import NotFound
from tallymark.core.registry import discover

from .routing import fit, segments, shape


class Found(Struct, frozen=True):
    """What answers at an address: protocols that share it, or one endpoint of a protocol."""

    protocols: tuple[Protocol, ...]
    endpoint: Endpoint | None = None
    params: Mapping[str, str] = {}

    @property
    def route(self) -> str:
        """The address for a metric label: never what a client may choose."""
        first = self.protocols[0]
        return self.endpoint.path if self.endpoint else first.routes[0][1]


class Addresses:
    """The table; the path of a request is compared whole, with or without a slash at its end."""

    def __init__(self, protocols: Iterable[Protocol]) -> None:
        self._declared: set[tuple[str, str]] = set()
        self._exact: dict[tuple[str, str], Found] = {}
        self._patterns: list[tuple[tuple[str, ...], str, Found]] = []
        for protocol in protocols:
            for method, path in protocol.routes:
                self._add(method, path, Found((protocol,)))
            for endpoint in protocol.endpoints:
                self._add(endpoint.method, endpoint.path, Found((protocol,), endpoint))

    def declared(self) -> set[tuple[str, str]]:
        """Return every address once, without those under a protocol's name."""
        return set(self._declared)

    def find(self, scope: Scope) -> Found | None:
        """Return what answers the request, None if it is not for collection."""
        found = self._exact.get((scope["method"], scope["path"]))
        if found is not None or not self._patterns:
            return found
        parts = _parts(scope)
        for wanted, method, answer in self._patterns:
            params = fit(wanted, parts) if method == scope["method"] else None
            if params is not None:
                return Found(answer.protocols, answer.endpoint, params)
        return None

    def methods(self, scope: Scope) -> set[str]:
        """Return the methods that are answered at the path of a request."""
        parts = _parts(scope)
        return {method for method, path in self._exact if path == scope["path"]} | {
            method for wanted, method, _ in self._patterns if fit(wanted, parts) is not None
        }

    def _add(self, method: str, path: str, found: Found) -> None:
        self._declared.add((method, path))
        self._put(method, path, found)
        (protocol,) = found.protocols
        if protocol.open is not None or found.endpoint is not None:
            self._put(method, f"/{protocol.name}{path}", found)

    def _put(self, method: str, path: str, found: Found) -> None:
        if "{" in path:
            self._patterns.append((shape(path), method, found))
            return
        for address in (path.rstrip("/") or "/", path.rstrip("/") + "/"):
            there = self._exact.get((method, address))
            self._exact[method, address] = found if there is None else _shared(there, found)


def _parts(scope: Scope) -> tuple[str, ...]:
    try:
        return segments(scope)
    except NotFound:
        return ()


def _shared(there: Found, found: Found) -> Found:
    if there == found:
        return there
    (added,) = found.protocols
    first = there.protocols[0]
    if there.endpoint or found.endpoint or added.open is not first.open:
        raise RuntimeError(f"{added.name} and {first.name} cannot share an address")
    return Found((*there.protocols, added))


def addresses() -> Addresses:
    """Return the addresses of every registered protocol."""
    return Addresses(discover("tallymark.collect.protocols", Protocol).values())
