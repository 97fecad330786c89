import csv
import io
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.cli.render import aligned, answer_csv, answer_lines, csv_text, shown, sparkline
from tallymark.cli.render_notes import notes
from tallymark.client import Answer
from tallymark.insights.insight import Provenance

SOURCE = Provenance(
    insight="trends", definition="0123456789abcdef", project="shop", log_position=7,
    as_of="7@2026-11-26T00:00:00Z",
    identity_position=0, timezone="Europe/Berlin", timezone_data="2026a", engine="DuckDB 2",
    version="0.1.0", rows_read=3, took_ms=12.6,
)  # fmt: skip
SOURCE_LINE = (
    "trends of shop · as of 7@2026-11-26T00:00:00Z · Europe/Berlin · definition 0123456789ab"
    " · 3 rows read in 13 ms · Tallymark 0.1.0"
)


def test_a_sparkline_goes_from_zero_to_the_largest() -> None:
    assert sparkline([0, 5, 10]) == "▁▄█"


def test_a_sparkline_leaves_a_gap_where_nothing_is_known() -> None:
    assert sparkline([None, 1, None, 2]) == " ▄ █"


def test_a_sparkline_of_equal_values_above_zero_is_full_and_of_zeros_empty() -> None:
    assert sparkline([3, 3]) == "██"
    assert sparkline([0, 0]) == "▁▁"


def test_a_sparkline_starts_below_zero_where_values_do() -> None:
    assert sparkline([-10, 0, Decimal(-5)]) == "▁█▄"


def test_a_sparkline_averages_neighbours_where_there_are_too_many() -> None:
    assert sparkline([0, 0, 10, 10], width=2) == "▁█"


@given(st.lists(st.none() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=3), max_size=200))  # fmt: skip
def test_a_sparkline_has_one_bar_a_value_up_to_its_width(values: list[Any]) -> None:
    line = sparkline(values, width=50)

    assert len(line) == min(len(values), 50)
    assert set(line) <= set(" ▁▂▃▄▅▆▇█")


def test_numbers_stand_to_the_right_and_are_grouped() -> None:
    assert aligned(("page", "reads"), [("/", 12_345), ("/docs", None)]) == [
        "page    reads",
        "─────  ──────",
        "/      12,345",
        "/docs       –",
    ]


def test_wide_letters_keep_the_columns_aligned() -> None:
    lines = aligned(("name", "n"), [("日本", 1), ("ab", 2)])

    assert lines[2:] == ["日本  1", "ab    2"]


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert shown("\x1b[31mred\u202e") == "\\x1b[31mred\\u202e"
    assert shown("a\nb") == "a\\x0ab"


def test_decimals_are_shown_exactly() -> None:
    assert shown(Decimal("1234567.10")) == "1,234,567.10"
    assert shown(Decimal("0.000000001")) == "0.000000001"


def test_cells_that_a_spreadsheet_would_calculate_get_an_apostrophe() -> None:
    row = ("=1+1", "+cmd", "-cmd", "@sum", "\tx", "\rx", '"=1', " =1", "＝1")

    cells = _read(csv_text(tuple("abcdefghi"), [row]))[1]

    assert cells == [f"'{cell}" for cell in row]


def test_numbers_stay_numbers_in_csv() -> None:
    row = (-5, Decimal("-5.50"), "-5", "+1.5e3", "plain", None, True)

    cells = _read(csv_text(tuple("abcdefg"), [row]))[1]

    assert cells == ["-5", "-5.50", "-5", "+1.5e3", "plain", "", "true"]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_no_csv_cell_is_ever_a_formula_and_none_is_lost(row: list[str]) -> None:
    columns = tuple(f"c{number}" for number in range(len(row)))

    cells = _read(csv_text(columns, [tuple(row)]))[1]

    for text, cell in zip(row, cells, strict=True):
        assert cell in (text, f"'{text}")
        is_number = re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", text, re.ASCII)
        assert is_number or cell.lstrip("\"' ")[:1] not in set("=+-@\t\r") or cell[0] == "'"


def test_csv_of_a_trend_marks_the_buckets_that_are_not_complete() -> None:
    answer = _trend(breakdown=[], lines=[], rows=[("2026-11-21", 1), ("2026-11-22", 4)])

    assert _read(answer_csv(answer)) == [
        ["day", "count", "is_incomplete"],
        ["2026-11-21", "1", "false"],
        ["2026-11-22", "4", "true"],
    ]


def test_a_trend_shows_its_course_its_total_and_what_is_not_complete() -> None:
    lines = answer_lines(_trend(breakdown=[], lines=[_line([1, 4], 5)], rows=[("2026-11-21", 1), ("2026-11-22", 4)]))  # fmt: skip

    assert lines == [
        "series  by day  total",
        "──────  ──────  ─────",
        "count   ▂█          5",
        "",
        "day           count",
        "────────────  ─────",
        "2026-11-21        1",
        "2026-11-22 *      4",
        "* not complete",
        "",
        SOURCE_LINE,
    ]


def test_groups_of_a_breakdown_are_named_even_where_the_value_is_missing() -> None:
    grouped = [
        _line([1, 1], 2, breakdown=["ads"]),
        _line([0, 1], 1, breakdown=[None]),
        _line([0, 3], 3, is_other=True),
    ]

    lines = answer_lines(_trend(breakdown=["channel"], lines=grouped, rows=[]))

    assert [line.split()[1] for line in lines[2:5]] == ["ads", "(none)", "Other"]


def test_what_a_table_leaves_out_or_cannot_add_up_is_said_once_below() -> None:
    line = {**_line([1, 4], 5, breakdown=["ads"]), "sums_to_total": False}
    answer = _trend(breakdown=["channel"], lines=[line, line], rows=[])
    answer.data["bots"] = "excluded"

    assert answer_lines(answer)[-4:] == [
        "The groups do not add up to all of them: somebody may be in several, and a mean is no sum.",
        "Known robots are left out; --include-bots counts them.",
        "",
        SOURCE_LINE,
    ]
    assert "robots" not in answer_csv(answer)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"sums_to_total": False, "breakdown": ["a"]}, True),
        ({"sums_to_total": False, "breakdown": []}, False),
        ({"sums_to_total": True, "breakdown": ["a"]}, False),
        ({"sums_to_total": {"pages": True, "channels": False}}, True),
        ({"sums_to_total": {"pages": True}}, False),
        ({"breakdown": ["a"], "lines": [{"sums_to_total": True}]}, False),
        ({"breakdown": [], "lines": [{"sums_to_total": False}]}, False),
        ({"bots": "included"}, False),
    ],
)
def test_it_is_said_that_groups_are_no_sum_where_they_are_none(
    data: dict[str, Any], says: bool
) -> None:
    assert len(notes(data)) == says


def _trend(*, breakdown: list[str], lines: list[dict[str, Any]], rows: list[Any]) -> Answer:
    data = {
        "interval": "day",
        "breakdown": breakdown,
        "compared": None,
        "buckets": [
            {"label": "2026-11-21", "is_incomplete": False},
            {"label": "2026-11-22", "is_incomplete": True},
        ],
        "lines": lines,
        "warnings": [],
    }
    return Answer(data, "line", ("day", "count"), rows, {}, SOURCE)


def _line(
    values: list[int], total: int, breakdown: list[Any] | None = None, *, is_other: bool = False
) -> dict[str, Any]:
    return {
        "label": "count",
        "values": values,
        "total": total,
        "breakdown": breakdown,
        "is_other": is_other,
        "compared_total": None,
    }


def _read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))
