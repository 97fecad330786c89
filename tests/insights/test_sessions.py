"""Sessions, counted by hand and by an oracle in plain Python."""

from collections import Counter
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.calendar_oracle import unit_of
from tests.insights.oracle import CONDITIONS, value_of
from tests.insights.visit_oracle import VISITED, Visit, people_in, visits_of
from tests.strategies import SINCE, UNTIL, ZONES, Link, Use

from tallymark.core.clock import DAY, MICROSECONDS, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.sessions import table

SECOND = MICROSECONDS
DAYS = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
THREE_DAYS = {"since": "2025-10-24", "until": "2025-10-27"}
RULES = ("plausible", "ga4", "posthog", "umami", "matomo")


def view(session: str, path: str = "/", *, at: int = 0, **more: Any) -> Use:
    return Use(kind="page", name="page_view", session=session, path=path, time=SINCE + at * SECOND, **more)  # fmt: skip


# Those that the page of the insight tells.
THREE = [
    view("a", "/", at=0, user="ana"),
    view("a", "/prices", at=5, user="ana"),
    view("b", "/", at=0, user="bo"),
    Use(name="sign up", session="b", user="bo", time=SINCE + 3 * SECOND),
    view("c", "/", at=0, user="cy"),
]


def total(store: Store, **question: Any) -> Any:
    return ask(store, "sessions", **{"range": THREE_DAYS, **question}).groups[0].total


def test_three_sessions_have_a_length_and_a_bounce_rate(store: Store) -> None:
    store.replace(THREE)

    found = total(store)

    assert (found.sessions, found.people, found.events, found.views) == (3, 3, 5, 4)
    assert (found.seconds, found.mean_seconds) == (8, Decimal("2.666666667"))
    assert (found.median_seconds, found.p90_seconds) == (3, Decimal("4.6"))
    assert (found.bounces, found.bounce_rate.value) == (1, Decimal("0.333333333"))
    assert found.views_per_session == Decimal("1.333333333")


def test_each_tool_has_a_bounce_of_its_own(store: Store) -> None:
    store.replace(THREE)

    bounces = {rule: total(store, bounce=rule).bounces for rule in RULES}

    assert bounces == {"plausible": 1, "ga4": 2, "posthog": 2, "umami": 2, "matomo": 1}
    assert total(store, semantics="ga4", key_events=["sign up"]).bounces == 1
    assert total(store, semantics="ga4").bounces == 2
    assert total(store, semantics="posthog", bounce="plausible").bounces == 1


def test_plausibles_event_that_is_not_interactive_makes_no_difference(store: Store) -> None:
    # plausible.io/docs: a visit bounces without a second page view or an interactive event.
    store.replace([view("a"), Use(session="a", properties={"interactive": False}), view("b"), Use(session="b")])  # fmt: skip

    assert total(store, semantics="plausible").bounces == 1


def test_google_engages_after_more_than_ten_seconds(store: Store) -> None:
    store.replace(
        [
            view("a"),
            Use(kind="heartbeat", session="a", time=SINCE + 10 * SECOND),
            view("b"),
            Use(kind="heartbeat", session="b", time=SINCE + 10 * SECOND + 1),
        ]
    )

    found = total(store, semantics="ga4")

    assert (found.engaged, found.bounces) == (1, 1)


def test_a_session_belongs_whole_to_the_day_on_which_it_starts(store: Store) -> None:
    store.replace(
        [
            view("late", at=86_400 - 60),
            view("late", "/next", at=86_400 + 60),
            view("before", at=-60),
            view("before", at=60),
            view("end", at=3 * 86_400 - 1),
            view("end", "/after", at=3 * 86_400 + 9),
        ]
    )

    answer = ask(store, "sessions", range=THREE_DAYS)

    (only,) = answer.groups
    assert [one.sessions for one in only.buckets] == [1, 0, 1]
    assert (only.total.views, only.total.seconds) == (4, 130)
    assert [(one.path, one.sessions) for one in answer.exit_pages] == [("/after", 1), ("/next", 1)]


