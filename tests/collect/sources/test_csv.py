"""Text tables: delimiters, quotes over lines, bad records, and the real data sets."""

import csv as standard
import gzip
import io
import subprocess
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.collect.sources.shared import failures, ids, read, real, records

from tallymark.collect.sources.csv import csv
from tallymark.collect.sources.mapping import Fields
from tallymark.collect.sources.source import Options
from tallymark.core.errors import Refused


def write(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(content, encoding="utf-8", newline="")
    return path


def test_columns_are_guessed_and_the_rest_become_properties(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "user_id,session_id,event,timestamp,plan,seats\n7,s1,signup,2026-01-02 03:04:05,pro,12\n",
    )

    (record,) = records(csv, path)

    assert record.event.pop("id").endswith(":46")
    assert record.event == {
        "name": "signup",
        "time": "2026-01-02T03:04:05Z",
        "user_id": "7",
        "session_id": "s1",
        "properties": {"plan": "pro", "seats": 12},
    }


@pytest.mark.parametrize("mark", [",", ";", "\t", "|", "  "])
def test_the_delimiter_is_seen_in_the_header(tmp_path: Path, mark: str) -> None:
    path = write(tmp_path, f"time{mark}event{mark}n\n2026-01-02{mark}buy{mark}3\n")

    (record,) = records(csv, path)

    assert (record.event["name"], record.event["properties"]) == ("buy", {"n": 3})


def test_a_byte_order_mark_and_carriage_returns_do_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufefftime,event,n\r\n2026-01-02,buy,3\r\n")

    (record,) = records(csv, path)

    assert record.event["properties"] == {"n": 3}


def test_a_quoted_field_may_hold_delimiters_quotes_and_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path, 'time,event,note\n2026-01-02,a,"x, ""y""\nz"\n2026-01-02,b,plain\n')

    first, second = records(csv, path)

    assert first.event["properties"]["note"] == 'x, "y"\nz'
    assert (second.line, second.event["name"]) == (4, "b")


def test_a_quote_that_is_never_closed_costs_one_line(tmp_path: Path) -> None:
    good = "".join(f"2026-01-02,e{n},x\n" for n in range(3000))
    path = write(tmp_path, f'time,event,note\n2026-01-02,bad,"open\n{good}')

    items = read(csv, path)

    assert [failure.line for failure in failures(csv, path)] == [2]
    assert len(items) == 3001


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("2026-01-02,a", "LINE_UNREADABLE"),
        ("2026-01-02,a,b,c", "LINE_UNREADABLE"),
        ('2026-01-02,a,"b"c', "LINE_UNREADABLE"),
        ("yesterday,a,b", "TIME_UNPARSABLE"),
        (",a,b", "MISSING_FIELD"),
        ("2026-01-02,,b", "MISSING_FIELD"),
        ("2026-01-02,a,b\0", "NUL_CHAR"),
    ],
)
def test_a_bad_record_fails_alone_with_its_reason(tmp_path: Path, row: str, code: str) -> None:
    path = write(tmp_path, f"time,event,note\n2026-01-02,ok,1\n{row}\n2026-01-02,ok,2\n")

    (failure,) = failures(csv, path)

    assert (failure.line, failure.code, failure.raw) == (3, code, row.encode())
    assert len(read(csv, path)) == 3


@pytest.mark.parametrize(
    "content", ["", "\n \n", "time,event,\n", "time,event,time\n", 'time,"event\n', "a,b\n1,2\n"]
)
def test_a_file_without_a_usable_header_is_unreadable(tmp_path: Path, content: str) -> None:
    with pytest.raises(Refused) as caught:
        read(csv, write(tmp_path, content))

    assert caught.value.code == "FILE_UNREADABLE"


def test_the_id_column_of_a_file_is_the_event_id(tmp_path: Path) -> None:
    path = write(tmp_path, "event_id,time,event\ne-1,2026-01-02,a\n,2026-01-02,b\n")

    first, second = ids(read(csv, path))

    assert first == "e-1"
    assert second.endswith(":37")


def test_latin_1_text_is_read_and_marked(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"time,event,city\n2026-01-02,a,M\xfcnchen\n")

    (record,) = records(csv, path)

    assert record.event["properties"] == {"city": "München", "line_flags": "latin-1"}


def test_reading_from_a_position_still_knows_the_header(tmp_path: Path) -> None:
    path = write(tmp_path, "time,event\n" + "".join(f"2026-01-02,e{n}\n" for n in range(9)))
    whole = read(csv, path)

    rest = read(csv, path, start=whole[5].offset)

    assert rest == whole[5:]


_CELL = st.text(alphabet='ab",;\n \u00e9', min_size=1, max_size=6).filter(str.strip)


@given(st.lists(st.tuples(_CELL, _CELL), max_size=12))
@settings(max_examples=80)
def test_agrees_with_the_standard_reader_on_any_well_formed_table(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    out = io.StringIO()
    writer = standard.writer(out, lineterminator="\n")
    writer.writerows([("time", "event", "a", "b"), *(("2026-01-02", "x", *row) for row in rows)])
    path = write(tmp_path_factory.mktemp("csv"), out.getvalue())

    found = records(csv, path, Options(fields=Fields(text=("a", "b"))))

    assert [tuple(record.event["properties"].values()) for record in found] == rows


def unix(command: str, path: Path) -> list[str]:
    done = subprocess.run(
        ["bash", "-c", command, "bash", str(path)], capture_output=True, check=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    return done.stdout.decode().splitlines()


def test_the_real_shop_is_counted_as_the_unix_tools_count_it() -> None:
    path = real("ecom.csv.gz")

    events = [record.event for record in records(csv, path)]

    table = 'zcat "$1" | tail -n +2'
    assert Counter(event["name"] for event in events) == {
        name: int(count)
        for count, name in (
            line.split() for line in unix(table + " | cut -d, -f3 | sort | uniq -c", path)
        )
    }
    for field, column in (("user_id", 1), ("session_id", 2)):
        expected = unix(table + f" | cut -d, -f{column} | sort -u | wc -l", path)
        assert len({event[field] for event in events}) == int(expected[0])
    assert sorted(event["time"] for event in events) == unix(
        table + " | cut -d, -f4 | sed 's/ /T/; s/$/Z/' | sort", path
    )


def test_the_real_shop_has_the_same_ids_inflated(tmp_path: Path) -> None:
    path = real("ecom.csv.gz")
    plain = tmp_path / "ecom.csv"
    plain.write_bytes(gzip.decompress(path.read_bytes()))

    assert ids(read(csv, plain)) == ids(read(csv, path))


def test_the_real_purchases_sum_to_the_cent() -> None:
    path = real("cdnow.txt")
    fields = Fields(set={"name": "purchase", "currency": "USD"}, map={"revenue": "dollar_value"})

    events = [record.event for record in records(csv, path, Options(fields=fields))]

    total = sum((Decimal(event["revenue"]) for event in events), Decimal(0))
    assert len(events) == 69_659
    assert f"{total:.2f}" == unix('awk \'NR>1 {t += $4} END {printf "%.2f\\n", t}\' "$1"', path)[0]
    assert len({event["user_id"] for event in events}) == int(
        unix("awk 'NR>1 {print $1}' \"$1\" | sort -u | wc -l", path)[0]
    )
    assert len(set(ids(read(csv, path, Options(fields=fields))))) == 69_659
