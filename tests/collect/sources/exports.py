"""What the tests of other tools' exports share: files of records, and what they told."""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

from tests.collect.sources.shared import failures, read

from tallymark.collect.sources.source import Around, Failure, Options, Record, Source
from tallymark.core.event import Command, Event
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings

NOW = 1_780_000_000_000_000


def options(
    *, policy: Policy | None = None, since: int | None = None, until: int | None = None,
    **settings: Any,
) -> Options:  # fmt: skip
    around = Around(Settings(**settings), policy or Policy(), NOW)
    return Options(around=around, since=since, until=until)


def lines(tmp_path: Path, *rows: Any, name: str = "export.json") -> Path:
    path = tmp_path / name
    text = b"".join(
        row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows
    )
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


def zipped(tmp_path: Path, **files: bytes) -> Path:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def told(source: Source, path: Path, given: Options | None = None) -> list[Record]:
    """Return the records of a file of which none fails."""
    items = read(source, path, given or options())
    assert [one for one in items if isinstance(one, Failure)] == []
    return [one for one in items if isinstance(one, Record)]


def events(source: Source, path: Path, given: Options | None = None) -> list[Event]:
    return [use for one in told(source, path, given) for use in one.event.get("events", [])]


def commands(source: Source, path: Path, given: Options | None = None) -> list[Command]:
    return [one for record in told(source, path, given) for one in record.event["commands"]]


def codes(source: Source, path: Path) -> list[str]:
    return [one.code for one in failures(source, path, options())]
