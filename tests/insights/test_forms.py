"""What becomes of forms, counted by hand and by an oracle in plain Python."""

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
from tests.strategies import SINCE, History, Link, Use, owners, person

from tallymark.core.errors import InvalidQuery
from tallymark.insights.forms import table

SECOND = 1_000_000
OUTCOMES = ("seen", "started", "sent", "left")


def told(
    name: str, view: str | None = "v1", user: str | None = "ana", at: int = 0, **more: Any
) -> Use:
    """Return a view of a page, or what is told of the form ``join`` on it."""
    kind = "page" if name == "page_view" else "interaction"
    known = {} if view is None else {"page_view_id": view}
    if kind == "interaction":
        known["form_id"] = more.pop("form", "join")
    return Use(
        name=name, kind=kind, user=user, path="/a", time=SINCE + at * SECOND,
        properties=known, **more,
    )  # fmt: skip


def test_a_form_is_seen_started_sent_and_left(store: Store) -> None:
    store.replace(
        [
            told("page_view"), told("form_start", at=10), told("form_submit", at=40),
            told("page_view", "v2", "bo"), told("form_start", "v2", "bo"),
            told("page_view", "v3", "cy"),
        ]
    )  # fmt: skip

    answer = ask(store, "forms", range=RANGE)

    (form,) = answer.forms
    assert (form.path, form.form, form.seen) == ("/a", "join", 3)
    assert (form.start.count, form.start.of) == (2, 3)
    assert (form.completion.count, form.completion.of, form.left) == (1, 2, 1)
    assert form.median_seconds == 30
    assert (form.people.seen, form.people.started, form.people.sent, form.people.left) == (3, 2, 1, 1)  # fmt: skip
    assert table(answer).rows[0][:5] == ("/a", "join", 3, 2, 1)


def test_sending_twice_in_a_view_is_one_attempt_and_takes_until_the_first(store: Store) -> None:
    store.replace(
        [told("form_submit", at=90), told("form_start", at=10), told("form_submit", at=30)]
    )

    (form,) = ask(store, "forms", range=RANGE).forms

    assert (form.seen, form.start.count, form.completion.count) == (1, 1, 1)
    assert form.median_seconds == 20


def test_what_was_sent_without_a_start_was_started_but_took_no_known_time(store: Store) -> None:
    store.replace([told("form_submit", at=5), told("form_start", at=9)])

    (form,) = ask(store, "forms", range=RANGE).forms

    assert (form.start.count, form.completion.count, form.median_seconds) == (1, 1, None)


def test_who_sent_it_another_time_has_not_left(store: Store) -> None:
    store.replace(
        [
            told("form_start", "v1", None, anonymous="phone"),
            told("form_start", "v2"), told("form_submit", "v2"),
            Link("phone", "ana"),
        ]
    )  # fmt: skip

    (form,) = ask(store, "forms", range=RANGE).forms

    assert (form.left, form.people.left, form.people.started) == (1, 0, 1)


def test_a_form_without_an_id_goes_by_its_name_and_else_by_none(store: Store) -> None:
    by_name = told("form_start", form=None)
    by_name.properties["form_name"] = "search"
    store.replace([by_name, told("form_start", "v2", form=None)])

    assert [one.form for one in ask(store, "forms", range=RANGE).forms] == ["search", None]
    assert ask(store, "forms", range=RANGE, top=1).count == 2


def test_nothing_at_all_has_no_forms_and_a_number_is_no_name(store: Store) -> None:
    store.replace([])

    assert ask(store, "forms", range=RANGE).forms == []
    with pytest.raises(InvalidQuery, match="not a text"):
        ask(store, "forms", range=RANGE, form=["value"])


HISTORIES = page_histories(
    {
        "page_view": "page", "seen": "screen", "form_start": "interaction",
        "form_submit": "interaction", "open": "track",
    },
    {
        "form_id": st.sampled_from(["join", "join", "x'; --", None, 7]),
        "form_name": st.sampled_from(["search", "join"]),
    },
)  # fmt: skip


