"""PostHog: what its SDKs send to ``/batch``, ``/e`` and ``/i/v0/e``, and capture v1.

Its clients ask for feature flags, surveys and a configuration before they send; they are told that
there are none, and how to send. ``$identify``, ``$create_alias``, ``$groupidentify`` and ``$set`` are
no uses: they become commands. Session replays, logs and metrics are counted and not kept.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import structs

from tallymark.collect.loose import Loose, form_fields, open_loosely
from tallymark.collect.protocol import Caller, Decoded, Protocol, Reply, Request
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.event import Command, Event
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings

from ._alike import FROM_EVENTS
from ._checks import Terms
from ._foreign import Told, agreed, event, source, take
from ._posthog_context import groups, known, split
from ._posthog_people import Who, commands, who
from ._posthog_start import ENDPOINTS
from ._posthog_usual import COMMANDS, KINDS, NAMES, NOT_USES, Usual
from ._values import amount, currency, mapping, sequence, text, when

_V1: Final = "/i/v1/analytics/events"
_CAPTURE: Final = ("/e", "/i/v0/e", "/capture", "/track", "/engage")
_BATCHES: Final = ("/batch", "/i/v0/ai/batch", _V1)
# Counted and not kept: replays, and what is for other stores.
_REPLAY: Final = "/s"
_TELEMETRY: Final = ("/i/v1/logs", "/i/v1/metrics", "/i/v1/traces")
_CHANGES: Final = frozenset({"$set", "$set_once", "$unset", "$group_set"})
_OPTIONS: Final = {
    "cookieless_mode": "$cookieless_mode", "disable_skew_correction": "$ignore_sent_at",
    "process_person_profile": "$process_person_profile", "product_tour_id": "$product_tour_id",
}  # fmt: skip
# What an item of ours has beside ``event`` and ``properties``, and one of Mixpanel has not.
# What stands beside an event only here; Mixpanel, which the SDKs began as, has it in the properties.
OWN_MEMBERS: Final = frozenset({"uuid", "distinct_id", "timestamp", "offset", "api_key", "token"})
_SECRET: Final = ("sk_", "rk_")
_SDK = re.compile(r"([\w.@-]{1,100})/([\w.+-]{1,50})")
_MILLISECOND: Final = 1000


def credential(request: Request) -> str | None:
    """Return the project's key from the body or the query; capture v1 has it in the header.

    Raises Refused AUTH_IN_URL for a secret key that came in the URL, as base64 too.
    """
    if _path(request) == _V1 and request.headers.get("authorization"):
        return None
    content = _content(request)
    envelope, first = _heads(content)
    fields = content.fields
    places = (
        envelope.get("api_key"), envelope.get("token"), first.get("api_key"), first.get("token"),
        mapping(first.get("properties")).get("token"), fields.get("token"), fields.get("api_key"),
    )  # fmt: skip
    found = next((key for place in places if (key := text(place))), None)
    if found is not None and not request.body and found.startswith(_SECRET):
        raise Refused("A secret key was sent in the URL.", code="AUTH_IN_URL")
    return found


def claims(request: Request) -> bool:
    """Return whether a request to an address shared with Amplitude, Mixpanel or Segment is ours."""
    envelope, first = _heads(_content(request))
    match _path(request):
        case "/batch":
            return "events" not in envelope
        case "/track" | "/engage":
            return "batch" in envelope or not OWN_MEMBERS.isdisjoint({*envelope, *first})
        case "/s":
            return "writeKey" not in envelope and "messageId" not in envelope
        case _:
            return True


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return the events and commands of a request; raises Refused if it holds no item at all."""
    path = _path(request)
    if path == _REPLAY or path in _TELEMETRY:
        count = len(sequence(request.content.content)) or 1
        return Decoded(count, dropped={"NOT_KEPT": count})
    envelope, items = _opened(request)
    if path == _V1:
        items = [_as_v0(item, request) for item in items]
    sent = _sent_at(request, envelope)
    public = caller.kind == "public"
    plain = agreed(settings, received_at=request.received_at, public=public)
    skewed = agreed(settings, received_at=request.received_at, sent_at=sent, public=public)
    if envelope.get("historical_migration") is True:
        skewed = plain
    read = reader(caller.policy, plain=plain, skewed=skewed, is_batch=len(items) >= FROM_EVENTS)
    decoded = take(items, read, settings, Decoded(0, sent_at=sent, server_side=_is_server(items)))
    return structs.replace(decoded, note=_results(items, decoded)) if path == _V1 else decoded


