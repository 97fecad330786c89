"""What the browser script says, and what becomes of it under the choices of visitor and project."""

from decimal import Decimal
from typing import Any

import pytest
from tests.collect.protocols.web import NOW, SECOND, opened, take

from tallymark.collect.protocol import Request
from tallymark.collect.protocols.browser import browser, own_id
from tallymark.core.errors import NotAllowed, Refused, TallymarkError, Unavailable
from tallymark.core.policy import Policy

SENT = NOW // 1_000
VIEW = {"n": "$pageview", "i": "1", "t": SENT, "u": "https://shop.example/a?utm_source=x&q=1"}
GRANTED: dict[str, Any] = {"c": "g", "d": "t-device-1", "uid": "ana", "g": {"account": "acme"}}


def request(*events: Any, headers: dict[str, str] | None = None, **around: Any) -> Request:
    body = {"k": "pk_AAAAAAAA_x", "c": "c", "s": SENT, "e": list(events), **around}
    return opened(browser, "/tm/v1/e", body, headers=headers)


def test_who_was_not_asked_has_no_id_whatever_a_page_sends() -> None:
    taken = take(browser, request(VIEW, **{**GRANTED, "c": "c"}))

    (event,) = taken.batch.events
    assert (event.user_id, event.anonymous_id, event.groups) == (None, "d_203.0.113.9", {})
    assert event.flags == ("cookieless",)
    assert event.context.page_url == "https://shop.example/a?utm_source=x"


def test_who_said_yes_has_the_ids_of_device_and_user() -> None:
    taken = take(browser, request(VIEW, **GRANTED))

    (event,) = taken.batch.events
    assert (event.user_id, event.anonymous_id) == ("ana", "t-device-1")
    assert event.groups == {"account": "acme"}


@pytest.mark.parametrize("choice", ["c", "g"])
def test_a_project_that_wants_nobody_known_goes_before_a_page_that_does(choice: str) -> None:
    sent = request(VIEW, {"n": "$identify", "i": "2"}, **{**GRANTED, "c": choice})

    asked = take(browser, sent, policy=Policy(consent="opt_in")).batch
    metered = take(browser, sent, policy=Policy(consent="contract")).batch

    assert len(asked.events) == (1 if choice == "g" else 0)
    assert {one.user_id for one in metered.events} == {None}
    assert metered.commands == []


def test_a_choice_is_a_statement_that_proves_it_and_no_use() -> None:
    choice = {"n": "$consent", "i": "2", "t": SENT - 1_000, "p": {"version": "2026-05"}}

    decoded = take(browser, request(VIEW, choice, c="g", d="t-device-1")).decoded
    named = take(browser, request(choice, **GRANTED)).decoded
    unasked = take(browser, request(choice, c="c", d="t-device-1")).decoded

    (said,) = decoded.statements
    assert (said.subject_kind, said.subject, said.place) == ("anonymous", "t-device-1", 1)
    assert said.consent["policy_version"] == "2026-05"
    assert said.consent["measurement"] == "granted"
    assert said.time == NOW - SECOND
    assert (decoded.received, len(decoded.events), decoded.dropped) == (2, 1, {})
    assert (named.statements[0].subject_kind, named.statements[0].subject) == ("user", "ana")
    assert (unasked.statements, unasked.dropped) == ([], {"IDENTIFY_IN_COOKIELESS": 1})


@pytest.mark.parametrize("choice", ["d", "", "yes", None, 1, ["g"]])
def test_what_nobody_understands_is_a_no_and_nothing_of_it_is_kept(choice: Any) -> None:
    taken = take(browser, request(VIEW, {"n": "\0"}, "canary", **{**GRANTED, "c": choice}))

    assert taken.batch.dropped == {"CONSENT_DENIED": 3}
    assert (taken.batch.events, taken.batch.commands, taken.batch.failed) == ([], [], [])
    assert taken.reply.status == 202


@pytest.mark.parametrize(("signal", "dropped"), [(1, "GPC"), (2, "DNT"), (3, "GPC")])
def test_a_signal_that_the_page_saw_counts_as_one_in_the_headers(signal: int, dropped: str) -> None:
    strict = Policy(gpc="all", dnt="drop")

    told = take(browser, request(VIEW, sig=signal, **GRANTED), policy=strict).batch
    silent = take(browser, request(VIEW, sig=0, **GRANTED), policy=strict).batch

    assert told.dropped == {dropped: 1}
    assert len(silent.events) == 1


