"""What value each person or account has at the end of each bucket, and how it changed, as SQL."""

from typing import Final

from msgspec import Struct, structs

from tallymark.core.sql import Sql, sql

from . import fields
from .fields import Field, field
from .ranges import Buckets, Span, bucket_number
from .selection import Frame, Question, chosen

# No stored instant is earlier.
_EVER: Final = -(2**62)
# Of several events of one instant the one that arrived last tells.
_TURN: Final = f"CAST(e.time_us AS HUGEINT) * {2**63} + e.seq"
NOTHING: Final = -1


class Asked(Struct, frozen=True):
    """A property, whose it is, and the buckets at whose ends it is looked at.

    Bucket 0 is all that was before the range; bucket i + 1 is the i-th of ``cut``.
    """

    question: Question
    frame: Frame
    of: Field
    per_account: bool
    cut: Buckets
    top: int


def moves(asked: Asked) -> Sql:
    """Return (bucket, was, becomes, is_back, units, value) of what changed from bucket to bucket.

    ``was`` and ``becomes`` are the places of values among the top ones, ``top`` for all others together,
    NULL for no value; ``is_back`` says that they had it before, but not at the end of the bucket before.
    The row of a value has its place in ``becomes``, and NULL as its bucket.
    """
    return sql(
        """{tables}, moved AS (
SELECT key, bucket, lag(place) OVER (PARTITION BY key ORDER BY bucket) AS was, place AS becomes
FROM last
)
SELECT moved.bucket, was, becomes, coalesce(begun.bucket < moved.bucket, false) AS is_back,
  count(*) AS units, NULL AS value
FROM moved LEFT JOIN begun ON begun.key = moved.key AND begun.place = becomes
WHERE was IS DISTINCT FROM becomes
GROUP BY ALL
UNION ALL
SELECT NULL, NULL, place, false, 0, value FROM shown""",
        tables=_tables(asked),
    )


def values(asked: Asked) -> Sql:
    """Return (place, value) of the values that are shown."""
    return sql("{tables}\nSELECT place, value FROM shown", tables=_tables(asked))


def held(asked: Asked, bucket: int) -> Sql:
    """Return (key, was, has, is_back) of all who had a value at the end of a bucket or of the one before.

    No value is -1.
    """
    return sql(
        """{tables}, state AS (
SELECT key,
  coalesce(arg_max_null(place, bucket) FILTER (bucket < {bucket}), {nothing}) AS was,
  coalesce(arg_max_null(place, bucket) FILTER (bucket <= {bucket}), {nothing}) AS has
FROM last
GROUP BY key
)
SELECT state.key, was, has, coalesce(begun.bucket < {bucket}, false) AS is_back
FROM state LEFT JOIN begun ON begun.key = state.key AND begun.place = has""",
        tables=_tables(asked),
        bucket=bucket,
        nothing=NOTHING,
    )


def counted(asked: Asked) -> Sql:
    """Return FROM and WHERE of the events that make somebody count."""
    source = _source(asked)
    if asked.of.profile is not None:
        return source
    return sql(
        "{source}\n  AND {value} IS NOT NULL", source=source, value=fields.breakdown(asked.of)[0]
    )


def _source(asked: Asked) -> Sql:
    scope = asked.frame.scope
    return chosen(
        None,
        (asked.question.filter,),
        structs.replace(asked.frame, span=Span(_EVER, asked.cut.span.until)),
        include_bots=asked.question.include_bots,
        also=[field("person", scope), *([] if asked.of.profile else [asked.of])],
    )


def _tables(asked: Asked) -> Sql:
    """Return the tables: ``shown`` values, the ``last`` place in a bucket, when one was ``begun``."""
    return sql(
        """WITH told AS (
{told}
), known AS MATERIALIZED (
SELECT key, turn, value,
  CASE WHEN time_us < {since} THEN 0 ELSE ({bucket}) + 1 END AS bucket
FROM told
WHERE time_us < {until}
), latest AS MATERIALIZED (
SELECT key, bucket, arg_max_null(value, turn) AS value FROM known GROUP BY key, bucket
), shown AS MATERIALIZED (
SELECT value, row_number() OVER (ORDER BY count(DISTINCT key) DESC, value) - 1 AS place
FROM latest
WHERE value IS NOT NULL
GROUP BY value
QUALIFY place < {top}
), last AS (
SELECT key, bucket, CASE WHEN latest.value IS NOT NULL THEN coalesce(place, {top}) END AS place
FROM latest LEFT JOIN shown ON shown.value = latest.value
), first AS (
SELECT key, value, min(bucket) AS bucket FROM known WHERE value IS NOT NULL GROUP BY key, value
), begun AS (
SELECT key, coalesce(place, {top}) AS place, min(bucket) AS bucket
FROM first LEFT JOIN shown ON shown.value = first.value
GROUP BY ALL
)""",
        told=_told(asked),
        since=asked.cut.span.since,
        until=asked.cut.span.until,
        bucket=bucket_number(Sql("time_us"), asked.cut),
        top=asked.top,
    )


def _told(asked: Asked) -> Sql:
    """Return (key, time_us, turn, value): from when on somebody has a value, or NULL for none."""
    scope, value = asked.frame.scope, fields.breakdown(asked.of)[0]
    key = Sql("e.account_key") if asked.per_account else fields.person(scope)
    source = _source(asked)
    if asked.of.profile is None:
        return sql(
            "SELECT {key} AS key, e.time_us, {turn} AS turn, {value} AS value\n{source}\n"
            "  AND {key} IS NOT NULL AND {value} IS NOT NULL",
            key=key,
            turn=Sql(_TURN),
            value=value,
            source=source,
        )
    # Whoever did nothing yet is not counted, and what was told before the first event holds from
    # that event on: else a list of people would lack those who have no event.
    return sql(
        """SELECT key, greatest(since_us, first_us) AS time_us, max(since_us) AS turn,
  arg_max_null({value}, since_us) AS value
FROM {spans}
JOIN (
SELECT {key} AS key, min(e.time_us) AS first_us
{source}
  AND {key} IS NOT NULL
GROUP BY ALL
) AS seen ON seen.key = subject
GROUP BY ALL""",
        value=value,
        spans=fields.profile_spans(asked.of.profile, scope),
        key=key,
        source=source,
    )
