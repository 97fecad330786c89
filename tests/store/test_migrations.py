"""A store of an older version opens, keeps what it held, and goes on."""

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
