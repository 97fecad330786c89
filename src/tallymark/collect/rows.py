"""From decoded events to columns of the store's ``event`` table."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct

from tallymark.collect.enrich import channel, page_parts, referrer_host, user_agent
from tallymark.core.event import Batch, Context, Event
from tallymark.store.variant import PropertyEncoder

_SAME_NAME = (
    "kind", "time_rule", "unit", "currency",
)  # fmt: skip
_FROM_CONTEXT = (
    ("page_url", "page_url"), ("title", "page_title"), ("referrer", "referrer"),
    ("utm_source", "utm_source"), ("utm_medium", "utm_medium"), ("utm_campaign", "utm_campaign"),
    ("utm_term", "utm_term"), ("utm_content", "utm_content"), ("device_brand", "device_brand"),
    ("device_model", "device_model"), ("app_name", "app_name"), ("app_version", "app_version"),
    ("library_name", "library_name"), ("library_version", "library_version"),
    ("locale", "locale"), ("client_timezone", "timezone"), ("country", "country"),
    ("region", "region"), ("city", "city"), ("screen_width", "screen_width"),
    ("screen_height", "screen_height"),
)  # fmt: skip

_FROM_AGENT = ("device_type", "os", "os_version", "browser", "browser_version")


class Loading(Struct, frozen=True, gc=False):
    """One new event on its way into the store, with its place and the request that brought it."""

    seq: int
    event: Event
    batch: Batch


Columns = dict[str, Any]
Counts = dict[tuple[str, str], int]


def event_columns(loading: Sequence[Loading], encoder: PropertyEncoder) -> tuple[Columns, Counts]:
    """Return the columns that do not depend on identity, and how often each property occurs."""
    events = [one.event for one in loading]
    columns: Columns = {
        "seq": [one.seq for one in loading],
        "event_id": _take(events, "id"),
        "time_us": _take(events, "time"),
        "time_client_us": _take(events, "time_client"),
        "time_sent_us": [one.batch.sent_at for one in loading],
        "received_us": [one.event.received_at or one.batch.received_at for one in loading],
        "source": [one.batch.source for one in loading],
        "protocol": [one.batch.protocol for one in loading],
        "value": [_decimal(event.value) for event in events],
        "revenue": [_decimal(event.revenue) for event in events],
        "groups": [_other_groups(event) for event in events],
    }
    for name in _SAME_NAME:
        columns[name] = _take(events, name)
    _add_context(columns, loading)
    text, number, other, inexact = encoder.encode_many([event.properties for event in events])
    columns["prop_text"], columns["prop_number"], columns["prop_other"] = text, number, other
    columns["flags"] = [_flags(event, wide) for event, wide in zip(events, inexact, strict=True)]
    filled = {name: values for name, values in columns.items() if not _empty(values)}
    return filled, encoder.take_counts()


def _add_context(columns: Columns, loading: Sequence[Loading]) -> None:
    contexts = [one.event.context for one in loading]
    for column, field in _FROM_CONTEXT:
        columns[column] = _take(contexts, field)
    columns["ip"] = [one.event.context.ip or one.batch.ip for one in loading]
    columns["user_agent"] = [
        one.event.context.user_agent or one.batch.user_agent for one in loading
    ]
    _add_agent(columns, loading, contexts)
    _add_place(columns, contexts)


def _add_agent(columns: Columns, loading: Sequence[Loading], contexts: Sequence[Context]) -> None:
    raw = [
        # A server's own user agent describes the customer's machine, not the person.
        one.event.context.user_agent or (None if one.batch.server_side else one.batch.user_agent)
        for one in loading
    ]
    known = {text: user_agent(text) for text in set(raw)}
    agents = [known[text] for text in raw]
    for field in _FROM_AGENT:
        said = _take(contexts, field)
        # What the client says of itself goes before what its user agent tells.
        columns[field] = (
            [one or found for one, found in zip(said, _take(agents, field), strict=True)]
            if len(known) > 1 or None not in known
            else said
        )
    columns["is_bot"] = [
        agent.is_bot or "bot" in one.event.flags for agent, one in zip(agents, loading, strict=True)
    ]


def _add_place(columns: Columns, contexts: Sequence[Context]) -> None:
    # A load sees the same few addresses again and again: each distinct one is taken apart once.
    urls = columns["page_url"]
    parts = {url: page_parts(url) if url else (None, None) for url in set(urls)}
    hosts = [
        context.page_host or parts[url][0] for context, url in zip(contexts, urls, strict=True)
    ]
    paths = [
        context.page_path or parts[url][1] for context, url in zip(contexts, urls, strict=True)
    ]
    referrers = columns["referrer"]
    sources = {text: referrer_host(text) if text else None for text in set(referrers)}
    ways = list(
        zip(
            [sources[text] for text in referrers],
            hosts,
            columns["utm_source"],
            columns["utm_medium"],
            _take(contexts, "click_id"),
            [bool(path) for path in paths],
            strict=True,
        )
    )
    channels = {way: _channel(*way) for way in set(ways)}
    columns["host"], columns["path"] = hosts, paths
    columns["referrer_host"] = [way[0] for way in ways]
    columns["channel"] = [channels[way] for way in ways]


def _channel(
    source: str | None,
    host: str | None,
    utm_source: str | None,
    utm_medium: str | None,
    click_id: str | None,
    has_path: bool,
) -> str | None:
    """Return how somebody came; None for an event that is not of a page and names no source."""
    if not (has_path or source or utm_source or utm_medium):
        return None
    return channel(source, host, utm_source=utm_source, utm_medium=utm_medium, click_id=click_id)


def _other_groups(event: Event) -> str | None:
    if not event.groups or (len(event.groups) == 1 and "account" in event.groups):
        return None
    others = {kind: name for kind, name in event.groups.items() if kind != "account"}
    return msgspec.json.encode(others).decode()


def _flags(event: Event, inexact: bool) -> str | None:
    flags = (*event.flags, "inexact_number") if inexact else event.flags
    return ",".join(flags) or None


def _decimal(number: Any) -> str | None:
    return None if number is None else format(number, "f")


def _take(items: Iterable[Any], field: str) -> list[Any]:
    getter: Callable[[Any], Any] = attrgetter(field)
    return list(map(getter, items))


def _empty(values: list[Any]) -> bool:
    return values[0] is None and values.count(None) == len(values)


def columns_of(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Columns:
    """Turn rows into named columns; no rows give no columns."""
    if not rows:
        return {}
    return {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
