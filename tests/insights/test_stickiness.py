"""Stickiness, counted by hand and by an oracle in plain Python."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.calendar_oracle import unit_of
from tests.insights.oracle import CONDITIONS, chosen_uses
from tests.strategies import NOW, SINCE, UNTIL, ZONES, History, Use, histories, owners, person

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.stickiness import table

HOUR = DAY // 24
# Monday 27 October 2025 to Sunday.
MONDAY = SINCE + 3 * DAY
WEEK = {"since": "2025-10-27", "until": "2025-11-03"}
TWELVE_DAYS = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
# Those that the page of the insight tells.
THREE = [
    *(Use(user="ana", time=MONDAY + day * DAY + hour * HOUR) for day, hour in ((0, 0), (0, 5), (1, 0), (3, 0))),
    Use(user="bo", time=MONDAY),
    *(Use(user="cy", time=MONDAY + day * DAY) for day in (1, 2, 4)),
]  # fmt: skip


def times(store: Store, **question: Any) -> list[tuple[list[int], list[int]]]:
    """Return the people of each period by exactly and by at least 1, 2, 3 … times."""
    answer = ask(store, "stickiness", **{"range": WEEK, **question})
    return [
        ([row.exactly.count for row in one.times], [row.at_least.count for row in one.times])
        for one in answer.periods
    ]


def test_how_often_within_a_day_makes_no_difference(store: Store) -> None:
    store.replace(THREE)

    answer = ask(store, "stickiness", range=WEEK)

    (week,) = answer.periods
    assert times(store) == [([1, 0, 2, 0, 0, 0, 0], [3, 2, 2, 0, 0, 0, 0])]
    assert (week.label, week.people, week.mean) == (
        "2025-10-27 – 2025-11-02", 3, Decimal("2.333333333"),
    )  # fmt: skip
    assert week.times[2].at_least.value == Decimal("0.666666667")


def test_each_month_has_times_of_its_own_and_is_marked_if_only_part_was_asked_for(
    store: Store,
) -> None:
    store.replace(
        [Use(user="ana", time=SINCE + day * DAY) for day in (0, 1, 7, 8)] + [Use(user="bo")]
    )

    answer = ask(store, "stickiness", range=TWELVE_DAYS, period="month")

    assert [(one.label, one.is_incomplete, one.people) for one in answer.periods] == [
        ("2025-10", True, 2),
        ("2025-11", True, 1),
    ]
    assert [[row.exactly.count for row in one.times] for one in answer.periods] == [
        [1, 0, 1, 0, 0, 0, 0, 0],
        [1, 0, 0, 0],
    ]


def test_weeks_of_a_range_are_counted_once_each(store: Store) -> None:
    store.replace(THREE)

    weeks = times(store, interval="week", range={"since": "2025-10-20", "until": "2025-11-03"})

    assert weeks == [([3, 0], [3, 0])]


def test_the_ratio_is_the_mean_of_the_days_and_no_ratio_of_means(store: Store) -> None:
    store.replace(THREE)

    found = ask(store, "stickiness", range=WEEK, measure="ratio").ratios

    assert [(one.dau, one.wau) for one in found.days] == [
        (2, 2), (2, 3), (1, 3), (1, 3), (1, 3), (0, 3), (0, 3),
    ]  # fmt: skip
    # 1 + 2/3 + 1/3 + 1/3 + 1/3 of seven days.
    assert (found.dau_wau.mean, found.dau_wau.days) == (Decimal("0.380952381"), 7)


def test_mixpanels_month_of_31_december_begins_on_the_second(store: Store) -> None:
    # docs.mixpanel.com: a monthly active user is one of the trailing 30 days: December is 2 to 31.
    december = {"since": "2024-12-31", "until": "2025-01-01"}
    first = SINCE - (date(2025, 10, 24) - date(2024, 12, 1)).days * DAY
    store.replace(
        [Use(user=f"day {day}", time=first + (day - 1) * DAY) for day in (1, 2, 3, 4, 31)]
    )

    def mau(**question: Any) -> int:
        asked = {"range": december, "measure": "ratio", **question}
        answer = ask(store, "stickiness", **asked)
        return int(answer.ratios.days[0].mau)

    assert mau(semantics="mixpanel") == 4
    assert mau(semantics="ga4") == 2
    assert mau(semantics="ga4", month_days=30) == 4
    assert mau(clock="calendar") == 5


def test_the_calendars_month_reaches_before_and_after_the_range(store: Store) -> None:
    store.replace([Use(user=str(day), time=SINCE + day * DAY) for day in (-24, -23, 0, 5, 7, 8)])

    found = ask(
        store, "stickiness", measure="ratio", clock="calendar",
        range={"since": "2025-10-24", "until": "2025-10-26"},
    ).ratios  # fmt: skip

    # 30 September is -24, 31 October is 7; the week is from Monday 20 to Sunday 26 October.
    assert [(one.dau, one.wau, one.mau) for one in found.days] == [(1, 1, 4), (0, 1, 4)]


def test_a_day_that_is_not_over_is_shown_and_not_averaged_in(store: Store) -> None:
    store.replace([Use(user="ana", time=NOW - DAY), Use(user="bo", time=NOW)])

    found = ask(store, "stickiness", range="2d", measure="ratio").ratios

    assert [(one.is_incomplete, one.dau, one.dau_wau) for one in found.days] == [
        (False, 1, 1),
        (True, 1, None),
    ]
    assert (found.dau_wau.mean, found.dau_wau.days) == (1, 1)
    calendar = ask(store, "stickiness", range="2d", measure="ratio", clock="calendar").ratios
    assert (calendar.dau_mau.mean, calendar.dau_mau.days) == (None, 0)


def test_the_table_shows_what_the_preset_counts(store: Store) -> None:
    store.replace(THREE)

    def columns(**question: Any) -> tuple[str, ...]:
        return table(ask(store, "stickiness", range=WEEK, **question)).columns

    posthog = ("period", "days", "exactly", "share exactly", "complete")
    cumulative = ("period", "days", "at_least", "share at_least", "complete")
    assert columns(semantics="posthog") == posthog
    assert columns(semantics="amplitude") == columns(semantics="mixpanel") == cumulative
    assert columns(semantics="amplitude", counted="exactly") == posthog
    assert len(columns()) == 7
    shown = table(ask(store, "stickiness", range=WEEK, measure="ratio"))
    assert shown.rows[0] == (
        "mean", None, None, None, Decimal("0.380952381"), Decimal("0.380952381"), 1,
    )  # fmt: skip


def test_what_cannot_be_asked_is_refused(store: Store) -> None:
    store.replace([])

    unfit: list[dict[str, Any]] = [
        {"interval": "week", "period": "month"},
        {"interval": "month", "period": "week"},
        {"measure": "ratio", "interval": "week"},
        {"measure": "ratio", "period": "month"},
    ]
    for question in unfit:
        with pytest.raises(InvalidQuery):
            ask(store, "stickiness", **question)
    unknown: list[dict[str, Any]] = [{"semantics": "matomo"}, {"month_days": 29}]
    for question in (*unknown, {"interval": "hour"}):
        with pytest.raises(msgspec.ValidationError):
            ask(store, "stickiness", **question)
    for asked, place in (
        ({}, {"period": 1}),
        ({}, {"day": 0}),
        ({"measure": "ratio"}, {"times": 1}),
    ):
        behind = {"insight": "stickiness", "question": asked, "place": place}
        with pytest.raises(InvalidQuery, match="no such"):
            ask(store, "people", behind=behind)


def test_nobody_at_all_is_zero_and_has_no_ratio(store: Store) -> None:
    store.replace([])

    found = ask(store, "stickiness", range=WEEK, measure="ratio").ratios

    assert times(store) == [([0] * 7, [0] * 7)]
    assert (found.dau_mau.mean, found.dau_mau.days) == (None, 0)


# The oracle.


def active_days(
    history: History, question: dict[str, Any], since: int, until: int
) -> dict[str, set[int]]:
    """Return the instants at which each person was active in a range."""
    owner = owners(history)
    found: dict[str, set[int]] = {}
    for use in chosen_uses(
        history, since, until, event=question["step"].get("event"),
        filters=(question["filter"], question["step"].get("filter")),
    ):  # fmt: skip
        if (who := person(use, owner)) is not None:
            found.setdefault(who, set()).add(use.time)
    return found


COMMON: dict[str, Any] = {
    "step": st.sampled_from([{}, {"event": "open"}, {"event": ["open", "buy"]}])
    | CONDITIONS.map(lambda chosen: {"event": "open", "filter": chosen}),
    "filter": st.none() | CONDITIONS,
    "timezone": st.sampled_from(ZONES),
    "week_start": st.sampled_from(["monday", "sunday"]),
}
RANGES = st.tuples(st.integers(0, 11 * 24 * 2), st.integers(1, 8 * 24 * 2)).map(
    lambda halves: (
        SINCE + halves[0] * HOUR // 2,
        min(UNTIL, SINCE + (halves[0] + halves[1]) * HOUR // 2),
    )
)
UNITS = st.sampled_from(
    [("day", "range"), ("day", "week"), ("day", "month"), ("week", "range"), ("month", "range")]
)


def opened(store: Store, asked: dict[str, Any], place: dict[str, Any]) -> int:
    behind = {"insight": "stickiness", "question": asked, "place": place}
    answer = ask(store, "people", behind=behind)
    assert answer.total == len(answer.people)
    return int(answer.total)


@settings(max_examples=150)
@given(
    histories(),
    st.fixed_dictionaries(COMMON),
    UNITS,
    st.just((SINCE, UNTIL)) | RANGES,
    st.integers(1, 6),
)
def test_times_agree_with_the_oracle_and_open_to_their_people(
    store: Store, history: Any, common: Any, units: Any, bounds: Any, k: int
) -> None:
    store.replace(history)
    (interval, kind), (since, until) = units, bounds
    asked = {
        **common, "interval": interval, "period": kind,
        "range": {"since": rfc3339(since), "until": rfc3339(until)},
    }  # fmt: skip

    answer = ask(store, "stickiness", **asked)

    zone, week = common["timezone"], common["week_start"]
    found: dict[Any, dict[str, set[date]]] = {}
    for who, instants in active_days(history, common, since, until).items():
        for at in instants:
            part = "all" if kind == "range" else unit_of(at, kind, zone, week)
            mine = found.setdefault(part, {}).setdefault(who, set())
            mine.add(unit_of(at, interval, zone, week))
    for one in answer.periods:
        part = "all" if kind == "range" else date.fromisoformat((one.label + "-01")[:10])
        counts = [len(days) for days in found.get(part, {}).values()]
        assert one.people == len(counts)
        for row in one.times:
            assert row.exactly.count == counts.count(row.times)
            assert row.at_least.count == sum(count >= row.times for count in counts)
        assert sum(row.exactly.count for row in one.times) == one.people
    assert set(found) <= {"all"} | {
        date.fromisoformat((one.label + "-01")[:10]) for one in answer.periods
    }
    number = len(answer.periods) - 1
    place = {"period": number, "times": k}
    rows = answer.periods[number].times[k - 1 : k]
    exactly = rows[0].exactly.count if rows else 0
    at_least = rows[0].at_least.count if rows else 0
    assert opened(store, asked, place) == exactly
    assert opened(store, asked, {**place, "counted": "at_least"}) == at_least
    assert opened(store, asked, {"period": number}) == answer.periods[number].people


@settings(max_examples=150)
@given(
    histories(),
    st.fixed_dictionaries(COMMON),
    st.sampled_from([("rolling", 30), ("rolling", 28), ("calendar", 30)]),
    st.tuples(st.integers(0, 5), st.integers(6, 12)),
    st.sampled_from(["dau", "wau", "mau"]),
)
def test_ratios_agree_with_the_oracle_and_open_to_their_people(
    store: Store, history: Any, common: Any, rule: Any, days: Any, active: str
) -> None:
    store.replace(history)
    clock, month_days = rule
    first = date(2025, 10, 24)
    since, until = (first + timedelta(days=day) for day in days)
    asked = {
        **common, "measure": "ratio", "clock": clock, "month_days": month_days,
        "range": {"since": since.isoformat(), "until": until.isoformat()},
    }  # fmt: skip

    found = ask(store, "stickiness", **asked).ratios

    zone, week = common["timezone"], common["week_start"]
    mine = {
        who: {unit_of(at, "day", zone) for at in instants}
        for who, instants in active_days(history, common, -(2**62), 2**62).items()
    }
    today = unit_of(NOW, "day", zone)

    def people(belongs: Callable[[date], bool]) -> int:
        return sum(any(belongs(day) for day in some) for some in mine.values())

    ratios: list[Fraction] = []
    for number, one in enumerate(found.days):
        day = since + timedelta(days=number)
        assert one.label == day.isoformat()
        if clock == "rolling":
            wau = people(lambda other, d=day: d - timedelta(7) < other <= d)  # type: ignore[misc]
            mau = people(lambda other, d=day: d - timedelta(month_days) < other <= d)  # type: ignore[misc]
            is_over = day < today
        else:
            monday = day - timedelta((day.weekday() + (week == "sunday")) % 7)
            wau = people(lambda other, m=monday: m <= other < m + timedelta(7))  # type: ignore[misc]
            mau = people(lambda other, d=day: (d.year, d.month) == (other.year, other.month))  # type: ignore[misc]
            is_over = (day.year, day.month) < (today.year, today.month)
        dau = people(lambda other, d=day: other == d)  # type: ignore[misc]
        assert (one.dau, one.wau, one.mau) == (dau, wau, mau)
        if is_over and mau:
            ratios.append(Fraction(dau, mau))
    assert found.dau_mau.days == len(ratios)
    if ratios:
        mean = sum(ratios, Fraction(0)) / len(ratios)
        near = Decimal(mean.numerator) / Decimal(mean.denominator)
        assert found.dau_mau.mean == near.quantize(Decimal("1E-9"), ROUND_HALF_UP)
    else:
        assert found.dau_mau.mean is None
    place = {"day": number, "active": active}
    assert opened(store, asked, place) == getattr(found.days[number], active)
