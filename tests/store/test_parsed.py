"""Statements whose text was met before: they are read once, and planned each time."""

import threading
from typing import Any

import duckdb
import pytest

from tallymark.store.engines import duckdb_parsed
from tallymark.store.engines.duckdb_parsed import execute


@pytest.fixture
def cursor() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def rows(cursor: duckdb.DuckDBPyConnection, text: str, *params: object) -> list[tuple[Any, ...]]:
    execute(cursor, text, params)
    return cursor.fetchall()


def test_the_same_text_takes_other_parameters_and_sees_other_rows(
    cursor: duckdb.DuckDBPyConnection,
) -> None:
    execute(cursor, "CREATE TABLE told (amount BIGINT)")
    count = "SELECT count(*) FROM told WHERE amount < ?"

    assert rows(cursor, count, 5) == [(0,)]
    for amount in (1, 9):
        execute(cursor, "INSERT INTO told VALUES (?)", [amount])
    assert [rows(cursor, count, most) for most in (0, 5, 10)] == [[(0,)], [(1,)], [(2,)]]


def test_the_same_text_means_the_table_there_is_now(cursor: duckdb.DuckDBPyConnection) -> None:
    for kind, value in (("BIGINT", 7), ("VARCHAR", "seven")):
        execute(cursor, f"CREATE OR REPLACE TEMP TABLE held AS SELECT ?::{kind} AS it", [value])
        assert rows(cursor, "SELECT * FROM held") == [(value,)]
    other = duckdb.connect()
    execute(other, "CREATE TABLE held (another BOOLEAN)")
    assert rows(other, "SELECT * FROM held") == []


def test_no_more_statements_are_kept_than_said_and_no_very_long_ones(
    cursor: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_parsed, "_MOST", 3)
    duckdb_parsed._parsed.clear()
    for number in range(9):
        assert rows(cursor, f"SELECT {number}") == [(number,)]
    long = f"SELECT '{'x' * duckdb_parsed._LONGEST}'"
    assert len(rows(cursor, long)) == 1

    assert [*duckdb_parsed._parsed] == [f"SELECT {number}" for number in (6, 7, 8)]


def test_many_threads_may_run_the_same_text() -> None:
    found: list[tuple[Any, ...]] = []

    def ask(number: int) -> None:
        own = duckdb.connect()
        for _ in range(50):
            found.extend(rows(own, "SELECT ? + sum(n) FROM range(?) AS of_them (n)", number, 10))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == sorted((number + 45,) for number in range(8) for _ in range(50))
