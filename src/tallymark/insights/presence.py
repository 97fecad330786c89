"""Who came in which bucket, as bits of people: one word for sixty-four of them and a bucket.

Keys are surrogates from 1 on, so people whose keys follow each other share a row. Where many come,
that is up to sixty-four times less than a row for each, and who was there before, stays or goes is
told of sixty-four at once.
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
Words = NDArray[np.uint64]

MAX_BUCKETS: Final = 2_000
# The bucket of all that came before the others, and of what lies in them and does not count.
_BEFORE, _LEFT_OUT = -1, -2
# No stored instant is earlier.
_EVER: Final = -(2**62)


class Presence(Struct, frozen=True):
    """Who came: one row a bucket, one column a block of sixty-four people.

    ``before`` are those who came before all buckets, ``left_out`` those of the span left out.
    """

    blocks: NDArray[np.int64]
    buckets: NDArray[np.uint64]
    before: Words
    left_out: Words

    def within(self, first: int, last: int | None = None) -> Words:
        """Return who came in a bucket, or in any from the first to the last one."""
        rows = self.buckets[first : (first if last is None else last) + 1]
        found: Words = np.bitwise_or.reduce(rows, axis=0)
        return found

    def times(self, numbers: Sequence[int]) -> NDArray[np.int16]:
        """Return in how many of some buckets each came, 64 in a row a block; see ``slots``."""
        found = np.zeros(64 * len(self.blocks), np.int16)
        for number in numbers:
            found += _bits(self.buckets[number])
        return found

    def keys(self, people: Words) -> Keys:
        """Return the keys of people, given as one word a block."""
        return self.slots(_bits(people) != 0)

    def slots(self, chosen: NDArray[np.bool_]) -> Keys:
        """Return the keys of people, given by their places among 64 in a row a block."""
        places = np.flatnonzero(chosen)
        found: Keys = self.blocks[places >> 6] * 64 + (places & 63)
        return found

    def of(self, blocks: NDArray[np.int64]) -> "Presence":
        """Return the same of some blocks, all of which are here."""
        at = np.searchsorted(self.blocks, blocks)
        return Presence(blocks, self.buckets[:, at], self.before[at], self.left_out[at])


def words_of(key: Sql, name: str) -> Sql:
    """Return the columns ``block`` and, of that name, its word of bits, for a GROUP BY of it."""
    return sql(
        "{key} >> 6 AS block, bit_or(CAST(1 AS UBIGINT) << CAST({key} & 63 AS UBIGINT)) AS {name}",
        key=key,
        name=ident(name),
    )


def count(people: Words) -> int:
    """Return how many people words are."""
    return int(np.bitwise_count(people).sum())


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


def presence(
    step: Step,
    asked: Question,
    frame: Frame,
    cut: Buckets,
    *,
    ever: bool = False,
    left_out: Span | None = None,
    is_filtered: bool = True,
) -> Columnar:
    """Return the statement of who did a step in which bucket, or with ``ever`` before; see ``read``.

    Raises InvalidQuery if the buckets are too many.
    """
    if len(cut.edges) - 1 > MAX_BUCKETS:
        raise InvalidQuery(
            f"This range has more than {MAX_BUCKETS} buckets.", code="QUERY_TOO_LARGE", path="range"
        )
    scope = frame.scope
    source = of_steps(
        [step],
        msgspec.structs.replace(
            frame, span=Span(_EVER if ever else cut.span.since, cut.span.until)
        ),
        wanted=asked.filter if is_filtered else None,
        include_bots=asked.include_bots,
        also=[field("person", scope)],
    )
    apart = []
    if ever:
        apart.append(sql("WHEN e.time_us < {since} THEN {it}", since=cut.span.since, it=_BEFORE))
    if left_out and left_out.until > left_out.since:
        apart.append(
            sql(
                "WHEN e.time_us >= {since} AND e.time_us < {until} THEN {it}",
                since=left_out.since, until=left_out.until, it=_LEFT_OUT,
            )
        )  # fmt: skip
    bucket = bucket_number(Sql("e.time_us"), cut)
    if apart:
        bucket = sql("CASE {apart} ELSE {it} END", apart=join(" ", apart), it=bucket)
    return Columnar(
        sql(
            "SELECT bucket, {words}\n"
            "FROM (SELECT {person} AS key, {bucket} AS bucket\n{source}\n"
            "  AND {person} IS NOT NULL)\nGROUP BY ALL",
            words=words_of(Sql("key"), "people"),
            person=fields.person(scope),
            bucket=bucket,
            source=source,
        )
    )


def read(found: Arrays, buckets: int) -> Presence:
    """Return what the statement of ``presence`` found of so many buckets."""
    blocks, column = np.unique(found["block"], return_inverse=True)
    words = np.zeros((buckets + 2, len(blocks)), np.uint64)
    # The two that are no buckets are the last rows, as they are counted from the end.
    words[found["bucket"], column] = found["people"]
    return Presence(blocks, words[:buckets], words[_BEFORE], words[_LEFT_OUT])


def _bits(people: Words) -> NDArray[np.uint8]:
    return np.unpackbits(people.astype("<u8").view(np.uint8), bitorder="little")
