"""OTLP: both encodings, both generations of names, and what is never kept."""

import gzip
import json
import tracemalloc
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tallymark.collect.batch import Origin, batch_of
from tallymark.collect.protocol import Caller, Decoded, KeyKind, Reply, Request
from tallymark.collect.protocols._otlp_frames import TO_POINTS, check_frames, each_alone
from tallymark.collect.protocols.otlp import credential, decode, otlp, read, refuse, reply
from tallymark.core.clock import SystemClock
from tallymark.core.errors import Refused, TallymarkError, Unavailable
from tallymark.core.event import Event
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings

NOW = 1_790_000_000_000_000
NANOS = NOW * 1000
LIMITS = Settings(max_batch_events=5)
PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}


def opened(
    signal: str, body: Any, headers: dict[str, str] | None = None, settings: Settings = LIMITS
) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    chosen = (PROTOBUF if isinstance(body, bytes) else JSON) if headers is None else headers
    request = Request("POST", f"/v1/{signal}", "", chosen, raw, "203.0.113.9", NOW)
    return structs.replace(request, content=read(request, settings))


def taken(
    signal: str,
    body: Any,
    kind: KeyKind = "secret",
    settings: Settings = LIMITS,
    headers: dict[str, str] | None = None,
) -> tuple[Decoded, Reply]:
    request = opened(signal, body, headers, settings)
    decoded = decode(request, Caller("p", kind, "k"), settings)
    return decoded, reply(decoded, request)


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    return [{"key": key, "value": {kinds[type(v)]: v}} for key, v in attributes.items()]


def spans(*given: dict[str, Any], resource: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": pairs(resource or {})},
                "scopeSpans": [{"spans": list(given)}],
            }
        ]
    }


