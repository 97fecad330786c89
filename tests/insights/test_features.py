"""The use of features, counted by hand and by an oracle in plain Python."""

from collections import Counter
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
from tallymark.insights.features import table

HOUR = DAY // 24
DAYS = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
MONDAY = SINCE + 3 * DAY
# Those that the page of the insight tells.
WEEK = [
    Use(name="export", user="ana", time=SINCE - 365 * DAY, account="acme"),
    *(Use(name="export", user="ana", time=MONDAY + hour * HOUR, account="acme") for hour in (1, 2)),
    Use(name="share", user="ana", time=MONDAY + 3 * HOUR, account="acme"),
    Use(name="look", user="bo", time=MONDAY + 9 * HOUR, account="initech"),
    Use(name="export", user="bo", time=MONDAY + 57 * HOUR, account="initech"),
    Use(name="look", user="cy", time=MONDAY),
]
TWO = ["export", {"event": "share"}]


def test_features_are_told_by_people_depth_and_breadth(store: Store) -> None:
    store.replace(WEEK)

    answer = ask(store, "features", range=DAYS, features=TWO)

    export, share = answer.features
    assert (export.feature, export.uses, export.people, export.uses_per_person) == (
        "export", 3, 2, Decimal("1.5"),
    )  # fmt: skip
    assert (share.feature, share.uses, share.people) == ("share", 1, 1)
    assert export.adoption.value == Decimal("0.666666667")
    assert (export.accounts, export.account_adoption.value) == (2, 1)
    assert [(one.features, one.people.count) for one in answer.breadth] == [(0, 1), (1, 1), (2, 1)]
    assert answer.mean_breadth == 1


def test_only_who_never_did_it_before_is_new_and_has_a_time_to_first_use(store: Store) -> None:
    store.replace(WEEK)

    export, share = ask(store, "features", range=DAYS, features=TWO).features

    assert (export.new_people, export.median_seconds_to_first_use) == (1, 172_800)
    # Ana was first seen a year and three days before she shared for the first time.
    assert (share.new_people, share.median_seconds_to_first_use) == (1, 368 * 86_400 + 3 * 3_600)


def test_the_median_of_two_is_their_mean(store: Store) -> None:
    store.replace(
        [
            *(Use(name="look", user=who) for who in "ab"),
            Use(name="share", user="a", time=SINCE + 1),
            Use(name="share", user="b", time=SINCE + 2),
        ]
    )

    (share,) = ask(store, "features", range=DAYS, features=["share"]).features

    assert share.median_seconds_to_first_use == Decimal("0.0000015")


def test_accounts_are_listed_with_their_last_use(store: Store) -> None:
    store.replace(WEEK)

    answer = ask(store, "features", range=DAYS, features=TWO, accounts=1)

    assert [(one.feature, one.account, one.uses, one.last_time) for one in answer.account_uses] == [
        ("export", "acme", 2, rfc3339(MONDAY + 2 * HOUR)),
        ("share", "acme", 1, rfc3339(MONDAY + 3 * HOUR)),
    ]
    assert table(answer).columns[:3] == ("feature", "account", "uses")


def test_each_value_of_a_field_is_a_feature(store: Store) -> None:
    store.replace(
        [
            Use(user="ana", properties={"plan": "a"}),
            Use(user="bo", properties={"plan": "b"}),
            Use(),
            Use(user="bo", properties={"plan": "a"}),
        ]
    )

    by_event = ask(store, "features", range=DAYS)
    by_plan = ask(store, "features", range=DAYS, by="properties.plan", top=1)

    assert [(one.feature, one.uses, one.people) for one in by_event.features] == [("open", 4, 2)]
    assert [(one.feature, one.uses, one.people) for one in by_plan.features] == [("a", 2, 2)]
    # What is not shown is part of the breadth all the same.
    assert [one.people.count for one in by_plan.breadth] == [0, 1, 1]
    assert table(by_plan).rows[0][:4] == ("a", 2, 1, 2)


def test_two_ids_of_one_person_are_one_adopter(store: Store) -> None:
    store.replace([Use(anonymous="phone"), Use(user="ana"), Link("phone", "ana")])

    (only,) = ask(store, "features", range=DAYS).features

    assert (only.people, only.uses, only.new_people) == (1, 2, 1)


def test_nobody_uses_nothing(store: Store) -> None:
    store.replace([])

    answer = ask(store, "features", range=DAYS, features=["export"])

    assert (answer.features, answer.breadth, answer.mean_breadth) == ([], [], None)
    assert answer.warnings == ["No event is named 'export'."]


def test_what_cannot_be_asked_is_refused(store: Store) -> None:
    store.replace(WEEK)

    with pytest.raises(InvalidQuery, match="same name"):
        ask(store, "features", features=["a", {"event": "a"}])
    for field in ("time", "featur"):
        with pytest.raises(InvalidQuery):
            ask(store, "features", by=field)
    with pytest.raises(msgspec.ValidationError):
        ask(store, "features", top=0)
    unfit: list[dict[str, Any]] = [
        {"feature": "nothing"}, {"new": True}, {"feature": "export", "breadth": 1},
    ]  # fmt: skip
    for place in unfit:
        behind = {"insight": "features", "question": {"features": TWO}, "place": place}
        with pytest.raises(InvalidQuery):
            ask(store, "people", behind=behind)


# The oracle.


