"""Parquet: types read exactly, rows resumed by number, and what is said without pyarrow."""

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.collect.sources.shared import ids, read, records

from tallymark.collect.sources.parquet import parquet
from tallymark.core.errors import Refused


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.parquet"
    columns = {
        "timestamp": pa.array(
            [datetime(2026, 1, 2, 3, 4, 5, 6, UTC)] * 3, pa.timestamp("us", "UTC")
        ),
        "event": ["a", "b", None],
        "price": pa.array([Decimal("1.10")] * 3, pa.decimal128(10, 2)),
        "ratio": [0.1, float("nan"), 2.0],
        "day": pa.array([date(2026, 1, 1)] * 3),
        "naive": pa.array([datetime(2026, 1, 1)] * 3, pa.timestamp("us")),  # noqa: DTZ001
        "big": pa.array([2**62] * 3, pa.int64()),
        "tags": [["x"], [], None],
    }
    pq.write_table(pa.table(columns), path)
    return path


def test_rows_keep_their_types(table: Path) -> None:
    first = read(parquet, table)[0]

    event = getattr(first, "event")  # noqa: B009
    assert event["time"] == "2026-01-02T03:04:05.000006Z"
    assert event["properties"] == {
        "price": Decimal("1.10"),
        "ratio": Decimal("0.1"),
        "day": "2026-01-01",
        "naive": "2026-01-01T00:00:00Z",
        "big": 2**62,
        "tags": ["x"],
    }


def test_a_row_without_a_name_fails_alone_and_ids_count_rows(table: Path) -> None:
    items = read(parquet, table)

    assert [event_id.split(":")[1] for event_id in ids(items)] == ["0", "1"]
    assert [getattr(item, "code", None) for item in items] == [None, None, "MISSING_FIELD"]


def test_reading_from_a_row_gives_the_rest(table: Path) -> None:
    assert read(parquet, table, start=1) == read(parquet, table)[1:]


def test_a_copy_has_the_same_ids_and_another_table_has_not(table: Path, tmp_path: Path) -> None:
    copy, other = tmp_path / "copy.parquet", tmp_path / "other.parquet"
    copy.write_bytes(table.read_bytes())
    pq.write_table(pq.read_table(table).slice(0, 2), other)

    assert ids(read(parquet, copy)) == ids(read(parquet, table))
    assert not set(ids(read(parquet, other))) & set(ids(read(parquet, table)))
    assert len(records(parquet, other)) == 2


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all"])
def test_another_file_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(content)

    with pytest.raises(Refused) as caught:
        read(parquet, path)

    assert caught.value.code == "FILE_UNREADABLE"


def test_without_pyarrow_it_says_what_to_install(table: Path) -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from tallymark.collect.sources.parquet import parquet\n"
        "from tallymark.collect.sources.source import Options\n"
        "from tallymark.core.errors import TallymarkError\n"
        "try:\n    list(parquet.read(Path(sys.argv[1]), Options(), 0))\n"
        "except TallymarkError as error:\n    print(error.code, error.hint)\n"
    )

    said = subprocess.run(
        [sys.executable, "-c", code, str(table)], capture_output=True, text=True, check=True
    )

    assert said.stdout == "EXTRA_MISSING Install it with: pip install 'tallymark[arrow]'\n"
