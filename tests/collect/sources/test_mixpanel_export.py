"""Mixpanel's raw export: each event as its live one, whoever Mixpanel has since found it to be."""

from pathlib import Path
from typing import Any

import pytest
from tests.collect.sources.exports import codes, commands, events, lines, options, told
from tests.collect.sources.shared import read

from tallymark.collect.protocols._mixpanel_events import insert_namespace
from tallymark.collect.sources.mapping import Fields
from tallymark.collect.sources.mixpanel_export import mixpanel_export
from tallymark.collect.sources.source import Options
from tallymark.core.errors import Refused
from tallymark.core.event import IdentityLink, ProfileOp

SECOND = 1_772_366_400


def row(name: str = "Signed up", **properties: Any) -> dict[str, Any]:
    given = {
        "time": SECOND, "distinct_id": "ana", "$insert_id": "i-1", "$browser": "Firefox",
        "mp_country_code": "DE", "mp_processing_time_ms": 1772366401000, "plan": "pro",
        **properties,
    }  # fmt: skip
    return {"event": name, "properties": given}


def in_zone(timezone: str) -> Options:
    return Options(fields=Fields(timezone=timezone), around=options().around)


def test_an_event_is_told_as_its_live_one(tmp_path: Path) -> None:
    (event,) = events(mixpanel_export, lines(tmp_path, row(), name="export.jsonl.gz"))

    assert (event.name, event.id) == ("Signed up", "i-1")
    assert event.namespace == insert_namespace("Signed up", "ana")
    assert event.time == event.time_client == SECOND * 1_000_000
    assert (event.user_id, event.anonymous_id) == ("ana", None)
    assert event.properties == {"plan": "pro"}
    assert (event.context.browser, event.context.country) == ("Firefox", "DE")
    assert event.flags == ("imported",)


def test_milliseconds_are_read_as_such(tmp_path: Path) -> None:
    (event,) = events(mixpanel_export, lines(tmp_path, row(time=SECOND * 1000 + 123)))

    assert event.time == SECOND * 1_000_000 + 123_000


def test_an_event_keeps_the_id_it_was_sent_with_and_both_are_one_person(tmp_path: Path) -> None:
    before = {"$distinct_id_before_identity": "$device:d-1", "$device_id": "d-1"}
    path = lines(tmp_path, row(**before), row(**before, **{"$insert_id": "i-2"}))

    first, second = events(mixpanel_export, path)
    (link,) = commands(mixpanel_export, path)

    assert (first.user_id, first.anonymous_id) == (None, "d-1")
    assert first.namespace == second.namespace == insert_namespace("Signed up", "$device:d-1")
    assert isinstance(link, IdentityLink)
    assert (link.one_kind, link.one, link.other_kind, link.other, link.how) == (
        "anonymous", "d-1", "user", "ana", "identify",
    )  # fmt: skip


def test_two_users_that_mixpanel_merged_are_merged(tmp_path: Path) -> None:
    path = lines(tmp_path, row(**{"$distinct_id_before_identity": "old-ana"}))

    (link,) = commands(mixpanel_export, path)

    assert isinstance(link, IdentityLink)
    assert (link.one, link.other, link.how) == ("old-ana", "ana", "merge")


def test_links_between_ids_are_commands(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        row("$identify", **{"$anon_distinct_id": "$device:d-1", "$identified_id": "ana"}),
        row("$create_alias", alias="ana@work", **{"$insert_id": "i-2"}),
        row("$merge", **{"$distinct_ids": ["ana", "bo"], "$insert_id": "i-3"}),
    )

    found = commands(mixpanel_export, path)

    assert [(one.one, one.other, one.how) for one in found if isinstance(one, IdentityLink)] == [
        ("d-1", "ana", "identify"), ("ana", "ana@work", "alias"), ("ana", "bo", "merge"),
    ]  # fmt: skip


def test_a_profile_is_told_at_the_time_it_was_seen_last(tmp_path: Path) -> None:
    seen = {
        "$distinct_id": "ana",
        "$properties": {"plan": "pro", "$last_seen": "2026-03-01T12:00:00"},
    }

    (change,) = commands(mixpanel_export, lines(tmp_path, seen))

    assert isinstance(change, ProfileOp)
    assert (change.op, change.subject, change.time) == ("set", "ana", SECOND * 1_000_000)
    assert change.properties["plan"] == "pro"


def test_the_clock_of_an_old_project_is_moved_to_utc(tmp_path: Path) -> None:
    summer = row(time=1_751_544_000, **{"$insert_id": "i-2"})
    path = lines(tmp_path, row(), summer)

    first, second = events(mixpanel_export, path, in_zone("America/Los_Angeles"))

    assert first.time == (SECOND + 8 * 3600) * 1_000_000
    assert second.time == (1_751_544_000 + 7 * 3600) * 1_000_000


def test_groups_are_those_that_the_settings_name(tmp_path: Path) -> None:
    given = options(mixpanel_groups=("company",), account_group="company")

    (event,) = events(mixpanel_export, lines(tmp_path, row(company="acme")), given)

    assert event.groups == {"account": "acme"}


def test_an_event_without_an_id_is_the_same_in_every_export(tmp_path: Path) -> None:
    nothing: dict[str, Any] = {"$insert_id": None}
    bare = row(**nothing)

    first = events(mixpanel_export, lines(tmp_path, bare, name="a"))
    second = events(mixpanel_export, lines(tmp_path, row(), bare, name="b"))

    assert first[0].id == second[1].id
    assert first[0].flags == ("no_id", "imported")


def test_fields_beside_event_and_properties_are_named(tmp_path: Path) -> None:
    (record,) = told(mixpanel_export, lines(tmp_path, {**row(), "dataset": "$mixpanel"}))

    assert record.left == ("dataset",)


def test_odd_lines_fail_alone(tmp_path: Path) -> None:
    path = lines(
        tmp_path, row(time=None), row(time="soon"), row(time=9_999_999_999), row(""),
        {"event": "a", "properties": []}, {"event": "a"}, {}, row("$identify", distinct_id=None),
    )  # fmt: skip

    assert codes(mixpanel_export, path) == [
        "TIME_UNPARSABLE", "TIME_UNPARSABLE", "TIME_FUTURE", "NAME_INVALID", "TIME_UNPARSABLE",
        "TIME_UNPARSABLE", "TIME_UNPARSABLE", "MISSING_FIELD",
    ]  # fmt: skip


def test_a_time_zone_that_does_not_exist_is_said_first(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="'Mars' is no time zone"):
        read(mixpanel_export, lines(tmp_path, row()), in_zone("Mars"))
