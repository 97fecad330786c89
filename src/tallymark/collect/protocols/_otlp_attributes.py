"""What OpenTelemetry's attributes tell: who, where, and which of them are kept as properties.

Attributes have had two generations of names; both are read, and kept under the newer. What tells of
a person goes to the fields of the event and its profile, addresses and pages to the context, where
the project's policy scrubs them.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from tallymark.core.event import Context
from tallymark.core.policy import Policy
from tallymark.privacy.scrub import scrub_path, scrub_url

from ._values import sequence, text

_NEWER: Final = {
    "http.method": "http.request.method",
    "http.status_code": "http.response.status_code",
    "http.scheme": "url.scheme",
    "http.url": "url.full",
    "http.client_ip": "client.address",
    "http.user_agent": "user_agent.original",
    "http.request_content_length": "http.request.body.size",
    "http.response_content_length": "http.response.body.size",
    "http.flavor": "network.protocol.version",
    "http.host": "server.address",
    "http.server_name": "server.address",
    "net.host.name": "server.address",
    "net.host.port": "server.port",
    "net.peer.ip": "network.peer.address",
    "net.sock.peer.addr": "network.peer.address",
    "gen_ai.system": "gen_ai.provider.name",
    "gen_ai.usage.prompt_tokens": "gen_ai.usage.input_tokens",
    "gen_ai.usage.completion_tokens": "gen_ai.usage.output_tokens",
    "deployment.environment": "deployment.environment.name",
}
USERS: Final = ("user.id", "enduser.id")
_PSEUDONYMS: Final = ("enduser.pseudo.id", "device.id", "app.installation.id")
ACCOUNTS: Final = ("tenant.id", "organization.id", "customer.id", "account.id")
_PROFILE: Final = {
    "user.email": "email",
    "user.name": "name",
    "user.full_name": "full_name",
    "user.hash": "hash",
    "user.roles": "roles",
}
# Addresses and pages, which the context holds where they say anything of a person.
_PLACES: Final = frozenset(
    {
        "client.address", "client.port", "client.socket.address", "network.peer.address",
        "network.peer.port", "source.address", "source.port", "user_agent.original", "http.target",
        "url.query", "url.fragment", "http.request.header.referer",
    }
)  # fmt: skip
_PAGE: Final = frozenset({"url.full", "url.path", "url.scheme", "server.address", "server.port"})
# Of the resource, what usage is broken down by; the rest describes a machine, on every event again.
_RESOURCE: Final = (
    "service.name", "service.version", "service.namespace", "service.instance.id",
    "deployment.environment.name", "telemetry.sdk.language", "cloud.provider", "cloud.region",
    "host.name", "k8s.cluster.name", "k8s.namespace.name", "k8s.deployment.name", "faas.name",
)  # fmt: skip
_CLIENT_LANGUAGES: Final = frozenset({"webjs", "swift"})
_CLIENT_SYSTEMS: Final = frozenset({"ios", "ipados", "android"})


class Whose(Struct, frozen=True):
    """Who took part, and what is told of the user."""

    user_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    account: str | None = None
    profile: dict[str, Any] = {}


class Resource(Struct, frozen=True):
    """What a resource tells of everything that comes under it; read once an export."""

    given: dict[str, Any]
    whose: Whose
    place: dict[str, Any]
    kept: dict[str, Any]


class Read(Struct, frozen=True):
    """What the attributes of one item and its resource tell."""

    whose: Whose
    context: Context
    properties: dict[str, Any]


def renamed(given: dict[str, Any]) -> dict[str, Any]:
    """Return attributes under their newer names; of two generations of one, the newer holds."""
    if _NEWER.keys().isdisjoint(given):
        return given
    found: dict[str, Any] = {}
    for name, value in given.items():
        newer = _NEWER.get(name, name)
        if newer == name or (newer not in given and newer not in found):
            found[newer] = value
    if "server.address" in found and "http.host" in given and isinstance(given["http.host"], str):
        found["server.address"] = _host(str(found["server.address"]))
    return found


def read_resource(attributes: dict[str, Any]) -> Resource:
    """Return what a resource tells."""
    given = renamed(attributes)
    place = {
        "app_name": text(given.get("service.name")),
        "app_version": text(given.get("service.version")),
        "library_name": text(given.get("telemetry.sdk.name")),
        "library_version": text(given.get("telemetry.sdk.version")),
    }
    if is_client(given):
        place |= _device(given)
    kept = {name: given[name] for name in _RESOURCE if given.get(name) is not None}
    return Resource(given, _whose(given, Whose()), place, kept)


def read_attributes(
    attributes: dict[str, Any], resource: Resource, policy: Policy, *, is_served: bool
) -> Read:
    """Return what the attributes of an item tell; before what is told of its resource.

    ``is_served`` is a request that a server answered. Only then does the page say anything of who
    asked: of a request that was made it is the other side's, and stays a property.
    """
    given = renamed(attributes)
    if _TELLING.isdisjoint(given):
        return Read(resource.whose, Context(**resource.place), {**resource.kept, **given})
    whose = _whose(given, resource.whose)
    taken = _SERVED if is_served else _TAKEN
    properties = dict(resource.kept)
    for name, value in given.items():
        if name not in taken:
            scrub = _SCRUBBED.get(name)
            properties[name] = scrub(value, policy) if scrub and isinstance(value, str) else value
    account = next((name for name in ACCOUNTS if name in properties), None)
    if account:
        del properties[account]
    return Read(whose, _where(given, resource, is_served=is_served), properties)


def is_client(resource: dict[str, Any]) -> bool:
    """Return whether a resource is a person's own browser or phone, and no server."""
    return (
        text(resource.get("telemetry.sdk.language")) in _CLIENT_LANGUAGES
        or (text(resource.get("os.name")) or "").lower() in _CLIENT_SYSTEMS
        or any(name.startswith("browser.") for name in resource)
    )


