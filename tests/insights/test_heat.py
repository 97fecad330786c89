"""Where on a page people click, counted by hand and by an oracle in plain Python."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask, behind
from tests.insights.page_histories import FILTERS, PATHS, RANGE, holds, page_histories, within
from tests.strategies import Link, Use, owners, person

from tallymark.core.errors import InvalidQuery
from tallymark.insights.heat import table


def points(*some: Any, selectors: Any = ("a#x", "b"), user: str | None = "ana", **more: Any) -> Use:
    """Return the clicks of one view of a page."""
    told = {"points": list(some), "selectors": list(selectors)}
    return Use(
        name="heat_points", kind="interaction", user=user, path="/a", properties=told, **more
    )


def test_clicks_fall_into_cells_and_onto_elements(store: Store) -> None:
    store.replace([points([0, 0, 0], [499, 99, 0], [500, 100, 1]), points([1000, 150, 1], user="bo")])  # fmt: skip

    answer = ask(store, "heat", range=RANGE, page="/a", columns=2)

    assert [(one.column, one.band, one.clicks, one.people) for one in answer.cells] == [(0, 0, 2, 1), (1, 1, 2, 2)]  # fmt: skip
    assert table(answer).rows == [("b", 2, Decimal("0.5"), 2), ("a#x", 2, Decimal("0.5"), 1)]
    assert (answer.clicks, answer.people, answer.bands, answer.below) == (4, 2, 2, 0)


def test_what_is_no_point_or_no_element_harms_no_other(store: Store) -> None:
    store.replace(
        [
            points([1001, 5, 0], [-1, 5, 0], [5, -1, 0], "x", 7, None, {"x": 1}, [], [5], ["a", "b", 0]),
            points([5, 5, 9], [5, 5, -1], [5, 5, "q"], [5, 5], [5, 5, 2], selectors=["a", "b", 5]),
            Use(name="heat_points", path="/a", properties={"points": "many", "selectors": {}}),
            Use(name="heat_points", path="/a"),
        ]
    )  # fmt: skip

    answer = ask(store, "heat", range=RANGE)

    assert answer.clicks == 5
    assert [(one.element, one.clicks) for one in answer.elements] == [(None, 5)]


def test_clicks_below_the_last_band_are_counted_apart(store: Store) -> None:
    store.replace([points([5, 999, 0], [5, 1000, 0], [5, 50_000, 0])])

    answer = ask(store, "heat", range=RANGE, bands=10)

    assert (answer.clicks, answer.below, [one.band for one in answer.cells]) == (3, 2, [9])


def test_two_who_are_one_person_are_counted_once(store: Store) -> None:
    store.replace([points([1, 1, 0], user=None, anonymous="phone"), points([1, 1, 0]), Link("phone", "ana")])  # fmt: skip

    answer = ask(store, "heat", range=RANGE)

    assert (answer.people, answer.cells[0].people, answer.elements[0].people) == (1, 1, 1)


def test_a_place_is_a_cell_or_an_element(store: Store) -> None:
    store.replace([])

    for place in ({"column": 1}, {"column": 1, "band": 1, "element": "x"}):
        with pytest.raises(InvalidQuery):
            behind(store, "heat", {"range": RANGE}, place)
    assert ask(store, "heat", range=RANGE).cells == []


_NUMBER = st.sampled_from([0, 1, 49, 50, 333, 500, 999, 1000, Decimal("33.5"), -1, 1001, 20_000, "a", None])  # fmt: skip
_POINT = st.one_of(
    st.tuples(_NUMBER, _NUMBER, st.sampled_from([0, 1, 2, 3, -1, Decimal("0.5"), None])).map(list),
    st.sampled_from([[], [1], "x", {}, 3]),
)
HISTORIES = page_histories(
    {"heat_points": "interaction", "page_view": "page"},
    {
        "points": st.lists(_POINT, max_size=6) | st.sampled_from(["none", 5, {"a": 1}]),
        "selectors": st.just(["a#x", "b", 7]) | st.sampled_from([None, "a", ["<script>"]]),
    },
)
QUESTIONS = st.fixed_dictionaries(
    {
        "page": st.none() | st.sampled_from(PATHS),
        "filter": FILTERS,
        "columns": st.sampled_from([1, 3, 20]),
        "band": st.sampled_from([10, 100]),
        "bands": st.sampled_from([5, 100]),
    }
)


def is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def clicks_of(use: Use, question: dict[str, Any]) -> list[tuple[int, int, str | None]]:
    """Return the cell and the element of each click that an event tells of."""
    told = use.properties.get("points")
    names = use.properties.get("selectors")
    found = []
    for point in told if isinstance(told, list) else []:
        x, y, n = (*point, None, None, None)[:3] if isinstance(point, list) else (None,) * 3
        if not (is_number(x) and is_number(y) and 0 <= x <= 1000 and 0 <= y <= 10**6):
            continue
        column = min(int(x * question["columns"] / Decimal(1000)), question["columns"] - 1)
        element = None
        if isinstance(names, list) and isinstance(n, int) and 0 <= n < len(names):
            element = names[n] if isinstance(names[n], str) else None
        found.append((column, int(y / Decimal(question["band"])), element))
    return found


@settings(max_examples=300)
@given(HISTORIES, QUESTIONS, st.integers(0, 9))
def test_every_cell_and_element_agrees_with_the_oracle_and_opens_to_its_people(
    store: Store, history: Any, question: dict[str, Any], number: int
) -> None:
    store.replace(history)

    answer = ask(store, "heat", range=RANGE, **question)

    owner = owners(history)
    cells: Any = defaultdict(list)
    elements: Any = defaultdict(list)
    for use in within(history, holds(question["filter"])):
        if (
            use.name != "heat_points"
            or use.path is None
            or question["page"] not in (None, use.path)
        ):
            continue
        for column, band, element in clicks_of(use, question):
            cells[column, band].append(person(use, owner))
            elements[element].append(person(use, owner))

    def told(some: list[str | None]) -> tuple[int, int]:
        return len(some), len({*some} - {None})

    shown = {place: told(some) for place, some in cells.items() if place[1] < question["bands"]}
    assert {(one.column, one.band): (one.clicks, one.people) for one in answer.cells} == shown
    assert {one.element: (one.clicks, one.people) for one in answer.elements} == {
        element: told(some) for element, some in elements.items()
    }
    everyone = [who for some in elements.values() for who in some]
    assert (answer.clicks, answer.people) == told(everyone)
    assert answer.below == len(everyone) - sum(one.clicks for one in answer.cells)
    asked = {"range": RANGE, **question}
    if answer.cells:
        cell = answer.cells[number % len(answer.cells)]
        place: dict[str, Any] = {"column": cell.column, "band": cell.band}
        assert behind(store, "heat", asked, place) == cell.people
    for one in answer.elements:
        if one.element is not None:
            assert behind(store, "heat", asked, {"element": one.element}) == one.people
            break
    assert behind(store, "heat", asked, {}) == answer.people
