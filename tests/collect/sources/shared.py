"""What the tests of file formats share: reading to lists, and the real data sets where present."""

from pathlib import Path

import pytest

from tallymark.collect.sources.source import Failure, Item, Options, Record, Source

_DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


def real(name: str) -> Path:
    """Return the path of a real data set; skips the test where it is not there."""
    path = _DATA / name
    if not path.is_file():
        pytest.skip(f"the data set {name} is not on this machine")
    return path


def read(source: Source, path: Path, options: Options | None = None, start: int = 0) -> list[Item]:
    return list(source.read(path, options or Options(salt="salt"), start))


def records(source: Source, path: Path, options: Options | None = None) -> list[Record]:
    items = read(source, path, options)
    assert [item for item in items if isinstance(item, Failure)] == []
    return [item for item in items if isinstance(item, Record)]


def failures(source: Source, path: Path, options: Options | None = None) -> list[Failure]:
    return [item for item in read(source, path, options) if isinstance(item, Failure)]


def ids(items: list[Item]) -> list[str]:
    return [item.event["id"] for item in items if isinstance(item, Record)]
