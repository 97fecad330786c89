"""Fields of people, accounts and groups: as ``who`` tells them, at the moment that is asked."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.insights.asking import Store, ask
from tests.insights.oracle import chosen_uses, value_of
from tests.insights.test_trends import TWELVE_DAYS, assert_measures, on_day
from tests.insights.told import FIELDS, conditions, renamed, seen, shown
from tests.strategies import SINCE, UNTIL, Link, ToldHistory, Use, told_histories

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.core.event import ProfileOp

HOUR = DAY // 24
SERIES = st.sampled_from(
    [
        {"measure": "count"},
        {"measure": "unique_people"},
        {"measure": "unique_accounts"},
        {"measure": "sum", "of": "value"},
    ]
)


def told(op: Any, time: int, properties: dict[str, Any], *, of: str = "user:ana") -> ProfileOp:
    kind, _, name = of.partition(":")
    return ProfileOp(op, name, "", SINCE + time, properties, kind)


PLANS: list[Use | ProfileOp] = [
    told("set", HOUR, {"plan": "free"}),
    Use(user="ana", time=SINCE),
    Use(user="ana", time=SINCE + HOUR),
    Use(user="ana", time=SINCE + 5 * HOUR),
    Use(user="bo", time=SINCE + 5 * HOUR),
    told("set", 4 * HOUR, {"plan": "pro"}),
]


def groups(store: Store, *by: str, **question: Any) -> dict[Any, Any]:
    answer = ask(store, "trends", range=TWELVE_DAYS, breakdown=list(by), **question)
    return {tuple(line.breakdown): line.total for line in answer.lines}


def total(store: Store, **chosen: Any) -> Any:
    return ask(store, "trends", range=TWELVE_DAYS, filter=chosen).lines[0].total


def test_without_a_moment_each_event_has_the_value_of_its_own_time(store: Store) -> None:
    store.replace(PLANS)

    found = groups(store, "person.plan")

    assert found == {(None,): 2, ("free",): 1, ("pro",): 1}
    assert found == groups(store, "person.plan@event")


def test_now_is_the_value_with_everything_told(store: Store) -> None:
    store.replace(PLANS)

    assert groups(store, "person.plan@now") == {("pro",): 3, (None,): 1}
    assert groups(store, "person.plan", "person.plan@now") == {
        ("free", "pro"): 1, ("pro", "pro"): 1, (None, "pro"): 1, (None, None): 1,
    }  # fmt: skip


def test_a_date_is_its_first_instant_in_the_zone_of_the_question(store: Store) -> None:
    at_midnight_in_berlin = told("set", -2 * HOUR, {"plan": "free"})
    store.replace([at_midnight_in_berlin, told("set", -1, {"plan": "pro"}), Use(user="ana")])

    assert groups(store, "person.plan@2025-10-24") == {("pro",): 1}
    assert groups(store, "person.plan@2025-10-24", timezone="Europe/Berlin") == {("free",): 1}
    assert groups(store, f"person.plan@{rfc3339(SINCE - 2 * HOUR - 1)}") == {(None,): 1}


def test_what_arrives_late_takes_its_place_in_the_past(store: Store) -> None:
    store.replace([Use(user="ana", time=SINCE + 2), told("set", 1, {"plan": "pro"})])

    now = store.scope
    store.scope = replace(now, log_position=1)
    before = groups(store, "person.plan")
    store.scope = now

    assert before == {(None,): 1}
    assert groups(store, "person.plan") == {("pro",): 1}


def test_ids_that_become_one_person_share_what_was_told_of_each(store: Store) -> None:
    history: list[Use | Link | ProfileOp] = [
        told("set", 1, {"plan": "free"}, of="anonymous:phone"),
        told("add", 2, {"spent": 2}, of="anonymous:phone"),
        told("add", 3, {"spent": Decimal("0.5")}),
        Use(user="ana", time=SINCE + 4),
        Use(anonymous="phone", time=SINCE + 2),
    ]

    store.replace(history)
    apart = groups(store, "person.plan", "person.spent")
    store.replace([*history, Link("phone", "ana")])
    joined = groups(store, "person.plan", "person.spent")
    store.replace([*history, Link("phone", "ana"), Link("phone", "ana", "retract")])

    assert apart == {("free", 2): 1, (None, Decimal("0.5")): 1}
    assert joined == {("free", 2): 1, ("free", Decimal("2.5")): 1}
    assert groups(store, "person.plan", "person.spent") == apart


def test_every_operation_does_what_it_does_to_a_profile(store: Store) -> None:
    store.replace(
        [
            told("set_once", 2, {"first": "b", "plan": "x"}),
            told("set_once", 1, {"first": "a"}),
            told("set", 3, {"plan": "y", "left": 1}),
            told("unset", 4, {"plan": None}),
            told("append", 1, {"tags": "a"}),
            told("union", 2, {"tags": ["a", True]}),
            told("clear", 1, {}, of="account:acme"),
            told("set", 2, {"seats": 3}, of="account:acme"),
            told("clear", 3, {}, of="account:acme"),
            told("set_once", 4, {"seats": 4}, of="account:acme"),
            *(Use(user="ana", account="acme", time=SINCE + time) for time in (1, 2, 3, 4)),
        ]
    )

    assert groups(store, "person.first") == {("a",): 4}
    assert groups(store, "person.plan") == {(None,): 2, ("x",): 1, ("y",): 1}
    assert groups(store, "person.tags") == {('["a",true]',): 3, ('["a"]',): 1}
    assert groups(store, "account.seats") == {(None,): 2, (3,): 1, (4,): 1}


def test_sums_are_exact_for_numbers_of_any_length(store: Store) -> None:
    long = Decimal("0.30000000000000004")
    store.replace(
        [
            *(told("add", time, {"spent": long}) for time in range(5)),
            *(told("add", time, {"spent": Decimal("1E-10")}, of="user:bo") for time in range(10)),
            told("set", 1, {"spent": 10**28}, of="user:cy"),
            told("add", 2, {"spent": 9 * 10**28}, of="user:cy"),
            *(Use(user=user, time=SINCE + 9) for user in ("ana", "bo", "cy")),
        ]
    )

    assert groups(store, "person.spent") == {
        (Decimal("1.5"),): 1, (Decimal("0.000000001"),): 1, ("1" + "0" * 29,): 1,
    }  # fmt: skip
    series = [{"measure": "sum", "of": "person.spent@now"}]
    assert ask(store, "trends", range=TWELVE_DAYS, series=series).lines[0].total == Decimal(
        "1.500000001"
    )


def test_filters_take_a_moment_each_and_null_is_no_value(store: Store) -> None:
    store.replace([*PLANS, told("set", 5 * HOUR, {"ok": None, "n": True})])

    assert total(store, op="equals", field="person.plan", value="free") == 1
    assert total(store, op="equals", field="person.plan@now", value="pro") == 3
    assert total(store, op="not_equals", field="person.plan", value="free") == 3
    assert total(store, op="exists", field="person.ok@now") == 0
    assert total(store, op="is_true", field="person.n") == 1
    assert total(store, op="equals", field="person.n@now", value=1) == 0


def test_groups_of_any_type_have_fields_too(store: Store) -> None:
    store.replace(
        [
            told("set", 0, {"lead": "bo"}, of="team:core"),
            told("set", 0, {"lead": "cy"}, of="account:core"),
            Use(team="core", time=SINCE + 1),
            Use(account="core", time=SINCE + 1),
            Use(time=SINCE + 1),
        ]
    )

    assert groups(store, "group.team.lead") == {("bo",): 1, (None,): 2}
    assert groups(store, "group.team.lead@now") == {("bo",): 1, (None,): 2}
    assert groups(store, "account.lead") == groups(store, "group.account.lead@now")


def test_an_unknown_property_is_named_with_the_one_meant(store: Store) -> None:
    store.replace(PLANS)

    asked = {"breakdown": ["person.plam@now", "account.plan", "person.plan@yesterday"]}

    assert ask(store, "trends", range=TWELVE_DAYS, **asked).warnings == [
        "No person has a property 'plam'. Did you mean 'plan'?",
        "No account has a property 'plan'.",
        "No person has a property 'plan@yesterday'. Did you mean 'plan'? A moment is written @event, @now or @2026-01-31.",
    ]  # fmt: skip


def test_a_name_with_an_at_sign_can_be_asked(store: Store) -> None:
    store.replace([told("set", 0, {"a@b": "x", "c@now": "y"}), Use(user="ana", time=SINCE)])

    assert groups(store, "person.a@b") == {("x",): 1}
    assert groups(store, "person.c@now@event") == {("y",): 1}


def test_text_where_a_number_is_measured_comes_with_a_warning(store: Store) -> None:
    store.replace([told("set", 0, {"n": "3"}), told("set", 0, {"n": 2}), Use(user="ana")])

    answer = ask(store, "trends", range="30d", series=[{"measure": "sum", "of": "person.n"}])

    assert answer.warnings[0].startswith("Some profiles have 'n' as text")


@pytest.mark.parametrize("name", ["person.plan@2025-02-30", "group.user.plan", "group.team"])
def test_what_is_no_field_of_a_profile_is_refused(store: Store, name: str) -> None:
    store.replace(PLANS)

    with pytest.raises(InvalidQuery) as refused:
        ask(store, "trends", breakdown=[name])

    assert refused.value.path == "breakdown"


@settings(max_examples=150)
@given(
    told_histories(),
    st.lists(FIELDS, min_size=1, max_size=2, unique=True),
    SERIES,
    st.none() | conditions(FIELDS),
)
def test_numbers_by_fields_of_profiles_agree_with_the_oracle_on_any_history(
    store: Store, history: Any, by: Any, series: Any, chosen: Any
) -> None:
    store.replace(history)

    answer = ask(store, "trends", range=TWELVE_DAYS, series=[series], breakdown=by, filter=chosen, top=1000)  # fmt: skip

    expected = grouped(history, by, chosen)
    found = {tuple(line.breakdown): line for line in answer.lines if not line.is_other}
    counted = {values for values, those in expected.items() if is_counted(series, those)}
    assert set(found) == counted
    for values, line in found.items():
        those = expected[values]
        assert_measures(series, line.total, those, those)
        for day, value in enumerate(line.values):
            assert_measures(series, value, [one for one in those if on_day(one, day)], those)


def grouped(
    history: ToldHistory, by: list[str], chosen: dict[str, Any] | None
) -> dict[tuple[Any, ...], list[Use]]:
    fields = [*by, *([chosen["field"]] if chosen else [])]
    found: dict[tuple[Any, ...], list[Use]] = {}
    for use in chosen_uses(seen(history, fields), SINCE, UNTIL, filters=(renamed(chosen),)):
        values = tuple(shown(value_of(use, f"properties.{name}")) for name in by)
        found.setdefault(values, []).append(use)
    return found


def is_counted(series: dict[str, Any], those: list[Use]) -> bool:
    if series["measure"] == "unique_people":
        return any(use.user for use in those)
    return any(use.account for use in those) or series["measure"] != "unique_accounts"


@settings(max_examples=40)
@given(told_histories(), FIELDS, st.sampled_from(["sum", "min", "max", "avg", "per_person"]))
def test_measures_of_numbers_of_profiles_agree_with_the_oracle(
    store: Store, history: Any, of: str, measure: str
) -> None:
    store.replace(history)
    series = {"measure": measure, "of": of}

    line = ask(store, "trends", range=TWELVE_DAYS, series=[series]).lines[0]

    those = chosen_uses(seen(history, [of]), SINCE, UNTIL)
    assert_measures({"measure": measure, "of": f"properties.{of}"}, line.total, those, those)


@settings(max_examples=40)
@given(told_histories(), st.integers(0, 30), FIELDS)
def test_an_earlier_position_knows_what_was_told_and_linked_by_then(
    store: Store, history: Any, position: int, by: str
) -> None:
    position = min(position, len(history))
    store.replace(history[:position])
    then = groups(store, by, series=[{"measure": "unique_people"}])

    store.replace(history)
    store.scope = replace(store.scope, log_position=position)

    assert groups(store, by, series=[{"measure": "unique_people"}]) == then


@settings(max_examples=40)
@given(told_histories(), st.lists(FIELDS, min_size=1, max_size=2, unique=True), conditions(FIELDS))
def test_the_lists_behind_a_number_are_as_long_as_it_says(
    store: Store, history: Any, by: Any, chosen: Any
) -> None:
    store.replace(history)
    series = [{"filter": chosen}, {"filter": chosen, "measure": "unique_people"}]

    answer = ask(store, "trends", range=TWELVE_DAYS, series=series, breakdown=by, top=2)

    shown_groups = [
        line.breakdown for line in answer.lines if not line.is_other and line.series == "A"
    ]
    for line in answer.lines:
        if any(isinstance(value, str) and value[:1] in "[{" for value in line.breakdown or ()):
            continue  # A list is shown as text, which no event has.
        if line.is_other and any(str(value)[:1] in "[{" for one in shown_groups for value in one):
            continue
        group = {
            "by": by,
            **({"other_than": shown_groups} if line.is_other else {"values": line.breakdown}),
        }
        kind, place = ("events", 0) if line.series == "A" else ("people", 1)
        opened = ask(store, kind, range=TWELVE_DAYS, series=series[place], group=group)
        assert opened.total == line.total
