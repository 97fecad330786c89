"""Events of every shape go in over HTTP; what comes out is what plain Python makes of the same."""

import json
import urllib.parse
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec import Struct
from tests.faults.answers import call
from tests.faults.server import Server
from tests.journey.wire import Fields, Request, requests

_SEED = 20_251_026
_EVENTS = 500
_RANGE = {"since": "2025-10-20", "until": "2026-04-05"}
_GAP, _CAP = timedelta(minutes=30), timedelta(hours=24)
# What the client says of an event; the rest may differ from one try to the next.
_CONTENT = (
    "name", "time", "kind", "user_id", "anonymous_id", "account", "groups", "session_id",
    "properties", "value", "unit", "revenue", "currency",
)  # fmt: skip
# Python's own 28 digits would round what the store holds.
_WIDE = Context(prec=60)
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Expected(Struct):
    """What should become of everything that is sent, in the order it is sent."""

    ledger: Counter[str]
    events: dict[str, Fields]
    duplicates: Counter[str]
    conflicts: Counter[str]
    owners: dict[str, str]

    def person(self, event: Fields) -> str | None:
        """Return who an event is by: a user, or a device nobody claimed."""
        if "user_id" in event:
            return f"user {event['user_id']}"
        device = event.get("anonymous_id")
        if device is None:
            return None
        return f"user {self.owners[device]}" if device in self.owners else f"device {device}"


@pytest.fixture(scope="module")
def sent() -> list[Request]:
    return requests(_SEED, _EVENTS)


@pytest.fixture(scope="module")
def expected(sent: list[Request]) -> Expected:
    return _expected(sent)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sent: list[Request]) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("journey") / "data")
    made.start()
    # The oracle knows people by the ids that were sent.
    assert made.own("PUT", "/tm/v1/projects/default/policy", {"visitor_ids": False}).status == 200
    for request in sent:
        _send(made, request)
    made.wait_until_loaded()
    yield made
    made.end()


def _send(server: Server, request: Request) -> None:
    headers = {**request.headers, "Authorization": f"Bearer {server.keys[request.key]}"}
    answer = call(server.port, "POST", "/tm/v1/events", request.body, headers)
    assert answer is not None
    assert answer.status == 202, answer.body
    told = answer.json()
    assert {one["index"]: one["code"] for one in told["failed"]} == request.codes
    assert told["accepted"] == len(request.items) - len(request.codes)


def test_the_ledger_says_what_became_of_every_item(server: Server, expected: Expected) -> None:
    told = server.get("/tm/v1/ledger")[1]

    assert told["balanced"]
    assert {name: items for name, items in told["totals"].items() if items} == expected.ledger


def test_every_event_reads_back_exactly_as_it_was_sent(server: Server, expected: Expected) -> None:
    rows = _all_rows(server, "events")

    assert {row["id"] for row in rows} == expected.events.keys()
    assert len(rows) == len(expected.events)
    for row in rows:
        event = expected.events[row["id"]]
        assert _shown(row) == _as_stored(event)
        around = _context_of(event)
        assert {name: row["context"].get(name) for name in around} == around
        # The policy of a new project keeps neither.
        assert not row["context"].keys() & {"ip", "user_agent"}


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_every_number_by_day_is_what_plain_python_counts(
    server: Server, expected: Expected, zone: str
) -> None:
    measures: list[dict[str, str]] = [
        {"measure": "count"},
        {"measure": "unique_people"},
        {"measure": "unique_accounts"},
        {"measure": "sessions"},
        {"measure": "sum", "of": "properties.amount"},
        {"measure": "sum", "of": "value"},
        {"measure": "sum", "of": "revenue"},
    ]

    answer = server.ask({"series": measures, "range": _RANGE, "timezone": zone})

    assert answer.status == 200, answer.body
    data = _decode(answer.body)["data"]
    days = _by_day(expected, ZoneInfo(zone))
    for line, number in zip(data["lines"], _numbers(expected), strict=True):
        told = {
            bucket["label"]: value
            for bucket, value in zip(data["buckets"], line["values"], strict=True)
            if value
        }
        counted = {day: number(events) for day, events in days.items()}
        assert told == {day: value for day, value in counted.items() if value}, line["label"]
        people = [event for events in days.values() for event in events]
        assert line["total"] == number(people), line["label"]


