"""An answer as Python shows it."""

from typing import Any

from tallymark.client import Answer
from tallymark.insights.insight import Provenance

SOURCE = Provenance(
    insight="trends",
    definition="0" * 32,
    project="default",
    log_position=7,
    identity_position=0,
    as_of="7@2026-11-26T00:00:00Z",
    timezone="UTC",
    timezone_data="2026a",
    engine="duckdb",
    version="0",
    rows_read=2,
    took_ms=1.0,
)


def trend(values: list[Any]) -> Answer:
    rows = [(f"2026-11-{day:02}", "ads", value) for day, value in enumerate(values, start=1)]
    return Answer(
        {"breakdown": ["channel"]}, "line", ("day", "channel", "avg ms"), rows, {}, SOURCE
    )


def test_a_printed_answer_is_short_and_says_how_to_go_on() -> None:
    answer = trend([1] * 28)

    assert str(answer) == repr(answer)
    assert str(answer) == (
        "<Answer trends: 28 rows of 3 columns;"
        " see .table(), .data, .to_pandas(), .to_polars(), .to_arrow()>"
    )


def test_a_measure_without_any_number_is_a_column_of_numbers_in_every_frame() -> None:
    answer = trend([None, None])

    assert str(answer.to_arrow().schema.field("avg ms").type) == "int64"
    assert str(answer.to_pandas()["avg ms"].dtype) == "Int64"
    assert str(answer.to_polars()["avg ms"].dtype) == "Int64"
