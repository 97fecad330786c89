import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.log.batches import entries, entry, everything, fingerprint, ids

from tallymark.core.errors import Broken
from tallymark.log.file import PAGE_BYTES
from tallymark.log.salvage import SalvageReport, open_log
from tallymark.log.sqlite import SqliteLog

LARGE = 80
"""Batches of some 10 kB: a leaf page and two or three overflow pages each, under one interior root."""

Damage = Callable[[Path], object]


def fill(path: Path) -> list[str | None]:
    """Write a log of many small and many large batches; return what it holds."""
    with closing(SqliteLog(path)) as log:
        log.append(entries(range(1, LARGE), size=20_000))
        log.append(entries(range(LARGE, 400)))
        return ids(everything(log))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str | None]]:
    path = tmp_path_factory.mktemp("sound") / "log.db"
    return path, fill(path)


@pytest.fixture
def damaged(path: Path, sound: tuple[Path, list[str | None]]) -> tuple[Path, list[str | None]]:
    shutil.copy(sound[0], path)
    return path, sound[1]


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def page_of(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        number: int = connection.execute(query, (table,)).fetchone()[0]
    return number


def offset_of(path: Path, content: bytes) -> int:
    return path.read_bytes().index(content)


def zero_header(path: Path) -> None:
    overwrite(path, 0, bytes(100))


def zero_first_page(path: Path) -> None:
    overwrite(path, 0, bytes(PAGE_BYTES))


def zero_root(path: Path) -> None:
    overwrite(path, (page_of(path, "batch") - 1) * PAGE_BYTES, bytes(PAGE_BYTES))


def noise_over_root(path: Path) -> None:
    noise = random.Random(1).randbytes(PAGE_BYTES)
    overwrite(path, (page_of(path, "batch") - 1) * PAGE_BYTES, noise)


def zero_meta(path: Path) -> None:
    overwrite(path, (page_of(path, "meta") - 1) * PAGE_BYTES, bytes(PAGE_BYTES))


def zero_pointer_map(path: Path) -> None:
    overwrite(path, PAGE_BYTES, bytes(PAGE_BYTES))


def salvaged(path: Path) -> tuple[list[str | None], SalvageReport | None]:
    log, report = open_log(path)
    with closing(log):
        found = ids(everything(log))
        assert log.append([entry(9_999)]) == len(found) + 1
        assert log.verify().chain_ok
        assert log.first() == 1
    return found, report


@pytest.mark.parametrize(
    "damage",
    [zero_header, zero_first_page, zero_root, noise_over_root, zero_meta, zero_pointer_map],
)
def test_a_destroyed_header_or_root_loses_no_batch(
    damaged: tuple[Path, list[str | None]], damage: Damage
) -> None:
    path, written = damaged
    damage(path)
    before = fingerprint(path)

    found, report = salvaged(path)

    assert found == written
    assert report is not None
    assert (report.saved, report.lost) == (399, ())
    assert report.moved_to == path.parent / "corrupt" / "log.db.1"
    assert fingerprint(report.moved_to) == before


def test_one_byte_changed_in_an_overflow_page_damages_exactly_that_batch(
    damaged: tuple[Path, list[str | None]],
) -> None:
    path, written = damaged
    with closing(SqliteLog(path)) as log:
        tail = (everything(log)[40].payload or b"")[-50:]
    overwrite(path, offset_of(path, tail) + 20, b"\x00" if tail[20] else b"\x01")

    log, report = open_log(path)
    with closing(log):
        assert report is None
        assert ids(everything(log)) == [*written[:40], None, *written[41:]]
        assert log.verify().damaged == (41,)
        assert log.verify().chain_ok


def test_a_destroyed_leaf_loses_only_its_batches_and_keeps_all_positions(
    damaged: tuple[Path, list[str | None]],
) -> None:
    path, written = damaged
    with closing(SqliteLog(path)) as log:
        digest = everything(log)[300].digest
    overwrite(path, offset_of(path, digest) // PAGE_BYTES * PAGE_BYTES, bytes(PAGE_BYTES))

    found, report = salvaged(path)

    assert report is not None
    assert 1 <= len(report.lost) <= 30
    assert 301 in report.lost
    assert [n for n, name in enumerate(found, 1) if name is None] == list(report.lost)
    assert [name for name in found if name] == [
        name for n, name in enumerate(written, 1) if n not in report.lost
    ]


def test_a_leaf_destroyed_while_a_reader_reads_hides_only_its_batches(
    damaged: tuple[Path, list[str | None]],
) -> None:
    path, written = damaged
    with closing(SqliteLog(path)) as log:
        digest = everything(log)[100].digest
    overwrite(path, offset_of(path, digest) // PAGE_BYTES * PAGE_BYTES, bytes(PAGE_BYTES))

    with closing(SqliteLog(path, readonly=True)) as reader:
        records = everything(reader)

    lost = [r.position for r in records if r.damaged]
    assert 101 in lost
    assert len(lost) <= 30
    assert len(records) == len(written)


def test_a_root_destroyed_while_a_reader_reads_is_not_taken_for_lost_batches(
    damaged: tuple[Path, list[str | None]],
) -> None:
    path, _ = damaged
    with closing(SqliteLog(path, readonly=True)) as reader:
        zero_root(path)

        with pytest.raises(Broken, match="salvage"):
            everything(reader)


def test_batches_that_lie_only_in_the_write_ahead_log_are_saved_too(tmp_path: Path) -> None:
    live, copy = tmp_path / "live.db", tmp_path / "log.db"
    with closing(SqliteLog(live)) as log:
        log.append(entries(range(1, 30), size=9_000))
        shutil.copy(live, copy)
        shutil.copy(f"{live}-wal", f"{copy}-wal")
    copy.write_bytes(b"")

    found, report = salvaged(copy)

    assert found == [f"e{n}" for n in range(1, 30)]
    assert report is not None
    assert report.lost == ()


@pytest.fixture
def killed(tmp_path: Path) -> tuple[Path, list[str | None]]:
    """A log whose writer was killed: all of it lies in the write-ahead log."""
    live, copy = tmp_path / "live.db", tmp_path / "log.db"
    with closing(SqliteLog(live)) as log:
        for number in range(1, 30):
            log.append([entry(number, size=9_000)])
        written = ids(everything(log))
        shutil.copy(live, copy)
        shutil.copy(f"{live}-wal", f"{copy}-wal")
    return copy, written


def test_a_killed_writer_leaves_nothing_to_salvage(
    killed: tuple[Path, list[str | None]],
) -> None:
    path, written = killed

    assert salvaged(path) == (written, None)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1), length=st.sampled_from([1, 8, 512, 5_000]))
def test_damage_inside_the_write_ahead_log_loses_only_what_it_hit(
    killed: tuple[Path, list[str | None]],
    tmp_path_factory: pytest.TempPathFactory,
    where: float,
    length: int,
) -> None:
    source, written = killed
    path = tmp_path_factory.mktemp("wal") / "log.db"
    shutil.copy(source, path)
    wal = Path(f"{path}-wal")
    shutil.copy(f"{source}-wal", wal)
    at = int(where * (wal.stat().st_size - 1))
    (old,) = wal.read_bytes()[at : at + 1]
    overwrite(wal, at, bytes([old ^ 0xFF]) * min(length, wal.stat().st_size - at))

    log, _ = open_log(path)
    with closing(log):
        found = ids(everything(log))
        missing = [b for a, b in zip(found, written, strict=False) if a is None]
        assert all(a in {None, b} for a, b in zip(found, written, strict=False))
        # The last commit may have been torn before anybody was told of it; what is longer than a page
        # may tear the last two.
        assert len(found) >= len(written) - 1 - length // 4_096
        # Two pages at most, with some eight batches beginning on each.
        assert len(missing) <= 16
        assert log.append([entry(9_999)]) == len(found) + 1


@pytest.mark.parametrize("cut", [1, 100, 5_000, 20_000])
def test_a_torn_end_of_the_write_ahead_log_is_not_damage(
    killed: tuple[Path, list[str | None]], cut: int
) -> None:
    path, written = killed
    wal = Path(f"{path}-wal")
    os.truncate(wal, wal.stat().st_size - cut)

    found, report = salvaged(path)

    assert report is None
    assert found == written[: len(found)]
    assert len(found) < len(written)


def test_a_reader_follows_to_the_salvaged_file(damaged: tuple[Path, list[str | None]]) -> None:
    path, written = damaged
    with closing(SqliteLog(path, readonly=True)) as reader:
        assert ids(everything(reader)) == written
        zero_header(path)
        log, report = open_log(path)
        with closing(log):
            log.append([entry(9_999)])

            assert report is not None
            assert ids(everything(reader)) == [*written, "e9999"]
            assert ids(everything(log)) == [*written, "e9999"]
            assert log.verify().ok


def test_erased_batches_stay_erased_in_the_salvaged_file(
    damaged: tuple[Path, list[str | None]],
) -> None:
    path, written = damaged
    with closing(SqliteLog(path)) as log:
        log.erase([7, 300])
    zero_root(path)

    found, report = salvaged(path)

    assert report is not None
    assert report.lost == ()
    assert [n for n, name in enumerate(found, 1) if name is None] == [7, 300]
    assert len(found) == len(written)


def test_a_trimmed_log_is_salvaged_with_its_anchor(
    damaged: tuple[Path, list[str | None]],
) -> None:
    path, written = damaged
    with closing(SqliteLog(path)) as log:
        log.trim(before_received_at=2**62, upto_position=50)
    zero_root(path)

    log, report = open_log(path)
    with closing(log):
        assert report is not None
        assert (report.saved, report.lost) == (349, ())
        assert (log.first(), log.head()) == (51, 399)
        assert ids(everything(log)) == written[50:]
        assert log.verify().ok


@pytest.mark.parametrize("keep", [0, 1, 50, 100, 4096, 4097, 30_000, 300_000])
def test_a_truncated_file_keeps_what_is_left_of_it(
    damaged: tuple[Path, list[str | None]], keep: int
) -> None:
    path, written = damaged
    os.truncate(path, keep)

    log, _ = open_log(path)
    with closing(log):
        found = ids(everything(log))
        assert all(a in {None, b} for a, b in zip(found, written, strict=False))
        assert log.append([entry(9_999)]) == len(found) + 1


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"SQLite format 3\0", b"PK\x03\x04" * 5_000, bytes(100_000), b"\xff" * 50_000],
)
def test_a_file_that_never_was_a_log_is_moved_away_and_collection_starts(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)

    log, report = open_log(path)
    with closing(log):
        assert log.append([entry(1)]) == 1
        assert log.verify().ok
    if content:
        assert report is not None
        assert report.moved_to is not None
        assert report.moved_to.read_bytes() == content


