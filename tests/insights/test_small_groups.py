"""Nothing of fewer people than a link allows can be had from what it tells, by any reckoning."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tallymark.api.ask_routes import insights
from tallymark.core.errors import NotAllowed
from tallymark.insights import _small_parts as parts
from tallymark.insights._funnel_numbers import Bin, Funnel, StepNumbers, Times
from tallymark.insights._funnel_question import AppliedRules
from tallymark.insights._small_parts import FEW
from tallymark.insights.distribution import DistributionData, DistributionRow
from tallymark.insights.frequency import FrequencyData, FrequencyRow
from tallymark.insights.funnels import FunnelsData
from tallymark.insights.lifecycle import LifecycleBucket, LifecycleData
from tallymark.insights.lines import Line
from tallymark.insights.numbers import ratio
from tallymark.insights.rates import rate, state_of
from tallymark.insights.retention import BucketLabel, Cell, CohortRow, GroupRows, RetentionData
from tallymark.insights.selection import Period
from tallymark.insights.sharing import SHAREABLE
from tallymark.insights.small_groups import asked, check_small, told
from tallymark.insights.stickiness import StickinessData, StickyPeriod
from tallymark.insights.stickiness import Times as TimesOf
from tallymark.insights.timeline import Bucket
from tallymark.insights.trends import Compared, TrendsData
from tallymark.insights.uncertainty import wilson
from tallymark.insights.web import WebData, WebNumbers

from .reckoning import had

RANGE = Period("2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z")
LEAST = 5
SIZES = st.one_of(st.just(0), st.integers(0, 6), st.integers(0, 40))
Sums = list[tuple[Any, Sequence[float]]]


def sizes_of(count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(SIZES, min_size=count, max_size=count)


def shown(name: str, data: Any, question: Any = None, least: int = LEAST) -> Any:
    return told(insights()[name], question or {}, data, least).data


def too_few(sums: Sums, sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the atoms that are fewer than the least together, and are known from what is told."""
    rows = [row for value, row in sums if value is not FEW and value is not None]
    for value, row in sums:
        if value is not FEW and value is not None:
            assert value == sum(one * size for one, size in zip(row, sizes, strict=True))
    found = had(rows, len(sizes))
    return [one for one in found if 0 < sum(sizes[place] for place in one) < LEAST]


def row(atoms: Sequence[Any], wanted: Any) -> list[float]:
    return [float(bool(wanted(one))) for one in atoms]


# Parts of a whole.


@given(sizes_of(6))
@settings(max_examples=300, deadline=None)
def test_of_parts_and_their_sum_nothing_small_can_be_had(sizes: list[int]) -> None:
    few = parts.hidden(sizes, LEAST)
    if parts.is_small(sum(sizes), LEAST):
        return
    every = [[float(at == place) for at in range(6)] for place in range(6)]
    sums: Sums = [(FEW if place in few else sizes[place], every[place]) for place in range(6)]
    sums.append((sum(sizes), [1.0] * 6))

    assert too_few(sums, sizes) == []
    assert all(place in few for place, size in enumerate(sizes) if 0 < size < LEAST)
    assert all(sizes[place] for place in few)


def test_beside_a_small_part_the_next_smallest_is_hidden() -> None:
    assert parts.hidden([100, 40, 3, 12, 0], 10) == {2, 3}
    assert parts.hidden([100, 40, 9, 9, 0], 10) == {2, 3}
    assert parts.hidden([100, 40, 1, 1, 1], 10) == {1, 2, 3, 4}
    assert parts.hidden([100, 40, 10], 10) == frozenset()


# Trends.

BUCKETS = [Bucket(f"2026-11-0{day}", "", "", False) for day in (1, 2, 3)]
# Of each atom, the days on which they come.
DAYS = [one for one in product((0, 1), repeat=3) if any(one)]


def trend(lines: list[Line], breakdown: list[str] | None = None) -> TrendsData:
    groups = breakdown or []
    return TrendsData(RANGE, "day", "UTC", "excluded", BUCKETS, groups, None, lines, None, ["3"])


def people_line(sizes: Sequence[int], letter: str, **more: Any) -> Line:
    counts = [sum(n for n, days in zip(sizes, DAYS, strict=True) if days[at]) for at in range(3)]
    return Line(letter, "people", list(counts), sum(sizes), **more)


