"""How good what arrives is: figures by source, over the last hours, from the ledger and the events.

    received = accepted + duplicate + conflict + quarantined + dropped + rejected

holds for each line of it. Lateness is receipt minus event time; a time that was repaired, clamped or
taken from receipt is counted as skewed. Drift compares the names of properties with those before;
``drift`` compares what they hold.
"""

from collections.abc import Mapping
from typing import Any, Final

from tallymark.api.answers import Drift, Quality, SourceQuality
from tallymark.app.drift import drift
from tallymark.app.monitors import drift_monitored, monitored
from tallymark.collect.ledger import OUTCOMES
from tallymark.core.clock import MICROSECONDS
from tallymark.core.sql import Sql, sql
from tallymark.schema.plan import Monitors
from tallymark.store.engine import Fetch

HOUR: Final = 3600 * MICROSECONDS
WEEK: Final = 7 * 24 * HOUR
_MOST_NAMES: Final = 50


def quality(fetch: Fetch, now: int, hours: int, watched: Mapping[str, Monitors]) -> Quality:
    """Return the figures of the last hours, and of what the plan watches by event."""
    since = now - hours * HOUR
    lines = _ledger(fetch, since, now)
    before = {
        (source, protocol): int(items)
        for source, protocol, items in fetch(
            sql(
                "SELECT source, protocol, sum(items) FROM ledger WHERE outcome = 'received'"
                " AND minute_us >= {since} AND minute_us < {until} GROUP BY ALL",
                since=since - WEEK, until=now - WEEK,
            )
        ).rows
    }  # fmt: skip
    events = _events(fetch, since)
    found = [
        SourceQuality(
            source=source,
            protocol=protocol,
            received=line.get("received", 0),
            outcomes={outcome: line.get(outcome, 0) for outcome in OUTCOMES},
            failed=line["failed"],
            dropped=line["dropped by reason"],
            observed=line["observed"],
            received_week_ago=before.get((source, protocol), 0),
            first_received_us=line["first"],
            last_received_us=line["last"],
            **events.get((source, protocol), {}),
        )
        for (source, protocol), line in lines.items()
    ]
    found.sort(key=lambda one: (-one.received, one.source, one.protocol))
    names = _drift(fetch, since)
    expected = monitored(fetch, now, since, watched)
    # The dearest comes last: it ends early where the time of the question does.
    limits = {name: one.drift for name, one in watched.items() if one.drift}
    figures = drift(fetch, now, since, limits)
    expected += drift_monitored(limits, figures.properties)
    expected.sort(key=lambda one: one.event)
    return Quality(since, now, found, names, expected, figures.told)


def _ledger(fetch: Fetch, since: int, until: int) -> dict[tuple[str, str], dict[str, Any]]:
    rows = fetch(
        sql(
            "SELECT source, protocol, outcome, reason, sum(items)::BIGINT, min(minute_us),"
            " max(minute_us) FROM ledger WHERE minute_us >= {since} AND minute_us < {until}"
            " GROUP BY ALL ORDER BY 1, 2, 3, 5 DESC, 4",
            since=since, until=until,
        )
    ).rows  # fmt: skip
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for source, protocol, outcome, reason, items, first, last in rows:
        line = lines.setdefault(
            (source, protocol),
            {"failed": {}, "dropped by reason": {}, "observed": {}, "first": first, "last": last},
        )
        if outcome == "observed":
            line["observed"][reason] = int(items)
            continue
        line[outcome] = line.get(outcome, 0) + int(items)
        line["first"], line["last"] = min(line["first"], first), max(line["last"], last)
        if outcome == "dropped":
            line["dropped by reason"][reason] = int(items)
        elif outcome in ("conflict", "quarantined", "rejected"):
            failed: dict[str, int] = line["failed"]
            failed[reason] = failed.get(reason, 0) + int(items)
    return lines


def _events(fetch: Fetch, since: int) -> Mapping[tuple[str, str], dict[str, Any]]:
    rows = fetch(
        sql(
            """
            SELECT source, protocol,
                   quantile_cont(greatest(received_us - time_us, 0), 0.5)
                     FILTER (WHERE time_rule <> 'received') / 1e6,
                   quantile_cont(greatest(received_us - time_us, 0), 0.95)
                     FILTER (WHERE time_rule <> 'received') / 1e6,
                   count(*) FILTER (WHERE time_rule IN ('repaired', 'clamped')),
                   count(*) FILTER (WHERE is_bot),
                   count(*) FILTER (WHERE contains(flags, 'no_id'))
            FROM event WHERE received_us >= {since} GROUP BY ALL
            """,
            since=since,
        )
    ).rows
    return {
        (source, protocol): {
            "late_p50_seconds": None if half is None else float(half),
            "late_p95_seconds": None if most is None else float(most),
            "skewed": skewed,
            "bots": bots,
            "without_id": without,
        }
        for source, protocol, half, most, skewed, bots, without in rows
    }


def _drift(fetch: Fetch, since: int) -> Drift:
    edge = fetch(sql("SELECT min(seq) FROM event WHERE received_us >= {since}", since=since)).rows
    first = edge[0][0]
    if first is None:
        return Drift([], [], [])

    def names(having: Sql) -> list[str]:
        listed = Sql("SELECT name FROM property GROUP BY name HAVING ") + having
        return [row[0] for row in fetch(listed + sql(" ORDER BY 1 LIMIT {n}", n=_MOST_NAMES)).rows]

    is_old = (
        fetch(sql("SELECT count(*) FROM event WHERE seq < {first}", first=first)).rows[0][0] > 0
    )
    return Drift(
        # Where nothing came before, everything is new and nothing has drifted.
        new=names(sql("min(first_seq) >= {first}", first=first)) if is_old else [],
        vanished=names(sql("max(last_seq) < {first}", first=first)),
        mixed=names(sql("count(*) FILTER (WHERE last_seq >= {first}) > 1", first=first)),
    )
