"""Every insight says what its numbers mean, with an example that a reader can check."""

import re

import pytest
from scripts.reference import registered

from tallymark.insights.insight import Insight

INSIGHTS = registered.insights()


@pytest.mark.parametrize("insight", INSIGHTS.values(), ids=INSIGHTS)
def test_an_insight_has_rules_with_an_example_in_numbers(insight: Insight) -> None:
    assert len(insight.rules) > 500
    assert len(re.findall(r"\d+", insight.rules)) >= 5


@pytest.mark.parametrize("insight", INSIGHTS.values(), ids=INSIGHTS)
def test_an_insight_says_how_other_tools_differ(insight: Insight) -> None:
    tools = ("Mixpanel", "Amplitude", "PostHog", "GA4", "Matomo", "Plausible", "Umami", "Countly")

    assert any(tool in insight.rules for tool in tools)