def test_mixpanel_ends_a_session_at_midnight_of_the_zone(store: Store) -> None:
    store.replace([view("a", at=86_400 - 60), view("a", at=86_400 + 60)])

    whole = total(store)
    split = total(store, semantics="mixpanel")

    assert (whole.sessions, whole.seconds) == (1, 120)
    assert (split.sessions, split.seconds, split.bounces) == (2, 0, 2)
    # In Berlin that is two o'clock at night.
    assert total(store, semantics="mixpanel", timezone="Europe/Berlin").sessions == 1
    assert total(store, semantics="mixpanel", split_midnight=False).sessions == 1


def test_a_breakdown_is_by_what_the_first_view_says(store: Store) -> None:
    store.replace(
        [
            Use(kind="heartbeat", session="a", utm_source="none of it", time=SINCE),
            view("a", at=1, utm_source="mail"),
            view("a", at=2, utm_source="ads"),
            view("b", utm_source="mail"),
            view("c", utm_source="ads"),
            view("d"),
        ]
    )

    answer = ask(store, "sessions", range=THREE_DAYS, breakdown=["utm_source"], top=1)

    assert [(one.breakdown, one.is_other, one.total.sessions) for one in answer.groups] == [
        (["mail"], False, 2),
        (None, True, 2),
    ]
    assert table(answer).rows[1][:3] == ("2025-10-24", "Other", 2)


def test_somebody_with_sessions_of_two_groups_is_marked_as_no_sum(store: Store) -> None:
    store.replace(
        [view("a", user="ana", utm_source="mail"), view("b", user="ana", utm_source="ads")]
    )

    whole = ask(store, "sessions", range=THREE_DAYS)
    parts = ask(store, "sessions", range=THREE_DAYS, breakdown=["utm_source"])

    assert [one.total.people for one in parts.groups] == [1, 1]
    assert whole.groups[0].total.people == 1
    assert (whole.sums_to_total, parts.sums_to_total) == (True, False)
    assert sum(one.total.sessions for one in parts.groups) == whole.groups[0].total.sessions == 2


def test_a_filter_chooses_whole_sessions(store: Store) -> None:
    store.replace(THREE)

    found = total(store, filter={"op": "equals", "field": "path", "value": "/prices"})

    assert (found.sessions, found.views, found.seconds) == (1, 2, 5)


def test_who_signs_in_on_the_way_is_one_person(store: Store) -> None:
    store.replace([view("a", anonymous="phone"), view("a", user="ana"), Link("phone", "ana")])

    assert total(store).people == 1


def test_no_session_at_all_is_zero_and_has_no_length(store: Store) -> None:
    store.replace([Use(user="ana")])

    found = total(store)

    assert (found.sessions, found.seconds, found.mean_seconds, found.p90_seconds) == (0, 0, None, None)  # fmt: skip
    assert ask(store, "sessions", range=THREE_DAYS, breakdown=["path"]).groups == []


def test_what_cannot_be_asked_is_refused(store: Store) -> None:
    store.replace([])

    for question in ({"semantics": "matomo"}, {"semantics": "amplitude"}, {"bounce": "heap"}):
        with pytest.raises(msgspec.ValidationError):
            ask(store, "sessions", **question)
    with pytest.raises(InvalidQuery):
        ask(store, "sessions", breakdown=["nowhere"])
    with pytest.raises(InvalidQuery, match="no such bucket"):
        ask(store, "people", behind={"insight": "sessions", "place": {"bucket": 99}})


# The oracle.

KEY_EVENTS = {"open": lambda use: use.name == "open", "none": lambda _: False}


def percentile(lengths: list[int], percent: int) -> Fraction | None:
    if not lengths:
        return None
    ordered = sorted(lengths)
    at = Fraction((len(ordered) - 1) * percent, 100)
    low, high = ordered[int(at)], ordered[min(int(at) + 1, len(ordered) - 1)]
    return (low + (high - low) * (at - int(at))) / MICROSECONDS