def span(attributes: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    always = {"traceId": "aa", "spanId": "bb", "name": "work", "endTimeUnixNano": str(NANOS)}
    return {**always, "attributes": pairs(attributes or {}), **fields}


def logs(*given: dict[str, Any]) -> dict[str, Any]:
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": list(given)}]}]}


def metric(**given: Any) -> dict[str, Any]:
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", **given}]}]}]}


def nested(number: int, content: bytes) -> bytes:
    """Return a message as a field of another one."""
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def one(signal: str, body: Any, kind: KeyKind = "secret") -> Event:
    decoded, _ = taken(signal, body, kind)
    assert decoded.failed == []
    (event,) = decoded.events
    return event


def test_messages_to_and_from_a_model_are_kept_nowhere() -> None:
    secret = {
        "gen_ai.input.messages": "SECRET", "gen_ai.prompt.0.content": "SECRET",
        "gen_ai.completion": "SECRET", "gen_ai.tool.call.arguments": "SECRET",
        "llm.prompts.0": "SECRET", "exception.stacktrace": "SECRET", "http.request.header.cookie": "SECRET",
    }  # fmt: skip
    known = {"gen_ai.request.model": "m", "gen_ai.prompt.name": "greeting"}
    talked = {"name": "gen_ai.content.prompt", "attributes": pairs(secret)}

    decoded, _ = taken(
        "traces", spans(span(secret | known, events=[talked]), span(secret, name=""))
    )
    said, _ = taken(
        "logs",
        logs(
            {
                "eventName": "gen_ai.user.message",
                "timeUnixNano": NANOS,
                "body": {"kvlistValue": {"values": pairs({"content": "SECRET"})}},
            }
        ),
    )

    assert len(decoded.failed) == len(decoded.events) == 1
    assert decoded.events[0].properties.items() >= known.items()
    assert "SECRET" not in str(decoded) + str(said)
    assert said.events[0].name == "gen_ai.user.message"


def test_what_is_set_aside_keeps_no_address_or_query() -> None:
    given = {
        "client.address": "203.0.113.77", "user_agent.original": "Agent/1",
        "url.full": "https://a.example/p?q=hidden", "url.query": "q=hidden",
    }  # fmt: skip
    decoded, _ = taken("traces", spans(span(given, name="")))

    caller = Caller("p", "secret", "k", Policy())
    batch = batch_of(decoded, caller, Origin("otlp", NOW), clock=SystemClock()).batch

    (failed,) = batch.failed
    for hidden in (b"203.0.113.77", b"Agent/1", b"hidden"):
        assert hidden not in failed.raw
    assert b"https://a.example/p" in failed.raw


def test_a_call_that_was_made_is_no_page_and_loses_its_query() -> None:
    given = {
        "url.full": "https://user:pw@api.example/v1?token=hidden",
        "http.request.method": "GET",
    }

    event = one("traces", spans(span(given, kind=3)))

    assert event.properties["url.full"] == "https://api.example/v1"
    assert event.context.page_url is None


def test_of_two_generations_of_a_name_the_newer_holds() -> None:
    given = {"http.method": "OLD", "http.request.method": "NEW", "http.host": "[::1]:80"}

    event = one("traces", spans(span(given)))

    assert event.properties["http.request.method"] == "NEW"
    assert event.properties["server.address"] == "[::1]"
    assert "http.method" not in event.properties


@pytest.mark.parametrize(
    ("given", "user", "anonymous", "account"),
    [
        ({"user.id": "ana", "enduser.id": "other"}, "ana", None, None),
        ({"enduser.id": 7, "device.id": "d"}, "7", "d", None),
        ({"enduser.pseudo.id": "p", "device.id": "d"}, None, "p", None),
        ({"customer.id": "c", "tenant.id": "t"}, None, None, "t"),
        ({"user.id": "undefined", "account.id": 9}, None, None, "9"),
    ],
)
def test_who_took_part_is_told_by_whichever_attribute_is_there(
    given: dict[str, Any], user: str | None, anonymous: str | None, account: str | None
) -> None:
    event = one("traces", spans(span(given)))

    assert (event.user_id, event.anonymous_id) == (user, anonymous)
    assert event.groups.get("account") == account


def test_a_profile_is_told_once_an_export() -> None:
    given = {"user.id": "ana", "user.email": "ana@a.example"}

    decoded, _ = taken("traces", spans(*(span(given, spanId=f"b{n}") for n in range(3))))

    (profile,) = decoded.commands
    assert (profile.subject, profile.properties) == ("ana", {"email": "ana@a.example"})  # type: ignore[union-attr]
    assert all("user.email" not in event.properties for event in decoded.events)


def test_a_span_without_ids_of_its_own_is_one_span_however_often_it_is_sent() -> None:
    zeros = spans(span(traceId="0" * 32, spanId="0" * 16))

    first, second = one("traces", zeros), one("traces", zeros)

    assert first.id == second.id
    assert "trace_id" not in first.properties


def test_equal_records_of_another_instant_are_two_and_of_the_same_are_one() -> None:
    record = {"body": {"stringValue": "hello"}, "observedTimeUnixNano": str(NANOS)}
    later = {**record, "observedTimeUnixNano": str(NANOS + 1)}

    first, same, other = (one("logs", logs(given)) for given in (record, record, later))

    assert first.id == same.id != other.id
    assert first.time == NOW


def test_a_record_without_any_time_never_takes_another_for_itself() -> None:
    record = {"body": {"stringValue": "hello"}}

    first, second = one("logs", logs(record)), one("logs", logs(record))

    assert first.id != second.id
    assert first.flags == ("no_id",)
    assert first.time_rule == "received"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("order 17 of ana@a.example paid", "WARN order * of * paid"),
        ("cannot open '/etc/x y' at 12:00", "WARN cannot open * at *"),
        ("two\nlines", "WARN two"),
        ("", "WARN"),
    ],
)
def test_lines_that_differ_in_figures_and_names_have_one_name(body: str, name: str) -> None:
    record = {"body": {"stringValue": body}, "severityNumber": 14, "timeUnixNano": NANOS}

    assert one("logs", logs(record)).name == name


