"""JSON lines: events pass unchanged, other objects are mapped, bad lines fail alone."""

from decimal import Decimal
from pathlib import Path

import pytest
from tests.collect.sources.shared import failures, read, records

from tallymark.collect.sources.mapping import Fields
from tallymark.collect.sources.ndjson import ndjson
from tallymark.collect.sources.source import Options


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_bytes(content)
    return path


def test_an_event_passes_unchanged_but_for_a_missing_id(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        b'{"name":"a","time":"2026-01-02T00:00:00Z","properties":{"n":1.10}}\n{"name":"b","id":"x"}\n',
    )

    first, second = records(ndjson, path)

    assert first.event.pop("id").endswith(":0")
    assert first.event == {
        "name": "a",
        "time": "2026-01-02T00:00:00Z",
        "properties": {"n": Decimal("1.10")},
    }
    assert second.event == {"name": "b", "id": "x"}


def test_other_objects_are_mapped_with_their_types_kept(tmp_path: Path) -> None:
    path = write(
        tmp_path, b'{"ts":1767323045123,"action":"buy","n":3,"code":"7","tags":["a"],"none":null}\n'
    )

    (record,) = records(ndjson, path)

    del record.event["id"]
    assert record.event == {
        "name": "buy",
        "time": "2026-01-02T03:04:05.123000Z",
        "properties": {"n": 3, "code": 7, "tags": ["a"]},
    }


def test_objects_of_one_file_may_have_other_members(tmp_path: Path) -> None:
    path = write(tmp_path, b'{"at":"2026-01-02","a":1}\n{"b":2,"at":"2026-01-03","who":"u"}\n')
    fields = Fields(map={"time": "at", "user_id": "who"}, set={"name": "x"})

    first, second = records(ndjson, path, Options(fields=fields))

    assert first.event["properties"] == {"a": 1}
    assert (second.event["properties"], second.event["user_id"]) == ({"b": 2}, "u")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", "JSON_SYNTAX"),
        (b"[1]", "JSON_SYNTAX"),
        (b'{"name":"a","n":NaN}', "JSON_SYNTAX"),
        (b'{"a":1e999999999999999999999}', "JSON_SYNTAX"),
        (b'{"a":"\xff"}', "UTF8_INVALID"),
        (b'{"what":"ever"}', "MISSING_FIELD"),
        (b'{"event":"a","time":"x","n":1}', "TIME_UNPARSABLE"),
    ],
)
def test_a_bad_line_fails_alone(tmp_path: Path, line: bytes, code: str) -> None:
    path = write(tmp_path, b'{"name":"a"}\n' + line + b'\n{"name":"b"}')

    (failure,) = failures(ndjson, path)

    assert (failure.line, failure.code) == (2, code)
    assert len(read(ndjson, path)) == 3
