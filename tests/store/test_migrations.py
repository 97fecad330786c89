"""A store of an older version opens, keeps what it held, and goes on."""

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tallymark.collect.load import Loader
from tallymark.core.clock import SystemClock
from tallymark.core.event import Batch, Command, Event, GroupMembership, IdentityLink, ProfileOp
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql
from tallymark.log.codec import encode_batch
from tallymark.log.sqlite import SqliteLog
from tallymark.store.engines.duckdb import DuckEngine
from tallymark.store.tables import SCHEMA_VERSION, TABLES

V1 = Path(__file__).parents[1] / "golden" / "store" / "v1.sql"
MIB = 1024 * 1024
_SINCE_4 = (
    "severity", "faults", "batch_index", "event_time_us", "sdk_name", "sdk_version", "server_version",
    "plan_version", "attempts", "replay_of", "sampled",
)  # fmt: skip


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store file as version 1 left it."""
    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(V1.read_text("utf-8"))
    return path


def opened(path: Path) -> DuckEngine:
    engine = DuckEngine(lambda _: path, memory_bytes=128 * MIB, threads=1)
    engine.open("p")
    return engine


def back_to_4(connection: duckdb.DuckDBPyConnection) -> None:
    """Take out of a new store what version 5 added."""
    for column in _SINCE_4:
        connection.execute(f"ALTER TABLE failed_event DROP COLUMN {column}")
    connection.execute("DROP TABLE consent_record")
    connection.execute("UPDATE meta SET text = '4' WHERE name = 'schema_version'")


def rows(engine: DuckEngine, text: str) -> list[tuple[object, ...]]:
    return engine.fetch("p", Sql(text)).rows


def test_a_store_of_version_1_has_every_table_and_column_once_opened(old: Path) -> None:
    engine = opened(old)

    found = rows(
        engine, "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_catalog = current_database()",
    )  # fmt: skip
    version = rows(engine, "SELECT text FROM meta WHERE name = 'schema_version'")
    engine.close()

    assert version == [(str(SCHEMA_VERSION),)]
    assert {(table, column) for table, column, _ in found} == {
        (table.name, column.name) for table in TABLES for column in table.columns
    }


def test_links_and_who_is_who_of_version_1_are_kept(old: Path) -> None:
    engine = opened(old)

    links = rows(
        engine, "SELECT one_key, one_kind, other_key, other_kind, how, outcome, reason"
        " FROM identity_link ORDER BY seq",
    )  # fmt: skip
    moves = rows(engine, "SELECT * FROM person_override")
    engine.close()

    assert links == [
        (1, "anonymous", 2, "user", "identify", "linked", ""),
        (1, "anonymous", 3, "user", "identify", "refused", "MERGE_REFUSED"),
    ]
    assert moves == [(131072, 1, 1, 2, False)]


def test_memberships_of_version_1_get_groups_with_keys_of_their_own(old: Path) -> None:
    engine = opened(old)

    accounts = rows(engine, "SELECT account_key, id FROM account ORDER BY 1")
    groups = rows(engine, "SELECT group_key, group_type, id FROM other_group")
    members = rows(engine, "SELECT actor_key, group_type, group_key, time_us FROM membership ORDER BY seq")  # fmt: skip
    profiles = rows(engine, "SELECT subject_kind, subject_key FROM profile ORDER BY seq")
    engine.close()

    assert accounts == [(1, "acme"), (2, "initech")]
    assert groups == [(1, 'team ".$*', "t:1")]
    assert members == [
        (2, "account", 1, 5_000_000),
        (2, "account", 2, 6_000_000),
        (4, 'team ".$*', 1, 7_000_000),
    ]
    assert profiles == [("user", 2), ("anonymous", 4)]


def test_profiles_of_version_1_can_be_asked_by_property(old: Path) -> None:
    engine = opened(old)

    values = rows(engine, "SELECT subject_key, person_key, time_us, op, name, text FROM profile_value ORDER BY seq")  # fmt: skip
    known = rows(engine, "SELECT subject_kind, name, class, op FROM profile_property ORDER BY ALL")
    engine.close()

    assert values == [(2, 2, 5_000_000, "set", "plan", "pro"), (4, 4, 5_000_000, "set", "locale", "de")]  # fmt: skip
    assert known == [("user", "locale", "text", "set"), ("user", "plan", "text", "set")]


def test_a_store_of_version_2_gets_the_values_that_loading_would_have_stored(
    tmp_path: Path,
) -> None:
    long = Decimal("12345678901234567890.123456789012345")
    log = SqliteLog(tmp_path / "log.db")
    engine = opened(tmp_path / "store.duckdb")
    told: list[Command] = [
        ProfileOp("set", "phone", "c1", 1, {"n": long, "t": "x", "l": [1, {"b": Decimal("0.10"), "a": None}]}, "anonymous"),
        ProfileOp("add", "ana", "c2", 2, {"n": Decimal("0.1"), "t": "no number", "big": 10**40}),
        ProfileOp("unset", "ana", "c3", 3, {"n": None}),
        ProfileOp("clear", "acme", "c4", 4, {}, "account"),
        ProfileOp("union", "acme", "c5", 5, {"tags": "a"}, "account"),
        IdentityLink("phone", "ana", "c6", 0),
        IdentityLink("bo", "ana", "c7", 0, "user", "user", "alias"),
        ProfileOp("set", "bo", "c8", 6, {"ok": True}),
        IdentityLink("tv", "ana", "c9", 0),
        ProfileOp("set", "tv", "d1", 7, {"t": ""}, "anonymous"),
        IdentityLink("tv", "ana", "d2", 0, how="retract"),
    ]  # fmt: skip
    log.append([encode_batch(Batch(0, "sk_1", "native", len(told), commands=told))])
    loader = Loader("p", engine, log, tmp_path / "index", Settings(), SystemClock())
    loader.step()
    tables = ("profile_value", "profile_property")
    loaded = [rows(engine, f"SELECT * FROM {name} ORDER BY ALL") for name in tables]  # noqa: S608
    loader.close()
    engine.close()
    log.close()
    with duckdb.connect(str(tmp_path / "store.duckdb")) as connection:
        for name in (*tables, "session_move"):
            connection.execute(f"DROP TABLE {name}")
        back_to_4(connection)
        connection.execute("UPDATE meta SET text = '2' WHERE name = 'schema_version'")

    engine = opened(tmp_path / "store.duckdb")

    migrated = [rows(engine, f"SELECT * FROM {name} ORDER BY ALL") for name in tables]  # noqa: S608
    engine.close()
    assert migrated == loaded
    assert len(loaded[0]) == 10


def test_failed_events_of_version_4_say_how_they_were_answered_where_it_is_known(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.duckdb"
    opened(path).close()
    with duckdb.connect(str(path)) as connection:
        back_to_4(connection)
        connection.execute(
            "INSERT INTO failed_event (seq, stage, code) VALUES (1, 'envelope', 'BAD_ID'),"
            " (2, 'schema', 'SCHEMA_TYPE'), (3, 'dedupe', 'DUPLICATE_CONFLICT')"
        )

    engine = opened(path)

    found = rows(engine, "SELECT severity, attempts, sampled, faults FROM failed_event ORDER BY seq")  # fmt: skip
    engine.close()
    assert found == [("reject", 1, 1, None), (None, 1, 1, None), ("quarantine", 1, 1, None)]


def test_a_store_of_version_1_goes_on_loading(old: Path, tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db")
    engine = opened(old)
    commands: list[Command] = [
        IdentityLink("phone", "ana", "c1", 0, how="retract"),
        IdentityLink("tv", "bo", "c2", 0),
        GroupMembership('team ".$*', "t:1", "c3", 0, user_id="bo"),
        ProfileOp("set", "initech", "c4", 0, {"seats": 3}, "account"),
    ]
    event = Event(name="open", id="e9", time=9_000_000, anonymous_id="tv")
    batch = Batch(0, "sk_1", "native", 5, events=[event], commands=commands)
    log.append([encode_batch(Batch(0, "sk_1", "native", 0))] * 9 + [encode_batch(batch)])
    loader = Loader("p", engine, log, tmp_path / "index", Settings(), SystemClock())

    loader.step()

    people = rows(
        engine,
        "SELECT event_id, id FROM event LEFT JOIN (SELECT actor_key, arg_max(into_key, seq) AS into_key"
        " FROM person_override GROUP BY actor_key) AS late USING (actor_key)"
        " JOIN actor ON actor.actor_key = coalesce(into_key, person_key) ORDER BY event_id",
    )
    group = rows(engine, "SELECT count(*), count(DISTINCT group_key) FROM membership WHERE group_type <> 'account'")  # fmt: skip
    subject = rows(engine, "SELECT subject_key FROM profile WHERE subject_kind = 'account'")
    loader.close()
    engine.close()
    log.close()
    assert people == [("e1", "phone"), ("e2", "ana"), ("e3", "bo"), ("e4", "bo"), ("e9", "bo")]
    assert group == [(2, 1)]
    assert subject == [(2,)]