def features_of(use: Use, question: dict[str, Any]) -> list[Any]:
    """Return the features that one event is."""
    if not question["features"]:
        value = value_of(use, question["by"])
        return [] if value is None else [value]
    return [
        step["label"]
        for step in question["features"]
        if use.name in (step["event"] if isinstance(step["event"], list) else [step["event"]])
        and satisfies(use, step["filter"])
    ]


STEPS = st.lists(
    st.fixed_dictionaries(
        {
            "event": st.sampled_from(["open", "buy", ["open", "buy"]]),
            "filter": st.none() | CONDITIONS,
            "label": st.sampled_from("abcd"),
        }
    ),
    max_size=3,
    unique_by=lambda step: step["label"],
)
QUESTIONS = st.fixed_dictionaries(
    {
        "by": st.sampled_from(["event", "path", "properties.plan"]),
        "features": STEPS,
        "filter": st.none() | CONDITIONS,
    }
)
BOUNDS = st.sampled_from([(SINCE, UNTIL), (SINCE + 4 * DAY, SINCE + 9 * DAY)])


def people_and_times(
    history: History, question: dict[str, Any], until: int
) -> dict[Any, list[tuple[str | None, int, str | None]]]:
    """Return (person, time, account) of the uses of each feature up to an instant."""
    owner = owners(history)
    found: dict[Any, list[tuple[str | None, int, str | None]]] = {}
    for use in chosen_uses(history, -(2**62), until, filters=(question["filter"],)):
        for feature in features_of(use, question):
            found.setdefault(feature, []).append((person(use, owner), use.time, use.account))
    return found


def median(some: list[int]) -> Fraction | None:
    ordered = sorted(some)
    half = len(ordered) // 2
    if not ordered:
        return None
    return Fraction(ordered[half] + ordered[~half], 2 * 10**6)


@settings(max_examples=300)
@given(histories(), QUESTIONS, BOUNDS, st.integers(0, 3), st.booleans())
def test_every_number_agrees_with_the_oracle_and_opens_to_its_people_and_accounts(
    store: Store, history: Any, question: Any, bounds: Any, place: int, is_new: bool
) -> None:
    store.replace(history)
    since, until = bounds
    asked = {**question, "range": {"since": rfc3339(since), "until": rfc3339(until)}}

    answer = ask(store, "features", accounts=5, **asked)
    shorter = ask(store, "features", **asked)

    assert (shorter.features, shorter.active_accounts) == (answer.features, answer.active_accounts)
    owner = owners(history)
    seen: dict[str, int] = {}
    for use in chosen_uses(history, -(2**62), until):
        if (who := person(use, owner)) is not None:
            seen[who] = min(seen.get(who, use.time), use.time)
    inside = chosen_uses(history, since, until, filters=(question["filter"],))
    active = {who for use in inside if (who := person(use, owner)) is not None}
    accounts = {use.account for use in inside} - {None}
    used: Counter[str] = Counter()
    expected = {}
    for feature, some in people_and_times(history, question, until).items():
        here = [one for one in some if one[1] >= since]
        if not here:
            continue
        first = {who: min(at for one, at, _ in some if one == who) for who, _, _ in some if who}
        people = {who for who, _, _ in here if who}
        used.update(people)
        waits = [at - seen[who] for who, at in first.items() if at >= since]
        known = sum(who is not None for who, _, _ in here)
        theirs = Counter(account for _, _, account in here if account)
        expected[feature] = (
            len(here), len(people), len(theirs), len(waits), median(waits),
            rfc3339(max(at for _, at, _ in here)), Fraction(known, len(people)) if people else None,
            {
                account: (count, *(rfc3339(edge(at for _, at, one in here if one == account)) for edge in (min, max)))
                for account, count in theirs.items()
            },
        )  # fmt: skip
    found = {
        one.feature: (
            one.uses, one.people, one.accounts, one.new_people,
            None if one.median_seconds_to_first_use is None else Fraction(one.median_seconds_to_first_use),
            one.last_time,
            None if one.uses_per_person is None else Fraction(one.uses_per_person).limit_denominator(100),
            {row.account: (row.uses, row.first_time, row.last_time) for row in answer.account_uses if row.feature == one.feature},
        )
        for one in answer.features
    }  # fmt: skip
    assert found == expected
    assert (answer.active_people, answer.active_accounts) == (len(active), len(accounts))
    assert {(one.adoption.of, one.account_adoption.of) for one in answer.features} <= {
        (len(active), len(accounts))
    }
    breadth = Counter(used[who] for who in active)
    assert {one.features: one.people.count for one in answer.breadth if one.people.count} == breadth
    order = [(-one.people, -one.uses, one.feature) for one in answer.features]
    assert order == sorted(order)

    def opened(whom: str = "people", **where: Any) -> int:
        behind = {"insight": "features", "question": asked, "place": where}
        listed = ask(store, whom, behind=behind)
        assert listed.total == len(getattr(listed, whom))
        return int(listed.total)

    assert opened(breadth=place) == breadth[place]
    if answer.features:
        one = answer.features[place % len(answer.features)]
        number = one.new_people if is_new else one.people
        if place % 2:
            assert opened("accounts", feature=one.feature) == one.accounts
        else:
            assert opened(feature=one.feature, new=is_new) == number
    else:
        assert opened() == len(active)
        assert opened("accounts") == len(accounts)
