"""A folder watched for files: each loaded once, whole, whoever is killed meanwhile."""

import shutil
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.following import (
    Follower,
    accepted,
    balances,
    follower,
    kill_while_it_sends,
    ledger,
    until_accepted,
)
from tests.faults.rounds import until
from tests.journey.sdks import Target, target

from tallymark.cli.main import main


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Target]:
    with target(tmp_path) as one:
        yield one


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def rows(first: int, count: int) -> str:
    made = (
        f"2026-05-17T10:00:{n % 60:02d}Z,order,o-{n},{n}.50" for n in range(first, first + count)
    )
    return "\n".join(made) + "\n"


def table(first: int, count: int) -> str:
    return "time,event,order,total\n" + rows(first, count)


def put(inbox: Path, name: str, text: str) -> None:
    """Put a file there as one should: written elsewhere, then renamed."""
    made = inbox.parent / name
    made.write_text(text)
    made.rename(inbox / name)


def test_files_of_every_format_are_loaded_as_they_come_and_stay_where_they_are(
    server: Target, inbox: Path
) -> None:
    with follower(server, "folder", inbox) as one:
        put(inbox, "a.csv", table(0, 3))
        put(inbox, "b.ndjson", '{"name": "order", "id": "x", "properties": {"total": 7.25}}\n')
        columns = {"time": ["2026-05-17T10:00:00Z"], "event": ["order"], "total": [Decimal("1.10")]}
        pq.write_table(pa.table(columns), inbox.parent / "c.parquet")
        (inbox.parent / "c.parquet").rename(inbox / "c.parquet")
        put(inbox, "readme.txt", "nothing of ours")
        until_accepted(server, 5)
        time.sleep(1)
        assert one.stop() == 0
        assert "3 files loaded" in one.output()

    assert ledger(server) == {"received": 5, "accepted": 5}
    assert len(list(inbox.iterdir())) == 4
    totals = sorted(event["properties"]["total"] for event in server.events())
    assert totals == [0.5, 1.1, 1.5, 2.5, 7.25]


def test_a_file_that_is_still_being_copied_is_left_until_it_is_whole(
    server: Target, inbox: Path
) -> None:
    text = table(0, 100)
    with follower(server, "folder", inbox, "--settle", "1"), (inbox / "a.csv").open("w") as stream:
        for at in range(0, len(text), 700):
            stream.write(text[at : at + 700])
            stream.flush()
            time.sleep(0.3)
            assert accepted(server) == 0
        until_accepted(server, 100)

    assert ledger(server) == {"received": 100, "accepted": 100}


def test_a_file_that_stops_within_a_line_is_left_until_the_line_has_its_end(
    server: Target, inbox: Path
) -> None:
    with follower(server, "folder", inbox, "--settle", "0.2"):
        (inbox / "a.csv").write_text(table(0, 2)[:-4])
        time.sleep(2)
        assert accepted(server) == 0
        (inbox / "a.csv").write_text(table(0, 2))
        until_accepted(server, 2)

    assert ledger(server) == {"received": 2, "accepted": 2}


def test_a_grown_file_gives_its_new_lines_and_one_loaded_before_nothing(
    server: Target, inbox: Path
) -> None:
    (inbox / "a.csv").write_text(table(0, 50))
    command = ["follow", "folder", str(inbox), "--data", str(server.data), "--once"]
    command += ["--settle", "0"]
    main(command)
    main(command)
    assert ledger(server) == {"received": 50, "accepted": 50}
    with (inbox / "a.csv").open("a") as stream:
        stream.write(rows(50, 10))

    main(command)
    main(["load", "csv", str(inbox / "a.csv"), "--data", str(server.data)])

    # The last line known is read again; the load reads all of them.
    assert ledger(server) == {"received": 121, "accepted": 60, "duplicate": 61}


def test_a_file_that_was_replaced_is_loaded_too(server: Target, inbox: Path) -> None:
    command = ["follow", "folder", str(inbox), "--data", str(server.data), "--once"]
    command += ["--settle", "0"]
    put(inbox, "a.csv", table(0, 5))
    main(command)
    put(inbox, "a.csv", table(100, 9))

    main(command)

    assert ledger(server) == {"received": 14, "accepted": 14}


def test_a_file_that_cannot_be_read_costs_no_other(server: Target, inbox: Path) -> None:
    with follower(server, "folder", inbox, "--format", "csv", "--match", "*.csv") as one:
        put(inbox, "a.csv", "no,header,of,ours\n1,2,3,4\n")
        put(inbox, "b.csv", table(0, 1) + "never,order,x\n")
        until_accepted(server, 1)
        until(lambda: "a.csv was left" in one.output(), "it does not tell")
        put(inbox, "c.csv", table(5, 1))
        until_accepted(server, 2)
        assert one.stop() == 0
        assert one.output().count("a.csv was left") == 1

    assert ledger(server) == {"received": 3, "accepted": 2, "rejected": 1}


def test_killed_again_and_again_each_line_of_each_file_counts_once(
    server: Target, inbox: Path
) -> None:
    for number in range(4):
        put(inbox, f"{number}.csv", table(number * 15_000, 15_000))
    one = Follower(server, "folder", inbox, "--settle", "0")
    try:
        for _ in range(4):
            kill_while_it_sends(one, server)
        server.kill()
        one.start(waits=False)
        server.start()
        until_accepted(server, 60_000)
        assert one.stop() == 0
    finally:
        one.end()

    totals = ledger(server)
    assert totals["accepted"] == 60_000
    assert balances(totals)
    assert set(totals) <= {"received", "accepted", "duplicate"}


def test_a_file_moved_away_and_back_counts_once(server: Target, inbox: Path) -> None:
    command = ["follow", "folder", str(inbox), "--data", str(server.data), "--once"]
    command += ["--settle", "0"]
    put(inbox, "a.csv", table(0, 5))
    main(command)
    shutil.move(inbox / "a.csv", inbox.parent / "a.csv")
    main(command)
    shutil.move(inbox.parent / "a.csv", inbox / "renamed.csv")

    main(command)

    assert ledger(server)["accepted"] == 5


def test_there_must_be_a_folder(server: Target, inbox: Path) -> None:
    command = ["follow", "folder", str(inbox / "none"), "--data", str(server.data)]

    assert main(command) == 2
