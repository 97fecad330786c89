"""OpenTelemetry's own SDK and exporters for Python, against a real server."""

import json
import re
from typing import Any

import pytest
from tests.journey.flaky import Trouble, bodies, flaky
from tests.journey.sdks import DOCS, Target, run_python, snippet

TRACES = """
import sys
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

url, key, name, compression = sys.argv[1:]
provider = TracerProvider(resource=Resource.create(
    {"service.name": "shop", "service.version": "2.1", "deployment.environment.name": "prod"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(
    endpoint=url + "/v1/traces", headers={"authorization": "Bearer " + key},
    compression=Compression(compression))))
tracer = provider.get_tracer("web", "1.0")
base = 1790000000_000000000
server = tracer.start_span(name, kind=SpanKind.SERVER, start_time=base, attributes={
    "http.request.method": "GET", "http.route": "/items/{id}", "url.path": "/items/7",
    "url.query": "utm_source=mail&q=hidden", "url.scheme": "https", "server.address": "shop.example",
    "http.response.status_code": 500, "client.address": "203.0.113.7",
    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "user.id": "ana", "user.email": "ana@a.example", "session.id": "s-1", "tenant.id": "acme"})
server.record_exception(ValueError("no stock"))
model = tracer.start_span(name + " model", kind=SpanKind.CLIENT, start_time=base, attributes={
    "gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "m",
    "gen_ai.usage.prompt_tokens": 12, "gen_ai.usage.completion_tokens": 30, "gen_ai.request.temperature": 0.1,
    "gen_ai.input.messages": "never kept"})
model.end(base + 42_500_000)
server.end(base + 250_000_001)
provider.shutdown()
"""
METRICS = """
import sys
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader

url, key, name, temporality = sys.argv[1:]
reader = PeriodicExportingMetricReader(OTLPMetricExporter(
    endpoint=url + "/v1/metrics", headers={"x-api-key": key},
    preferred_temporality={Counter: AggregationTemporality[temporality]}), 10**7)
provider = MeterProvider(metric_readers=[reader])
meter = provider.get_meter("billing")
counter = meter.create_counter(name, unit="By")
for amount in (1500, 24):
    counter.add(amount, {"tenant.id": "acme"})
    counter.add(0.25, {"tenant.id": "zen"})
    provider.force_flush()
histogram = meter.create_histogram(name + ".seconds", unit="s")
histogram.record(0.25)
provider.shutdown()
"""
LOGS = """
import logging
import sys
import warnings
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

url, key, name = sys.argv[1:]
provider = LoggerProvider()
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(
    endpoint=url + "/v1/logs", headers={"authorization": "Bearer " + key})))
log = logging.getLogger("shop")
log.propagate = False
log.addHandler(LoggingHandler(logger_provider=provider))
log.setLevel("INFO")
log.info(name + " order %s paid", 17, extra={"user.id": "ana"})
try:
    1 / 0
except ZeroDivisionError:
    log.exception(name + " failed")
provider.shutdown()
"""
FROM_ENVIRONMENT = """
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
provider.get_tracer("t").start_span("from the environment").end()
provider.shutdown()
"""


def named(server: Target, prefix: str) -> list[dict[str, Any]]:
    found = [event for event in server.events() if prefix in event["event"]]
    return sorted(found, key=lambda event: (event["event"], event["time"]))


def test_the_python_of_the_how_to_page_is_stored_as_the_page_says(server: Target) -> None:
    run_python(snippet("from-opentelemetry.md", "python", server))

    (event,) = named(server, "GET /items/{id}")
    assert (event["kind"], event["user_id"], event["account"]) == ("span", "ana", "acme")
    assert event["properties"]["http.route"] == "/items/{id}"
    assert event["properties"]["service.name"] == "shop"
    assert event["context"]["protocol"] == "otlp"


def test_the_environment_of_the_how_to_page_suffices(server: Target) -> None:
    lines = snippet("from-opentelemetry.md", "sh", server)
    pairs = dict(re.findall(r'^export (\w+)="?([^"\n]*)"?$', lines, re.MULTILINE))
    assert len(pairs) == 4

    run_python(f"import os\nos.environ.update({pairs!r})\n{FROM_ENVIRONMENT}")

    (event,) = named(server, "from the environment")
    assert event["context"]["app_name"] == "shop"


def test_the_collector_of_the_how_to_page_names_the_address_and_the_key() -> None:
    page = (DOCS / "from-opentelemetry.md").read_text("utf-8")

    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert "endpoint: https://tallymark.example.com\n" in block
    assert "authorization: Bearer sk_YOUR_SECRET_KEY\n" in block


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_spans_are_stored_with_person_account_session_and_duration(
    server: Target, compression: str
) -> None:
    name = f"traced-{compression}"
    run_python(TRACES, server.url, server.keys["secret"], name, compression)

    request, model = named(server, name)
    assert (request["event"], request["kind"]) == (name, "span")
    assert request["time"] == "2026-09-21T14:13:20.250000Z"
    assert (request["user_id"], request["account"]) == ("ana", "acme")
    assert request["person"] is not None
    assert request["session"] == "s-1"
    said = request["properties"]
    assert said["duration_ms"] == 250.000001
    assert said["http.route"] == "/items/{id}"
    assert said["http.response.status_code"] == 500
    assert said["exception.type"] == "ValueError"
    assert said["deployment.environment.name"] == "prod"
    assert not {"user.email", "client.address", "user_agent.original", "url.query"} & set(said)
    context = request["context"]
    assert context["page_url"] == "https://shop.example/items/7?utm_source=mail"
    assert context["utm_source"] == "mail"
    assert (context["browser"], context["device_type"]) == ("Firefox", "desktop")
    assert "203.0.113" not in json.dumps(request)
    assert (context["app_name"], context["app_version"]) == ("shop", "2.1")

    told = model["properties"]
    assert request["id"] == f"{said['trace_id']}-{said['span_id']}"
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (12, 30)
    assert told["gen_ai.provider.name"] == "openai"
    assert told["gen_ai.request.temperature"] == 0.1
    assert told["duration_ms"] == 42.5
    assert "never kept" not in json.dumps(model)


