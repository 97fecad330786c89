"""Failed events in the store: which are meant, a page of them, and which ids are held already."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tallymark.api.failed_answers import FailedPage
from tallymark.app.failed_telling import TOLD, failed_event
from tallymark.collect.dedupe import Keys
from tallymark.collect.replay import Where
from tallymark.core.sql import Sql, join, sql
from tallymark.store.engine import Fetch, Rows

MOST_ROWS: Final = 500
_MOST_AGED: Final = 10_000
# What crosses the socket at once; each event may have a megabyte.
_MOST_BYTES: Final = 32 * 1024 * 1024


def condition(where: Where) -> Sql:
    """Return the condition that picks them."""
    parts = [Sql("true")]
    columns = (
        ("code", where.code), ("event_name", where.event), ("source", where.source),
        ("protocol", where.protocol), ("status", where.status),
    )  # fmt: skip
    parts += [Sql(f"{column} = ") + sql("{v}", v=value) for column, value in columns if value]
    if where.since is not None:
        parts.append(sql("received_us >= {since}", since=where.since))
    if where.until is not None:
        parts.append(sql("received_us < {until}", until=where.until))
    if where.seqs is not None:
        parts.append(sql("seq IN (SELECT unnest({seqs}::BIGINT[]))", seqs=where.seqs))
    return join(" AND ", parts)


def page_before(fetch: Fetch, where: Where, before: int, most: int) -> FailedPage:
    """Return a page, newest first, of those before a place in the log; counts are of all there are."""
    page = fetch(
        sql(
            "SELECT {columns} FROM failed_event WHERE seq < {before} AND {where}"
            " ORDER BY seq DESC LIMIT {most}",
            columns=TOLD, before=before, where=condition(where), most=most,
        )
    )  # fmt: skip
    counts = fetch(
        Sql(
            "SELECT code, count(*) FROM failed_event WHERE status = 'open'"
            " GROUP BY code ORDER BY 2 DESC, 1"
        )
    )
    statuses = fetch(Sql("SELECT status, count(*) FROM failed_event GROUP BY status ORDER BY 1"))
    found = [failed_event(row) for row in _named(page)]
    cursor = str(found[-1].seq) if len(found) == most else None
    return FailedPage(found, dict(counts.rows), dict(statuses.rows), cursor)


def rows_after(fetch: Fetch, where: Where, after: int) -> list[dict[str, Any]]:
    """Return the next failed events after a place in the log, in order; none where none are left."""
    columns = Sql("seq, received_us, source, protocol, stage, code, raw, raw_bytes, event_id")
    return _after(fetch, where, after, columns)


def lines_after(fetch: Fetch, where: Where, after: int) -> list[dict[str, Any]]:
    """Return the same with all that is told of them."""
    return _after(fetch, where, after, TOLD)


def aged(fetch: Fetch, before: int, after: int) -> list[int]:
    """Return the next places, after one, of those received before an instant whose time has ended.

    Not of those whose time had ended already.
    """
    found = fetch(
        sql(
            "SELECT seq FROM failed_event WHERE received_us < {before} AND seq > {after}"
            " AND (status IN ('open', 'ignored') OR octet_length(raw) > 0)"
            " ORDER BY seq LIMIT {most}",
            before=before, after=after, most=_MOST_AGED,
        )
    )  # fmt: skip
    return [int(seq) for (seq,) in found.rows]


def held(fetch: Fetch, project: str, ids: Sequence[Sequence[str]]) -> list[int | None]:
    """Return, for each namespace and id, the content digest of the event that holds it, if one does."""
    keys = Keys(project)
    made = [keys.key(namespace, event_id) for namespace, event_id in ids]
    halves = [(int.from_bytes(key[:8], "big"), int.from_bytes(key[8:], "big")) for key in made]
    rows = fetch(
        sql(
            "SELECT key_hi, key_lo, content FROM dedupe_key"
            " WHERE key_hi IN (SELECT unnest({high}::UBIGINT[]))",
            high=[str(high) for high, _ in halves],
        )
    ).rows
    known: Mapping[tuple[int, int], int] = {(int(h), int(low)): int(c) for h, low, c in rows}
    return [known.get(key) for key in halves]


def _after(fetch: Fetch, where: Where, after: int, columns: Sql) -> list[dict[str, Any]]:
    found = fetch(
        sql(
            """
            WITH next AS (
              SELECT {columns} FROM failed_event
              WHERE seq > {after} AND {where} ORDER BY seq LIMIT {most}
            ), sized AS (
              SELECT *, sum(octet_length(raw)) OVER (ORDER BY seq) - octet_length(raw) AS before
              FROM next
            )
            SELECT * EXCLUDE (before) FROM sized WHERE coalesce(before, 0) < {bytes} ORDER BY seq
            """,
            columns=columns, after=after, where=condition(where), most=MOST_ROWS,
            bytes=_MOST_BYTES,
        )
    )  # fmt: skip
    return _named(found)


def _named(found: Rows) -> list[dict[str, Any]]:
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]