def test_hostile_lines_are_named_in_time_that_grows_with_their_length_only() -> None:
    lines = ["'" * 300, "a" * 300, '"a' * 150, "/" * 300]
    records = [
        {"body": {"stringValue": line}, "timeUnixNano": NANOS + n} for n, line in enumerate(lines)
    ]

    decoded, _ = taken("logs", logs(*records))

    assert len(decoded.events) == 4


def test_a_double_is_the_number_it_shows_and_a_meter_rounds_it_to_nine_places() -> None:
    body = ExportMetricsServiceRequest()
    found = body.resource_metrics.add().scope_metrics.add().metrics.add(name="m", unit="GB")
    found.sum.aggregation_temporality = 1
    found.sum.data_points.add(as_double=0.1 + 0.2, time_unix_nano=NANOS)

    event = one("metrics", body.SerializeToString())

    assert event.properties["metric.value"] == Decimal("0.30000000000000004")
    assert (event.value, event.unit) == (Decimal("0.300000000"), "GB")


def test_a_sum_too_large_to_be_added_up_is_kept_and_says_so() -> None:
    point = {"asDouble": 1e300, "timeUnixNano": str(NANOS)}

    event = one("metrics", metric(sum={"aggregationTemporality": 1, "dataPoints": [point]}))

    assert (event.value, event.flags) == (None, ("value_too_large",))
    assert event.properties["metric.value"] == Decimal("1e300")


