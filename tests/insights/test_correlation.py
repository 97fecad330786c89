"""What distinguishes those who converted, counted by hand and one person at a time."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights import funnel_oracle as oracle
from tests.insights.asking import Store, ask
from tests.insights.oracle import CONDITIONS, at_nine_places, satisfies, value_of
from tests.insights.test_funnels import STEP, VISITS, WINDOWS
from tests.strategies import NOW, SINCE, UNTIL, Use, owners, person, uses

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.correlation import table
from tallymark.insights.uncertainty import ENOUGH

HOUR = DAY // 24
DAYS = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
FUNNEL: dict[str, Any] = {"range": DAYS, "steps": ["a", "b"], "window": "1d"}


def shop() -> list[Use]:
    """Return 70 people: of 30 by e-mail 20 convert, of 40 others 10; all who convert asked for help."""
    found = []
    for number in range(70):
        who, is_mail = f"u{number:02}", number < 30
        properties = (
            {"by": "mail" if is_mail else "ad", "rare": "x"}
            if number < 4
            else {"by": "mail" if is_mail else "ad"}
        )
        is_new = number % 2 == 0
        if not is_new:
            found.append(Use(name="read", user=who, time=SINCE - DAY))
        found.append(Use(name="a", user=who, time=SINCE, properties=properties))
        if number < 20 or 30 <= number < 40:
            found.append(Use(name="help", user=who, time=SINCE + HOUR))
            found.append(Use(name="b", user=who, time=SINCE + 2 * HOUR))
            found.append(Use(name="late", user=who, time=SINCE + 3 * HOUR))
    return found


def test_the_odds_of_seventy_people_by_hand(store: Store) -> None:
    store.replace(shop())

    found = ask(store, "correlation", **FUNNEL, properties=["properties.by", "properties.rare"])

    assert (found.converted, found.dropped, found.incomplete) == (30, 40, 0)
    mail = next(one for one in found.factors if one.value == "mail")
    assert (mail.converted_with, mail.dropped_with, mail.converted_without, mail.dropped_without) == (20, 10, 10, 30)  # fmt: skip
    assert (mail.odds_ratio, mail.low, mail.high) == (
        6,
        Decimal("2.113803584"),
        Decimal("17.030910666"),
    )
    assert mail.p_value == Decimal("0.000655677")
    # Compared are mail, ad, help, is new; everybody has a user id and nobody an account, and only
    # four have what is rare. Help is surest, mail and ad are the same said twice.
    assert (found.tested, found.too_few) == (4, 2)
    assert mail.adjusted_p_value == Decimal("0.000874236")
    assert [(one.kind, one.name, one.is_significant) for one in found.factors] == [
        ("event", "help", True), ("property", "properties.by", True),
        ("property", "properties.by", True), ("fact", "is new", False),
    ]  # fmt: skip


def test_holm_is_stricter_and_no_correction_is_none(store: Store) -> None:
    store.replace(shop())

    def p(correction: str) -> Any:
        found = ask(
            store, "correlation", **FUNNEL, properties=["properties.by"], correction=correction
        )
        return next(one for one in found.factors if one.value == "mail").adjusted_p_value

    assert (p("holm"), p("none")) == (Decimal("0.001967031"), Decimal("0.000655677"))


def test_events_after_the_last_step_and_steps_themselves_are_not_looked_at(store: Store) -> None:
    store.replace(shop())

    found = ask(store, "correlation", **FUNNEL, properties=[], facts=False)

    assert [one.name for one in found.factors] == ["help"]
    assert table(found).columns[:3] == ("what", "name", "value")
    assert table(found).rows[0][:5] == ("event", "help", None, 1, 0)


def test_who_may_still_convert_is_left_out(store: Store) -> None:
    store.replace([Use(name="a", user="ana", time=NOW - DAY)])

    found = ask(store, "correlation", **FUNNEL)

    assert (found.converted, found.dropped, found.incomplete, found.factors) == (0, 0, 1, [])
    assert found.warnings[-1] == "1 may still convert and are left out."


def test_nobody_at_all_has_nothing(store: Store) -> None:
    store.replace([])

    found = ask(store, "correlation", **FUNNEL)

    assert (found.converted, found.dropped, found.tested, found.factors) == (0, 0, 0, [])


@pytest.mark.parametrize(
    "question",
    [{"count": "totals"}, {"hold_constant": ["path"], "per_value": True}, {"properties": ["nothing"]},
     {"properties": ["time"]}],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(store: Store, question: Any) -> None:
    store.replace([])

    with pytest.raises(InvalidQuery):
        ask(store, "correlation", **FUNNEL, **question)


@pytest.mark.parametrize(
    ("by", "place"),
    [("session", {"kind": "fact", "name": "is new"}), ("person", {"kind": "fact", "name": "is old"}),
     ("person", {"kind": "property", "name": "path"})],
)  # fmt: skip
def test_a_place_that_names_nobody_is_refused(store: Store, by: str, place: Any) -> None:
    store.replace([])
    behind = {"insight": "correlation", "question": {**FUNNEL, "by": by}, "place": place}

    with pytest.raises(InvalidQuery):
        ask(store, "people", behind=behind)


# The oracle: it looks at a crowd, as a few people are too few to be compared.


@st.composite
def crowds(draw: st.DrawFn) -> list[Any]:
    """Return the history of a few people several times over, under other names."""
    one = draw(VISITS)
    copies = draw(st.integers(5, 9))
    found = []
    for number in range(copies):
        for item in one:
            kept = {name: getattr(item, name) for name in item.__struct_fields__}
            for name in ("user", "anonymous", *(["account"] if isinstance(item, Use) else [])):
                kept[name] = None if kept[name] is None else f"{kept[name]} {number}"
            found.append(type(item)(**kept))
    return found


def has(one: oracle.Try, history: Any, place: dict[str, Any], question: Any, horizon: int) -> bool:
    """Whether somebody has something, looking through all events there are."""
    first, last = one.chain[0], one.chain[-1]
    assert first is not None
    owner = owners(history)
    by_person = question["by"] == "person"
    mine = [
        use
        for use in uses(history)
        if (person(use, owner) if by_person else use.account) == one.unit
    ]
    if place["kind"] == "property":
        value = value_of(first.use, place["name"])
        if isinstance(value, Decimal):
            value = at_nine_places(value)
        return (
            value is not None
            and value == place["value"]
            and isinstance(value, bool) == isinstance(place["value"], bool)
        )
    if place["kind"] == "fact":
        if place["name"] == "is new":
            return not any(use.time < first.time for use in mine)
        return (
            first.use.user if place["name"] == "has a user id" else first.use.account
        ) is not None
    end = last.time if last else first.time + horizon + 1
    return any(
        use.name == place["name"] and first.time < use.time < end and not use.is_bot
        and satisfies(use, question.get("filter"))
        and not any(oracle.is_step(use, step) for step in question["steps"])
        for use in mine
    )  # fmt: skip


@settings(max_examples=300)
@given(crowds(), st.lists(STEP, min_size=2, max_size=3), WINDOWS, st.none() | CONDITIONS, st.data())
def test_all_counts_agree_with_the_oracle_and_list_as_many_people_or_accounts(
    store: Store, history: Any, steps: Any, window: str, chosen: Any, data: Any
) -> None:
    store.replace(history)
    unit = data.draw(st.sampled_from(["person", "person", "account"]))
    question = {"range": DAYS, "steps": steps, "window": window, "filter": chosen, "by": unit,
                "properties": ["path", "properties.plan"]}  # fmt: skip

    found = ask(store, "correlation", **question, top=1_000)

    horizon = oracle.microseconds(window)
    tries, _ = oracle.tries(history, question, SINCE, UNTIL)
    over = [one for one in tries if oracle.began(one)[0] + horizon < NOW]
    done = [one for one in over if one.chain[-1]]
    assert (found.converted, found.dropped) == (len(done), len(over) - len(done))
    assert found.incomplete == len(tries) - len(over)
    for factor in found.factors:
        place = {
            "kind": factor.kind,
            "name": factor.name,
            "value": factor.value if factor.kind == "property" else None,
        }
        with_it = [one for one in over if has(one, history, place, question, horizon)]
        assert factor.converted_with == sum(one.chain[-1] is not None for one in with_it)
        assert factor.dropped_with == sum(one.chain[-1] is None for one in with_it)
        assert ENOUGH <= len(with_it) <= len(over) - ENOUGH
        assert factor.converted_with + factor.converted_without == len(done)
    if found.factors:
        one = data.draw(st.sampled_from(found.factors))
        place = {
            "kind": one.kind,
            "name": one.name,
            **({"value": one.value} if one.kind == "property" else {}),
        }
        for converted, is_with, number in (
            (True, True, one.converted_with), (False, True, one.dropped_with),
            (True, False, one.converted_without), (False, False, one.dropped_without),
        ):  # fmt: skip
            behind = {"insight": "correlation", "question": question,
                      "place": {**place, "converted": converted, "has": is_with}}  # fmt: skip
            listed = "people" if unit == "person" else "accounts"
            assert ask(store, listed, behind=behind).total == number