def assert_numbers(found: Any, visits: list[Visit], rule: str, key: Any) -> None:
    lengths = [visit.length for visit in visits]
    assert (found.sessions, found.people) == (len(visits), people_in(visits))
    assert found.bounces == sum(visit.is_bounce(rule, key) for visit in visits)
    assert found.engaged == sum(visit.is_engaged(key) for visit in visits)
    assert Fraction(found.seconds) == Fraction(sum(lengths), MICROSECONDS)
    assert found.events == sum(len(visit.events) for visit in visits)
    assert found.views == sum(len(visit.views) for visit in visits)
    for percent, number in ((50, found.median_seconds), (90, found.p90_seconds)):
        expected = percentile(lengths, percent)
        assert number is None if expected is None else Fraction(number) == expected
    if visits:
        assert abs(Fraction(found.mean_seconds) - Fraction(found.seconds) / len(visits)) < Fraction(1, 10**9)  # fmt: skip


@settings(max_examples=300)
@given(
    VISITED,
    st.none() | CONDITIONS,
    st.sampled_from(RULES),
    st.sampled_from(["open", "none"]),
    st.sampled_from([*ZONES, "UTC", "UTC"]),
    st.tuples(st.booleans(), st.sampled_from([(0, 12), (3, 6)])),
    st.sampled_from([[], ["utm_source"], ["path", "country"]]),
    st.integers(0, 11),
)
def test_every_number_agrees_with_the_oracle_and_opens_to_its_people(
    store: Store, history: Any, chosen: Any, rule: str, key: str, zone: str, cut: Any, by: Any, place: int
) -> None:  # fmt: skip
    store.replace(history)
    splits, (first, last) = cut
    since, until = SINCE + first * DAY, SINCE + last * DAY
    asked = {
        "range": {"since": rfc3339(since), "until": rfc3339(until)},
        "filter": chosen, "bounce": rule, "timezone": zone, "split_midnight": splits,
        "key_events": ["open"] if key == "open" else [],
    }  # fmt: skip

    answer = ask(store, "sessions", breakdown=by, top=2, **asked)

    visits = visits_of(history, since, until, chosen=chosen, midnight=zone if splits else None)
    groups: dict[tuple[Any, ...], list[Visit]] = {}
    for visit in visits:
        groups.setdefault(tuple(value_of(visit.entry, name) for name in by), []).append(visit)
    ranked = sorted(groups, key=lambda one: (-len(groups[one]), [(v is None, v) for v in one]))
    expected = {tuple(one): groups[one] for one in ranked[:2]} if by else {(): visits}
    other = [visit for one in ranked[2:] for visit in groups[one]] if by else []
    found = {"other" if one.is_other else tuple(one.breakdown or ()): one for one in answer.groups}
    assert set(found) == set(expected) | ({"other"} if other else set())
    for name, group in found.items():
        mine = other if name == "other" else expected[name]  # type: ignore[index]
        assert_numbers(group.total, mine, rule, KEY_EVENTS[key])
        for bucket, numbers in zip(answer.buckets, group.buckets, strict=True):
            there = [v for v in mine if unit_of(v.start, "day", zone) == date.fromisoformat(bucket.label)]  # fmt: skip
            assert_numbers(numbers, there, rule, KEY_EVENTS[key])
    entries = Counter(visit.entry.path for visit in visits)
    exits = Counter(visit.exit.path for visit in visits)
    assert {one.path: one.sessions for one in answer.entry_pages} == entries
    assert {one.path: one.sessions for one in answer.exit_pages} == exits
    place %= len(answer.buckets)
    behind = {"insight": "sessions", "question": asked, "place": {"bucket": place}}
    opened = ask(store, "people", behind=behind)
    inside = [v for v in visits if unit_of(v.start, "day", zone) == date.fromisoformat(answer.buckets[place].label)]  # fmt: skip
    assert opened.total == people_in(inside)
    for name, group in found.items():
        shown = [list(one) for one in expected]
        chosen_group = {
            "by": by,
            **({"other_than": shown} if name == "other" else {"values": group.breakdown}),
        }
        behind["place"] = {"bucket": place, **({"group": chosen_group} if by else {})}
        opened = ask(store, "people", behind=behind)
        assert opened.total == group.buckets[place].people