@given(sizes_of(len(DAYS)))
@settings(max_examples=300, deadline=None)
def test_of_people_by_day_nobody_few_can_be_had(sizes: list[int]) -> None:
    question = {"series": [{"event": "a", "measure": "unique_people"}]}

    (line,) = shown("trends", trend([people_line(sizes, "A")]), question).lines

    sums: Sums = [(value, row(DAYS, lambda days, at=at: days[at])) for at, value in enumerate(line.values)]  # fmt: skip
    assert too_few([*sums, (line.total, row(DAYS, any))], sizes) == []


@given(sizes_of(len(DAYS)), st.lists(st.integers(1, 4), min_size=3, max_size=3))
@settings(max_examples=300, deadline=None)
def test_of_events_by_day_none_of_few_people_can_be_had(sizes: list[int], each: list[int]) -> None:
    """Whoever comes on a day does it so many times: a day is an atom, and who came is known."""
    people = people_line(sizes, "B")
    events = [n * times for n, times in zip(people.values, each, strict=True)]  # type: ignore[operator]
    counted = Line("A", "events", list(events), sum(events))
    question = {"series": [{"event": "a"}]}

    (line,) = shown("trends", trend([counted, people]), question).lines

    every = [[float(at == day) for at in range(3)] for day in range(3)]
    sums = [*zip(line.values, every, strict=True), (line.total, [1.0] * 3)]
    rows = [one for value, one in sums if value is not FEW]
    for days in had(rows, 3):
        who = sum(n for n, came in zip(sizes, DAYS, strict=True) if any(came[day] for day in days))
        assert not 0 < who < LEAST


def test_fifty_events_of_one_person_are_not_told() -> None:
    lines = [Line("A", "n", [50, 80, 90], 220), Line("B", "who", [1, 20, 30], 45)]

    found = told(insights()["trends"], {"series": [{"event": "a"}]}, trend(lines), 10)

    (line,) = found.data.lines
    assert line.values == [FEW, FEW, 90]
    assert line.total == 220
    assert found.table.rows == [("2026-11-01", FEW), ("2026-11-02", FEW), ("2026-11-03", 90)]
    assert not found.is_whole
    assert found.data.warnings == []


def test_events_of_nobody_known_may_be_of_one() -> None:
    lines = [Line("A", "n", [9, 50, 0], 59), Line("B", "who", [0, 0, 0], 0)]

    (line,) = shown("trends", trend(lines), {"series": [{"event": "a"}]}, 10).lines

    assert (line.values, line.total) == ([FEW, FEW, 0], 59)


def test_a_group_of_few_is_not_even_named() -> None:
    def line(letter: str, group: str, *numbers: int) -> Line:
        return Line(letter, letter, list(numbers), sum(numbers), [group])

    lines = [line("A", "DE", 50, 60, 70), line("A", "ada@example.org", 1, 2, 3), line("B", "DE", 20, 20, 20), line("B", "ada@example.org", 1, 1, 1)]  # fmt: skip

    found = told(insights()["trends"], {"series": [{"event": "a"}], "breakdown": ["country"]}, trend(lines, ["country"]), 10)  # fmt: skip

    assert [one.breakdown for one in found.data.lines] == [["DE"]]
    assert "ada" not in repr(found)
    assert not found.is_whole


def test_the_same_holds_of_the_earlier_range_and_of_what_is_reckoned_from_a_series() -> None:
    compared = Compared("previous_period", RANGE, [RANGE] * 3)
    lines = [
        Line("A", "n", [50, 60, 70], 180, compared_values=[40, 50, None], compared_total=90),
        Line("B", "who", [20, 30, 40], 60, compared_values=[3, 20, None], compared_total=23),
        Line("F1", "A * 2", [100, 120, 140], 360, compared_values=[80, 100, None], compared_total=180),
    ]  # fmt: skip
    question = {"series": [{"event": "a"}], "formulas": ["A * 2"]}

    found = shown("trends", replace(trend(lines), compared=compared), question, 10)

    assert [one.series for one in found.lines] == ["A", "F1"]
    for line in found.lines:
        assert FEW not in line.values
        assert line.compared_values == [FEW, FEW, None]


def test_percentiles_are_told_where_enough_are_beyond() -> None:
    lines = [Line("A", "p90", [1, 2, 3], 4), Line("B", "who", [99, 100, 0], 199)]

    (line,) = shown("trends", trend(lines), {"series": [{"event": "a", "measure": "p90", "of": "value"}]}, 10).lines  # fmt: skip

    assert (line.values[:2], line.total) == ([FEW, 2], 4)


