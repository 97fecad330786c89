"""Paths, counted by hand and by an oracle in plain Python."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import ValidationError
from msgspec.structs import replace
from tests.insights.asking import Store, ask, behind
from tests.insights.oracle import CONDITIONS
from tests.insights.paths_oracle import GONE, MINUTE, PathsOracle, span
from tests.strategies import SINCE, Link, Use, histories

from tallymark.core.clock import DAY
from tallymark.core.errors import InvalidQuery
from tallymark.insights._paths_kernel import in_order
from tallymark.insights.paths import table

HOUR = DAY // 24
DAYS = {"since": "2025-10-24", "until": "2025-11-05"}


def way(who: str, names: str, *, session: str | None = None, at: int = SINCE) -> list[Use]:
    """Return the events of somebody, one a minute; each letter is an event."""
    return [
        Use(name=name, user=who, session=session or who, time=at + minute * MINUTE)
        for minute, name in enumerate(names)
    ]


def asked(store: Store, **question: Any) -> Any:
    return ask(store, "paths", **{"range": DAYS, **question})


def steps(data: Any) -> list[dict[str, int]]:
    return [{node.name: node.count for node in step.nodes} for step in data.steps]


def tree(data: Any) -> list[str]:
    return [f"{'  ' * branch.level}{branch.name} {branch.count}" for branch in data.tree]


# Three begin with a; two go on to b, one of them to c.
WAYS = [*way("ana", "abc"), *way("bo", "ab"), *way("cy", "a"), *way("di", "xay")]


def test_each_step_adds_up_to_those_of_the_step_before_who_went_on(store: Store) -> None:
    store.replace(WAYS)

    found = asked(store)

    assert steps(found) == [
        {"a": 3, "x": 1},
        {"b": 2, "a": 1, "Drop-off": 1},
        {"c": 1, "y": 1, "Drop-off": 1},
        {"Drop-off": 2},
    ]
    assert [step.walks for step in found.steps] == [4, 4, 3, 2]
    assert tree(found) == [
        "a 3", "  b 2", "    c 1", "      Drop-off 1", "    Drop-off 1", "  Drop-off 1",
        "x 1", "  a 1", "    y 1", "      Drop-off 1",
    ]  # fmt: skip


def test_a_walk_may_start_at_an_event_end_at_one_or_go_between_two(store: Store) -> None:
    store.replace([*way("ana", "abcd"), *way("bo", "xbxd"), *way("cy", "dab")])

    assert steps(asked(store, start="b")) == [{"b": 3}, {"c": 1, "x": 1, "Drop-off": 1}, {"d": 2}, {"Drop-off": 2}]  # fmt: skip
    assert steps(asked(store, end="b")) == [{"b": 3}, {"a": 2, "x": 1}, {"d": 1, "Drop-off": 2}, {"Drop-off": 1}]  # fmt: skip
    assert steps(asked(store, start="b", end="d")) == [{"b": 2}, {"c": 1, "x": 1}, {"d": 2}, {"Drop-off": 2}]  # fmt: skip


def test_what_is_between_too_long_a_way_is_left_out_and_its_end_is_last(store: Store) -> None:
    store.replace([*way("ana", "sabcdefe"), *way("bo", "sae")])

    found = asked(store, start="s", end="e", depth=4)

    assert steps(found) == [{"s": 2}, {"a": 2}, {"e": 1, "…": 1}, {"e": 1, "Drop-off": 1}]


def test_more_nodes_than_are_shown_are_other_and_add_up(store: Store) -> None:
    store.replace([*way("ana", "ab"), *way("bo", "ac"), *way("cy", "ad"), *way("di", "ab")])

    found = asked(store, top=1)

    assert steps(found) == [{"a": 4}, {"b": 2, "Other": 2}, {"Drop-off": 4}]
    assert [(link.source, link.target, link.count) for link in found.steps[1].links] == [(0, 0, 2), (0, 1, 2)]  # fmt: skip


def test_uniques_are_the_first_walk_of_each_and_occurrences_all_of_them(store: Store) -> None:
    store.replace([*way("ana", "abac"), *way("bo", "ab")])

    assert steps(asked(store, start="a", count="uniques"))[:2] == [{"a": 2}, {"b": 2}]
    assert steps(asked(store, start="a", count="occurrences"))[:2] == [{"a": 3}, {"b": 2, "c": 1}]


def test_sessions_are_ways_of_their_own_and_a_pause_may_end_that_of_a_person(store: Store) -> None:
    store.replace(
        [
            *way("ana", "ab", session="s1"),
            *way("ana", "cd", session="s2", at=SINCE + 32 * MINUTE),
        ]
    )
    every = {"count": "occurrences", "depth": 4}

    assert steps(asked(store, **every))[0] == {"a": 1, "c": 1}
    assert steps(asked(store, unit="person", **every))[:4] == [
        {"a": 1},
        {"b": 1},
        {"c": 1},
        {"d": 1},
    ]
    # 31 minutes lie between b and c: more than 30, not more than 31.
    assert steps(asked(store, unit="person", gap_minutes=30, **every))[0] == {"a": 1, "c": 1}
    assert steps(asked(store, unit="person", gap_minutes=31, **every))[0] == {"a": 1}


def test_the_same_node_in_a_row_is_one_step_unless_it_shall_not_be(store: Store) -> None:
    store.replace(way("ana", "aaba"))

    assert steps(asked(store)) == [{"a": 1}, {"b": 1}, {"a": 1}, {"Drop-off": 1}]
    assert steps(asked(store, collapse_repeats=False))[:3] == [{"a": 1}, {"a": 1}, {"b": 1}]


def test_of_events_at_one_instant_the_one_that_came_first_is_first(store: Store) -> None:
    store.replace([replace(use, time=SINCE) for use in way("ana", "bac")])

    assert [next(iter(step)) for step in steps(asked(store))] == ["b", "a", "c", "Drop-off"]


PAGES = [
    Use(name="page", user="ana", session="s", time=SINCE + at, path=path)
    for at, path in enumerate(["/", "/user/17/edit", "/blog/a", "/blog/b", "/pricing"])
]


def test_nodes_are_pages_whose_names_can_be_cleaned(store: Store) -> None:
    store.replace([*PAGES, Use(name="click", user="ana", session="s", time=SINCE + 9)])

    plain = asked(store, node="path", depth=9)
    cleaned = asked(
        store, node="path", depth=9, wildcards=["/blog/*"],
        replace=[{"pattern": "[0-9]+", "by": "\\1:id"}], exclude=["/"],
    )  # fmt: skip
    folded = asked(store, node="path", depth=9, directories=1)

    assert [next(iter(step)) for step in steps(plain)] == ["/", "/user/17/edit", "/blog/a", "/blog/b", "/pricing", "Drop-off"]  # fmt: skip
    assert [next(iter(step)) for step in steps(cleaned)] == ["/user/\\1:id/edit", "/blog/*", "/pricing", "Drop-off"]  # fmt: skip
    assert [next(iter(step)) for step in steps(folded)] == ["/", "/user", "/blog", "/pricing", "Drop-off"]  # fmt: skip


def test_what_is_excluded_is_passed_over_as_if_never_seen(store: Store) -> None:
    store.replace(way("ana", "abac"))

    assert steps(asked(store, exclude=["b"])) == [{"a": 1}, {"c": 1}, {"Drop-off": 1}]


def test_a_walk_may_start_at_a_cleaned_name_or_at_what_satisfies_a_filter(store: Store) -> None:
    store.replace(PAGES)
    step = {"filter": {"op": "equals", "field": "path", "value": "/blog/a"}}

    named = asked(store, node="path", wildcards=["/blog/*"], start="/blog/*")
    chosen = asked(store, node="path", start=step)

    assert steps(named) == [{"/blog/*": 1}, {"/pricing": 1}, {"Drop-off": 1}]
    assert steps(chosen) == [{"/blog/a": 1}, {"/blog/b": 1}, {"/pricing": 1}, {"Drop-off": 1}]


def test_a_tree_lists_the_most_frequent_branches_and_sums_up_the_rest(store: Store) -> None:
    people = [f"u{n:03}" for n in range(300)]
    store.replace(
        [
            use
            for who in people
            for use in (
                *way(who, "a"),
                Use(name=f"only {who}", user=who, session=who, time=SINCE + MINUTE),
            )
        ]
    )

    found = asked(store, top=100, depth=2)

    assert found.tree[0].count == 300
    below = [branch for branch in found.tree if branch.level == 1]
    assert sum(branch.count for branch in below) == 300
    assert below[0].kind == "other"
    assert below[0].count == 200


def test_nothing_at_all_has_no_steps(store: Store) -> None:
    store.replace([])

    for question in (
        {},
        {"start": "a"},
        {"end": "a"},
        {"start": "a", "end": "b"},
        {"node": "path"},
    ):
        found = asked(store, **question)
        assert (found.walks, found.steps, found.tree) == (0, [], [])


def test_people_whose_ids_last_a_day_are_told_of(store: Store) -> None:
    store.replace([Use(name="a", anonymous="d_1", is_cookieless=True)])

    assert asked(store).warnings == []
    assert "once a day" in asked(store, unit="person").warnings[0]


def test_the_table_has_a_row_for_each_link(store: Store) -> None:
    store.replace(WAYS)

    assert table(asked(store, depth=2)).rows == [
        (1, None, "a", 3), (1, None, "x", 1),
        (2, "a", "b", 2), (2, "a", "Drop-off", 1), (2, "x", "a", 1),
    ]  # fmt: skip


# Rules that other tools document, with the examples of their documentation.


def test_posthog_counts_transitions_and_begins_a_path_after_thirty_minutes(store: Store) -> None:
    # One person goes from home to pricing in three visits: three transitions.
    visits = [way("ana", "hp", at=SINCE + n * 2 * HOUR) for n in range(3)]
    store.replace([use for visit in visits for use in visit] + way("bo", "abcdefg", at=SINCE))

    found = asked(store, semantics="posthog", start="h")
    whole = asked(store, semantics="posthog", top=20)

    assert steps(found)[:2] == [{"h": 3}, {"p": 3}]
    # Of a, b, c, d, e, f, g only the first five are told.
    assert len(whole.steps) == 5
    assert "f" not in {name for step in steps(whole) for name in step}


def test_mixpanel_counts_each_user_by_their_first_entry_and_shows_three(store: Store) -> None:
    store.replace([*way("ana", "sabsb"), *way("bo", "sc"), *way("cy", "sd"), *way("di", "se")])

    found = asked(store, semantics="mixpanel", start="s")

    assert steps(found)[:2] == [{"s": 4}, {"a": 1, "c": 1, "d": 1, "Other": 1}]


def test_amplitude_follows_sessions_from_the_first_instance_without_repeats(store: Store) -> None:
    store.replace(
        [*way("ana", "xssab", session="s1"), *way("ana", "sb", session="s2", at=SINCE + HOUR)]
    )

    found = asked(store, semantics="amplitude", start="s")

    assert (found.unit, found.count) == ("session", "uniques")
    assert steps(found)[:2] == [{"s": 2}, {"a": 1, "b": 1}]


def test_plausible_groups_pages_of_a_directory_and_shows_who_went_no_further(store: Store) -> None:
    store.replace(
        [
            Use(name="page", user="ana", time=SINCE, path="/blog/post-1"),
            Use(name="page", user="ana", time=SINCE + 1, path="/blog/post-2"),
            Use(name="page", user="ana", time=SINCE + 2, path="/pricing"),
            Use(name="page", user="bo", time=SINCE, path="/blog/post-2"),
        ]
    )

    found = asked(store, semantics="plausible", start="/blog")

    assert steps(found)[:2] == [{"/blog": 2}, {"/pricing": 1, "Drop-off": 1}]


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ({"gap_minutes": 30}, "gap_minutes"),
        ({"semantics": "posthog", "unit": "session", "gap_minutes": 5}, "gap_minutes"),
        ({"start": "a", "end": "b", "depth": 2}, "depth"),
        ({"node": "time"}, "node"),
        ({"node": "pth"}, "node"),
    ],
)
def test_what_cannot_be_asked_is_refused(store: Store, question: Any, path: str) -> None:
    store.replace([])

    with pytest.raises(InvalidQuery) as refused:
        asked(store, **question)

    assert refused.value.path == path


@pytest.mark.parametrize(
    "question", [{"semantics": "ga4"}, {"depth": 0}, {"top": 0}, {"unit": "account"}, {"exclude": [""]}]
)  # fmt: skip
def test_an_unknown_shape_is_refused_when_read(store: Store, question: Any) -> None:
    with pytest.raises(ValidationError):
        asked(store, **question)


@pytest.mark.parametrize(
    ("place", "question"),
    [
        ({"name": "a"}, {"unit": "session"}),
        ({"name": "a"}, {"unit": "person", "count": "occurrences"}),
        ({"name": "nowhere"}, {"unit": "person"}),
        ({"step": 9, "name": "a"}, {"unit": "person"}),
        ({"step": 3, "kind": "drop_off", "to_kind": "other"}, {"unit": "person"}),
    ],
)
def test_nobody_is_behind_what_is_no_number_of_people(
    store: Store, place: Any, question: Any
) -> None:
    store.replace(WAYS)

    with pytest.raises(InvalidQuery) as refused:
        ask(store, "people", behind={"insight": "paths", "question": {"range": DAYS, **question}, "place": place})  # fmt: skip

    assert str(refused.value.path).startswith("behind")


# The oracle.

ANCHORS = st.one_of(
    st.sampled_from(["open", "buy", "/", "/a", "never"]),
    st.fixed_dictionaries({"event": st.sampled_from(["open", "buy", "open file"])}),
    st.fixed_dictionaries({"filter": CONDITIONS}),
)
QUESTIONS = st.fixed_dictionaries(
    {
        "range": st.sampled_from([DAYS, {"since": "2025-10-25", "until": "2025-10-30"}]),
        "node": st.sampled_from(["event", "path", "path", "account", "properties.plan", "properties.mixed", "properties.beta", "properties.nowhere"]),
        "unit": st.sampled_from(["session", "person"]),
        "count": st.sampled_from(["uniques", "occurrences"]),
        "collapse_repeats": st.booleans(),
        "depth": st.integers(3, 7),
        "filter": st.none() | CONDITIONS,
    },
    optional={
        "start": ANCHORS,
        "end": ANCHORS,
        "event": st.sampled_from(["open", ["open", "buy"]]),
        "exclude": st.lists(st.sampled_from(["/a", "*e*", "open", "fr*", "a'b*"]), max_size=2),
        "wildcards": st.lists(st.sampled_from(["/*", "open*", "*", "p?o", "*'*"]), max_size=2),
        "replace": st.lists(
            st.fixed_dictionaries({"pattern": st.sampled_from(["[ab]", "^/", "e$", "o+"]), "by": st.sampled_from(["", "X", "\\1", "a b"])}),
            max_size=2,
        ),
        "directories": st.integers(1, 2),
        "gap_minutes": st.sampled_from([1, 30, 1440]),
    },
).map(
    lambda asked: asked if asked["unit"] == "person" else {name: value for name, value in asked.items() if name != "gap_minutes"}
)  # fmt: skip


@settings(max_examples=300)
@given(histories(), QUESTIONS, st.integers(1, 3))
def test_every_node_link_and_branch_agrees_with_the_oracle_on_any_history(
    store: Store, history: Any, question: Any, top: int
) -> None:
    store.replace(history)

    found = ask(store, "paths", **question, top=top)

    oracle = PathsOracle(history, question, *span(question))
    shown, told = oracle.columns(top)
    assert found.walks == len(told)
    for number, step in enumerate(found.steps):
        counts = Counter(names[number] for names in told if len(names) > number)
        assert {node.name: node.count for node in step.nodes} == counts
        assert [node.name for node in step.nodes if node.kind == "node"] == shown[number]
        if number:
            before = found.steps[number - 1].nodes
            pairs = Counter((names[number - 1], names[number]) for names in told if len(names) > number)  # fmt: skip
            assert {(before[link.source].name, step.nodes[link.target].name): link.count for link in step.links} == pairs  # fmt: skip
    assert sum(len(names) > len(found.steps) for names in told) == 0
    beginnings = Counter(tuple(names[:length]) for names in told for length in range(1, len(names) + 1))  # fmt: skip
    assert branches(found) == beginnings


def branches(data: Any) -> dict[tuple[str, ...], int]:
    """Return how many walks have each beginning, as the tree says."""
    found, names = {}, [""] * 60
    for branch in data.tree:
        names[branch.level] = branch.name
        found[tuple(names[: branch.level + 1])] = branch.count
    return found


@settings(max_examples=60)
@given(histories(), QUESTIONS, st.integers(1, 3))
def test_every_step_sums_to_the_one_before_and_every_node_to_its_links(
    store: Store, history: Any, question: Any, top: int
) -> None:
    store.replace(history)

    found = ask(store, "paths", **question, top=top)

    went_on = found.walks
    for number, step in enumerate(found.steps):
        assert step.walks == went_on == sum(node.count for node in step.nodes)
        went_on = sum(node.count for node in step.nodes if node.kind != "drop_off")
        if number:
            for place, node in enumerate(step.nodes):
                assert node.count == sum(link.count for link in step.links if link.target == place)
            for place, node in enumerate(found.steps[number - 1].nodes):
                if node.kind != "drop_off":
                    assert node.count == sum(link.count for link in step.links if link.source == place)  # fmt: skip


@given(histories(), QUESTIONS, st.integers(1, 3), st.data())
def test_the_people_behind_every_node_and_link_are_as_many_as_it_says(
    store: Store, history: Any, question: Any, top: int, data: st.DataObject
) -> None:
    store.replace(history)
    question = {**question, "unit": "person", "count": "uniques", "top": top}
    found = ask(store, "paths", **question)
    if not found.steps:
        return
    number = data.draw(st.integers(0, len(found.steps) - 1))

    def named(node: Any) -> dict[str, Any]:
        return {"kind": node.kind, "name": node.name if node.kind == "node" else None}

    for node in found.steps[number].nodes:
        assert behind(store, "paths", question, {"step": number, **named(node)}) == node.count
    for link in found.steps[number].links:
        source, target = found.steps[number - 1].nodes[link.source], found.steps[number].nodes[link.target]  # fmt: skip
        place = {"step": number - 1, **named(source), "to_kind": target.kind, "to_name": named(target)["name"]}  # fmt: skip
        assert behind(store, "paths", question, place) == link.count


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 10**12]), st.sampled_from([0, 1, 2**45, 2**62]), st.integers(0, 9)),
        max_size=40, unique=True,
    )
)  # fmt: skip
def test_rows_are_in_the_order_that_sorting_them_whole_would_give(
    rows: list[tuple[int, int, int]],
) -> None:
    unit, time, seq = (np.array(column, np.int64) for column in zip(*rows, strict=True)) if rows else (np.zeros(0, np.int64),) * 3  # fmt: skip

    order = in_order(unit, time, seq)

    assert [rows[at] for at in order] == sorted(rows)


def test_a_link_between_ids_makes_one_way_of_two(store: Store) -> None:
    phone = [Use(name="a", anonymous="phone", time=SINCE)]
    laptop = [Use(name="b", user="ana", time=SINCE + 1)]

    store.replace([*phone, *laptop])
    assert steps(asked(store, unit="person"))[0] == {"a": 1, "b": 1}
    store.replace([*phone, *laptop, Link("phone", "ana")])
    assert steps(asked(store, unit="person")) == [{"a": 1}, {"b": 1}, {GONE: 1}]
