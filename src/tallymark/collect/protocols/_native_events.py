"""One event of the native protocol as it is kept: its fields checked, its time believed or not."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, structs

from tallymark.collect.protocol import Request
from tallymark.core.errors import Refused
from tallymark.core.event import Event, TimeRule
from tallymark.core.ids import new_id
from tallymark.core.settings import Settings

from ._checks import (
    Terms,
    are_plain,
    believed_time,
    check_currency,
    check_groups,
    check_id,
    check_person,
    check_properties,
    checked_name,
    client_time,
    quantity,
)
from ._wire import NOWHERE, AwareTime, Time, WireEvent, WireGroup, WireIdentify, context

SENT_AT_HEADER = "tallymark-sent-at"


def event_of(wire: WireEvent, agreed: Terms) -> Event:
    """Return an event as it is kept; raises Refused with the field that is wrong."""
    event_id = new_id(agreed.received_at) if wire.id is None else wire.id
    if not agreed.plain_ids:
        check_ids(wire, event_id, agreed.settings.max_id_bytes)
    properties = wire.properties or {}
    if properties and not agreed.plain_properties:
        check_properties(properties, "properties", agreed)
    rare = rare_fields(wire, agreed)
    time, client = agreed.received_at, None
    rule: TimeRule = "received"
    if wire.time is not None:
        client = client_time(wire.time, "time")
        is_billed = "value" in rare and not agreed.public
        time, rule = believed_time(client, agreed, is_metered=is_billed)
    event = Event(
        name=checked_name(wire.name, agreed.settings.max_name_bytes),
        id=event_id,
        time=time,
        time_rule=rule,
        time_client=client,
        kind=wire.kind,
        user_id=wire.user_id,
        anonymous_id=wire.anonymous_id,
        session_id=wire.session_id,
        properties=properties,
        context=NOWHERE if wire.context is None else context(wire.context),
    )
    return structs.replace(event, **rare) if rare else event


def rare_fields(wire: WireEvent, agreed: Terms) -> dict[str, Any]:
    """Return what most events do not have, so that they need not pay for it."""
    rare: dict[str, Any] = {}
    if wire.id is None:
        rare["flags"] = ("no_id",)
    if wire.account is not None or wire.groups:
        rare["groups"] = groups = dict(wire.groups or {})
        if wire.account is not None:
            groups["account"] = wire.account
        check_groups(groups, agreed.settings)
    if wire.consent is not None:
        rare["consent"] = wire.consent
    if wire.value is not UNSET or wire.unit is not None:
        rare |= {"value": _metered(wire, agreed), "unit": wire.unit}
    if wire.revenue is not UNSET or wire.currency is not None:
        rare |= {"revenue": _money(wire), "currency": wire.currency}
    return rare


def have_plain_ids(items: Sequence[WireEvent | bytes], settings: Settings) -> bool:
    """Return whether no id of any item needs a closer look."""
    events = [item for item in items if isinstance(item, WireEvent)]
    persons = [event.user_id for event in events if event.user_id is not None]
    persons += [event.anonymous_id for event in events if event.anonymous_id is not None]
    ids = [event.id for event in events if event.id is not None]
    ids += [event.session_id for event in events if event.session_id is not None]
    # Items still to be read one by one are checked one by one too.
    return len(events) == len(items) and are_plain(persons + ids, persons, settings.max_id_bytes)


def check_ids(wire: WireEvent | WireIdentify | WireGroup, event_id: str, max_bytes: int) -> None:
    """Raise Refused for an id that cannot be kept, or names nobody."""
    check_id(event_id, "id", max_bytes)
    if wire.user_id is not None:
        check_person(wire.user_id, "user_id", max_bytes)
    if wire.anonymous_id is not None:
        check_person(wire.anonymous_id, "anonymous_id", max_bytes)
    if isinstance(wire, WireEvent) and wire.session_id is not None:
        check_id(wire.session_id, "session_id", max_bytes)


def _metered(wire: WireEvent, agreed: Terms) -> Decimal:
    if agreed.public:
        raise Refused(
            "A public key may not send value or unit.", code="METER_KEY_KIND", path="value"
        )
    if wire.value is UNSET:
        raise Refused("unit needs a value.", code="MISSING_FIELD", path="value")
    if wire.unit is not None:
        check_id(wire.unit, "unit", agreed.settings.max_key_bytes)
    return quantity(wire.value, "value")


def _money(wire: WireEvent) -> Decimal:
    if wire.revenue is UNSET:
        raise Refused("currency needs a revenue.", code="MISSING_FIELD", path="revenue")
    amount = quantity(wire.revenue, "revenue")
    check_currency(wire.currency)
    return amount


def sent_at_of(request: Request, given: Time | None) -> int | None:
    """Return when a request was sent, by its body or its header; raises Refused."""
    header = request.headers.get(SENT_AT_HEADER)
    if given is None and header is not None:
        try:
            # A header is text, so milliseconds come as digits.
            given = int(header) if header.isdecimal() else msgspec.convert(header, AwareTime)
        except (msgspec.ValidationError, ValueError) as error:
            raise Refused(
                f"{SENT_AT_HEADER} {header[:100]!r} is no time.",
                code="TIME_UNPARSABLE",
                path=SENT_AT_HEADER,
            ) from error
    return None if given is None else client_time(given, "sent_at")
