"""Umami's events as a table: the rows of ``website_event``, as CSV, one website at a time.

Its cloud exports the columns of a visitor's session beside each event; a database of your own gives
them with a join. What an event was sent with stands in rows of another table, ``event_data``; a column
of that name with them as JSON is taken. Umami gives the ids of events and visitors itself and tells
them to no client, so what also came live is not recognised.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from tallymark.collect.loose import values
from tallymark.collect.protocols._foreign import Told, event
from tallymark.collect.protocols._values import amount, currency, mapping, text, when
from tallymark.collect.protocols._visit import check_site, language, screen
from tallymark.core.errors import Refused
from tallymark.core.event import Context

from ._export import Found, Importing, digest, left, read_table
from ._lines import unreadable
from .csv import Row, Table, open_table, rows
from .source import Item, Options, Source

_NEEDED: Final = ("website_id", "session_id", "event_id", "created_at", "url_path")
_CLICK_IDS: Final = ("gclid", "fbclid", "msclkid", "ttclid", "li_fat_id", "twclid")
_FIELDS: Final = {
    "hostname": "page_host", "page_title": "page_title", "browser": "browser", "os": "os",
    "device": "device_type", "country": "country", "city": "city", "utm_source": "utm_source",
    "utm_medium": "utm_medium", "utm_campaign": "utm_campaign", "utm_content": "utm_content",
    "utm_term": "utm_term",
}  # fmt: skip
_READ: Final = frozenset(
    {
        *_NEEDED, *_CLICK_IDS, *_FIELDS, "visit_id", "distinct_id", "event_type", "event_name",
        "url_query", "referrer_domain", "referrer_path", "referrer_query", "screen", "language",
        "subdivision1", "region", "event_data", "tag",
    }
)  # fmt: skip


def read(path: Path, options: Options, position: int) -> Iterator[Item]:
    """Give what every row tells, or the reason why it tells nothing."""
    table = _open(path, options)
    first = next((row for row in rows(table, 0) if isinstance(row, Row)), None)
    site = first.cells["website_id"] if first is not None else None
    return read_table(table, options, position, partial(_found, site))


def explain(path: Path, options: Options) -> list[str]:
    """Say how the table is read."""
    table = _open(path, options)
    missing = [name for name in ("visit_id", "browser", "event_data") if name not in table.header]
    return [
        "each row is an event of Umami, whose session is a visitor and whose visit is a session",
        *([f"there is no column {', '.join(missing)}"] if missing else []),
        "what also came live is not recognised: say --until the time that began",
    ]


def _open(path: Path, options: Options) -> Table:
    table = open_table(path, options.delimiter)
    missing = [name for name in _NEEDED if name not in table.header]
    if missing:
        raise unreadable(path, f"a table website_event has a column {missing[0]}")
    return table


def _found(site: str | None, row: dict[str, Any], by: Importing) -> Found:
    check_site(row.get("website_id"), site)
    data = _data(row.get("event_data"))
    name = text(row.get("event_name"))
    told = Told(
        name=name or "page_view",
        namespace="umami",
        id=text(row.get("event_id")),
        time=when(row.get("created_at")),
        kind="track" if name else "page",
        user_id=text(row.get("distinct_id")),
        anonymous_id=text(row.get("session_id")),
        session_id=text(row.get("visit_id")),
        properties={**({"tag": row["tag"]} if "tag" in row else {}), **data},
        context=_context(row),
        revenue=amount(data.get("revenue")),
        currency=currency(data.get("currency")),
    )
    return Found([event(told, by.terms)], left(row, _READ))


def _data(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    found = values(str(given).encode("utf-8", "replace"))
    if not isinstance(found, dict):
        raise Refused("event_data is no object.", code="BAD_FIELD", path="event_data")
    return mapping(found)


def _context(row: dict[str, Any]) -> Context:
    fields: dict[str, Any] = {field: text(row.get(name)) for name, field in _FIELDS.items()}
    click = next((name for name in _CLICK_IDS if name in row), None)
    return Context(
        **fields,
        page_url=_address(row, "url"),
        referrer=_address(row, "referrer") if "referrer_domain" in row else None,
        region=text(row.get("region")) or text(row.get("subdivision1")),
        locale=language(row.get("language")),
        click_id=None if click is None else row[click],
        **screen(row.get("screen")),
    )


def _address(row: dict[str, Any], which: str) -> str:
    """Return an address of its parts; that of a page is a path, as its clients send it."""
    host = f"https://{row['referrer_domain']}" if which == "referrer" else ""
    query = row.get(f"{which}_query")
    return f"{host}{row.get(f'{which}_path', '')}" + (f"?{query.lstrip('?')}" if query else "")


umami_export = Source(
    name="umami-export",
    summary="Umami's table website_event, as CSV.",
    read=read,
    explain=explain,
    digest=digest,
    is_export=True,
)
