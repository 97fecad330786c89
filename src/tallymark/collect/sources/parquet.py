"""Parquet files, with pyarrow (the ``arrow`` extra); columns are mapped like a table's.

A row's id is the digest of the whole file and the row's number, because such a file never grows.
"""

import hashlib
import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.event import Json

from . import mapping
from ._lines import unreadable
from .source import Failure, Item, Options, Record, Source

_ROWS_AT_ONCE = 4096
_DIGEST_BYTES = 12


def read(path: Path, options: Options, position: int) -> Iterator[Item]:
    """Give an event or a reason for every row from number ``position`` on."""
    with _open(path) as file:
        plan = mapping.settle(options.fields, _columns(file))
        file_digest = digest(path, position)
        number = 0
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
            if number + batch.num_rows <= position:
                number += batch.num_rows
                continue
            for row in batch.to_pylist():
                if number >= position:
                    yield _item(plan, row, number, file_digest)
                number += 1


def explain(path: Path, options: Options) -> list[str]:
    """Say which column is which field."""
    with _open(path) as file:
        rows = f"{file.metadata.num_rows} rows"
        return [rows, *mapping.explain(mapping.settle(options.fields, _columns(file)))]


def digest(path: Path, position: int) -> str:
    """Return the first part of the id of every row: the digest of the whole file."""
    del position
    with path.open("rb") as stream:
        return hashlib.file_digest(
            stream, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)
        ).hexdigest()


def _item(plan: mapping.Plan, row: dict[str, Any], number: int, file_digest: str) -> Item:
    try:
        event = mapping.to_event(plan, {name: _plain(value) for name, value in row.items()})
    except Refused as refusal:
        raw = repr(row).encode("utf-8", "backslashreplace")
        event_id = f"{file_digest}:{number}"
        return Failure(
            number + 1, number, event_id, refusal.code, refusal.message, raw[:4096], len(raw)
        )
    event.setdefault("id", f"{file_digest}:{number}")
    return Record(number + 1, number, event)


def _plain(value: Any) -> Json:  # noqa: PLR0911 - one return for each type
    """Return a cell as JSON: binary fractions as the shortest decimal that reads back the same."""
    match value:
        case float():
            return Decimal(repr(value)) if math.isfinite(value) else None
        case datetime():
            return value
        case date():
            return value.isoformat()
        case timedelta():
            return Decimal(value // timedelta(microseconds=1)) / 1_000_000
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case dict():
            return {str(name): _json(inner) for name, inner in value.items()}
        case list():
            return [_json(inner) for inner in value]
        case bool() | int() | str() | Decimal() | None:
            return value
        case _:
            return str(value)


def _json(value: Any) -> Json:
    plain = _plain(value)
    return plain.isoformat() if isinstance(plain, datetime) else plain


def _columns(file: Any) -> list[str]:
    return [str(name) for name in file.schema_arrow.names]


def _open(path: Path) -> Any:
    try:
        import pyarrow  # noqa: PLC0415 - an optional package
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise TallymarkError(
            "Reading Parquet needs pyarrow.",
            code="EXTRA_MISSING",
            hint="Install it with: pip install 'tallymark[arrow]'",
        ) from error
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise unreadable(path, str(error)) from error


parquet = Source(
    name="parquet",
    summary="Parquet tables (needs the arrow extra); columns are guessed or mapped.",
    read=read,
    explain=explain,
    digest=digest,
)