def test_a_database_of_something_else_is_moved_away(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE other (a)")

    log, report = open_log(path)
    with closing(log):
        assert report is not None
        assert (log.head(), report.saved) == (0, 0)


@pytest.mark.parametrize("at", [16, 17, 18, 19, 20, 21, 22, 23, 52, 60, 64])
@pytest.mark.parametrize("content", [b"\x00", b"\x01", b"\x03", b"\xff"])
def test_a_changed_byte_of_the_header_neither_loses_a_batch_nor_stops_writing(
    damaged: tuple[Path, list[str | None]], at: int, content: bytes
) -> None:
    path, written = damaged
    overwrite(path, at, content)

    found, _ = salvaged(path)

    assert found == written


def test_a_newer_format_is_not_salvaged_but_refused(path: Path) -> None:
    fill(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET format = 2")
        connection.execute("PRAGMA user_version = 2")
    steps: list[Damage] = [fingerprint, zero_root, zero_header]

    for damage in steps:
        damage(path)
        with pytest.raises(Broken) as refused:
            open_log(path)
        assert refused.value.code == "VERSION_UNKNOWN"
    assert not (path.parent / "corrupt").exists()


def test_a_lost_end_is_reported_and_its_positions_are_never_given_out_again(path: Path) -> None:
    with closing(SqliteLog(path)) as log:
        log.append(entries(range(1, 4)))

    log, report = open_log(path, at_least=6)
    with closing(log):
        assert report is not None
        assert (report.saved, report.lost, report.moved_to) == (3, (4, 5, 6), None)
        assert [(r.position, r.damaged) for r in everything(log)[3:]] == [
            (4, True),
            (5, True),
            (6, True),
        ]
        assert log.append([entry(7)]) == 7
        assert log.verify().chain_ok
        assert log.verify().damaged == (4, 5, 6)


def test_a_sound_log_is_opened_without_a_report(path: Path) -> None:
    fill(path)

    log, report = open_log(path, at_least=399)
    log.close()

    assert report is None
    assert not (path.parent / "corrupt").exists()


def test_a_second_salvage_keeps_both_damaged_files(
    damaged: tuple[Path, list[str | None]],
) -> None:
    path, written = damaged
    zero_header(path)
    open_log(path)[0].close()
    zero_root(path)

    found, report = salvaged(path)

    assert found == written
    assert report is not None
    assert report.moved_to == path.parent / "corrupt" / "log.db.2"


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_salvage_killed_while_it_swaps_the_files_is_finished_at_the_next_start(
    damaged: tuple[Path, list[str | None]], tmp_path: Path, moved: int
) -> None:
    path, written = damaged
    rescued = tmp_path / "log.db.rescued"
    shutil.copy(path, rescued)
    path.write_bytes(b"damaged")
    Path(f"{path}-wal").write_bytes(b"stale")
    (tmp_path / "corrupt").mkdir()
    for name in ("log.db-wal", "log.db")[:moved]:
        (tmp_path / name).replace(tmp_path / "corrupt" / name.replace("log.db", "log.db.1"))

    found, _ = salvaged(path)

    assert found == written
    assert not rescued.exists()
    assert (tmp_path / "corrupt" / "log.db.1").read_bytes() == b"damaged"
    assert (tmp_path / "corrupt" / "log.db.1-wal").read_bytes() == b"stale"


def damage_somewhere(path: Path, seed: int, kind: str, where: float) -> None:
    noise = random.Random(seed)
    size = path.stat().st_size
    at = int(where * (size - 1))
    page = at // PAGE_BYTES * PAGE_BYTES
    match kind:
        case "flip":
            (old,) = path.read_bytes()[at : at + 1]
            overwrite(path, at, bytes([old ^ 1 << noise.randrange(8)]))
        case "byte":
            overwrite(path, at, noise.randbytes(1))
        case "sector":
            overwrite(path, at // 512 * 512, noise.randbytes(512))
        case "zero page":
            overwrite(path, page, bytes(PAGE_BYTES))
        case "other page":
            source = noise.randrange(size // PAGE_BYTES) * PAGE_BYTES
            overwrite(path, page, path.read_bytes()[source : source + PAGE_BYTES])
        case "header byte":
            overwrite(path, int(where * 99), noise.randbytes(1))
        case "length":
            overwrite(path, page + noise.randrange(100), b"\xff\xff\xff\xff")


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(
        ["flip", "byte", "sector", "zero page", "other page", "header byte", "length"]
    ),
    where=st.floats(0, 1),
)
def test_whatever_is_damaged_the_log_opens_and_only_batches_on_that_page_are_lost(
    sound: tuple[Path, list[str | None]],
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    kind: str,
    where: float,
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / "log.db"
    shutil.copy(sound[0], path)
    damage_somewhere(path, seed, kind, where)

    log, _ = open_log(path)
    with closing(log):
        records = everything(log)
        found = ids(records)
        assert [r.position for r in records] == list(range(1, len(sound[1]) + 1))
        assert all(a in {None, b} for a, b in zip(found, sound[1], strict=True))
        assert [r.position for r in records if r.damaged] == [
            n for n, name in enumerate(found, 1) if name is None
        ]
        # A page holds at most some twenty of these batches.
        assert found.count(None) <= 40
        assert log.append([entry(9_999)]) == len(found) + 1
    shutil.rmtree(folder)
