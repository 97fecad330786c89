"""Figures of what arrived, by source: counted by hand over a few events, through the real server."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallymark.cli.doctor import sources, turned_away
from tallymark.cli.main import main
from tallymark.client import Client, connect


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("quality")


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[Client]:
    with connect(data, project="default") as found:
        # Not when the file is read: other tests may run for minutes in between.
        just_now = time.time_ns() // 1_000_000 - 10_000
        found.send(
            [
                {"name": "a", "id": "1", "time": just_now, "properties": {"plan": "pro"}},
                {"name": "a", "id": "2", "time": just_now, "properties": {"plan": 7}},
                {"name": "a", "id": "2", "time": just_now, "properties": {"plan": 7}},
                {"name": "a", "id": "2", "time": just_now, "properties": {"plan": 8}},
                {"name": "a", "context": {"user_agent": "Googlebot/2.1"}},
                {"name": "", "id": "4"},
                {"name": "a", "user_id": "undefined"},
                {"name": "a", "id": "5", "consent": {"measurement": "denied"}},
            ]
        )
        found.wait()
        yield found


def test_every_item_of_a_source_is_in_one_outcome_with_its_reason(client: Client) -> None:
    (source,) = client.quality()["sources"]

    assert (source["source"], source["protocol"], source["received"]) == ("local", "native", 8)
    assert {word: count for word, count in source["outcomes"].items() if count} == {
        "accepted": 3, "duplicate": 1, "conflict": 1, "rejected": 2, "dropped": 1,
    }  # fmt: skip
    assert source["failed"] == {"DUPLICATE_CONFLICT": 1, "ILLEGAL_ID": 1, "NAME_INVALID": 1}
    assert source["dropped"] == {"CONSENT_DENIED": 1}
    assert (source["bots"], source["without_id"], source["skewed"]) == (1, 0, 0)


def test_lateness_is_receipt_minus_the_time_of_those_that_have_one(client: Client) -> None:
    (source,) = client.quality()["sources"]

    assert 10 <= source["late_p50_seconds"] <= source["late_p95_seconds"] < 120


def test_a_property_of_two_types_is_told(client: Client) -> None:
    drift: dict[str, Any] = client.quality()["drift"]

    assert drift == {"new": [], "vanished": [], "mixed": ["plan"]}


def test_the_doctor_tells_what_arrives_what_fails_and_why(
    client: Client, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client.quality()["sources"]

    main(["doctor", "--data", str(data)])

    printed = capsys.readouterr().out
    assert "failed list --code NAME_INVALID --source local" in printed
    assert "native from local: 8 received, 3 accepted, 1 duplicate, 1 conflict" in printed
    assert "native from local: 1 × NAME_INVALID" in printed
    assert "native from local: 1 dropped, CONSENT_DENIED" in printed
    assert "properties mixed: plan" in printed


def test_a_source_that_sends_half_of_a_week_ago_is_told() -> None:
    quiet: dict[str, Any] = {
        "source": "pk_1", "protocol": "segment", "received": 40, "last_received_us": 0,
        "outcomes": {"accepted": 40}, "failed": {}, "dropped": {}, "observed": {}, "received_week_ago": 400,
        "late_p95_seconds": None, "skewed": 0, "without_id": 9,
    }  # fmt: skip
    found: dict[str, Any] = {"sources": [quiet], "drift": {"new": [], "vanished": ["total"], "mixed": []}, "compared": {"properties": []}}  # fmt: skip

    told = [finding.what for finding in sources(found, 0) if finding.health == "warn"]

    assert told == [
        "  segment from pk_1: 9 events without an id",
        "  segment from pk_1: 400 came in the same hours a week ago",
        "properties vanished: total",
    ]


def test_the_doctor_tells_of_requests_that_no_project_knows_of() -> None:
    minute = 60_000_000
    requests = [
        {"protocol": "segment", "code": "AUTH_INVALID", "requests": 3, "last_us": 0},
        {"protocol": "", "code": "NOT_FOUND", "requests": 2, "last_us": 118 * minute},
    ]

    told = [(one.health, one.what, one.fix) for one in turned_away({"requests": requests}, 119 * minute)]  # fmt: skip

    assert told == [
        (
            "warn", "turned away: segment: 3 × AUTH_INVALID; last 119 min ago",
            "Make a key with `tallymark keys create`. If its clients send a site and no key: tallymark sites add segment SITE",
        ),
        (
            "warn", "turned away: to an unknown address: 2 × NOT_FOUND; last just now",
            "Check the address that is sent to; docs/how-to has a page for each SDK.",
        ),
    ]  # fmt: skip
