"""Rows of Google Analytics' tables in BigQuery: each as the event that its hit would have been."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.collect.sources.exports import codes, commands, events, lines, told

from tallymark.collect.protocols._values import content_id
from tallymark.collect.sources.ga4_export import ga4_export
from tallymark.core.event import ProfileOp


def param(key: str, **value: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("string_value", "int_value", "float_value", "double_value"))
    return {"key": key, "value": {**nothing, **value}}


VIEW: dict[str, Any] = {
    "event_date": "20260301",
    "event_timestamp": "1772366400123456",
    "event_name": "page_view",
    "event_params": [
        param("page_location", string_value="https://shop.example/a"),
        param("page_title", string_value="A"),
        param("ga_session_id", int_value="1772366000"),
        param("ga_session_number", int_value="2"),
        param("score", double_value=1.25),
    ],
    "event_bundle_sequence_id": "22",
    "user_id": None,
    "user_pseudo_id": "1.2",
    "privacy_info": {"analytics_storage": "Yes", "ads_storage": "No", "uses_transient_token": "No"},
    "user_properties": [
        param("plan", string_value="pro", set_timestamp_micros="1772366000000000"),
        param("ga_session_id", int_value="1772366000", set_timestamp_micros="1772366000000000"),
    ],
    "device": {
        "category": "mobile", "mobile_brand_name": "Apple", "operating_system": "iOS",
        "language": "de-de", "is_limited_ad_tracking": "No",
        "web_info": {"browser": "Safari", "browser_version": "17.1", "hostname": "shop.example"},
    },
    "geo": {"country": "Germany", "region": "Berlin", "city": "(not set)", "continent": "Europe"},
    "stream_id": "99",
    "platform": "WEB",
    "items": [],
}  # fmt: skip
PURCHASE: dict[str, Any] = {
    **VIEW,
    "event_name": "purchase",
    "event_params": [
        param("transaction_id", string_value="T-1"),
        param("value", double_value=19.9),
        param("currency", string_value="EUR"),
    ],
    "ecommerce": {"transaction_id": "T-1", "purchase_revenue": 19.9},
    "items": [
        {
            "item_id": "s1", "item_name": "Shirt", "item_brand": "(not set)", "price": 9.95,
            "quantity": "2", "item_params": [param("size", string_value="M")],
        }
    ],
}  # fmt: skip


def test_a_row_is_told_as_its_hit(tmp_path: Path) -> None:
    (event,) = events(ga4_export, lines(tmp_path, VIEW))

    assert (event.name, event.kind, event.namespace) == ("page_view", "page", "ga4")
    assert event.time == event.time_client == 1_772_366_400_123_456
    assert (event.user_id, event.anonymous_id, event.session_id) == (None, "1.2", "1.2.1772366000")
    assert event.properties == {"ga_session_number": 2, "score": Decimal("1.25")}
    where = event.context
    assert (where.page_url, where.page_title) == ("https://shop.example/a", "A")
    assert (where.browser, where.page_host, where.locale) == ("Safari", "shop.example", "de-de")
    assert (where.country, where.region, where.city) == ("Germany", "Berlin", None)
    assert event.consent == {"sharing": "denied", "personalization": "denied"}


def test_a_purchase_is_money_and_known_by_its_transaction(tmp_path: Path) -> None:
    again = {**PURCHASE, "event_timestamp": "1772366409000000", "event_bundle_sequence_id": "23"}

    first, second = events(ga4_export, lines(tmp_path, PURCHASE, again))

    assert first.id == second.id == content_id("purchase", "99", "T-1")
    assert (first.kind, first.revenue, first.currency) == ("revenue", Decimal("19.9"), "EUR")
    assert first.properties["items"] == [
        {
            "item_id": "s1",
            "item_name": "Shirt",
            "price": Decimal("9.95"),
            "quantity": 2,
            "size": "M",
        }
    ]


def test_rows_are_told_apart_by_their_place_and_are_the_same_in_every_export(
    tmp_path: Path,
) -> None:
    rows = [
        VIEW,
        {**VIEW, "batch_event_index": "2"},
        {**VIEW, "event_timestamp": "1772366400123457"},
    ]
    # The table of the day tells more than the one that is filled during it.
    later = [{**row, "user_ltv": {"revenue": 1.5}, "is_active_user": True} for row in rows]

    first = [one.id for one in events(ga4_export, lines(tmp_path, *rows))]
    second = [one.id for one in events(ga4_export, lines(tmp_path, later))]

    assert len(set(first)) == 3
    assert first == second


def test_properties_of_a_user_are_told_when_they_change(tmp_path: Path) -> None:
    path = lines(tmp_path, VIEW, {**VIEW, "event_timestamp": "1772366400999999"})

    (change,) = commands(ga4_export, path)

    assert isinstance(change, ProfileOp)
    assert (change.subject_kind, change.subject) == ("anonymous", "1.2")
    assert (change.properties, change.time) == ({"plan": "pro"}, 1_772_366_000_000_000)


def test_fields_that_find_no_place_are_named(tmp_path: Path) -> None:
    (record,) = told(ga4_export, lines(tmp_path, VIEW))

    assert record.left == (
        "event_date", "platform", "device.is_limited_ad_tracking", "geo.continent",
    )  # fmt: skip


def test_odd_rows_fail_alone(tmp_path: Path) -> None:
    path = lines(
        tmp_path, {**VIEW, "event_timestamp": None}, {**VIEW, "event_name": " "},
        {**VIEW, "event_params": "x", "items": 7, "device": [], "geo": None}, {},
    )  # fmt: skip

    assert codes(ga4_export, path) == ["TIME_UNPARSABLE", "NAME_INVALID", "NAME_INVALID"]
