from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.collect.protocol import Caller, Request
from tallymark.collect.protocols.native import native
from tallymark.core.clock import DAY, instant
from tallymark.core.settings import Settings
from tallymark.demo import (
    DAYS,
    INCIDENT_DAYS_BEFORE_END,
    LARGEST_LOSS,
    SIGNUP_FUNNEL,
    TRAP,
    TRAP_PAGE,
    events,
)

END = instant(datetime(2026, 11, 22, tzinfo=UTC))
Event = dict[str, Any]


@pytest.fixture(scope="module")
def history() -> list[Event]:
    """Every event once, at a third of the size."""
    return list({event["id"]: event for event in events(end=END, scale=0.35)}.values())


def test_the_same_seed_and_day_give_the_same_bytes() -> None:
    first = msgspec.json.encode(list(events(end=END, days=5, scale=0.2)))
    again = msgspec.json.encode(list(events(end=END + 5 * 3_600_000_000, days=5, scale=0.2)))
    other = msgspec.json.encode(list(events(end=END, days=5, scale=0.2, seed=8)))

    assert first == again
    assert first != other


def test_the_full_history_has_about_the_size_it_promises() -> None:
    ids: set[str] = set()
    people: set[str] = set()
    accounts: set[str] = set()
    became_users = 0
    for event in events(end=END):
        if event["id"] in ids:
            continue
        ids.add(event["id"])
        people.add(event.get("user_id") or event.get("anonymous_id") or "")
        accounts.add(event.get("account") or "")
        became_users += event["name"] == "signup"

    assert 330_000 < len(ids) < 390_000
    assert 5_000 < len(people) - became_users < 7_000
    assert 350 < len(accounts) < 500


def test_every_event_happens_before_the_end_and_within_the_days(history: list[Event]) -> None:
    times = [event["time"] * 1000 for event in history]

    assert max(times) < END
    assert min(times) >= END - DAYS * DAY - DAY
    assert {time // DAY for time in times} >= {END // DAY - 1, END // DAY - DAYS}


def test_the_confirmation_mail_loses_most_of_those_who_sign_up(history: list[Event]) -> None:
    counted = Counter(event["name"] for event in history)
    steps = [name for name, _ in SIGNUP_FUNNEL]
    kept = {after: counted[after] / counted[before] for before, after in pairwise(steps)}

    lost = {after: counted[before] - counted[after] for before, after in pairwise(steps)}

    assert min(kept, key=lambda step: kept[step]) == LARGEST_LOSS
    assert max(lost, key=lambda step: lost[step]) == LARGEST_LOSS


def test_the_incident_is_the_slowest_and_most_broken_afternoon(history: list[Event]) -> None:
    slow: Counter[int] = Counter()
    calls: Counter[int] = Counter()
    for event in history:
        if event["name"] == "api_request":
            day, hour = divmod(event["time"] // 3_600_000, 24)
            if 14 <= hour < 19:
                calls[day] += 1
                slow[day] += event["properties"]["duration_ms"] > 500
    share = {day: slow[day] / calls[day] for day in calls if calls[day] >= 20}

    assert max(share, key=lambda day: share[day]) == END // DAY - INCIDENT_DAYS_BEFORE_END


def test_pages_tell_how_they_are_read_and_what_is_clicked_in_vain(history: list[Event]) -> None:
    told = [event for event in history if event["name"] in {"dead_click", "rage_click"}]
    angry = {event["session_id"] for event in told if event["name"] == "rage_click"}
    in_vain = {event["session_id"] for event in told if event["name"] == "dead_click"}
    pings = [event["properties"] for event in history if event["name"] == "page_ping"]

    assert {
        (event["properties"]["selector"], event["context"]["page"]["url"]) for event in told
    } == {(TRAP, f"https://lumen.example{TRAP_PAGE}")}
    assert 10 < len(angry) < len(in_vain)
    assert angry <= in_vain
    assert len(pings) > 5_000
    assert all(5 <= one["scroll_depth"] <= 100 and one["engaged_ms"] > 0 for one in pings)


def test_the_form_is_sent_by_all_who_start_to_sign_up_and_left_by_some(
    history: list[Event],
) -> None:
    people: dict[str, set[str]] = {}
    for event in history:
        people.setdefault(event["name"], set()).add(event.get("anonymous_id", ""))

    assert people["form_submit"] == people["signup_started"]
    assert people["form_submit"] < people["form_start"]


def test_work_rests_at_the_weekend(history: list[Event]) -> None:
    logins = Counter(
        datetime.fromtimestamp(event["time"] / 1000, UTC).weekday()
        for event in history
        if event["name"] == "login"
    )

    assert max(logins[5], logins[6]) < 0.5 * min(logins[day] for day in range(5))


def test_an_anonymous_id_becomes_one_user_only(history: list[Event]) -> None:
    users: dict[str, set[str]] = {}
    for event in history:
        if "user_id" in event and "anonymous_id" in event:
            users.setdefault(event["anonymous_id"], set()).add(event["user_id"])

    visited_before = {event["anonymous_id"] for event in history if "user_id" not in event and "anonymous_id" in event}  # fmt: skip
    assert all(len(found) == 1 for found in users.values())
    assert len(visited_before & users.keys()) > 50


def test_some_events_arrive_twice_and_some_late() -> None:
    arrived = list(events(end=END, days=20, scale=0.3))
    times = Counter(event["id"] for event in arrived)
    late = sum(
        1 for before, after in pairwise(arrived) if before["time"] - after["time"] > 3_600_000
    )

    assert 1 <= sum(count - 1 for count in times.values()) < len(arrived) / 100
    assert 1 <= late < len(arrived) / 50


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4))
def test_the_server_takes_every_event_of_any_seed(seed: int, days: int) -> None:
    for batch in _batches(events(end=END, seed=seed, days=days, scale=0.1), 5_000):
        body = msgspec.json.Encoder(decimal_format="number").encode(batch)
        request = Request(
            "POST", "/tm/v1/events", "", {"content-type": "application/json"}, body, None, END
        )

        decoded = native.decode(request, Caller("demo", "local", "local"), Settings())

        assert decoded.failed == []
        assert len(decoded.events) == len(batch)


def _batches(source: Iterator[Event], size: int) -> Iterator[list[Event]]:
    batch: list[Event] = []
    for event in source:
        batch.append(event)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
