"""What clients of Umami say, and what becomes of it."""

import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs
from tests.collect.protocols.web import FIREFOX, NOW, opened, take

from tallymark.collect.protocol import Request
from tallymark.collect.protocols.umami import umami
from tallymark.core.clock import DAY
from tallymark.core.errors import NotAllowed, Refused, TallymarkError, Unavailable
from tallymark.core.event import Event, ProfileOp

SITE = "9f6a1c2e-55d4-4a0b-9b60-3b6f2ad6c001"
NODE = {"user-agent": "Mozilla/5.0 Umami/v20.20.2"}


def request(kind: str = "event", headers: dict[str, str] | None = None, **payload: Any) -> Request:
    body = {"type": kind, "payload": {"website": SITE, **payload}}
    return opened(umami, "/api/send", body, headers=headers)


def event_of(kind: str = "event", **payload: Any) -> Event:
    return take(umami, request(kind, **payload)).event


def answer(given: Request) -> dict[str, str]:
    told: dict[str, str] = json.loads(take(umami, given).reply.body)
    return told


def test_an_event_with_a_name_is_one_and_without_it_a_page_view() -> None:
    named, page = event_of(name="signup", data={"plan": "pro"}), event_of(url="/a", title="A")

    assert (named.name, named.kind, named.properties) == ("signup", "track", {"plan": "pro"})
    assert (page.name, page.kind, page.context.page_title) == ("page_view", "page", "A")


def test_a_path_keeps_the_host_it_was_sent_with() -> None:
    context = event_of(url="/a?utm_source=x", hostname="shop.example", referrer="/b").context

    assert (context.page_host, context.page_url) == ("shop.example", "/a?utm_source=x")


def test_a_distinct_id_names_somebody_and_without_one_the_day_does() -> None:
    known, unknown = event_of(id="ana"), event_of()

    assert (known.user_id, known.flags) == ("ana", ("no_id",))
    assert (unknown.user_id, unknown.flags) == (None, ("cookieless", "no_id"))


def test_a_servers_own_address_makes_no_visitor() -> None:
    own = take(umami, request(headers=NODE, name="job"))
    given = take(umami, request(headers=NODE, ip="198.51.100.7", userAgent=FIREFOX))

    assert (own.event.flags, own.batch.server_side) == (("no_id",), True)
    # It looks like a browser's or a robot's; it is neither.
    (kept,) = own.batch.events
    assert (kept.context.browser, kept.flags) == (None, ("no_id",))
    (visitor,) = given.batch.events
    assert (visitor.context.browser, visitor.flags) == ("Firefox", ("cookieless", "no_id"))


def test_identify_tells_of_whom_it_names_and_else_changes_nobody() -> None:
    named = take(umami, request("identify", id="ana", data={"plan": "pro"})).decoded
    nobody = take(umami, request("identify", data={"plan": "pro"})).decoded

    (profile,) = named.commands
    assert isinstance(profile, ProfileOp)
    assert (profile.subject, profile.properties) == ("ana", {"plan": "pro"})
    assert [(event.name, event.kind) for event in nobody.events] == [("identify", "system")]
    assert nobody.commands == []


def test_speed_and_time_on_a_page_are_no_views() -> None:
    speed = event_of("performance", url="/a", lcp=1200.5, cls="0.02")
    time = event_of("engagement", url="/a", engagement=4100)

    assert (speed.kind, speed.properties) == (
        "metric",
        {"lcp_ms": Decimal("1200.5"), "cls": Decimal("0.02")},
    )
    assert (time.name, time.kind, time.properties) == ("page_ping", "heartbeat", {"engaged_ms": 4100})  # fmt: skip


def test_money_is_found_in_either_place() -> None:
    plain = event_of(name="buy", data={"revenue": "9.99", "currency": "EUR"})
    newer = event_of(name="buy", data={"commerce": {"revenue": 9.99, "currency": "eur"}})

    assert (plain.revenue, plain.currency) == (Decimal("9.99"), "EUR")
    assert (newer.revenue, newer.currency) == (Decimal("9.99"), "EUR")


def test_a_time_is_in_seconds_and_believed() -> None:
    assert event_of(timestamp=1_789_999_000).time == 1_789_999_000_000_000


@pytest.mark.parametrize("place", ["link", "pixel"])
def test_a_link_or_pixel_is_a_site_too_and_told(place: str) -> None:
    given = opened(umami, "/api/send", {"type": "event", "payload": {place: "p-1", "url": "/a"}})

    assert umami.credential(given) == "p-1"
    assert take(umami, given).event.properties == {place: "p-1"}


def test_the_answer_has_the_same_ids_for_a_visitor_all_day_and_others_for_anybody_else() -> None:
    first = request(name="a")
    later = structs.replace(request(name="b", url="/x"), received_at=NOW + DAY // 20)
    tomorrow = structs.replace(first, received_at=NOW + DAY)
    elsewhere = structs.replace(first, peer="203.0.113.10")
    other = request(headers={"user-agent": "Other/1"}, name="a")

    told = answer(first)

    assert set(told) == {"cache", "sessionId", "visitId"}
    assert NOW // DAY == (NOW + DAY // 20) // DAY
    assert answer(later) == told
    for one in (tomorrow, elsewhere, other):
        assert set(answer(one).values()).isdisjoint(told.values())
    assert "203.0.113" not in json.dumps(told)


def test_a_batch_takes_what_it_can_and_says_what_it_could_not() -> None:
    good = {"type": "event", "payload": {"website": SITE, "url": "/a"}}
    foreign = {"type": "event", "payload": {"website": "other", "url": "/a"}}
    taken = take(umami, opened(umami, "/api/batch", [good, {"type": "event"}, foreign, good]))

    told = json.loads(taken.reply.body)

    assert len(taken.decoded.events) == 2
    assert taken.codes == ["MISSING_FIELD", "BAD_FIELD"]
    assert (told["size"], told["processed"], told["errors"]) == (4, 2, 2)
    assert [one["index"] for one in told["details"]] == [1, 2]


@pytest.mark.parametrize("body", [b"{}", b"7", b'{"type":"event"}', b'{"payload":[]}'])
def test_a_single_request_without_an_event_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        take(umami, opened(umami, "/api/send", body))


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
    assert umami.refuse is not None
    reply = umami.refuse(error, request())

    assert reply.status == status
    assert json.loads(reply.body)["error"]["message"] == error.message