def test_the_people_are_those_of_the_events(server: Server, expected: Expected) -> None:
    told = _all_rows(server, "people")

    wanted: dict[str, Counter[str]] = defaultdict(Counter)
    for event in _people_events(expected):
        person = expected.person(event)
        if person is not None:
            wanted[person]["events"] += 1
    found = {
        f"user {row['user_ids'][0]}"
        if row["user_ids"]
        else f"device {row['anonymous_ids'][0]}": row
        for row in told
    }
    assert {name: row["events"] for name, row in found.items()} == {
        name: counts["events"] for name, counts in wanted.items()
    }
    # Two users are never one person.
    assert all(len(row["user_ids"]) <= 1 for row in told)


def test_the_fate_of_every_event_is_told_by_its_id(server: Server, expected: Expected) -> None:
    came_again = expected.duplicates.keys() | expected.conflicts.keys()
    for event_id in [*came_again, *list(expected.events)[::10]]:
        status, told = server.get(f"/tm/v1/event/{urllib.parse.quote(event_id, safe='')}")
        assert status == 200, (event_id, told)
        assert told["outcome"] == "counted"
        assert len(told["duplicates"]) == expected.duplicates[event_id]
        clashes = [one for one in told["failed"] if one["code"] == "DUPLICATE_CONFLICT"]
        assert len(clashes) == expected.conflicts[event_id]


# The oracle: what the documented rules make of what was sent.


def _expected(sent: Sequence[Request]) -> Expected:
    found = Expected(Counter(), {}, Counter(), Counter(), {})
    for request in sent:
        links: list[Fields] = []
        for place, item in enumerate(request.items):
            outcome = "accepted"
            if place in request.codes:
                outcome = "rejected"
            elif "type" in item:
                links.append(item)
                if {"user_id", "traits"} <= item.keys() and item.keys() & {
                    "anonymous_id",
                    "group_id",
                }:
                    # What it says of two things is two commands.
                    found.ledger.update(received=1, accepted=1)
            else:
                outcome = _met(found, item)
                if outcome == "accepted":
                    links.append(item)
            found.ledger.update({"received": 1, outcome: 1})
        # The events of a request come before its commands.
        for item in sorted(links, key=lambda one: "type" in one):
            if "user_id" in item and "anonymous_id" in item:
                found.owners.setdefault(item["anonymous_id"], item["user_id"])
    return found


def _met(found: Expected, event: Fields) -> str:
    first = found.events.setdefault(event["id"], event)
    if first is event:
        return "accepted"
    if _content(first) == _content(event):
        found.duplicates[event["id"]] += 1
        return "duplicate"
    found.conflicts[event["id"]] += 1
    return "conflict"


def _content(event: Fields) -> str:
    return json.dumps([event.get(name) for name in _CONTENT], default=str, sort_keys=True)


def _moment(event: Fields) -> datetime:
    time = event["time"]
    if isinstance(time, int):
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00") + timedelta(milliseconds=time)
    return datetime.fromisoformat(time)


def _as_stored(event: Fields) -> Fields:
    groups = event.get("groups", {})
    properties = event.get("properties", {})
    flags = ["bot"] if _context_of(event)["is_bot"] else []
    if any(map(_is_wide, properties.values())):
        flags.append("inexact_number")
    return {
        "id": event["id"],
        "event": event["name"],
        "kind": event.get("kind", "track"),
        "time": _moment(event),
        "time_client": _moment(event),
        "time_rule": "client",
        "user_id": event.get("user_id"),
        "anonymous_id": event.get("anonymous_id"),
        "account": event.get("account"),
        "session": event.get("session_id"),
        "value": event.get("value"),
        "unit": event.get("unit"),
        "revenue": event.get("revenue"),
        "currency": event.get("currency"),
        "groups": groups,
        "flags": flags,
        # A number that is too large for a decimal of the store is kept as text, digit by digit.
        "properties": {
            name: str(value) if _is_wide(value) and abs(Decimal(value)) >= 10**29 else value
            for name, value in properties.items()
        },
    }