def _whose(given: dict[str, Any], default: Whose) -> Whose:
    if _PERSONS.isdisjoint(given):
        return default
    known = {short: given[name] for name, short in _PROFILE.items() if given.get(name) is not None}
    return Whose(
        _first(given, USERS) or default.user_id,
        _first(given, _PSEUDONYMS) or default.anonymous_id,
        _first(given, ("session.id",)) or default.session_id,
        _first(given, ACCOUNTS) or default.account,
        known or default.profile,
    )


def _first(given: dict[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        if name in given and (found := text(given[name])):
            return found
    return None


def _where(given: dict[str, Any], resource: Resource, *, is_served: bool) -> Context:
    told = {"ip": text(given.get("client.address")), **resource.place}
    if agent := text(given.get("user_agent.original")):
        told["user_agent"] = agent
    if is_served:
        told["ip"] = told["ip"] or text(given.get("network.peer.address"))
        told |= _page(given)
    return Context(**told)


def _page(given: dict[str, Any]) -> dict[str, str | None]:
    """Return the page that was asked for, whole if its address is known."""
    target, _, asked = (text(given.get("http.target")) or "").partition("?")
    path = text(given.get("url.path")) or target or None
    query = (text(given.get("url.query")) or asked).removeprefix("?")
    scheme, host = text(given.get("url.scheme")), text(given.get("server.address"))
    address = text(given.get("url.full"))
    if address is None and scheme and host and path:
        address = f"{scheme}://{host}{path}" + (f"?{query}" if query else "")
    referrers = sequence(given.get("http.request.header.referer"))
    return {
        "page_url": address,
        "page_path": None if address else path,
        "page_host": None if address else host,
        "referrer": text(referrers[0]) if referrers else None,
    }


def _device(resource: dict[str, Any]) -> dict[str, str | None]:
    mobile = resource.get("browser.mobile")
    return {
        "os": text(resource.get("os.name")) or text(resource.get("browser.platform")),
        "os_version": text(resource.get("os.version")),
        "device_brand": text(resource.get("device.manufacturer")),
        "device_model": text(resource.get("device.model.name")),
        "device_type": {True: "mobile", False: "desktop"}.get(mobile)
        if isinstance(mobile, bool)
        else None,
        "locale": text(resource.get("browser.language")),
        "user_agent": text(resource.get("user_agent.original")),
    }


def _host(given: str) -> str:
    """Return a host without its port."""
    host, colon, port = given.rpartition(":")
    return host if colon and port.isdecimal() and (":" not in host or host.endswith("]")) else given


_SCRUBBED: Final[dict[str, Callable[[str, Policy], str]]] = {
    "url.full": lambda value, policy: scrub_url(value, policy).url,
    "url.path": scrub_path,
}
_TAKEN: Final = frozenset({*_PLACES, *_PROFILE, *USERS, *_PSEUDONYMS, "session.id", ""})
_SERVED: Final = _TAKEN | _PAGE
_PERSONS: Final = frozenset({*_PROFILE, *USERS, *_PSEUDONYMS, *ACCOUNTS, "session.id"})
# Where none of these is told, attributes are properties and nothing else.
_TELLING: Final = _SERVED | _PERSONS | _SCRUBBED.keys()
