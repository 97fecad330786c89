"""Most batches in one pass: events whose properties stay the text that was sent.

Gives what ``native.decode`` and the steps would give, or nothing where it cannot tell by a quick look
that nothing is out of the ordinary.
"""

from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import Final

from msgspec import UNSET, structs
from msgspec.json import Decoder

from tallymark.collect.body import is_ndjson
from tallymark.collect.places import Places
from tallymark.collect.protocol import Caller, Decoded, Request
from tallymark.core.errors import Refused
from tallymark.core.event import NO_PROPERTIES, Context, TimeRule, Verbatim
from tallymark.core.ids import new_id
from tallymark.core.known import Known
from tallymark.core.settings import Settings

from ._checks import Terms, believed_time, checked_name, client_time, terms
from ._native_events import have_plain_ids, rare_fields, sent_at_of
from ._reading import UNREADABLE, holds_nul
from ._verbatim import FROM_BYTES, are_plain, is_ordinary
from ._wire import (
    Time,
    WireContext,
    WirePage,
    WireProgram,
    WireUse,
    WireUses,
    context,
    number,
)

_LIST: Final = Decoder(list[WireUse], float_hook=number)
_BATCH: Final = Decoder(WireUses, float_hook=number)
_LINE: Final = Decoder(WireUse, float_hook=number)
_AS_SAID: Final[TimeRule] = "client"
_SURELY_MS: Final = 10**11
_CONSENT: Final = attrgetter("consent")
_NAME: Final = b'"properties"'
# Escapes of the letters that names of fields are made of.
_ESCAPED: Final = (b"\\u006", b"\\u007")
_NO_GROUPS: Final[dict[str, str]] = {}
_NO_PAGE: Final = WirePage()
_NO_LIBRARY: Final = WireProgram()


def verbatim(request: Request, caller: Caller, settings: Settings) -> Decoded | None:
    """Return a request's events, scrubbed and ready for the log; None where they need a closer look."""
    body = request.body
    if len(body) < FROM_BYTES or not is_ordinary(request, caller):
        return None
    if "strict" in request.query or holds_nul(body):
        return None
    try:
        is_lines = is_ndjson(request.headers.get("content-type", ""))
        found = _read(body, settings, is_lines=is_lines)
        if found is None or not _are_ordinary(found.events, body, settings, caller):
            return None
        sent_at = sent_at_of(request, found.sent_at)
        agreed = terms(
            settings,
            received_at=request.received_at,
            sent_at=sent_at,
            public=caller.kind == "public",
            plain_ids=True,
            plain_properties=True,
        )
        agent = request.headers.get("user-agent") if caller.kind == "public" else None
        events = _events(found.events, agreed, Places(caller.policy, agent))
    except (*UNREADABLE, Refused):
        return None
    return Decoded(len(events), [*events], sent_at=sent_at, is_ready=True)


def _read(body: bytes, settings: Settings, *, is_lines: bool) -> WireUses | None:
    if len(body) > settings.max_event_bytes:
        return None
    if is_lines:
        return WireUses(_LINE.decode_lines(body))
    if body[:1] == b"[":
        return WireUses(_LIST.decode(body))
    return _BATCH.decode(body) if body[:1] == b"{" and b'"events"' in body else None


def _are_ordinary(uses: Sequence[WireUse], body: bytes, settings: Settings, caller: Caller) -> bool:
    if not 0 < len(uses) <= settings.max_batch_events or not have_plain_ids(uses, settings):
        return False
    if any(map(_CONSENT, uses)):
        return False
    if caller.kind == "public" and not all(use.user_id or use.anonymous_id for use in uses):
        # Theirs may be the id of the day.
        return False
    texts = [use.properties for use in uses if use.properties is not NO_PROPERTIES]
    # Of a field sent twice only the last was looked at.
    if body.count(_NAME) != len(texts) or (b"\\" in body and any(map(body.__contains__, _ESCAPED))):
        return False
    indifferent = caller.policy.suspects == "off"
    return not texts or are_plain(texts, settings, may_be_personal=indifferent)


def _events(uses: Sequence[WireUse], agreed: Terms, places: Places) -> list[Verbatim]:
    """Return each use as the log takes it; raises Refused for one that it may not."""
    names = Known(partial(checked_name, max_bytes=agreed.settings.max_name_bytes))
    nowhere = places.nowhere
    events: list[Verbatim] = []
    # Times in milliseconds that are neither seconds nor in the future nor of a clock to be repaired.
    first, last = _SURELY_MS, -1 if agreed.skew else agreed.received_at // 1000
    time: int
    rule: TimeRule
    client: int | None
    for use in uses:
        given, where = use.time, use.context
        if type(given) is int and first <= given <= last:
            time = client = given * 1000
            rule = _AS_SAID
        else:
            time, rule, client = _time(given, agreed)
        # By their places: a name costs as much as a value.
        event = Verbatim(
            names[use.name],
            use.id or new_id(agreed.received_at),
            time,
            rule,
            client,
            use.kind,
            "native",
            use.user_id,
            use.anonymous_id,
            _NO_GROUPS,
            use.session_id,
            use.properties,
            nowhere if where is None else _context(where, places),
        )
        if not _is_common(use):
            event = _rare(event, use, agreed)
        events.append(event)
    if places.met_robot:
        return [_flagged(event, use, places) for event, use in zip(events, uses, strict=True)]
    return events


def _time(given: Time | None, agreed: Terms) -> tuple[int, TimeRule, int | None]:
    if given is None:
        return agreed.received_at, "received", None
    client = client_time(given, "time")
    time, rule = believed_time(client, agreed, is_metered=False)
    return time, rule, client


def _context(where: WireContext, places: Places) -> Context:
    is_more = (
        where.campaign
        or where.device
        or where.os
        or where.browser
        or where.app
        or where.screen
        or where.location
        or where.ip
    )
    if is_more:
        return places.kept(context(where))
    page, library = where.page or _NO_PAGE, where.library or _NO_LIBRARY
    return places.page(
        page.url,
        page.title,
        page.referrer,
        page.path,
        where.user_agent,
        (library.name, library.version, where.locale, where.timezone),
    )


def _is_common(use: WireUse) -> bool:
    return (
        use.id is not None
        and use.account is None
        and use.groups is None
        and use.unit is None
        and use.currency is None
        and use.value is use.revenue is UNSET
    )


def _flagged(event: Verbatim, use: WireUse, places: Places) -> Verbatim:
    said = None if use.context is None else use.context.user_agent
    return structs.replace(event, flags=(*event.flags, "bot")) if places.is_bot(said) else event


def _rare(event: Verbatim, use: WireUse, agreed: Terms) -> Verbatim:
    """Return an event with what most do not have."""
    rare = rare_fields(use, agreed)
    if "value" in rare and not agreed.public and event.time_client is not None:
        time, rule = believed_time(event.time_client, agreed, is_metered=True)
        rare |= {"time": time, "time_rule": rule}
    return structs.replace(event, **rare)
