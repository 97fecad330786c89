"""The browser script: ``POST /tm/v1/e`` takes a batch of one sender as JSON that is sent as text.

``{k, ve, c, d, uid, g, sw, sh, l, tz, sig, sr, s, e: [{i, n, t, u, v, r, ti, p}]}``: the key, the
version, what the visitor agreed to (``g`` granted, ``c`` not asked, ``d`` denied), device and user,
groups, screen, language and time zone, the browser's signals, the share of page loads that is
counted, when it was sent, and the events: id, name, time, address, page view, referrer, title,
properties. Text needs no question of the browser beforehand, and a page that is left can still
send it.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from tallymark.collect.loose import open_loosely
from tallymark.collect.protocol import Caller, Decoded, Protocol, Reply, Request
from tallymark.collect.steps import nameless
from tallymark.core.consents import Statement
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.event import Command, Context, Event
from tallymark.core.settings import Settings
from tallymark.privacy.consent import Signals

from ._browser_uses import COMMANDS, kept, use_of
from ._checks import Terms, check_id
from ._foreign import (
    Source,
    Told,
    agreed,
    event,
    is_placeholder,
    link,
    membership,
    profile,
    source,
    take,
)
from ._values import amount, currency, mapping, pixels, text, when
from ._visit import figure, language, query_of
from .native import FailedItem, Outcome

NAMESPACE: Final = "browser"
_GRANTED: Final = {"measurement": "granted", "product": "granted", "performance": "granted"}
_GPC, _DNT = 1, 2


class _Sender(Struct, frozen=True):
    """What the events of one request share. Nobody has an id who did not agree to one."""

    terms: Terms
    caller: Caller
    context: Context
    consent: dict[str, str]
    is_nameless: bool
    device: str | None
    user: str | None
    groups: dict[str, str]
    shared: dict[str, Any]


def credential(request: Request) -> str | None:
    """Return the key in the body."""
    return text(_body(request).get("k"))


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return the events, and what ``identify``, ``group`` and ``set`` say; raises Refused.

    What would say who somebody is who did not agree to it is counted only, and so is everything of
    whoever said no. What nobody understands is a no.
    """
    given = _body(request)
    items = given.get("e")
    if not isinstance(items, list):
        raise Refused("e is no list of events.", code="BAD_FIELD", path="e")
    if given.get("c", "c") not in ("c", "g"):
        return Decoded(len(items), dropped={"CONSENT_DENIED": len(items)}, server_side=False)
    sent_at = when(given.get("s"))
    terms = agreed(
        settings, received_at=request.received_at, sent_at=sent_at, public=caller.kind == "public"
    )
    sender = _sender(given, terms, caller)
    about = Decoded(0, sent_at=sent_at, server_side=False, signals=_signals(given.get("sig")))
    statements: list[Statement] = []

    def read(item: Any) -> list[Event | Command]:
        given = mapping(item)
        name = text(given.get("n"))
        if name not in COMMANDS:
            return [_event(name, given, sender)]
        if name == "$consent" and not sender.is_nameless:
            statements.append(_statement(given, items.index(item), sender))
        if sender.is_nameless or name == "$consent":
            return []
        return [*_commands(name, given, sender)]

    found = take(items, read, settings, about)
    # Of an event there is always something to keep.
    unnamed = sum(found.dropped.values()) - len(statements)
    dropped = {"IDENTIFY_IN_COOKIELESS" if sender.is_nameless else "NOT_KEPT": unnamed}
    return structs.replace(found, statements=statements, dropped=dropped if unnamed else {})


def reply(decoded: Decoded, _request: Request) -> Reply:
    """Return 202 with what was wrong with single events; 400 if that was all of them."""
    failed = [
        FailedItem(one.index, one.id, one.code, one.message, one.path or msgspec.UNSET)
        for one in decoded.failed
    ]
    body = msgspec.json.encode(Outcome(decoded.received - len(failed), failed))
    return Reply(400 if failed and len(failed) == decoded.received else 202, body)


def refuse(error: TallymarkError, _request: Request) -> Reply:
    """Return the error's own status: the script repeats what got 429 or 5xx, and nothing else."""
    told = {"code": error.code, "message": error.message}
    return Reply(error.status, msgspec.json.encode(told))


def own_id(given: dict[str, Any]) -> tuple[str, str | None]:
    """Return the namespace and the id of an event, None if it has none."""
    return NAMESPACE, text(given.get("i"))


def _body(request: Request) -> dict[str, Any]:
    return mapping(request.content.content) if request.content is not None else {}