def test_people_are_asked_for_beside_what_is_counted_once_for_each_kind_of_events() -> None:
    series = [{"event": "a"}, {"event": "a", "measure": "sessions"}, {"event": "b", "measure": "unique_people"}]  # fmt: skip
    question = {"series": series, "range": "7d"}

    wider = asked(insights()["trends"], question, 10)

    assert wider["series"] == [*series, {"event": "a", "measure": "unique_people"}]
    assert wider["range"] == "7d"
    assert asked(insights()["trends"], question, 0) is question
    assert asked(insights()["funnels"], {"steps": ["a", "b"]}, 10) == {"steps": ["a", "b"]}


ONE = {"op": "equals", "field": "properties.plan", "value": "pro"}


@pytest.mark.parametrize(
    "question",
    [
        {"series": [{"event": "a"}], "cumulative": True},
        {"series": [{"event": "a", "moving_average": 7}]},
        {"series": [{"event": "a"}], "moving_average": 7},
        {"series": [{"event": "a", "measure": "max", "of": "value"}]},
        {"series": [{"event": "a"}, {"event": "a", "filter": ONE}]},
        {"series": [{"event": "a"}, {"event": ["a", "b"]}]},
        {"series": [{"event": "a"}, {}]},
        {"series": [{"event": "a", "window": "wau"}, {"event": "a", "window": "mau"}]},
        {"series": [{"event": "a"}, {"event": "active"}]},
        {"series": [{"event": name} for name in "abcdefgh"]},
        {"series": [{"event": "a"}], "metrics": ["m"]},
    ],
)
def test_what_cannot_be_kept_back_is_not_shown_and_why_is_said(question: dict[str, Any]) -> None:
    with pytest.raises(NotAllowed) as refused:
        check_small(insights()["trends"], question, 10, frozenset({"active"}))

    assert refused.value.code == "SHARE_SMALL"
    check_small(insights()["trends"], question, 0, frozenset({"active"}))


def test_every_insight_that_a_link_may_show_is_thought_of() -> None:
    refused = set()
    for name in SHAREABLE:
        try:
            check_small(insights()[name], {}, 10, frozenset())
        except NotAllowed:
            refused.add(name)

    assert refused == {"paths", "sessions", "segments", "features", "property_lifecycle", "cohorts"}


# Funnels. Of each atom the group, and the last step they come to.

STOPS = [(group, stop) for group in range(3) for stop in range(3)]
NO_TIMES = Times(0, None, None, None)


def funnel(counts: Sequence[int], group: str | None = None, times: Times = NO_TIMES) -> Funnel:
    steps = [
        StepNumbers(
            at + 1, f"s{at}", False, n, n, before - n, n, ratio(n, counts[0]),
            wilson(n, counts[0]), "ok", ratio(n, before), wilson(n, before), "ok", times,
        )
        for at, (before, n) in enumerate(zip([counts[0], *counts], counts, strict=False))
    ]  # fmt: skip
    return Funnel(
        None if group is None else [group], False, counts[0], counts[-1], 0, counts[0], counts[-1],
        ratio(counts[-1], counts[0]), None, "ok", ratio(counts[-1], counts[0]), steps, times, [],
        None, None,
    )  # fmt: skip


def funnels(total: Funnel, groups: list[Funnel]) -> FunnelsData:
    rules = AppliedRules(None, "ordered", "first", 1, "first_step", "drop_off", None, "person", "uniques", False, "first_touch")  # fmt: skip
    return FunnelsData(
        RANGE, "UTC", "excluded", rules, ["g"] if groups else [], total, groups, True, 0, None, []
    )


def came(sizes: Sequence[int], step: int, group: int | None = None) -> int:
    return sum(
        n for n, (of, stop) in zip(sizes, STOPS, strict=True)
        if stop >= step and group in (None, of)
    )  # fmt: skip


