"""The sessions behind a number are as many as the number says, and each is told whole."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.asking import behind as keys_behind
from tests.insights.oracle import CONDITIONS, satisfies
from tests.insights.test_sessions import DAYS, RULES, THREE, view
from tests.insights.visit_oracle import VISITED, Visit, visits_of
from tests.strategies import SINCE, Link, Use, owners, person, uses

from tallymark.core.clock import DAY, MICROSECONDS, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.visit_list import table

EVER = (-(2**61), 2**61)


def pages(store: Store, **question: Any) -> list[Any]:
    """Return the sessions of all pages."""
    found: list[Any] = []
    cursor = None
    while True:
        page = ask(store, "visits", **{"range": DAYS, **question, "cursor": cursor})
        found += page.visits
        cursor = page.cursor
        if cursor is None:
            assert len(found) == page.total
            assert len({one.visit for one in found}) == len(found)
            return found


def behind(insight: str, question: dict[str, Any], place: dict[str, Any] | None = None) -> Any:
    return {"insight": insight, "question": {"range": DAYS, **question}, "place": place or {}}


def sessions_in(found: list[Any]) -> set[str]:
    return {one.session for one in found}


def test_a_session_is_told_whole_with_who_came_from_where(store: Store) -> None:
    store.replace(
        [
            view("a", "/", at=-5, anonymous="phone", utm_source="mail", country="DE"),
            view("a", "/prices", at=2, user="ana", account="acme", country="FR"),
            Use(name="buy", session="a", user="ana", time=SINCE + 3 * MICROSECONDS),
            Link("phone", "ana"),
            view("b", "/", at=1, user="bo"),
        ]
    )

    bo, ana = ask(store, "visits", range=DAYS).visits

    assert (ana.start, ana.end) == (rfc3339(SINCE - 5 * MICROSECONDS), rfc3339(SINCE + 3 * MICROSECONDS))  # fmt: skip
    assert (ana.seconds, ana.events, ana.views, ana.bounced) == (8, 3, 2, False)
    assert (ana.session, ana.user_id, ana.anonymous_id, ana.account) == ("a", "ana", "phone", "acme")  # fmt: skip
    assert (ana.entry_page, ana.exit_page, ana.utm_source, ana.country) == ("/", "/prices", "mail", "DE")  # fmt: skip
    assert ana.person == ask(store, "people", range=DAYS, search="ana").people[0].person
    assert (bo.session, bo.seconds, bo.bounced) == ("b", 0, True)


def test_a_list_reads_as_a_table(store: Store) -> None:
    store.replace([view("a", "/", at=0, user="ana", utm_source="mail"), view("b", at=5)])

    shown = table(ask(store, "visits", range=DAYS))

    assert shown.columns[:8] == ("start", "seconds", "events", "who", "account", "entry", "exit", "bounced")  # fmt: skip
    assert shown.rows[1] == (rfc3339(SINCE), 0, 1, "ana", None, "/", "/", True, "mail", None, None, None)  # fmt: skip
    assert shown.rows[0][3] is None


def test_pages_of_sessions_stay_the_same_while_events_arrive(store: Store) -> None:
    history = [view(name, at=n) for n, name in enumerate("abcd")]
    store.replace(history)
    first = ask(store, "visits", range=DAYS, limit=2)

    store.replace([*history, view("a", at=-9), view("e", at=9)])
    second = ask(store, "visits", range=DAYS, limit=2, cursor=first.cursor)

    assert [one.session for one in (*first.visits, *second.visits)] == ["d", "c", "b", "a"]
    assert second.visits[1].events == 1
    assert (second.total, ask(store, "visits", range=DAYS).total) == (4, 5)


def test_sessions_of_one_instant_are_each_on_one_page(store: Store) -> None:
    store.replace([view(name) for name in "abcde"])

    assert sessions_in(pages(store, limit=2)) == set("abcde")


def test_sessions_are_found_by_who_is_in_them_and_by_their_id(store: Store) -> None:
    store.replace(
        [
            view("First", anonymous="phone"),
            Link("phone", "ana"),
            view("second", user="bo", account="Acme"),
            view("third"),
        ]
    )

    assert sessions_in(pages(store, search="ANA")) == {"First"}
    assert sessions_in(pages(store, search="acm")) == {"second"}
    assert sessions_in(pages(store, search="IR")) == {"First", "third"}
    assert pages(store, search="nobody") == []


def test_sessions_are_kept_by_how_they_begin_and_end_and_whether_they_bounce(store: Store) -> None:
    store.replace(THREE)
    prices = {"op": "equals", "field": "path", "value": "/prices"}

    assert sessions_in(pages(store, exit=prices)) == {"a"}
    assert pages(store, entry=prices) == []
    assert sessions_in(pages(store, bounced=True)) == {"c"}
    assert sessions_in(pages(store, bounced=True, bounce="ga4")) == {"b", "c"}
    assert sessions_in(pages(store, bounced=True, bounce="ga4", key_events=["sign up"])) == {"c"}
    whole = behind("sessions", {})
    assert sessions_in(pages(store, behind=whole, bounced=False)) == {"a", "b"}
    assert sessions_in(pages(store, behind=whole, user_id="ana")) == {"a"}
    assert sessions_in(pages(store, behind=whole, search="cy")) == {"c"}


def test_robots_are_in_a_session_if_the_number_counts_them(store: Store) -> None:
    store.replace([view("a", at=0), view("a", at=9, is_bot=True), view("b", is_bot=True)])

    (only,) = pages(store)
    both = pages(store, include_bots=True)
    behind_all = pages(store, behind=behind("sessions", {"include_bots": True}))

    assert (only.session, only.events) == ("a", 1)
    assert {one.session: one.events for one in both} == {"a": 2, "b": 1}
    assert behind_all == both


def test_the_sessions_of_a_person_are_those_of_the_timeline_in_any_range(store: Store) -> None:
    store.replace([*THREE, view("d", at=-9, user="ana"), Use(user="ana")])

    for whole, events in ((DAYS, [2]), ("10y", [2, 1])):
        timeline = ask(store, "timeline", user_id="ana", range=whole)
        found = ask(store, "visits", user_id="ana", range=whole)
        assert [one.events for one in found.visits] == events
        assert timeline.total_sessions == found.total == len(events)


def test_a_list_of_sessions_is_about_one_person_at_most(store: Store) -> None:
    store.replace(THREE)

    with pytest.raises(InvalidQuery, match="one person or account") as wrong:
        ask(store, "visits", user_id="ana", account="acme")
    assert wrong.value.path == "account"


def test_what_is_of_no_session_has_no_list_of_them(store: Store) -> None:
    store.replace(THREE)

    with pytest.raises(InvalidQuery, match="of people; it has no list of sessions") as wrong:
        ask(store, "visits", behind=behind("sessions", {"split_midnight": True}))
    assert wrong.value.hint == "Ask people instead."
    with pytest.raises(InvalidQuery, match="of sessions; it has no list of people") as other:
        ask(store, "people", behind=behind("frequency", {"per": "session"}))
    assert other.value.hint == "Ask visits instead."
    walks = behind("paths", {"count": "occurrences"}, {"step": 0, "name": "open"})
    with pytest.raises(InvalidQuery, match="counts walks, not sessions"):
        ask(store, "visits", behind=walks)


# The oracle.

WHOSE = st.sampled_from(
    [{}, {}, {"user_id": "ana"}, {"anonymous_id": "phone"}, {"account": "acme"}]
)


def is_theirs(use: Use, whose: dict[str, str], owner: dict[str, str]) -> bool:
    who = person(use, owner)
    for kind, name in whose.items():
        if kind == "account":
            return use.account == name
        if kind == "user_id":
            return who == f"user {name}"
        return who in {f"anonymous {name}", f"user {owner.get(name)}"}
    return True


def first(visit: Visit, name: str) -> Any:
    return next((value for use in visit.events if (value := getattr(use, name)) is not None), None)


def told(visit: Visit, rule: str) -> tuple[Any, ...]:
    return (
        rfc3339(visit.start), rfc3339(visit.events[-1].time), visit.length, len(visit.events),
        len(visit.views), visit.is_bounce(rule), visit.entry.path, visit.exit.path,
        visit.entry.utm_source, visit.entry.country, first(visit, "user"), first(visit, "anonymous"),
        first(visit, "account"), visit.who is None,
    )  # fmt: skip


def row(one: Any) -> tuple[Any, ...]:
    return (
        one.start, one.end, one.seconds * MICROSECONDS, one.events, one.views, one.bounced,
        one.entry_page, one.exit_page, one.utm_source, one.country, one.user_id, one.anonymous_id,
        one.account, one.person is None,
    )  # fmt: skip


@settings(max_examples=300)
@given(
    VISITED, st.none() | CONDITIONS, st.none() | CONDITIONS, st.none() | CONDITIONS, WHOSE,
    st.sampled_from(RULES), st.none() | st.booleans(), st.booleans(),
    st.tuples(st.integers(0, 5), st.integers(6, 12)), st.sampled_from([2, 50, 50]),
)  # fmt: skip
def test_the_list_is_the_sessions_the_oracle_finds(
    store: Store, history: Any, chosen: Any, entry: Any, ending: Any, whose: Any,
    rule: str, bounced: bool | None, bots: bool, cut: tuple[int, int], limit: int,
) -> None:  # fmt: skip
    store.replace(history)
    since, until = (SINCE + day * DAY for day in cut)
    asked = {"range": {"since": rfc3339(since), "until": rfc3339(until)}, "filter": chosen, "include_bots": bots}  # fmt: skip

    found = pages(
        store, **asked, **whose, entry=entry, exit=ending, bounce=rule, bounced=bounced, limit=limit
    )

    owner = owners(history)
    names = {
        use.session
        for use in uses(history)
        if since <= use.time < until
        and (bots or not use.is_bot)
        and satisfies(use, chosen)
        and is_theirs(use, whose, owner)
    }
    expected = {
        visit.events[0].session: visit
        for visit in visits_of(history, *EVER, include_bots=bots)
        if visit.events[0].session in names
        and satisfies(visit.entry, entry)
        and satisfies(visit.exit, ending)
        and bounced in {None, visit.is_bounce(rule)}
    }
    assert {one.session: row(one) for one in found} == {
        name: told(visit, rule) for name, visit in expected.items()
    }
    assert [one.start for one in found] == sorted((one.start for one in found), reverse=True)


class Numbers:
    """Numbers of sessions that each have so many sessions behind them; one of them is listed too."""

    def __init__(self, store: Store, listed: int) -> None:
        self._store = store
        self._listed = listed
        self._held = 0

    def hold(self, insight: str, question: Any, place: Any, number: int) -> None:
        asked = {"range": DAYS, **question}
        assert keys_behind(self._store, insight, asked, place, "session") == number
        if self._held == self._listed:
            assert len(pages(self._store, behind=behind(insight, question, place))) == number
        self._held += 1


LISTED = st.integers(0, 20)


@settings(max_examples=100)
@given(VISITED, st.none() | CONDITIONS, st.booleans(), LISTED, st.integers(0, 11))
def test_every_number_of_sessions_opens_to_as_many(
    store: Store, history: Any, chosen: Any, bots: bool, listed: int, bucket: int
) -> None:
    store.replace(history)
    numbers = Numbers(store, listed)
    common = {"filter": chosen, "include_bots": bots}

    answer = ask(store, "sessions", range=DAYS, **common, breakdown=["utm_source"], top=1)
    shown = [one.breakdown for one in answer.groups if not one.is_other]
    for group in answer.groups:
        values = {"other_than": shown} if group.is_other else {"values": group.breakdown}
        place = {"bucket": bucket, "group": {"by": ["utm_source"], **values}}
        numbers.hold("sessions", common, place, group.buckets[bucket].sessions)

    asked = {**common, "series": [{"measure": "sessions"}], "breakdown": ["path"], "top": 1}
    trend = ask(store, "trends", range=DAYS, **asked)
    tops = [line.breakdown for line in trend.lines if not line.is_other]
    for line in trend.lines:
        values = {"other_than": tops} if line.is_other else {"values": line.breakdown}
        group_of = {"by": ["path"], **values}
        numbers.hold("trends", asked, {"series": "A", "group": group_of}, line.total)
        place = {"series": "A", "bucket": bucket, "group": group_of}
        numbers.hold("trends", asked, place, line.values[bucket])


@settings(max_examples=60)
@given(VISITED, st.none() | CONDITIONS, st.booleans(), LISTED)
def test_every_visit_of_the_web_page_and_of_a_segment_is_listed(
    store: Store, history: Any, chosen: Any, bots: bool, listed: int
) -> None:
    store.replace(history)
    numbers = Numbers(store, listed)
    common = {"filter": chosen, "include_bots": bots}

    web = {**common, "goals": ["buy"], "tables": ["utm_sources", "exit_pages", "pages", "goals"]}
    site = ask(store, "web", range=DAYS, **web)
    numbers.hold("web", web, {}, site.numbers.visits)
    for name, rows in site.tables.items():
        for one in rows:
            place = {"table": name, "value": one.value}
            numbers.hold("web", web, place, one.numbers.visits)
    for name, pages_or_goals in (("pages", site.pages), ("goals", site.goals)):
        for one in pages_or_goals:
            numbers.hold("web", web, {"table": name, "value": one.value}, one.visits)

    asked = {**common, "segments": [{"filter": {"op": "equals", "field": "path", "value": "/a"}}]}
    asked["series"] = [{"measure": "sessions"}]
    (measure,) = ask(store, "segments", range=DAYS, **asked).measures
    place = {"segment": 0, "series": "A"}
    numbers.hold("segments", asked, place, measure.values[0].value)


@settings(max_examples=60)
@given(VISITED, st.none() | CONDITIONS, st.booleans(), LISTED)
def test_every_session_of_a_funnel_a_path_and_a_frequency_is_listed(
    store: Store, history: Any, chosen: Any, bots: bool, listed: int
) -> None:
    store.replace(history)
    numbers = Numbers(store, listed)
    common = {"filter": chosen, "include_bots": bots}

    asked = {**common, "by": "session", "steps": [{"event": "open"}, {"event": "buy"}]}
    funnel = ask(store, "funnels", range=DAYS, **asked).total
    for number, step in enumerate(funnel.steps, start=1):
        place = {"step": number, "outcome": "reached", "entries": "all"}
        numbers.hold("funnels", asked, place, step.units)

    walked = {**common, "unit": "session", "depth": 2, "top": 1}
    for number, column in enumerate(ask(store, "paths", range=DAYS, **walked).steps):
        for node in column.nodes:
            place = {"step": number, "kind": node.kind, "name": node.name}
            numbers.hold("paths", walked, place, node.count)

    often = {**common, "per": "session", "bounds": [1, 2], "step": {"event": "open"}}
    for one in ask(store, "frequency", range=DAYS, **often).rows:
        numbers.hold("frequency", often, {"low": one.low}, one.units.count)

    spread = {**common, "per": "session", "bounds": [1, 3]}
    for one in ask(store, "distribution", range=DAYS, **spread).rows:
        place = {"low": one.low, "high": one.high}
        numbers.hold("distribution", spread, place, one.units.count)
