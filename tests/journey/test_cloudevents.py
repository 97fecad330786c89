"""OpenMeter's client and the CloudEvents converters, against a real server."""

from pathlib import Path

import pytest
from tests.journey.flaky import Trouble, bodies, flaky
from tests.journey.sdks import Target, as_json, run_python, snippet

CONVERTED = """
import sys
import requests
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent

url, key, mode = sys.argv[1:]
event = CloudEvent(
    {"id": "conv-" + mode, "source": "https://çà.example/w", "type": "job.done",
     "subject": "Müller GmbH", "time": "2026-09-21T14:13:20+00:00", "partitionkey": "p1"},
    {"seconds": 3.25},
)
headers, body = {"binary": to_binary, "structured": to_structured}[mode](event)
headers = {name: value.encode() for name, value in headers.items()}
answer = requests.post(url + "/api/v1/events", data=body,
                       headers={"content-type": "application/json", **headers, "authorization": "Bearer " + key})
print(answer.status_code, len(answer.content))
"""
SENT = """
import json
import sys
from openmeter import Client

url, key, prefix = sys.argv[1:]
client = Client(endpoint=url, token=key)
events = [
    {"specversion": "1.0", "id": f"{prefix}-{n}", "source": "llm", "type": prefix, "subject": "acme",
     "time": f"2026-09-21T14:13:2{n}Z", "data": {"tokens": 100 + n, "model": "m", "user_id": "ana"}}
    for n in range(3)
]
tries = 0
while True:
    tries += 1
    try:
        client.events.ingest_events(events)
        break
    except Exception as error:
        said = type(error).__name__
        if tries == 5:
            raise
print(json.dumps({"tries": tries}))
"""


def test_the_python_of_the_how_to_page_is_stored_as_the_page_says(server: Target) -> None:
    run_python(snippet("from-openmeter.md", "python", server))

    (event,) = server.named("request")
    assert (event["id"], event["kind"]) == ("req-1", "track")
    assert event["time"] == "2026-09-21T14:13:20Z"
    assert event["time_rule"] == "client"
    assert (event["account"], event["user_id"]) == ("acme", "ana")
    assert event["person"] is not None
    assert event["properties"] == {
        "ce_source": "api-gateway", "method": "GET", "duration_ms": "12.50", "user_id": "ana",
    }  # fmt: skip
    assert event["context"]["protocol"] == "cloudevents"
    assert "browser" not in event["context"]


def test_the_shell_of_the_how_to_page_is_stored(server: Target, tmp_path: Path) -> None:
    run_python(
        "import subprocess, sys; subprocess.run(['sh', '-ec', sys.argv[1]], check=True)",
        snippet("from-openmeter.md", "sh", server),
    )

    (event,) = server.named("job")
    assert (event["id"], event["account"]) == ("req-2", "acme")
    assert event["properties"] == {"ce_source": "cron", "value": 7}


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_what_the_converters_of_cloudevents_send_is_stored(server: Target, mode: str) -> None:
    said = run_python(CONVERTED, server.url, server.keys["secret"], mode)

    assert said.split() == ["204", "0"]
    (event,) = [one for one in server.named("job.done") if one["id"] == f"conv-{mode}"]
    assert event["time"] == "2026-09-21T14:13:20Z"
    assert event["account"] == "Müller GmbH"
    assert event["properties"] == {
        "ce_source": "https://çà.example/w", "ce_partitionkey": "p1", "seconds": 3.25,
    }  # fmt: skip


@pytest.mark.parametrize("trouble", [503, 429, "reset", "lost"])
def test_through_trouble_every_event_is_stored_once(server: Target, trouble: Trouble) -> None:
    name = f"trouble-{trouble}"
    with flaky(server.port) as proxy:
        proxy.plan(trouble)
        said = as_json(run_python(SENT, proxy.url, server.keys["secret"], name))
        sent = bodies(proxy.seen)

    events = server.named(name)
    assert [event["id"] for event in events] == [f"{name}-{n}" for n in range(3)]
    assert [event["properties"]["tokens"] for event in events] == [100, 101, 102]
    assert said["tries"] in (1, 2)
    # One try met the trouble, the next one was the last.
    assert sent == [sent[0]] * 2


def test_after_success_nothing_is_sent_again(server: Target) -> None:
    with flaky(server.port) as proxy:
        said = as_json(run_python(SENT, proxy.url, server.keys["secret"], "success"))

    assert said == {"tries": 1}
    assert len(proxy.seen) == 1
    assert len(server.named("success")) == 3


def test_a_bad_event_costs_no_other_and_a_wrong_key_is_told(server: Target) -> None:
    before = server.ledger()
    good: dict[str, object] = {"id": "good", "source": "s", "type": "good"}

    mixed = server.call("POST", "/api/v1/events", [{"id": "bad"}, good], key="secret")
    refused = server.call("POST", "/api/v1/events", [good], key="read")

    assert mixed is not None
    assert refused is not None
    assert (mixed.status, mixed.body) == (204, b"")
    assert refused.status == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert len(server.named("good")) == 1
    after = server.ledger()
    assert after["accepted"] - before["accepted"] == 1
    assert after["received"] - before["received"] == 2