@given(sizes_of(len(STOPS)))
@settings(max_examples=400, deadline=None)
def test_of_a_funnel_and_its_groups_nobody_few_can_be_had(sizes: list[int]) -> None:
    total = funnel([came(sizes, step) for step in range(3)])
    groups = [funnel([came(sizes, step, of) for step in range(3)], str(of)) for of in range(3)]

    found = shown("funnels", funnels(total, groups))

    sums: Sums = []
    for one in (found.total, *found.groups):
        of = None if one.breakdown is None else int(one.breakdown[0])
        mine = [row(STOPS, lambda atom, at=at, of=of: atom[1] >= at and of in (None, atom[0])) for at in range(3)]  # fmt: skip
        sums += [(one.entered, mine[0]), (one.converted, mine[2])]
        for at, step in enumerate(one.steps):
            sums.append((step.count, mine[at]))
            if at:
                lost = [a - b for a, b in zip(mine[at - 1], mine[at], strict=True)]
                sums.append((step.dropped, lost))
    assert too_few(sums, sizes) == []
    for one in (found.total, *found.groups):
        hidden = [step.count is FEW for step in one.steps]
        assert (one.converted is FEW) == (one.rate_so_far is FEW) == hidden[-1]


def test_a_step_at_which_few_are_lost_is_not_told() -> None:
    found = told(insights()["funnels"], {}, funnels(funnel([100, 95, 40, 3, 0]), []), 10)

    assert [step.count for step in found.data.total.steps] == [100, FEW, 40, FEW, 0]
    assert [step.dropped for step in found.data.total.steps] == [0, FEW, FEW, FEW, FEW]
    assert found.data.total.steps[2].of_previous is FEW
    assert found.data.total.steps[2].of_first == Decimal("0.4")
    assert found.table.rows[1][2:] == (FEW, FEW, FEW, FEW, FEW)
    assert not found.is_whole


def test_a_funnel_whose_windows_are_not_over_tells_no_rate_that_gives_few_away() -> None:
    open_ = funnel([100, 40])
    steps = [open_.steps[0], replace(open_.steps[1], complete=37)]
    running = replace(open_, steps=steps, complete_converted=37, incomplete=20)

    found = shown("funnels", funnels(running, []), least=10)

    assert (found.total.rate, found.total.incomplete, found.total.complete_converted) == (FEW,) * 3
    assert found.total.rate_so_far == Decimal("0.4")
    assert [step.of_first for step in found.total.steps] == [FEW, FEW]


def test_times_and_their_bins_are_told_of_enough() -> None:
    total = replace(
        funnel([100, 60], times=Times(60, 5, 6, 9)),
        histogram=[Bin(0, 1, 30), Bin(1, 2, 20), Bin(2, 3, 7), Bin(3, 4, 3)],
    )

    found = shown("funnels", funnels(total, []), least=10).total

    assert found.time_to_convert == Times(60, 5, 6, FEW)
    assert [one.count for one in found.histogram] == [30, FEW, FEW, FEW]
    few = shown(
        "funnels", funnels(replace(total, time_to_convert=Times(55, 5, 6, 9)), []), least=10
    )
    assert (few.total.time_to_convert, few.total.histogram) == (Times(FEW, FEW, FEW, FEW), [])


# Retention. Of each atom the cohort, and in which of two later weeks they come back.

RETURNS = [(cohort, *weeks) for cohort in range(3) for weeks in product((0, 1), repeat=2)]


def retained(sizes: Sequence[int]) -> RetentionData:
    def count(wanted: Any) -> int:
        return sum(n for n, atom in zip(sizes, RETURNS, strict=True) if wanted(atom))

    def cell(people: int, returned: int) -> Cell:
        interval = wilson(returned, people)
        state = state_of(interval)
        return Cell(people, returned, ratio(returned, people), interval, state, None, True)

    def cells(wanted: Any) -> list[Cell]:
        people = count(wanted)
        weeks = [count(lambda one, week=week: wanted(one) and one[1 + week]) for week in range(2)]
        return [cell(people, people), *(cell(people, n) for n in weeks)]

    rows = [
        CohortRow(f"w{of}", "", "", True, count(lambda one, of=of: one[0] == of), cells(lambda one, of=of: one[0] == of))
        for of in range(3)
    ]  # fmt: skip
    group = GroupRows([], False, sum(sizes), cells(lambda _: True), rows)
    labels = [BucketLabel(f"week {week}", week, week + 1) for week in range(3)]
    return RetentionData(
        RANGE, "week", "UTC", "excluded", "any", "any", "first_matching", "calendar", "on",
        "weighted", "people", [], "start", labels, [group], 3, [],
    )  # fmt: skip


