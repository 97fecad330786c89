"""Faults that were seen once: each named after its symptom, asked of a real server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.faults.server import Server

from tallymark.cli.main import main
from tallymark.core.errors import Unavailable
from tallymark.core.sql import Sql
from tallymark.store.engines.duckdb import DuckEngine

_LARGEST = 10**29 - 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("symptoms") / "data")
    made.start()
    money = {"revenue": _LARGEST, "currency": "EUR"}
    events = [{"id": f"e{n}", "name": "sale", "user_id": "ana", **money} for n in range(3)]
    assert made.send(events).status == 202
    made.wait_until_loaded()
    yield made
    made.end()


def test_a_sum_beyond_38_digits_is_refused_and_not_told_as_a_store_that_is_away(
    server: Server,
) -> None:
    answer = server.ask({"series": [{"measure": "sum", "of": "revenue"}], "range": "7d"})

    assert (answer.status, answer.code) == (400, "QUERY_INVALID")
    assert answer.json()["detail"] == "A number of the answer has more than 38 digits."


@pytest.mark.parametrize("depth", [100, 20_000])
def test_a_question_nested_without_end_is_refused(server: Server, depth: int) -> None:
    question = b'{"filter":' + b'{"op":"not","filter":' * depth + b"1" + b"}" * (depth + 1)

    answer = server.ask(question)

    assert (answer.status, answer.code) == (400, "QUERY_INVALID")


def test_a_question_that_is_not_utf_8_is_refused_and_no_bug(server: Server) -> None:
    answer = server.ask(b'{"range":"\xff"}')

    assert (answer.status, answer.code) == (400, "QUERY_INVALID")


@pytest.mark.parametrize(
    ("question", "path", "detail"),
    [
        ({"top": 0}, "top", "top: Expected `int` >= 1."),
        ({"filter": {"op": "no"}}, "filter.op", "filter.op: Invalid value 'no'."),
        ({"rnge": "7d"}, None, "Object contains unknown field `rnge`."),
    ],
)
def test_a_question_with_a_wrong_field_is_told_which(
    server: Server, question: dict[str, object], path: str | None, detail: str
) -> None:
    answer = server.ask(question)

    assert (answer.status, answer.code) == (400, "QUERY_INVALID")
    assert (answer.json().get("path"), answer.json()["detail"]) == (path, detail)


@pytest.mark.parametrize("interval", ["hour", "day"])
def test_a_29th_of_february_has_no_year_before_it_and_says_so(
    server: Server, interval: str
) -> None:
    answer = server.ask(
        {
            "range": {"since": "2024-02-29", "until": "2024-03-01"},
            "interval": interval,
            "compare": "previous_year",
        }
    )

    assert (answer.status, answer.code) == (400, "QUERY_INVALID")
    assert answer.json()["path"] == "compare"


@pytest.mark.parametrize("name", ["missing.log", "."])
def test_an_access_log_that_cannot_be_read_is_one_line_and_no_trace(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    status = main(["load", "access-log", name])

    assert status == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_memory_that_questions_hold_makes_a_load_wait_and_condemns_no_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = DuckEngine(lambda _: tmp_path / "store.duckdb", memory_bytes=64 * 1024 * 1024)
    engine.open("p")

    def full(*_: Any) -> None:
        raise duckdb.OutOfMemoryException("failed to allocate")

    monkeypatch.setattr("tallymark.store.engines.duckdb.run", full)
    # Anything but Unavailable would be taken for a fault of the events under way.
    with pytest.raises(Unavailable):
        engine.fetch("p", Sql("SELECT 1"))
    monkeypatch.undo()
    engine.close()
