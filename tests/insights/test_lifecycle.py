"""Lifecycle, counted by hand and by an oracle in plain Python."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.calendar_oracle import unit_before, unit_of
from tests.insights.oracle import CONDITIONS, chosen_uses
from tests.insights.retention_oracle import in_nine_places
from tests.strategies import NOW, SINCE, UNTIL, ZONES, History, Link, Use, histories, owners, person

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.lifecycle import table
from tallymark.insights.ranges import day_start

HOUR = DAY // 24
STATES = ("active", "new", "returning", "resurrecting", "first_use", "dormant")
# Monday 27 October 2025 to Friday.
MONDAY = SINCE + 3 * DAY
WEEKDAYS = {"since": "2025-10-27", "until": "2025-11-01"}
# The history that the page of the insight tells: Ana comes, stays, goes and comes back.
WEEK = [
    Use(name="open", user="ana", time=MONDAY),
    Use(name="sign up", user="bo", time=MONDAY + HOUR),
    Use(name="open", user="ana", time=MONDAY + DAY),
    Use(name="open", user="bo", time=MONDAY + DAY),
    Use(name="open", user="ana", time=MONDAY + 4 * DAY),
]


def states(store: Store, **question: Any) -> dict[str, list[int]]:
    """Return the numbers of each state by bucket, without the states of nobody."""
    answer = ask(store, "lifecycle", **{"range": WEEKDAYS, "step": {"event": "open"}, **question})
    found = {state: [getattr(one, state) for one in answer.buckets] for state in STATES}
    return {state: numbers for state, numbers in found.items() if any(numbers)}


def test_ana_comes_stays_goes_and_comes_back(store: Store) -> None:
    store.replace(WEEK)

    found = states(store)

    assert found == {
        "active": [1, 2, 0, 0, 1],
        "new": [1, 1, 0, 0, 0],
        "returning": [0, 1, 0, 0, 0],
        "resurrecting": [0, 0, 0, 0, 1],
        "dormant": [0, 0, 2, 0, 0],
    }


def test_posthog_takes_the_first_use_of_somebody_created_earlier_for_a_return(
    store: Store,
) -> None:
    # lifecycle_query_runner.py: new is told from person.created_at.
    store.replace(WEEK)

    found = states(store, semantics="posthog")

    assert (found["new"], found["resurrecting"]) == ([1, 0, 0, 0, 0], [0, 1, 0, 0, 1])


def test_amplitude_resurrects_nobody_who_never_did_the_event_before(store: Store) -> None:
    store.replace(WEEK)

    found = states(store, semantics="amplitude")

    assert (found["new"], found["resurrecting"]) == ([1, 0, 0, 0, 0], [0, 0, 0, 0, 1])
    assert found["first_use"] == [0, 1, 0, 0, 0]


def test_an_option_that_is_stated_wins_over_the_preset(store: Store) -> None:
    store.replace(WEEK)

    assert states(store, semantics="amplitude", new_basis="this_event") == states(store)
    assert states(store, semantics="amplitude", first_use="resurrecting") == states(
        store, semantics="posthog"
    )


def test_who_came_years_before_the_range_comes_back_and_is_not_new(store: Store) -> None:
    store.replace([Use(user="ana", time=SINCE - 2_000 * DAY), Use(user="ana", time=MONDAY)])

    found = states(store, step="open")

    assert found == {"active": [1, 0, 0, 0, 0], "resurrecting": [1, 0, 0, 0, 0], "dormant": [0, 1, 0, 0, 0]}  # fmt: skip


def test_a_visitor_who_signs_in_later_is_one_person_all_along(store: Store) -> None:
    store.replace(
        [
            Use(anonymous="phone", time=MONDAY),
            Use(user="ana", time=MONDAY + DAY),
            Link("phone", "ana"),
        ]
    )

    assert states(store) == {
        "active": [1, 1, 0, 0, 0],
        "new": [1, 0, 0, 0, 0],
        "returning": [0, 1, 0, 0, 0],
        "dormant": [0, 0, 1, 0, 0],
    }


def test_the_pulse_is_those_who_come_by_those_who_go_without_what_is_not_over(
    store: Store,
) -> None:
    store.replace(
        [
            *(Use(user=who, time=SINCE + 8 * DAY) for who in "abcd"),
            *(Use(user=who, time=SINCE + 9 * DAY) for who in "ax"),
            *(Use(user=who, time=SINCE + 10 * DAY) for who in "bcy"),
        ]
    )

    answer = ask(store, "lifecycle", range={"since": "2025-11-02"})

    # On 2 November x comes and b, c, d go; on the 3rd y, b and c come, a and x go. The 4th has just
    # begun, and nobody of the day before is gone for good.
    assert [one.is_incomplete for one in answer.buckets] == [False, False, True]
    assert [one.pulse for one in answer.buckets] == [Decimal("0.333333333"), Decimal("1.5"), 0]
    assert answer.pulse == Decimal("0.8")
    assert (answer.buckets[0].kept.count, answer.buckets[0].kept.of) == (1, 4)
    assert answer.buckets[0].kept.interval is None


def test_nobody_at_all_is_zero_everywhere_and_has_no_pulse(store: Store) -> None:
    store.replace([])

    answer = ask(store, "lifecycle", range=WEEKDAYS)

    assert {getattr(one, state) for one in answer.buckets for state in STATES} == {0}
    assert answer.pulse is None
    assert answer.buckets[0].kept.value is None


def test_robots_and_events_by_nobody_have_no_lifecycle(store: Store) -> None:
    store.replace([Use(time=MONDAY), Use(user="crawler", time=MONDAY, is_bot=True)])

    assert states(store) == {}
    assert states(store, include_bots=True)["new"] == [1, 0, 0, 0, 0]


def test_an_answer_reads_as_one_row_a_bucket(store: Store) -> None:
    store.replace(WEEK)

    shown = table(ask(store, "lifecycle", range=WEEKDAYS, step="open"))

    assert shown.columns == (
        "day", "active", "new", "returning", "resurrecting", "dormant", "pulse", "complete",
    )  # fmt: skip
    assert shown.rows[1] == ("2025-10-28", 2, 1, 1, 0, 0, None, True)


def test_what_cannot_be_asked_is_refused(store: Store) -> None:
    store.replace([])

    with pytest.raises(InvalidQuery) as many:
        ask(store, "lifecycle", range={"since": "2018-01-01", "until": "2025-01-01"})
    assert many.value.code == "QUERY_TOO_LARGE"
    for question in ({"semantics": "mixpanel"}, {"interval": "hour"}, {"new_basis": "signup"}):
        with pytest.raises(msgspec.ValidationError):
            ask(store, "lifecycle", **question)
    with pytest.raises(InvalidQuery, match="no such bucket"):
        ask(
            store,
            "people",
            behind={"insight": "lifecycle", "question": {"range": "2d"}, "place": {"bucket": 2}},
        )


def test_a_range_of_many_years_needs_more_than_one_word_of_bits(store: Store) -> None:
    store.replace([Use(user="ana", time=SINCE - day * DAY) for day in (1, 2, 61, 62, 63, 124, 700)])

    answer = ask(store, "lifecycle", range={"since": "2023-01-01", "until": "2025-10-24"})

    assert [one.label for one in answer.buckets if one.resurrecting] == [
        "2025-06-22",
        "2025-08-22",
        "2025-10-22",
    ]
    assert [one.label for one in answer.buckets if one.new] == ["2023-11-24"]
    assert [one.label for one in answer.buckets if one.returning] == [
        "2025-08-23", "2025-08-24", "2025-10-23",
    ]  # fmt: skip


# The oracle.


def oracle(
    history: History, question: dict[str, Any], since: int, until: int
) -> dict[date, dict[str, set[str]]]:
    """Return who is in which state by the first date of each bucket that has anybody in it."""
    zone, interval, week = question["timezone"], question["interval"], question["week_start"]
    owner = owners(history)
    active: dict[date, set[str]] = {}
    before: dict[date, set[str]] = {}
    first: dict[str, date] = {}
    seen: dict[str, date] = {}
    chosen = chosen_uses(
        history, -(2**62), until, event=question["step"].get("event"),
        filters=(question["filter"], question["step"].get("filter")),
    )  # fmt: skip
    for use in chosen:
        who, unit = person(use, owner), unit_of(use.time, interval, zone, week)
        if who is not None:
            first[who] = min(first.get(who, unit), unit)
            if use.time >= since:
                active.setdefault(unit, set()).add(who)
            if unit != unit_of(since, interval, zone, week) or use.time >= since:
                before.setdefault(unit, set()).add(who)
    for use in chosen_uses(history, -(2**62), until):
        who, unit = person(use, owner), unit_of(use.time, interval, zone, week)
        if who is not None:
            seen[who] = min(seen.get(who, unit), unit)
    apart = question["first_use"] == "apart"
    basis = first if question["new_basis"] == "this_event" else seen
    found = {}
    for unit in {unit_of(at, interval, zone, week) for at in range(since, until, HOUR // 2)}:
        now, then = active.get(unit, set()), before.get(unit_before(unit, interval, week), set())
        new = {who for who in now if basis[who] == unit}
        rest = now - then - new
        odd = {who for who in rest if first[who] == unit} if apart else set()
        found[unit] = {
            "active": now,
            "new": new,
            "returning": (now & then) - new,
            "resurrecting": rest - odd,
            "first_use": odd,
            "dormant": then - now,
            "before": then,
        }
    return found


def quotient(part: int, whole: int) -> Fraction | None:
    """Return a share as an answer has it: of nothing there is none."""
    return in_nine_places(Fraction(part, whole)) if whole else None


def is_whole(unit: date, question: dict[str, Any], since: int, until: int) -> bool:
    """Return whether a bucket lies in the range and is over."""
    zone = ZoneInfo(question["timezone"])
    days = {"day": 1, "week": 7, "month": 31}[question["interval"]]
    after = unit + timedelta(days=days)
    if question["interval"] == "month":
        after = (unit + timedelta(days=31)).replace(day=1)
    return since <= day_start(unit, zone) and day_start(after, zone) <= min(until, NOW)


QUESTIONS = st.fixed_dictionaries(
    {
        "step": st.sampled_from([{}, {"event": "open"}, {"event": ["open", "buy"]}, {"event": "never"}])
        | CONDITIONS.map(lambda chosen: {"event": "open", "filter": chosen}),
        "filter": st.none() | CONDITIONS,
        "timezone": st.sampled_from(ZONES),
        "interval": st.sampled_from(["day", "day", "week", "month"]),
        "week_start": st.sampled_from(["monday", "sunday"]),
        "new_basis": st.sampled_from(["this_event", "first_seen"]),
        "first_use": st.sampled_from(["resurrecting", "apart"]),
    }
)  # fmt: skip
# Ranges that begin and end within a day are as common as whole ones.
RANGES = st.tuples(st.integers(0, 11 * 24 * 2), st.integers(1, 6 * 24 * 2)).map(
    lambda halves: (
        SINCE + halves[0] * HOUR // 2,
        min(UNTIL, SINCE + (halves[0] + halves[1]) * HOUR // 2),
    )
)


@settings(max_examples=300)
@given(
    histories(),
    QUESTIONS,
    st.just((SINCE, UNTIL)) | RANGES,
    st.integers(0, 11),
    st.sampled_from(STATES),
)
def test_every_state_agrees_with_the_oracle_adds_up_and_opens_to_its_people(
    store: Store, history: Any, question: Any, bounds: Any, place: int, state: str
) -> None:
    store.replace(history)
    since, until = bounds
    asked = {**question, "range": {"since": rfc3339(since), "until": rfc3339(until)}}

    answer = ask(store, "lifecycle", **asked)

    expected = oracle(history, question, since, until)
    found = {
        date.fromisoformat((one.label + "-01")[:10]): {
            state: getattr(one, state) for state in STATES
        }
        for one in answer.buckets
    }
    assert found == {
        unit: {state: len(states[state]) for state in STATES} for unit, states in expected.items()
    }
    whole = []
    for one in answer.buckets:
        unit = date.fromisoformat((one.label + "-01")[:10])
        some = {state: len(people) for state, people in expected[unit].items()}
        came = some["new"] + some["resurrecting"]
        assert one.pulse == quotient(came, some["dormant"])
        assert (one.kept.count, one.kept.of) == (some["returning"], some["before"])
        assert one.kept.value == quotient(some["returning"], some["before"])
        assert one.is_incomplete == (not is_whole(unit, question, since, until))
        if not one.is_incomplete:
            whole.append((came, some["dormant"]))
    assert answer.pulse == quotient(sum(came for came, _ in whole), sum(gone for _, gone in whole))
    before = None
    for one in answer.buckets:
        assert one.active == one.new + one.returning + one.resurrecting + one.first_use
        assert before is None or one.dormant == before - one.returning
        before = one.active
    place = min(place, len(answer.buckets) - 1)
    behind = {
        "insight": "lifecycle",
        "question": asked,
        "place": {"bucket": place, "state": state},
    }
    opened = ask(store, "people", behind=behind)
    assert opened.total == len(opened.people) == getattr(answer.buckets[place], state)


@settings(max_examples=40)
@given(histories(), QUESTIONS)
def test_the_active_are_the_unique_people_of_trends(
    store: Store, history: Any, question: Any
) -> None:
    store.replace(history)
    days = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
    common = {name: question[name] for name in ("timezone", "interval", "week_start", "filter")}

    answer = ask(store, "lifecycle", range=days, **question)
    series = [{**question["step"], "measure": "unique_people"}]
    line = ask(store, "trends", range=days, series=series, **common).lines[0]

    assert [one.active for one in answer.buckets] == line.values