@given(sizes_of(len(RETURNS)))
@settings(max_examples=300, deadline=None)
def test_of_retention_nobody_few_can_be_had(sizes: list[int]) -> None:
    found = shown("retention", retained(sizes))

    (group,) = found.groups
    sums: Sums = []
    for cohort, one in enumerate(group.cohorts):
        sums.append((one.people, row(RETURNS, lambda atom, of=cohort: atom[0] == of)))
        for week, cell in enumerate(one.cells):
            mine = row(RETURNS, lambda atom, of=cohort, week=week: atom[0] == of and (not week or atom[week]))  # fmt: skip
            sums.append((cell.returned, mine))
    # The row of all cohorts is of the cohorts that are told, so it says no more than they do.
    assert too_few(sums, sizes) == []
    for week, whole in enumerate(group.overall):
        column = [one.cells[week] for one in group.cohorts if one.cells[week].returned is not FEW]
        if whole.returned is FEW:
            assert not any(one.people for one in column)
        else:
            assert whole.returned == sum(one.returned or 0 for one in column)
            assert whole.people == sum(one.people for one in column)
    assert found.cookieless_left_out is FEW


def test_in_a_row_that_only_falls_what_lies_between_two_cells_is_kept_back() -> None:
    cells = [Cell(100, n, ratio(n, 100), None, "ok", None, True) for n in (100, 60, 57, 30)]
    group = GroupRows([], False, 100, cells, [CohortRow("w", "", "", True, 100, cells)])
    data = replace(retained([0] * len(RETURNS)), criterion="on_or_after", groups=[group])

    (falls,) = shown("retention", data, least=10).groups
    (free,) = shown("retention", replace(data, criterion="on"), least=10).groups

    assert [one.returned for one in falls.cohorts[0].cells] == [100, 60, FEW, 30]
    assert [one.returned for one in free.cohorts[0].cells] == [100, 60, 57, 30]


def test_people_who_count_once_in_all_cohorts_are_told_where_no_cohort_is_hidden() -> None:
    sizes = [20] * len(RETURNS)
    data = replace(retained(sizes), overall="people")

    assert shown("retention", data).groups == data.groups
    (group,) = shown(
        "retention", replace(retained([2, *sizes[1:]]), overall="people"), least=30
    ).groups
    assert group.people is FEW
    assert {one.returned for one in group.overall} == {FEW}


# Lifecycle. Of each atom whether they came long ago, in the bucket before the range, and in its two.

COMES = [one for one in product((0, 1), repeat=4) if any(one)]


def states(sizes: Sequence[int]) -> LifecycleData:
    def count(wanted: Any) -> int:
        return sum(n for n, atom in zip(sizes, COMES, strict=True) if wanted(atom))

    buckets = []
    for at in (2, 3):
        active, new, returning, back, dormant = (count(lambda one, at=at, way=way: way(one, at)) for way in WAYS)  # fmt: skip
        pulse = ratio(new + back, dormant)
        kept = rate(returning, returning + dormant)
        buckets.append(LifecycleBucket(f"w{at}", "", "", False, active, new, returning, back, 0, dormant, pulse, kept))  # fmt: skip
    return LifecycleData(
        RANGE, "week", "UTC", "excluded", "this_event", "resurrecting", buckets, Decimal(1), []
    )


WAYS: list[Any] = [
    lambda one, at: one[at],
    lambda one, at: one[at] and not any(one[:at]),
    lambda one, at: one[at] and one[at - 1],
    lambda one, at: one[at] and not one[at - 1] and any(one[:at]),
    lambda one, at: one[at - 1] and not one[at],
]


@given(sizes_of(len(COMES)))
@settings(max_examples=300, deadline=None)
def test_of_who_comes_and_goes_nobody_few_can_be_had(sizes: list[int]) -> None:
    found = shown("lifecycle", states(sizes))

    sums: Sums = []
    for at, one in enumerate(found.buckets, 2):
        numbers = (one.active, one.new, one.returning, one.resurrecting, one.dormant)
        for value, way in zip(numbers, WAYS, strict=True):
            sums.append((value, row(COMES, lambda atom, at=at, way=way: way(atom, at))))
        before = row(COMES, lambda atom, at=at: atom[at - 1])
        sums.append((one.kept.of, before))
    assert too_few(sums, sizes) == []
    hidden = [one.new is FEW for one in found.buckets]
    assert [one.pulse is FEW for one in found.buckets] == hidden
    assert (found.pulse is FEW) == any(hidden)


# Stickiness, frequency and distribution: a part for each number of times.


