"""What an OTLP export holds, in either encoding: one plain object for each span, log record or point.

An object has the names of OTLP's JSON, with the resource and scope it came under: ids are hex, times
are whole nanoseconds, doubles are ``Decimal`` of their shortest text, attributes are plain objects.

What a model was told and what it said is left out here, as are stack traces and headers that hold
keys, so that not even an item that is set aside keeps it.
"""

import base64
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache, lru_cache, partial
from math import isfinite
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from tallymark.collect.loose import number
from tallymark.core.errors import Refused
from tallymark.core.settings import Settings

from ._otlp_frames import TO_ITEMS, TO_POINTS, check_frames, each_alone
from ._values import without

Signal: TypeAlias = Literal["traces", "metrics", "logs"]
Item: TypeAlias = Any

# Events may be nested eight deep at most; what is below this is refused whatever it is.
DEEPEST: Final = 20
MOST_ATTRIBUTES: Final = 1_000
_LONGEST_NUMBER: Final = 400
_CONTENT_EVENTS: Final = "gen_ai."
_UNKEPT = re.compile(
    r"gen_ai\.(?:input\.messages|output\.messages|system_instructions|tool\.definitions"
    r"|tool\.call\.(?:arguments|result)|retrieval\.(?:query\.text|documents)"
    r"|evaluation\.explanation|event\.content|(?:prompt|completion)(?:\.\d.*)?)"
    r"|llm\.(?:prompts|completions|input_messages|output_messages)(?:\..*)?"
    r"|exception\.stacktrace|traceloop\.entity\.(?:input|output)|(?:input|output)\.value"
    r"|http\.re(?:quest|sponse)\.header\.(?:authorization|proxy[-_]authorization|(?:set[-_])?cookie"
    r"|x[-_]api[-_]key|x[-_]forwarded[-_]for|x[-_]real[-_]ip|forwarded)",
    re.DOTALL,
)


class Unread(Struct, frozen=True):
    """An item of that many bytes of which nothing can be kept, and why."""

    code: str
    bytes: int


def from_protobuf(signal: Signal, body: bytes, settings: Settings) -> list[Item]:
    """Return the items of a protobuf export; raises Refused PROTO_SYNTAX, and BATCH_TOO_LONG."""
    check_frames(body, TO_POINTS if signal == "metrics" else TO_ITEMS, settings.max_batch_events)
    # Imported at the first export in protobuf: half of the servers never see one.
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    try:
        return _parsed(signal, body, settings)
    except DecodeError:
        items: list[Item] = []
    for piece in each_alone(body):
        try:
            items += _parsed(signal, piece, settings)
        except DecodeError:
            items.append(Unread("PROTO_SYNTAX", len(piece)))
        check_count(items, settings.max_batch_events)
    if all(isinstance(item, Unread) for item in items):
        raise Refused("The body is no OTLP export in protobuf.", code="PROTO_SYNTAX")
    return items


def _parsed(signal: Signal, body: bytes, settings: Settings) -> list[Item]:
    export = _messages()[signal]()
    export.ParseFromString(body)
    items: list[Item] = []
    limit = settings.max_event_bytes if len(body) > settings.max_event_bytes else None
    for raw, item in _READ[signal](export):
        is_large = limit is not None and raw.ByteSize() > limit
        items.append(Unread("EVENT_TOO_LARGE", raw.ByteSize()) if is_large else item())
        check_count(items, settings.max_batch_events)
    return items


@lru_cache(maxsize=4096)
def is_unkept(name: str) -> bool:
    """Return whether an attribute holds messages of a model, code of a program or a key."""
    return _UNKEPT.fullmatch(name) is not None


def without_messages(record: dict[str, Any]) -> dict[str, Any]:
    """Return a log record; the body of an event about a model is what it said."""
    told = record.get("attributes")
    name = record.get("eventName") or (told.get("event.name") if isinstance(told, dict) else None)
    return (
        without(record, "body")
        if isinstance(name, str) and name.startswith(_CONTENT_EVENTS)
        else record
    )


@cache
def _messages() -> dict[Signal, Any]:
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: PLC0415
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: PLC0415
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415

    return {
        "traces": trace_service_pb2.ExportTraceServiceRequest,
        "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
        "logs": logs_service_pb2.ExportLogsServiceRequest,
    }


def check_count(items: list[Item], most: int) -> None:
    """Raise Refused BATCH_TOO_LONG for more items than one request may bring."""
    if len(items) > most:
        raise Refused(f"The export holds more than {most} items.", code="BATCH_TOO_LONG")


# Protobuf


_Reader: TypeAlias = Callable[[Any], Iterator[tuple[Any, Callable[[], dict[str, Any]]]]]
"""Gives each message of an export with what reads it."""


def _traces(export: Any) -> Iterator[tuple[Any, Callable[[], dict[str, Any]]]]:
    for resource in export.resource_spans:
        for scope in resource.scope_spans:
            around = _around(resource, scope)
            for span in scope.spans:
                yield span, partial(_span, span, around)


def _logs(export: Any) -> Iterator[tuple[Any, Callable[[], dict[str, Any]]]]:
    for resource in export.resource_logs:
        for scope in resource.scope_logs:
            around = _around(resource, scope)
            for record in scope.log_records:
                yield record, partial(_log, record, around)


def _metrics(export: Any) -> Iterator[tuple[Any, Callable[[], dict[str, Any]]]]:
    for resource in export.resource_metrics:
        for scope in resource.scope_metrics:
            around = _around(resource, scope)
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                if kind is not None:
                    about = {**_metric(metric, kind), **around}
                    for point in getattr(metric, kind).data_points:
                        yield point, partial(_point, kind, point, about)


_READ: Final[dict[Signal, _Reader]] = {"traces": _traces, "metrics": _metrics, "logs": _logs}


