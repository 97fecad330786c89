from decimal import Decimal

import msgspec
import pytest

from tallymark.cli.ask import parsed_question
from tallymark.cli.conditions import parse_filter
from tallymark.core.errors import InvalidQuery
from tallymark.core.registry import discover
from tallymark.insights.insight import Insight


def test_every_event_and_measure_is_a_line() -> None:
    _, question = parsed_question(
        ["trends", "--event", "signup", "--event", "login", "--measure", "count", "--measure", "p95:duration_ms"]
    )  # fmt: skip

    assert question["series"] == [
        {"measure": "count", "event": "signup"},
        {"measure": "p95", "event": "signup", "of": "properties.duration_ms"},
        {"measure": "count", "event": "login"},
        {"measure": "p95", "event": "login", "of": "properties.duration_ms"},
    ]


def test_the_number_named_once_holds_for_measures_that_need_one() -> None:
    _, question = parsed_question(
        ["trends", "--measure", "count", "--measure", "sum", "--of", "revenue"]
    )

    assert question["series"] == [{"measure": "count"}, {"measure": "sum", "of": "revenue"}]


def test_flags_that_are_not_given_are_left_to_the_insight() -> None:
    assert parsed_question(["trends"]) == ("trends", {"series": [{"measure": "count"}]})


def test_ranges_breakdowns_and_filters_become_the_question() -> None:
    _, question = parsed_question(
        ["trends", "--since", "2026-11-01", "--until", "2026-11-08", "--breakdown", "channel",
         "--breakdown", "plan", "--filter", "n > 1.5", "--filter", "country = DE", "--top", "3",
         "--compare", "previous_year", "--include-bots", "--formula", "A * 2"]
    )  # fmt: skip

    assert question == {
        "range": {"since": "2026-11-01", "until": "2026-11-08"},
        "breakdown": ["channel", "properties.plan"],
        "filter": {
            "op": "and",
            "filters": [
                {"op": "gt", "field": "properties.n", "value": Decimal("1.5")},
                parse_filter("country = DE"),
            ],
        },
        "top": 3,
        "compare": "previous_year",
        "include_bots": True,
        "formulas": ["A * 2"],
        "series": [{"measure": "count"}],
    }


def test_two_ranges_at_once_are_refused() -> None:
    with pytest.raises(InvalidQuery, match="Give either"):
        parsed_question(["trends", "--last", "7d", "--since", "2026-11-01"])


@pytest.mark.parametrize("name", sorted(discover("tallymark.insights", Insight)))
def test_every_insight_can_be_asked_with_flags_alone(name: str) -> None:
    insight = discover("tallymark.insights", Insight)[name]

    event = ["--event", "signup"] if "series" in insight.question.__struct_fields__ else []

    _, question = parsed_question([name, "--last", "7d", *event, "--filter", "plan = pro"])

    encoded = msgspec.json.Encoder(decimal_format="number").encode(question)
    assert isinstance(msgspec.json.decode(encoded, type=insight.question), insight.question)
