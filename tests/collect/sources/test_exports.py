"""Exports of every tool: hostile files fail record by record, and never cost the memory or the rest."""

import gzip
import json
import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from tests.collect.sources.exports import codes, events, lines, options, zipped
from tests.collect.sources.shared import failures, read
from tests.collect.sources.test_posthog_export import PAGE

from tallymark.collect.sources._objects import objects
from tallymark.collect.sources.posthog_export import posthog_export
from tallymark.collect.sources.source import Failure, Options, Record
from tallymark.core.errors import Refused

MIB = 1024 * 1024


def row(number: int) -> dict[str, object]:
    return {**PAGE, "uuid": f"u-{number}", "person_properties": {}}


def found(path: Path) -> list[str]:
    return [event.id for event in events(posthog_export, path)]


def test_an_array_and_lines_give_the_same_records(tmp_path: Path) -> None:
    rows = [row(number) for number in range(300)]
    pretty = lines(tmp_path, json.dumps(rows, indent=2).encode(), name="a.json")
    compact = lines(tmp_path, json.dumps(rows).encode(), name="b.json")
    plain = lines(tmp_path, *rows, name="c.json")
    packed = lines(tmp_path, json.dumps(rows).encode(), name="d.json.gz")

    expected = [f"u-{number}" for number in range(300)]
    assert found(pretty) == found(compact) == found(plain) == found(packed) == expected


def test_text_in_an_array_may_hold_every_sign_of_json(tmp_path: Path) -> None:
    odd = '{"}],[\\" \\\\'
    rows = [{**row(1), "event": odd}, {**row(2), "event": "b\\"}]

    told = events(posthog_export, lines(tmp_path, json.dumps(rows).encode()))

    assert [event.name for event in told] == [odd, "b\\"]


