"""Logs followed while they are written, rotated, and everything about them is killed: each line once."""

import gzip
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

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
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder / "access.log"


def line(number: int) -> bytes:
    return (
        b'10.0.%d.%d - - [17/May/2026:10:%02d:%02d +0000] "GET /p/%d HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n'
        % (number // 200 % 200, number % 200, number // 60 % 60, number % 60, number)
    )


def write(log: Path, *numbers: int) -> None:
    with log.open("ab") as stream:
        stream.writelines(map(line, numbers))


def paths(server: Target) -> list[str]:
    """Return the paths counted, each as often as it was."""
    question = {"since": "2026-05-17", "until": "2026-05-18"}
    return sorted(event["context"]["path"] for event in server.events(range=question))


def test_lines_are_counted_as_they_are_written_and_loading_the_file_adds_nothing(
    server: Target, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(log, 0, 1)
    with follower(server, "access-log", log) as one:
        until_accepted(server, 2)
        write(log, 2, 3)
        until_accepted(server, 4)
        assert one.stop() == 0
        assert "4 events accepted and durable" in one.output()

    assert main(["load", "access-log", str(log), "--data", str(server.data)]) == 0

    assert ledger(server) == {"received": 8, "accepted": 4, "duplicate": 4}
    assert "4    sent before, counted once" in capsys.readouterr().out


def test_a_line_waits_for_its_end_and_a_file_for_its_beginning(server: Target, log: Path) -> None:
    with follower(server, "access-log", log) as one:
        until(lambda: "waiting for it" in one.output(), "it does not say that there is no file")
        write(log, 0)
        with log.open("ab") as stream:
            stream.write(line(1)[:40])
            stream.flush()
            until_accepted(server, 1)
            time.sleep(1)
            stream.write(line(1)[40:])
        until_accepted(server, 2)

    assert paths(server) == ["/p/0", "/p/1"]
    assert ledger(server) == {"received": 2, "accepted": 2}


def test_a_rotated_log_is_read_on_while_its_server_still_writes_to_it(
    server: Target, log: Path
) -> None:
    write(log, 0)
    with follower(server, "access-log", log):
        until_accepted(server, 1)
        with log.open("ab") as old:
            log.rename(log.with_name("access.log.1"))
            old.write(line(1))
            old.flush()
            write(log, 2)
            until_accepted(server, 3)
            old.write(line(3))
        until_accepted(server, 4)

    assert paths(server) == ["/p/0", "/p/1", "/p/2", "/p/3"]


def test_a_log_that_is_copied_and_truncated_loses_no_line(server: Target, log: Path) -> None:
    write(log, *range(50))
    with follower(server, "access-log", log) as one:
        until_accepted(server, 50)
        # Written, copied and truncated before anybody looks again.
        os.kill(one.pid, signal.SIGSTOP)
        write(log, 50, 51)
        shutil.copy(log, log.with_name("access.log.1"))
        os.truncate(log, 0)
        write(log, *range(52, 200))
        os.kill(one.pid, signal.SIGCONT)
        until_accepted(server, 200)

    assert len(set(paths(server))) == 200
    assert accepted(server) == 200


@pytest.mark.parametrize("is_packed", [False, True])
def test_what_was_rotated_while_nobody_followed_is_found(
    server: Target, log: Path, is_packed: bool
) -> None:
    old = log.with_name("access.log.3")
    old.write_bytes(line(900))
    os.utime(old, (1_700_000_000, 1_700_000_000))
    others = [
        log.with_name(name) for name in ("access-443.log", "access.log.bak", "access.log.4.xz")
    ]
    write(log, 0)
    with follower(server, "access-log", log) as one:
        until_accepted(server, 1)
        one.kill()
    for other in others:
        other.write_bytes(line(901))
    write(log, 1)
    for name, number in (("access.log.2", 2), ("access.log.1", 3)):
        log.rename(log.with_name(name))
        write(log, number)
    if is_packed:
        for name in ("access.log.2", "access.log.1"):
            plain = log.with_name(name)
            plain.with_name(f"{name}.gz").write_bytes(gzip.compress(plain.read_bytes()))
            plain.unlink()

    with follower(server, "access-log", log):
        until_accepted(server, 4)

    # That of before the first time is for `tallymark load`.
    assert paths(server) == ["/p/0", "/p/1", "/p/2", "/p/3"]


def test_killed_again_and_again_while_the_log_is_written_and_rotated_each_line_counts_once(
    server: Target, log: Path
) -> None:
    enough, written = threading.Event(), 0

    def writing() -> None:
        nonlocal written
        while not enough.is_set():
            write(log, *range(written, written + 20))
            written += 20
            if written % 3_000 == 0:
                log.rename(log.with_name(f"access.log-{written:08}"))
            time.sleep(0.02)

    writer = threading.Thread(target=writing)
    with follower(server, "access-log", log, starts=False) as one:
        writer.start()
        for _ in range(4):
            kill_while_it_sends(one, server)
        enough.set()
        writer.join()
        one.start()
        until_accepted(server, written)
        assert one.stop() == 0

    totals = ledger(server)
    assert totals["accepted"] == written
    assert balances(totals)
    assert set(totals) <= {"received", "accepted", "duplicate"}


def test_a_server_that_is_killed_and_comes_back_costs_no_line(server: Target, log: Path) -> None:
    write(log, *range(500))
    with follower(server, "access-log", log) as one:
        until_accepted(server, 500)
        server.kill()
        write(log, *range(500, 1_000))
        until(lambda: "Trying until it answers" in one.output(), "it does not tell")
        server.start()
        until_accepted(server, 1_000)
        until(lambda: "answers again" in one.output(), "it does not tell")

    assert ledger(server) == {"received": 1_000, "accepted": 1_000}


def test_a_server_that_takes_less_at_once_gets_it_in_parts(tmp_path: Path, log: Path) -> None:
    write(log, *range(500))
    with target(tmp_path, max_batch_events=60) as server:
        assert main(["follow", "access-log", str(log), "--data", str(server.data), "--once"]) == 0

        assert ledger(server)["accepted"] == 500


def test_it_waits_for_a_server_and_starts_none(tmp_path: Path, log: Path) -> None:
    write(log, 0)
    server = Target(tmp_path / "data")
    one = Follower(server, "access-log", log)
    try:
        one.start(waits=False)
        until(
            lambda: "Waiting for `tallymark serve" in one.output(), "it does not tell", seconds=40
        )
        server.start()
        until_accepted(server, 1)
        assert one.stop(signal.SIGINT) == 0
    finally:
        one.end()
        server.end()


def test_two_cannot_follow_the_same(server: Target, log: Path) -> None:
    write(log, 0)
    with follower(server, "access-log", log):
        status = main(["follow", "access-log", str(log), "--data", str(server.data), "--once"])

    assert status == 2


def test_once_sends_what_is_there_and_ends(
    server: Target, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(log, 0, 1)
    with log.open("ab") as stream:
        stream.write(b"no line\n")
    command = ["follow", "access-log", str(log), "--data", str(server.data), "--once"]

    assert [main(command), main(command)] == [0, 0]

    assert ledger(server) == {"received": 4, "accepted": 2, "rejected": 1, "duplicate": 1}
    assert "2 events accepted and durable, 1 unreadable" in capsys.readouterr().out


def test_from_the_end_leaves_what_was_there_before_the_first_time(
    server: Target, log: Path
) -> None:
    write(log, 0, 1)
    with follower(server, "access-log", log, "--from-end") as one:
        one.stop()
        write(log, 2)
        one.start()
        until_accepted(server, 1)
        one.stop()
    write(log, 3)
    with follower(server, "access-log", log, "--from-end"):
        until_accepted(server, 2)

    assert paths(server) == ["/p/2", "/p/3"]


def test_json_lines_of_a_program_are_followed_with_a_mapping(server: Target, log: Path) -> None:
    with follower(server, "ndjson", log, "--map", "time=at", "--set", "name=job") as one:
        with log.open("a") as stream:
            stream.write('{"at": "2026-05-17T10:00:00Z", "job": "mail", "took": 1.5}\n')
        until_accepted(server, 1)
        assert one.stop() == 0

    (event,) = server.events()
    assert (event["event"], event["properties"]) == ("job", {"job": "mail", "took": 1.5})


def test_over_http_a_key_is_all_it_takes(
    server: Target, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TALLYMARK_KEY", server.keys["secret"])
    write(log, 0, 1)

    assert main(["follow", "access-log", str(log), "--url", server.url, "--once"]) == 0
    monkeypatch.setenv("TALLYMARK_KEY", "sk_wrong")
    write(log, 2)
    assert main(["follow", "access-log", str(log), "--url", server.url, "--once"]) == 2

    assert ledger(server) == {"received": 2, "accepted": 2}
