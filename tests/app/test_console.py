"""Questions in SQL: answered from the documented views, and confined whatever they try."""

import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallymark.cli.main import main
from tallymark.client import Client, connect
from tallymark.core.errors import InvalidQuery, QuestionStopped, TallymarkError
from tallymark.store.views import VIEWS

EVENTS: list[dict[str, Any]] = [
    {"id": "1", "name": "open", "time": "2026-11-20T10:00:00Z", "anonymous_id": "phone",
     "properties": {"plan": "=pro", "seats": 0.1}, "context": {"page": {"url": "https://x.org/a"}}},
    {"id": "2", "name": "open", "time": "2026-11-20T10:00:10.5Z", "anonymous_id": "phone",
     "user_id": "ana", "account": "acme", "context": {"page": {"url": "https://x.org/b"}}},
    {"id": "3", "name": "buy", "time": "2026-11-21T10:00:00Z", "user_id": "ana", "account": "acme",
     "revenue": Decimal("12345678901234567890.25"), "currency": "EUR"},
    {"id": "4", "name": "buy", "time": "2026-11-21T11:00:00Z", "user_id": "bo"},
]  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Client]]:
    data = tmp_path_factory.mktemp("served")
    with connect(data, project="default") as client:
        assert client.send(EVENTS).failed == []
        client.wait()
        client.create_project("other")
        yield data, client


@pytest.fixture
def client(served: tuple[Path, Client]) -> Client:
    return served[1]


def rows(client: Client, statement: str, **options: Any) -> Any:
    return client.sql(statement, **options)["rows"]


def test_events_are_read_with_names_ids_and_the_person_of_now(client: Client) -> None:
    found = client.sql(
        "SELECT event, time, user_id, anonymous_id, account, path, prop_text['plan'] AS plan,"
        " prop_number['seats'] AS seats FROM events ORDER BY seq"
    )

    assert found["columns"] == ["event", "time", "user_id", "anonymous_id", "account", "path", "plan", "seats"]  # fmt: skip
    assert found["rows"][:2] == [
        ["open", "2026-11-20T10:00:00.000000Z", None, "phone", None, "/a", "=pro", "0.100000000"],
        ["open", "2026-11-20T10:00:10.500000Z", "ana", "phone", "acme", "/b", None, None],
    ]
    assert not found["is_cut"]
    assert rows(client, "SELECT count(DISTINCT person) FROM events") == [[2]]


def test_every_documented_view_has_the_columns_it_is_said_to_have(client: Client) -> None:
    for view in VIEWS:
        found = client.sql(f"FROM {view.name} LIMIT 0")
        told = [(column.name, column.type) for column in view.columns]
        assert list(zip(found["columns"], found["types"], strict=True)) == told


def test_people_accounts_and_sessions_are_those_of_the_events(client: Client) -> None:
    assert rows(client, "SELECT user_ids, anonymous_ids, events FROM people ORDER BY events") == [
        ['["bo"]', None, 1],
        ['["ana"]', '["phone"]', 3],
    ]
    assert rows(client, "SELECT account, people, events FROM accounts") == [["acme", 1, 2]]
    assert rows(
        client, "SELECT seconds, events, entry_path, exit_path FROM sessions WHERE events > 1"
    ) == [[Decimal("10.5"), 2, "/a", "/b"]]


def test_numbers_are_exact_and_what_json_lacks_is_text_or_nothing(client: Client) -> None:
    assert rows(client, "SELECT sum(revenue) FROM events") == [[Decimal("12345678901234567890.25")]]
    assert rows(client, "SELECT 2::HUGEINT ** 100::HUGEINT, 170141183460469231731687303715884105727::HUGEINT")[0][1] == 2**127 - 1  # fmt: skip
    (row,) = rows(
        client,
        "SELECT 'nan'::DOUBLE, date '2026-11-20', interval 1 day, [1, 2], {'a': 1}, true, NULL,"
        " '\\x41'::BLOB, timestamptz '2026-11-20 10:00:00+02'",
    )
    assert row == [None, "2026-11-20", "1 day", "[1,2]", '{"a":1}', True, None, "A", "2026-11-20T08:00:00.000000Z"]  # fmt: skip


