"""What the steps before the log do to events."""

import pytest
from msgspec import structs

from tallymark.collect.steps import STEPS, Dropped, Result, Step, StepContext, each, run_steps
from tallymark.core.clock import SystemClock
from tallymark.core.event import Context, Event
from tallymark.core.policy import Policy

CLOCK = SystemClock()
POLICY = Policy()
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def event(**context: str) -> Event:
    return Event(name="viewed", id="1", time=1, context=Context(**context))  # type: ignore[arg-type]


def after(given: Event, policy: Policy = POLICY, user_agent: str | None = None) -> Event:
    (left,) = run_steps([given], StepContext(policy, user_agent), CLOCK).events
    return left


def test_steps_run_in_the_order_they_are_listed() -> None:
    assert [step.name for step in STEPS] == [
        "require_consent", "name_visitors", "treat_properties", "scrub_context", "validate_schema",
    ]  # fmt: skip


def test_only_steps_that_may_have_something_to_do_are_run() -> None:
    plain = run_steps([event()], StepContext(POLICY), CLOCK)
    personal = structs.replace(
        event(ip="203.0.113.7", user_agent=FIREFOX),
        properties={"mail": "ana@x.org"}, consent={"measurement": "granted"},
    )  # fmt: skip

    stepped = run_steps([event(), personal], StepContext(POLICY), CLOCK)

    assert list(plain.seconds) == ["scrub_context"]
    assert list(stepped.seconds) == ["require_consent", "treat_properties", "scrub_context"]


def test_an_event_with_nothing_personal_passes_as_it_is() -> None:
    plain = event(page_url="https://x.example/p", referrer="https://y.example/", page_path="/p")

    assert after(plain) is plain


@pytest.mark.parametrize(
    ("rule", "kept"), [("drop", None), ("mask", "203.0.113.0"), ("full", "203.0.113.77")]
)
def test_the_address_is_kept_as_far_as_the_policy_says(rule: str, kept: str | None) -> None:
    policy = Policy(ip=rule)  # type: ignore[arg-type]

    assert after(event(ip="203.0.113.77"), policy).context.ip == kept


def test_pages_are_scrubbed_and_campaigns_moved_to_the_context() -> None:
    given = event(
        page_url="https://x.example/p?mail=a@b.example&utm_source=may&utm_medium=email#top",
        page_path="/u/a@b.example?q=1",
        referrer="https://y.example/?q=secret",
        utm_medium="said by the client",
    )

    context = after(given).context

    assert context.page_url == "https://x.example/p?utm_source=may&utm_medium=email"
    assert context.page_path == "/u/[email]"
    assert context.referrer == "https://y.example/"
    assert (context.utm_source, context.utm_medium) == ("may", "said by the client")


def test_the_user_agent_is_replaced_by_its_families() -> None:
    context = after(event(user_agent=FIREFOX, os="said by the client")).context

    assert context.user_agent is None
    assert (context.browser, context.browser_version) == ("Firefox", "140")
    assert (context.os, context.device_type) == ("said by the client", "desktop")


def test_the_user_agent_of_a_browser_request_stands_in_for_a_missing_one() -> None:
    assert after(event(), user_agent=FIREFOX).context.browser == "Firefox"


def test_robots_are_flagged_not_dropped() -> None:
    assert after(event(user_agent=GOOGLEBOT)).flags == ("bot",)
    assert after(event(user_agent=FIREFOX)).flags == ()


def test_a_robot_that_says_itself_that_it_is_one_is_flagged_once() -> None:
    said = Event(
        name="viewed", id="1", time=1, flags=("bot",), context=Context(user_agent=GOOGLEBOT)
    )

    left = after(said)

    assert (left.flags, left.context.user_agent) == (("bot",), None)


def test_a_policy_that_keeps_the_user_agent_leaves_it_alone() -> None:
    given = event(user_agent=GOOGLEBOT)

    assert after(given, Policy(keep_user_agent=True)) is given


def test_a_step_may_drop_an_event_for_a_reason_that_is_counted() -> None:
    def opt_out(given: Event, around: StepContext) -> Result:
        return Dropped("OPT_OUT") if given.name == "viewed" else given

    steps = (Step("opt_out", each(opt_out), lambda _events, _around: True), *STEPS)
    other = Event(name="other", id="2", time=1)

    stepped = run_steps([event(), other, event()], StepContext(POLICY), CLOCK, steps)

    assert stepped.events == [other]
    assert stepped.dropped == {"OPT_OUT": 2}
