"""What becomes of a property, counted by hand and by looking at everybody at every instant."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from tests.identity.oracle import Known
from tests.insights.asking import Store, ask, behind
from tests.insights.oracle import CONDITIONS, chosen_uses, value_of
from tests.insights.told import known_of, measured, seen, shown
from tests.strategies import (
    SINCE,
    UNTIL,
    ZONES,
    Link,
    ToldHistory,
    Use,
    histories,
    told_histories,
)

from tallymark.core.clock import DAY, instant, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.core.event import ProfileOp
from tallymark.core.profiles import Told, profile
from tallymark.insights.property_lifecycle import table
from tallymark.insights.ranges import Span, buckets

DAYS = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
STATES = ("have", "kept", "new", "back", "changed", "cleared")
OTHER = ("other", None)


def on(day: str) -> int:
    return instant(datetime.fromisoformat(day).replace(tzinfo=UTC))


def told(who: str, day: str, plan: str | None) -> ProfileOp:
    """Return what is told of the plan of a person."""
    return ProfileOp("set" if plan else "unset", who, "", on(day), {"plan": plan}, "user")


# Those that the page of the insight tells.
PLANS: list[Use | ProfileOp] = [
    *(Use(user=who, time=on("2025-09-01")) for who in ("ana", "bo", "cy")),
    *(told(who, "2025-09-01", "free") for who in ("ana", "bo", "cy")),
    told("bo", "2025-10-05", "pro"),
    told("cy", "2025-10-09", "pro"),
    told("cy", "2025-10-12", "free"),
    Use(user="di", time=on("2025-10-20")),
    told("di", "2025-10-20", "pro"),
    told("bo", "2025-11-10", "free"),
    told("di", "2025-11-11", None),
]
AUTUMN = {"since": "2025-10-01", "until": "2025-12-01"}
BY_MONTH = {"of": "person.plan", "range": AUTUMN}


def lines(store: Store, **question: Any) -> dict[Any, list[tuple[int, ...]]]:
    """Return the numbers of each value in each bucket, in the order of the states."""
    answer = ask(store, "property_lifecycle", **question)
    return {
        line.value: [tuple(getattr(one, name) for name in STATES) for one in line.buckets]
        for line in answer.values
    }


def test_plans_are_entered_kept_and_left_from_month_to_month(store: Store) -> None:
    store.replace(PLANS)

    answer = ask(store, "property_lifecycle", **BY_MONTH)

    assert lines(store, **BY_MONTH) == {
        "free": [(2, 2, 0, 0, 1, 0), (3, 2, 0, 1, 0, 0)],
        "pro": [(2, 0, 2, 0, 0, 0), (0, 0, 0, 0, 1, 1)],
    }
    assert [line.before for line in answer.values] == [3, 0]
    assert [(one.bucket, one.was, one.into, one.units) for one in answer.changes] == [
        (0, None, "pro", 1), (0, "free", "pro", 1), (1, "pro", None, 1), (1, "pro", "free", 1),
    ]  # fmt: skip


def test_what_is_changed_back_within_a_bucket_is_seen_by_shorter_ones(store: Store) -> None:
    store.replace(PLANS)

    by_day = lines(store, **BY_MONTH, interval="day")

    assert [row[4] for row in by_day["free"]].count(1) == 2
    assert by_day["free"][11] == (2, 1, 0, 1, 0, 0)


def test_who_is_behind_a_change_can_be_listed(store: Store) -> None:
    store.replace(PLANS)

    def names(**place: Any) -> set[str]:
        number = {"insight": "property_lifecycle", "question": BY_MONTH, "place": place}
        return {one.user_ids[0] for one in ask(store, "people", behind=number).people}

    assert names(bucket=0, value="pro", state="new") == {"bo", "di"}
    assert names(bucket=0, value="free", state="changed", into="pro") == {"bo"}
    assert names(bucket=1, value="free", state="back") == {"bo"}
    assert names(bucket=1, value="pro", state="cleared") == {"di"}


def test_a_field_of_events_stays_until_another_value_comes(store: Store) -> None:
    told_of: list[dict[str, Any]] = [{"plan": "free"}, {}, {"plan": "pro"}, {"plan": None}, {"plan": "pro"}]  # fmt: skip
    plan = [Use(user="ana", time=SINCE + n * DAY, properties=one) for n, one in enumerate(told_of)]
    store.replace([*plan, Use(user="bo", account="acme", properties={"plan": "pro"})])
    asked = {"of": "properties.plan", "range": {"since": "2025-10-24", "until": "2025-10-28"}}

    found = lines(store, **asked, interval="day")

    assert [row[0] for row in found["free"]] == [1, 1, 0, 0]
    assert [row[0] for row in found["pro"]] == [1, 1, 2, 2]
    assert [row[0] for row in lines(store, **asked, interval="day", per="account")["pro"]] == [1] * 4  # fmt: skip


def test_whoever_did_nothing_yet_is_not_counted_and_ids_are_one_person(store: Store) -> None:
    history: list[Use | Link | ProfileOp] = [
        told("ana", "2025-09-01", "free"),
        told("ghost", "2025-09-01", "free"),
        Use(anonymous="phone", time=on("2025-10-20")),
        Link("phone", "ana"),
    ]
    store.replace(history)

    assert lines(store, **BY_MONTH) == {"free": [(1, 0, 1, 0, 0, 0), (1, 1, 0, 0, 0, 0)]}


def test_the_table_names_the_value_and_the_rest(store: Store) -> None:
    store.replace(PLANS)

    shown_as = table(ask(store, "property_lifecycle", **BY_MONTH, top=1))

    assert shown_as.columns[:3] == ("month", "person.plan", "have")
    assert [row[:3] for row in shown_as.rows] == [
        ("2025-10", "free", 2), ("2025-10", "Other", 2), ("2025-11", "free", 3), ("2025-11", "Other", 0),
    ]  # fmt: skip
    assert [row[-1] for row in shown_as.rows] == [True, True, False, False]


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ({"of": "group.team.plan"}, "of"),
        ({"of": "person.plan", "per": "account"}, "per"),
        ({"of": "person.plan@now"}, "of"),
        ({"of": "time"}, "of"),
        ({"of": "nothing"}, "of"),
    ],
)
def test_what_has_no_lifecycle_is_refused(store: Store, question: Any, path: str) -> None:
    store.replace(PLANS)

    with pytest.raises(InvalidQuery) as refused:
        ask(store, "property_lifecycle", **question)

    assert refused.value.path == path


@pytest.mark.parametrize(
    "place",
    [{"bucket": 2}, {"bucket": 0, "value": "gold"}, {"bucket": 0, "value": "free", "into": "pro"}],
)
def test_nobody_is_behind_what_is_no_number(store: Store, place: Any) -> None:
    store.replace(PLANS)

    with pytest.raises(InvalidQuery):
        behind(store, "property_lifecycle", BY_MONTH, place)


# The oracle: everybody is looked at at every instant.


class Life(Struct):
    """Somebody: the value at each of the instants, and all that they had before each."""

    values: list[Any]
    had: list[set[Any]]


def named(value: Any) -> Any:
    """Return a value so that 1, "1" and true are three."""
    kind = "truth" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
    return None if value is None else (kind, value)


def told_at(history: ToldHistory, subjects: set[Any], name: str, until: int) -> Any:
    operations = [
        Told(seq, said.time, said.op, said.properties)
        for seq, said in enumerate(history)
        if isinstance(said, ProfileOp) and (said.subject_kind, said.subject) in subjects
    ]
    return named(shown(measured(profile(operations, until).get(name))))


def subjects_of(unit: str, per: str, known: Known) -> set[Any]:
    if per == "account":
        return {("account", unit)}
    kind, _, name = unit.partition(":")
    return set(known.ids((kind, name)))


def lives(history: ToldHistory, question: dict[str, Any], ends: list[int]) -> dict[str, Life]:
    """Return everybody with an event before the last of the instants."""
    known = known_of(history)
    per = question["per"]
    theirs: dict[str, list[Use]] = {}
    some = chosen_uses(seen(history, []), -(2**62), ends[-1], filters=(question["filter"],))
    for use in some:
        unit = use.user if per == "person" else use.account
        if unit is not None:
            theirs.setdefault(unit, []).append(use)
    path, _, name = question["of"].partition(".")
    found = {}
    for unit, mine in theirs.items():
        if path in {"person", "account"}:
            subjects = subjects_of(unit, per, known)
            first = min(use.time for use in mine)
            times = {first, *(one.time for one in history if isinstance(one, ProfileOp))}
            since = [
                (at, told_at(history, subjects, name, at)) for at in sorted(times) if at >= first
            ]
        else:
            # Sorting keeps the order in which events of one instant arrived.
            in_order = sorted(mine, key=lambda use: use.time)
            told_of = [(use.time, named(value_of(use, question["of"]))) for use in in_order]
            since = [(at, value) for at, value in told_of if value is not None]
        found[unit] = Life(
            [next((value for at, value in reversed(since) if at < end), None) for end in ends],
            [{value for at, value in since if at < end} for end in ends],
        )
    return found


def counted(all_lives: list[Life], value: Any, number: int) -> tuple[int, ...]:
    """Return the numbers of a value in a bucket, in the order of the states."""
    found: Counter[str] = Counter()
    for life in all_lives:
        was, has = life.values[number - 1], life.values[number]
        if has == value:
            is_back = value in life.had[number - 1]
            found["kept" if was == value else "back" if is_back else "new"] += 1
        elif was == value:
            found["cleared" if has is None else "changed"] += 1
    found["have"] = found["kept"] + found["new"] + found["back"]
    return tuple(found[state] for state in STATES)


def as_shown(life: Life, values: set[Any]) -> Life:
    """Return a life in which all values that are not shown are one."""

    def one(value: Any) -> Any:
        return value if value is None or value in values else OTHER

    return Life([one(value) for value in life.values], [set(map(one, had)) for had in life.had])


def of_its_own(question: dict[str, Any]) -> dict[str, Any]:
    """Return the question about those whose profile has the property."""
    if not question["of"].startswith(("person.", "account.")):
        return question
    return {**question, "per": question["of"].partition(".")[0]}


def questions(*of: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "of": st.sampled_from(of),
            "per": st.sampled_from(["person", "person", "account"]),
            "interval": st.sampled_from(["day", "week", "month"]),
            "timezone": st.sampled_from(ZONES),
            "top": st.sampled_from([1, 2, 50]),
            "filter": st.none() | st.none() | CONDITIONS,
        }
    ).map(of_its_own)


ASKED = st.one_of(
    st.tuples(told_histories(), questions("person.plan", "person.spent", "person.tags", "person.last", "account.plan", "person.first")),
    st.tuples(histories(), questions("properties.plan", "properties.mixed", "path")),
)  # fmt: skip


@settings(max_examples=300)
@given(ASKED, st.integers(-2, 10), st.integers(0, 99), st.sampled_from(STATES))
def test_every_number_agrees_with_the_oracle_adds_up_and_opens_to_its_members(
    store: Store, asked: Any, day: int, place: int, state: str
) -> None:
    history, question = asked
    store.replace(history)
    since = SINCE + day * DAY
    question = {**question, "range": {"since": rfc3339(since), "until": rfc3339(UNTIL)}}

    answer = ask(store, "property_lifecycle", **question)

    zone = ZoneInfo(question["timezone"])
    cut = buckets(Span(since, UNTIL), question["interval"], zone)
    ends = [since, *(cut.clipped(number).until for number in range(len(cut.edges) - 1))]
    everybody = list(lives(history, question, ends).values())
    values = {named(line.value) for line in answer.values if not line.is_other}
    assert_top(everybody, values, answer, question["top"])
    grouped = [as_shown(life, values) for life in everybody]
    for line in answer.values:
        value = OTHER if line.is_other else named(line.value)
        have = line.before
        assert have == sum(life.values[0] == value for life in grouped)
        for number, one in enumerate(line.buckets, start=1):
            numbers = tuple(getattr(one, name) for name in STATES)
            assert numbers == counted(grouped, value, number)
            assert one.kept + one.changed + one.cleared == have == one.kept_rate.of
            have = one.have
    for number in range(len(cut.edges) - 1):
        those = [one for one in answer.changes if one.bucket == number]
        expected = Counter(
            (life.values[number], life.values[number + 1])
            for life in grouped
            if life.values[number] != life.values[number + 1]
        )
        ends_of = {
            (OTHER if one.was_other else named(one.was), OTHER if one.into_other else named(one.into)): one.units
            for one in those
        }  # fmt: skip
        assert ends_of == expected
    if answer.values:
        line = answer.values[place % len(answer.values)]
        number = place % len(line.buckets)
        where = {
            "bucket": number,
            "state": state,
            **({} if line.is_other else {"value": line.value}),
        }
        listed = "people" if question["per"] == "person" else "accounts"
        opened = {"insight": "property_lifecycle", "question": question, "place": where}
        assert ask(store, listed, behind=opened).total == getattr(line.buckets[number], state)


def assert_top(everybody: list[Life], values: set[Any], answer: Any, top: int) -> None:
    """Those shown had most people at one of the instants; only if there are more, there is Other."""
    had = Counter(value for life in everybody for value in set(life.values) - {None})
    assert len(values) == min(len(had), top)
    assert any(line.is_other for line in answer.values) == (len(had) > top)
    if len(had) > top:
        least = min(had[value] for value in values)
        assert all(count <= least for value, count in had.items() if value not in values)


def test_numbers_of_a_value_are_exact(store: Store) -> None:
    amounts = [Decimal("0.1"), Decimal("0.100000000"), Decimal("0.100000001")]
    store.replace([Use(user=f"u{n}", properties={"seats": one}) for n, one in enumerate(amounts)])

    found = lines(
        store, of="properties.seats", range={"since": "2025-10-24", "until": "2025-10-25"}
    )

    assert {value: rows[0][0] for value, rows in found.items()} == {amounts[0]: 2, amounts[2]: 1}
