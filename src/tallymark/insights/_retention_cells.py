"""The events that retention looks at, and what one look tells where starts and returns are the same.

Then a *cell*, somebody's first and last event in a bucket, is all that matters of them.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tallymark.core.sql import Sql, join, sql
from tallymark.store.engine import Arrays

from . import ephemeral, fields, selection
from ._retention_kernel import Returns, Starts
from ._retention_question import Plan
from .fields import Field, field
from .numbering import numbered
from .ranges import Buckets, Span, bucket_number
from .selection import Step

# No stored instant is earlier.
EVER: Final = -(2**62)
# The bucket of all that came before the range.
_BEFORE: Final = -1


def cells(plan: Plan) -> Sql:
    """Return who was active in which bucket, first and last, where starts and returns are the same.

    Where everybody starts once, whoever came before the range has a bucket of its own for that.
    """
    since, bucket = plan.frame.span.since, bucket_of(plan)
    if not plan.rules.is_recurring:
        bucket = sql(
            "CASE WHEN e.time_us < {since} THEN {before} ELSE {bucket} END",
            since=since, before=_BEFORE, bucket=bucket,
        )  # fmt: skip
    return sql(
        "SELECT {person} AS person, {bucket} AS bucket,"
        " min(e.time_us) AS first_us, max(e.time_us) AS last_us\n{source}\nGROUP BY ALL",
        person=fields.person(plan.frame.scope),
        bucket=bucket,
        source=source_of(
            plan, plan.start, Span(since if plan.rules.is_recurring else EVER, plan.until)
        ),
    )


def of_cells(plan: Plan, rows: Arrays) -> tuple[Starts, Returns]:
    """Return the starts and the returns that cells are."""
    person, bucket = rows["person"], rows["bucket"].astype(np.int64, copy=False)
    who, _ = numbered(person, person[:0])
    # In the last interval, what comes after the range is a return at most.
    begun = (bucket < plan.cohorts) & (rows["first_us"] < plan.frame.span.until)
    came: slice | NDArray[np.bool_] = slice(None)
    if not plan.rules.is_recurring:
        first = np.full(int(who.max(initial=-1)) + 1, len(plan.edges), np.int64)
        np.minimum.at(first, who, bucket)
        begun &= (bucket == first[who]) & (bucket != _BEFORE)
        came = bucket != _BEFORE
    cohort = bucket[begun]
    return (
        Starts(
            person[begun],
            who[begun],
            cohort,
            np.zeros(len(cohort), np.int64),
            rows["first_us"][begun],
            cohort,
        ),
        Returns(who[came], bucket[came], rows["last_us"][came], bucket[came]),
    )


def bucket_of(plan: Plan) -> Sql:
    """Return the bucket of the calendar an event lies in, one more than the last for later ones."""
    last = plan.edges[-1]
    within = bucket_number(Sql("e.time_us"), Buckets(Span(plan.edges[0], last), plan.edges))
    if plan.until <= last:
        return within
    return sql(
        "CASE WHEN e.time_us >= {last} THEN {beyond} ELSE {within} END",
        last=last, beyond=len(plan.edges) - 1, within=within,
    )  # fmt: skip


def source_of(
    plan: Plan, step: Step, span: Span, *,
    also: Sequence[Field] = (), is_filtered: bool = True, lasting: bool = True,
) -> Sql:  # fmt: skip
    """Return FROM and WHERE of a step's events by somebody whose id lasts, or only by others."""
    scope = plan.frame.scope
    source = selection.of_steps(
        [step],
        msgspec.structs.replace(plan.frame, span=span),
        wanted=plan.question.filter if is_filtered else None,
        include_bots=plan.question.include_bots,
        also=[*also, field("person", scope)],
    )
    known = sql("{person} IS NOT NULL", person=fields.person(scope))
    conditions = [known]
    if not lasting:
        conditions.append(ephemeral.passes())
    elif not plan.question.include_cookieless:
        conditions.append(ephemeral.lasts())
    return sql(
        "{source}\n  AND {conditions}", source=source, conditions=join("\n  AND ", conditions)
    )