@pytest.mark.parametrize("size", range(1, 40))
def test_an_array_is_read_wherever_a_block_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf [ {"a":"\\"}"} , 7, {"b":{"c":[1,{}]}},\n[2], {"d":1}\n] x')
    monkeypatch.setattr("tallymark.collect.sources._objects.BLOCK", max(size, 6))

    items = list(objects(path, 0, digest="d", longest=100))

    texts = [one.message if isinstance(one, Failure) else one.text for one in items]
    odd = "This stands where an object should."
    assert texts == [
        b'{"a":"\\"}"}', odd, b'{"b":{"c":[1,{}]}}', odd, b'{"d":1}',
        "The file ends within its array.",
    ]  # fmt: skip
    offsets = [one.offset for one in items]
    assert offsets == sorted(offsets)
    for place, offset in enumerate(offsets):
        again = list(objects(path, offset, digest="d", longest=100))
        assert [one.offset for one in again] == offsets[place:]


def test_a_bad_record_costs_no_other(tmp_path: Path) -> None:
    path = lines(
        tmp_path, row(1), b"{\n", b"[1]\n", b"null\n", b'{"a":"\xff"}\n', b"\n",
        b"[" * 100_000 + b"\n", row(2),
    )  # fmt: skip

    items = read(posthog_export, path, options())

    assert [one.code if isinstance(one, Failure) else "ok" for one in items] == [
        "ok", "JSON_SYNTAX", "JSON_SYNTAX", "JSON_SYNTAX", "UTF8_INVALID", "JSON_DEPTH", "ok",
    ]  # fmt: skip
    assert [one.line for one in items] == [1, 2, 3, 4, 5, 7, 8]


def test_half_a_surrogate_pair_is_mended_as_in_a_live_event(tmp_path: Path) -> None:
    text = json.dumps({**row(1), "event": "a-b"}).replace("a-b", "a\\ud800b").encode()

    (event,) = events(posthog_export, lines(tmp_path, text + b"\n"))

    assert event.name == "a\ufffdb"


def test_a_huge_line_fails_and_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as stream:
        stream.write(b'{"event":"')
        for _ in range(64):
            stream.write(b"a" * MIB)
        stream.write(b'"}\n' + json.dumps(row(1)).encode())
    tracemalloc.start()

    items = read(posthog_export, path, options())

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * MIB
    failure, record = items
    assert isinstance(failure, Failure)
    assert (failure.code, len(failure.raw)) == ("EVENT_TOO_LARGE", 64 * 1024)
    assert isinstance(record, Record)


def test_a_huge_element_fails_alone(tmp_path: Path) -> None:
    path = lines(
        tmp_path, b'[{"a":"' + b"a" * 3 * MIB + b'"},' + json.dumps(row(1)).encode() + b"]"
    )

    assert codes(posthog_export, path) == ["EVENT_TOO_LARGE"]
    assert len(read(posthog_export, path, options())) == 2


def test_reading_goes_on_at_any_record(tmp_path: Path) -> None:
    path = lines(tmp_path, *[row(number) for number in range(50)], name="a.json.gz")
    whole = read(posthog_export, path, options())

    for place in (0, 1, 25, 49):
        assert read(posthog_export, path, options(), whole[place].offset) == whole[place:]


def test_another_file_is_never_taken_for_one_that_only_begins_like_it(tmp_path: Path) -> None:
    one = lines(tmp_path, row(1), row(2), name="a.json")
    other = lines(tmp_path, row(1), row(3), name="b.json")

    assert posthog_export.digest(one, 0) != posthog_export.digest(other, 0)


def test_a_zip_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    path = zipped(
        tmp_path,
        **{
            "7/7_2026-01-02_0#1.json.gz": gzip.compress(json.dumps(row(2)).encode()),
            "7/7_2026-01-01_0#1.json": json.dumps(row(1)).encode(),
            "../../../etc/x.json": json.dumps(row(0)).encode(),
            "__MACOSX/._a.json": b"\0",
            "7/.hidden.json": b"\0",
            "readme.md": b"# nothing",
        },
    )

    assert found(path) == ["u-0", "u-1", "u-2"]


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_a_bomb_is_stopped_with_a_reason(tmp_path: Path, name: str) -> None:
    line = json.dumps(row(1)).encode() + b"\n"
    content = line + (b" " * MIB + b"\n") * 100
    inner = gzip.compress(content) if name.endswith(".gz") else content
    path = zipped(tmp_path, **{name: inner})

    *good, last = read(posthog_export, path, options())

    assert len(good) == 1
    assert isinstance(last, Failure)
    assert last.code == "DECOMPRESS_LIMIT"


def test_a_bomb_without_a_zip_is_stopped_too(tmp_path: Path) -> None:
    path = lines(tmp_path, (b" " * MIB + b"\n") * 100, name="a.json.gz")

    assert codes(posthog_export, path) == ["DECOMPRESS_LIMIT"]


def test_a_zip_whose_directory_would_fill_the_memory_is_not_opened(tmp_path: Path) -> None:
    path = zipped(tmp_path, **{"a.json": b"{}"})
    raw = bytearray(path.read_bytes())
    # It states one entry, but a directory of 256 MiB.
    struct.pack_into("<L", raw, len(raw) - 22 + 12, 256 * MIB)
    path.write_bytes(raw)

    with pytest.raises(Refused, match="more than 20000 entries"):
        read(posthog_export, path, options())


def test_a_zip_of_nothing_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="holds no files of events"):
        read(posthog_export, zipped(tmp_path, **{"a.md": b"x"}), options())


def test_a_damaged_zip_gives_what_came_before_the_damage(tmp_path: Path) -> None:
    good = json.dumps(row(1)).encode() + b"\n"
    path = zipped(tmp_path, **{"a.json": good, "b.json": good * 2000})
    raw = bytearray(path.read_bytes())
    place = raw.rindex(b"b.json", 0, len(raw) // 2 + 200)
    raw[place + 60 : place + 90] = zlib.compress(b"x")[:30].ljust(30, b"\0")
    path.write_bytes(raw)

    items = read(posthog_export, path, options())

    assert isinstance(items[0], Record)
    assert [one.code for one in failures(posthog_export, path, options())][-1] == "FILE_UNREADABLE"


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    assert read(posthog_export, lines(tmp_path, b" \n \n"), Options()) == []
