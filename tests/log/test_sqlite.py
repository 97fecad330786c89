import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from tests.log.batches import NO_LIMIT, entries, entry, everything, ids

from tallymark.core.errors import Broken, NotFound, Unavailable
from tallymark.log.log import GENESIS, link
from tallymark.log.salvage import open_log
from tallymark.log.sqlite import SqliteLog


def change(path: Path, statement: str) -> None:
    """Change the file behind the log's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def files_holding(folder: Path, content: bytes) -> list[str]:
    return [file.name for file in folder.iterdir() if content in file.read_bytes()]


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def test_a_new_log_is_empty_and_verifies(log: SqliteLog) -> None:
    assert (log.first(), log.head()) == (1, 0)
    assert everything(log) == []
    assert log.verify().ok


def test_positions_start_at_one_and_have_no_gaps_across_reopening(path: Path) -> None:
    with closing(SqliteLog(path)) as log:
        firsts = [log.append(entries(range(1, 4))), log.append([entry(4)])]
    with closing(SqliteLog(path)) as log:
        firsts.append(log.append(entries(range(5, 7))))

        assert firsts == [1, 4, 5]
        assert [r.position for r in everything(log)] == [1, 2, 3, 4, 5, 6]
        assert ids(everything(log)) == ["e1", "e2", "e3", "e4", "e5", "e6"]
        assert log.verify().ok


def test_every_link_follows_from_the_one_before(log: SqliteLog) -> None:
    log.append(entries(range(1, 4)))

    with closing(sqlite3.connect(log.path)) as connection:
        stored = [row[0] for row in connection.execute("SELECT chain FROM batch ORDER BY position")]

    first = link(GENESIS, 1, entry(1))
    second = link(first, 2, entry(2))
    assert stored == [first, second, link(second, 3, entry(3))]


def test_reading_stops_at_either_limit_but_always_gets_on(log: SqliteLog) -> None:
    log.append(entries(range(1, 11), size=2_000))

    by_items = log.read(2, max_bytes=2**62, max_items=3)
    by_bytes = log.read(2, max_bytes=5_000, max_items=2**62)
    by_nothing = log.read(2, max_bytes=0, max_items=0)

    assert [r.position for r in by_items] == [3, 4, 5]
    assert 1 <= len(by_bytes) <= 5
    assert sum(len(r.payload or b"") for r in by_bytes) <= 5_000
    assert [r.position for r in by_nothing] == [3]
    assert log.read(10, **NO_LIMIT) == []


def test_the_settings_that_make_a_commit_durable_are_in_force(log: SqliteLog) -> None:
    connection = log._connection

    values = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete", "auto_vacuum", "page_size")
    }

    assert values == {
        "journal_mode": b"wal",
        "synchronous": 2,
        "secure_delete": 1,
        "auto_vacuum": 2,
        "page_size": 4096,
    }


def test_a_reader_in_another_process_follows_while_the_writer_writes(log: SqliteLog) -> None:
    log.append(entries(range(1, 6)))
    program = (
        "import sys; from pathlib import Path; from tallymark.log.sqlite import SqliteLog\n"
        "log = SqliteLog(Path(sys.argv[1]), readonly=True); position = 0\n"
        "while position < 300:\n"
        "    for record in log.read(position, max_bytes=9999, max_items=20):\n"
        "        assert record.position == position + 1 and record.payload\n"
        "        position = record.position\n"
        "print(position)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(log.path)], stdout=subprocess.PIPE, text=True
    ) as reader:
        for number in range(6, 301):
            log.append([entry(number)])
        out, _ = reader.communicate(timeout=30)

    assert out.strip() == "300"


def test_a_reader_cannot_write_and_cannot_make_a_log(log: SqliteLog, tmp_path: Path) -> None:
    with closing(SqliteLog(log.path, readonly=True)) as reader, pytest.raises(Unavailable):
        reader.append([entry(1)])
    with pytest.raises(NotFound):
        SqliteLog(tmp_path / "absent.db", readonly=True)


def test_threads_share_one_log(log: SqliteLog) -> None:
    def work(start: int) -> None:
        for number in range(start, start + 25):
            log.append([entry(number)])
            log.read(0, max_bytes=1_000, max_items=5)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert log.head() == 100
    assert log.verify().ok


def test_an_erased_payload_leaves_a_tombstone_and_the_log_still_verifies(log: SqliteLog) -> None:
    log.append(entries(range(1, 6), size=20_000))
    digest = everything(log)[2].digest

    erased = log.erase([3, 4, 99])

    assert erased == 2
    assert ids(everything(log)) == ["e1", "e2", None, None, "e5"]
    assert everything(log)[2].digest == digest
    assert not everything(log)[2].damaged
    report = log.verify()
    assert (report.ok, report.batches, report.erased) == (True, 5, 2)
    assert log.erase([3]) == 0


def test_erased_and_trimmed_bytes_are_gone_from_every_file(log: SqliteLog) -> None:
    log.append(entries(range(1, 30), size=900))
    payloads = [record.payload or b"" for record in everything(log)]
    assert files_holding(log.path.parent, payloads[1][100:400])

    log.erase([2])
    log.trim(before_received_at=2**62, upto_position=1)

    assert files_holding(log.path.parent, payloads[1][100:400]) == []
    assert files_holding(log.path.parent, payloads[0][100:400]) == []
    assert files_holding(log.path.parent, payloads[2][100:400]) == ["log.db"]


def test_trimming_deletes_a_prefix_keeps_the_chain_and_gives_space_back(log: SqliteLog) -> None:
    log.append(entries(range(1, 501), size=20_000))
    before = size_of(log.path.parent)

    deleted = log.trim(before_received_at=2**62, upto_position=450)

    assert deleted == 450
    assert (log.first(), log.head()) == (451, 500)
    assert [r.position for r in log.read(0, max_bytes=10**6, max_items=2)] == [451, 452]
    assert log.verify().ok
    assert size_of(log.path.parent) < before / 5
    assert log.append([entry(501)]) == 501
    assert log.verify().batches == 51


def test_a_log_trimmed_empty_goes_on_counting(log: SqliteLog) -> None:
    log.append(entries(range(1, 11)))

    log.trim(before_received_at=2**62, upto_position=2**62)

    assert (log.first(), log.head(), everything(log)) == (11, 10, [])
    assert log.append([entry(11)]) == 11
    assert log.verify().ok


def test_trimming_goes_by_receipt_and_never_past_a_batch_that_stays(log: SqliteLog) -> None:
    log.append([entry(1, received_at=10), entry(2, received_at=30), entry(3, received_at=10)])

    assert log.trim(before_received_at=20, upto_position=3) == 1
    assert [r.position for r in everything(log)] == [2, 3]
    assert log.trim(before_received_at=30, upto_position=3) == 0
    assert log.trim(before_received_at=31, upto_position=2) == 1


def test_a_back_dated_event_stays_as_long_as_its_batch(log: SqliteLog) -> None:
    back_dated = entry(0, received_at=50)

    log.append([back_dated])

    assert log.trim(before_received_at=50, upto_position=1) == 0
    assert ids(everything(log)) == ["e0"]


def test_a_changed_payload_is_damaged_and_its_neighbours_are_not(log: SqliteLog) -> None:
    log.append(entries(range(1, 6)))

    change(log.path, "UPDATE batch SET payload = x'00' WHERE position = 3")

    records = everything(log)
    assert ids(records) == ["e1", "e2", None, "e4", "e5"]
    assert [r.position for r in records if r.damaged] == [3]
    report = log.verify()
    assert (report.ok, report.damaged, report.chain_ok) == (False, (3,), True)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE batch SET received_at = received_at + 1 WHERE position = 2",
        "UPDATE batch SET items = 7 WHERE position = 2",
        "UPDATE batch SET codec = 7 WHERE position = 2",
        "UPDATE batch SET digest = x'00' WHERE position = 2",
    ],
)
def test_a_changed_field_is_damage_too(log: SqliteLog, statement: str) -> None:
    log.append(entries(range(1, 4)))

    change(log.path, statement)

    report = log.verify()
    assert (report.damaged, report.chain_ok, report.first_broken) == ((2,), False, 2)


def test_a_batch_replaced_by_a_well_sealed_one_breaks_the_chain(log: SqliteLog) -> None:
    log.append(entries(range(1, 4)))
    forged = entry(9)

    with closing(sqlite3.connect(log.path)) as connection, connection:
        connection.execute(
            "UPDATE batch SET received_at = ?, digest = ?, payload = ? WHERE position = 2",
            (forged.received_at, forged.digest, forged.payload),
        )

    report = log.verify()
    assert (report.damaged, report.first_broken) == ((), 2)


def test_a_deleted_batch_is_reported_in_its_place(log: SqliteLog) -> None:
    log.append(entries(range(1, 6)))

    change(log.path, "DELETE FROM batch WHERE position = 3")

    assert [(r.position, r.damaged) for r in everything(log)][2] == (3, True)
    assert log.verify().damaged == (3,)
    with pytest.raises(Broken):
        log.check()


def test_a_newer_format_is_refused_with_a_clear_text(log: SqliteLog) -> None:
    log.close()
    change(log.path, "UPDATE meta SET format = 2")
    change(log.path, "PRAGMA user_version = 2")

    with pytest.raises(Broken, match="format 2; this version reads up to 1") as refused:
        SqliteLog(log.path)

    assert refused.value.code == "VERSION_UNKNOWN"


def test_a_backup_is_whole_while_a_writer_writes(log: SqliteLog, tmp_path: Path) -> None:
    log.append(entries(range(1, 50), size=4_000))
    stop = threading.Event()

    def write() -> None:
        number = 100
        while not stop.is_set():
            log.append([entry(number)])
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        heads = [log.backup(tmp_path / f"copy{n}.db") for n in range(3)]
    finally:
        stop.set()
        writer.join()

    for n, head in enumerate(heads):
        copy, salvaged = open_log(tmp_path / f"copy{n}.db")
        with closing(copy):
            assert salvaged is None
            assert copy.head() == head >= 49
            assert copy.verify().ok
            assert everything(copy) == log.read(0, max_bytes=2**62, max_items=head)


def test_a_backup_never_overwrites(log: SqliteLog) -> None:
    with pytest.raises(Unavailable, match="never overwrites"):
        log.backup(log.path)


def leave(path: Path) -> None:
    """Open and close the log in another process, which takes itself for the last if it may."""
    text = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT head FROM meta').fetchone(); c.close()"
    subprocess.run([sys.executable, "-c", text, str(path)], check=True)


def test_a_reader_that_leaves_takes_nothing_of_a_running_writer_with_it(path: Path) -> None:
    log, _ = open_log(path)
    with closing(log):
        log.append(entries(range(1, 3)))
        wal = path.with_name("log.db-wal")
        before = wal.stat().st_ino

        leave(path)

        assert wal.stat().st_ino == before
        log.append(entries(range(3, 5)))
        with closing(SqliteLog(path, readonly=True)) as reader:
            assert ids(everything(reader)) == ["e1", "e2", "e3", "e4"]


def test_a_writer_whose_locks_were_lost_acknowledges_nothing_that_goes_nowhere(path: Path) -> None:
    log, _ = open_log(path)
    with closing(log):
        log.append(entries(range(1, 3)))
        # Closing any other handle on the file gives up the locks of the whole process.
        path.read_bytes()
        leave(path)

        with pytest.raises(Unavailable):
            log.append(entries(range(3, 4)))
        log.append(entries(range(3, 5)))

        with closing(SqliteLog(path, readonly=True)) as reader:
            # Of what was refused nothing is promised: it may be there as well.
            assert list(dict.fromkeys(ids(everything(reader)))) == ["e1", "e2", "e3", "e4"]
            assert reader.verify().ok


def test_a_log_another_writer_holds_is_unavailable_then_goes_on(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log._connection.execute("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(log.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="SQLITE_BUSY") as busy:
            log.append([entry(1)])
        other.execute("ROLLBACK")

    assert busy.value.retry_after_seconds
    assert log.append([entry(1)]) == 1
    assert log.verify().ok


def test_nothing_is_acknowledged_after_a_failure_until_the_last_acknowledged_batch_is_found(
    log: SqliteLog,
) -> None:
    log.append(entries(range(1, 4)))
    log._connection.close()
    with pytest.raises(Unavailable):
        log.append([entry(4)])
    change(log.path, "DELETE FROM batch WHERE position = 3")

    with pytest.raises(Broken, match="position 3 is gone"):
        log.append([entry(4)])
