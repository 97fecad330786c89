"""Numbers of any length: measured and compared at nine places, and told as they were sent."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.oracle import at_nine_places
from tests.insights.test_trends import NUMBERED, assert_is, numbers_of, statistic
from tests.strategies import SINCE, Use

from tallymark.core.errors import InvalidQuery

DAY = {"since": "2025-10-24", "until": "2025-10-25"}
RENDERS = [
    Use(properties={"ms": Decimal("0.30000000000000004")}),
    Use(properties={"ms": Decimal("1234.5999999940395")}),
    Use(properties={"ms": Decimal("12.25")}),
]
ANY_NUMBER = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(-1e9, 1e9).map(lambda number: Decimal(repr(number))),
    st.integers(0, 20).flatmap(lambda places: st.decimals(-(10**9), 10**9, places=places)),
    st.integers(-40, 40).map(lambda half: Decimal(half * 5).scaleb(-10)),
)


def measures(store: Store, names: Any = NUMBERED) -> dict[str, Any]:
    series = [{"measure": name, "of": "properties.ms"} for name in names]
    found = ask(store, "trends", range=DAY, series=series).lines
    return {name: line.total for name, line in zip(names, found, strict=True)}


def count(store: Store, op: str, **value: Any) -> int:
    asked = {"op": op, "field": "properties.ms", **value}
    total: int = ask(store, "trends", range=DAY, filter=asked).lines[0].total
    return total


def test_numbers_as_a_browser_computes_them_take_part_in_every_measure(store: Store) -> None:
    store.replace(RENDERS)

    found = measures(store)

    assert found["sum"] == Decimal("1247.149999994")
    assert found["avg"] == Decimal("415.716666665")
    assert (found["min"], found["median"], found["max"]) == (
        Decimal("0.3"),
        Decimal("12.25"),
        Decimal("1234.599999994"),
    )
    assert found["p95"] == Decimal("1112.364999995")


@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        ("gt", {"value": 1000}, 1),
        ("equals", {"value": 0.30000000000000004}, 1),
        ("equals", {"value": 0.3}, 1),
        ("in", {"values": [1234.5999999940395, 12.25]}, 2),
        ("lte", {"value": 0.30000000000000004}, 1),
        ("between", {"low": 0.3, "high": 12.25}, 1),
        ("contains", {"value": "0.3"}, 0),
        ("is_true", {}, 0),
        ("exists", {}, 3),
    ],
)
def test_numbers_as_a_browser_computes_them_are_found(
    store: Store, op: str, value: Any, expected: int
) -> None:
    store.replace(RENDERS)

    assert count(store, op, **value) == expected


def test_a_number_reads_back_as_it_was_sent_and_the_property_is_one(store: Store) -> None:
    properties = {"ms": Decimal("0.30000000000000004"), "tags": ["a"], "beta": True, "plan": "1E-10",
                  "tiny": Decimal("1E-400"), "none": None}  # fmt: skip
    store.replace([Use(properties=properties)])

    (event,) = ask(store, "events", range=DAY).events

    assert event.properties == properties
    assert store.scope.properties["ms"] == {"number"}
    told = msgspec.json.Encoder(decimal_format="number").encode(event.properties["ms"])
    assert told == b"0.30000000000000004"


def test_a_breakdown_groups_by_the_measured_number(store: Store) -> None:
    nulls = [Use(properties={"ms": None}), Use(properties={"ms": Decimal("0.3")})]
    store.replace([*RENDERS, *nulls])

    lines = ask(store, "trends", range=DAY, breakdown=["properties.ms"], formulas=["A * 2"]).lines

    assert [(line.breakdown, line.total) for line in lines if line.series == "F1"] == [
        ([Decimal("0.3")], 4),
        ([Decimal("12.25")], 2),
        ([Decimal("1234.599999994")], 2),
        ([None], 2),
    ]


def test_whole_numbers_beyond_64_bits_are_measured_exactly(store: Store) -> None:
    store.replace([Use(properties={"ms": number}) for number in (2**63, 2**64 + 1, 10**28)])

    found = measures(store)

    assert found["sum"] == 2**63 + 2**64 + 1 + 10**28
    assert found["median"] == 2**64 + 1
    assert count(store, "gt", value=2**63) == 2


def test_a_measure_of_numbers_too_large_says_that_they_are_left_out(store: Store) -> None:
    store.replace([*RENDERS, Use(properties={"ms": 10**30})])
    series = [{"measure": "max", "of": "properties.ms"}]
    said = (
        "Some events have 'ms' as text, or with more than 29 digits before the point; those are not"
        " measured or compared."
    )

    found = ask(store, "trends", range=DAY, series=series)
    listed = ask(store, "events", range=DAY, series=series[0])
    filtered = {"op": "gt", "field": "properties.ms", "value": 1}

    assert found.lines[0].total == Decimal("1234.599999994")
    assert (found.warnings, listed.warnings) == ([said], [said])
    assert ask(store, "trends", range=DAY, filter=filtered).warnings == [said]
    assert ask(store, "people", range=DAY, filter=filtered).warnings == [said]
    assert ask(store, "trends", range=DAY, breakdown=["properties.ms"]).warnings == []


def test_a_question_for_a_number_larger_than_any_stored_one_is_refused(store: Store) -> None:
    store.replace(RENDERS)

    with pytest.raises(InvalidQuery, match="larger than any stored number"):
        count(store, "gt", value=1e29)


@given(st.lists(ANY_NUMBER, max_size=25))
def test_every_measure_agrees_with_the_oracle_on_numbers_of_any_length(
    store: Store, numbers: list[Any]
) -> None:
    uses = [Use(properties={"ms": number}) for number in numbers]
    store.replace(uses)

    found = measures(store)

    amounts = sorted(numbers_of(uses, "properties.ms"))
    for name, value in found.items():
        assert_is(name, value, statistic(name, amounts))
    told = {event.id: event.properties["ms"] for event in ask(store, "events", range=DAY).events}
    assert sorted(told.values()) == sorted(numbers)


@settings(max_examples=60)
@given(st.lists(ANY_NUMBER, min_size=1, max_size=15), st.data())
def test_filters_agree_with_the_oracle_on_numbers_of_any_length(
    store: Store, numbers: list[Any], data: Any
) -> None:
    store.replace([Use(properties={"ms": number}) for number in numbers])
    limit = data.draw(st.sampled_from(numbers).map(float) | st.floats(-1e9, 1e9))

    found = {op: count(store, op, value=limit) for op in ("equals", "gt", "gte", "lt", "lte")}

    asked = at_nine_places(Decimal(repr(limit)))
    kept = [at_nine_places(Decimal(number)) for number in numbers]
    assert found == {
        "equals": sum(number == asked for number in kept),
        "gt": sum(number > asked for number in kept),
        "gte": sum(number >= asked for number in kept),
        "lt": sum(number < asked for number in kept),
        "lte": sum(number <= asked for number in kept),
    }


@pytest.mark.parametrize(
    ("numbers", "measure", "expected"),
    [
        (["137688", "137689"], "p90", "137688.9"),
        (["99999999999999999999999999999", "-99999999999999999999999999999"], "median", "0"),
        (["99999999999999999999999999999.999999999"] * 3, "p99", "99999999999999999999999999999.999999999"),
        (["10000000000000000000000000000", "10000000000000000000000000001"], "p95", "10000000000000000000000000000.95"),
        (["0.000000001", "0.000000002"], "median", "0.000000002"),
        (["-0.000000001", "-0.000000002"], "median", "-0.000000002"),
        (["7"], "p99", "7"),
    ],
)  # fmt: skip
def test_a_percentile_lies_exactly_between_its_two_neighbours(
    store: Store, numbers: list[str], measure: str, expected: str
) -> None:
    store.replace([Use(properties={"ms": Decimal(number)}) for number in numbers])

    assert measures(store, [measure]) == {measure: Decimal(expected)}


@pytest.mark.parametrize(("measure", "percent"), [("median", 50), ("p90", 90), ("p95", 95), ("p99", 99)])  # fmt: skip
def test_a_percentile_of_any_count_has_the_right_rank(
    store: Store, measure: str, percent: int
) -> None:
    sizes = [*range(1, 24), 99, 100, 101, 102, 199, 200, 201, 301]
    store.replace(
        [
            Use(time=SINCE + place, properties={"ms": number * number, "size": size})
            for place, size in enumerate(sizes)
            for number in range(size)
        ]
    )
    series = [{"measure": measure, "of": "properties.ms"}]

    found = ask(store, "trends", range=DAY, series=series, breakdown=["properties.size"], top=99)

    for line in found.lines:
        assert line.breakdown is not None
        low, part = divmod((line.breakdown[0] - 1) * percent, 100)
        expected = Decimal(low * low * (100 - part) + (low + 1) ** 2 * part) / 100
        assert line.total == expected
