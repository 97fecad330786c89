"""The members of a cohort as SQL that gives each key once.

Whoever is a member has an event that counts, so that no list of people misses one: sets of those who
did something are such by themselves, ids and lists are narrowed to them.
"""

import re
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from msgspec import Struct

from tallymark.core.clock import DAY
from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, join, sql

from . import fields
from .fields import Field, field
from .filters import InCohort
from .held import Unit, name_of, table_of, unit_of
from .insight import Scope
from .membership import (
    AllOf,
    AnyOf,
    BehindNumber,
    Cohort,
    Did,
    Has,
    Ids,
    Member,
    Near,
    Others,
    cohort_of,
    parts_of,
)
from .numbers import stored
from .ranges import HOUR, MINUTE, Span, bucket_number, buckets, span_of, zone_of
from .selection import Frame, Step, chosen, matches, of_steps, step_fields

_LENGTH: Final = re.compile(r"([1-9][0-9]{0,4})(min|h|d|w)", re.ASCII)
_UNITS: Final = {"min": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
# Before any instant that an event may have.
EVER: Final = -(2**62)
_AMOUNTS: Final = {"times": "count(*)", "days": "count(DISTINCT day)"}


class _Context(Struct, frozen=True):
    """What a cohort is asked with."""

    cohort: Cohort
    scope: Scope
    zone: ZoneInfo

    @property
    def key(self) -> Sql:
        """The key of a member, of an event."""
        return fields.unit_key(self.cohort.of, self.scope)

    @property
    def key_fields(self) -> tuple[Field, ...]:
        return fields.unit_fields(self.cohort.of, self.scope)

    def frame(self, span: Span | None = None) -> Frame:
        """Return the frame of what happened by now, in a span."""
        end = self.scope.now + 1
        wanted = Span(EVER, end) if span is None else span
        return Frame(self.scope, self.zone, Span(wanted.since, min(wanted.until, end)))


def keys_of(cohort: Cohort, scope: Scope) -> Sql:
    """Return a statement with a row (key) for each member at the scope's now.

    What it says of other cohorts and of numbers stands in tables that have to be held before.
    """
    for _ in parts_of(cohort.who):
        pass
    zone = zone_of(cohort.timezone or scope.timezone)
    return _member(cohort.who, _Context(cohort, scope, zone))


def steps_in(cohort: Cohort, scope: Scope, depth: int = 1) -> list[Step]:
    """Return the events that make somebody a member, also of a cohort it is made of.

    Those that must be near another one are among them by both.
    """
    found: list[Step] = []
    for one in parts_of(cohort.who, depth):
        match one:
            case Has(wanted):
                found.append(Step(None, wanted))
            case Did():
                found.append(Step(one.event, one.filter))
            case InCohort():
                found += steps_in(cohort_of(one.cohort, scope), scope, depth + 1)
            case Others() | BehindNumber():
                found.append(Step())
            case AllOf(members) if not members:
                found.append(Step())
    return found


def numbers_behind(cohort: Cohort) -> list[BehindNumber]:
    """Return the numbers whose people or accounts a cohort names itself."""
    return [one for one in parts_of(cohort.who) if isinstance(one, BehindNumber)]


def behind_table(member: BehindNumber, of: Unit, scope: Scope) -> str:
    """Return the name of the table that holds the people or accounts behind a number."""
    number = {"insight": member.insight, "question": member.question, "place": member.place}
    return name_of({**number, "behind": of}, scope)


def length_of(text: str) -> int:
    """Return an elapsed time in microseconds; raises InvalidQuery."""
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise InvalidQuery(
            f"{text[:40]!r} is no length of time.", hint="Write 14d, 12h, 30min or 2w.", path="cohort"
        )  # fmt: skip
    return int(found[1]) * _UNITS[found[2]]


def everybody(context: _Context) -> Sql:
    """Return the keys of all that have an event by now."""
    source = chosen(
        None, (), context.frame(),
        include_bots=context.cohort.include_bots, also=context.key_fields,
    )  # fmt: skip
    return _distinct(source, context)


def _member(member: Member, context: _Context) -> Sql:  # noqa: PLR0911 - one a member
    match member:
        case AllOf(members):
            return _all(members, context)
        case AnyOf(members):
            sets = [_member(one, context) for one in members]
            return _together("UNION", sets) if sets else Sql("SELECT 0::BIGINT AS key WHERE false")
        case Others(inner):
            return _together("EXCEPT", [everybody(context), _member(inner, context)])
        case Has(wanted):
            return _did(Did(filter=wanted), context)
        case Did():
            return _did(member, context)
        case Ids(ids):
            return _ids(ids, context)
        case InCohort():
            return _cohort(member, context)
        case BehindNumber():
            held = behind_table(member, context.cohort.of, context.scope)
            keys = sql("SELECT key FROM {table}", table=Sql(f'"{held}"'))
            return _together("INTERSECT", [keys, everybody(context)])
        case _:
            assert_never(member)


def _all(members: list[Member], context: _Context) -> Sql:
    """Return who is in all; those who are not in one are taken from the rest, not from everybody."""
    wanted = [_member(one, context) for one in members if not isinstance(one, Others)]
    refused = [_member(one.member, context) for one in members if isinstance(one, Others)]
    both = _together("INTERSECT", wanted) if wanted else everybody(context)
    return _together("EXCEPT", [both, *refused])


def _together(how: str, sets: list[Sql]) -> Sql:
    # Each set in brackets of its own, because INTERSECT binds stronger than the others.
    found = sets[0]
    for one in sets[1:]:
        found = sql(
            "SELECT key FROM (\n{left}\n) {how} SELECT key FROM (\n{right}\n)",
            left=found, how=Sql(how), right=one,
        )  # fmt: skip
    return found


def _cohort(member: InCohort, context: _Context) -> Sql:
    if unit_of(member.cohort, context.scope) != context.cohort.of:
        raise InvalidQuery(
            f"A cohort of {context.cohort.of} cannot hold one of"
            f" {unit_of(member.cohort, context.scope)}.",
            hint="A filter on events can: what they did at an account of that cohort.",
            path="cohort.who",
        )
    held = sql("SELECT key FROM {table}", table=table_of(member.cohort, context.scope))
    has_robots = cohort_of(member.cohort, context.scope).include_bots
    if has_robots and not context.cohort.include_bots:
        return _together("INTERSECT", [held, everybody(context)])
    return held


def _ids(ids: list[str], context: _Context) -> Sql:
    if not ids:
        return Sql("SELECT 0::BIGINT AS key WHERE false")
    listed = sql("SELECT unnest({ids}::VARCHAR[])", ids=ids)
    if context.cohort.of == "accounts":
        named = sql("SELECT account_key AS key FROM account WHERE id IN ({ids})", ids=listed)
        return _together("INTERSECT", [named, everybody(context)])
    # Who an id is, is told by events, so that links count as they do everywhere: by those that carry
    # it, and by those of whoever is named by it.
    source = chosen(
        None, (), context.frame(),
        include_bots=context.cohort.include_bots, also=context.key_fields,
    )  # fmt: skip
    named = sql("SELECT actor_key FROM actor WHERE id IN ({ids})", ids=listed)
    return sql(
        "{keys}\n  AND (e.actor_key IN ({named}) OR e.anon_key IN ({named}) OR {key} IN ({named}))",
        keys=_distinct(source, context),
        named=named,
        key=context.key,
    )


def _distinct(source: Sql, context: _Context) -> Sql:
    return sql("SELECT DISTINCT {key} AS key\n{source}\n  AND {key} IS NOT NULL", key=context.key, source=source)  # fmt: skip


def _did(did: Did, context: _Context) -> Sql:
    _refuse_odd(did)
    if did.in_any is not None:
        return _within_stretch(did, context)
    rows = _rows(did, context)
    if _is_plain(did):
        return sql("SELECT DISTINCT key FROM (\n{rows}\n)", rows=rows)
    bounds = [
        (sign, opposite, _decimal(bound))
        for sign, opposite, bound in ((">=", "<", did.at_least), ("<=", ">", did.at_most))
        if bound is not None
    ]
    amount = "coalesce(sum(amount), 0)" if did.sum_of else _AMOUNTS[did.counted]
    kept = join(" AND ", [sql(f"{amount} {sign} {{it}}", it=it) for sign, _, it in bounds])
    grouped = sql("SELECT key FROM (\n{rows}\n) GROUP BY key HAVING ", rows=rows)
    if (did.at_least or 0) > 0 or (did.at_most is not None and did.at_most < 0):
        return grouped + kept
    # Whoever never did it has zero, which is within the bounds.
    broken = join(" OR ", [sql(f"{amount} {sign} {{it}}", it=it) for _, sign, it in bounds])
    return _together("EXCEPT", [everybody(context), grouped + broken])


def _is_plain(did: Did) -> bool:
    """Whether once is enough."""
    return did.sum_of is None and did.at_most is None and did.at_least in {None, 1}


def _decimal(bound: float) -> Sql:
    return sql("CAST({bound} AS DECIMAL(38,9))", bound=stored(bound, "cohort.at_least"))


def _refuse_odd(did: Did) -> None:
    if did.sum_of is not None and did.at_least is None and did.at_most is None:
        raise _odd("A sum needs at_least or at_most.")
    if did.sum_of is not None and did.counted == "days":
        raise _odd("Either days are counted, or a number is added up.")
    if did.counted == "days" and did.range is None:
        raise _odd("Days are counted of a range; give one, such as 90d.")
    if did.first and not (_is_plain(did) and did.in_any is None):
        raise _odd("The first of something comes once; leave out how often.")
    if did.in_any is not None and (
        did.at_most is not None or did.sum_of is not None or did.counted == "days"
        or not isinstance(did.at_least, int) or not 2 <= did.at_least <= 1_000
    ):  # fmt: skip
        raise _odd("in_any needs at_least, from 2 to 1000 times, and nothing else that is counted.")


def _odd(text: str) -> InvalidQuery:
    return InvalidQuery(text, path="cohort.who")


def _rows(did: Did, context: _Context) -> Sql:
    """Return (key, time_us, seq, day, amount) of the events that count, day and amount if needed."""
    span = None if did.range is None else span_of(did.range, context.zone, context.scope.now)
    frame = context.frame(span)
    step = Step(did.event, did.filter)
    also = [*context.key_fields, *step_fields([step], context.scope)]
    columns = [sql("{key} AS key", key=context.key), Sql("e.time_us"), Sql("e.seq")]
    if did.counted == "days":
        columns.append(_day(frame, context))
    if did.sum_of is not None:
        number = field(did.sum_of, context.scope, path="cohort.sum_of")
        if number.number is None and not number.is_property:
            raise _odd(f"{did.sum_of} is not a number.")
        also.append(number)
        columns.append(
            sql("{it} AS amount", it=number.number or Sql("CAST(NULL AS DECIMAL(38,9))"))
        )
    if did.near is not None:
        return _near(did, did.near, context, frame, columns)
    asked = context.frame() if did.first else frame
    source = chosen(
        did.event, (did.filter,), asked, include_bots=context.cohort.include_bots, also=also
    )
    found = sql(
        "SELECT {columns}\n{source}\n  AND {key} IS NOT NULL",
        columns=join(", ", columns), source=source, key=context.key,
    )  # fmt: skip
    return _only_first(found, frame) if did.first else found


def _only_first(rows: Sql, frame: Frame) -> Sql:
    return sql(
        "SELECT key FROM (\n{rows}\n) GROUP BY key HAVING min(time_us) >= {since} AND min(time_us) < {until}",
        rows=rows, since=frame.span.since, until=frame.span.until,
    )  # fmt: skip


def _near(did: Did, near: Near, context: _Context, frame: Frame, columns: list[Sql]) -> Sql:
    """Return the events that have another one at most so long before, or after, them."""
    whole = context.frame()
    done, other = Step(did.event, did.filter), Step(near.event, near.filter)
    also = list(context.key_fields)
    if did.sum_of is not None:
        also.append(field(did.sum_of, context.scope))
    source = of_steps(
        [done, other], whole, wanted=None, include_bots=context.cohort.include_bots, also=also
    )
    seen = sql(
        "SELECT {columns}, {done} IS TRUE AS is_done, {other} IS TRUE AS is_other\n{source}\n"
        "  AND {key} IS NOT NULL",
        columns=join(", ", columns), done=matches(done, whole), other=matches(other, whole),
        source=source, key=context.key,
    )  # fmt: skip
    is_first = near.which == "first"
    # Of those before, the last one is nearest; of those after, the first.
    if near.when == "after":
        pick, order, gap = ("min" if is_first else "max"), "time_us, seq", "time_us - anchor"
    else:
        pick, order, gap = "min", "time_us DESC, seq DESC", "anchor - time_us"
    anchor = f"{pick}(CASE WHEN is_other THEN time_us END) OVER (PARTITION BY key ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"  # fmt: skip
    if is_first:
        seen = sql(
            "SELECT *, CASE WHEN is_other THEN row_number() OVER (PARTITION BY key, is_other ORDER BY"
            " time_us, seq) = 1 ELSE false END AS is_anchor FROM (\n{seen}\n)",
            seen=seen,
        )
        anchor = anchor.replace("is_other", "is_anchor")
    # The first ever, wherever it lies, is looked at; then it has to be near.
    found = sql(
        "SELECT * FROM (\nSELECT *, {anchor} AS anchor, row_number() OVER (PARTITION BY key, is_done"
        " ORDER BY time_us, seq) AS place FROM (\n{seen}\n)\n)\n"
        "WHERE is_done AND {place} AND {gap} <= {within}",
        anchor=Sql(anchor), seen=seen, gap=Sql(gap), within=length_of(near.within),
        place=Sql("place = 1" if did.first else "true"),
    )  # fmt: skip
    return sql(
        "SELECT * FROM (\n{found}\n) WHERE time_us >= {since} AND time_us < {until}",
        found=found, since=frame.span.since, until=frame.span.until,
    )  # fmt: skip


def _within_stretch(did: Did, context: _Context) -> Sql:
    """Return who did it so often that the first and the last of some run are not too far apart."""
    assert did.in_any is not None and isinstance(did.at_least, int)  # noqa: S101, PT018 - see above
    return sql(
        "SELECT DISTINCT key FROM (\n"
        "SELECT key, lead(time_us, {more}) OVER (PARTITION BY key ORDER BY time_us, seq)"
        " - time_us AS took FROM (\n{rows}\n)\n) WHERE took <= {most}",
        more=did.at_least - 1, rows=_rows(did, context), most=length_of(did.in_any),
    )  # fmt: skip


def _day(frame: Frame, context: _Context) -> Sql:
    """Return the local day of an event as a number."""
    span = frame.span
    if span.until <= span.since:
        return Sql("0 AS day")
    days = buckets(span, "day", context.zone)
    return sql("{day} AS day", day=bucket_number(Sql("e.time_us"), days))
