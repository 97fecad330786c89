"""How far and how long pages are read, counted by hand and by an oracle in plain Python."""

from decimal import Decimal
from fractions import Fraction
from statistics import median
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
    by_view,
    holds,
    page_histories,
    within,
)
from tests.strategies import SINCE, UNTIL, History, Link, Use, owners, person

from tallymark.core.clock import DAY
from tallymark.core.errors import InvalidQuery
from tallymark.insights.scroll import table

EVER = 2**62


def view(user: str | None = "ana", path: str = "/a", **more: Any) -> Use:
    """Return a view of a page; what else is given is a field of it or, as ``id``, of the view."""
    return Use(name="page_view", kind="page", user=user, path=path, **_with_id(more))


def ping(user: str | None = "ana", path: str = "/a", **more: Any) -> Use:
    return Use(name="page_ping", kind="heartbeat", user=user, path=path, **_with_id(more))


def _with_id(more: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {
        name: more.pop(name) for name in ("scroll_depth", "engaged_ms") if name in more
    }
    if "id" in more:
        known["page_view_id"] = more.pop("id")
    return {**more, "properties": known}


def test_the_greatest_depth_of_a_view_holds_and_its_times_add_up(store: Store) -> None:
    store.replace(
        [
            view(id="v1"),
            ping(id="v1", scroll_depth=90, engaged_ms=1_500),
            ping(id="v1", scroll_depth=40, engaged_ms=2_000),
            view("bo", id="v2"),
            ping("bo", id="v2", scroll_depth=10, engaged_ms=4_500),
            view("cy", id="v3"),
        ]
    )

    answer = ask(store, "scroll", range=RANGE, page="/a")

    assert (answer.views, answer.people, answer.known) == (3, 3, 2)
    assert [one.views.count for one in answer.curve] == [2, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    assert [one.people for one in answer.curve] == [2, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    assert (answer.mean_percent, answer.mean_seconds, answer.median_seconds) == (50, 4, 4)
    assert table(answer).rows[8] == (90, 1, Decimal("0.5"), 1)


def test_two_views_of_a_page_in_one_visit_are_one_only_without_ids(store: Store) -> None:
    store.replace([view(session="s"), view(session="s"), ping(session="s", scroll_depth=50)])

    assert ask(store, "scroll", range=RANGE).views == 1

    store.replace([view(session="s", id="v1"), view(session="s", id="v2")])

    assert ask(store, "scroll", range=RANGE).views == 2


def test_what_a_view_tells_after_the_range_still_counts_but_not_a_view_after_it(
    store: Store,
) -> None:
    store.replace(
        [
            view(id="v1", time=UNTIL - 1),
            ping(id="v1", scroll_depth=80, time=UNTIL + DAY),
            view(id="v2", time=UNTIL),
            ping(id="v3", scroll_depth=100, time=SINCE),
        ]
    )

    answer = ask(store, "scroll", range=RANGE)

    assert (answer.views, answer.known, answer.mean_percent) == (1, 1, 80)


def test_a_depth_that_cannot_be_and_time_below_zero_tell_nothing(store: Store) -> None:
    store.replace(
        [
            view(id="v1"),
            ping(id="v1", scroll_depth=101, engaged_ms=-5),
            ping(id="v1", scroll_depth="all of it"),
        ]
    )

    answer = ask(store, "scroll", range=RANGE)

    assert (answer.views, answer.known, answer.engaged_views) == (1, 0, 0)
    assert (answer.mean_percent, answer.mean_seconds, answer.median_seconds) == (None, None, None)
    assert [one.views.value for one in answer.curve] == [None] * 10


def test_people_who_turned_out_to_be_one_are_one(store: Store) -> None:
    store.replace(
        [
            view(None, anonymous="phone", id="v1"),
            ping(None, anonymous="phone", id="v1", scroll_depth=70),
            view("ana", id="v2"),
            Link("phone", "ana"),
        ]
    )

    answer = ask(store, "scroll", range=RANGE)

    assert (answer.views, answer.people, answer.curve[6].people) == (2, 1, 1)
    assert behind(store, "scroll", {"range": RANGE}, {"percent": 70}) == 1


def test_a_number_of_another_field_can_tell_the_depth_and_a_text_cannot(store: Store) -> None:
    store.replace([view(session="s", value=Decimal(30))])

    assert ask(store, "scroll", range=RANGE, depth="value").mean_percent == 30
    with pytest.raises(InvalidQuery, match="not a number"):
        ask(store, "scroll", range=RANGE, depth="path")


def test_pages_with_most_views_come_first_and_only_so_many(store: Store) -> None:
    store.replace([view(path="/b", id="1"), view(path="/b", id="2"), view(path="/a", id="3"), view(path="/c", id="4")])  # fmt: skip

    answer = ask(store, "scroll", range=RANGE, top=2)

    assert [(one.path, one.views) for one in answer.pages] == [("/b", 2), ("/a", 1)]
    assert answer.views == 4


# The oracle.

PINGS = {
    "scroll_depth": st.sampled_from([0, 9, 10, 50, 55, 99, 100, 101, -1, "deep", Decimal("49.5")]),
    "engaged_ms": st.sampled_from([0, 1, 1_000, 2_001, 60_000, -7, None]),
    "engagement_time_msec": st.sampled_from([500, 3]),
}
HISTORIES = page_histories({"page_view": "page", "seen": "screen", "page_ping": "heartbeat"}, PINGS)


def expected(history: History, question: dict[str, Any]) -> dict[str, list[Any]]:
    """Return (path, person, depth, milliseconds) of each view."""
    owner = owners(history)
    numbered = [
        (number, use)
        for number, use in enumerate(within(history, lambda use: use.path is not None, until=EVER))
        if question["page"] is None or use.path == question["page"]
    ]
    is_wanted = holds(question["filter"])
    found = []
    for (path, *_), told in by_view(numbered).items():
        views = [
            one for one in told if one.kind in VIEW_KINDS and one.time < UNTIL and is_wanted(one)
        ]
        if not views:
            continue
        who = next((it for it in (person(one, owner) for one in views) if it is not None), None)
        depths = [
            it for it in (one.properties.get("scroll_depth") for one in told)
            if isinstance(it, int | Decimal) and 0 <= it <= 100
        ]  # fmt: skip
        times = [
            (one.properties.get("engaged_ms") or 0) + one.properties.get("engagement_time_msec", 0)
            for one in told
        ]
        long = [it for it in times if it > 0]
        found.append((path, who, max(depths, default=None), sum(long) if long else None))
    return found  # type: ignore[return-value]


@settings(max_examples=300)
@given(
    HISTORIES,
    st.fixed_dictionaries({"page": st.none() | st.sampled_from(PATHS), "filter": FILTERS}),
    st.integers(0, 10),
)
def test_every_number_agrees_with_the_oracle_and_opens_to_its_people(
    store: Store, history: Any, question: dict[str, Any], tenth: int
) -> None:
    store.replace(history)

    answer = ask(store, "scroll", range=RANGE, **question)

    found: Any = expected(history, question)
    known = [(who, depth) for _, who, depth, _ in found if depth is not None]
    assert (answer.views, answer.known) == (len(found), len(known))
    assert answer.people == len({who for _, who, *_ in found} - {None})
    for one in answer.curve:
        reached = [who for who, depth in known if depth >= one.percent]
        assert (one.views.count, one.views.of) == (len(reached), len(known))
        assert one.people == len(set(reached) - {None})
    _assert_means(answer, found)
    for page in answer.pages:
        of_page = [one for one in found if one[0] == page.path]
        assert page.views == len(of_page)
        assert page.half.count == sum(1 for one in of_page if one[2] is not None and one[2] >= 50)
        _assert_means(page, of_page)
    assert sum(page.views for page in answer.pages) == answer.views
    percent = tenth * 10
    people = {who for who, depth in known if depth >= percent} - {None}
    place = {"percent": percent}
    assert behind(store, "scroll", {"range": RANGE, **question}, place) == len(people)
    assert behind(store, "scroll", {"range": RANGE, **question}, {}) == answer.people


def _assert_means(shown: Any, views: list[Any]) -> None:
    depths = [depth for *_, depth, _ in views if depth is not None]
    times = [Fraction(time, 1000) for *_, time in views if time is not None]
    assert (shown.mean_percent is None) == (not depths)
    if depths:
        mean = sum(map(Fraction, depths), Fraction()) / len(depths)
        assert abs(Fraction(shown.mean_percent) - mean) <= Fraction(1, 2 * 10**9)
    assert (shown.median_seconds is None) == (not times)
    if times:
        assert Fraction(shown.median_seconds) == median(times)
        mean = sum(times, Fraction()) / len(times)
        assert abs(Fraction(shown.mean_seconds) - mean) <= Fraction(1, 2 * 10**9)
