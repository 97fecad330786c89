"""What makes two answers differ, of every insight: by the tables that name their rows."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct
from tests.app.test_as_of import Past, past
from tests.collect.world import MINUTE, T0

from tallymark.app.answering import insights
from tallymark.app.explaining import Explained
from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.core.event import Context, ProfileOp

HOUR = 60 * MINUTE
RANGE = {"since": rfc3339(T0 - 4 * DAY), "until": rfc3339(T0 + DAY)}
STEPS = ["open", "buy", "buy"]
BUYERS = {"who": {"op": "did", "event": "buy"}}
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "accounts": ("accounts", {}),
    "cohorts": ("cohorts", {"cohorts": [BUYERS, {"who": {"op": "did", "event": "open"}}]}),
    "cohorts over time": ("cohorts", {"cohorts": [BUYERS], "interval": "day"}),
    "correlation": ("correlation", {"steps": ["open", "buy"], "window": "3d", "properties": ["properties.plan"]}),
    "distribution": ("distribution", {"measure": "sum", "of": "revenue", "width": 5}),
    "distribution of itself": ("distribution", {"measure": "sum", "of": "revenue", "bins": 3}),
    "events": ("events", {}),
    "features": ("features", {"by": "properties.plan"}),
    "features by account": ("features", {"features": ["open", "buy"], "accounts": 5}),
    "forms": ("forms", {}),
    "frequency": ("frequency", {"step": "buy", "with_zero": True}),
    "frustration": ("frustration", {}),
    "funnels": ("funnels", {"steps": STEPS, "window": "3d"}),
    "funnels by plan": ("funnels", {"steps": STEPS, "window": "3d", "breakdown": ["properties.plan"]}),
    "funnels over time": ("funnels", {"steps": STEPS, "window": "1d", "interval": "day"}),
    "heat": ("heat", {"page": "/a"}),
    "lifecycle": ("lifecycle", {"interval": "day"}),
    "paths": ("paths", {"unit": "person", "collapse_repeats": False}),
    "people": ("people", {}),
    "property_lifecycle": ("property_lifecycle", {"of": "properties.plan", "interval": "day"}),
    "retention": ("retention", {"start": "open", "returning": "buy", "interval": "day", "buckets": 5, "breakdown": ["properties.plan"]}),
    "scroll": ("scroll", {}),
    "scroll of a page": ("scroll", {"page": "/a"}),
    "segments": ("segments", {"segments": [{}, {"label": "pro", "filter": {"op": "equals", "field": "properties.plan", "value": "pro"}}], "series": [{}, {"measure": "unique_people"}]}),
    "sessions": ("sessions", {"interval": "day", "breakdown": ["properties.plan"]}),
    "stickiness": ("stickiness", {"period": "week"}),
    "stickiness as ratios": ("stickiness", {"measure": "ratio"}),
    "timeline": ("timeline", {"user_id": "ana"}),
    "trends": ("trends", {"interval": "day", "breakdown": ["properties.n"], "series": [{"event": "buy"}, {"event": "buy"}]}),
    "visits": ("visits", {}),
    "web": ("web", {"goals": ["buy"], "compare": "previous_period"}),
}  # fmt: skip
# Listed one by one, so that one more is a row more; and a way that is a step longer leads elsewhere.
GROWING = {"events", "timeline", "paths"}


class Difference(Struct, frozen=True):
    """Two answers to a question, and what is told of the two."""

    before: dict[str, Any]
    after: dict[str, Any]
    found: Explained


def use(user: str, name: str, at: int, **more: Any) -> dict[str, Any]:
    """Return an event so many hours from T0; what is given besides are properties and fields."""
    fields: dict[str, Any] = {
        field: more.pop(field) for field in ("kind", "revenue", "groups") if field in more
    }
    context = Context(page_path=more.pop("path", "/a"), page_host="x.org", utm_source="mail")
    time = T0 + at * HOUR + more.pop("after", 0) * MINUTE
    return {
        "name": name, "time": time, "user_id": user, "anonymous_id": f"browser of {user}",
        "session_id": f"{user} {at // 24}", "context": context, "properties": more, **fields,
    }  # fmt: skip


def viewed(user: str, at: int, path: str = "/a") -> list[dict[str, Any]]:
    """Return a view of a page and all that can be told of it."""
    told: dict[str, Any] = {"path": path, "page_view_id": f"{user} {at} {path}"}
    return [
        use(user, "page_view", at, kind="page", **told),
        use(user, "page_ping", at, kind="heartbeat", scroll_depth=60, engaged_ms=1500, **told),
        *(use(user, name, at, kind="interaction", after=after, form_id=form, **told)
          for form, after in (("join", 1), (None, 2)) for name in ("form_start", "form_submit")),
        *(use(user, "rage_click", at, kind="interaction", after=after, selector=one, **told)
          for one, after in (("a#x", 3), ("b", 4))),
        use(user, "heat_points", at, kind="interaction", points=[[1, 2, 0], [3, 4, 1]], selectors=["a#x", "b"], **told),
    ]  # fmt: skip


def bought(user: str, at: int, plan: Any, revenue: str, account: str) -> dict[str, Any]:
    return use(
        user, "buy", at, plan=plan, n=3, revenue=Decimal(revenue), groups={"account": account}
    )


MADE = [
    *(use(user, "open", at, plan=plan, n=at % 2)
      for user, plan in (("ana", "pro"), ("bo", 1), ("cy", True), ("di", "true"), ("ed", None))
      for at in (-90, -60, -30)),
    # As many as a correlation needs.
    *(use(f"p{number}", "open", -90, plan="pro" if number < 6 else "new") for number in range(12)),
    bought("ana", -89, "pro", "5", "acme"), bought("ana", -59, "pro", "5.5", "acme"),
    bought("bo", -58, 1, "12", "initech"), bought("cy", -29, True, "26", "acme"),
    *viewed("ana", -88), *viewed("ana", -28, "/b"), *viewed("bo", -57), *viewed("cy", -27),
]  # fmt: skip
# One as there was before, one such as there was none, and for what is about pages alone a view.
LIKE = [bought("ana", -58, "pro", "1", "acme")]
UNLIKE = [bought("di", -5, "free", "90", "hooli")]
PAGES = ["forms", "frustration", "heat", "scroll", "scroll of a page"]


@pytest.fixture(scope="module")
def told() -> Iterator[dict[str, list[Difference]]]:
    with past() as made:
        made.arrive(*MADE)
        op = ProfileOp("set", "ana", "p1", T0 - 4 * DAY, {"plan": "pro"})
        made.world.send(commands=[op])
        made.world.load()
        told: dict[str, list[Difference]] = {name: [] for name in QUESTIONS}
        last = asked(made, [*QUESTIONS])
        for added, names in (
            (LIKE, [*QUESTIONS]),
            (UNLIKE, [*QUESTIONS]),
            (viewed("di", -3), PAGES),
        ):
            made.clock.time += DAY // 2
            made.arrive(*added)
            before, last = last, asked(made, names)
            for name in names:
                found = made.explained(before[name], last[name])
                told[name].append(Difference(before[name], last[name], found))
        yield told


def asked(made: Past, names: list[str]) -> dict[str, dict[str, Any]]:
    return {
        name: made.ask(insight, {"range": RANGE, **question})
        for name, (insight, question) in ((name, QUESTIONS[name]) for name in names)
    }


def rows(answer: dict[str, Any]) -> list[str]:
    """Return what names the rows of a table, as text in which 1, "1" and true differ."""
    table = answer["table"]
    return [repr([row[key] for key in table["keys"]]) for row in table["rows"]]


def numbers(answer: dict[str, Any]) -> dict[tuple[str, str], int | Decimal]:
    """Return the numbers of a table by the name of their row and of their column."""
    table = answer["table"]
    columns: list[str] = []
    for name in table["columns"]:
        columns.append(f"{name} (2)" if name in columns else name)
    return {
        (name, column): cell
        for name, row in zip(rows(answer), table["rows"], strict=True)
        for place, (column, cell) in enumerate(zip(columns, row, strict=True))
        if type(cell) in {int, Decimal} and place not in {*table["keys"], *table["remarks"]}
    }


def test_every_insight_is_asked() -> None:
    assert {insight for insight, _ in QUESTIONS.values()} == {*insights()}


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_two_rows_of_an_answer_have_the_same_name(
    told: dict[str, list[Difference]], name: str
) -> None:
    for one in told[name]:
        for answer in (one.before, one.after):
            assert answer["table"]["rows"]
            assert [row for row, count in Counter(rows(answer)).items() if count > 1] == []


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_change_is_told_of_the_numbers_that_differ_or_were_moved_and_of_no_others(
    told: dict[str, list[Difference]], name: str
) -> None:
    for one in told[name]:
        before, after = numbers(one.before), numbers(one.after)
        places = before.keys() | after.keys()
        differing = {
            place: (before.get(place), after.get(place))
            for place in places
            if before.get(place) != after.get(place)
        }

        changes = one.found.changes

        found = {(repr(it.row), it.column): (it.before, it.after) for it in changes}
        # What was moved there and back is told besides, with the causes that did it.
        back = {(repr(it.row), it.column) for it in changes if it.before == it.after}
        assert {place: it for place, it in found.items() if place not in back} == differing
        assert all(len(it.causes) > 1 for it in changes if it.before == it.after)
        assert len(found) == len(changes)
        assert {it.nth for it in changes} <= {1}
        assert one.found.unchanged == len(places) - len(changes)
        assert one.found.keys == [one.after["table"]["columns"][key] for key in one.after["table"]["keys"]]  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_causes_of_every_number_add_up_to_its_difference(
    told: dict[str, list[Difference]], name: str
) -> None:
    for one in told[name]:
        for change in one.found.changes:
            assert sum(change.causes.values()) == (change.after or 0) - (change.before or 0)
            assert change.causes.keys() <= {"late_events", "new_events", "people"}


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name not in GROWING])
def test_an_event_like_one_before_changes_numbers_but_no_names_of_rows(
    told: dict[str, list[Difference]], name: str
) -> None:
    like, *_ = told[name]

    assert {*rows(like.before)} == {*rows(like.after)}


def test_an_event_that_is_added_is_told_by_all_that_count_it(
    told: dict[str, list[Difference]],
) -> None:
    silent = {name for name in QUESTIONS if not any(one.found.changes for one in told[name])}

    # A timeline has no numbers.
    assert silent == {"timeline"}


def test_rows_that_are_named_alike_are_told_apart_by_their_place() -> None:
    named = [{"label": "them"}, {"label": "them", "filter": {"op": "equals", "field": "event", "value": "buy"}}]  # fmt: skip
    question = {"range": RANGE, "segments": named}
    with past() as made:
        made.arrive(use("ana", "open", -5))
        before = made.ask("segments", question)
        made.arrive(use("bo", "buy", -4))

        changes = made.explained(before, made.ask("segments", question)).changes

    people = [
        (one.row, one.nth, one.before, one.after) for one in changes if one.column == "people"
    ]
    assert people == [(["them"], 1, 1, 2), (["them"], 2, 0, 1)]


@pytest.mark.parametrize("table", [
    {"columns": ["day", "n"], "rows": [["2026-05-28"]]},
    {"columns": ["day", "n"], "rows": [[["2026-05-28"], 1]]},
    {"columns": ["day", "n"], "rows": [[{}, 1]]},
    {"columns": ["day", "n"], "rows": 5},
    {"rows": []},
])  # fmt: skip
def test_what_is_no_table_of_an_answer_is_refused(table: dict[str, Any]) -> None:
    with past() as made:
        made.arrive(use("ana", "open", -5))
        answer = made.ask("trends", {"range": RANGE})

        with pytest.raises(InvalidQuery, match="It is no table"):
            made.explained({**answer, "table": table}, answer)


def test_the_numbers_of_a_kept_answer_with_other_columns_are_found_by_their_names() -> None:
    question = {"range": RANGE, "interval": "month"}
    with past() as made:
        made.arrive(use("ana", "open", -5))
        answer = made.ask("trends", question)
        month, count = answer["table"]["columns"]
        label, found = answer["table"]["rows"][0]
        kept = {"columns": ["note", count, month], "rows": [["x", found + 1, label]], "keys": [99]}

        (change,) = made.explained({**answer, "table": kept}, answer).changes

    assert (change.row, change.column, change.before, change.after) == ([label], count, 2, 1)
    assert change.causes == {"recomputed": -1}