def test_rows_beyond_the_limit_are_said_to_be_there(client: Client) -> None:
    found = client.sql("SELECT * FROM range(10) ORDER BY 1 DESC -- the last ones\n;", limit=3)

    assert found["rows"] == [[9], [8], [7]]
    assert found["is_cut"]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('http://127.0.0.1:9/x')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/out.csv'",
        "COPY events TO 'out.parquet'",
        "ATTACH '/tmp/other.duckdb' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SET memory_limit = '100GB'",
        "SET enable_external_access = true",
        "CREATE TEMP TABLE t AS SELECT 1",
        "INSERT INTO meta VALUES ('a', 'b')",
        "DROP VIEW events",
        "SELECT 1; SELECT 2",
        "SELECT * FROM query('SELECT 1; DROP VIEW events')",
        "SELECT * FROM failed_event",
        # What the views are made of, and what they withhold.
        "SELECT * FROM event",
        "SELECT * FROM query_table('event')",
        "SELECT ip FROM kept.event",
        "SELECT user_agent FROM kept.event",
        "SELECT * FROM query_table('dedupe_key')",
        "EXPLAIN SELECT 1",
        "",
        "SELECT",
        "SELECT 1) AS t, (SELECT 2",
    ],
)
def test_what_is_no_question_of_the_views_is_refused(
    served: tuple[Path, Client], statement: str
) -> None:
    client = served[1]
    with pytest.raises(InvalidQuery) as told:
        client.sql(statement)

    assert str(served[0]) not in str(told.value)
    assert "Traceback" not in str(told.value)
    assert rows(client, "SELECT count(*) FROM events") == [[4]]


def test_nothing_but_the_copy_of_one_project_is_there(
    served: tuple[Path, Client],
) -> None:
    data, client = served
    tables = {name for (name,) in rows(client, "SELECT table_name FROM duckdb_tables()")}
    assert tables == {
        "event", "event_name", "actor", "person_override", "account", "session", "other_group",
        "membership", "profile", "property", "progress", "meta",
    }  # fmt: skip
    told = str(rows(client, "SELECT * FROM duckdb_settings()"))
    told += str(rows(client, "SELECT * FROM duckdb_databases()"))
    assert str(data) not in told


def test_a_statement_that_takes_too_much_is_stopped_and_the_server_goes_on(client: Client) -> None:
    for greedy in (
        "SELECT length(repeat('x', 2000000000))",
        "SELECT list(a.range) FROM range(100000) AS a, range(100000) AS b",
        "SELECT repeat('x', 40000000)",
    ):
        with pytest.raises(QuestionStopped):
            client.sql(greedy)
    assert rows(client, "SELECT 1") == [[1]]


def test_the_kernel_keeps_the_process_to_its_folder(tmp_path: Path) -> None:

    program = (
        "import sys, socket; from pathlib import Path; from tallymark.core.confine import only_read;"
        "held = only_read(Path(sys.argv[1]));"
        "print(held, (Path(sys.argv[1]) / 'inside').read_text());\n"
        "for act in (lambda: open('/etc/passwd'), lambda: open(sys.argv[1] + '/new', 'w'),"
        " lambda: socket.create_connection(('127.0.0.1', 9), 1)):\n"
        "    try:\n        act(); print('let through')\n"
        "    except PermissionError: print('refused')\n"
        "    except OSError as error: print(type(error).__name__)\n"
    )
    (tmp_path / "inside").write_text("readable", "ascii")

    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.splitlines()

    # A kernel without Landlock cannot; then the engine's own refusal and the other limits remain.
    if said[0] == "True readable":
        assert said[1:] == ["refused", "refused", "refused"]
    else:
        assert said[0] == "False readable"


def test_a_copy_is_used_again_until_it_is_older_than_asked_for(client: Client) -> None:
    first = client.sql("SELECT 1", max_age_seconds=0)
    client.send({"id": "later", "name": "later", "time": "2026-11-22T10:00:00Z"})
    client.wait()

    second = client.sql("SELECT count(*) FROM events WHERE event = 'later'", max_age_seconds=3_600)
    third = client.sql("SELECT count(*) FROM events WHERE event = 'later'", max_age_seconds=0)

    assert (second["copied_at"], second["rows"]) == (first["copied_at"], [[0]])
    assert third["rows"] == [[1]]
    assert third["log_position"] == second["log_position"] + 1


def test_the_terminal_prints_rows_csv_or_json(
    served: tuple[Path, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["sql", "SELECT prop_text['plan'] AS plan, 3 AS n FROM events WHERE event = 'open' ORDER BY seq LIMIT 1"]  # fmt: skip

    assert main([*ask, "--data", str(served[0])]) == 0
    table = capsys.readouterr().out
    assert main([*ask, "--csv", "--data", str(served[0])]) == 0
    assert capsys.readouterr().out == "plan,n\r\n'=pro,3\r\n"
    assert main(["sql", "SELECT nope FROM events", "--data", str(served[0])]) == 2
    told = capsys.readouterr().err

    assert table.splitlines()[2].split() == ["=pro", "3"]
    assert "1 row ·" in table
    assert "nope" in told
    assert len(told.splitlines()) == 1


def test_limits_that_make_no_sense_are_told(client: Client) -> None:
    for options in ({"limit": 0}, {"limit": 10**9}):
        with pytest.raises(TallymarkError, match="limit must be"):
            client.sql("SELECT 1", **options)
