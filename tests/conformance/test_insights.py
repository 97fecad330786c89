"""What every insight must do; a new one is found by its registry, and has to pass all of it."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.conformance.insight_world import (
    COHORTS,
    answered,
    as_of,
    by_field,
    by_ids,
    core,
    counted,
    define,
    everything,
    histories,
    marked,
    questions,
    told,
)
from tests.insights.asking import Store
from tests.strategies import NOW, Use

from tallymark.core.clock import DAY
from tallymark.insights.insight import Insight

ALL = pytest.mark.parametrize("insight", everything().values(), ids=everything())
# Few of them, because there are many insights; the tests of each have hundreds.
few = settings(
    max_examples=2, deadline=None, suppress_health_check=[*HealthCheck], phases=[Phase.generate]
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("insights"))
    yield made
    made.engine.close()


def fits(insight: Insight, data: Any) -> bool:
    """Return whether data is what the description of the insight says, and its table is one."""
    table = insight.table(data)
    assert all(len(row) == len(table.columns) for row in table.rows)
    sent = msgspec.json.encode(data)
    return bool(msgspec.json.encode(msgspec.json.decode(sent, type=insight.data)) == sent)


@ALL
def test_an_empty_store_gives_an_answer_and_some_events_another(
    store: Store, insight: Insight
) -> None:
    store.replace([])
    empty = [answered(store, insight, question) for question in questions(insight)]
    assert all(fits(insight, one) for one in empty)

    # So what the other tests of this file ask about is something.
    store.replace(core(insight))
    some = answered(store, insight, dict(insight.example))
    assert replace(some, warnings=[]) != replace(empty[0], warnings=[])


@ALL
def test_what_one_person_did_is_answered_and_is_all_there_is(
    store: Store, insight: Insight
) -> None:
    store.replace([replace(one, user="ana") for one in core(insight) if isinstance(one, Use)])
    example = dict(insight.example)
    only = {**example, "filter": {"op": "equals", "field": "user_id", "value": "ana"}}

    assert fits(insight, answered(store, insight, example))
    assert counted(store, insight, only) == counted(store, insight, example)


@ALL
@few
@given(st.data())
def test_asked_as_of_a_position_what_came_later_is_as_if_it_had_not_come(
    store: Store, insight: Insight, data: Any
) -> None:
    history = data.draw(histories(insight))
    position = data.draw(st.integers(len(core(insight)) // 2, len(history) - 1))
    question = data.draw(st.sampled_from(questions(insight)))
    store.replace(history[:position])
    then = told(store, insight, question)

    as_of(store, history, position)

    assert told(store, insight, question) == then


@ALL
@few
@given(st.data(), COHORTS)
def test_a_cohort_filters_as_the_ids_of_its_members_do(
    store: Store, insight: Insight, data: Any, cohort: Any
) -> None:
    history = data.draw(histories(insight))
    store.replace(history)
    define(store, cohorts={"some": cohort})
    example = dict(insight.example)

    by_name = {**example, "filter": {"op": "in_cohort", "cohort": "some"}}
    listed = {**example, "filter": by_ids(history, cohort)}

    assert counted(store, insight, by_name) == counted(store, insight, listed)


GROUPED = {name: one for name, one in everything().items() if by_field(one, "event")}


@pytest.mark.parametrize("insight", GROUPED.values(), ids=GROUPED)
@few
@given(st.data(), COHORTS)
def test_a_cohort_breaks_down_as_a_property_that_says_who_is_in_it(
    store: Store, insight: Insight, data: Any, cohort: Any
) -> None:
    store.replace(marked(data.draw(histories(insight)), cohort, "in_some"))
    define(store, cohorts={"some": cohort})

    def parted(name: str) -> str:
        asked = {**insight.example, **by_field(insight, name)}
        return json.dumps(counted(store, insight, asked)).replace(name, "it")

    assert parted("cohort.some") == parted("properties.in_some")


@ALL
@few
@given(st.data())
def test_robots_are_in_no_number(store: Store, insight: Insight, data: Any) -> None:
    history = data.draw(histories(insight))
    question = data.draw(st.sampled_from(questions(insight)))
    store.replace(history)
    without = counted(store, insight, question)

    crawled = [
        replace(one, is_bot=True, anonymous=None, user=who, time=at)
        for one, who, at in zip(
            [one for one in reversed(history) if isinstance(one, Use)],
            ["ana", "bo", None, "crawler"] * len(history),
            range(NOW - 5 * DAY, NOW, 3 * 3_600_000_000),
            strict=False,
        )
    ]
    store.replace([*history, *crawled])

    assert counted(store, insight, question) == without
