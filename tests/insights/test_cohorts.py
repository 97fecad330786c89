"""Cohorts hold whom their definition says, as a filter, as a breakdown, and in the list of people."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.cohort_oracle import COHORTS, World, members
from tests.strategies import NOW, SINCE, Link, Use, histories, owners, person, uses

from tallymark.core.clock import DAY
from tallymark.core.errors import InvalidQuery
from tallymark.insights.cohorts import table
from tallymark.insights.definitions import Definitions, decode_definitions, in_force

DAYS = {"since": "2025-10-24", "until": "2025-11-05"}
HOUR = DAY // 24
# Ana exported on days 0, 4 and 8, Bo on days 0 and 1, Cy only cancelled.
HISTORY = [
    *(Use(name="export", user="ana", time=SINCE + day * DAY) for day in (0, 4, 8)),
    *(Use(name="export", user="bo", time=SINCE + day * DAY + 5) for day in (0, 1)),
    Use(name="cancel", user="cy", time=SINCE + 2 * DAY),
]


def define(store: Store, **kinds: Any) -> Definitions:
    """Make definitions those that hold for what is asked of the store."""
    definitions = decode_definitions(msgspec.json.encode(kinds))
    store.scope = msgspec.structs.replace(store.scope, definitions=in_force(definitions))
    return definitions


def did(event: str, **more: Any) -> dict[str, Any]:
    return {"op": "did", "event": event, **more}


def names(store: Store, **behind: Any) -> set[str]:
    """Return the people behind a number, as the oracle names them."""
    found: set[str] = set()
    cursor = None
    while True:
        page = ask(store, "people", behind=behind, limit=1000, cursor=cursor)
        for one in page.people:
            found.add(f"user {one.user_ids[0]}" if one.user_ids else f"anonymous {one.anonymous_ids[0]}")  # fmt: skip
        cursor = page.cursor
        if cursor is None:
            assert len(found) == page.total
            return found


def in_cohort(store: Store, who: Any, **more: Any) -> set[str]:
    return names(store, insight="cohorts", question={"cohorts": [{"who": who, **more}]})


def size(store: Store, who: Any, **more: Any) -> int:
    (line,) = ask(store, "cohorts", cohorts=[{"who": who, **more}]).cohorts
    found: int = line.size
    return found


def test_at_least_three_times_in_the_last_days_is_counted_as_one_counts_by_hand(
    store: Store,
) -> None:
    store.replace(HISTORY)

    (line,) = ask(
        store, "cohorts", cohorts=[{"who": did("export", at_least=3, range="14d")}]
    ).cohorts

    assert (line.size, line.everybody, str(line.share)) == (1, 3, "0.333333333")
    assert line.definition == "People that did “export” at least 3 times in the last 14 days."
    assert in_cohort(store, did("export", at_least=3, range="14d")) == {"user ana"}
    assert size(store, did("export", at_least=3, range="11d")) == 0


def test_at_most_so_often_holds_those_who_never_did_it(store: Store) -> None:
    store.replace(HISTORY)

    assert in_cohort(store, did("export", at_most=2)) == {"user bo", "user cy"}
    assert in_cohort(store, did("export", at_least=1, at_most=2)) == {"user bo"}
    assert in_cohort(store, {"op": "not", "member": did("export")}) == {"user cy"}
    assert size(store, {"op": "and", "members": []}) == 3
    assert size(store, {"op": "or", "members": []}) == 0


def test_a_stretch_of_days_is_elapsed_time_and_its_end_is_in_it(store: Store) -> None:
    store.replace(HISTORY)

    assert in_cohort(store, did("export", at_least=2, in_any="1d")) == {"user bo"}
    assert in_cohort(store, did("export", at_least=2, in_any="4d")) == {"user ana", "user bo"}
    assert in_cohort(store, did("export", at_least=3, in_any="8d")) == {"user ana"}
    assert size(store, did("export", at_least=3, in_any="191h")) == 0


def test_near_another_event_counts_from_the_event_of_the_same_person(store: Store) -> None:
    store.replace(
        [
            Use(name="signup", user="ana", time=SINCE),
            Use(name="signup", user="bo", time=SINCE),
            Use(name="buy", user="ana", time=SINCE + 7 * DAY),
            Use(name="buy", user="bo", time=SINCE + 7 * DAY + 1),
            Use(name="signup", user="bo", time=SINCE + 5 * DAY),
        ]
    )
    near = {"event": "signup", "within": "7d"}

    assert in_cohort(store, did("buy", near=near)) == {"user ana", "user bo"}
    assert in_cohort(store, did("buy", near={**near, "which": "first"})) == {"user ana"}
    assert size(store, did("buy", near={**near, "when": "before"})) == 0
    assert size(store, did("signup", near={"event": "buy", "within": "3d", "when": "before"})) == 1


def test_the_first_time_is_looked_for_in_all_time(store: Store) -> None:
    store.replace(HISTORY)

    assert size(store, did("export", range="5d")) == 1
    assert size(store, did("export", first=True, range="5d")) == 0
    assert size(store, did("export", first=True, range="12d")) == 2


def test_a_list_of_ids_holds_people_however_they_are_known(store: Store) -> None:
    store.replace([Use(anonymous="phone"), Use(user="bo"), Use(user="cy"), Link("phone", "ana")])

    assert in_cohort(store, {"op": "ids", "ids": ["ana", "bo", "nobody"]}) == {"user ana", "user bo"}  # fmt: skip
    assert in_cohort(store, {"op": "ids", "ids": ["phone"]}) == {"user ana"}
    assert size(store, {"op": "ids", "ids": []}) == 0


def test_people_behind_a_bar_are_a_cohort(store: Store) -> None:
    store.replace(HISTORY)
    bar = {
        "op": "behind", "insight": "trends", "place": {"bucket": 1},
        "question": {"range": DAYS, "series": [{"measure": "unique_people"}]},
    }  # fmt: skip

    assert in_cohort(store, bar) == {"user bo"}
    assert in_cohort(store, {"op": "not", "member": bar}) == {"user ana", "user cy"}


def test_sizes_over_time_count_what_happened_before_the_end_of_each_bucket(store: Store) -> None:
    store.replace(HISTORY)

    data = ask(
        store, "cohorts", range={"since": "2025-10-30", "until": "2025-11-06"}, interval="day",
        cohorts=[{"who": did("export", at_least=2)}, {"who": did("export", range="2d")}],
    )  # fmt: skip

    # Ana's second export is on 28 October, her third on 1 November; now is 4 November.
    assert [line.sizes for line in data.cohorts] == [
        [2, 2, 2, 2, 2, 2, None],
        [0, 0, 1, 1, 0, 0, None],
    ]
    assert [bucket.is_incomplete for bucket in data.buckets] == [False] * 5 + [True] * 2
    assert table(data).rows[2] == ("2025-11-01", 2, 1)


def test_the_people_of_any_size_and_of_any_overlap_are_as_many_as_it_says(store: Store) -> None:
    store.replace(HISTORY)
    question = {
        "cohorts": [{"who": did("export")}, {"who": {"op": "not", "member": did("cancel")}},
                    {"who": did("export"), "of": "accounts"}],
        "range": DAYS, "interval": "day",
    }  # fmt: skip
    data = ask(store, "cohorts", **question)

    assert data.overlap == [[2, 2, None], [2, 2, None], [None, None, 0]]
    for place, line in enumerate(data.cohorts[:2]):
        assert len(names(store, insight="cohorts", question=question, place={"cohort": place, "also": 1})) == data.overlap[place][1]  # fmt: skip
        for bucket, count in enumerate(line.sizes):
            if count is not None:
                at = {"cohort": place, "bucket": bucket}
                assert len(names(store, insight="cohorts", question=question, place=at)) == count
    with pytest.raises(InvalidQuery, match="of accounts; it has no list of people"):
        names(store, insight="cohorts", question=question, place={"cohort": 2})
    with pytest.raises(InvalidQuery, match="in one of accounts"):
        names(store, insight="cohorts", question=question, place={"cohort": 2, "also": 1})


def test_accounts_of_a_cohort_are_listed_and_accounts_behind_a_number_are_a_cohort(
    store: Store,
) -> None:
    store.replace(
        [
            *(Use(name="export", account="acme", user="ana", time=SINCE + n * DAY) for n in (0, 1)),
            Use(name="export", account="initech", user="ana", time=SINCE + DAY),
            Use(name="open", account="umbrella", user="bo", time=SINCE),
        ]
    )
    exporting = {"who": did("export"), "of": "accounts"}
    question = {"cohorts": [exporting, {"who": did("export", at_least=2), "of": "accounts"}],
                "range": DAYS, "interval": "day"}  # fmt: skip

    def listed(question: dict[str, Any], place: dict[str, Any], insight: str = "cohorts") -> Any:
        behind = {"insight": insight, "question": question, "place": place}
        found = ask(store, "accounts", behind=behind)
        assert found.total == len(found.accounts)
        return {one.account for one in found.accounts}

    data = ask(store, "cohorts", **question)
    assert [line.size for line in data.cohorts] == [2, 1]
    assert listed(question, {}) == {"acme", "initech"}
    assert listed(question, {"also": 1}) == {"acme"}
    for bucket, size in enumerate(data.cohorts[0].sizes):
        assert size is None or len(listed(question, {"bucket": bucket})) == size
    bar = {"op": "behind", "insight": "trends", "place": {"bucket": 1}, "question": {"range": DAYS}}
    people = {"who": bar, "of": "people"}
    held = {"cohorts": [{"who": bar, "of": "accounts"}, people, {"who": {"op": "not", "member": bar}, "of": "accounts"}]}  # fmt: skip
    assert [line.size for line in ask(store, "cohorts", **held).cohorts] == [2, 1, 1]
    assert listed(held, {"cohort": 2}) == {"umbrella"}


def test_a_cohort_is_a_filter_and_a_breakdown_by_name_and_written_out(store: Store) -> None:
    store.replace([*HISTORY, Use(name="export", time=SINCE)])
    who = did("export", at_least=3)
    define(store, cohorts={"power": {"who": who}, "others": {"who": {"op": "not", "member": {"op": "in_cohort", "cohort": "power"}}}})  # fmt: skip

    by_name = ask(store, "trends", range=DAYS, filter={"op": "in_cohort", "cohort": "power"})
    inline = ask(store, "trends", range=DAYS, filter={"op": "in_cohort", "cohort": {"who": who}})
    rest = ask(store, "trends", range=DAYS, filter={"op": "not", "filter": {"op": "in_cohort", "cohort": "power"}})  # fmt: skip
    broken = ask(store, "trends", range=DAYS, breakdown=["cohort.power"])
    nested = ask(store, "trends", range=DAYS, breakdown=["cohort.others"])

    assert (by_name.lines[0].total, inline.lines[0].total, rest.lines[0].total) == (3, 3, 4)
    assert {line.breakdown[0]: line.total for line in broken.lines} == {True: 3, False: 4}
    assert {line.breakdown[0]: line.total for line in nested.lines} == {True: 3, False: 4}
    assert broken.warnings == []


def test_accounts_are_members_of_a_cohort_of_accounts(store: Store) -> None:
    store.replace(
        [
            Use(name="buy", user="ana", account="acme", revenue=None),
            Use(name="open", user="bo", account="acme"),
            Use(name="open", user="cy", account="initech"),
        ]
    )
    define(store, cohorts={"buyers": {"of": "accounts", "who": did("buy")}})

    at_buyers = {"op": "in_cohort", "cohort": "buyers"}
    data = ask(store, "trends", range=DAYS, filter=at_buyers)
    people = in_cohort(store, {"op": "has", "filter": at_buyers})

    assert data.lines[0].total == 2
    assert people == {"user ana", "user bo"}
    with pytest.raises(InvalidQuery, match="cannot hold one of accounts"):
        size(store, at_buyers)


@pytest.mark.parametrize(
    ("who", "says"),
    [
        ({"op": "in_cohort", "cohort": "a"}, "The cohort 'a' holds itself"),
        ({"op": "in_cohort", "cohort": "pwer"}, "no cohort 'pwer'"),
        (did("a", counted="days"), "Days are counted of a range"),
        (did("a", sum_of="value"), "needs at_least or at_most"),
        (did("a", first=True, at_least=2), "comes once"),
        (did("a", in_any="2d"), "from 2 to 1000"),
        (did("a", in_any="2y", at_least=2), "no length of time"),
        (did("a", sum_of="path", at_least=2), "path is not a number"),
        ({"op": "did", "evnt": "a"}, "unknown field `evnt`"),
        (["no"], "Expected `object`"),
    ],
)
def test_what_cannot_be_a_cohort_is_refused_with_what_is_wrong(
    store: Store, who: Any, says: str
) -> None:
    store.replace(HISTORY)
    define(store, cohorts={
        "a": {"who": {"op": "and", "members": [{"op": "in_cohort", "cohort": "b"}]}},
        "b": {"who": {"op": "behind", "insight": "trends", "question": {
            "filter": {"op": "in_cohort", "cohort": "a"}}}},
    })  # fmt: skip

    with pytest.raises(InvalidQuery, match=says):
        size(store, who)


def test_bots_are_nobody_unless_they_are_wanted(store: Store) -> None:
    store.replace([Use(user="ana", is_bot=True), Use(user="bo")])

    assert size(store, did("open")) == 1
    assert size(store, did("open"), include_bots=True) == 2
    assert ask(store, "cohorts", cohorts=[{"who": did("open")}], include_bots=True).cohorts[0].size == 2  # fmt: skip


def test_a_cohort_is_as_of_the_position_of_the_first_page(store: Store) -> None:
    history = [Use(name="export", user=name, time=SINCE + n) for n, name in enumerate("abcd")]
    store.replace(history)
    asked = {"range": DAYS, "filter": {"op": "in_cohort", "cohort": {"who": did("export")}}}
    first = ask(store, "people", **asked, limit=2)

    store.replace([*history, Use(name="export", user="e", time=SINCE)])
    second = ask(store, "people", **asked, limit=2, cursor=first.cursor)

    assert [one.user_ids for one in (*first.people, *second.people)] == [["d"], ["c"], ["b"], ["a"]]
    assert second.total == 4


@settings(max_examples=300, deadline=None)
@given(histories(), COHORTS)
def test_members_are_those_the_oracle_finds(store: Store, history: Any, cohort: Any) -> None:
    store.replace(history)

    wanted = members(cohort, World(history))
    (line,) = ask(store, "cohorts", cohorts=[cohort]).cohorts

    assert line.size == len(wanted)
    if cohort["of"] == "people":
        assert names(store, insight="cohorts", question={"cohorts": [cohort]}) == wanted
    else:
        found = ask(store, "trends", range=DAYS, filter={"op": "in_cohort", "cohort": cohort}, breakdown=["account"], include_bots=True, top=50)  # fmt: skip
        assert {one.breakdown[0] for one in found.lines} >= wanted


@settings(max_examples=60, deadline=None)
@given(histories(), COHORTS, st.integers(SINCE, NOW))
def test_a_filter_keeps_the_events_of_members_and_a_breakdown_tells_them_apart(
    store: Store, history: Any, cohort: Any, now: int
) -> None:
    store.replace(history)
    store.scope = msgspec.structs.replace(store.scope, now=now)
    define(store, cohorts={"c": cohort})
    wanted = members(cohort, World(history, now))
    owner = owners(history)

    def is_in(use: Use) -> bool:
        return (use.account if cohort["of"] == "accounts" else person(use, owner)) in wanted

    inside = [is_in(use) for use in uses(history) if not use.is_bot and use.time < SINCE + 12 * DAY]
    kept = ask(store, "trends", range=DAYS, filter={"op": "in_cohort", "cohort": "c"})
    parts = ask(store, "trends", range=DAYS, breakdown=["cohort.c"])

    assert kept.lines[0].total == sum(inside)
    assert {line.breakdown[0]: line.total for line in parts.lines} == {
        truth: inside.count(truth) for truth in set(inside)
    }


@settings(max_examples=50, deadline=None)
@given(histories(), COHORTS)
def test_sizes_over_time_are_those_of_each_end(store: Store, history: Any, cohort: Any) -> None:
    store.replace(history)

    data = ask(store, "cohorts", cohorts=[cohort], range={"since": "2025-10-29", "until": "2025-11-05"}, interval="day")  # fmt: skip

    ends = [min(SINCE + day * DAY - 1, NOW) for day in range(6, 13)]
    assert data.cohorts[0].sizes == [len(members(cohort, World(history, end))) for end in ends]
