from decimal import Decimal
from typing import Any

import pytest

from tallymark.cli.render_funnel import bar, funnel_lines, length, percent

NO_TIMES: dict[str, Any] = {"count": 0, "median": None, "mean": None, "p90": None}


def step(number: int, label: str, count: int, before: int, **given: Any) -> dict[str, Any]:
    share = Decimal(count) / before if before else None
    return {
        "step": number, "label": label, "is_optional": False, "count": count, "dropped": before - count,
        "of_first": share, "of_previous": share, "from_previous": NO_TIMES, **given,
    }  # fmt: skip


def funnel(*steps: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {
        "breakdown": None, "is_other": False, "entered": steps[0]["count"],
        "complete_entered": steps[0]["count"], "steps": list(steps), "time_to_convert": NO_TIMES,
        "histogram": [], "over_time": None, **given,
    }  # fmt: skip


def data(total: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {
        "total": total, "groups": [], "breakdown": [], "buckets": None, "removed": 0,
        "rules": {"by": "person", "count": "uniques", "attempt": "any"}, **given,
    }  # fmt: skip


def test_a_funnel_is_a_bar_a_step_with_counts_shares_and_times() -> None:
    taken = {"count": 2, "median": 7_500, "mean": 7_500, "p90": 9_000}
    total = funnel(
        step(1, "signup", 4, 4),
        step(2, "buy", 2, 4, from_previous=taken),
        time_to_convert=taken,
        histogram=[
            {"low": 0, "high": 7_200, "count": 1},
            {"low": 7_200, "high": 14_400, "count": 1},
        ],
    )

    assert funnel_lines(data(total)) == [
        "step                              people  of first  of previous  dropped  median",
        "──────  ────────────────────────  ──────  ────────  ───────────  ───────  ─────────",
        "signup  ████████████████████████       4  100.0 %                      –",
        "buy     ████████████                   2  50.0 %    50.0 %             2  2 h 5 min",
        "",
        "Any try counts: a later one may convert where the first did not (attempt = any).",
        "Converted within: median 2 h 5 min, mean 2 h 5 min, 90 % in 2 h 30 min",
        "0 s ██ 4 h",
    ]


def test_it_says_which_attempt_counts() -> None:
    rules = {"by": "person", "count": "uniques", "attempt": "first"}

    lines = funnel_lines(data(funnel(step(1, "a", 1, 1)), rules=rules))

    assert "Only the first try counts, whatever comes later (attempt = first)." in lines


def test_shares_of_nobody_whose_window_is_over_are_marked() -> None:
    total = funnel(step(1, "a", 4, 4), step(2, "b", 1, 4, of_first=None), complete_entered=0)

    lines = funnel_lines(data(total))

    assert "25.0 % *" in lines[3]
    assert "* so far: none of these had their whole window yet" in lines


def test_groups_and_their_course_stand_under_the_whole() -> None:
    cells = [{"rate": Decimal("0.5")}, {"rate": None}, {"rate": 1}]
    total = funnel(step(1, "a", 4, 4), step(2, "b", 1, 4, is_optional=True), over_time=cells)
    none, other = ({**total, "breakdown": one, "is_other": one is None} for one in ([None], None))

    lines = funnel_lines(
        data(total, groups=[none, other], breakdown=["plan"], buckets=[{}] * 3, removed=7)
    )

    assert [line.split()[0] for line in lines[2:8]] == [
        "all",
        "all",
        "(none)",
        "(none)",
        "Other",
        "Other",
    ]
    assert "b (optional)" in lines[3]
    assert any("▄ █" in line and "50.0 %  100.0 %" in line for line in lines)
    assert lines[-1] == "7 people did what is excluded and are in no step."


@pytest.mark.parametrize(
    ("part", "whole", "drawn"), [(0, 9, ""), (1, 9_999, "▏"), (1, 2, "██"), (9, 9, "████"), (3, 0, "")]
)  # fmt: skip
def test_a_bar_shows_anything_above_zero(part: int, whole: int, drawn: str) -> None:
    assert bar(part, whole, 4) == drawn


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0 s"), (Decimal("0.25"), "0.25 s"), (61, "1 min 1 s"), (3_600, "1 h"),
     (90_000, "1 d 1 h"), (86_460, "1 d")],
)  # fmt: skip
def test_a_length_is_told_in_its_two_largest_units(seconds: Any, text: str) -> None:
    assert length(seconds) == text


def test_a_share_is_a_percentage() -> None:
    assert [percent(one) for one in (None, 0, 1, Decimal("0.333333333"))] == [
        "–", "0.0 %", "100.0 %", "33.3 %",
    ]  # fmt: skip
