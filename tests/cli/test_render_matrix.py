from decimal import Decimal
from typing import Any

from tallymark.cli.render_matrix import matrix_lines


def cell(returned: int | None, people: int, *, is_complete: bool = True) -> dict[str, Any]:
    rate = None if returned is None or not people else Decimal(returned) / people
    return {
        "people": people, "returned": returned, "rate": rate, "interval": None,
        "value": None if returned is None else Decimal(returned) * 1000, "is_complete": is_complete,
    }  # fmt: skip


def answer(**changed: Any) -> dict[str, Any]:
    return {
        "start": "signup", "returning": "open", "interval": "day", "criterion": "on",
        "measure": "people", "breakdown": [], "clock": "calendar", "timezone": "Europe/Berlin",
        "buckets": [{"label": "day 0"}, {"label": "day 1"}],
        "groups": [{
            "breakdown": None, "is_other": False, "people": 1200,
            "overall": [cell(300, 1200), cell(None, 0, is_complete=False)],
            "cohorts": [
                {"label": "2025-10-24", "people": 1200, "cells": [cell(300, 1200), cell(7, 1200, is_complete=False)]},
                {"label": "2025-10-25", "people": 0, "cells": [cell(0, 0), cell(None, 0, is_complete=False)]},
            ],
        }],
        **changed,
    }  # fmt: skip


def test_a_matrix_marks_what_is_not_over_and_leaves_blank_what_has_not_begun() -> None:
    assert matrix_lines(answer()) == [
        "signup → open, on the day, days of the calendar of Europe/Berlin",
        "",
        "cohort      people  day 0   day 1",
        "──────────  ──────  ──────  ───────",
        "all         1,200   25.0 %  –",
        "2025-10-24  1,200   25.0 %  0.6 % *",
        "2025-10-25  0       –",
        "* not over yet, and not in the row of all",
    ]


def test_what_people_are_worth_is_shown_as_numbers() -> None:
    lines = matrix_lines(answer(measure="sum", criterion="on_or_before"))

    assert (
        lines[0]
        == "signup → open, on or before the day, days of the calendar of Europe/Berlin: sum"
    )
    assert lines[5].split() == ["2025-10-24", "1,200", "300,000.00", "7,000.00", "*"]


def test_the_clock_is_told() -> None:
    rolling = matrix_lines(answer(clock="rolling", interval="week"))
    rounded = matrix_lines(answer(clock="rounded"))

    assert rolling[0] == "signup → open, on the week, 7 d at a time from each start"
    assert rounded[0] == "signup → open, on the day, 24 h at a time from each start, rounded down"


def test_every_row_of_a_breakdown_names_its_group() -> None:
    group = answer()["groups"][0]
    groups = [{**group, "breakdown": [None]}, {**group, "is_other": True}]

    lines = matrix_lines(answer(breakdown=["plan"], groups=groups))

    assert [line.split()[1] for line in lines[4:10]] == ["(none)"] * 3 + ["Other"] * 3
