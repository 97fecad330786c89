"""The one page of a site, counted by hand and by an oracle in plain Python."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.insights.asking import Store, ask
from tests.insights.oracle import CONDITIONS, satisfies
from tests.insights.visit_oracle import VISITED, Visit, people_in, visits_of
from tests.strategies import SINCE, UNTIL, Use

from tallymark.core.clock import DAY, MICROSECONDS, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.web import table

SECOND = MICROSECONDS
DAYS = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
ENDS: dict[str, Callable[[Visit], str | None]] = {
    "utm_sources": lambda visit: visit.entry.utm_source,
    "countries": lambda visit: visit.entry.country,
    "entry_pages": lambda visit: visit.entry.path,
    "exit_pages": lambda visit: visit.exit.path,
}


def view(session: str, path: str = "/", *, at: int = 0, **more: Any) -> Use:
    return Use(kind="page", name="page_view", session=session, path=path, time=SINCE + at * SECOND, **more)  # fmt: skip


# Those that the page of the insight tells.
THREE = [
    view("a", "/", at=0, user="ana", utm_source="newsletter"),
    view("a", "/prices", at=5, user="ana"),
    view("b", "/", at=0, user="bo"),
    Use(name="sign up", session="b", user="bo", time=SINCE + 3 * SECOND),
    view("c", "/", at=0, user="cy"),
]
# Of the first view of a visit, by the column that tells it; none of them is in ``ENDS``.
OF_ENTRY = {
    "channels": "channel", "referrers": "referrer_host", "utm_mediums": "utm_medium",
    "utm_campaigns": "utm_campaign", "utm_terms": "utm_term", "utm_contents": "utm_content",
    "regions": "region", "cities": "city", "devices": "device_type", "browsers": "browser",
    "operating_systems": "os", "languages": "locale", "hosts": "host",
}  # fmt: skip


def test_a_site_has_visitors_visits_and_views(store: Store) -> None:
    store.replace(THREE)

    found = ask(store, "web", range=DAYS).numbers

    assert (found.visitors, found.visits, found.page_views) == (3, 3, 4)
    assert found.views_per_visit == Decimal("1.333333333")
    assert (found.bounces, found.bounce_rate.value) == (1, Decimal("0.333333333"))
    assert (found.seconds_per_visit, found.engaged_seconds_per_visit) == (Decimal("2.666666667"), None)  # fmt: skip


def test_pages_tell_where_visits_begin_and_end(store: Store) -> None:
    store.replace(THREE)

    pages = ask(store, "web", range=DAYS).pages

    assert [(one.value, one.visits, one.page_views, one.entries, one.exits) for one in pages] == [
        ("/", 3, 3, 3, 2),
        ("/prices", 1, 1, 0, 1),
    ]


def test_sources_are_what_the_first_view_came_by(store: Store) -> None:
    store.replace(THREE)

    sources = ask(store, "web", range=DAYS).tables["utm_sources"]

    assert [(one.value, one.numbers.visitors) for one in sources] == [(None, 2), ("newsletter", 1)]
    assert sources[1].narrow == {"entry": {"op": "equals", "field": "utm_source", "value": "newsletter"}}  # fmt: skip


def test_a_table_says_whether_its_visitors_add_up_to_all(store: Store) -> None:
    store.replace(
        [
            view("a", "/", user="ana", utm_source="mail", country="DE"),
            view("b", "/", user="ana", utm_source="ads", country="DE"),
            view("c", "/b", user="bo", country="EG"),
        ]
    )
    asked = {"range": DAYS, "tables": ["utm_sources", "countries", "pages"]}

    whole = ask(store, "web", **asked)
    cut = ask(store, "web", **asked, top=1)

    assert whole.numbers.visitors == 2
    assert [row.numbers.visitors for row in whole.tables["utm_sources"]] == [1, 1, 1]
    assert whole.sums_to_total == {"utm_sources": False, "countries": True, "pages": True}
    assert not any(cut.sums_to_total[name] for name in ("countries", "pages"))


def test_a_goal_has_a_conversion_rate_of_visitors(store: Store) -> None:
    store.replace(THREE)

    (goal,) = ask(store, "web", range=DAYS, goals=["sign up"]).goals

    assert (goal.value, goal.visitors, goal.visits, goal.events) == ("sign up", 1, 1, 1)
    assert (goal.conversion.of, goal.conversion.value) == (3, Decimal("0.333333333"))


def test_engaged_time_and_scroll_are_what_the_scripts_send(store: Store) -> None:
    def ping(session: str, path: str, **about: Any) -> Use:
        return Use(kind="heartbeat", name="page_ping", session=session, path=path, properties=about)

    store.replace(
        [
            *THREE,
            ping("a", "/", engaged_ms=1_500, scroll_depth=40),
            ping("a", "/", engaged_ms=500, scroll_depth=80),
            ping("a", "/prices", engagement_time_msec=4_000),
            ping("b", "/", scroll_depth=25),
        ]
    )

    answer = ask(store, "web", range=DAYS)

    assert answer.numbers.engaged_seconds_per_visit == 6
    assert [(one.engaged_seconds_per_visit, one.scroll_percent) for one in answer.pages] == [
        (2, Decimal("52.5")),
        (4, None),
    ]


def test_the_previous_period_is_held_against_this_one(store: Store) -> None:
    store.replace([view("x", at=-60, user="ana"), view("y", at=-86_400, user="ana"), *THREE])

    answer = ask(store, "web", compare="previous_period", range={"since": "2025-10-24", "until": "2025-10-26"})  # fmt: skip

    assert (answer.compared.numbers.visits, answer.compared.numbers.visitors) == (2, 1)
    assert (answer.compared.range.since, answer.numbers.visits) == ("2025-10-22T00:00:00Z", 3)
    assert [row[:4] for row in table(answer).rows[:2]] == [
        ("all", None, 3, 3),
        ("all, previous_period", None, 1, 2),
    ]


def test_a_preset_says_what_a_bounce_is(store: Store) -> None:
    store.replace(THREE)

    def bounces(**question: Any) -> int:
        return int(ask(store, "web", range=DAYS, **question).numbers.bounces)

    assert [bounces(semantics=one) for one in ("plausible", "ga4", "posthog")] == [1, 2, 2]
    # What is a goal here is a key event there.
    assert bounces(semantics="ga4", goals=["sign up"]) == 1
    assert bounces(semantics="ga4", bounce="plausible") == 1


def test_the_tables_are_those_asked_for_and_read_one_after_the_other(store: Store) -> None:
    store.replace(THREE)

    answer = ask(store, "web", range=DAYS, tables=["countries", "pages"], goals=["sign up"])

    assert (list(answer.tables), answer.goals) == (["countries"], [])
    assert [row[:3] for row in table(answer).rows] == [
        ("all", None, 3),
        ("countries", "(none)", 3),
        ("pages", "/", 3),
        ("pages", "/prices", 1),
    ]


def test_a_site_without_visits_is_zero(store: Store) -> None:
    store.replace([Use(user="ana")])

    answer = ask(store, "web", range=DAYS, compare="previous_period", goals=["sign up"])

    assert (answer.numbers.visits, answer.numbers.views_per_visit, answer.pages) == (0, None, [])
    assert answer.goals[0].conversion.value is None
    assert answer.compared.numbers.visits == 0


def test_what_cannot_be_asked_is_refused(store: Store) -> None:
    store.replace([])

    unknown: list[dict[str, Any]] = [{"semantics": "matomo"}, {"tables": ["x"]}, {"top": 0}]
    for question in unknown:
        with pytest.raises(msgspec.ValidationError):
            ask(store, "web", **question)
    unfit: list[dict[str, Any]] = [{"goals": ["a", "a"]}, {"tables": ["pages", "pages"]}]
    for question in unfit:
        with pytest.raises(InvalidQuery):
            ask(store, "web", **question)
    with pytest.raises(InvalidQuery, match="no such goal"):
        ask(store, "people", behind={"insight": "web", "place": {"table": "goals", "value": "x"}})


# The oracle.


def assert_numbers(found: Any, visits: list[Visit], rule: str) -> None:
    assert (found.visits, found.visitors) == (len(visits), people_in(visits))
    assert found.page_views == sum(len(visit.views) for visit in visits)
    assert found.bounces == sum(visit.is_bounce(rule, lambda use: use.name == "buy") for visit in visits)  # fmt: skip
    lengths = Fraction(sum(visit.length for visit in visits), MICROSECONDS)
    if visits:
        assert abs(Fraction(found.seconds_per_visit) - lengths / len(visits)) < Fraction(1, 10**9)


def views_of(visit: Visit, path: str) -> list[Use]:
    return [use for use in visit.views if use.path == path]


@settings(max_examples=300)
@given(
    VISITED,
    st.none() | CONDITIONS,
    st.none() | CONDITIONS,
    st.sampled_from(["plausible", "ga4", "posthog"]),
    st.sampled_from([(0, 12), (3, 6)]),
    st.integers(0, 100),
)
def test_every_row_agrees_with_the_oracle_narrows_and_opens_to_its_visitors(
    store: Store, history: Any, chosen: Any, entry: Any, rule: str, days: Any, pick: int
) -> None:
    store.replace(history)
    since, until = (SINCE + day * DAY for day in days)
    asked = {
        "range": {"since": rfc3339(since), "until": rfc3339(until)}, "filter": chosen, "entry": entry,
        "semantics": rule, "goals": ["buy"], "tables": [*ENDS, "pages", "goals"], "top": 100,
    }  # fmt: skip

    answer = ask(store, "web", **asked)

    visits = [
        visit
        for visit in visits_of(history, since, until, chosen=chosen)
        if satisfies(visit.entry, entry)
    ]
    assert_numbers(answer.numbers, visits, rule)
    rows: list[tuple[str, Any, list[Visit]]] = []
    for name, value_of_end in ENDS.items():
        values = {value_of_end(visit) for visit in visits}
        assert {row.value for row in answer.tables[name]} == values
        assert sum(row.numbers.visits for row in answer.tables[name]) == len(visits)
        for row in answer.tables[name]:
            mine = [visit for visit in visits if value_of_end(visit) == row.value]
            assert_numbers(row.numbers, mine, rule)
            rows.append((name, row, mine))
    assert {row.value for row in answer.pages} == {
        use.path for visit in visits for use in visit.views if use.path is not None
    }
    for row in answer.pages:
        mine = [visit for visit in visits if views_of(visit, row.value)]
        assert (row.visits, row.visitors) == (len(mine), people_in(mine))
        assert row.page_views == sum(len(views_of(visit, row.value)) for visit in mine)
        assert row.entries == sum(visit.views[0].path == row.value for visit in mine)
        assert row.exits == sum(visit.views[-1].path == row.value for visit in mine)
        rows.append(("pages", row, mine))
    (goal,) = answer.goals
    mine = [visit for visit in visits if any(use.name == "buy" for use in visit.events)]
    assert (goal.visits, goal.visitors) == (len(mine), people_in(mine))
    assert goal.events == sum(use.name == "buy" for visit in mine for use in visit.events)
    rows.append(("goals", goal, mine))

    name, row, mine = rows[pick % len(rows)]
    narrowed = ask(store, "web", **{**asked, **row.narrow, "tables": []}).numbers
    assert (narrowed.visits, narrowed.visitors) == (len(mine), people_in(mine))
    behind = {"insight": "web", "question": asked, "place": {"table": name, "value": row.value}}
    assert ask(store, "people", behind=behind).total == people_in(mine)


COLUMNS = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(["a", "b", "ü'"]) for name in OF_ENTRY.values()}
)
TOLD = st.tuples(VISITED, st.lists(COLUMNS, min_size=25, max_size=25)).map(
    lambda both: [replace(use, also=also) for use, also in zip(*both, strict=False)]
)


@settings(max_examples=40)
@given(TOLD, st.sampled_from(sorted(OF_ENTRY)), st.integers(0, 100))
def test_every_table_of_the_first_view_agrees_with_the_oracle_and_opens_to_its_visitors(
    store: Store, history: Any, opened: str, pick: int
) -> None:
    store.replace(history)
    asked = {"range": DAYS, "tables": [*OF_ENTRY], "top": 100}

    answer = ask(store, "web", **asked)

    visits = visits_of(history, SINCE, UNTIL)
    for name, column in OF_ENTRY.items():
        values = [visit.entry.also.get(column) for visit in visits]
        rows = answer.tables[name]
        assert {row.value for row in rows} == set(values)
        assert len(rows) == len(set(values))
        for row in rows:
            mine = [
                visit for visit, value in zip(visits, values, strict=True) if value == row.value
            ]
            assert_numbers(row.numbers, mine, "plausible")
    if rows := answer.tables[opened]:
        row = rows[pick % len(rows)]
        narrowed = ask(store, "web", **{**asked, **row.narrow, "tables": []}).numbers
        assert (narrowed.visits, narrowed.visitors) == (row.numbers.visits, row.numbers.visitors)
        behind = {
            "insight": "web",
            "question": asked,
            "place": {"table": opened, "value": row.value},
        }
        assert ask(store, "people", behind=behind).total == row.numbers.visitors
