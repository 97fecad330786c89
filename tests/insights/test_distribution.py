"""How a number is spread over people, counted by hand and by an oracle in plain Python."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.oracle import CONDITIONS, chosen_uses, satisfies, value_of
from tests.strategies import SINCE, UNTIL, History, Link, Use, histories, owners, person

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.distribution import table

DAYS = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
# Those that the page of the insight tells.
PURCHASES = [
    Use(name="buy", user="ana", revenue=Decimal("5.00")),
    Use(name="buy", user="ana", revenue=Decimal("5.00"), time=SINCE + DAY),
    Use(name="buy", user="bo", revenue=Decimal("9.99")),
    Use(name="buy", user="cy", revenue=Decimal("120.00")),
    Use(name="look", user="di"),
]
REVENUE = {"step": "buy", "measure": "sum", "of": "revenue"}


def spread(store: Store, **question: Any) -> list[tuple[Any, Any, int]]:
    answer = ask(store, "distribution", **{"range": DAYS, **question})
    return [(one.low, one.high, one.units.count) for one in answer.rows]


def test_people_are_counted_by_what_they_spent(store: Store) -> None:
    store.replace(PURCHASES)

    answer = ask(store, "distribution", range=DAYS, **REVENUE, bounds=[0, 10, 50])

    assert [(one.low, one.high, one.units.count, one.amount) for one in answer.rows] == [
        (None, 0, 0, 0), (0, 10, 1, Decimal("9.99")), (10, 50, 1, 10), (50, None, 1, 120),
    ]  # fmt: skip
    assert (answer.units, answer.amount) == (3, Decimal("139.99"))
    assert (answer.mean, answer.median) == (Decimal("46.663333333"), 10)
    assert (answer.least, answer.most) == (Decimal("9.99"), 120)


def test_those_who_bought_nothing_can_have_zero(store: Store) -> None:
    store.replace(PURCHASES)

    answer = ask(store, "distribution", range=DAYS, **REVENUE, bounds=[0, 10], with_zero=True)

    assert [one.units.count for one in answer.rows] == [0, 2, 2]
    assert (answer.mean, answer.median) == (Decimal("34.9975"), Decimal("9.995"))


def test_a_count_has_a_bin_for_each_number_and_no_row_below_what_can_be(store: Store) -> None:
    store.replace(PURCHASES)

    assert spread(store, step="buy") == [(1, 2, 2), (2, 3, 1), (3, None, 0)]
    assert spread(store, step="buy", with_zero=True)[0] == (0, 1, 1)
    assert spread(store, step="buy", bounds=[2, 3]) == [(None, 2, 2), (2, 3, 1), (3, None, 0)]


def test_ten_times_a_tenth_is_one_and_lies_in_the_bin_of_one(store: Store) -> None:
    store.replace([Use(user="ana", value=Decimal("0.1"), time=SINCE + n) for n in range(10)])
    asked = {"measure": "sum", "of": "value"}

    assert spread(store, **asked, bounds=[0.9, 1, 1.1]) == [
        (None, Decimal("0.9"), 0), (Decimal("0.9"), 1, 0), (1, Decimal("1.1"), 1), (Decimal("1.1"), None, 0),
    ]  # fmt: skip
    assert spread(store, **asked, width=0.1)[1] == (1, Decimal("1.1"), 1)


def test_bins_of_one_width_lie_at_its_multiples_also_below_zero(store: Store) -> None:
    amounts = [Decimal("-0.5"), Decimal(-1), Decimal(0), Decimal("2.5")]
    store.replace([Use(user=f"u{n}", value=value) for n, value in enumerate(amounts)])
    asked = {"measure": "sum", "of": "value"}

    assert spread(store, **asked, width=1) == [
        (None, -1, 0), (-1, 0, 2), (0, 1, 1), (1, 2, 0), (2, 3, 1), (3, None, 0),
    ]  # fmt: skip
    assert spread(store, **asked, width=1, start=-1, bins=2) == [
        (None, -1, 0), (-1, 0, 2), (0, 1, 1), (1, None, 1),
    ]  # fmt: skip
    assert spread(store, **asked, width=1, bins=2) == [
        (None, -1, 0), (-1, 0, 2), (0, 1, 1), (1, None, 1),
    ]  # fmt: skip


def test_one_who_has_a_million_times_as_much_does_not_squeeze_the_others(store: Store) -> None:
    usual = [Use(user=f"u{n}", value=Decimal(n % 10)) for n in range(150)]
    store.replace([*usual, Use(user="whale", value=Decimal(10**9))])

    found = spread(store, measure="sum", of="value", bins=10)

    assert found == [(None, 0, 0), *((n, n + 1, 15) for n in range(10)), (10, None, 1)]


def test_accounts_and_sessions_have_numbers_and_accounts_are_listed(store: Store) -> None:
    store.replace(
        [
            Use(account="acme", session="s1", value=Decimal(2)),
            Use(account="acme", session="s2", value=Decimal(3)),
            Use(account="initech", value=Decimal(9)),
            Use(user="ana", value=Decimal(1)),
        ]
    )
    asked = {"range": DAYS, "measure": "sum", "of": "value", "bounds": [5, 6], "per": "account"}

    assert spread(store, **asked) == [(None, 5, 0), (5, 6, 1), (6, None, 1)]
    assert spread(store, measure="max", of="value", per="session", bounds=[3])[-1][2] == 1
    behind = {"insight": "distribution", "question": asked, "place": {"low": 5, "high": 6}}
    assert [one.account for one in ask(store, "accounts", behind=behind).accounts] == ["acme"]
    with pytest.raises(InvalidQuery, match="accounts") as refused:
        ask(store, "people", behind=behind)
    assert refused.value.hint == "Ask accounts instead."


def test_a_row_between_broken_numbers_opens_to_its_people(store: Store) -> None:
    store.replace(PURCHASES)
    behind = {
        "insight": "distribution",
        "question": {"range": DAYS, **REVENUE, "bounds": [9.99, 10.5]},
        "place": {"low": 9.99, "high": 10.5},
    }

    assert {one.user_ids[0] for one in ask(store, "people", behind=behind).people} == {"ana", "bo"}


def test_the_mean_is_that_of_trends_per_person(store: Store) -> None:
    store.replace([*PURCHASES, Use(name="buy", anonymous="phone"), Link("phone", "ana")])

    line = ask(store, "trends", range=DAYS, series=[{"event": "buy", "measure": "per_person"}])

    assert ask(store, "distribution", range=DAYS, step="buy").mean == line.lines[0].total


def test_the_table_says_whose_numbers_they_are(store: Store) -> None:
    store.replace(PURCHASES)

    shown = table(ask(store, "distribution", range=DAYS, **REVENUE, bounds=[0, 10]))
    least = table(ask(store, "distribution", range=DAYS, measure="min", of="revenue", bounds=[6]))

    assert shown.columns == ("from", "up to", "people", "share", "revenue")
    assert [row[:3] for row in shown.rows] == [(None, 0, 0), (0, 10, 1), (10, None, 2)]
    assert (least.columns[-1], [row[2] for row in least.rows]) == ("share", [1, 2])


def test_nobody_has_no_bins_of_their_own_making(store: Store) -> None:
    store.replace([])

    answer = ask(store, "distribution", range=DAYS)

    assert (answer.units, answer.amount, answer.mean, answer.most, answer.rows) == (0, 0, None, None, [])  # fmt: skip
    assert spread(store, bounds=[1, 5]) == [(1, 5, 0), (5, None, 0)]


def test_numbers_at_the_end_of_what_is_stored_are_still_counted(store: Store) -> None:
    ends = [Decimal("-99999999999999999999999999999.999999999"), Decimal(-7), Decimal(10**28)]
    store.replace([Use(user=f"u{n}", value=value) for n, value in enumerate(ends)])

    for question in ({}, {"width": 7}, {"width": 7, "start": -7, "bins": 1}, {"bounds": [0]}):
        found = spread(store, measure="min", of="value", **question)
        assert sum(count for *_, count in found) == 3
        assert len(found) <= 4


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ({"bounds": [2, 2]}, "bounds"),
        ({"bounds": [1], "width": 2}, "bounds"),
        ({"bounds": [1e30]}, "bounds"),
        ({"start": 1}, "start"),
        ({"width": 0}, "width"),
        ({"width": 1e28, "start": 9e28}, "width"),
        ({"of": "value"}, "of"),
        ({"measure": "sum"}, "of"),
        ({"measure": "sum", "of": "path"}, "of"),
        ({"measure": "max", "of": "value", "with_zero": True}, "with_zero"),
    ],
)
def test_what_cannot_be_asked_is_refused(store: Store, question: Any, path: str) -> None:
    store.replace([])

    with pytest.raises(InvalidQuery) as refused:
        ask(store, "distribution", **question)

    assert refused.value.path == path


@pytest.mark.parametrize("question", [{"bins": 0}, {"per": "device"}, {"semantics": "ga4"}])  # fmt: skip
def test_what_is_no_question_is_refused(store: Store, question: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        ask(store, "distribution", **question)


# The oracle.


def numbers_of(history: History, question: dict[str, Any]) -> dict[str, Decimal]:
    """Return the number of each unit."""
    owner = owners(history)
    found: dict[str, list[Any]] = defaultdict(list)
    for use in chosen_uses(history, SINCE, UNTIL, filters=(question["filter"],)):
        unit = person(use, owner) if question["per"] == "person" else getattr(use, question["per"])
        if unit is None:
            continue
        named = question["step"].get("event")
        did = named in {None, use.name} and satisfies(use, question["step"].get("filter"))
        if question["with_zero"]:
            found[unit].append(Decimal(0))
        if did and question["measure"] == "count":
            found[unit].append(Decimal(1))
        elif did:
            value = value_of(use, question["of"])
            if isinstance(value, int | Decimal) and not isinstance(value, bool):
                found[unit].append(Decimal(value))
    how: Any = {"count": sum, "sum": sum, "min": min, "max": max}[question["measure"]]
    return {unit: how(values) for unit, values in found.items() if values}


STEPS = st.sampled_from([{}, {"event": "open"}]) | CONDITIONS.map(
    lambda chosen: {"event": "open", "filter": chosen}
)
MEASURES = st.one_of(
    st.fixed_dictionaries({"measure": st.just("count"), "with_zero": st.booleans()}),
    st.fixed_dictionaries(
        {
            "measure": st.sampled_from(["sum", "sum", "min", "max"]),
            "of": st.sampled_from(["value", "properties.seats", "properties.mixed"]),
        }
    ),
    st.just({"measure": "sum", "of": "value", "with_zero": True}),
)
EDGES = st.sampled_from([-2.5, 0, 0.1, 1, 1.000000001, 2, 3, 10, 10**6])
BINS = st.one_of(
    st.fixed_dictionaries({}, optional={"bins": st.integers(1, 8)}),
    st.fixed_dictionaries({"bounds": st.sets(EDGES, min_size=1).map(sorted)}),
    st.fixed_dictionaries(
        {"width": st.sampled_from([0.1, 1, 2.5, 10**9]), "bins": st.integers(1, 8)},
        optional={"start": st.sampled_from([-1, 0, 0.1])},
    ),
)
QUESTIONS = st.builds(
    lambda common, measure, bins: {"with_zero": False, **common, **measure, **bins},
    st.fixed_dictionaries(
        {
            "step": STEPS,
            "filter": st.none() | CONDITIONS,
            "per": st.sampled_from(["person", "person", "account", "session"]),
        }
    ),
    MEASURES,
    BINS,
)


def percentile(amounts: Sequence[Decimal], percent: int) -> Fraction:
    at = Fraction((len(amounts) - 1) * percent, 100)
    low, high = amounts[int(at)], amounts[min(int(at) + 1, len(amounts) - 1)]
    return Fraction(low) + (Fraction(high) - Fraction(low)) * (at - int(at))


def assert_bins_are_as_the_rules_say(
    question: dict[str, Any], rows: Sequence[Any], amounts: Sequence[Decimal]
) -> None:
    edges = [Fraction(one.low) for one in rows if one.low is not None]
    assert [one.high for one in rows[:-1]] == [one.low for one in rows[1:]]
    if "bounds" in question:
        assert edges == [Fraction(Decimal(repr(edge))) for edge in question["bounds"]]
        return
    widths = {high - low for low, high in itertools.pairwise(edges)}
    most = question.get("bins", 20)
    assert len(widths) == 1
    assert len(edges) - 1 <= most
    (width,) = widths
    if "start" in question:
        assert (edges[0], len(edges)) == (Fraction(Decimal(repr(question["start"]))), most + 1)
        assert width == Fraction(Decimal(repr(question["width"])))
        return
    low, high = (Fraction(amounts[-(-len(amounts) * percent // 100) - 1]) for percent in (1, 99))
    assert edges[0] == low // width * width
    if "width" in question:
        assert width == Fraction(Decimal(repr(question["width"])))
        return
    assert edges[-1] == (high // width + 1) * width
    narrower = max(
        nice
        for power in range(-10, 29)
        for digit in (1, 2, 5)
        if (nice := digit * Fraction(10) ** power) < width
    )
    is_narrowest = width == (1 if question["measure"] == "count" else Fraction(1, 10**9))
    assert is_narrowest or high // narrower - low // narrower + 1 > most


def test_money_of_several_currencies_is_said_to_be_added_up(store: Store) -> None:
    paid = [Use(user=who, time=SINCE, revenue=Decimal(9), currency=one) for who, one in (("ana", "EUR"), ("bo", "USD"))]  # fmt: skip
    store.replace(paid)
    asked: dict[str, Any] = {
        "range": {"since": rfc3339(SINCE), "until": rfc3339(SINCE + DAY)},
        "measure": "sum",
        "of": "revenue",
    }
    euros = {"op": "equals", "field": "currency", "value": "EUR"}

    (told,) = ask(store, "distribution", **asked).warnings

    assert told.startswith("Revenue of 2 currencies is added up")
    assert ask(store, "distribution", filter=euros, **asked).warnings == []


@settings(max_examples=300)
@given(histories(), QUESTIONS, st.integers(0, 29))
def test_every_row_agrees_with_the_oracle_and_opens_to_its_members(
    store: Store, history: Any, question: Any, place: int
) -> None:
    store.replace(history)

    answer = ask(store, "distribution", range=DAYS, **question)

    amounts = sorted(numbers_of(history, question).values())
    assert answer.units == len(amounts) == sum(row.units.count for row in answer.rows)
    for row in answer.rows:
        inside = [
            amount
            for amount in amounts
            if (row.low is None or amount >= row.low) and (row.high is None or amount < row.high)
        ]
        assert (row.units.count, row.units.of) == (len(inside), len(amounts))
        assert row.amount == (sum(inside) if question["measure"] in {"count", "sum"} else None)
    if not amounts:
        return
    assert (answer.least, answer.most) == (amounts[0], amounts[-1])
    for percent, found in ((50, answer.median), (90, answer.p90)):
        assert abs(Fraction(found) - percentile(amounts, percent)) <= Fraction(1, 2 * 10**9)
    assert_bins_are_as_the_rules_say(question, answer.rows, amounts)
    row = answer.rows[place % len(answer.rows)]
    behind = {
        "insight": "distribution",
        "question": {"range": DAYS, **question},
        "place": {"low": row.low, "high": row.high},
    }
    if question["per"] != "session":
        listed = "people" if question["per"] == "person" else "accounts"
        assert ask(store, listed, behind=behind).total == row.units.count