def test_a_signal_in_the_headers_lowers_what_a_page_claims() -> None:
    taken = take(browser, request(VIEW, headers={"dnt": "1"}, **GRANTED))

    (event,) = taken.batch.events
    assert event.anonymous_id == "d_203.0.113.9"
    assert event.flags == ("cookieless",)


def test_a_clock_that_is_wrong_is_put_right() -> None:
    late = {**VIEW, "t": SENT - 3_600_000 - 5_000}

    (event,) = take(browser, request(late, s=SENT - 3_600_000)).batch.events

    assert (event.time, event.time_rule) == (NOW - 5 * SECOND, "repaired")


def test_a_short_form_of_the_source_counts_where_there_is_no_campaign() -> None:
    short = {**VIEW, "u": "https://shop.example/?ref=friend"}
    both = {**VIEW, "u": "https://shop.example/?ref=friend&utm_source=letter", "i": "2"}

    first, second = take(browser, request(short, both)).batch.events

    assert first.context.utm_source == "friend"
    assert second.context.utm_source == "letter"


def test_revenue_is_exact_and_needs_its_currency() -> None:
    sale = {"n": "sale", "i": "1", "p": {"revenue": 0.1, "currency": "usd"}}
    vague = {"n": "sale", "i": "2", "p": {"revenue": 0.1}}

    first, second = take(browser, request(sale, vague)).decoded.events

    assert (first.revenue, first.currency) == (Decimal("0.1"), "USD")
    assert (second.revenue, "no_currency" in second.flags) == (None, True)


@pytest.mark.parametrize(
    ("url", "kept"),
    [("https://ana:pw@a.example/x.js?token=1#p", {"url": "https://a.example/x.js"}), ("", {}), (7, {"url": "7"})],
)  # fmt: skip
def test_an_address_that_the_script_tells_is_scrubbed_as_a_page_is(
    url: Any, kept: dict[str, Any]
) -> None:
    error = {"n": "$error", "i": "1", "p": {"url": url}}

    assert take(browser, request(error)).event.properties == kept


def test_a_name_of_the_script_that_is_not_known_yet_is_kept_as_it_is() -> None:
    assert take(browser, request({"n": "$later", "i": "1"})).event.name == "$later"


@pytest.mark.parametrize(
    "item",
    [
        {"n": "$identify", "i": "1", "p": {"a": 1}},
        {"n": "$group", "i": "1", "p": {"type": "team"}},
        {"n": "$consent", "i": "1"},
    ],
)
def test_a_call_that_names_nobody_is_refused_alone(item: dict[str, Any]) -> None:
    device = None if item["n"] == "$consent" else "t-device-1"

    taken = take(browser, request(item, VIEW, c="g", d=device))

    assert taken.codes == ["MISSING_FIELD"]
    assert len(taken.batch.events) == 1
    assert taken.reply.status == 202


def test_a_placeholder_is_nobody() -> None:
    sent = request(VIEW, {"n": "$identify", "i": "2"}, c="g", d="t-device-1", uid="undefined")

    taken = take(browser, sent)

    assert taken.batch.commands == []
    assert taken.batch.events[0].user_id is None


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unavailable("Full.", code="STORAGE_PRESSURE"), 503),
        (NotAllowed("No.", code="AUTH_INVALID"), 401),
        (Refused("Large.", code="BODY_TOO_LARGE"), 413),
        (Refused("Not JSON.", code="JSON_SYNTAX"), 400),
    ],
)
def test_the_status_says_whether_to_send_it_again(error: TallymarkError, status: int) -> None:
    assert browser.refuse is not None
    reply = browser.refuse(error, request())

    assert reply.status == status
    assert error.code.encode() in reply.body


def test_an_event_keeps_its_id_however_often_it_is_sent() -> None:
    first, second = (take(browser, request(VIEW)).event for _ in range(2))

    assert (first.namespace, first.id) == (second.namespace, second.id) == ("browser", "1")
    assert own_id(VIEW) == ("browser", "1")
