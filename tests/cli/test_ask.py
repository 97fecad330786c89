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


def test_the_field_of_features_may_be_a_custom_property_by_its_bare_name() -> None:
    assert parsed_question(["features", "--by", "plan"])[1] == {"by": "properties.plan"}
    assert parsed_question(["features", "--by", "event"])[1] == {"by": "event"}


def test_events_that_a_question_lists_or_is_about_have_flags_of_their_names() -> None:
    assert parsed_question(["lifecycle", "--event", "a", "--event", "b"])[1] == {
        "step": {"event": ["a", "b"]}
    }
    assert parsed_question(["web", "--goal", "a", "--goal", "b"])[1] == {"goals": ["a", "b"]}
    assert parsed_question(["features", "--feature", "a"])[1] == {"features": ["a"]}
    assert parsed_question(["sessions", "--key-event", "a"])[1] == {"key_events": ["a"]}


def test_two_ranges_at_once_are_refused() -> None:
    with pytest.raises(InvalidQuery, match="Give either"):
        parsed_question(["trends", "--last", "7d", "--since", "2026-11-01"])


@pytest.mark.parametrize("name", sorted(discover("tallymark.insights", Insight)))
def test_every_insight_can_be_asked_with_flags_alone(name: str) -> None:
    insight = discover("tallymark.insights", Insight)[name]
    fields = insight.question.__struct_fields__
    chosen = ["--event", "signup"] if "series" in fields else []
    if "steps" in fields:
        chosen = ["--step", "signup", "--step", "purchase where plan = pro"]
    if "of" in {one.name for one in msgspec.structs.fields(insight.question) if one.required}:
        chosen = ["--of", "person.plan"]

    _, question = parsed_question([name, "--last", "7d", *chosen, "--filter", "plan = pro"])

    encoded = msgspec.json.Encoder(decimal_format="number").encode(question)
    assert isinstance(msgspec.json.decode(encoded, type=insight.question), insight.question)


def test_steps_and_what_lies_between_them_are_written_in_order() -> None:
    _, question = parsed_question(
        ["funnels", "--step", "signup", "--optional-step", "invite or 'invite all'", "--step",
         "purchase where plan = pro and n > 2", "--exclude", "refund between 1 and 3 where n = 1",
         "--exclude", "any event before 3", "--hold-constant", "country", "--hold-constant", "cart",
         "--window", "14d", "--no-per-value"]
    )  # fmt: skip

    assert question == {
        "steps": [
            {"event": "signup"},
            {"event": ["invite", "invite all"], "optional": True},
            {"event": "purchase", "filter": parse_filter("plan = pro and n > 2")},
        ],
        "exclusions": [
            {"event": "refund", "filter": parse_filter("n = 1"), "after": 1, "before": 3},
            {"before": 3},
        ],
        "hold_constant": ["country", "properties.cart"],
        "window": "14d",
        "per_value": False,
    }


def test_what_is_looked_at_by_default_can_be_left_out() -> None:
    _, question = parsed_question(
        ["correlation", "--step", "a", "--step", "b", "--property", "path", "--property", "plan",
         "--no-events", "--correction", "holm"]
    )  # fmt: skip

    assert question == {
        "steps": [{"event": "a"}, {"event": "b"}],
        "properties": ["path", "properties.plan"],
        "events": False,
        "correction": "holm",
    }


def test_a_step_without_an_event_is_refused_as_any_other_question() -> None:
    with pytest.raises(InvalidQuery, match="the name of an event is missing"):
        parsed_question(["funnels", "--step", "where plan = pro"])


def test_a_number_or_property_may_be_written_by_its_bare_name() -> None:
    spread = [
        "distribution",
        "--measure",
        "sum",
        "--of",
        "revenue",
        "--width",
        "2.5",
        "--step",
        "buy",
    ]

    assert parsed_question(spread)[1] == {
        "step": {"event": "buy"}, "measure": "sum", "of": "revenue", "width": 2.5,
    }  # fmt: skip
    assert parsed_question(["property_lifecycle", "--of", "plan"])[1] == {"of": "properties.plan"}
    assert parsed_question(["property_lifecycle", "--of", "person.plan"])[1] == {"of": "person.plan"}  # fmt: skip
    assert parsed_question(["distribution", "--bounds", "[0, 10]"])[1] == {"bounds": [0, 10]}