def reply(decoded: Decoded, request: Request) -> Reply:
    """Return exactly 200: anything else makes the clients send again, or drop."""
    path = _path(request)
    if path == _V1:
        return _json(200, {"results": decoded.note or {}})
    if path in _TELEMETRY:
        return _json(200, {})
    if path == _REPLAY:
        return _json(200, {"status": 1, "quota_limited": ["recordings"]})
    return _json(200, {"status": "Ok" if path.startswith("/i/") else 1})


def refuse(error: TallymarkError, _request: Request) -> Reply:
    """Return an error as PostHog words it. What can be sent later is 503: the browser drops on 429."""
    kinds = {401: "authentication_error", 403: "authentication_error", 429: "throttled_error"}
    code = {401: "authentication_failed", 403: "permission_denied"}.get(error.status, "invalid")
    kind = kinds.get(error.status, "validation_error" if error.status < 500 else "server_error")
    detail = f"{error.message} {error.hint}".strip()
    status = 503 if error.status == 429 else error.status
    return _json(status, {"type": kind, "code": code, "detail": detail, "attr": error.path})


def reader(
    policy: Policy, *, plain: Terms, skewed: Terms, is_batch: bool = False
) -> Callable[[Any], Iterable[Event | Command]]:
    """Return what reads one item; ``skewed`` are the terms of a client that says when it sent.

    ``is_batch`` says that it will read several, of which most may be alike.
    """
    usual = Usual(policy, skewed) if is_batch else None

    def read(item: Any) -> Iterable[Event | Command]:
        if not isinstance(item, dict):
            raise Refused("The event is not an object.", code="BAD_FIELD", path="event")
        given = mapping(item.get("properties"))
        if usual is not None and (use := usual.event(item, given)) is not None:
            return (use,)
        name = text(item.get("event"))
        if name in NOT_USES:
            return []
        changes = _changes(item, given, policy)
        if name is None and "event" not in item and any(changes.values()):
            name = "$set"
        terms = plain if given.get("$ignore_sent_at") is True else skewed
        event_id = _id(item, given)
        person, time = who(item, given), when(item.get("timestamp"))
        made: list[Event | Command] = []
        if name not in COMMANDS:
            told = _told(given, (name, event_id, time), person, policy)
            use = event(told, terms)
            if time is None and "offset" in item:
                use = _by_offset(use, item["offset"], terms)
            made, event_id = [use], use.id
            if not changes:
                return made
        by = source(terms, "posthog", event_id, time)
        return made + commands(name, by, person, given=given, changes=changes, terms=terms)

    return read


def own_id(item: dict[str, Any]) -> tuple[str, str | None]:
    """Return the namespace and the id of an event, None if its client named none."""
    return "posthog", _id(item, mapping(item.get("properties")))


def _id(item: dict[str, Any], given: dict[str, Any]) -> str | None:
    return text(item.get("uuid")) or text(given.get("$insert_id"))


def _path(request: Request) -> str:
    """Return the address as it stands in the lists above, however it was written."""
    return "/" + request.path.strip("/").removeprefix("posthog/")


def _content(request: Request) -> Loose:
    """Return the content, or what the query says where the body could not be read."""
    found: Loose | None = request.content
    return Loose(None, form_fields(request.query)) if found is None else found


