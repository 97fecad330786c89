"""Rates of sessions have intervals that know whose the sessions are, as asked of a store."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.strategies import SINCE, Use

from tallymark.core.clock import MICROSECONDS
from tallymark.insights.uncertainty import by_people, clusters

RANGE = {"since": "2025-10-24", "until": "2025-10-27"}
# Of a person, whether each session bounces; of nobody known, the same.
BOUNCES = st.lists(st.booleans(), min_size=1, max_size=4)
PEOPLE = st.lists(BOUNCES, max_size=12)


def visits_of(user: str | None, name: str, bounces: list[bool]) -> list[Use]:
    """Return the views of sessions, two of each that does not bounce."""
    return [
        Use(
            kind="page", name="page_view", session=f"{name} {number}", user=user, path="/",
            utm_source="mail", time=SINCE + at * 60 * MICROSECONDS,
        )
        for number, is_bounce in enumerate(bounces)
        for at in range(1 if is_bounce else 2)
    ]  # fmt: skip


def history_of(people: list[list[bool]], unknown: list[bool]) -> list[Use]:
    told = [use for n, one in enumerate(people) for use in visits_of(f"user {n}", f"u{n}", one)]
    return [*told, *visits_of(None, "unknown", unknown)]


def test_fifty_bounces_of_one_person_have_no_interval_and_say_why(store: Store) -> None:
    store.replace(history_of([[True] * 50], []))

    rates = [
        ask(store, "sessions", range=RANGE, pages=1).groups[0].total.bounce_rate,
        ask(store, "sessions", range=RANGE, pages=1).entry_pages[0].bounce_rate,
        ask(store, "web", range=RANGE).numbers.bounce_rate,
    ]

    for one in rates:
        assert (one.count, one.of, one.value) == (50, 50, 1)
        assert (one.interval, one.state) == (None, "not_enough_data")


@settings(max_examples=60)
@given(PEOPLE, st.lists(st.booleans(), max_size=4))
def test_every_rate_of_sessions_has_the_interval_of_its_people(
    store: Store, people: list[list[bool]], unknown: list[bool]
) -> None:
    store.replace(history_of(people, unknown))

    found = ask(store, "sessions", range=RANGE, breakdown=["utm_source"], top=1)
    site = ask(store, "web", range=RANGE, tables=["utm_sources"])

    # A session of nobody known is that of one more person.
    counts = [(sum(one), len(one)) for one in [*people, *([one] for one in unknown)]]
    bounced = by_people(clusters(counts))
    stayed = by_people(clusters((of - count, of) for count, of in counts))
    assert site.numbers.bounce_rate.interval == bounced
    assert site.numbers.visitors == len(people)
    if not counts:
        return
    assert site.tables["utm_sources"][0].numbers.bounce_rate == site.numbers.bounce_rate
    for one in (found.groups[0].total, found.groups[0].buckets[0]):
        assert one.bounce_rate == site.numbers.bounce_rate
        assert (one.engaged_rate.interval, one.people) == (stayed, len(people))
    for page in (*found.entry_pages, *found.exit_pages):
        assert page.bounce_rate == site.numbers.bounce_rate


@pytest.mark.parametrize("insight", ["frequency", "distribution"])
def test_shares_of_sessions_say_that_these_are_not_independent(store: Store, insight: str) -> None:
    store.replace(history_of([[True] * 8, [False] * 8], []))

    def shares(per: str) -> list[Any]:
        answer = ask(store, insight, range=RANGE, step={"event": "page_view"}, per=per)
        return [row.units for row in answer.rows]

    assert {one.state for one in shares("session")} == {"not_independent"}
    assert {one.interval for one in shares("session")} == {None}
    assert {one.state for one in shares("person")} == {"not_enough_data"}


# Of a person, how far each view was read and whether the form on it, once started, was sent.
VIEWS = st.lists(
    st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=4), max_size=10
)


def read_pages(people: list[list[tuple[int, bool]]], unknown: list[tuple[int, bool]]) -> list[Use]:
    """Return views, each in a session of its own; a form that is left brings a rage click."""
    found = []
    named = [(f"user {n}", one) for n, one in enumerate(people)]
    for user, views in [*named, (None, unknown)]:
        for number, (depth, is_sent) in enumerate(views):
            told = {"page_view_id": f"{user} {number}", "form_id": "join"}
            names = ["form_start", "form_submit" if is_sent else "rage_click"]
            found += [
                Use(name=name, kind=kind, user=user, path="/a", session=f"{user} {number}",
                    time=SINCE, properties={**told, "scroll_depth": depth})
                for name, kind in [("page_view", "page"), *((one, "interaction") for one in names)]
            ]  # fmt: skip
    return found


@settings(max_examples=60)
@given(VIEWS, st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=3))
def test_rates_of_views_attempts_and_visits_have_the_interval_of_their_people(
    store: Store, people: list[list[tuple[int, bool]]], unknown: list[tuple[int, bool]]
) -> None:
    store.replace(read_pages(people, unknown))
    everybody = [*people, *([one] for one in unknown)]

    scroll, forms, vain = (
        ask(store, one, range=RANGE) for one in ("scroll", "forms", "frustration")
    )

    for one in scroll.curve:
        came = [
            (sum(depth >= one.percent for depth, _ in views), len(views)) for views in everybody
        ]
        assert one.views.interval == by_people(clusters(came))
    left = [(sum(not is_sent for _, is_sent in views), len(views)) for views in everybody]
    assert vain.visits.interval == by_people(clusters(left))
    assert (vain.visits.count, vain.visits.of) == (sum(y for y, _ in left), sum(x for _, x in left))
    if everybody:
        (page,), (form,) = scroll.pages, forms.forms
        assert page.half == scroll.curve[4].views
        assert form.completion.interval == by_people(clusters((x - y, x) for y, x in left))
        assert (form.start.interval, form.start.state) == (None, "not_independent")


def test_a_view_of_unknown_depth_counts_nobody(store: Store) -> None:
    unread = [
        Use(name="page_view", kind="page", user=f"u{n}", path="/a", time=SINCE) for n in range(9)
    ]
    store.replace([*read_pages([[(80, True)] * 2] * 6, []), *unread])

    (page,) = ask(store, "scroll", range=RANGE).pages

    assert page.half.interval == by_people(clusters([(2, 2)] * 6))


def test_a_funnel_says_why_a_share_has_no_interval(store: Store) -> None:
    store.replace(
        [
            Use(name=name, user="ana", session=f"s{number}", time=SINCE + at)
            for number in range(50)
            for at, name in enumerate(("look", "buy"))
        ]
    )

    def states(**more: Any) -> set[str]:
        asked = {"range": RANGE, "steps": ["look", "buy"], "window": "1h", **more}
        total = ask(store, "funnels", **asked).total
        assert total.rate_interval is None
        assert [one.of_first_interval for one in total.steps] == [None, None]
        return {
            total.rate_state,
            *(
                state
                for one in total.steps
                for state in (one.of_first_state, one.of_previous_state)
            ),
        }

    assert states(by="session") == {"not_independent"}
    assert states(count="totals") == {"not_independent"}
    assert states() == {"not_enough_data"}