def _around(resource: Any, scope: Any) -> dict[str, Any]:
    return {
        "resource": _attributes(resource.resource.attributes),
        "scope": {
            "name": _plain(scope.scope.name) or None,
            "version": _plain(scope.scope.version) or None,
        },
    }


def _span(span: Any, around: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        **around,
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "name": _plain(span.name),
        "kind": span.kind,
        "startTimeUnixNano": span.start_time_unix_nano,
        "endTimeUnixNano": span.end_time_unix_nano,
        "attributes": _attributes(span.attributes),
        "status": {"code": span.status.code, "message": _plain(span.status.message)},
    }
    if span.events:
        found["events"] = [
            {"name": _plain(one.name), "attributes": _attributes(one.attributes)}
            for one in span.events[:MOST_ATTRIBUTES]
        ]
    if span.links:
        found["links"] = [{"traceId": one.trace_id.hex()} for one in span.links[:MOST_ATTRIBUTES]]
    return found


def _log(record: Any, around: dict[str, Any]) -> dict[str, Any]:
    found = {
        **around,
        "timeUnixNano": record.time_unix_nano,
        "observedTimeUnixNano": record.observed_time_unix_nano,
        "severityNumber": record.severity_number,
        "severityText": _plain(record.severity_text),
        "eventName": _plain(record.event_name),
        "body": _value(record.body),
        "attributes": _attributes(record.attributes),
        "traceId": record.trace_id.hex(),
        "spanId": record.span_id.hex(),
    }
    return without_messages(found)


def _metric(metric: Any, kind: str) -> dict[str, Any]:
    data = getattr(metric, kind)
    return {
        "name": _plain(metric.name),
        "unit": _plain(metric.unit),
        "metric": "exponentialHistogram" if kind == "exponential_histogram" else kind,
        "aggregationTemporality": getattr(data, "aggregation_temporality", 0),
        "isMonotonic": getattr(data, "is_monotonic", False),
    }


def _point(kind: str, point: Any, about: dict[str, Any]) -> dict[str, Any]:
    return {
        **about,
        "attributes": _attributes(point.attributes),
        "startTimeUnixNano": point.start_time_unix_nano,
        "timeUnixNano": point.time_unix_nano,
        "flags": point.flags,
        **_figures(kind, point),
    }


def _figures(kind: str, point: Any) -> dict[str, Any]:
    if kind in ("sum", "gauge"):
        which = point.WhichOneof("value")
        if which is None:
            return {}
        return (
            {"asInt": point.as_int} if which == "as_int" else {"asDouble": _double(point.as_double)}
        )
    found: dict[str, Any] = {"count": point.count}
    if kind == "summary":
        quantiles = point.quantile_values[:MOST_ATTRIBUTES]
        found["quantileValues"] = [
            {"quantile": _double(one.quantile), "value": _double(one.value)} for one in quantiles
        ]
        return {**found, "sum": _double(point.sum)}
    for name in ("sum", "min", "max"):
        if point.HasField(name):
            found[name] = _double(getattr(point, name))
    if kind == "histogram":
        found["bucketCounts"] = list(point.bucket_counts)
        found["explicitBounds"] = [_double(one) for one in point.explicit_bounds]
        return found
    return found | {
        "scale": point.scale,
        "zeroCount": point.zero_count,
        "positive": _buckets(point.positive),
        "negative": _buckets(point.negative),
    }


def _buckets(buckets: Any) -> dict[str, Any]:
    return {"offset": buckets.offset, "bucketCounts": list(buckets.bucket_counts)}


def _attributes(pairs: Any) -> dict[str, Any]:
    return {
        _plain(one.key): _value(one.value)
        for one in pairs[:MOST_ATTRIBUTES]
        if not is_unkept(one.key)
    }


def _value(value: Any, depth: int = 0) -> Any:
    """Return what an AnyValue stands for; bytes are Base64 as they are in JSON."""
    which = value.WhichOneof("value")
    read = _FROM_PROTOBUF.get(which or "")
    return read(getattr(value, which), depth + 1) if read and depth < DEEPEST else None


# What refers to a table of texts, as profiles do, tells nothing here and is not read.
_FROM_PROTOBUF: Final[dict[str, Callable[[Any, int], Any]]] = {
    "string_value": lambda given, _: _plain(given),
    "bool_value": lambda given, _: given,
    "int_value": lambda given, _: given,
    "double_value": lambda given, _: _double(given),
    "bytes_value": lambda given, _: base64.b64encode(given).decode(),
    "array_value": lambda given, depth: [_value(one, depth) for one in given.values],
    "kvlist_value": lambda given, depth: {
        _plain(one.key): _value(one.value, depth) for one in given.values
    },
}


def _double(given: float) -> Decimal | None:
    return number(repr(given)) if isfinite(given) else None


def _plain(given: str) -> str:
    return given.replace("\0", "") if "\0" in given else given


def integer(given: Any) -> int | None:
    """Return a whole number, which JSON may hold as text; None for anything else."""
    if type(given) is str and given.isdecimal() and len(given) <= 20:
        return int(given)
    if isinstance(given, bool):
        return None
    if isinstance(given, int):
        return given
    if isinstance(given, Decimal) and given == given.to_integral_value() and abs(given) < 2**64:
        return int(given)
    if isinstance(given, str) and len(given) <= 20 and given.removeprefix("-").isdecimal():
        return int(given)
    return None


def decimal(given: Any) -> int | Decimal | None:
    """Return a number, which JSON may hold as text; None for anything else or what is not finite."""
    if isinstance(given, str) and len(given) <= _LONGEST_NUMBER:
        return number(given.strip())
    is_number = isinstance(given, int | Decimal) and not isinstance(given, bool)
    return given if is_number else None