def _shown(row: Fields) -> Fields:
    times = {name: datetime.fromisoformat(row[name]) for name in ("time", "time_client")}
    apart = ("received_at", "time_sent", "person", "context")
    return {name: value for name, value in row.items() if name not in apart} | times


def _is_wide(value: object) -> bool:
    if type(value) is not int and not isinstance(value, Decimal):
        return False
    number = Decimal(value)
    return abs(number) >= 10**29 or number.quantize(Decimal("1E-9"), context=_WIDE) != number


def _context_of(event: Fields) -> Fields:
    given = event.get("context", {})
    flat: Fields = {"is_bot": "Googlebot" in given.get("user_agent", "")}
    if "page" in given:
        flat |= {"host": "shop.example", "path": "/a/b", "title": "Ā\tB", "utm_source": "news"}
        flat["page_url"] = "https://shop.example/a/b?utm_source=news"
    if "screen" in given:
        flat |= {"screen_width": 390, "screen_height": 2**31 - 1}
    if "location" in given:
        flat |= {"country": "CH", "city": "Zürich"}
    if "device" in given:
        flat["device_type"] = "mobile"
    if "os" in given:
        flat |= {"os": "iOS", "os_version": "18"}
    if "app" in given:
        flat |= {"app_name": "Shop", "app_version": "1.2"}
    if "locale" in given:
        flat["locale"] = "de-CH"
    return flat


def _people_events(expected: Expected) -> list[Fields]:
    """Return the events that are not by known robots."""
    return [event for event in expected.events.values() if not _context_of(event)["is_bot"]]


def _by_day(expected: Expected, zone: ZoneInfo) -> dict[str, list[Fields]]:
    days: dict[str, list[Fields]] = defaultdict(list)
    for event in _people_events(expected):
        days[_moment(event).astimezone(zone).date().isoformat()].append(event)
    return days


def _numbers(expected: Expected) -> list[Any]:
    sessions = _sessions(expected)
    return [
        len,
        lambda events: len({expected.person(event) for event in events} - {None}),
        lambda events: len({event.get("account") for event in events} - {None}),
        lambda events: len({sessions.get(event["id"]) for event in events} - {None}),
        lambda events: _sum(event.get("properties", {}).get("amount") for event in events),
        lambda events: _sum(event.get("value") for event in events),
        lambda events: _sum(event.get("revenue") for event in events),
    ]


def _sum(numbers: Any) -> Decimal:
    total = Decimal(0)
    for number in numbers:
        total = _WIDE.add(total, Decimal(number or 0))
    return total


def _sessions(expected: Expected) -> dict[str, str]:
    """Return the session of each event: as given, or by the pauses of its device or user."""
    found: dict[str, str] = {}
    uses: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for event_id, event in expected.events.items():
        actor = event.get("anonymous_id") or event.get("user_id")
        if "session_id" in event:
            found[event_id] = f"given {event['session_id']}"
        elif actor:
            uses[f"{'anonymous_id' in event} {actor}"].append((_moment(event), event_id))
    for actor, times in uses.items():
        start = last = None
        for number, (time, event_id) in enumerate(sorted(times)):
            if last is None or start is None or time - last > _GAP or time - start > _CAP:
                start, name = time, f"{actor} {number}"
            last = time
            found[event_id] = name
    return found


def _all_rows(server: Server, insight: str) -> list[Fields]:
    rows: list[Fields] = []
    cursor: str | None = None
    while True:
        question = {"range": _RANGE, "limit": 100, "cursor": cursor}
        question["include_bots"] = insight == "events"
        answer = server.call("POST", f"/tm/v1/ask/{insight}", question)
        assert answer is not None
        assert answer.status == 200, answer.body
        data = _decode(answer.body)["data"]
        rows += data[insight]
        cursor = data["cursor"]
        if cursor is None:
            assert data["total"] == len(rows)
            return rows
