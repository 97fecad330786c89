"""Loading files into a real server: every line accounted for, once, whatever happens on the way."""

import base64
import gzip
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.collect.sources.shared import real

from tallymark.cli.main import main
from tallymark.client import Client, connect
from tallymark.log.codec import decode_batch
from tallymark.log.sqlite import SqliteLog

PROJECTS = count(1)
UNIX = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}


class Place:
    """One empty project of the module's server."""

    def __init__(self, data: Path, client: Client, project: str) -> None:
        self.data, self.client, self.project = data, client, project

    def load(self, *args: str | Path) -> int:
        return main(["load", *map(str, args), "--data", str(self.data), "--project", self.project])

    def head(self) -> int:
        self.client.project = self.project
        return int(self.client.status()["log_head"])

    def ledger(self) -> dict[str, int]:
        self.client.project = self.project
        self.client.wait()
        totals = self.client.status()["ledger"]
        return {name: items for name, items in totals.items() if items}

    def trends(self, **question: Any) -> list[dict[str, Any]]:
        self.client.project = self.project
        answer = self.client.ask("trends", include_bots=True, **question)
        return list(answer.data["lines"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Client]]:
    data = tmp_path_factory.mktemp("data")
    with connect(data) as client:
        yield data, client


@pytest.fixture
def place(server: tuple[Path, Client]) -> Place:
    data, client = server
    name = f"load-{next(PROJECTS)}"
    client.create_project(name)
    return Place(data, client, name)


