"""Projects and keys in a real SQLite file."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tallymark.catalog.catalog import Catalog
from tallymark.catalog.database import engine_of
from tallymark.catalog.keys import checksum, digest, parse
from tallymark.catalog.migrate import HEAD, upgrade
from tallymark.catalog.tables import METADATA
from tallymark.core.errors import Broken, NotFound, Refused, TallymarkError, Unavailable
from tallymark.core.policy import Policy

NOW = 1_790_000_000_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog.in_folder(tmp_path)
    yield catalog
    catalog.close()


def test_a_project_reads_back_as_it_was_made(catalog: Catalog) -> None:
    made = catalog.create_project(
        "My Shop", now=NOW, timezone="Europe/Berlin", policy=Policy(ip="mask")
    )

    assert made.id == "my-shop"
    assert catalog.project("my-shop") == made
    assert catalog.projects() == [made]


def test_a_catalog_opened_again_holds_the_same(tmp_path: Path) -> None:
    first = Catalog.in_folder(tmp_path)
    project = first.create_project("shop", now=NOW)
    first.close()

    second = Catalog.in_folder(tmp_path)

    assert second.projects() == [project]
    second.close()


def test_a_second_project_of_that_name_is_refused(catalog: Catalog) -> None:
    catalog.create_project("shop", now=NOW)

    with pytest.raises(TallymarkError) as caught:
        catalog.create_project("Shop", now=NOW)

    assert caught.value.code == "PROJECT_EXISTS"


@pytest.mark.parametrize("name", ["", "…", "../..", "-", "日本"])
def test_a_name_that_gives_no_folder_name_is_refused(catalog: Catalog, name: str) -> None:
    with pytest.raises(Refused):
        catalog.create_project(name, now=NOW)


@pytest.mark.parametrize("taken", ["shop", "…"])
def test_what_is_wrong_with_an_id_is_said_at_what_it_was_made_from(
    catalog: Catalog, taken: str
) -> None:
    catalog.create_project("shop", now=NOW)

    with pytest.raises(TallymarkError) as by_name:
        catalog.create_project(taken, now=NOW)
    with pytest.raises(TallymarkError) as by_id:
        catalog.create_project("Another shop", now=NOW, slug=taken)

    assert (by_name.value.path, by_id.value.path) == ("$.name", "$.id")


@pytest.mark.parametrize("name", ["a/../../etc", "A\0B", "x" * 300, "CON; rm -rf"])
def test_a_project_id_never_leaves_its_folder(catalog: Catalog, name: str) -> None:
    slug = catalog.create_project(name, now=NOW).id

    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 0 < len(slug) <= 63


@pytest.mark.parametrize(
    "zone", ["UTC');drop table project--", "Europe/Berlim", "../etc/passwd", ""]
)
def test_an_unknown_time_zone_is_refused(catalog: Catalog, zone: str) -> None:
    with pytest.raises(Refused) as caught:
        catalog.create_project("shop", now=NOW, timezone=zone)

    assert caught.value.code == "TIMEZONE_UNKNOWN"


def test_a_changed_policy_is_kept(catalog: Catalog) -> None:
    catalog.create_project("shop", now=NOW)

    catalog.update_policy("shop", Policy(ip="full", keep_user_agent=True))

    assert catalog.project("shop").policy == Policy(ip="full", keep_user_agent=True)


def test_asking_for_an_unknown_project_says_so(catalog: Catalog) -> None:
    for act in (
        lambda: catalog.project("nope"),
        lambda: catalog.keys("nope"),
        lambda: catalog.update_policy("nope", Policy()),
        lambda: catalog.create_key("nope", "read", now=NOW),
    ):
        with pytest.raises(NotFound) as caught:
            act()
        assert caught.value.code == "PROJECT_UNKNOWN"


def test_a_key_is_found_by_its_text_and_by_nothing_else(catalog: Catalog) -> None:
    catalog.create_project("shop", now=NOW)
    key, text = catalog.create_key("shop", "secret", "server", now=NOW)
    parts = parse(text)
    assert parts is not None
    forged_body = f"sk_{parts.id}_{'A' * 32}"
    other_kind = f"rk_{parts.id}_{parts.secret}"

    assert catalog.find(text, NOW) == key
    assert catalog.find(text[:-1], NOW) is None
    assert catalog.find(f"{forged_body}_{checksum(forged_body)}", NOW) is None
    assert catalog.find(f"{other_kind}_{checksum(other_kind)}", NOW) is None


def test_the_secret_part_is_nowhere_in_the_file(catalog: Catalog, tmp_path: Path) -> None:
    catalog.create_project("shop", now=NOW)
    _, text = catalog.create_key("shop", "secret", now=NOW)
    parts = parse(text)
    assert parts is not None
    catalog.close()

    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    assert parts.secret.encode() not in written
    assert digest(parts.secret) in written


def test_a_revoked_key_is_found_no_more_and_stays_listed(catalog: Catalog) -> None:
    catalog.create_project("shop", now=NOW)
    key, text = catalog.create_key("shop", "read", now=NOW)

    catalog.revoke(key.id, now=NOW + 1)
    catalog.revoke(key.id, now=NOW + 2)

    assert catalog.find(text, NOW + 1) is None
    assert [k.revoked_at for k in catalog.keys("shop")] == [NOW + 1]


def test_a_rotated_key_works_until_its_grace_ends(catalog: Catalog) -> None:
    catalog.create_project("shop", now=NOW)
    old, old_text = catalog.create_key("shop", "public", "web", now=NOW)

    new, new_text = catalog.rotate(old.id, now=NOW)

    assert (new.replaces, new.kind, new.label) == (old.id, "public", "web")
    assert catalog.find(old_text, NOW + DAY - 1) is not None
    assert catalog.find(old_text, NOW + DAY) is None
    assert catalog.find(new_text, NOW + 400 * DAY) == new


def test_rotating_twice_does_not_prolong_the_first_grace(catalog: Catalog) -> None:
    catalog.create_project("shop", now=NOW)
    old, text = catalog.create_key("shop", "secret", now=NOW)
    catalog.rotate(old.id, now=NOW, grace_seconds=60)

    catalog.rotate(old.id, now=NOW + 30 * SECOND)

    assert catalog.find(text, NOW + 59 * SECOND) is not None
    assert catalog.find(text, NOW + 60 * SECOND) is None


def test_a_dead_key_cannot_be_rotated_back_to_life(catalog: Catalog) -> None:
    catalog.create_project("shop", now=NOW)
    key, _ = catalog.create_key("shop", "secret", now=NOW)
    catalog.revoke(key.id, now=NOW)

    with pytest.raises(Refused):
        catalog.rotate(key.id, now=NOW)


def test_the_migrations_give_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    engine = engine_of(f"sqlite:///{tmp_path / 'old.db'}")
    with engine.connect() as connection:
        upgrade(connection, None)
        connection.commit()
        difference = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()

    assert difference == []


def test_a_new_catalog_is_word_for_word_what_all_migrations_give(
    catalog: Catalog, tmp_path: Path
) -> None:
    engine = engine_of(f"sqlite:///{tmp_path / 'old.db'}")
    with engine.connect() as connection:
        upgrade(connection, None)
        connection.commit()
    engine.dispose()

    made, migrated = (_schema(tmp_path / name) for name in ("catalog.db", "old.db"))

    assert made == migrated
    assert "alembic_version" in made


def _schema(path: Path) -> dict[str, list[str]]:
    """Return what each table and index of a file is, as words."""
    raw = sqlite3.connect(path)
    found = raw.execute("SELECT name, sql FROM sqlite_master").fetchall()
    raw.close()
    return {name: (statement or "").split() for name, statement in found}


def test_what_ended_while_it_made_the_tables_can_begin_again(tmp_path: Path) -> None:
    def ends(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    sa.event.listen(METADATA, "after_create", ends)
    with pytest.raises(KeyboardInterrupt):
        Catalog.in_folder(tmp_path)
    sa.event.remove(METADATA, "after_create", ends)

    Catalog.in_folder(tmp_path).close()

    assert "project" in _schema(tmp_path / "catalog.db")


def test_the_last_migration_is_the_one_that_is_expected(catalog: Catalog, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "catalog.db") as raw:
        found = raw.execute("SELECT version_num FROM alembic_version").fetchall()
    raw.close()

    assert found == [(HEAD,)]


def test_a_catalog_of_today_is_opened_without_the_migration_tool(
    catalog: Catalog, tmp_path: Path
) -> None:
    check = (
        "import sys; from pathlib import Path; from tallymark.catalog.catalog import Catalog;"
        "Catalog.in_folder(Path(sys.argv[1])).close(); assert 'alembic' not in sys.modules"
    )
    (tmp_path / "new").mkdir()

    for folder in (tmp_path, tmp_path / "new"):
        done = subprocess.run([sys.executable, "-c", check, str(folder)], check=False)
        assert done.returncode == 0


def test_a_catalog_of_a_newer_version_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    catalog.close()
    with sqlite3.connect(tmp_path / "catalog.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()

    with pytest.raises(TallymarkError) as caught:
        Catalog.in_folder(tmp_path)

    assert caught.value.code == "VERSION_UNKNOWN"


@pytest.mark.parametrize("damage", ["garbage", "pages"])
def test_a_damaged_catalog_is_refused_with_a_clear_message(
    catalog: Catalog, tmp_path: Path, damage: str
) -> None:
    catalog.create_project("shop", now=NOW)
    for _ in range(200):
        catalog.create_key("shop", "read", "x" * 100, now=NOW)
    catalog.close()
    file = tmp_path / "catalog.db"
    content = bytearray(file.read_bytes())
    if damage == "garbage":
        content = bytearray(b"not a database at all" * 1000)
    else:
        content[8192:-4096] = b"\xff" * (len(content) - 12288)
    file.write_bytes(content)

    with pytest.raises(Broken) as caught:
        Catalog.in_folder(tmp_path)

    assert caught.value.code == "CATALOG_DAMAGED"
    assert str(tmp_path) not in caught.value.message


def test_a_locked_catalog_refuses_writes_for_now_and_still_reads(
    catalog: Catalog, tmp_path: Path
) -> None:
    catalog.create_project("shop", now=NOW)
    other = sqlite3.connect(tmp_path / "catalog.db")
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(Unavailable) as caught:
        catalog.create_project("second", now=NOW)
    names = [project.id for project in catalog.projects()]
    other.close()

    assert caught.value.code == "CATALOG_AWAY"
    assert "sql" not in caught.value.message.lower()
    assert names == ["shop"]
    assert catalog.create_project("second", now=NOW).id == "second"


def test_sqlalchemy_is_not_imported_with_the_package() -> None:
    check = "import sys, tallymark, tallymark.catalog; assert 'sqlalchemy' not in sys.modules"

    done = subprocess.run([sys.executable, "-c", check], check=False, env=dict(os.environ))

    assert done.returncode == 0


def test_every_version_of_a_plan_stays_and_the_newest_holds(catalog: Catalog) -> None:
    catalog.create_project("shop", now=NOW)
    assert catalog.plan("shop") is None

    first = catalog.push_plan("shop", "{}", now=NOW)
    second = catalog.push_plan("shop", '{"events":[]}', now=NOW + SECOND)
    again = catalog.push_plan("shop", '{"events":[]}', now=NOW + 2 * SECOND)

    assert (first.version, second.version, again) == (1, 2, second)
    assert catalog.plan("shop") == second
    with pytest.raises(NotFound):
        catalog.push_plan("nowhere", "{}", now=NOW)
