"""The metrics of a real server, named and typed as Prometheus asks for."""

import re
from pathlib import Path

from tests.journey.sdks import Target, target


def metrics(server: Target) -> str:
    answer = server.call("GET", "/metrics")
    assert answer is not None
    return answer.body.decode()


def test_what_only_grows_is_a_counter_with_its_outcome_and_code(tmp_path: Path) -> None:
    with target(tmp_path) as server:
        server.send({"name": "a", "id": "1"})
        server.send({"name": "a", "id": "2", "user_id": "undefined"})
        server.send({"name": "a", "id": "3", "consent": {"measurement": "denied"}})

        text = metrics(server)

    for line in (
        "# TYPE tallymark_items_total counter",
        'tallymark_items_total{outcome="accepted",code=""} 1',
        'tallymark_items_total{outcome="failed",code="ILLEGAL_ID"} 1',
        'tallymark_items_total{outcome="dropped",code="CONSENT_DENIED"} 1',
        "# TYPE tallymark_batches_total counter",
        "tallymark_batches_total 3",
    ):
        assert line in text.splitlines()


def test_counters_end_in_total_and_nothing_else_does(tmp_path: Path) -> None:
    with target(tmp_path) as server:
        server.send({"name": "a", "id": "1"})
        types = re.findall(r"^# TYPE (\w+) (\w+)$", metrics(server), re.MULTILINE)

    assert len(types) > 5
    for name, kind in types:
        assert name.endswith("_total") == (kind == "counter"), name