def test_only_what_adds_up_is_metered_and_only_with_a_secret_key() -> None:
    point = {"asInt": "9007199254740993", "timeUnixNano": str(NANOS)}
    delta = metric(sum={"aggregationTemporality": 1, "dataPoints": [point]})
    total = metric(sum={"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [point]})
    gauge = metric(gauge={"dataPoints": [point]})

    assert one("metrics", delta).value == Decimal(9007199254740993)
    assert one("metrics", delta, "public").value is None
    for body in (total, gauge):
        event = one("metrics", body)
        assert event.value is None
        assert event.properties["metric.value"] == 9007199254740993


def test_points_of_one_stream_share_its_name_and_differ_by_their_time() -> None:
    def at(attributes: dict[str, Any], time: int) -> dict[str, Any]:
        return {"asInt": 1, "timeUnixNano": time, "attributes": pairs(attributes)}

    body = metric(
        gauge={"dataPoints": [at({"a": 1, "b": 2}, 5), at({"b": 2, "a": 1}, 6), at({"a": 2}, 5)]}
    )

    decoded, _ = taken("metrics", body)

    streams = [event.properties["metric.stream"] for event in decoded.events]
    assert streams[0] == streams[1] != streams[2]
    assert len({event.id for event in decoded.events}) == 3


def test_every_kind_of_metric_keeps_its_figures() -> None:
    body = ExportMetricsServiceRequest()
    metrics = body.resource_metrics.add().scope_metrics.add().metrics
    wide = metrics.add(name="wide").exponential_histogram.data_points.add(
        count=4, sum=2.5, scale=-1, zero_count=1, time_unix_nano=NANOS
    )
    wide.positive.offset = 2
    wide.positive.bucket_counts.extend([1, 2])
    summary = metrics.add(name="summary").summary.data_points.add(
        count=3, sum=float("nan"), time_unix_nano=NANOS
    )
    summary.quantile_values.add(quantile=0.5, value=7.25)
    metrics.add(name="empty").gauge.data_points.add(flags=1)
    metrics.add(name="none")

    decoded, _ = taken("metrics", body.SerializeToString())

    first, second = decoded.events
    assert first.properties.items() >= {
        "metric.count": 4, "metric.sum": Decimal("2.5"), "metric.scale": -1, "metric.zero_count": 1,
        "metric.positive": {"offset": 2, "counts": [1, 2]},
    }.items()  # fmt: skip
    assert "metric.sum" not in second.properties
    assert second.properties["metric.quantiles"] == [
        {"quantile": Decimal("0.5"), "value": Decimal("7.25")}
    ]
    assert decoded.dropped == {"NOT_KEPT": 1}


def test_a_value_nested_too_deeply_costs_its_own_item_only() -> None:
    body = ExportLogsServiceRequest()
    records = body.resource_logs.add().scope_logs.add().log_records
    records.add(time_unix_nano=NANOS).body.string_value = "fine"
    deep = records.add(time_unix_nano=NANOS).body
    for _ in range(40):
        deep = deep.array_value.values.add()

    decoded, said = taken("logs", body.SerializeToString())

    assert [event.properties["body"] for event in decoded.events] == ["fine"]
    assert [item.code for item in decoded.failed] == ["JSON_DEPTH"]
    response = ExportLogsServiceResponse.FromString(said.body)
    assert response.partial_success == ExportLogsPartialSuccess(
        rejected_log_records=1, error_message="JSON_DEPTH: properties.body is nested too deeply."
    )


def test_texts_of_protobuf_lose_their_nul() -> None:
    body = ExportTraceServiceRequest()
    found = body.resource_spans.add().scope_spans.add().spans.add(name="a\0b")
    found.attributes.add(key="k\0").value.string_value = "v\0"

    event = one("traces", body.SerializeToString())

    assert event.name == "ab"
    assert event.properties["k"] == "v"


def test_json_is_known_by_its_first_byte_and_compression_without_a_header() -> None:
    raw = json.dumps(spans(span())).encode()
    packed = gzip.compress(raw)

    # A line break is also how every export in protobuf begins.
    for body, headers in ((raw, {}), (packed, JSON), (b"\n" + raw, JSON)):
        decoded, said = taken("traces", body, headers=headers)
        assert (len(decoded.events), said.body) == (1, b"{}")


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"\x0a\xff", PROTOBUF, "PROTO_SYNTAX"),
        (b"[]", JSON, "BAD_FIELD"),
        (b"{", JSON, "JSON_SYNTAX"),
        (json.dumps(spans(*[span()] * 6)).encode(), JSON, "BATCH_TOO_LONG"),
    ],
)
def test_a_body_that_is_no_export_is_refused_as_a_whole(
    body: bytes, headers: dict[str, str], code: str
) -> None:
    with pytest.raises(Refused) as caught:
        taken("traces", body, headers=headers)

    assert caught.value.code == code


def test_more_spans_than_a_request_may_bring_are_refused_in_protobuf_too() -> None:
    body = ExportTraceServiceRequest()
    found = body.resource_spans.add().scope_spans.add().spans
    for _ in range(6):
        found.add(name="x")

    with pytest.raises(Refused, match="more than 5"):
        taken("traces", body.SerializeToString())


def test_an_item_larger_than_an_event_may_be_costs_no_other() -> None:
    settings = Settings(max_event_bytes=1_500)
    in_json = spans(span(), span({"text": "x" * 2_000}, spanId="cc"))
    in_protobuf = ExportTraceServiceRequest()
    found = in_protobuf.resource_spans.add().scope_spans.add().spans
    found.add(name="small")
    found.add(name="x" * 2_000)

    for body in (in_json, in_protobuf.SerializeToString()):
        decoded, _ = taken("traces", body, settings=settings)
        assert len(decoded.events) == 1
        assert [item.code for item in decoded.failed] == ["EVENT_TOO_LARGE"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x0a\x00" * 1_000_000, id="resources"),
        pytest.param(b"\x08\x00" * 1_000_000, id="fields that mean nothing"),
        pytest.param(nested(1, nested(2, b"\x12\x00" * 1_000_000)), id="items"),
    ],
)
def test_a_body_of_many_empty_messages_is_refused_before_it_is_parsed(body: bytes) -> None:
    for signal in ("traces", "metrics", "logs"):
        tracemalloc.start()
        with pytest.raises(Refused) as caught:
            taken(signal, body, settings=Settings())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert caught.value.code == "BATCH_TOO_LONG"
        assert peak < 3_000_000