@given(sizes_of(5))
@settings(max_examples=300, deadline=None)
def test_of_how_often_people_come_nobody_few_can_be_had(sizes: list[int]) -> None:
    people = sum(sizes)
    times = [TimesOf(at + 1, rate(n, people), rate(sum(sizes[at:]), people)) for at, n in enumerate(sizes)]  # fmt: skip
    mean = ratio(sum((at + 1) * n for at, n in enumerate(sizes)), people)
    period = StickyPeriod("p", "", "", False, people, mean, times)
    data = StickinessData(RANGE, "day", "UTC", "excluded", None, [period], None, [])

    (found,) = shown("stickiness", data).periods

    sums: Sums = [(found.people, [1.0] * 5)]
    for at, one in enumerate(found.times):
        sums.append((one.exactly.count, row(range(5), lambda atom, at=at: atom == at)))
        sums.append((one.at_least.count, row(range(5), lambda atom, at=at: atom >= at)))
    if found.mean is not FEW:
        sums.append((sum((at + 1) * n for at, n in enumerate(sizes)), [1.0, 2.0, 3.0, 4.0, 5.0]))
    assert too_few(sums, sizes) == []


@given(sizes_of(5))
@settings(max_examples=300, deadline=None)
def test_of_rows_by_times_nobody_few_can_be_had(sizes: list[int]) -> None:
    units = sum(sizes)
    events = sum((at + 1) * n for at, n in enumerate(sizes))
    rows = [FrequencyRow(at + 1, at + 1, rate(n, units), (at + 1) * n, ratio((at + 1) * n, events)) for at, n in enumerate(sizes)]  # fmt: skip
    data = FrequencyData(RANGE, "UTC", "excluded", "person", units, events, ratio(events, units), 2, 3, 5, rows, [])  # fmt: skip

    found = shown("frequency", data)

    sums: Sums = [(found.units, [1.0] * 5), (found.events, [1.0, 2.0, 3.0, 4.0, 5.0])]
    for at, one in enumerate(found.rows):
        mine = row(range(5), lambda atom, at=at: atom == at)
        sums.append((one.units.count, mine))
        sums.append((one.events, [(at + 1) * part for part in mine]))
    assert too_few(sums, sizes) == []
    assert found.most is FEW
    assert all(one.share_of_events is FEW for one in found.rows) == (found.mean is FEW)


def test_the_ends_of_a_distribution_are_of_single_people_and_not_told() -> None:
    rows = [DistributionRow(0, 10, rate(60, 100), 300), DistributionRow(10, 20, rate(37, 100), 500), DistributionRow(20, 30, rate(3, 100), 70)]  # fmt: skip
    data = DistributionData(RANGE, "UTC", "excluded", "person", "count", None, 100, 870, Decimal("8.7"), 8, 17, 1, 29, rows, [])  # fmt: skip

    found = shown("distribution", data, least=10)

    assert (found.least, found.most, found.mean, found.amount) == (FEW,) * 4
    assert (found.units, found.median, found.p90) == (100, 8, 17)
    assert [one.units.count for one in found.rows] == [60, FEW, FEW]
    assert [one.amount for one in found.rows] == [300, FEW, FEW]


def site(visitors: int, visits: int, bounces: int) -> WebData:
    numbers = WebNumbers(visitors, visits, 300, 3, bounces, rate(bounces, visits), 60, 30)
    return WebData(RANGE, "UTC", "excluded", "plausible", numbers, None, {"channels": []}, [], [], ["3 odd"])  # fmt: skip


def test_of_a_site_its_numbers_are_told_and_its_tables_are_not() -> None:
    plain = told(insights()["web"], {}, site(80, 100, 40), 10)
    few = told(insights()["web"], {}, site(80, 100, 95), 10)
    nobody = told(insights()["web"], {}, site(9, 100, 40), 10)

    assert plain.is_whole
    assert (plain.data.numbers.visitors, plain.data.tables, plain.data.warnings) == (80, {}, [])
    # It knows of single visitors how many visits they have.
    shown_rate = plain.data.numbers.bounce_rate
    assert (shown_rate.count, shown_rate.interval, shown_rate.state) == (40, None, "not_told")
    assert few.data.numbers.bounce_rate.state == "not_told"
    assert (few.data.numbers.bounces, few.data.numbers.bounce_rate.value) == (FEW, FEW)
    assert few.data.numbers.visits == 100
    assert nobody.data.numbers.visits is FEW
    assert not nobody.is_whole
