"""Answers as Arrow, pandas and polars: exact types chosen from the values of each column."""

import importlib
import re
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from tallymark.core.errors import TallymarkError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

Rows: TypeAlias = Sequence[tuple[Any, ...]]
Kind: TypeAlias = Literal["int", "decimal", "bool", "time", "text"]
# Columns that hold instants, or the local starts of buckets.
TIME_COLUMNS = frozenset(
    {
        "minute", "hour", "day", "week", "month", "quarter", "year", "time", "received_at",
        "time_client", "time_sent", "first_time", "last_time", "since", "until",
    }
)  # fmt: skip
# Columns of numbers, even if none of them is there.
NUMBER_COLUMNS = frozenset({"value", "revenue", "person"})
_LOCAL = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?\Z", re.ASCII)
_TO_JSON = msgspec.json.Encoder(decimal_format="number")
_PRECISION = 38
_LARGEST_INT = 2**63 - 1


def to_arrow(
    names: Sequence[str], rows: Rows, zone: str, *, numbers: Collection[str] = NUMBER_COLUMNS
) -> "pyarrow.Table":
    """Return a pyarrow table; raises TallymarkError EXTRA_MISSING without pyarrow.

    Columns of ``numbers`` are whole numbers where no value tells otherwise.
    """
    pa = _extra("pyarrow", "arrow")

    def array(name: str, values: list[Any]) -> Any:
        kind, column = _column(name, values, zone, numbers=numbers)
        types = {
            "int": pa.int64, "bool": pa.bool_, "text": pa.string,
            "time": lambda: pa.timestamp("us", tz=zone),
            "decimal": lambda: pa.decimal128(_PRECISION, _scale(column)),
        }  # fmt: skip
        return pa.array(column, type=types[kind]())

    columns = [array(name, values) for name, values in _columns(names, rows)]
    table: pyarrow.Table = pa.Table.from_arrays(columns, names=unique(names))
    return table


def to_pandas(
    names: Sequence[str], rows: Rows, zone: str, *, numbers: Collection[str] = NUMBER_COLUMNS
) -> "pandas.DataFrame":
    """Return a pandas frame; raises TallymarkError EXTRA_MISSING without pandas."""
    pd = _extra("pandas", "pandas")
    types = {
        "int": "Int64", "bool": "boolean", "text": "str", "decimal": "object",
        "time": f"datetime64[us, {zone}]",
    }  # fmt: skip

    def series(name: str, values: list[Any]) -> Any:
        kind, column = _column(name, values, zone, numbers=numbers)
        return pd.Series(column, dtype=types[kind])

    found = {name: series(name, values) for name, values in _columns(names, rows)}
    frame: pandas.DataFrame = pd.DataFrame(found, columns=unique(names))
    return frame


def to_polars(
    names: Sequence[str], rows: Rows, zone: str, *, numbers: Collection[str] = NUMBER_COLUMNS
) -> "polars.DataFrame":
    """Return a polars frame; raises TallymarkError EXTRA_MISSING without polars."""
    pl = _extra("polars", "polars")

    def series(name: str, values: list[Any]) -> Any:
        kind, column = _column(name, values, zone, numbers=numbers)
        types = {
            "int": lambda: pl.Int64, "bool": lambda: pl.Boolean,
            "text": lambda: pl.String, "time": lambda: pl.Datetime("us", zone),
            "decimal": lambda: pl.Decimal(_PRECISION, _scale(column)),
        }  # fmt: skip
        return pl.Series(name, column, dtype=types[kind](), strict=True)

    frame: polars.DataFrame = pl.DataFrame(
        [series(name, values) for name, values in _columns(names, rows)]
    )
    return frame


def _extra(module: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise TallymarkError(
            f"This needs {module}, which is not installed.",
            code="EXTRA_MISSING",
            hint=f"Run: pip install 'tallymark[{extra}]'",
        ) from error


def _columns(names: Sequence[str], rows: Rows) -> list[tuple[str, list[Any]]]:
    return [(name, [row[at] for row in rows]) for at, name in enumerate(unique(names))]


def unique(names: Sequence[str]) -> list[str]:
    """Return the names, with a number after each one that came before: frames need them unique."""
    taken: dict[str, None] = {}
    for name in names:
        number, chosen = 1, name
        while chosen in taken:
            number += 1
            chosen = f"{name} ({number})"
        taken[chosen] = None
    return list(taken)


def _column(
    name: str, values: list[Any], zone: str, *, numbers: Collection[str]
) -> tuple[Kind, list[Any]]:
    """Return the column's kind and its values in the one Python type of that kind."""
    some = [value for value in values if value is not None]
    if name in TIME_COLUMNS and some:
        where = ZoneInfo(zone)
        times = _each(values, lambda text: _moment(text, where))
        if times.count(None) == values.count(None):
            return "time", times
    if some and all(isinstance(value, bool) for value in some):
        return "bool", values
    if (some or name in numbers) and all(_is_int(value) for value in some):
        if all(abs(value) <= _LARGEST_INT for value in some):
            return "int", values
        if all(_fits(Decimal(value)) for value in some):
            return "decimal", _each(values, Decimal)
    if some and all(_is_int(value) or isinstance(value, Decimal) for value in some):
        decimals = _each(values, Decimal)
        if _digits(decimals) <= _PRECISION:
            return "decimal", decimals
    return "text", _each(values, _text)


def _each(values: list[Any], make: Any) -> list[Any]:
    return [None if value is None else make(value) for value in values]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _moment(value: Any, zone: ZoneInfo) -> datetime | None:
    """Return an RFC 3339 time, or the local start of a year, month or day; None if it is neither."""
    if not isinstance(value, str):
        return None
    try:
        if local := _LOCAL.match(value):
            year, month, day = (int(part or 1) for part in local.groups())
            return datetime(year, month, day, tzinfo=zone)
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if time.tzinfo is None else time.astimezone(zone)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _TO_JSON.encode(value).decode()


def _fits(value: Decimal) -> bool:
    return value.adjusted() < _PRECISION


def _scale(values: Sequence[Decimal | None]) -> int:
    """Return the most digits any value has after its point."""
    exponents = [value.as_tuple().exponent for value in values if value is not None]
    return max((-e for e in exponents if isinstance(e, int)), default=0) if exponents else 0


def _digits(values: Sequence[Decimal | None]) -> int:
    """Return the digits a column needs before and after the point together."""
    whole = max((value.adjusted() + 1 for value in values if value is not None), default=1)
    return max(whole, 1) + max(_scale(values), 0)
