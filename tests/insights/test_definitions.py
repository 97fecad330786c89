"""Names that a project defines mean the same wherever a question uses them."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.insights.asking import Store, ask
from tests.insights.test_cohorts import DAYS, define
from tests.strategies import NOW, Use

from tallymark.app.answering import insights
from tallymark.core.errors import InvalidQuery
from tallymark.insights.definition_changes import changes_of, dependents
from tallymark.insights.definition_check import flaws
from tallymark.insights.definitions import Definitions, decode_definitions, encode_definitions
from tallymark.insights.references import used

HISTORY = [
    Use(name="buy", user="ana", path="/a", revenue=Decimal(10)),
    Use(name="buy", user="bo", path="/b", revenue=Decimal(5), account="acme"),
    Use(name="open", user="bo", path="/a"),
    Use(name="open", user="cy", path="/a"),
]
ACTIVE = {
    "events": [
        {"event": "buy"},
        {"event": "open", "filter": {"op": "equals", "field": "account", "value": "acme"}},
        {"event": "open", "filter": {"op": "equals", "field": "user_id", "value": "cy"}},
    ]
}


def made(**kinds: Any) -> Definitions:
    return decode_definitions(msgspec.json.encode(kinds))


def total(store: Store, **series: Any) -> Any:
    return ask(store, "trends", range=DAYS, series=[series]).lines[0].total


def test_a_virtual_event_is_several_events_each_with_its_filter(store: Store) -> None:
    store.replace(HISTORY)
    define(store, events={"active": ACTIVE})

    assert total(store, event="active") == 3
    assert total(store, event="active", measure="unique_people") == 3
    assert total(store, event="active", filter={"op": "equals", "field": "path", "value": "/a"}) == 2  # fmt: skip
    assert total(store, event=["active", "open"]) == 4
    data = ask(store, "trends", range=DAYS, series=[{"event": "active"}])
    assert (data.lines[0].label, data.warnings) == ("count: active", [])
    people = ask(store, "people", range=DAYS, series={"event": "active"})
    assert sorted(one.user_ids[0] for one in people.people) == ["ana", "bo", "cy"]
    assert ask(store, "events", range=DAYS, series={"event": "active"}).total == 3


def test_a_virtual_event_may_have_the_name_of_one_that_is_sent(store: Store) -> None:
    store.replace(HISTORY)
    define(store, events={"open": {"events": [{"event": "open", "filter": {"op": "equals", "field": "user_id", "value": "cy"}}]}})  # fmt: skip

    assert total(store, event="open") == 1


def test_an_event_in_a_virtual_one_that_never_came_is_told(store: Store) -> None:
    store.replace(HISTORY)
    define(store, events={"all": {"events": [{"event": "buy"}, {"event": "by"}]}})

    data = ask(store, "trends", range=DAYS, series=[{"event": "all"}])

    assert data.lines[0].total == 2
    assert data.warnings == ["No event is named 'by'. Did you mean 'buy'?"]


def test_a_filter_of_a_virtual_event_may_ask_for_a_cohort(store: Store) -> None:
    store.replace(HISTORY)
    define(
        store,
        cohorts={"buyers": {"who": {"op": "did", "event": "buy"}}},
        events={"reading": {"events": [{"event": "open", "filter": {"op": "in_cohort", "cohort": "buyers"}}]}},
        properties={"is_buyer": {"type": "truth", "value": "cohort.buyers"}},
    )  # fmt: skip

    assert total(store, event="reading") == 1
    data = ask(store, "trends", range=DAYS, breakdown=["computed.is_buyer"])
    assert {line.breakdown[0]: line.total for line in data.lines} == {True: 3, False: 1}


def test_a_metric_is_its_series_or_its_formula(store: Store) -> None:
    store.replace(HISTORY)
    define(
        store,
        metrics={
            "revenue": {"series": [{"measure": "sum", "of": "revenue"}]},
            "arpu": {"series": [{"measure": "sum", "of": "revenue"}, {"measure": "unique_people"}], "formula": "A / B"},
        },
    )  # fmt: skip

    alone = ask(store, "trends", range=DAYS, metrics=["revenue"])
    both = ask(store, "trends", range=DAYS, series=[{"event": "open"}], metrics=["arpu", "revenue"])  # fmt: skip

    assert [(line.label, line.total) for line in alone.lines] == [("revenue", 15)]
    assert [line.total for line in both.lines] == [2, 15, 3, 15, 5]
    assert both.lines[-1].label == "arpu"
    behind = {"insight": "trends", "question": {"range": DAYS, "metrics": ["arpu"]}, "place": {"series": "B"}}  # fmt: skip
    assert ask(store, "people", behind=behind).total == 3
    with pytest.raises(InvalidQuery, match="no metric 'arpo'"):
        ask(store, "trends", range=DAYS, metrics=["arpo"])


DEFINED = made(
    events={"active": ACTIVE},
    properties={
        "tier": {"type": "text", "value": 'if(revenue > 5, "big", "small")'},
        "label": {"type": "text", "value": "upper(computed.tier)"},
    },
    cohorts={
        "fans": {"who": {"op": "did", "event": "active", "at_least": 2}},
        "rest": {"who": {"op": "not", "member": {"op": "in_cohort", "cohort": "fans"}}},
    },
    metrics={"actives": {"series": [{"event": "active", "measure": "unique_people"}]}},
    questions={
        "weekly": {"insight": "trends", "question": {"metrics": ["actives"], "range": "7d"}},
        "rest": {"insight": "people", "question": {"filter": {"op": "in_cohort", "cohort": "rest"}}},
        "plain": {"insight": "trends", "question": {"breakdown": ["path"]}},
    },
)  # fmt: skip


def test_everything_that_a_question_names_is_found_through_others() -> None:
    assert list(used(DEFINED.questions["weekly"], DEFINED)) == [("events", "active"), ("metrics", "actives")]  # fmt: skip
    assert list(used(DEFINED.questions["rest"], DEFINED)) == [
        ("cohorts", "fans"), ("cohorts", "rest"), ("events", "active")
    ]  # fmt: skip
    assert list(used({"breakdown": ["computed.label"]}, DEFINED)) == [("properties", "label"), ("properties", "tier")]  # fmt: skip
    assert not used(DEFINED.questions["plain"], DEFINED)


def test_definitions_read_back_as_they_were_and_have_no_flaw() -> None:
    assert decode_definitions(encode_definitions(DEFINED)) == DEFINED
    assert flaws(DEFINED, insights(), NOW) == []


def test_a_change_names_what_it_is_about_and_who_depends_on_it() -> None:
    new = msgspec.structs.replace(
        DEFINED,
        events={"active": made(events={"a": {"events": [{"event": "buy"}]}}).events["a"]},
        properties={},
        metrics={**DEFINED.metrics, "n": made(metrics={"n": {"series": [{}]}}).metrics["n"]},
    )

    changes = changes_of(DEFINED, new)
    concerned = dependents(DEFINED, new, changes)

    assert [(one.kind, one.name, one.what) for one in changes] == [
        ("events", "active", "changed"), ("properties", "label", "removed"),
        ("properties", "tier", "removed"), ("metrics", "n", "added"),
    ]  # fmt: skip
    assert [(one.kind, one.name) for one in concerned] == [
        ("metrics", "actives"), ("metrics", "n"), ("questions", "rest"), ("questions", "weekly")
    ]  # fmt: skip
    assert concerned[1].before is None
    assert changes_of(new, new) == []


def test_words_about_a_definition_move_no_number() -> None:
    words = made(events={"active": {**ACTIVE, "description": "who did anything"}}).events
    new = msgspec.structs.replace(DEFINED, events=words)

    changes = changes_of(DEFINED, new)

    assert [one.keys for one in changes] == [["description"]]
    assert dependents(DEFINED, new, changes) == []


@pytest.mark.parametrize(
    ("kinds", "key", "says"),
    [
        ({"properties": {"a": {"type": "number", "value": "path"}}}, "value", "path is a text"),
        ({"properties": {"a": {"type": "number", "value": "computed.b"}, "b": {"type": "number", "value": "computed.a"}}}, "value", "a → b → a"),
        ({"cohorts": {"a": {"who": {"op": "in_cohort", "cohort": "a"}}}}, "who", "a → a"),
        ({"cohorts": {"a": {"who": {"op": "behind", "insight": "trends", "question": {"breakdown": ["cohort.a"]}}}}}, "who", "a → a"),
        ({"cohorts": {"a": {"who": {"op": "in_cohort", "cohort": {"who": {"op": "in_cohort", "cohort": "a"}}}}}}, "who", "a → a"),
        ({"cohorts": {"a": {"who": {"op": "in_cohort", "cohort": "b"}}}}, "cohort", "no cohort 'b'"),
        ({"cohorts": {"a": {"who": {"op": "has", "filter": {"op": "gt", "field": "path", "value": 3}}}}}, "filter.value", "path is not"),
        ({"cohorts": {"a b": {"who": {"op": "did"}}}}, "name", "cannot name a cohort"),
        ({"events": {"a": {"events": [{"event": "b", "filter": {"op": "exists", "field": "pth"}}]}}}, "field", "no field 'pth'"),
        ({"metrics": {"a": {"series": [{}, {}]}}}, "formula", "need a formula"),
        ({"metrics": {"a": {"series": [{}], "formula": "A / B"}}}, "formula", "'B'"),
        ({"metrics": {"a": {"series": [{"measure": "sum"}]}}}, "series[0].of", "needs a number"),
        ({"questions": {"a": {"insight": "trend"}}}, "insight", "no insight named 'trend'"),
        ({"questions": {"a": {"insight": "trends", "question": {"tp": 3}}}}, "question", "unknown field `tp`"),
        ({"questions": {"a": {"insight": "trends", "question": {"metrics": ["b"]}}}}, "question.metrics", "no metric 'b'"),
        ({"questions": {"a": {"insight": "trends", "question": {"breakdown": ["cohort.b"]}}}}, "question.breakdown", "no cohort 'b'"),
    ],
)  # fmt: skip
def test_a_flaw_names_the_definition_the_key_and_what_is_wrong(
    kinds: Any, key: str, says: str
) -> None:
    (*_, flaw) = flaws(made(**kinds), insights(), NOW)

    assert (flaw.name[0], flaw.key) == (next(iter(kinds[flaw.kind]))[0], key) or flaw.name == "b"
    assert says.replace("a → b → a", "→") in flaw.what


def test_a_page_does_not_go_on_with_other_definitions(store: Store) -> None:
    store.replace(HISTORY)
    define(store, events={"active": ACTIVE})
    asked = {"range": DAYS, "series": {"event": "active"}, "limit": 1}
    first = ask(store, "people", **asked)

    assert ask(store, "people", **asked, cursor=first.cursor).total == 3
    define(store, events={"active": {"events": [{"event": "buy"}]}})
    with pytest.raises(InvalidQuery, match="cursor is not one of this question"):
        ask(store, "people", **asked, cursor=first.cursor)


def test_the_same_question_is_another_one_with_other_definitions(store: Store) -> None:
    from tallymark.app.answering import definition_of  # noqa: PLC0415

    insight = insights()["trends"]
    question = msgspec.convert({"series": [{"event": "active"}]}, insight.question)
    other = msgspec.structs.replace(DEFINED, cohorts={}, questions={})
    changed = msgspec.structs.replace(DEFINED, events={})

    digest = definition_of(insight, question, DEFINED)

    assert digest == definition_of(insight, question, other)
    assert digest != definition_of(insight, question, changed)
    assert definition_of(insight, question, None) == definition_of(insight, question, changed)
