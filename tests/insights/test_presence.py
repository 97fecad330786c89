"""People by the hundred: bits of people whose keys fill several words, counted by plain sets."""

from collections.abc import Iterable
from typing import Any

import pytest
from tests.insights.asking import Store, ask, behind
from tests.strategies import SINCE, Use

from tallymark.core.clock import DAY, rfc3339
from tallymark.insights.numbers import ratio

DAYS = 6
PEOPLE = 200
RANGE = {"since": rfc3339(SINCE), "until": rfc3339(SINCE + DAYS * DAY)}


def came(day: int) -> set[int]:
    """Return who comes on a day; on none of them all, and nobody is like a neighbour."""
    return {who for who in range(PEOPLE) if (who * 7 + who // 9 + day * 5) % 11 < 4}


def uses(day: int) -> Iterable[Use]:
    for who in sorted(came(day)):
        at = SINCE + day * DAY + who
        yield Use(user=f"u{who}", account=f"a{who}", session=f"s{who}", time=at, path=path(who))
        if who % 3 == 0:
            yield Use(user=f"u{who}", account=f"a{who}", session=f"s{who}", time=at + 1, path="/b")


def path(who: int) -> str:
    return f"/{'abc'[who % 3 % 2 + (who % 5 == 0)]}"


@pytest.fixture(scope="module")
def crowd(store: Store) -> Store:
    # Keys are given in order of arrival, so that those of the first day are not those of the second.
    store.replace([use for day in range(-1, DAYS) for use in uses(day)])
    return store


@pytest.mark.parametrize("measure", ["unique_people", "unique_accounts", "sessions"])
def test_whoever_counts_once_counts_once_a_day_and_once_in_all(crowd: Store, measure: str) -> None:
    answer = ask(crowd, "trends", range=RANGE, series=[{"measure": measure}])

    assert answer.lines[0].values == [len(came(day)) for day in range(DAYS)]
    assert answer.lines[0].total == len(set[int]().union(*map(came, range(DAYS))))


def test_a_group_and_all_others_count_everybody_once(crowd: Store) -> None:
    asked: dict[str, Any] = {
        "range": RANGE, "series": [{"measure": "unique_people"}], "breakdown": ["path"], "top": 1,
    }  # fmt: skip
    first, other = ask(crowd, "trends", **asked).lines

    by_path: dict[str, list[set[int]]] = {name: [set() for _ in range(DAYS)] for name in "/a /b /c".split()}  # fmt: skip
    for day in range(DAYS):
        for use in uses(day):
            by_path[str(use.path)][day].add(int(str(use.user)[1:]))
    leading = max(by_path, key=lambda name: len(set[int]().union(*by_path[name])))
    rest = [
        set[int]().union(*(days[day] for name, days in by_path.items() if name != leading))
        for day in range(DAYS)
    ]
    assert first.breakdown == [leading]
    assert first.values == [len(people) for people in by_path[leading]]
    assert first.total == len(set[int]().union(*by_path[leading]))
    assert other.values == [len(people) for people in rest]
    assert other.total == len(set[int]().union(*rest))


def test_uses_by_person_are_divided_by_the_people_there_are(crowd: Store) -> None:
    answer = ask(crowd, "trends", range=RANGE, series=[{"measure": "per_person"}])

    assert answer.lines[0].values == [
        ratio(len([*uses(day)]), len(came(day))) for day in range(DAYS)
    ]


def test_who_is_new_stays_comes_back_and_goes(crowd: Store) -> None:
    answer = ask(crowd, "lifecycle", range=RANGE)

    for day, one in enumerate(answer.buckets):
        before = set[int]().union(*map(came, range(-1, day)))
        now, then = came(day), came(day - 1)
        expected = {
            "active": now, "new": now - before, "returning": now & then,
            "resurrecting": (now & before) - then, "dormant": then - now,
        }  # fmt: skip
        for state, people in expected.items():
            assert getattr(one, state) == len(people)
            place = {"bucket": day, "state": state}
            assert behind(crowd, "lifecycle", {"range": RANGE}, place) == len(people)


def test_how_many_come_on_how_many_days(crowd: Store) -> None:
    answer = ask(crowd, "stickiness", range=RANGE)

    times = [sum(who in came(day) for day in range(DAYS)) for who in range(PEOPLE)]
    rows = answer.periods[0].times
    assert [row.exactly.count for row in rows] == [times.count(n) for n in range(1, DAYS + 1)]
    place = {"period": 0, "times": 2, "counted": "exactly"}
    assert behind(crowd, "stickiness", {"range": RANGE}, place) == times.count(2)


def test_the_people_of_a_week_are_those_of_any_of_its_days(crowd: Store) -> None:
    days = ask(crowd, "stickiness", range=RANGE, measure="ratio").ratios.days

    assert [(one.dau, one.wau) for one in days] == [
        (len(came(day)), len(set[int]().union(*map(came, range(-1, day + 1)))))
        for day in range(DAYS)
    ]


def test_who_came_before_starts_nothing_and_who_comes_twice_a_day_returns(crowd: Store) -> None:
    answer = ask(crowd, "retention", range=RANGE, buckets=3)

    for day, row in enumerate(answer.groups[0].cohorts):
        started = came(day) - set[int]().union(*map(came, range(-1, day)))
        assert row.people == len(started)
        assert row.cells[0].returned == sum(who % 3 == 0 for who in started)
        for later in (1, 2):
            if day + later < DAYS:
                assert row.cells[later].returned == len(started & came(day + later))
