"""What is remembered of loaded files: kept private, and never trusted for a file that changed."""

from pathlib import Path

import pytest

from tallymark.cli.load_progress import (
    Progress,
    Reached,
    file_key,
    progress_path,
    read_progress,
    start_of,
    write_progress,
)
from tallymark.collect.sources.access_log import access_log
from tallymark.collect.sources.csv import csv
from tallymark.collect.sources.mapping import Fields
from tallymark.collect.sources.source import Options
from tallymark.core.errors import TallymarkError


def test_progress_reads_back_as_written_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "projects" / "p" / "loads.json"
    progress = Progress("secret", {"key": Reached(7, "d", "a.log", before=2)})

    write_progress(path, progress)

    again = read_progress(path)
    assert (again.salt, again.reached) == (progress.salt, progress.reached)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["loads.json"]


def test_without_a_file_there_is_a_fresh_secret_each_time(tmp_path: Path) -> None:
    first, second = (read_progress(tmp_path / "none.json") for _ in range(2))

    assert first.salt != second.salt
    assert first.reached == {}


def test_a_damaged_file_is_not_replaced_by_a_fresh_secret(tmp_path: Path) -> None:
    path = tmp_path / "loads.json"
    path.write_text('{"salt":')

    with pytest.raises(TallymarkError, match="cannot be read"):
        read_progress(path)


def test_a_file_goes_on_where_it_was_left_only_if_its_beginning_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"first\n" + b"x" * 99_999 + b"\nlast\n")
    position = len(path.read_bytes()) - 5
    reached = Reached(position, access_log.digest(path, position), "a.log")

    assert start_of(access_log, path, reached) == position
    assert start_of(access_log, path, None) == 0
    path.write_bytes(b"other\n" + b"x" * 99_999 + b"\nlast\n")
    assert start_of(access_log, path, reached) == 0
    path.write_bytes(b"first\n")
    assert start_of(access_log, path, reached) == 0


def test_another_mapping_or_format_is_another_file_and_another_secret_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"time,event\n2026-01-02,a\n")
    mapped = Options(fields=Fields(set={"name": "b"}))

    keys = {
        file_key(csv, path, Options()),
        file_key(csv, path, mapped),
        file_key(access_log, path, Options()),
    }

    assert len(keys) == 3
    assert file_key(csv, path, Options(salt="s")) == file_key(csv, path, Options(salt="t"))


def test_progress_of_another_server_is_kept_with_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    path = progress_path("data", "https://a.example", "default")

    assert path.parent == tmp_path / "tallymark"
    assert path != progress_path("data", "https://b.example", "default")
    assert progress_path("data", None, "p") == Path("data/projects/p/loads.json")
