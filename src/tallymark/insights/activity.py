"""Who was active in which buckets: one row a person, and one bit a bucket.

A bit for each person and bucket is far less than a row for each, and tells all that lifecycle and
stickiness ask: who was there before, on how many days, within the last thirty.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, ident, join, sql
from tallymark.store.engine import Arrays

from . import fields
from .fields import field
from .insight import Columnar
from .ranges import Buckets, Interval, Span, bucket_number, buckets
from .selection import Frame, Question, Step, of_steps

Keys = NDArray[np.int64]
Mask = NDArray[np.bool_]

MAX_BUCKETS: Final = 2_000
# Bits 0 to 61 of a BIGINT are never its sign.
_WORD: Final = 62
# No stored instant is earlier.
_EVER: Final = -(2**62)


class Activity(Struct, frozen=True):
    """The people with a step, by key: the buckets each was active in, and maybe since when."""

    keys: Keys
    first_us: NDArray[np.int64] | None
    words: list[NDArray[np.int64]]

    def within(self, number: int) -> Mask:
        """Return who was active in a bucket."""
        found: Mask = (self.words[number // _WORD] & (1 << number % _WORD)) != 0
        return found

    def times(self, numbers: Sequence[int]) -> NDArray[np.int64]:
        """Return in how many of some buckets each was active."""
        found = np.zeros(len(self.keys), dtype=np.int64)
        for place, word in enumerate(self.words):
            bits = sum(1 << number % _WORD for number in numbers if number // _WORD == place)
            if bits:
                found += np.bitwise_count(word & bits)
        return found


def reaching_back(
    frame: Frame, interval: Interval, question: Question, *, by: int
) -> tuple[Buckets, Span]:
    """Return the buckets of a span with so many whole ones before, and what of them does not count.

    That is the part of the first bucket of the span that lies before the span.
    """
    week = question.week_start
    cut = buckets(frame.span, interval, frame.zone, week)
    edges = cut.edges
    for _ in range(by):
        before = buckets(Span(edges[0] - 1, edges[0]), interval, frame.zone, week)
        edges = (before.edges[0], *edges)
    return Buckets(Span(edges[0], cut.span.until), edges), Span(cut.edges[0], cut.span.since)


def activity(
    step: Step, question: Question, frame: Frame, cut: Buckets, *, left_out: Span, ever: bool
) -> Columnar:
    """Return the statement of who was active when; see ``read``.

    ``left_out`` sets no bit. With ``ever`` all that came before counts for when somebody first was,
    else only what lies in the buckets. Raises InvalidQuery if the buckets are too many.
    """
    count = len(cut.edges) - 1
    if count > MAX_BUCKETS:
        raise InvalidQuery(
            f"This range has more than {MAX_BUCKETS} buckets.", code="QUERY_TOO_LARGE", path="range"
        )
    scope = frame.scope
    span = Span(_EVER if ever else cut.span.since, cut.span.until)
    source = of_steps(
        [step],
        msgspec.structs.replace(frame, span=span),
        wanted=question.filter,
        include_bots=question.include_bots,
        also=[field("person", scope)],
    )
    # The engine would look at each row's time for conditions that always hold.
    conditions = [sql("e.time_us < {since}", since=cut.span.since)] if ever else []
    if left_out.until > left_out.since:
        conditions.append(
            sql(
                "(e.time_us >= {since} AND e.time_us < {until})",
                since=left_out.since,
                until=left_out.until,
            )
        )
    outside = Sql("(") + join(" OR ", conditions) + Sql(")") if conditions else None
    return Columnar(
        sql(
            "SELECT key, {first}{words}\n"
            "FROM (SELECT {person} AS key, e.time_us, {bits}\n{source}\n"
            "  AND {person} IS NOT NULL)\nGROUP BY key",
            first=Sql("min(time_us) AS first_us, " if ever else ""),
            words=join(
                ", ",
                (Sql(f"bit_or(w{number}) AS w{number}") for number in range(-(-count // _WORD))),
            ),
            person=fields.person(scope),
            bits=join(", ", _bits(bucket_number(Sql("e.time_us"), cut), outside, count)),
            source=source,
        )
    )


def first_seen(question: Question, frame: Frame) -> Columnar:
    """Return the statement of when each person did anything at all for the first time."""
    scope = frame.scope
    source = of_steps(
        [Step()],
        msgspec.structs.replace(frame, span=Span(_EVER, frame.span.until)),
        wanted=None,
        include_bots=question.include_bots,
        also=[field("person", scope)],
    )
    return Columnar(
        sql(
            "SELECT {person} AS key, min(e.time_us) AS first_us\n{source}\n"
            "  AND {person} IS NOT NULL\nGROUP BY key",
            person=fields.person(scope),
            source=source,
        )
    )


def read(found: Arrays) -> Activity:
    """Return what the statement of ``activity`` found."""
    words = [found[name] for name in found if name not in {"key", "first_us"}]
    return Activity(found["key"], found.get("first_us"), words)


def seen_first(found: Arrays, keys: Keys) -> NDArray[np.int64]:
    """Return when each of the people did anything at all for the first time."""
    order = np.argsort(found["key"])
    places = np.searchsorted(found["key"], keys, sorter=order)
    seen: NDArray[np.int64] = found["first_us"][order[places]]
    return seen


def numbers_of(instants: NDArray[np.int64], edges: Sequence[int]) -> NDArray[np.int16]:
    """Return the bucket each instant lies in, -1 if before all."""
    found: NDArray[np.int64] = np.searchsorted(np.array(edges), instants, side="right") - 1
    # Small numbers are compared several times as quickly.
    return found.astype(np.int16)


def _bits(bucket: Sql, outside: Sql | None, count: int) -> list[Sql]:
    """Return the words in which an event sets the bit of its bucket."""
    if count <= _WORD:
        return [_word(bucket, outside, "w0")]
    found = []
    for number, low in enumerate(range(0, count, _WORD)):
        beyond = sql(
            "(({bucket}) < {low} OR ({bucket}) >= {high})", bucket=bucket, low=low, high=low + _WORD
        )
        if outside is not None:
            beyond = sql("({outside} OR {beyond})", outside=outside, beyond=beyond)
        found.append(_word(sql("({bucket}) - {low}", bucket=bucket, low=low), beyond, f"w{number}"))
    return found


def _word(bit: Sql, outside: Sql | None, name: str) -> Sql:
    it = sql("CAST(1 AS BIGINT) << ({bit})", bit=bit)
    if outside is not None:
        it = sql("CASE WHEN {outside} THEN 0 ELSE {it} END", outside=outside, it=it)
    return sql("{it} AS {name}", it=it, name=ident(name))
