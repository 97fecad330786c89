"""Amplitude's export: each event as its live one, and what was known of users and groups."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.collect.sources.exports import codes, commands, events, lines, told, zipped

from tallymark.collect.sources.amplitude_export import amplitude_export
from tallymark.core.event import GroupMembership, ProfileOp

TIME = "2026-03-01 12:00:00.123000"
MICROS = 1_772_366_400_123_000


def row(name: str = "Signed up", **more: Any) -> dict[str, Any]:
    return {
        "$insert_id": "i-1", "uuid": "u-1", "event_type": name, "user_id": "ana@x",
        "device_id": "d-1", "session_id": 1772366000000, "client_event_time": TIME,
        "event_time": TIME, "event_properties": {"plan": "pro", "n": 1.10},
        "user_properties": {}, "groups": {"account": ["acme"]}, "group_properties": {},
        "platform": "Web", "os_name": "Firefox", "language": "German", "country": "Germany",
        "library": "amplitude-ts/2.16.1", "amplitude_id": 45975551903, "app": 7,
        "server_upload_time": TIME, "paying": None, "data": {}, **more,
    }  # fmt: skip


def test_an_event_is_told_as_its_live_one(tmp_path: Path) -> None:
    (event,) = events(amplitude_export, lines(tmp_path, row()))

    assert (event.name, event.id, event.namespace) == ("Signed up", "i-1", "amplitude/d-1")
    assert event.time == event.time_client == MICROS
    assert (event.user_id, event.anonymous_id) == ("ana@x", "d-1")
    assert event.session_id == "d-1/1772366000000"
    assert event.groups == {"account": "acme"}
    assert event.properties == {"plan": "pro", "n": Decimal("1.1"), "platform": "Web"}
    assert (event.context.library_name, event.context.library_version) == ("amplitude-ts", "2.16.1")
    assert event.flags == ("imported",)


def test_the_time_is_that_of_a_right_clock_and_the_clients_own_stays(tmp_path: Path) -> None:
    wrong = row(client_event_time="2026-03-01 11:00:00.123000")

    (event,) = events(amplitude_export, lines(tmp_path, wrong))

    assert (event.time, event.time_client, event.time_rule) == (
        MICROS, MICROS - 3_600_000_000, "repaired",
    )  # fmt: skip


def test_an_event_without_an_insert_id_is_known_by_its_uuid(tmp_path: Path) -> None:
    nothing: dict[str, Any] = {"$insert_id": None}

    (event,) = events(amplitude_export, lines(tmp_path, row(**nothing)))

    assert (event.id, event.flags) == ("u-1", ("imported",))


def test_revenue_is_money(tmp_path: Path) -> None:
    sale = row(
        "revenue_amount", event_properties={"$price": 9.95, "$quantity": 2, "currency": "EUR"}
    )

    (event,) = events(amplitude_export, lines(tmp_path, sale))

    assert (event.kind, event.revenue, event.currency) == ("revenue", Decimal("19.9"), "EUR")


def test_what_is_known_of_users_and_groups_is_told_when_it_changes(tmp_path: Path) -> None:
    company = {"company": {"acme": {"size": 3}}}
    states: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"plan": "free"}, company), ({"plan": "free"}, company), ({"plan": "pro"}, {}),
    ]  # fmt: skip
    rows = [
        row(**{"$insert_id": f"i-{n}"}, user_properties=user, group_properties=group)
        for n, (user, group) in enumerate(states)
    ]

    found = [
        (one.subject_kind, one.subject, one.properties, one.id)
        for one in commands(amplitude_export, lines(tmp_path, *rows))
        if isinstance(one, ProfileOp)
    ]

    assert found == [
        ("user", "ana@x", {"plan": "free"}, "i-0/state"),
        ("company", "acme", {"size": 3}, "i-0/company/0/state"),
        ("user", "ana@x", {"plan": "pro"}, "i-2/state"),
    ]


def test_identify_is_a_change_and_no_use(tmp_path: Path) -> None:
    path = lines(tmp_path, row("$identify", user_properties={"plan": "pro"}))

    assert events(amplitude_export, path) == []
    kinds = [type(one) for one in commands(amplitude_export, path)]
    assert kinds == [GroupMembership, ProfileOp]


def test_groupidentify_tells_of_groups_only(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        row(
            "$groupidentify", user_id=None, device_id=None, group_properties={"t": {"g": {"a": 1}}}
        ),
    )

    (change,) = commands(amplitude_export, path)

    assert isinstance(change, ProfileOp)
    assert (change.subject_kind, change.subject, change.properties) == ("t", "g", {"a": 1})


def test_a_zip_as_the_api_gives_it_is_read_whole(tmp_path: Path) -> None:
    def hour(*ids: str) -> bytes:
        rows = [json.dumps(row(**{"$insert_id": one})).encode() for one in ids]
        return gzip.compress(b"\n".join(rows))

    path = zipped(
        tmp_path,
        **{"7/7_2026-03-01_13#0.json.gz": hour("c"), "7/7_2026-03-01_12#0.json.gz": hour("a", "b")},
    )

    assert [one.id for one in events(amplitude_export, path)] == ["a", "b", "c"]


def test_fields_that_find_no_place_are_named(tmp_path: Path) -> None:
    (record,) = told(amplitude_export, lines(tmp_path, row()))

    assert record.left == ("amplitude_id", "app", "server_upload_time")


def test_odd_events_fail_alone(tmp_path: Path) -> None:
    path = lines(
        tmp_path, row(client_event_time=None, event_time=None), row(""),
        row(client_event_time="x", event_time="y"), row("$identify", user_id=None, device_id=None),
        {}, row(user_properties=[], group_properties=7, groups="x", event_properties=None),
    )  # fmt: skip

    assert codes(amplitude_export, path) == [
        "TIME_UNPARSABLE", "MISSING_FIELD", "TIME_UNPARSABLE", "MISSING_FIELD", "MISSING_FIELD",
    ]  # fmt: skip
