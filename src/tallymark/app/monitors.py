"""What the tracking plan expects of the stream of an event, beside what came.

    freshness   seconds since one was last received
    volume      how many were received in the last 24 hours, beside the median of the same 24 hours of
                comparable days, give or take so many median absolute deviations, of at least 1
    null_rate   share of those received in the hours looked at that lack the property
    drift       largest population stability index of the property among the sources of the event; one
                that chance explains is met

Everything is by receipt, since it is the sending that is watched, and robots count.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from statistics import median
from typing import Final

from msgspec import Struct

from tallymark.api.answers import Monitored
from tallymark.api.drift_answers import PropertyDrift
from tallymark.core.clock import DAY, MICROSECONDS
from tallymark.core.sql import Sql, join, sql
from tallymark.schema.plan import Monitors, Volume, duration_seconds
from tallymark.store.engine import Fetch

# Comparable days that are looked at, and how few are too few to say what is usual.
_MOST_DAYS: Final = 8
_LEAST_DAYS: Final = 3
_WEEK_DAYS: Final = 7
_COLUMNS: Final = {"text": "prop_text", "number": "prop_number", "other": "prop_other"}


class _Stream(Struct, frozen=True):
    """What came of one event: first and last receipt, and how many by days ago."""

    key: int
    first: int
    last: int
    days: Mapping[int, int]


def monitored(
    fetch: Fetch, now: int, since: int, watched: Mapping[str, Monitors]
) -> list[Monitored]:
    """Return every expectation but that of drift, by event in the order of their names."""
    streams = _streams(fetch, now, sorted(watched))
    found: list[Monitored] = []
    for event, expected in sorted(watched.items()):
        stream = streams.get(event)
        if expected.freshness is not None:
            found.append(_freshness(event, duration_seconds(expected.freshness), stream, now))
        if expected.volume is not None:
            found.append(_volume(event, expected.volume, stream, now))
        if expected.null_rate:
            found += _null_rates(fetch, event, expected.null_rate, stream, since)
    return found


def drift_monitored(
    limits: Mapping[str, Mapping[str, object]], compared: Sequence[PropertyDrift]
) -> list[Monitored]:
    """Return what is expected of how properties drift, by event and property, with what is so."""
    found: list[Monitored] = []
    for event, by_name in sorted(limits.items()):
        for name, most in sorted(by_name.items()):
            same = [one for one in compared if (one.event, one.property) == (event, name)]
            found.append(_drift(event, name, Decimal(str(most)), same))
    return found


def _freshness(event: str, most: int, stream: _Stream | None, now: int) -> Monitored:
    if stream is None:
        return Monitored(event, "freshness", None, None, None, most, False)
    ago = max(now - stream.last, 0)
    return Monitored(
        event, "freshness", None, ago / MICROSECONDS, None, most, ago <= most * MICROSECONDS
    )


def _volume(event: str, expected: Volume, stream: _Stream | None, now: int) -> Monitored:
    count = 0 if stream is None else stream.days.get(0, 0)
    step = _WEEK_DAYS if expected.vs == "same_weekday" else 1
    counts = [] if stream is None else list(_comparable(stream, step, now))
    if len(counts) < _LEAST_DAYS:
        return Monitored(event, "volume", None, count, None, None, None)
    middle = median(counts)
    spread = max(median(abs(one - middle) for one in counts), Decimal(1))
    usual = counts[0] if expected.vs == "yesterday" else middle
    reach = Decimal(str(expected.mad)) * spread
    low, high = max(usual - reach, Decimal(0)), usual + reach
    return Monitored(event, "volume", None, count, float(low), float(high), low <= count <= high)


def _comparable(stream: _Stream, step: int, now: int) -> Iterator[Decimal]:
    """Yield the counts of comparable days, the nearest first, since the event first came."""
    for days_ago in range(step, step * _MOST_DAYS + 1, step):
        if now - (days_ago + 1) * DAY < stream.first:
            return
        yield Decimal(stream.days.get(days_ago, 0))


def _null_rates(
    fetch: Fetch, event: str, rates: Mapping[str, object], stream: _Stream | None, since: int
) -> Iterator[Monitored]:
    names = sorted(rates)
    total, *there = [0] * (len(names) + 1) if stream is None else _there(fetch, stream, names, since)  # fmt: skip
    for name, have in zip(names, there, strict=True):
        most = Decimal(str(rates[name]))
        if not total:
            yield Monitored(event, "null_rate", name, None, None, float(most), None)
            continue
        lack = total - have
        yield Monitored(
            event, "null_rate", name, lack / total, None, float(most), lack <= most * total
        )


def _drift(event: str, name: str, most: Decimal, sources: Sequence[PropertyDrift]) -> Monitored:
    told = [
        (one.psi, one.psi_by_chance)
        for one in sources
        if one.psi is not None and one.psi_by_chance is not None
    ]
    if not told:
        return Monitored(event, "drift", name, None, None, float(most), None)
    shifted = [psi for psi, chance in told if psi > most and psi > chance]
    found = max(shifted or [psi for psi, _ in told])
    return Monitored(event, "drift", name, found, None, float(most), not shifted)


def _there(fetch: Fetch, stream: _Stream, names: list[str], since: int) -> list[int]:
    """Return how many were received since then, and how many of these have each property."""
    known = fetch(
        sql(
            'SELECT name, "class" FROM property WHERE name IN (SELECT unnest({names}::VARCHAR[]))',
            names=names,
        )
    ).rows
    columns: dict[str, list[Sql]] = {name: [] for name in names}
    for name, kind in known:
        # To look for a key that is nowhere would be the slowest of all.
        columns[name].append(Sql(f"{_COLUMNS[kind]}") + sql("[{name}] IS NOT NULL", name=name))
    counts = [
        sql("count(*) FILTER (WHERE {any})", any=join(" OR ", parts)) if parts else Sql("0")
        for parts in columns.values()
    ]
    asked = sql(
        "SELECT count(*), {counts} FROM event WHERE event_key = {key} AND received_us >= {since}",
        counts=join(", ", counts), key=stream.key, since=since,
    )  # fmt: skip
    return [int(one) for one in fetch(asked).rows[0]]


def _streams(fetch: Fetch, now: int, events: list[str]) -> dict[str, _Stream]:
    rows = fetch(
        sql(
            """
            WITH watched AS (
              SELECT event_key, name FROM event_name
              WHERE name IN (SELECT unnest({events}::VARCHAR[]))
            ), day AS (
              SELECT event_key, ({now} - received_us) // {day} AS days_ago,
                     min(received_us) AS first, max(received_us) AS last, count(*) AS events
              FROM event SEMI JOIN watched USING (event_key)
              GROUP BY ALL
            )
            SELECT name, event_key, min(first), max(last),
                   map_from_entries(list((greatest(days_ago, 0), events)) FILTER (days_ago <= {most}))
            FROM day JOIN watched USING (event_key) GROUP BY ALL
            """,
            events=events, now=now, day=DAY, most=_WEEK_DAYS * _MOST_DAYS,
        )
    ).rows  # fmt: skip
    return {
        name: _Stream(int(key), int(first), int(last), dict(days or {}))
        for name, key, first, last, days in rows
    }