def log_line(number: int) -> bytes:
    return (
        b'10.0.0.%d - - [17/May/2015:10:%02d:%02d +0000] "GET /p/%d HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n'
        % (number % 200, number // 60 % 60, number % 60, number % 7)
    )


def unix(command: str, path: Path) -> dict[str, int]:
    done = subprocess.run(
        ["bash", "-c", command + " | sort | uniq -c | sort -rn", "bash", str(path)],
        capture_output=True, check=True, env=UNIX,
    )  # fmt: skip
    pairs = (line.strip().partition(" ") for line in done.stdout.decode().splitlines())
    return {value: int(items) for items, _, value in pairs}


def test_the_real_log_is_answered_as_the_unix_tools_count_it(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    path = real("apache_access.log")
    days = {"since": "2015-05-17", "until": "2015-05-21"}

    assert place.load("access-log", path) == 0

    assert "10,000  accepted and durable" in capsys.readouterr().out
    assert place.ledger() == {"received": 10_000, "accepted": 10_000}
    (line,) = place.trends(range=days)
    by_day = unix('cut -d[ -f2 "$1" | cut -d/ -f1', path)
    assert line["values"] == [by_day[day] for day in ("17", "18", "19", "20")]
    by_status = place.trends(range=days, breakdown=["properties.status"])
    assert {str(line["breakdown"][0]): line["total"] for line in by_status} == unix(
        "awk '{print $9}' \"$1\"", path
    )
    by_path = [
        line for line in place.trends(range=days, breakdown=["path"]) if not line["is_other"]
    ]
    counted = unix("awk '{print $7}' \"$1\" | cut -d'?' -f1", path)
    assert [line["total"] for line in by_path] == sorted(counted.values(), reverse=True)[:10]
    assert {line["breakdown"][0]: line["total"] for line in by_path}.items() <= counted.items()
    (people,) = place.trends(range=days, series=[{"measure": "unique_people"}])
    visitors = unix('awk -F\'"\' \'{split($1, a, " "); print a[1], $6}\' "$1"', path)
    assert people["total"] == len(visitors)


def test_the_real_shop_is_answered_by_week_as_the_unix_tools_count_it(place: Place) -> None:
    path = real("ecom.csv.gz")
    table = 'zcat "$1" | tail -n +2 | '
    rows = subprocess.run(
        ["bash", "-c", table + "cut -d, -f1-4", "bash", str(path)],
        capture_output=True, check=True, env=UNIX, text=True,
    ).stdout.splitlines()  # fmt: skip

    assert place.load("csv", path) == 0

    first, last = min(row.split(",")[3] for row in rows), max(row.split(",")[3] for row in rows)
    lines = place.trends(
        range={"since": first[:10] + "T00:00:00Z", "until": last[:10] + "T23:59:59.999999Z"},
        interval="week",
        series=[{"measure": "count"}, {"measure": "unique_people"}, {"measure": "sessions"}],
    )
    expected = weekly(rows)
    assert [line["values"] for line in lines] == expected


def weekly(rows: list[str]) -> list[list[int]]:
    """Count events, people and sessions by ISO week with ``date``, ``sort`` and ``uniq`` alone."""
    dates = sorted({row.split(",")[3][:10] for row in rows})
    done = subprocess.run(
        ["date", "-u", "-f", "-", "+%G-%V"], input="\n".join(dates), capture_output=True,
        check=True, env=UNIX, text=True,
    )  # fmt: skip
    week_of = dict(zip(dates, done.stdout.split(), strict=True))
    found = []
    for columns in ((), (0,), (1,)):
        keys = "\n".join(
            ",".join([week_of[cells[3][:10]], *(cells[at] for at in columns)])
            for cells in (row.split(",") for row in rows)
        )
        distinct = "sort" if not columns else "sort -u"
        counted = subprocess.run(
            ["bash", "-c", f"{distinct} | cut -d, -f1 | uniq -c"], input=keys + "\n",
            capture_output=True, check=True, env=UNIX, text=True,
        )  # fmt: skip
        found.append([int(line.split()[0]) for line in counted.stdout.splitlines()])
    return found


def test_loading_a_file_again_adds_nothing(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(map(log_line, range(3000))))

    for flags in ([], [], ["--from-start"]):
        assert place.load("access-log", path, *flags) == 0
    renamed = path.rename(tmp_path / "a.log.1")
    (tmp_path / "a.log.1.gz").write_bytes(gzip.compress(renamed.read_bytes()))
    assert place.load("access-log", renamed, tmp_path / "a.log.1.gz", "--from-start") == 0

    assert "2,999  skipped, known to be loaded before" in capsys.readouterr().out
    # The last line is read again each time, because it may have been cut short before.
    assert place.ledger() == {"received": 12_001, "accepted": 3000, "duplicate": 9_001}


def test_a_second_load_counts_records_and_not_the_header_blank_lines_or_lines_of_a_record(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text('time,event,note\n\n2026-01-02,a,"two\nlines"\n2026-01-02,b\n2026-01-02,c,x\n')

    place.load("csv", path)
    first = capsys.readouterr().out
    place.load("csv", path)
    second = capsys.readouterr().out

    assert "Read 3 lines in" in first
    assert "skipped" not in first
    assert "Read 1 line in" in second
    assert " 2  skipped, known to be loaded before" in second


def test_a_load_remembered_without_its_count_is_read_whole_again(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(map(log_line, range(20))))
    place.load("access-log", path)
    where = place.data / "projects" / place.project / "loads.json"
    held = msgspec.json.decode(where.read_bytes())
    for one in held["reached"].values():
        assert one.pop("before") == 19
    where.write_bytes(msgspec.json.encode(held))
    capsys.readouterr()

    place.load("access-log", path)

    said = capsys.readouterr().out
    assert "Read 20 lines in" in said
    assert "skipped" not in said
    assert place.ledger() == {"received": 40, "accepted": 20, "duplicate": 20}


def test_a_grown_file_adds_its_new_lines_only(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(log_line(0))
    sizes: list[int] = []
    for upto in (1, 2, 700, 701, 2500):
        with path.open("ab") as stream:
            stream.writelines(map(log_line, range(sizes[-1] if sizes else 1, upto)))
        assert place.load("access-log", path) == 0
        sizes.append(upto)

    assert place.ledger()["accepted"] == 2500


def test_half_a_line_is_left_until_it_is_whole_and_then_counts_once(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, second = tmp_path / "a.log", log_line(1)
    path.write_bytes(log_line(0) + second[:-30])

    place.load("access-log", path)
    said = capsys.readouterr().out
    with path.open("ab") as stream:
        stream.write(second[-30:])
    place.load("access-log", path)

    assert f"The last line of {path} has no end yet" in said
    assert "The last line" not in capsys.readouterr().out
    # The first line was read again, as the last one of a load always is.
    assert place.ledger() == {"received": 3, "accepted": 2, "duplicate": 1}


@pytest.mark.parametrize("how", ["flag", "old", "gzip"])
def test_a_last_line_without_an_end_is_loaded_where_nobody_writes_it(
    place: Place, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "a.csv"
    content = b"time,event\n2026-01-02,a\n2026-01-02,b"
    path.write_bytes(gzip.compress(content) if how == "gzip" else content)
    if how == "old":
        os.utime(path, (1_700_000_000, 1_700_000_000))

    place.load("csv", path, *(["--last-line"] if how == "flag" else []))

    assert place.ledger() == {"received": 2, "accepted": 2}


def test_equal_lines_all_count(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(log_line(1) * 50)

    place.load("access-log", path)

    assert place.ledger() == {"received": 50, "accepted": 50}


def test_lines_that_fail_are_told_with_their_reason_and_can_be_written_out(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, rejects = tmp_path / "a.csv", tmp_path / "rejects.csv"
    path.write_text(
        "time,event,user_id\n2026-01-02,a,u\nyesterday,b,u\n2026-01-02,c\n2026-01-02,d,undefined\n"
    )

    assert place.load("csv", path, "--failed", rejects) == 0

    said = capsys.readouterr().out
    assert rejects.read_text() == "yesterday,b,u\n2026-01-02,c\n"
    assert re.search(r"^ +3  failed$", said, re.MULTILINE)
    for part in (
        "TIME_UNPARSABLE",
        f"{path}:3:",
        "LINE_UNREADABLE",
        f"{path}:4:",
        "ILLEGAL_ID",
        f"{path}:5:",
    ):
        assert part in said
    assert "What failed is kept" in said
    assert "stay in their file" not in said
    assert place.ledger() == {"received": 4, "accepted": 1, "rejected": 3}


def test_lines_that_fail_are_kept_like_everything_refused_and_once(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    lines = ["time,event,user_id", "2026-01-02,a,u", "yesterday,b,u", "2026-01-02,c", "never,d,u"]
    path.write_text("\n".join(lines) + "\n")
    again = tmp_path / "b.csv"
    again.write_bytes(path.read_bytes())

    for args in ([path], [path], [path, "--from-start"], [again]):
        place.load("csv", *args)

    # Every load reads at least the last line again: 4 + 1 + 4 + 1 lines.
    assert place.ledger() == {"received": 10, "accepted": 1, "rejected": 3, "duplicate": 6}
    kept = place.client.failed()["failed"]
    assert [(one["code"], one["path"], base64.b64decode(one["raw"])) for one in kept] == [
        ("TIME_UNPARSABLE", "line 5", b"never,d,u"),
        ("LINE_UNREADABLE", "line 4", b"2026-01-02,c"),
        ("TIME_UNPARSABLE", "line 3", b"yesterday,b,u"),
    ]
    assert kept[1]["message"] == "The record has 2 fields, the header 3."
    assert "what others sent" not in capsys.readouterr().out


def test_a_file_of_which_no_line_can_be_read_is_accounted_for_too(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(b"nothing %d\n" % number for number in range(4500)))

    assert place.load("access-log", path) == 1
    assert place.load("access-log", path) == 0

    assert "4,499  skipped" in capsys.readouterr().out
    assert place.ledger() == {"received": 4501, "rejected": 4500, "duplicate": 1}


def test_no_address_of_a_line_that_failed_reaches_a_file_of_the_server(
    place: Place, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,event,who\n203.0.113.77 c@nary.example,a,b\n2026-01-02,2001:db8::ca9a\n")

    place.load("csv", path)

    assert place.ledger() == {"received": 2, "rejected": 2}
    project = place.data / "projects" / place.project
    with closing(SqliteLog(project / "log.db", readonly=True)) as log:
        (record,) = log.read(0, max_bytes=2**40, max_items=2**40)
    logged = msgspec.json.encode(decode_batch(record))
    raws = [one.raw for one in decode_batch(record).failed]
    assert raws == [b"[address] [email],a,b", b"2026-01-02,[address]"]
    shown = str(place.client.failed())
    held = b"".join(found.read_bytes() for found in project.rglob("*") if found.is_file())
    for canary in ("203.0.113", "nary", "ca9a"):
        assert canary not in shown
        assert canary.encode() not in logged + held


def test_control_characters_of_a_bad_line_do_not_reach_the_terminal(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"\x1b]0;owned\x07 nothing\n" + log_line(1))

    place.load("access-log", path)

    assert "\x1b" not in capsys.readouterr().out


def test_a_changed_mapping_is_told_as_a_conflict_and_not_counted(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,event,n\n2026-01-02,a,1\n")
    place.load("csv", path)

    place.load("csv", path, "--set", "name=other")

    assert "1    in conflict" in capsys.readouterr().out
    assert place.ledger() == {"received": 2, "accepted": 1, "conflict": 1}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_load_that_was_ended_goes_on_and_counts_every_line_once(
    place: Place, tmp_path: Path, how: signal.Signals
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(map(log_line, range(25_000))))
    command = [sys.executable, "-m", "tallymark", "load", "access-log", str(path)]
    where = ["--data", str(place.data), "--project", place.project]
    child = subprocess.Popen(command + where, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while place.head() == 0 and child.poll() is None:
        time.sleep(0.01)
    os.kill(child.pid, how)
    out, _ = child.communicate()
    before = place.ledger()["accepted"]

    assert place.load("access-log", path) == 0

    assert child.returncode == (130 if how == signal.SIGINT else -how)
    assert (b"run the same command again" in out) == (how == signal.SIGINT)
    assert before < 25_000
    assert place.ledger()["accepted"] == 25_000


def test_a_dry_run_reads_everything_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(log_line(1) * 5 + b"junk\n")

    status = main(["load", "access-log", str(path), "--dry-run", "--data", str(tmp_path / "data")])

    said = capsys.readouterr().out
    assert status == 0
    assert "5  would be sent" in said
    assert said.count('"name":"request"') == 3
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["accesslog", "a.csv"], "Did you mean 'access-log'?"),
        (["csv", "missing.csv"], "No such file"),
        (["csv", "a.csv", "b.csv"], "b.csv: the file is empty"),
        (["csv", "a.csv", "--map", "time"], "'time' is not NAME=VALUE"),
        (["csv", "a.csv", "--map", "time=tim"], "Did you mean 'time'?"),
        (["csv", "a.csv", "--timezone", "Mars"], "'Mars' is no time zone"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line_before_anything_is_sent(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("time,event\n2026-01-02,a\n")
    (tmp_path / "b.csv").write_text("")

    status = main(["load", *args])

    error = capsys.readouterr().err
    assert status == 2
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "data").exists()