def test_a_text_that_is_no_text_costs_its_own_span_only() -> None:
    body = ExportTraceServiceRequest()
    around = body.resource_spans.add()
    around.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = around.scope_spans.add()
    scope.scope.name = "web"
    for name in ("one", "broken", "three"):
        scope.spans.add(name=name)
    broken = body.SerializeToString().replace(b"broken", b"br\xffken")

    decoded, said = taken("traces", broken)

    assert [event.name for event in decoded.events] == ["one", "three"]
    for event in decoded.events:
        assert event.context.app_name == "shop"
        assert event.properties["otel.scope.name"] == "web"
    assert [(item.code, item.index) for item in decoded.failed] == [("PROTO_SYNTAX", 1)]
    assert b"br" not in decoded.failed[0].raw
    response = ExportTraceServiceResponse.FromString(said.body)
    assert response.partial_success.rejected_spans == 1


def test_a_large_resource_is_not_repeated_without_end() -> None:
    body = ExportTraceServiceRequest()
    around = body.resource_spans.add()
    around.resource.attributes.add(key="large").value.string_value = "x" * 100_000
    for _ in range(4_000):
        around.scope_spans.add().spans.add(name="broken")
    whole = body.SerializeToString().replace(b"broken", b"br\xffken")

    pieces = sum(map(len, each_alone(whole)))

    assert pieces <= 16 * len(whole)


@given(st.binary(max_size=60))
def test_walking_frames_ends_well_on_any_bytes(body: bytes) -> None:
    with suppress(Refused):
        check_frames(body, TO_POINTS, 3)

    assert all(len(piece) > 0 for piece in each_alone(body))


def test_an_exporter_of_a_server_says_nothing_of_a_person_and_that_of_a_browser_does() -> None:
    web = {"telemetry.sdk.language": "webjs", "browser.language": "de", "browser.mobile": True}

    server, _ = taken("traces", spans(span()), "public")
    page, _ = taken("traces", spans(span(), resource=web), "public")
    collector, _ = taken("traces", spans(span(), resource=web), "secret")

    assert (server.server_side, page.server_side, collector.server_side) == (True, False, True)
    context = page.events[0].context
    assert (context.locale, context.device_type) == ("de", "mobile")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Refused("Bad.", code="BAD_FIELD"), 400, 3),
        (Unavailable("Full."), 503, 14),
        (TallymarkError("Bug."), 503, 14),
        (Refused("Who?", code="AUTH_INVALID"), 401, 16),
    ],
)
def test_a_refusal_is_a_status_in_the_encoding_of_the_request(
    error: TallymarkError, status: int, code: int
) -> None:
    json_request = Request("POST", "/v1/logs", "", JSON, b"", None, NOW)
    other = Request("POST", "/v1/logs", "", PROTOBUF, b"", None, NOW)

    in_json, in_protobuf = refuse(error, json_request), refuse(error, other)

    message = f"{error.code}: {error.message}"
    assert (in_json.status, json.loads(in_json.body)) == (
        status,
        {"code": code, "message": message},
    )
    assert in_protobuf.status == status
    size = len(message).to_bytes(1, "big")
    assert in_protobuf.body == b"\x08" + bytes([code]) + b"\x12" + size + message.encode()


def test_a_key_may_come_in_a_header_of_its_own() -> None:
    request = Request("POST", "/v1/logs", "", {"x-api-key": "pk_1"}, b"", None, NOW)

    assert credential(request) == "pk_1"
    both = structs.replace(request, headers={"x-api-key": "x", "authorization": "Bearer y"})
    assert credential(both) is None
    assert otlp.credential is credential
