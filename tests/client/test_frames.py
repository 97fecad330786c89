from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.client import frames

NUMBERS = (
    st.none()
    | st.integers(-(10**20), 10**20)
    | st.decimals(-(10**20), 10**20, allow_nan=False, allow_infinity=False, places=9)
)


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_numbers_come_back_from_every_frame_as_they_went_in(numbers: list[Any]) -> None:
    rows = [(number,) for number in numbers]

    arrow = frames.to_arrow(("n",), rows, "UTC")["n"].to_pylist()
    pandas = frames.to_pandas(("n",), rows, "UTC")["n"]
    polars = frames.to_polars(("n",), rows, "UTC")["n"].to_list()

    assert arrow == numbers
    assert polars == numbers
    assert [None if gone else value for value, gone in zip(pandas, pandas.isna(), strict=True)] == numbers  # fmt: skip


def test_a_number_too_long_for_a_decimal_column_is_kept_as_text() -> None:
    rows = [(Decimal("1e30"),), (Decimal("0.123456789012"),)]

    assert frames.to_arrow(("n",), rows, "UTC")["n"].to_pylist() == ["1E+30", "0.123456789012"]


@pytest.mark.parametrize(
    ("name", "text", "instant"),
    [
        ("day", "2026-03-29", "2026-03-29T00:00:00+01:00"),
        ("month", "2026-04", "2026-04-01T00:00:00+02:00"),
        ("year", "2026", "2026-01-01T00:00:00+01:00"),
        ("hour", "2026-10-25T02:00+01:00", "2026-10-25T02:00:00+01:00"),
        ("time", "2026-11-22T10:00:00.250000Z", "2026-11-22T11:00:00.25+01:00"),
    ],
)
def test_times_are_aware_and_in_the_zone_of_the_answer(name: str, text: str, instant: str) -> None:
    rows = [(text,), (None,)]

    found = [
        frames.to_arrow((name,), rows, "Europe/Berlin")[name][0].as_py(),
        frames.to_pandas((name,), rows, "Europe/Berlin")[name][0],
        frames.to_polars((name,), rows, "Europe/Berlin")[name][0],
    ]

    assert [one.isoformat().replace(".250000", ".25") for one in found] == [instant] * 3


def test_what_only_looks_like_a_time_stays_text() -> None:
    rows = [("2026-11-22T10:00:00Z",)]

    assert frames.to_arrow(("properties.note",), rows, "UTC")["properties.note"].to_pylist() == [
        "2026-11-22T10:00:00Z"
    ]
    assert frames.to_arrow(("day",), [("Monday",)], "UTC")["day"].to_pylist() == ["Monday"]


def test_lists_and_mixed_columns_become_text() -> None:
    rows = [({"a": [1, Decimal("0.10")]},), (True,), (5,)]

    assert frames.to_polars(("x",), rows, "UTC")["x"].to_list() == ['{"a":[1,0.10]}', "true", "5"]


def test_columns_of_one_name_are_told_apart() -> None:
    rows = [(1, 2, 3)]

    assert frames.to_pandas(("a", "a", "a (2)"), rows, "UTC").columns.tolist() == [
        "a", "a (2)", "a (2) (2)",
    ]  # fmt: skip


def test_a_column_of_numbers_stays_one_where_every_number_is_missing() -> None:
    columns, rows = ("day", "avg ms"), [("2026-11-21", None), ("2026-11-22", None)]

    arrow = frames.to_arrow(columns, rows, "UTC", numbers={"avg ms"})
    pandas = frames.to_pandas(columns, rows, "UTC", numbers={"avg ms"})
    polars = frames.to_polars(columns, rows, "UTC", numbers={"avg ms"})

    assert str(arrow.schema.field("avg ms").type) == "int64"
    assert (str(pandas["avg ms"].dtype), str(polars["avg ms"].dtype)) == ("Int64", "Int64")
    assert polars["avg ms"].to_list() == [None, None]
    assert str(frames.to_arrow(("note",), [(None,)], "UTC").schema.field("note").type) == "string"


def test_an_answer_without_rows_is_an_empty_frame() -> None:
    assert frames.to_arrow(("a",), [], "UTC").num_rows == 0
    assert frames.to_pandas(("a",), [], "UTC").shape == (0, 1)
    assert frames.to_polars(("a",), [], "UTC").shape == (0, 1)
