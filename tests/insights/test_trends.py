"""Trends, counted by hand and by an oracle in plain Python."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import ValidationError
from msgspec.structs import replace
from tests.insights.asking import Store, ask
from tests.insights.oracle import CONDITIONS, chosen_uses, people_of, value_of
from tests.strategies import SINCE, UNTIL, ZONES, History, Link, Use, histories, owners, person

from tallymark.core.clock import DAY, instant, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.ranges import Span, buckets
from tallymark.insights.trends import table

HOUR = DAY // 24
DAY0 = SINCE
THREE_DAYS = {"since": "2025-10-24", "until": "2025-10-27"}
TWELVE_DAYS = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
DISTINCT = ("unique_people", "unique_accounts", "sessions")
NUMBERED = ("sum", "avg", "min", "max", "median", "p90", "p95", "p99")
SHARES = {"median": 50, "p90": 90, "p95": 95, "p99": 99}

SHOP = [
    Use(name="visit", anonymous="phone", time=DAY0 + HOUR, path="/"),
    Use(name="visit", user="ana", anonymous="phone", time=DAY0 + 2 * HOUR, path="/a"),
    Use(name="buy", user="ana", time=DAY0 + 3 * HOUR, revenue=Decimal("9.90"), currency="EUR"),
    Use(name="visit", user="bo", time=DAY0 + DAY, path="/"),
    Use(name="visit", user="ana", time=DAY0 + DAY, path="/"),
    Use(name="buy", user="bo", time=DAY0 + DAY + HOUR, revenue=Decimal("0.10"), currency="EUR"),
    Use(name="visit", user="crawler", time=DAY0 + DAY, path="/", is_bot=True),
    Use(name="visit", time=DAY0 + 2 * DAY, path=None),
]


def lines(store: Store, **question: Any) -> dict[Any, Any]:
    answer = ask(store, "trends", **{"range": THREE_DAYS, **question})
    return {
        (line.series, *(line.breakdown or (["Other"] if line.is_other else []))): (
            line.values,
            line.total,
        )
        for line in answer.lines
    }


def test_given_ana_on_two_days_then_the_range_counts_her_once(store: Store) -> None:
    store.replace(SHOP)

    found = lines(
        store,
        series=[
            {"event": "visit"},
            {"event": "visit", "measure": "unique_people"},
            {"event": "visit", "measure": "per_person"},
        ],
    )

    # The phone of the first visit turned out to be ana's; the last visit is by nobody we know.
    assert found == {
        ("A",): ([2, 2, 1], 5),
        ("B",): ([1, 2, 0], 2),
        ("C",): ([2, 1, None], 2),
    }


def test_given_revenue_then_sums_are_exact_and_formulas_use_them(store: Store) -> None:
    store.replace(SHOP)

    found = lines(
        store,
        series=[
            {"event": "buy", "measure": "sum", "of": "revenue"},
            {"event": "visit", "measure": "unique_people"},
            {"event": "buy", "measure": "avg", "of": "revenue"},
        ],
        formulas=["A / B", {"formula": "A / B * 100 - C", "label": "odd"}],
    )

    assert found[("A",)] == ([Decimal("9.9"), Decimal("0.1"), 0], 10)
    assert found[("C",)] == ([Decimal("9.9"), Decimal("0.1"), None], 5)
    assert found[("F1",)] == ([Decimal("9.9"), Decimal("0.05"), None], 5)
    assert found[("F2",)] == ([Decimal("980.1"), Decimal("4.9"), None], 495)


def test_given_more_paths_than_asked_for_then_the_rest_is_other(store: Store) -> None:
    store.replace(SHOP)

    found = lines(
        store,
        series=[{"event": "visit"}, {"event": "visit", "measure": "unique_people"}],
        breakdown=["path"],
        top=1,
    )

    assert found == {
        ("A", "/"): ([1, 2, 0], 3),
        ("A", "Other"): ([1, 0, 1], 2),
        ("B", "/"): ([1, 2, 0], 2),
        ("B", "Other"): ([1, 0, 0], 1),
    }


def test_a_group_without_a_number_comes_after_one_with_a_negative_sum(store: Store) -> None:
    store.replace([Use(path="/a"), Use(path="/b", value=Decimal(-1)), Use(path="/c", value=Decimal(0))])  # fmt: skip
    series = [{"measure": "sum", "of": "value"}, {"measure": "avg", "of": "value"}]

    found = ask(store, "trends", range=THREE_DAYS, series=series, breakdown=["path"], top=2)

    assert [(line.breakdown, line.total) for line in found.lines] == [
        (["/c"], 0), (["/b"], -1), (None, 0), (["/c"], 0), (["/b"], -1), (None, None),
    ]  # fmt: skip


def test_an_average_is_of_the_events_that_have_the_number(store: Store) -> None:
    store.replace([Use(value=Decimal(1)), Use(value=Decimal(2)), Use()])

    assert lines(store, series=[{"measure": "avg", "of": "value"}])[("A",)][1] == Decimal("1.5")


def test_given_ana_on_two_paths_of_other_in_a_day_then_other_counts_her_once(store: Store) -> None:
    store.replace([Use(user="ana", path=path) for path in ("/a", "/b", "/c", "/c")])

    found = lines(store, series=[{}, {"measure": "unique_people"}], breakdown=["path"], top=1)

    assert found["B", "Other"] == ([1, 0, 0], 1)


def test_given_equal_totals_then_the_order_is_by_value_and_missing_comes_last(
    store: Store,
) -> None:
    store.replace([Use(path=path) for path in ("/b", None, "/a", "/B", "(none)")])

    found = ask(store, "trends", range=THREE_DAYS, breakdown=["path"])

    assert [line.breakdown for line in found.lines] == [["(none)"], ["/B"], ["/a"], ["/b"], [None]]
    assert [row[1] for row in table(found).rows[:5]] == ["(none)", "/B", "/a", "/b", "(none)"]


def test_text_and_number_of_one_property_are_two_groups(store: Store) -> None:
    store.replace([Use(properties={"n": value}) for value in ("1", 1, True, [1], None)])

    found = ask(store, "trends", range=THREE_DAYS, breakdown=["properties.n"])

    assert sorted(repr(line.breakdown) for line in found.lines) == [
        "['1']", "['[1]']", "[1]", "[None]", "[True]",
    ]  # fmt: skip


def test_robots_count_only_if_asked_for_and_the_answer_says_so(store: Store) -> None:
    store.replace(SHOP)

    without = ask(store, "trends", range=THREE_DAYS)
    with_them = ask(store, "trends", range=THREE_DAYS, include_bots=True)

    assert (without.bots, without.lines[0].total) == ("excluded", 7)
    assert (with_them.bots, with_them.lines[0].total) == ("included", 8)


def test_a_bucket_that_is_not_over_or_partly_asked_for_is_incomplete(store: Store) -> None:
    store.replace([])

    days = ask(store, "trends", range="2d").buckets
    part = ask(store, "trends", range={"since": "2025-10-24T06:00:00Z", "until": "2025-10-26"})

    assert [bucket.is_incomplete for bucket in days] == [False, True]
    assert [(one.since, one.is_incomplete) for one in part.buckets] == [
        ("2025-10-24T06:00:00Z", True),
        ("2025-10-25T00:00:00Z", False),
    ]


def test_an_event_at_midnight_belongs_to_the_day_that_begins(store: Store) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    midnight = instant(datetime(2025, 10, 27, tzinfo=berlin))
    store.replace([Use(time=midnight), Use(time=midnight - 1), Use(time=midnight - 25 * HOUR)])

    found = ask(
        store, "trends", range={"since": "2025-10-25", "until": "2025-10-28"}, timezone=berlin.key
    )

    assert [bucket.label for bucket in found.buckets] == ["2025-10-25", "2025-10-26", "2025-10-27"]
    assert found.lines[0].values == [0, 2, 1]


def test_events_after_the_log_position_are_not_seen(store: Store) -> None:
    store.replace([Use(user="ana"), Use(anonymous="phone"), Link("phone", "ana")])

    now = store.scope
    store.scope = replace(now, log_position=2)
    before = lines(store, series=[{}, {"measure": "unique_people"}])
    store.scope = now

    assert before == {("A",): ([2, 0, 0], 2), ("B",): ([2, 0, 0], 2)}
    assert lines(store, series=[{"measure": "unique_people"}])[("A",)][1] == 1


def test_previous_period_is_as_many_days_right_before(store: Store) -> None:
    store.replace([Use(time=DAY0 + day * DAY) for day in (-3, -3, -1, 0, 2, 2, 2)])

    found = ask(store, "trends", range=THREE_DAYS, compare="previous_period", formulas=["A * 2"])

    assert found.lines[0].values == [1, 0, 3]
    assert found.lines[0].compared_values == [2, 0, 1]
    assert (found.lines[0].total, found.lines[0].compared_total) == (4, 3)
    assert found.lines[1].compared_values == [4, 0, 2]
    assert found.compared.range.since == "2025-10-21T00:00:00Z"


def test_an_unknown_event_counts_nothing_and_is_named_with_the_one_meant(store: Store) -> None:
    store.replace(SHOP)

    found = ask(store, "trends", range=THREE_DAYS, series=[{"event": ["visits"]}])

    assert found.lines[0].values == [0, 0, 0]
    assert found.warnings == ["No event is named 'visits'. Did you mean 'visit'?"]


def test_revenue_of_several_currencies_comes_with_a_warning(store: Store) -> None:
    pounds = Use(name="buy", time=DAY0 + DAY, revenue=Decimal(1), currency="GBP")
    later = Use(name="buy", time=DAY0 + 4 * DAY, revenue=Decimal(1), currency="USD")
    revenue = {"measure": "sum", "of": "revenue"}
    store.replace([*SHOP, later])

    assert ask(store, "trends", range=THREE_DAYS, series=[revenue]).warnings == []

    store.replace([*SHOP, pounds, later])

    mixed = ask(store, "trends", range=THREE_DAYS, series=[revenue])
    apart = ask(store, "trends", range=THREE_DAYS, series=[revenue], breakdown=["currency"])

    assert mixed.warnings == [
        "Revenue of 2 currencies is added up; filter or break down by currency."
    ]
    assert apart.warnings == []


@pytest.mark.parametrize("measure", ["count", *NUMBERED, "unique_people", "sessions", "per_person"])
def test_nothing_at_all_is_zero_or_none(store: Store, measure: str) -> None:
    store.replace([])
    series = {"measure": measure, **({"of": "value"} if measure in NUMBERED else {})}

    found = lines(store, series=[series])

    zero = 0 if measure in {"count", "sum", "unique_people", "sessions"} else None
    assert found == {("A",): ([zero] * 3, zero)}
    assert lines(store, series=[series], breakdown=["path"]) == {}


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ({"series": [{"measure": "sum"}]}, "QUERY_INVALID"),
        ({"series": [{"measure": "count", "of": "value"}]}, "QUERY_INVALID"),
        ({"series": [{"measure": "sum", "of": "path"}]}, "QUERY_INVALID"),
        ({"breakdown": ["path; DROP TABLE event"]}, "QUERY_INVALID"),
        ({"breakdown": ["time"]}, "QUERY_INVALID"),
        ({"top_by": "B"}, "QUERY_INVALID"),
        ({"top_by": ""}, "QUERY_INVALID"),
        ({"formulas": ["A / B"]}, "QUERY_INVALID"),
        ({"series": [{"event": []}]}, "QUERY_INVALID"),
        ({"series": [{"event": ["a"] * 101}]}, "QUERY_INVALID"),
        ({"interval": "month", "compare": "same_weekdays"}, "QUERY_INVALID"),
        ({"timezone": "Europe/Berlin'; --"}, "TIMEZONE_UNKNOWN"),
        ({"range": "99999y"}, "QUERY_INVALID"),
        ({"range": {"since": "1024-01-01", "until": "2024-01-01"}, "interval": "minute"}, "QUERY_TOO_LARGE"),
        ({"range": "1y", "interval": "hour", "breakdown": ["path"], "top": 1000}, "QUERY_TOO_LARGE"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(store: Store, question: Any, code: str) -> None:
    store.replace([])

    with pytest.raises(InvalidQuery) as refused:
        ask(store, "trends", **question)

    assert refused.value.code == code


@pytest.mark.parametrize(
    "question",
    [
        {"top": 10**12}, {"top": 0}, {"series": []}, {"series": [{}] * 11}, {"interval": "second"},
        {"breakdown": ["path", "os", "browser", "country"]}, {"breakdwn": ["path"]},
        {"series": [{"measure": "count(*)"}]}, {"timezone": 1}, {"compare": "last_year"},
    ],
)  # fmt: skip
def test_an_unknown_shape_is_refused_when_read(store: Store, question: Any) -> None:
    with pytest.raises(ValidationError):
        ask(store, "trends", **question)


# The oracle.


def number(measure: str, of: str | None, chosen: Sequence[Use], history: History) -> Any:
    """Return a measure of events exactly, as a fraction where it divides."""
    owner = owners(history)
    known = [use for use in chosen if person(use, owner) is not None]
    if measure == "count":
        return len(chosen)
    if measure == "unique_people":
        return len(people_of(history, known))
    if measure == "unique_accounts":
        return len({use.account for use in chosen} - {None})
    if measure == "sessions":
        return len({use.session for use in chosen} - {None})
    if measure == "per_person":
        amounts = numbers_of(known, of) if of else [Fraction(1)] * len(known)
        people = len(people_of(history, known))
        return None if not people or (of and not amounts) else sum(amounts) / people
    return statistic(measure, sorted(numbers_of(chosen, of)))


def numbers_of(chosen: Iterable[Use], of: str | None) -> list[Fraction]:
    found = [value_of(use, of or "") for use in chosen]
    return [
        Fraction(one) for one in found if isinstance(one, int | Decimal) and not isinstance(one, bool)
    ]  # fmt: skip


def statistic(measure: str, amounts: list[Fraction]) -> Fraction | int | None:
    if measure == "sum":
        return sum(amounts, Fraction(0))
    if not amounts:
        return None
    if measure == "avg":
        return sum(amounts, Fraction(0)) / len(amounts)
    if measure in {"min", "max"}:
        return amounts[0] if measure == "min" else amounts[-1]
    place = Fraction((len(amounts) - 1) * SHARES[measure], 100)
    low = amounts[int(place)]
    high = amounts[min(int(place) + 1, len(amounts) - 1)]
    return low + (high - low) * (place - int(place))


def assert_is(measure: str, found: Any, expected: Any) -> None:
    """Counts, sums, least and greatest are exact; what divides is rounded to nine places."""
    if expected is None or measure not in {"avg", "per_person", *SHARES}:
        assert found == expected
        return
    nano = abs(expected) * 10**9
    away_from_zero = Fraction(int(nano + Fraction(1, 2)), 10**9)
    assert Fraction(found) == (away_from_zero if expected > 0 else -away_from_zero)


def assert_measures(series: Any, found: Any, chosen: list[Use], history: History) -> None:
    measure, of = series["measure"], series.get("of")
    assert_is(measure, found, number(measure, of, chosen, history))


SERIES = st.one_of(
    st.fixed_dictionaries({"measure": st.sampled_from(NUMBERED),
                           "of": st.sampled_from(["value", "revenue", "properties.seats", "properties.mixed", "properties.no"])}),
    st.fixed_dictionaries({"measure": st.sampled_from(["count", "unique_people", "unique_accounts", "sessions", "per_person"])}),
    st.just({"measure": "per_person", "of": "value"}),
).flatmap(
    lambda series: st.fixed_dictionaries(
        {key: st.just(value) for key, value in series.items()},
        optional={"event": st.sampled_from(["open", ["buy", "open file"], "never"]), "filter": CONDITIONS},
    )
)  # fmt: skip
BREAKDOWNS = st.lists(
    st.sampled_from(["path", "event", "user_id", "properties.plan", "properties.beta", "properties.seats",
                     "currency", "properties.nowhere"]),
    min_size=1, max_size=3, unique=True,
)  # fmt: skip


def chosen_of(series: dict[str, Any], history: History, since: int, until: int) -> list[Use]:
    return chosen_uses(
        history, since, until, event=series.get("event"), filters=(series.get("filter"),)
    )


NUMBERS = st.sampled_from(["value", "revenue", "properties.seats", "properties.mixed"])
EVERY_MEASURE = NUMBERS.map(
    lambda of: [
        *({"measure": measure, "of": of} for measure in (*NUMBERED, "per_person")),
        *({"measure": measure} for measure in ("count", *DISTINCT, "per_person")),
    ]
)


@given(
    histories(),
    EVERY_MEASURE,
    st.none() | CONDITIONS,
    st.sampled_from(ZONES),
    st.sampled_from(["hour", "day", "week", "month"]),
)
def test_every_measure_agrees_with_the_oracle_on_any_history(
    store: Store, history: Any, series: Any, chosen: Any, zone: str, interval: Any
) -> None:
    store.replace(history)
    asked = {"range": TWELVE_DAYS, "filter": chosen, "timezone": zone, "interval": interval}

    found = [
        *ask(store, "trends", series=series[:7], **asked).lines,
        *ask(store, "trends", series=series[7:], **asked).lines,
    ]

    cut = buckets(Span(SINCE, UNTIL), interval, ZoneInfo(zone))
    those = chosen_uses(history, SINCE, UNTIL, filters=(chosen,))
    inside: dict[int, list[Use]] = {}
    for use in those:
        inside.setdefault(bisect_right(cut.edges, use.time) - 1, []).append(use)
    for one, line in zip(series, found, strict=True):
        assert_measures(one, line.total, those, history)
        for place, value in enumerate(line.values):
            assert_measures(one, value, inside.get(place, []), history)


def rank(values: tuple[Any, ...]) -> list[Any]:
    return [(value is None, value) for value in values]


@given(
    histories(),
    SERIES,
    BREAKDOWNS,
    st.integers(1, 4),
    st.sampled_from(["unique_people", "count", "sum"]),
)
def test_breakdown_agrees_with_the_oracle_on_any_history(
    store: Store, history: Any, second: Any, by: Any, top: int, measure: str
) -> None:
    store.replace(history)
    first = {"measure": measure, **({"of": "value"} if measure == "sum" else {})}

    answer = ask(store, "trends", range=TWELVE_DAYS, series=[first, second], breakdown=by, top=top)

    groups: dict[tuple[Any, ...], list[Use]] = {}
    for use in chosen_of(first, history, SINCE, UNTIL):
        groups.setdefault(tuple(value_of(use, name) for name in by), []).append(use)
    counted = (
        {values for values, those in groups.items() if people_of(history, those)}
        if measure == "unique_people"
        else set(groups)
    )
    totals = {values: number(measure, "value", groups[values], history) for values in counted}
    # Groups without a number have no place of their own: a sum of nothing comes last.
    has_none = {values: not numbers_of(groups[values], "value") for values in counted}
    shown = sorted(
        counted,
        key=lambda values: (measure == "sum" and has_none[values], -totals[values], rank(values)),
    )[:top]
    found = {
        (line.series, None if line.is_other else tuple(line.breakdown or ())): line
        for line in answer.lines
    }
    assert [
        line.breakdown for line in answer.lines if line.series == "A" and not line.is_other
    ] == [list(values) for values in shown]
    assert answer.group_count == (len(counted) if by else None)
    for letter, series in (("A", first), ("B", second)):
        chosen = chosen_of(series, history, SINCE, UNTIL)
        for values in (*shown, None):
            those = [
                use
                for use in chosen
                if (mine := tuple(value_of(use, name) for name in by)) == values
                or (values is None and mine not in shown)
            ]
            if values is None and (letter, None) not in found:
                assert number(series["measure"], series.get("of"), those, history) in {0, None}
                continue
            line = found[letter, values]
            assert_measures(series, line.total, those, history)
            for day, value in enumerate(line.values):
                assert_measures(series, value, [one for one in those if on_day(one, day)], history)


def on_day(use: Use, day: int) -> bool:
    return (use.time - SINCE) // DAY == day


@settings(max_examples=50)
@given(histories(), SERIES, st.sampled_from(["previous_period", "same_weekdays"]), st.booleans())
def test_comparison_agrees_with_the_same_question_asked_of_the_earlier_range(
    store: Store, history: Any, series: Any, how: str, by_path: bool
) -> None:
    store.replace(history)
    asked = {"series": [series], "breakdown": ["path"] if by_path else [], "top": 9}
    days = {"since": rfc3339(SINCE + 7 * DAY), "until": rfc3339(UNTIL)}
    before = 5 if how == "previous_period" else 7
    earlier = {"since": rfc3339(SINCE + (7 - before) * DAY), "until": rfc3339(UNTIL - before * DAY)}

    compared = lines_by_group(ask(store, "trends", range=days, compare=how, **asked))
    alone = lines_by_group(ask(store, "trends", range=earlier, **asked))

    for group, line in compared.items():
        if group in alone and not line.is_other:
            assert line.compared_values == alone[group].values
            assert line.compared_total == alone[group].total


def lines_by_group(answer: Any) -> dict[Any, Any]:
    return {repr(line.breakdown): line for line in answer.lines}


@settings(max_examples=50)
@given(
    histories(),
    BREAKDOWNS,
    st.integers(1, 4),
    st.sampled_from(
        [{}, {"measure": "sum", "of": "value"}, {"cumulative": True}, {"window": "3d"}]
    ),
)
def test_groups_and_other_add_up_to_the_total(
    store: Store, history: Any, by: Any, top: int, series: Any
) -> None:
    store.replace(history)

    whole = ask(store, "trends", range=TWELVE_DAYS, series=[series]).lines[0]
    parts = ask(store, "trends", range=TWELVE_DAYS, series=[series], breakdown=by, top=top).lines

    assert whole.sums_to_total
    assert all(line.sums_to_total for line in parts)
    if "window" not in series:
        # Of a group that has nothing in the range no total is told.
        assert sum(line.total for line in parts) == whole.total
    if "window" not in series and "cumulative" not in series:
        for place, value in enumerate(whole.values):
            assert sum(line.values[place] for line in parts) == value


@pytest.mark.parametrize(
    "series",
    [
        {"measure": "unique_people"}, {"measure": "unique_accounts"}, {"measure": "sessions"},
        {"measure": "per_person"}, {"measure": "avg", "of": "value"}, {"measure": "max", "of": "value"},
        {"measure": "p95", "of": "value"}, {"moving_average": 2},
    ],
)  # fmt: skip
def test_what_is_no_sum_of_its_groups_is_marked(store: Store, series: Any) -> None:
    both = [
        Use(user="ana", path=path, account="acme", session="s", value=Decimal(value))
        for path, value in (("/a", 1), ("/b", 3))
    ]
    store.replace(both)

    asked = {"range": TWELVE_DAYS, "series": [series, {}], "formulas": ["A + B"]}
    lines = ask(store, "trends", **asked, breakdown=["path"]).lines

    assert {line.series: line.sums_to_total for line in lines} == {"A": False, "B": True, "F1": False}  # fmt: skip
    if series.get("measure") in {"unique_people", "unique_accounts", "sessions"}:
        assert [line.total for line in lines if line.series == "A"] == [1, 1]
        assert ask(store, "trends", **asked).lines[0].total == 1
