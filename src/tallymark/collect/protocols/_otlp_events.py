"""What a span, a log record or a metric point is as an event.

A span's id is its own; records and points have none, so theirs is made from what they say: the same
export sent twice counts once. Of a metric only the points of a delta sum have a ``value``, because
only those may be added up: a cumulative sum repeats what it said before, and is kept with its stream,
start and monotonicity so that usage can be taken as differences.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from tallymark.core.errors import Refused
from tallymark.core.event import Command, Event
from tallymark.core.policy import Policy

from ._checks import Terms
from ._foreign import Told, event, profile, source
from ._otlp_attributes import Resource, Whose, read_attributes, read_resource
from ._otlp_items import Item, Signal, decimal, integer
from ._values import amount, as_json, content_id, mapping, sequence, text

NAMESPACE: Final = "otlp"
_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_TEMPORALITIES: Final = {1: "delta", 2: "cumulative"}
_STATUSES: Final = {1: "ok", 2: "error"}
_SEVERITIES: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_HEX_ID = re.compile(r"[0-9a-fA-F]{1,64}\Z")
_NO_VALUE: Final = 1
_NANOS: Final = 1_000
_MOST_LISTED: Final = 20
_LONGEST_LINE: Final = 300
# What differs from line to line of one kind; without it every line would be an event of its own name.
_QUOTED = re.compile(r"""(["'])[^"']*\1""")
_VARIABLE = re.compile(r"[0-9@/]")


class Reading(Struct, frozen=True):
    """What the items of one export are read by.

    ``told`` are the profiles it has told already, ``resources`` those it has read, by their place in
    memory: items that came under one resource share it.
    """

    signal: Signal
    terms: Terms
    policy: Policy
    told: set[str]
    resources: dict[int, Resource]


def read_item(item: Item, reading: Reading) -> list[Event | Command]:
    """Return what an item gives: an event, and what it tells of its user; nothing for no value.

    Raises Refused for what cannot be read.
    """
    if not isinstance(item, dict):
        raise Refused("There is something that is no object.", code="BAD_FIELD")
    given, resource = item.get("attributes"), item.get("resource")
    if not isinstance(given, dict) or not isinstance(resource, dict):
        raise Refused("The attributes are no list of them.", code="BAD_FIELD", path="attributes")
    known = reading.resources.get(id(resource))
    if known is None:
        known = reading.resources[id(resource)] = read_resource(resource)
    found = _TELL[reading.signal](_About(item, given, known, reading.policy))
    if found is None:
        return []
    told, who = found
    made = event(told, reading.terms)
    return [made, *_profile(who, made, reading)] if who.profile else [made]


def own_id(item: dict[str, Any]) -> tuple[str, str | None]:
    """Return the namespace and the id of an item; only spans name one, and log records their span's."""
    return NAMESPACE, _span_id(item, _hex(item.get("traceId")), _hex(item.get("spanId")))


class _About(Struct, frozen=True):
    item: dict[str, Any]
    given: dict[str, Any]
    resource: Resource
    policy: Policy

    @property
    def scope(self) -> dict[str, Any]:
        return mapping(self.item.get("scope"))


def _span(about: _About) -> tuple[Told, Whose]:
    item = about.item
    kind = _kind(item.get("kind"))
    start, end = integer(item.get("startTimeUnixNano")), integer(item.get("endTimeUnixNano"))
    trace, span = _hex(item.get("traceId")), _hex(item.get("spanId"))
    status = mapping(item.get("status"))
    properties: dict[str, Any] = {
        "span.kind": kind,
        "span.status": _STATUSES.get(integer(status.get("code")) or 0),
        "span.status_message": text(status.get("message")),
        "span.links": len(sequence(item.get("links"))) or None,
        "trace_id": trace,
        "span_id": span,
        "parent_span_id": _hex(item.get("parentSpanId")),
        "duration_ms": _milliseconds(end - start) if start and end and end >= start else None,
    }
    if item.get("events"):
        about = _with_exception(about)
        properties["span.events"] = _names(item["events"])
    found = _span_id(item, trace, span)
    return _told(
        about,
        name=_name(item),
        kind="span",
        # A span without ids of its own is told apart by all that it says.
        id=found or (content_id("span", item) if start or end else None),
        time=end or start,
        properties=properties,
        is_served=kind == "server",
    )


def _log(about: _About) -> tuple[Told, Whose]:
    item, given = about.item, about.given
    own, observed = integer(item.get("timeUnixNano")), integer(item.get("observedTimeUnixNano"))
    severity = _severity(item)
    body = item.get("body")
    name = text(item.get("eventName")) or text(given.get("event.name"))
    trace, span = _hex(item.get("traceId")), _hex(item.get("spanId"))
    has_error = "exception.type" in given or "exception.message" in given
    properties = {
        "severity": severity,
        "body": body if body not in ("", None) else None,
        "trace_id": trace,
        "span_id": span,
    }
    said = [about.resource.given, body, given, item.get("severityNumber"), name, trace, span]
    return _told(
        about,
        name=name or _line(severity, body),
        kind="exception" if has_error else "log",
        id=content_id("log", own or observed, said) if own or observed else None,
        time=own or observed,
        properties=properties,
    )


def _point(about: _About) -> tuple[Told, Whose] | None:
    item = about.item
    if (integer(item.get("flags")) or 0) & _NO_VALUE:
        return None
    name, unit = _name(item), text(item.get("unit"))
    start, time = integer(item.get("startTimeUnixNano")), integer(item.get("timeUnixNano"))
    temporality = _temporality(item.get("aggregationTemporality"))
    kind = text(item.get("metric"))
    stream = content_id("stream", about.resource.given, about.scope, name, about.given)
    value = _value(item) if kind in ("sum", "gauge") else None
    if kind in ("sum", "gauge") and value is None:
        raise Refused("The point has no finite value.", code="VALUE_NOT_NUMERIC", path="value")
    properties = {
        **_figures(item),
        "metric.type": kind,
        "metric.unit": unit,
        "metric.temporality": temporality,
        "metric.monotonic": bool(item.get("isMonotonic")) if kind == "sum" else None,
        "metric.stream": stream,
        "metric.start_ns": start or None,
        "metric.time_ns": time or None,
        "metric.value": value,
    }
    adds_up = kind == "sum" and temporality == "delta"
    metered, flags = _metered(value) if adds_up else (None, ())
    return _told(
        about,
        name=name,
        kind="metric",
        id=content_id("point", stream, start or 0, time) if time else None,
        time=time,
        properties=properties,
        value=metered,
        unit=unit if unit and len(unit.encode()) <= _LONGEST_LINE else None,
        flags=flags,
    )


_TELL: Final[dict[Signal, Callable[[_About], tuple[Told, Whose] | None]]] = {
    "traces": _span,
    "metrics": _point,
    "logs": _log,
}


def _told(
    about: _About,
    *,
    time: int | None,
    properties: dict[str, Any],
    is_served: bool = False,
    **rest: Any,
) -> tuple[Told, Whose]:
    read = read_attributes(about.given, about.resource, about.policy, is_served=is_served)
    kept, who = read.properties, read.whose
    if scope := text(about.scope.get("name")):
        kept["otel.scope.name"] = scope
    for name, value in properties.items():
        if value is not None:
            kept[name] = value
    return Told(
        namespace=NAMESPACE,
        time=time // _NANOS if time else None,
        user_id=who.user_id,
        anonymous_id=who.anonymous_id,
        session_id=who.session_id,
        groups={"account": who.account} if who.account else {},
        properties=kept,
        context=read.context,
        **rest,
    ), who


def _profile(who: Whose, made: Event, reading: Reading) -> list[Command]:
    """Return what is told of the user, once an export: a trace says it on every span."""
    if made.user_id is None:
        return []
    key = as_json([made.user_id, who.profile])
    if key in reading.told:
        return []
    reading.told.add(key)
    by = source(reading.terms, NAMESPACE, made.id, made.time_client)
    return profile(by, "set", ("user", made.user_id), who.profile, reading.terms)


def _with_exception(about: _About) -> _About:
    """Return the same with the last exception that the span recorded, as attributes."""
    thrown = [
        told
        for one in sequence(about.item.get("events"))
        if mapping(one).get("name") == "exception" and (told := mapping(one.get("attributes")))
    ]
    if not thrown:
        return about
    last = {name: value for name, value in thrown[-1].items() if name.startswith("exception.")}
    given = {**about.given, **last, "exception.count": len(thrown)}
    return _About(about.item, given, about.resource, about.policy)


def _names(events: Any) -> list[str] | None:
    names = (text(mapping(one).get("name")) for one in sequence(events))
    return [name for name in names if name and name != "exception"][:_MOST_LISTED] or None


def _name(item: dict[str, Any]) -> str:
    name = text(item.get("name"))
    if name is None:
        raise Refused("There is no name.", code="NAME_INVALID", path="name")
    return name


def _kind(given: Any) -> str:
    number = given if type(given) is int else integer(given)
    if number is None and isinstance(given, str):
        name = given.removeprefix("SPAN_KIND_").lower()
        return name if name in _KINDS else _KINDS[0]
    return _KINDS[number] if number is not None and 0 <= number < len(_KINDS) else _KINDS[0]


def _temporality(given: Any) -> str | None:
    number = integer(given)
    if number is None and isinstance(given, str):
        name = given.removeprefix("AGGREGATION_TEMPORALITY_").lower()
        return name if name in _TEMPORALITIES.values() else None
    return _TEMPORALITIES.get(number or 0)


def _severity(item: dict[str, Any]) -> str | None:
    number = integer(item.get("severityNumber")) or 0
    if 1 <= number <= 24:
        return _SEVERITIES[(number - 1) // 4]
    return text(item.get("severityText"))


def _line(severity: str | None, body: Any) -> str:
    """Return a name for lines of one kind: severity and body, with ``*`` for what varies in it."""
    # A structured body has no line; its fields are in the properties.
    first = body.strip().partition("\n")[0][:_LONGEST_LINE] if isinstance(body, str) else ""
    words = _QUOTED.sub("*", first).split()
    shown = ("*" if _VARIABLE.search(word) else word for word in words)
    return " ".join((severity or "LOG", *shown))


def _span_id(item: dict[str, Any], trace: str | None, span: str | None) -> str | None:
    return f"{trace}-{span}" if trace and span and "endTimeUnixNano" in item else None


def _hex(given: Any) -> str | None:
    """Return an id in small letters; None for none, or one of zeros, which OTLP calls invalid."""
    if not isinstance(given, str) or not _HEX_ID.match(given):
        return None
    return given.lower() if given.strip("0") else None


def _milliseconds(nanos: int) -> Decimal:
    return Decimal(nanos).scaleb(-6)


def _value(item: dict[str, Any]) -> int | Decimal | None:
    if (whole := integer(item.get("asInt"))) is not None:
        return whole
    return decimal(item.get("asDouble"))


def _metered(value: int | Decimal | None) -> tuple[Decimal | None, tuple[str, ...]]:
    """Return what is added up, nine digits after the point, with a flag where it cannot be."""
    found = amount(value)
    return found, ("value_too_large",) if found is None else ()


def _figures(item: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a histogram or summary, each as what it is or not at all."""
    return {
        "metric.count": integer(item.get("count")),
        "metric.sum": decimal(item.get("sum")),
        "metric.min": decimal(item.get("min")),
        "metric.max": decimal(item.get("max")),
        "metric.bucket_counts": [integer(one) for one in sequence(item.get("bucketCounts"))]
        or None,
        "metric.bounds": [decimal(one) for one in sequence(item.get("explicitBounds"))] or None,
        "metric.scale": integer(item.get("scale")),
        "metric.zero_count": integer(item.get("zeroCount")),
        "metric.positive": _buckets(item.get("positive")),
        "metric.negative": _buckets(item.get("negative")),
        "metric.quantiles": _quantiles(item.get("quantileValues")),
    }


def _buckets(given: Any) -> dict[str, Any] | None:
    counts = [integer(one) for one in sequence(mapping(given).get("bucketCounts"))]
    return (
        {"offset": integer(mapping(given).get("offset")) or 0, "counts": counts} if counts else None
    )


def _quantiles(given: Any) -> list[dict[str, Any]] | None:
    pairs = [mapping(one) for one in sequence(given)]
    return [
        {"quantile": decimal(one.get("quantile")), "value": decimal(one.get("value"))}
        for one in pairs
    ] or None
