"""Rows of Umami's website_event: visitors, visits, pages and what an event was sent with."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from tests.collect.sources.exports import codes, events, options, told
from tests.collect.sources.shared import read

from tallymark.collect.sources.umami_export import umami_export
from tallymark.core.errors import Refused

VIEW = {
    "website_id": "w-1", "session_id": "s-1", "visit_id": "v-1", "event_id": "e-1",
    "created_at": "2026-03-01 12:00:00.123+00", "hostname": "shop.example", "url_path": "/a",
    "url_query": "utm_source=x", "referrer_domain": "search.example", "referrer_path": "/q",
    "referrer_query": "", "page_title": "A, B", "event_type": "1", "event_name": "",
    "browser": "firefox", "os": "Linux", "device": "desktop", "screen": "1920x1080",
    "language": "de-DE", "country": "DE", "subdivision1": "BE", "city": "Berlin", "tag": "\\N",
    "distinct_id": "", "event_data": "", "job_id": "7",
}  # fmt: skip
BUY = {
    **VIEW, "event_id": "e-2", "event_type": "2", "event_name": "buy", "distinct_id": "ana",
    "tag": "b", "event_data": '{"revenue": 19.90, "currency": "EUR", "sku": "s\n1"}',
}  # fmt: skip


def table(tmp_path: Path, *rows: dict[str, str], name: str = "website_event.csv") -> Path:
    path = tmp_path / name
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_view_is_told_with_its_visitor_visit_and_place(tmp_path: Path) -> None:
    (event,) = events(umami_export, table(tmp_path, VIEW))

    assert (event.name, event.kind, event.id, event.namespace) == (
        "page_view", "page", "e-1", "umami",
    )  # fmt: skip
    assert event.time == event.time_client == 1_772_366_400_123_000
    assert (event.user_id, event.anonymous_id, event.session_id) == (None, "s-1", "v-1")
    assert event.properties == {}
    where = event.context
    assert (where.page_url, where.page_host) == ("/a?utm_source=x", "shop.example")
    assert (where.referrer, where.page_title) == ("https://search.example/q", "A, B")
    assert (where.browser, where.locale, where.region) == ("firefox", "de-DE", "BE")
    assert (where.screen_width, where.screen_height) == (1920, 1080)
    assert event.flags == ("imported",)


def test_an_event_has_what_it_was_sent_with(tmp_path: Path) -> None:
    row = {**BUY, "event_data": BUY["event_data"].replace("\n", "\\n")}

    (event,) = events(umami_export, table(tmp_path, row))

    assert (event.name, event.kind, event.user_id) == ("buy", "track", "ana")
    assert event.properties == {
        "tag": "b", "revenue": Decimal("19.90"), "currency": "EUR", "sku": "s\n1",
    }  # fmt: skip
    assert (event.revenue, event.currency) == (Decimal("19.90"), "EUR")


def test_a_table_without_sessions_is_read_too_and_says_what_it_lacks(tmp_path: Path) -> None:
    needed = ("website_id", "session_id", "event_id", "created_at", "url_path")
    path = table(tmp_path, {name: VIEW[name] for name in needed})

    (event,) = events(umami_export, path)

    assert (event.id, event.context.page_url, event.session_id) == ("e-1", "/a", None)
    assert "there is no column visit_id, browser, event_data" in umami_export.explain(
        path, options()
    )


def test_rows_of_another_website_and_odd_ones_fail_alone(tmp_path: Path) -> None:
    path = table(
        tmp_path, VIEW, {**VIEW, "website_id": "w-2"}, {**VIEW, "created_at": "never"},
        {**VIEW, "event_data": "{"}, {**VIEW, "event_data": "[]"}, {**VIEW, "event_id": "e-9"},
    )  # fmt: skip

    assert codes(umami_export, path) == ["BAD_FIELD", "TIME_UNPARSABLE", "JSON_SYNTAX", "BAD_FIELD"]


def test_reading_that_goes_on_keeps_to_the_website_of_the_first_row(tmp_path: Path) -> None:
    path = table(tmp_path, VIEW, {**VIEW, "website_id": "w-2"}, {**VIEW, "event_id": "e-9"})
    whole = read(umami_export, path, options())

    assert read(umami_export, path, options(), whole[1].offset) == whole[1:]


def test_fields_that_find_no_place_are_named(tmp_path: Path) -> None:
    (record,) = told(umami_export, table(tmp_path, VIEW))

    assert record.left == ("job_id",)


def test_another_table_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    path = table(tmp_path, {"event_data_id": "1", "data_key": "a"}, name="event_data.csv")

    with pytest.raises(Refused, match="has a column website_id"):
        read(umami_export, path, options())
