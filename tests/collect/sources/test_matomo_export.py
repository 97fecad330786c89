"""Visits of Matomo: each action as the hit it came of."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.collect.sources.exports import codes, events, lines, options, told
from tests.collect.sources.shared import read

from tallymark.collect.sources.matomo_export import matomo_export
from tallymark.collect.sources.source import Failure, Record
from tallymark.core.event import Event

START = 1_772_366_400


def action(kind: str, second: int, **more: Any) -> dict[str, Any]:
    url = "https://shop.example/a"
    return {
        "type": kind, "url": url, "timestamp": START + second, "serverTimePretty": "Mar 1", **more,
    }  # fmt: skip


VISIT: dict[str, Any] = {
    "idSite": "3", "idVisit": "77", "visitIp": "192.0.2.0", "visitorId": "a1b2c3d4e5f60718",
    "userId": "ana", "siteCurrency": "EUR", "siteCurrencySymbol": "€",
    "referrerType": "campaign", "referrerName": "spring", "referrerKeyword": "shoes",
    "referrerUrl": "https://search.example/", "deviceType": "Smartphone", "deviceBrand": "Apple",
    "operatingSystemName": "iOS", "operatingSystemVersion": "17.1", "browserName": "Safari",
    "browserVersion": "17.2", "browserIcon": "x.png", "resolution": "390x844",
    "countryCode": "de", "languageCode": "de-de", "visitDuration": 30, "dimension1": "pro",
    "customVariables": {"1": {"customVariableName1": "plan", "customVariableValue1": "p"}},
    "actionDetails": [
        action("action", 0, pageTitle="A", pageId=1, idpageview="pv1", timeSpent=5),
        action("event", 1, eventCategory="video", eventAction="play", eventName="x",
               eventValue=1.5, pageId=2),
        action("search", 2, siteSearchKeyword="red", siteSearchCount="4", pageId=3),
        action("outlink", 3, url="https://other.example/", pageId=4),
        action("download", 4, url="https://shop.example/a.pdf", pageId=5),
        action("goal", 5, goalId=9, goalName="signup", revenue=2),
        action("ecommerceOrder", 6, orderId="o-1", revenue="19.90", revenueTax="1.00", itemDetails=[
            {"itemSKU": "s1", "itemName": "Shirt", "itemCategory": "c", "price": "9.95",
             "quantity": "2"}]),
        action("ecommerceAbandonedCart", 7, revenue=5, items=1, itemDetails=[]),
        action("content", 8, contentName="ad", contentPiece="top", pageId=6),
    ],
}  # fmt: skip


def uses(tmp_path: Path, visit: dict[str, Any] = VISIT) -> dict[str, Event]:
    return {one.name: one for one in events(matomo_export, lines(tmp_path, [visit]))}


def test_every_action_of_a_visit_is_an_event_at_its_time(tmp_path: Path) -> None:
    found = events(matomo_export, lines(tmp_path, [VISIT]))

    assert [one.name for one in found] == [
        "page_view", "play", "search", "outlink", "download", "goal", "order", "cart_update",
        "content_impression",
    ]  # fmt: skip
    assert [one.time for one in found] == [(START + second) * 1_000_000 for second in range(9)]
    assert {(one.user_id, one.anonymous_id, one.session_id) for one in found} == {
        ("ana", "a1b2c3d4e5f60718", "3.77")
    }
    assert len({one.id for one in found}) == 9


def test_a_view_has_its_page_and_where_the_visit_came_from(tmp_path: Path) -> None:
    found = uses(tmp_path)

    where = found["page_view"].context
    assert (where.page_url, where.page_title) == ("https://shop.example/a", "A")
    assert (where.referrer, where.utm_campaign, where.utm_term) == (
        "https://search.example/", "spring", "shoes",
    )  # fmt: skip
    assert (where.device_type, where.browser, where.browser_version) == ("mobile", "Safari", "17")
    assert (where.country, where.screen_width) == ("DE", 390)
    assert found["page_view"].properties == {
        "idsite": "3", "plan": "p", "dimension1": "pro", "page_view_id": "pv1",
    }  # fmt: skip
    assert found["play"].context.referrer is None


def test_events_searches_goals_and_orders_have_what_their_hits_have(tmp_path: Path) -> None:
    found = uses(tmp_path)

    def own(name: str) -> dict[str, Any]:
        shared = ("idsite", "plan", "dimension1")
        return {key: v for key, v in found[name].properties.items() if key not in shared}

    assert own("play") == {"category": "video", "name": "x", "value": Decimal("1.5")}
    assert own("search") == {"search_term": "red", "search_count": 4}
    assert own("outlink") == {"url": "https://other.example/"}
    assert own("goal") == {"goal": "9", "total": 2}
    assert (found["goal"].revenue, found["goal"].currency) == (Decimal(2), "EUR")
    assert own("order") == {
        "order_id": "o-1", "total": Decimal("19.90"), "tax": 1,
        "items": [{"sku": "s1", "name": "Shirt", "category": "c", "price": Decimal("9.95"),
                   "quantity": 2}],
    }  # fmt: skip
    assert (found["order"].kind, found["order"].revenue) == ("revenue", Decimal("19.90"))
    assert found["cart_update"].revenue is None


def test_a_visit_that_went_on_has_the_same_ids_in_the_next_export(tmp_path: Path) -> None:
    twice = action("event", 9, eventAction="again", eventCategory="c")
    short = {**VISIT, "actionDetails": [VISIT["actionDetails"][0], twice]}
    later = {**VISIT["actionDetails"][0], "timeSpent": 60}
    longer = {**VISIT, "visitDuration": 90, "actionDetails": [later, twice, twice]}

    first = [one.id for one in events(matomo_export, lines(tmp_path, [short]))]
    second = [one.id for one in events(matomo_export, lines(tmp_path, [longer]))]

    assert second[:2] == first
    assert len(set(second)) == 3


def test_a_visit_of_thousands_of_actions_is_read_whole(tmp_path: Path) -> None:
    actions = [
        action("action", second, pageTitle="x" * 400, pageId=second) for second in range(5000)
    ]
    path = lines(tmp_path, json.dumps([{**VISIT, "actionDetails": actions}]).encode())

    assert len(events(matomo_export, path)) == 5000


def test_fields_that_find_no_place_are_named_but_not_what_is_for_eyes(tmp_path: Path) -> None:
    (record,) = told(matomo_export, lines(tmp_path, [VISIT]))

    assert record.left == ("siteCurrencySymbol", "visitDuration")


def test_an_action_of_a_plugin_is_kept_under_its_type(tmp_path: Path) -> None:
    visit = {**VISIT, "actionDetails": [action("form", 0)]}

    (event,) = events(matomo_export, lines(tmp_path, visit))

    assert (event.name, event.properties["action_type"]) == ("custom_action", "form")


def test_a_bad_action_costs_no_other_of_its_visit(tmp_path: Path) -> None:
    good = VISIT["actionDetails"][0]
    actions = [
        good,
        {"type": "event", "timestamp": START},
        {**good, "timestamp": None, "pageId": 8},
    ]
    path = lines(tmp_path, {**VISIT, "actionDetails": [*actions, "x"]})

    items = read(matomo_export, path, options())

    assert [one.code for one in items if isinstance(one, Failure)] == [
        "TIME_UNPARSABLE", "TIME_UNPARSABLE",
    ]  # fmt: skip
    assert len({one.id for one in items if isinstance(one, Failure)}) == 2
    (record,) = (one for one in items if isinstance(one, Record))
    assert [one.name for one in record.event["events"]] == ["page_view", "page_view"]


def test_odd_visits_fail_alone_and_one_without_actions_is_nothing(tmp_path: Path) -> None:
    path = lines(
        tmp_path, {"result": "error", "message": "no"}, {**VISIT, "actionDetails": []},
        {**VISIT, "actionDetails": [{"type": "action"}]}, {**VISIT, "actionDetails": ["x"]},
    )  # fmt: skip

    assert codes(matomo_export, path) == ["MISSING_FIELD", "TIME_UNPARSABLE", "TIME_UNPARSABLE"]
