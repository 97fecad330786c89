"""What every engine must do; a new one is added to ``ENGINES`` and has to pass all of it."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from queue import Queue

import numpy as np
import pytest

from tallymark.core.errors import Broken, QuestionStopped, TallymarkError, Unavailable
from tallymark.core.sql import Sql, sql
from tallymark.store.engine import Commit, Engine, Limits, Reading
from tallymark.store.engines.duckdb import DuckEngine

MIB = 1024 * 1024
LIMITS = Limits(seconds=20, memory_bytes=128 * MIB, rows=1000)

Open = Callable[[], Engine]


def duck(folder: Path) -> Engine:
    return DuckEngine(
        lambda project: folder / project / "store.duckdb", memory_bytes=128 * MIB, threads=1
    )


ENGINES: dict[str, Callable[[Path], Engine]] = {"duckdb": duck}


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return lambda: ENGINES[request.param](tmp_path)


@pytest.fixture
def engine(make: Open) -> Iterator[Engine]:
    made = make()
    made.open("p")
    yield made
    made.close()


def rows(engine: Engine, text: str) -> list[tuple[object, ...]]:
    return engine.fetch("p", Sql(text), LIMITS).rows


def events(*seqs: int) -> dict[str, dict[str, list[int]]]:
    return {"event": {"seq": list(seqs), "time_us": [1_000 * seq for seq in seqs]}}


def test_a_new_store_is_empty_and_stands_at_zero(engine: Engine) -> None:
    assert rows(engine, "SELECT count(*) FROM event") == [(0,)]
    assert engine.position("p") == 0


def test_a_commit_shows_rows_statements_counters_and_position(engine: Engine) -> None:
    note = sql("INSERT INTO session VALUES (2, {id}, 1)", id="s1")

    engine.append("p", Commit(7, events(1, 2), (note,), {"watermark_us": 5}))

    assert rows(engine, "SELECT seq, time_us FROM event ORDER BY seq") == [(1, 1000), (2, 2000)]
    assert rows(engine, "SELECT id FROM session") == [("s1",)]
    assert rows(engine, "SELECT amount FROM progress WHERE name = 'watermark_us'") == [(5,)]
    assert engine.position("p") == 7


def test_a_commit_that_fails_leaves_nothing(engine: Engine) -> None:
    engine.append("p", Commit(1, events(1)))
    wrong = Sql("INSERT INTO session VALUES ('no number', 'x', 1)")

    with pytest.raises(Exception):  # noqa: B017, PT011  each engine has its own
        engine.append("p", Commit(2, events(2), (wrong,)))

    assert rows(engine, "SELECT seq FROM event") == [(1,)]
    assert engine.position("p") == 1


def test_a_commit_only_tried_leaves_nothing(engine: Engine) -> None:
    engine.append("p", Commit(3, events(1)), keep=False)

    assert rows(engine, "SELECT count(*) FROM event") == [(0,)]
    assert engine.position("p") == 0


def test_what_was_committed_is_there_after_a_restart(make: Open) -> None:
    first = make()
    first.append("p", Commit(4, events(1, 2, 3)))
    first.close()

    second = make()

    assert second.position("p") == 4
    assert rows(second, "SELECT count(*) FROM event") == [(3,)]
    second.close()


def test_values_come_back_exactly_and_as_plain_python(engine: Engine) -> None:
    exact = "12345678901234567890.123456789"
    columns = {"seq": [1, 2], "value": [exact, None], "unit": ["GB", None], "is_bot": [True, None]}

    engine.append("p", Commit(1, {"event": columns}))

    assert rows(engine, 'SELECT seq, "value", unit, is_bot FROM event ORDER BY seq') == [
        (1, Decimal(exact), "GB", True),
        (2, None, None, None),
    ]


def test_a_value_that_looks_like_a_statement_is_a_value(engine: Engine) -> None:
    hostile = "x'); DROP TABLE event; --"
    engine.append("p", Commit(1, {"event": {"seq": [1], "unit": [hostile]}}))

    asked = sql("SELECT seq FROM event WHERE unit = {unit}", unit=hostile)

    assert engine.fetch("p", asked, LIMITS).rows == [(1,)]


def test_projects_do_not_see_each_other(engine: Engine) -> None:
    engine.open("q")
    engine.append("q", Commit(9, events(1)))

    assert rows(engine, "SELECT count(*) FROM event") == [(0,)]
    assert engine.position("p") == 0
    assert engine.position("q") == 9


def test_statements_of_one_reading_see_one_commit(engine: Engine) -> None:
    with engine.reading("p", LIMITS) as fetch:
        before = fetch(Sql("SELECT count(*) FROM event")).rows
        engine.append("p", Commit(1, events(1)))
        after = fetch(Sql("SELECT count(*) FROM event")).rows

    assert before == after == [(0,)]
    assert rows(engine, "SELECT count(*) FROM event") == [(1,)]


def test_a_question_that_takes_too_long_is_stopped_and_the_next_one_answered(
    engine: Engine,
) -> None:
    endless = Sql("SELECT count(*) FROM range(100000000) AS a, range(1000000) AS b")

    with pytest.raises(QuestionStopped):
        engine.fetch("p", endless, Limits(0.2, 128 * MIB, 10))

    assert rows(engine, "SELECT 1") == [(1,)]


def test_a_question_with_too_many_rows_is_stopped(engine: Engine) -> None:
    with pytest.raises(QuestionStopped):
        engine.fetch("p", Sql("SELECT * FROM range(1000000)"), LIMITS)


def test_a_snapshot_is_a_store_by_itself_as_of_a_commit(engine: Engine, tmp_path: Path) -> None:
    engine.append("p", Commit(5, events(1, 2)))

    engine.snapshot("p", tmp_path / "copy")
    engine.append("p", Commit(6, events(3)))

    with engine.other(tmp_path / "copy") as fetch:
        assert fetch(Sql("SELECT count(*) FROM event")).rows == [(2,)]
        position = Sql("SELECT amount FROM progress WHERE name = 'log_position'")
        assert fetch(position).rows == [(5,)]


@pytest.mark.parametrize("merge", [False, True])
def test_a_checkpoint_empties_the_journal_even_while_an_older_question_reads(
    engine: Engine, merge: bool
) -> None:
    engine.append("p", Commit(1, events(1)))

    with engine.reading("p", LIMITS) as fetch:
        count = Sql("SELECT count(*) FROM event")
        before = fetch(count).rows
        engine.append("p", Commit(2, events(2)))
        journal = engine.journal_bytes("p")
        engine.checkpoint("p", merge=merge)
        assert (before, fetch(count).rows) == ([(1,)], [(1,)])

    assert journal > 0
    assert engine.journal_bytes("p") == 0
    assert rows(engine, "SELECT count(*) FROM event") == [(2,)]
    assert engine.position("p") == 2


def test_a_checkpoint_that_finds_no_room_leaves_the_store_as_it_was(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.append("p", Commit(1, events(1)))
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))

    with pytest.raises(Unavailable):
        engine.checkpoint("p")

    engine.append("p", Commit(2, events(2)))
    assert rows(engine, "SELECT count(*) FROM event") == [(2,)]
    assert engine.journal_bytes("p") > 0


def test_a_store_of_a_newer_version_is_refused(make: Open) -> None:
    newer = make()
    newer.open("p")
    newer.append(
        "p", Commit(1, {}, (Sql("UPDATE meta SET text = '999' WHERE name = 'schema_version'"),))
    )
    newer.close()

    older = make()

    with pytest.raises(Broken) as refused:
        older.open("p")
    assert refused.value.code == "VERSION_UNKNOWN"
    older.close()


def test_a_file_that_is_no_store_is_told_as_damage(make: Open, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "store.duckdb").write_bytes(b"not a store at all" * 1000)

    engine = make()

    with pytest.raises(TallymarkError) as told:
        engine.open("p")
    assert told.value.code == "STORE_DAMAGED"
    assert str(tmp_path) not in told.value.message
    engine.close()


_LONG = sql(
    "SELECT count(*) FROM range(100_000) AS a (x), range(100_000) AS b (y) WHERE (x * y) % 7 = 3"
)


def test_a_statement_tells_how_far_it_is_and_is_stopped_from_another_thread(engine: Engine) -> None:
    begun: Queue[Reading] = Queue()
    told: list[str] = []

    def run() -> None:
        limits = Limits(seconds=120, memory_bytes=64 * MIB, rows=10)
        try:
            with engine.reading("p", limits) as reading:
                begun.put(reading)
                reading(_LONG)
        except QuestionStopped as error:
            told.append(error.code)

    running = threading.Thread(target=run)
    running.start()
    reading = begun.get(timeout=60)
    deadline = time.monotonic() + 60
    while (done := reading.percent()) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    reading.stop()
    running.join()

    assert done is not None
    assert 0 <= done < 100
    assert told == ["QUERY_CANCELLED"]


def test_after_it_was_stopped_no_statement_of_a_reading_runs(engine: Engine) -> None:
    with engine.reading("p", LIMITS) as reading:
        reading.stop()
        with pytest.raises(QuestionStopped) as told:
            reading(Sql("SELECT 1"))

    assert told.value.code == "QUERY_CANCELLED"
    assert rows(engine, "SELECT 1") == [(1,)]


def test_arrays_are_whole_numbers_without_null_up_to_a_limit(engine: Engine) -> None:
    limits = Limits(seconds=20, memory_bytes=64 * MIB, rows=1, array_rows=5)
    with engine.reading("p", limits) as reading:
        found = reading.arrays(Sql("SELECT x AS n, x > 2 AS large FROM range(5) AS r (x)"))
        assert sorted(zip(found["n"].tolist(), found["large"].tolist(), strict=True)) == [
            (0, False), (1, False), (2, False), (3, True), (4, True),
        ]  # fmt: skip
        with pytest.raises(TypeError):
            reading.arrays(Sql("SELECT 0.1 AS n"))
        with pytest.raises(TypeError):
            reading.arrays(Sql("SELECT CAST(NULL AS BIGINT) AS n"))
        with pytest.raises(QuestionStopped, match="one by one"):
            reading.arrays(Sql("SELECT * FROM range(6) AS r (n)"))


def test_a_reading_tells_how_many_rows_its_statements_went_over(engine: Engine) -> None:
    engine.append("p", Commit(1, events(1, 2, 3)))

    with engine.reading("p", LIMITS) as reading:
        told = [reading.rows_read()]
        reading(Sql("SELECT count(*) FILTER (seq > 2) FROM event"))
        told.append(reading.rows_read())
        reading.arrays(Sql("SELECT seq FROM event WHERE time_us >= 2000"))
        told.append(reading.rows_read())
        reading(Sql("SELECT 1"))
        told.append(reading.rows_read())

        assert reading(Sql("SELECT count(*) FROM event")).rows == [(3,)]
        assert reading.rows_read() in {6, 9}

    assert told == [0, 3, 6, 6]


def test_columns_that_are_held_are_a_table_for_later_statements(engine: Engine) -> None:
    with engine.reading("p", LIMITS) as reading:
        reading.hold("chosen", {"key": np.array([3, 1], dtype=np.int64)})
        assert sorted(reading(Sql("SELECT key + 1 FROM chosen")).rows) == [(2,), (4,)]
    with engine.reading("p", LIMITS) as reading:
        reading.hold("chosen", {"key": np.array([], dtype=np.int64)})
        assert reading(Sql("SELECT count(*) FROM chosen")).rows == [(0,)]
