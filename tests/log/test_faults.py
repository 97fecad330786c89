"""Faults of the process and the disk, judged only by the answers a client got."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.log.batches import entries, everything, ids

from tallymark.log.salvage import open_log
from tallymark.log.sqlite import SqliteLog

ROOT = Path(__file__).parents[2]


def appender(folder: Path, what: str, start: int = 1, around: Sequence[str] = ()) -> list[str]:
    return [*around, sys.executable, "-m", "tests.log.appender", str(folder), what, str(start)]


def start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def acknowledged(lines: Sequence[str]) -> dict[int, str]:
    answers = [line.split() for line in lines if line.startswith("ok ")]
    return {int(position): name for _, position, name in answers}


def assert_all_there(folder: Path, answers: dict[int, str]) -> int:
    """Check that every acknowledged batch is in its place and none is there twice."""
    log, report = open_log(folder / "log.db")
    with closing(log):
        assert report is None
        found = ids(everything(log))
        assert {n: found[n - 1] for n in answers} == answers
        assert len(set(found)) == len(found)
        assert log.verify().ok
        return log.head()


def kill_rounds(folder: Path, rounds: int, seed: int) -> int:
    noise = random.Random(seed)
    answers: dict[int, str] = {}
    for number in range(rounds):
        child = start(appender(folder, "flood", start=1 + number * 1_000_000))
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(noise.uniform(0.005, 0.4))
        child.kill()
        out, err = child.communicate()
        assert not err
        answers |= acknowledged(out.splitlines())
        assert_all_there(folder, answers)
    return len(answers)


def test_no_acknowledged_batch_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    assert kill_rounds(tmp_path, rounds=5, seed=1) > 100


@pytest.mark.long
@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_no_acknowledged_batch_is_lost_in_many_kills(tmp_path: Path, seed: int) -> None:
    assert kill_rounds(tmp_path, rounds=25, seed=seed) > 1_000


def test_a_termination_signal_loses_nothing_that_was_queued(tmp_path: Path) -> None:
    child = start(appender(tmp_path, "flood"))
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.2)

    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=15)

    assert (child.returncode, err) == (0, "")
    answers = acknowledged(out.splitlines())
    # The clients in flight were cut off from their answers, not from the log.
    assert len(answers) <= assert_all_there(tmp_path, answers) <= len(answers) + 8


def assert_refused_then_healed(folder: Path, command: list[str]) -> None:
    """Check a run of the appender that met a full disk."""
    child = start(command)
    out, _ = child.communicate(timeout=60)
    lines = out.splitlines()

    assert child.returncode == 0
    assert any(line.endswith("STORAGE_PRESSURE") for line in lines)
    healed = lines.index("healthy")
    assert len(acknowledged(lines[healed:])) == 5
    if (folder / "log.db").exists():
        answers = acknowledged(lines)
        assert assert_all_there(folder, answers) == len(answers)


def test_files_that_may_not_grow_refuse_then_heal_by_themselves(tmp_path: Path) -> None:
    assert_refused_then_healed(tmp_path, appender(tmp_path, "limited"))


@pytest.mark.parametrize("what", ["full", "reserve"])
def test_a_full_disk_refuses_then_heals_by_itself(tmp_path: Path, what: str) -> None:
    mount = f"mount -t tmpfs -o size=5m none {tmp_path}"
    if subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False
    ).returncode:
        pytest.skip("a small disk cannot be mounted here (unshare -rm, tmpfs)")
    # The disk vanishes with the child, so the files are copied out for judgement.
    kept = tmp_path.with_name(f"{tmp_path.name}-kept")
    kept.mkdir()
    script = f'{mount} && "$@" && cp {tmp_path}/log.db* {kept}'

    around = ["unshare", "-rm", "sh", "-c", script, "sh"]
    command = appender(tmp_path, what, around=around)

    assert_refused_then_healed(kept, command)


def strace(*options: str) -> list[str]:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    return ["strace", "-f", "-qq", "-o", os.devnull, *options]


@pytest.mark.long
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize(
    ("call", "when"),
    [
        ("fdatasync", "12"),
        ("fdatasync", "12+7"),
        ("fdatasync", "10..14"),
        ("pwrite64", "60"),
        ("pwrite64", "60+41"),
        ("pwrite64", "50..56"),
    ],
)
def test_a_failing_disk_never_acknowledges_what_is_not_there(
    tmp_path: Path, call: str, when: str, error: str
) -> None:
    around = strace("-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}")

    child = start(appender(tmp_path, "steady", around=around))
    out, _ = child.communicate(timeout=120)

    lines = out.splitlines()
    assert child.returncode == 0
    assert any(line.endswith("STORAGE_PRESSURE") for line in lines)
    answers = acknowledged(lines)
    assert answers
    assert_all_there(tmp_path, answers)


@pytest.mark.long
@pytest.mark.parametrize("when", ["1", "3", "5", "10", "40", "3+5", "20+7", "10..30"])
def test_a_disk_that_fails_to_read_for_a_moment_costs_no_batch(tmp_path: Path, when: str) -> None:
    path = tmp_path / "log.db"
    with closing(SqliteLog(path)) as log:
        log.append(entries(range(1, 60), size=20_000))
    around = strace(
        "-P", str(path), "-e", "trace=pread64", "-e", f"inject=pread64:error=EIO:when={when}"
    )

    start(appender(tmp_path, "open", around=around)).communicate(timeout=60)

    assert_all_there(tmp_path, {n: f"e{n}" for n in range(1, 60)})


@pytest.mark.long
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "ftruncate", "rename", "unlink"])
def test_killing_at_every_call_to_the_disk_loses_nothing_acknowledged(
    tmp_path: Path, call: str
) -> None:
    for number in range(1, 40):
        folder = tmp_path / str(number)
        folder.mkdir()
        around = strace("-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}")
        child = start(appender(folder, "steady", around=around))
        out, _ = child.communicate(timeout=60)
        assert_all_there(folder, acknowledged(out.splitlines()))
        if child.returncode == 0:
            break
