"""Every insight says what its numbers mean, with an example that is asked of a store."""

from collections.abc import Iterator

import pytest
from msgspec import structs
from tests.docs import worked
from tests.insights.asking import Store

from tallymark.insights.insight import Insight

INSIGHTS = worked.insights()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("examples"))
    yield made
    made.engine.close()


@pytest.mark.parametrize("insight", INSIGHTS.values(), ids=INSIGHTS)
def test_the_page_of_an_insight_has_an_example_whose_numbers_are_those_of_a_store(
    store: Store, insight: Insight
) -> None:
    found = worked.examples(insight)

    assert found
    for example in found:
        assert example.history
        assert sum(len(one.expected) for one in example.asked) >= 3
        assert all(one.expected for one in example.asked)
        assert worked.wrong(store, insight.name, example) == []


@pytest.mark.parametrize("insight", INSIGHTS.values(), ids=INSIGHTS)
def test_an_insight_names_the_tools_from_which_it_differs(insight: Insight) -> None:
    tools = ("Mixpanel", "Amplitude", "PostHog", "GA4", "Matomo", "Plausible", "Umami", "Countly")

    assert any(tool in insight.rules for tool in tools)


def test_a_number_that_a_page_tells_wrongly_is_noticed(store: Store) -> None:
    page = "<!-- checked -->\n```text\n2026-11-02 09:00 ana,u1..u2 open x2\nask {}\ntotal = 6\ntotal = 5\n```"
    insight = worked.insights()["events"]
    (example,) = worked.examples(structs.replace(insight, rules=page))

    assert worked.wrong(store, "events", example) == ["total is 6, and not 5"]