def _signals(given: Any) -> Signals:
    bits = given if type(given) is int else 0
    return Signals(gpc=bool(bits & _GPC), dnt=bool(bits & _DNT))


def _sender(given: Mapping[str, Any], terms: Terms, caller: Caller) -> _Sender:
    is_known = given.get("c") == "g"
    rate = figure(given.get("sr"))
    groups = mapping(given.get("g")) if is_known else {}
    return _Sender(
        terms,
        caller,
        Context(
            library_name="tallymark.js",
            library_version=text(given.get("ve")),
            locale=language(given.get("l")),
            timezone=text(given.get("tz")),
            screen_width=pixels(given.get("sw")),
            screen_height=pixels(given.get("sh")),
        ),
        _GRANTED if is_known else {},
        not is_known,
        text(given.get("d")) if is_known else None,
        text(given.get("uid")) if is_known else None,
        {kind: name for kind, one in groups.items() if (name := text(one)) is not None},
        {} if rate is None or rate == 1 else {"sample_rate": rate},
    )


def _event(name: str | None, item: Mapping[str, Any], by: _Sender) -> Event:
    called, kind = use_of(name, mapping(item.get("p")))
    properties = kept(name, item.get("p"), by.caller.policy)
    view = text(item.get("v"))
    about = properties if view is None else {**properties, "page_view_id": view}
    made = event(
        Told(
            name=called,
            namespace=NAMESPACE,
            id=text(item.get("i")),
            time=when(item.get("t")),
            kind=kind,
            user_id=by.user,
            anonymous_id=by.device,
            groups=by.groups,
            properties={**about, **by.shared},
            context=_context(item, by),
            revenue=amount(properties.get("revenue")),
            currency=currency(properties.get("currency")),
            consent=by.consent,
        ),
        by.terms,
    )
    return nameless(made) if by.is_nameless else made


def _context(item: Mapping[str, Any], by: _Sender) -> Context:
    page = text(item.get("u"))
    query = query_of(page)
    return structs.replace(
        by.context,
        page_url=page,
        referrer=text(item.get("r")),
        page_title=text(item.get("ti")),
        # What sites use in place of the campaign; the parameters in full are found in the address.
        utm_source=None if query.get("utm_source") else query.get("ref") or None,
    )


def _statement(item: Mapping[str, Any], place: int, by: _Sender) -> Statement:
    """Return what somebody chose, to be proven later; raises Refused if that is nobody.

    The client's time is not repaired: sent again, by another skew, it would be another statement.
    """
    version = text(mapping(item.get("p")).get("version"))
    said = by.consent if version is None else {**by.consent, "policy_version": version}
    time = min(when(item.get("t")) or by.terms.received_at, by.terms.received_at)
    for kind, who in (("user", by.user), ("anonymous", by.device)):
        if who is not None and not is_placeholder(who):
            check_id(who, "d", by.terms.settings.max_id_bytes)
            return Statement("user" if kind == "user" else "anonymous", who, said, time, place)
    raise Refused("consent names nobody.", code="MISSING_FIELD", path="d")


def _commands(name: str, item: Mapping[str, Any], by: _Sender) -> list[Command]:
    """Return what a call that says who somebody is comes to; raises Refused if it names nobody."""
    terms = by.terms
    told = mapping(item.get("p"))
    shared = source(terms, NAMESPACE, text(item.get("i")), when(item.get("t")))
    shared = structs.replace(shared, consent=by.consent)
    who = ("anonymous", by.device) if by.user is None else ("user", by.user)
    match name:
        case "$group":
            return _group(told, shared, by)
        case "$identify" if by.user is None:
            raise Refused("identify names no user.", code="MISSING_FIELD", path="uid")
        case "$identify":
            claim = link(shared, ("anonymous", by.device), ("user", by.user))
            return [*claim, *profile(shared, "set", who, told, terms)]
        case _:
            return list(profile(shared, "set", who, told, terms))


def _group(told: Mapping[str, Any], shared: Source, by: _Sender) -> list[Command]:
    kind, group = text(told.get("type")), text(told.get("id"))
    if kind is None or group is None:
        raise Refused("group needs a type and an id.", code="MISSING_FIELD", path="p")
    traits = mapping(told.get("traits"))
    return [
        *membership(shared, (kind, group), by.user, by.device),
        *profile(shared, "set", (kind, group), traits, by.terms),
    ]


browser = Protocol(
    name=NAMESPACE,
    routes=(("POST", "/tm/v1/e"),),
    decode=decode,
    reply=reply,
    summary="Tallymark's own script for browsers.",
    open=open_loosely,
    credential=credential,
    refuse=refuse,
    own_id=own_id,
    answer=Outcome,
)
