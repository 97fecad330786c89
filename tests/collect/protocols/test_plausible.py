"""What clients of Plausible say, and what becomes of it."""

from decimal import Decimal
from typing import Any

import pytest
from tests.collect.protocols.web import opened, take

from tallymark.collect.protocol import Request
from tallymark.collect.protocols.plausible import plausible
from tallymark.core.errors import NotAllowed, Refused, TallymarkError, Unavailable
from tallymark.core.event import Event
from tallymark.core.policy import Policy

VIEW = {"n": "pageview", "u": "https://shop.example/a", "d": "shop.example"}


def request(**given: Any) -> Request:
    return opened(plausible, "/api/event", {**VIEW, **given})


def event_of(**given: Any) -> Event:
    return take(plausible, request(**given)).event


@pytest.mark.parametrize(
    "given",
    [
        {"p": {"plan": "pro", "seats": 3}},
        {"props": '{"plan": "pro", "seats": 3}'},
        {"m": '{"plan": "pro", "seats": 3}'},
        {"meta": {"plan": "pro", "seats": 3}},
    ],
)
def test_properties_come_as_an_object_or_as_its_text(given: dict[str, Any]) -> None:
    assert event_of(n="Signup", **given).properties == {"plan": "pro", "seats": 3}


def test_properties_that_are_neither_cost_no_event() -> None:
    assert event_of(n="Signup", p="{oops").properties == {}
    assert event_of(n="Signup", p=[1]).properties == {}


@pytest.mark.parametrize("amount", [9.99, "9.99"])
def test_revenue_is_exact_and_needs_its_currency(amount: Any) -> None:
    sale = event_of(n="Sale", **{"$": {"amount": amount, "currency": "usd"}})
    vague = event_of(n="Sale", revenue={"amount": amount})

    assert (sale.revenue, sale.currency) == (Decimal("9.99"), "USD")
    assert vague.revenue is None
    assert "no_currency" in vague.flags


def test_nobody_is_named_and_an_id_for_the_day_is_asked_for() -> None:
    event = event_of(user_id="ana", id="x")

    assert (event.user_id, event.anonymous_id, event.session_id) == (None, None, None)
    assert event.flags == ("cookieless", "no_id")


def test_whoever_has_no_id_by_protocol_and_by_policy_is_flagged_once() -> None:
    taken = take(plausible, request(), policy=Policy(consent="cookieless"))

    assert taken.batch.events[0].flags.count("cookieless") == 1


def test_time_on_a_page_is_no_view_of_it() -> None:
    event = event_of(n="engagement", sd=80, e=12_345, p={"plan": "pro"})

    assert (event.name, event.kind) == ("page_ping", "heartbeat")
    assert event.properties == {"plan": "pro", "scroll_depth": 80, "engaged_ms": 12_345}


@pytest.mark.parametrize(
    ("page", "kept"),
    [
        ("https://a.example/#/about", "https://a.example/about"),
        ("https://a.example/app/?utm_source=x#!/b?c=1", "https://a.example/app/b?utm_source=x"),
        ("https://a.example/#section", "https://a.example/#section"),
        ("https://[a.example/#/b", "https://[a.example/#/b"),
    ],
)
def test_a_route_in_the_fragment_is_the_page_only_where_the_script_says_so(
    page: str, kept: str
) -> None:
    assert event_of(u=page, h=1).context.page_url == kept
    assert event_of(u=page).context.page_url == page


@pytest.mark.parametrize(
    ("query", "source"),
    [("ref=news", "news"), ("source=news", "news"), ("utm_source=a&ref=b", None), ("x=1", None)],
)
def test_the_short_names_of_a_campaign_count_where_the_long_ones_are_missing(
    query: str, source: str | None
) -> None:
    assert event_of(u=f"https://a.example/?{query}").context.utm_source == source


def test_a_list_of_sites_is_one_request_for_each_of_them_once() -> None:
    several = plausible.apart(request(d="a.example, b.example,a.example,"))

    assert [plausible.credential(one) for one in several] == ["a.example", "b.example"]
    assert {take(plausible, one).event.name for one in several} == {"page_view"}
    assert len(plausible.apart(request())) == 1


def test_a_list_without_end_is_refused() -> None:
    with pytest.raises(Refused, match="20 sites"):
        plausible.apart(request(d=",".join(f"s{n}.example" for n in range(21))))


@pytest.mark.parametrize("body", [b"[]", b"7", b'"x"', b'{"u":"https://a.example/"}'])
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        take(plausible, opened(plausible, "/api/event", body))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotAllowed("No.", code="AUTH_INVALID"), 400),
        (Refused("Large.", code="BODY_TOO_LARGE"), 400),
        (Unavailable("Full.", code="STORAGE_PRESSURE"), 503),
        (TallymarkError("Bug.", code="INTERNAL"), 503),
    ],
)
def test_a_refusal_says_why(error: TallymarkError, status: int) -> None:
    assert plausible.refuse is not None
    reply = plausible.refuse(error, request())

    assert reply.status == status
    assert error.message in reply.body.decode()