def test_cumulative_sums_can_be_differenced_and_deltas_are_metered(server: Target) -> None:
    run_python(METRICS, server.url, server.keys["secret"], "total", "CUMULATIVE")
    run_python(METRICS, server.url, server.keys["secret"], "delta", "DELTA")

    totals = [e for e in named(server, "total") if e["account"] == "acme"]
    # Two flushes, and what the shutdown sends once more.
    assert [e["properties"]["metric.value"] for e in totals] == [1500, 1524, 1524]
    assert len({e["properties"]["metric.stream"] for e in totals}) == 1
    assert len({e["properties"]["metric.start_ns"] for e in totals}) == 1
    assert {e["properties"]["metric.temporality"] for e in totals} == {"cumulative"}
    assert {e["properties"]["metric.monotonic"] for e in totals} == {True}
    assert [e["value"] for e in totals] == [None] * 3

    deltas = [e for e in named(server, "delta") if e["account"] == "acme"]
    assert [e["value"] for e in deltas] == [1500, 24]
    assert {e["unit"] for e in deltas} == {"By"}
    fractions = [e for e in named(server, "delta") if e["account"] == "zen"]
    assert [e["value"] for e in fractions] == [0.25, 0.25]

    (histogram,) = named(server, "total.seconds")
    assert histogram["kind"] == "metric"
    assert histogram["properties"]["metric.count"] == 1
    assert histogram["properties"]["metric.sum"] == 0.25


def test_log_records_and_exceptions_are_stored(server: Target) -> None:
    run_python(LOGS, server.url, server.keys["public"], "logged")

    failed, paid = named(server, "logged")
    assert (paid["event"], paid["kind"]) == ("INFO logged order * paid", "log")
    assert paid["properties"]["body"] == "logged order 17 paid"
    assert paid["user_id"] == "ana"
    assert (failed["event"], failed["kind"]) == ("ERROR logged failed", "exception")
    assert failed["properties"]["exception.type"] == "ZeroDivisionError"
    # An exporter is no browser, even with a public key.
    assert "browser" not in failed["context"]


@pytest.mark.parametrize("trouble", [503, 429, "reset", "lost"])
def test_through_trouble_every_span_is_stored_once(server: Target, trouble: Trouble) -> None:
    name = f"trouble-{trouble}"
    with flaky(server.port) as proxy:
        proxy.plan(trouble)
        run_python(TRACES, proxy.url, server.keys["secret"], name, "gzip")
        sent = bodies(proxy.seen)

    assert [event["event"] for event in named(server, name)] == [name, f"{name} model"]
    assert sent == [sent[0]] * 2


@pytest.mark.parametrize("signal", ["metrics", "logs"])
def test_points_and_records_are_stored_once_though_their_answer_was_lost(
    server: Target, signal: str
) -> None:
    name = f"lost-{signal}"
    program, more = (METRICS, ("DELTA",)) if signal == "metrics" else (LOGS, ())
    with flaky(server.port) as proxy:
        proxy.plan("lost")
        run_python(program, proxy.url, server.keys["secret"], name, *more)
        sent = bodies(proxy.seen)

    assert sent[0] == sent[1]
    found = named(server, name)
    assert len(found) == (5 if signal == "metrics" else 2)
    assert len({event["id"] for event in found}) == len(found)


def test_after_success_and_after_a_partial_success_nothing_is_sent_again(server: Target) -> None:
    before = server.ledger()
    with flaky(server.port) as proxy:
        run_python(TRACES, proxy.url, server.keys["secret"], "x", "none")
        # A span without a name is set aside, the other one is kept.
        run_python(
            TRACES.replace('name + " model"', '""'), proxy.url, server.keys["secret"], "y", "none"
        )
        assert len(proxy.seen) == 2

    after = server.ledger()
    assert [event["event"] for event in named(server, "y")] == ["y"]
    assert after["accepted"] - before["accepted"] == 3 + 2
    assert after["received"] - before["received"] == 3 + 3


def test_json_is_answered_in_json_and_a_wrong_key_with_a_status(server: Target) -> None:
    span = {
        "traceId": "c0",
        "spanId": "d0",
        "name": "hand-made",
        "endTimeUnixNano": "1790000000000000000",
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span, 7]}]}]}

    taken = server.call("POST", "/v1/traces", body, key="public")
    refused = server.call("POST", "/v1/traces", body, key="read")

    assert taken is not None
    assert refused is not None
    assert (taken.status, taken.json()["partialSuccess"]["rejectedSpans"]) == (200, "1")
    assert (refused.status, refused.json()["code"]) == (403, 7)
    (event,) = named(server, "hand-made")
    assert (event["id"], event["time"]) == ("c0-d0", "2026-09-21T14:13:20Z")
