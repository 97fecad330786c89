"""PostHog's batch exports: each event as its live one, and what was known of the person."""

from pathlib import Path
from typing import Any

from tests.collect.sources.exports import codes, commands, events, lines, options, told

from tallymark.collect.sources.posthog_export import posthog_export
from tallymark.core.event import ProfileOp

PAGE = {
    "uuid": "018f0000-0000-7000-8000-000000000001",
    "event": "$pageview",
    "distinct_id": "ana",
    "timestamp": "2026-03-01T12:00:00.123000+00:00",
    "created_at": "2026-03-01T12:00:01+00:00",
    "team_id": 7,
    "elements_chain": "",
    "person_properties": {"plan": "pro"},
    "properties": {
        "$current_url": "https://shop.example/a?utm_source=x",
        "$device_id": "d-1",
        "$is_identified": True,
        "$session_id": "s-1",
        "$groups": {"account": "acme"},
        "title": "A",
        "price": 1.10,
    },
}


def test_an_event_is_told_as_its_live_one(tmp_path: Path) -> None:
    (event,) = events(posthog_export, lines(tmp_path, PAGE))

    assert (event.name, event.kind, event.namespace) == ("page_view", "page", "posthog")
    assert event.id == "018f0000-0000-7000-8000-000000000001"
    assert event.time == event.time_client == 1_772_366_400_123_000
    assert (event.user_id, event.anonymous_id, event.session_id) == ("ana", "d-1", "s-1")
    assert event.groups == {"account": "acme"}
    assert {name: str(value) for name, value in event.properties.items()} == {"price": "1.1"}
    assert event.context.page_title == "A"
    assert event.flags == ("imported",)


def test_what_was_known_of_a_person_is_told_when_it_changes(tmp_path: Path) -> None:
    def at(second: int, **known: Any) -> dict[str, Any]:
        time = f"2026-03-01 12:00:0{second}.000000"
        return {**PAGE, "uuid": f"u-{second}", "timestamp": time, "person_properties": known}

    path = lines(
        tmp_path, at(1, plan="pro"), at(2, plan="pro"), at(3, plan="free"), at(4, plan="pro")
    )

    changes = [one for one in commands(posthog_export, path) if isinstance(one, ProfileOp)]

    assert [(one.subject, one.properties, one.id) for one in changes] == [
        ("ana", {"plan": "pro"}, "u-1/state"),
        ("ana", {"plan": "free"}, "u-3/state"),
        ("ana", {"plan": "pro"}, "u-4/state"),
    ]


def test_properties_that_were_written_as_text_are_read(tmp_path: Path) -> None:
    row = {**PAGE, "properties": '{"$is_identified": false, "n": 3}', "person_properties": "{}"}

    (event,) = events(posthog_export, lines(tmp_path, row, name="export.jsonl.gz"))

    assert (event.user_id, event.anonymous_id, event.properties) == (None, "ana", {"n": 3})


def test_what_the_api_of_events_gives_is_read_too(tmp_path: Path) -> None:
    row = {key: value for key, value in PAGE.items() if key != "uuid"}

    (event,) = events(posthog_export, lines(tmp_path, [{**row, "id": "u-9"}]))

    assert event.id == "u-9"


def test_identify_and_groupidentify_are_commands_and_a_replay_is_nothing(tmp_path: Path) -> None:
    identify = {
        **PAGE, "event": "$identify", "person_properties": {},
        "properties": {"$anon_distinct_id": "d-1", "$set": {"plan": "pro"}, "$is_identified": True},
    }  # fmt: skip
    replay = {**PAGE, "event": "$snapshot"}
    path = lines(tmp_path, identify, replay)

    first, second = told(posthog_export, path)

    assert first.event["events"] == []
    assert [type(one).__name__ for one in first.event["commands"]] == ["IdentityLink", "ProfileOp"]
    assert second.event == {"type": "imported", "events": [], "commands": []}


def test_fields_that_find_no_place_are_named(tmp_path: Path) -> None:
    (record,) = told(posthog_export, lines(tmp_path, PAGE))

    assert record.left == ("created_at", "team_id")


def test_a_range_leaves_what_lies_outside(tmp_path: Path) -> None:
    later = {**PAGE, "uuid": "u-2", "timestamp": "2026-03-02T00:00:00Z"}
    path = lines(tmp_path, PAGE, later)
    midnight = 1_772_409_600_000_000

    before = told(posthog_export, path, options(until=midnight))
    after = told(posthog_export, path, options(since=midnight))

    assert [len(one.event.get("events", [])) for one in before] == [1, 0]
    assert [len(one.event.get("events", [])) for one in after] == [0, 1]
    assert before[1].event == {}


def test_what_cannot_be_an_event_fails_with_its_reason(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        {**PAGE, "timestamp": "yesterday"},
        {**PAGE, "timestamp": "2126-01-01T00:00:00Z"},
        {**PAGE, "event": ""},
        {**PAGE, "properties": "{"},
        {**PAGE, "properties": "[1]"},
        {**PAGE, "distinct_id": ["a"]},
    )

    assert codes(posthog_export, path) == [
        "TIME_UNPARSABLE", "TIME_FUTURE", "NAME_INVALID", "JSON_SYNTAX", "BAD_FIELD", "BAD_ID",
    ]  # fmt: skip