def _heads(content: Loose) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what stands around the items, and the first of them; the same where there is but one."""
    envelope = mapping(content.content)
    items = sequence(content.content) or sequence(envelope.get("batch"))
    return envelope, mapping(items[0]) if items else envelope


def _opened(request: Request) -> tuple[dict[str, Any], list[Any]]:
    said = request.content.content
    match said:
        case list():
            return {}, said
        case {"batch": list(items)}:
            return said, items
        case {"batch": _}:
            raise Refused("batch is not a list.", path="batch")
        case {"event": _} | {"$set": _} | {"$set_once": _} | {"$unset": _}:
            return said, [said]
        case _:
            raise Refused("There is no event.", code="MISSING_FIELD", path="event")


def _as_v0(item: Any, request: Request) -> Any:
    """Return an event of capture v1 in the shape that everything else has."""
    if not isinstance(item, dict):
        return item
    said = mapping(item.get("options"))
    given = dict(mapping(item.get("properties")))
    given |= {name: said[option] for option, name in _OPTIONS.items() if option in said}
    given |= {
        f"${name}": item[name] for name in ("session_id", "window_id") if item.get(name) is not None
    }
    sdk = _SDK.match(request.headers.get("posthog-sdk-info", ""))
    if sdk is not None:
        given |= {"$lib": sdk[1], "$lib_version": sdk[2]}
    return {**item, "properties": given}


def _sent_at(request: Request, envelope: dict[str, Any]) -> int | None:
    fields = request.content.fields
    places = (
        request.headers.get("posthog-request-timestamp") if _path(request) == _V1 else None,
        envelope.get("sent_at"), fields.get("sent_at"), fields.get("_"),
    )  # fmt: skip
    return next((instant for place in places if (instant := when(place)) is not None), None)


def _is_server(items: list[Any]) -> bool | None:
    """Return whether a customer's server sent this; None leaves it to the kind of key."""
    has_device = False
    for item in items:
        given = item.get("properties") if isinstance(item, dict) else None
        if isinstance(given, dict):
            if given.get("$is_server") is True or given.get("$geoip_disable") is True:
                return True
            has_device = has_device or "$device_id" in given or given.get("$lib") == "web"
    return False if has_device else None


def _changes(
    item: dict[str, Any], given: dict[str, Any], policy: Policy
) -> dict[str, dict[str, Any]]:
    """Return what is to be known of a person or group, by what is to be done with it.

    It may stand at both places; the properties go first.
    """
    found: dict[str, dict[str, Any]] = {}
    # Few names are looked for in many, and not the other way round.
    said = [key for key in _CHANGES if key in given or key in item]
    for key in _CHANGES if said else ():
        told: dict[str, Any] = {}
        for place in (item.get(key), given.get(key)):
            names = {name: None for one in sequence(place) if (name := text(one)) is not None}
            told |= mapping(place) or names
        found[key] = known(told, policy)
    return found


def _told(
    given: dict[str, Any],
    called: tuple[str | None, str | None, int | None],
    person: Who,
    policy: Policy,
) -> Told:
    name, event_id, time = called
    where, rest = split(given, policy, is_pageview=name == "$pageview")
    unit, money = None, None
    if "currency" in given:
        unit = currency(given["currency"])
        money = amount(given["revenue"] if "revenue" in given else given.get("$revenue"))
    # By their places up to the session, which is quicker: see ``event``.
    return Told(
        NAMES.get(name or "", name),
        "posthog",
        event_id,
        time,
        KINDS.get(name or "", "track"),
        person.user,
        person.anonymous,
        text(given.get("$session_id")),
        groups=groups(given) if "$groups" in given else {},
        properties=rest,
        context=where,
        revenue=money if unit else None,
        currency=unit if money is not None else None,
        flags=("bot",) if given.get("$browser_type") == "bot" else (),
    )


def _by_offset(made: Event, offset: Any, terms: Terms) -> Event:
    """Return the event at the time it lies before its receipt, as older browsers tell it.

    That is no time of the client's: a repetition would tell another, and be no repetition.
    """
    ago = amount(offset)
    if ago is None or not 0 <= ago <= terms.received_at // _MILLISECOND:
        return made
    time = terms.received_at - int(ago * _MILLISECOND)
    return structs.replace(made, time=time, time_rule="repaired")


def _results(items: list[Any], decoded: Decoded) -> dict[str, Any]:
    """Return what became of each event by its uuid; what was set aside is not to come again."""
    refused = {item.index: item.message for item in decoded.failed}
    results: dict[str, Any] = {}
    for index, item in enumerate(items):
        uuid = text(mapping(item).get("uuid"))
        if uuid is None:
            continue
        if index not in refused:
            results[uuid] = {"result": "ok"}
        elif uuid not in results:
            results[uuid] = {"result": "drop", "details": refused[index]}
    return results


def _json(status: int, body: dict[str, Any]) -> Reply:
    return Reply(status, json.dumps(body).encode())


posthog = Protocol(
    name="posthog",
    routes=tuple(
        [("POST", path) for path in (*_BATCHES, *_CAPTURE, _REPLAY, *_TELEMETRY)]
        + [("GET", path) for path in _CAPTURE]
    ),
    decode=decode,
    reply=reply,
    summary="PostHog: capture v0 and v1, flags and configuration (none).",
    open=open_loosely,
    credential=credential,
    claims=claims,
    refuse=refuse,
    own_id=own_id,
    endpoints=ENDPOINTS,
)
