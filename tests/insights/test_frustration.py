"""Where people click in vain, counted by hand and by an oracle in plain Python."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask, behind
from tests.insights.page_histories import (
    FILTERS,
    PATHS,
    RANGE,
    VIEW_KINDS,
    holds,
    page_histories,
    within,
)
from tests.strategies import Link, Use, owners, person

from tallymark.core.errors import InvalidQuery
from tallymark.insights.frustration import table


def view(user: str | None = "ana", path: str | None = "/a", **more: Any) -> Use:
    return Use(name="page_view", kind="page", user=user, path=path, **more)


def click(name: str, element: Any, user: str | None = "ana", path: str | None = "/a") -> Use:
    """Return a rage or dead click on an element."""
    told = {} if element is None else {"selector": element}
    return Use(name=f"{name}_click", kind="interaction", user=user, path=path, properties=told)


def test_clicks_are_counted_by_element_with_the_people_behind(store: Store) -> None:
    store.replace(
        [
            view(), view("bo"), view("cy", "/b"),
            click("rage", "a#x"), click("rage", "a#x"), click("dead", "a#x", "bo"),
            click("dead", "a#y", "bo"), click("dead", None, None),
        ]
    )  # fmt: skip

    answer = ask(store, "frustration", range=RANGE)

    assert (answer.rage, answer.dead) == (2, 3)
    assert (answer.people.count, answer.people.of) == (2, 3)
    assert [(one.path, one.rage, one.dead, one.people.count, one.people.of) for one in answer.pages] == [("/a", 2, 3, 2, 2)]  # fmt: skip
    assert table(answer).rows == [
        ("/a", "a#x", 2, 1, 2, 0), ("/a", "a#y", 0, 1, 1, 0), ("/a", "(none)", 0, 1, 0, 0)
    ]  # fmt: skip


def test_visits_with_such_a_click_are_a_share_of_all_that_viewed(store: Store) -> None:
    store.replace(
        [
            view(session="s1"), view(session="s2"),
            Use(name="rage_click", user="ana", path="/a", session="s2"),
            Use(name="rage_click", user="ana", path="/a"),
        ]
    )  # fmt: skip

    answer = ask(store, "frustration", range=RANGE)

    assert (answer.visits.count, answer.visits.of) == (1, 2)
    assert answer.clicks_per_thousand_visits == 1_000


def test_another_tool_may_call_them_otherwise(store: Store) -> None:
    store.replace([Use(name="$rageclick", user="ana", path="/a", properties={"el": "b"})])

    answer = ask(store, "frustration", range=RANGE, rage="$rageclick", element="properties.el")

    assert (answer.rage, answer.elements[0].element) == (1, "b")
    assert any("'rage_click'" in text for text in ask(store, "frustration", range=RANGE).warnings)


def test_two_who_are_one_person_are_counted_once(store: Store) -> None:
    store.replace(
        [
            Use(name="rage_click", anonymous="phone", path="/a"),
            Use(name="dead_click", user="ana", path="/a"),
            Link("phone", "ana"),
        ]
    )

    assert ask(store, "frustration", range=RANGE).people.count == 1


def test_nothing_at_all_has_no_shares(store: Store) -> None:
    store.replace([])

    answer = ask(store, "frustration", range=RANGE)

    assert (answer.rage, answer.people.value, answer.clicks_per_thousand_visits) == (0, None, None)
    assert (answer.pages, answer.elements) == ([], [])


def test_a_place_that_is_no_row_is_refused(store: Store) -> None:
    store.replace([])

    for place in ({"page": "/a"}, {"table": "pages", "page": "/a", "element": "x"}):
        with pytest.raises(InvalidQuery, match="Only a row"):
            behind(store, "frustration", {"range": RANGE}, place)
    with pytest.raises(InvalidQuery, match="not a text"):
        ask(store, "frustration", range=RANGE, element="value")


HISTORIES = page_histories(
    {
        "page_view": "page", "seen": "screen", "rage_click": "interaction",
        "dead_click": "interaction", "open": "track",
    },
    {"selector": st.sampled_from(["a#x", "b", "<i>", "", 5, None])},
)  # fmt: skip
QUESTIONS = st.fixed_dictionaries(
    {
        "page": st.none() | st.sampled_from(PATHS),
        "filter": FILTERS,
        # One event may be both.
        "dead": st.sampled_from(["dead_click", "dead_click", ["dead_click", "rage_click"]]).map(
            lambda names: {"event": names}
        ),
    }
)


@settings(max_examples=300)
@given(HISTORIES, QUESTIONS, st.integers(0, 5))
def test_every_row_agrees_with_the_oracle_and_opens_to_its_people(
    store: Store, history: Any, question: dict[str, Any], number: int
) -> None:
    store.replace(history)

    answer = ask(store, "frustration", range=RANGE, **question)

    owner = owners(history)
    dead_names = question["dead"]["event"]
    dead_names = [dead_names] if isinstance(dead_names, str) else dead_names

    def vain(use: Use) -> int:
        return (use.name == "rage_click") + (use.name in dead_names)

    acts = [
        use for use in within(history, holds(question["filter"]))
        if (vain(use) or use.kind in VIEW_KINDS) and question["page"] in (None, use.path)
    ]  # fmt: skip
    clicks = [use for use in acts if vain(use)]

    def people(some: list[Use]) -> int:
        return len({person(use, owner) for use in some} - {None})

    def visits(some: list[Use]) -> int:
        return len({use.session for use in some} - {None})

    assert answer.rage + answer.dead == sum(map(vain, clicks))
    assert (answer.people.count, answer.people.of) == (people(clicks), people(acts))
    assert (answer.visits.count, answer.visits.of) == (visits(clicks), visits(acts))
    for page in answer.pages:
        mine = [use for use in clicks if use.path == page.path]
        assert page.rage == sum(1 for use in mine if use.name == "rage_click")
        assert page.rage + page.dead == sum(map(vain, mine))
        assert page.people.count == people(mine)
        assert page.people.of == people([use for use in acts if use.path == page.path])
        assert page.visits == visits(mine)
    assert {page.path for page in answer.pages} == {use.path for use in clicks}
    rows = {(one.path, one.element): one for one in answer.elements}
    assert rows.keys() == {(use.path, _element(use)) for use in clicks}
    for (path, element), row in rows.items():
        mine = [use for use in clicks if (use.path, _element(use)) == (path, element)]
        assert row.rage + row.dead == sum(map(vain, mine))
        assert (row.people, row.visits) == (people(mine), visits(mine))
    asked = {"range": RANGE, **question}
    assert behind(store, "frustration", asked, {}) == answer.people.count
    if answer.elements:
        row = answer.elements[number % len(answer.elements)]
        place = {"table": "elements", "page": row.path, "element": row.element}
        assert behind(store, "frustration", asked, place) == row.people
    if answer.pages:
        page = answer.pages[number % len(answer.pages)]
        place = {"table": "pages", "page": page.path}
        assert behind(store, "frustration", asked, place) == page.people.count


def _element(use: Use) -> str | None:
    found = use.properties.get("selector")
    return found if isinstance(found, str) else None


def test_a_rate_of_enough_people_has_an_interval(store: Store) -> None:
    store.replace([*(view(f"u{n}") for n in range(10)), click("rage", "a", "u0")])

    interval = ask(store, "frustration", range=RANGE).people.interval

    assert interval.low < Decimal("0.1") < interval.high
