"""Plausible's exports, which hold no events: only how many there were of what on each day, as CSV.

Nobody can make events of totals again, so none are made up. Each row is one event of the kind
``metric`` at the beginning of its day, with the day's figures as properties: ``plausible_daily`` for
the site's totals (``imported_visitors``), and one of another name for each of the other tables, such
as ``plausible_daily_pages``, which tell the same visits apart by something and must not be added to
them. Visitors are unique within a row only. A day is known by its table, site and what it is told
apart by.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from tallymark.collect.protocols._foreign import Told, event
from tallymark.collect.protocols._values import content_id, text, when
from tallymark.collect.protocols._visit import figure
from tallymark.core.errors import Refused
from tallymark.core.event import Context

from ._export import Found, Importing, digest, read_table
from ._lines import unreadable
from .csv import Table, open_table
from .mapping import time_text
from .source import Item, Options, Source

# The table that a column tells, the first that is there.
_TABLES: Final = (
    ("entry_page", "entry_pages"), ("exit_page", "exit_pages"), ("page", "pages"),
    ("source", "sources"), ("country", "locations"), ("device", "devices"),
    ("browser", "browsers"), ("operating_system", "operating_systems"), ("name", "custom_events"),
    ("visitors", ""),
)  # fmt: skip
_FIGURES: Final = frozenset(
    {
        "visitors", "visits", "pageviews", "bounces", "visit_duration", "entrances", "exits",
        "events", "time_on_page", "active_visitors", "total_time_on_page",
        "total_time_on_page_visits", "total_scroll_depth", "total_scroll_depth_visits",
    }
)  # fmt: skip
_FIELDS: Final = {
    "page": "page_path", "entry_page": "page_path", "exit_page": "page_path", "path": "page_path",
    "hostname": "page_host", "utm_source": "utm_source", "utm_medium": "utm_medium",
    "utm_campaign": "utm_campaign", "utm_content": "utm_content", "utm_term": "utm_term",
    "country": "country", "region": "region", "browser": "browser",
    "browser_version": "browser_version", "operating_system": "os",
    "operating_system_version": "os_version",
}  # fmt: skip
_SITE: Final = "site"


class _Kind(Struct, frozen=True):
    """What the rows of a file are: their table, whose site's, and where its days begin."""

    table: str
    site: str
    timezone: str


def read(path: Path, options: Options, position: int) -> Iterator[Item]:
    """Give the totals of every row, or the reason why it tells none."""
    table, kind = _open(path, options)
    return read_table(table, options, position, partial(_found, kind))


def explain(path: Path, options: Options) -> list[str]:
    """Say how the table is read."""
    _, kind = _open(path, options)
    return [
        f"daily totals and no events: each row is a metric {_name(kind)!r}",
        f"days begin at midnight in {kind.timezone}",
        f"the site is {kind.site!r}" if kind.site else "name the site with --set site=NAME",
    ]


def _open(path: Path, options: Options) -> tuple[Table, _Kind]:
    table = open_table(path, options.delimiter)
    found = next((name for column, name in _TABLES if column in table.header), None)
    if "date" not in table.header or found is None:
        raise unreadable(
            path, "it is none of the imported_ tables of an export, whose rows have a date"
        )
    try:
        ZoneInfo(options.fields.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"{options.fields.timezone!r} is no time zone."
        raise Refused(message, code="TIMEZONE_UNKNOWN") from error
    return table, _Kind(found, options.fields.set.get(_SITE, ""), options.fields.timezone)


def _name(kind: _Kind) -> str:
    return f"plausible_daily_{kind.table}" if kind.table else "plausible_daily"


def _found(kind: _Kind, row: dict[str, Any], by: Importing) -> Found:
    date = text(row.get("date")) or ""
    apart = {name: cell for name, cell in row.items() if name not in _FIGURES and name != "date"}
    fields: dict[str, Any] = {
        field: apart[name] for name, field in _FIELDS.items() if name in apart
    }
    figures = {name: _figure(name, row[name]) for name in row if name in _FIGURES}
    rest = {name: cell for name, cell in apart.items() if name not in _FIELDS}
    told = Told(
        name=_name(kind),
        namespace="plausible",
        id=content_id("plausible daily", kind.table, kind.site, [date, apart]),
        time=_midnight(date, kind.timezone),
        kind="metric",
        properties={**({_SITE: kind.site} if kind.site else {}), **rest, **figures},
        context=Context(**fields),
    )
    return Found([event(told, by.terms)])


def _figure(name: str, cell: str) -> Any:
    found = figure(cell)
    if found is None:
        raise Refused(f"{name} is no number.", code="VALUE_NOT_NUMERIC", path=name)
    return found


def _midnight(date: str, timezone: str) -> int | None:
    if len(date) not in (8, 10):
        raise Refused(f"{date!a:.40} is no date.", code="TIME_UNPARSABLE", path="date")
    whole = date if "-" in date else f"{date[:4]}-{date[4:6]}-{date[6:]}"
    return when(time_text(whole, timezone, None))


plausible_export = Source(
    name="plausible-export",
    summary="Plausible's daily totals, as CSV; its exports hold no events.",
    read=read,
    explain=explain,
    digest=digest,
    is_export=True,
    settable=(_SITE,),
)