class Counted:
    """What an oracle finds of one form."""

    def __init__(self, views: list[list[Use]], page: list[list[Use]], who: Any) -> None:
        seen = [*page, *(one for one in views if not any(use.kind in VIEW_KINDS for use in one))]
        self.seen = len(seen)
        self.started = len(views)
        self.sent = sum(1 for one in views if any(use.name == "form_submit" for use in one))
        self.took = [it for it in map(_took, views) if it is not None]
        used = [use for one in views for use in one if use.name.startswith("form")]
        looked = [use for one in page for use in one if use.kind in VIEW_KINDS]
        self.people = {
            "seen": who([*looked, *used]),
            "started": who(used),
            "sent": who([use for use in used if use.name == "form_submit"]),
        }
        self.people["left"] = self.people["started"] - self.people["sent"]


def _took(attempt: list[Use]) -> Fraction | None:
    starts = [use.time for use in attempt if use.name == "form_start"]
    if not starts:
        return None
    ends = [use.time for use in attempt if use.name == "form_submit" and use.time >= min(starts)]
    return Fraction(min(ends) - min(starts), SECOND) if ends else None


def _name(use: Use) -> str | None:
    for key in ("form_id", "form_name"):
        if isinstance(found := use.properties.get(key), str):
            return found
    return None


def expected(history: History, question: dict[str, Any]) -> dict[tuple[str, str | None], Counted]:
    """Return what became of each form, by its page and name."""
    owner = owners(history)

    def who(some: list[Use]) -> set[str]:
        return {it for use in some if (it := person(use, owner)) is not None}

    acts = [
        (number, use)
        for number, use in enumerate(within(history, holds(question["filter"])))
        if use.path is not None and question["page"] in (None, use.path)
        and (use.kind in VIEW_KINDS or use.name.startswith("form"))
    ]  # fmt: skip
    views = by_view(acts)
    forms = {(use.path, _name(use)) for _, use in acts if use.name.startswith("form")}
    found = {}
    for path, form in forms:
        of_page = [some for (where, *_), some in views.items() if where == path]
        attempts = [
            [use for use in some if use.kind in VIEW_KINDS or _name(use) == form]
            for some in of_page
            if any(use.name.startswith("form") and _name(use) == form for use in some)
        ]
        looked = [some for some in of_page if any(use.kind in VIEW_KINDS for use in some)]
        found[path, form] = Counted(attempts, looked, who)
    return found  # type: ignore[return-value]


@settings(max_examples=300)
@given(
    HISTORIES,
    st.fixed_dictionaries({"page": st.none() | st.sampled_from(PATHS), "filter": FILTERS}),
    st.integers(0, 9),
)
def test_every_form_agrees_with_the_oracle_and_opens_to_its_people(
    store: Store, history: Any, question: dict[str, Any], number: int
) -> None:
    store.replace(history)

    answer = ask(store, "forms", range=RANGE, **question)

    wanted = expected(history, question)
    assert {(one.path, one.form) for one in answer.forms} == wanted.keys()
    assert answer.count == len(wanted)
    for one in answer.forms:
        form = wanted[one.path, one.form]
        assert one.seen == form.seen
        assert (one.start.count, one.completion.count) == (form.started, form.sent)
        assert one.left == form.started - form.sent
        assert one.seen >= one.start.count >= one.completion.count
        told = {name: getattr(one.people, name) for name in OUTCOMES}
        assert told == {name: len(people) for name, people in form.people.items()}
        assert (one.median_seconds is None) == (not form.took)
        if form.took:
            assert Fraction(one.median_seconds) == median(form.took)
    if answer.forms:
        one = answer.forms[number % len(answer.forms)]
        outcome = OUTCOMES[number % 4]
        place = {"page": one.path, "form": one.form, "outcome": outcome}
        listed = behind(store, "forms", {"range": RANGE, **question}, place)
        assert listed == getattr(one.people, outcome)
