"""What every question has in common: its range, zone and filter, and the events they choose."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from tallymark.core.clock import rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.core.registry import did_you_mean
from tallymark.core.sql import Sql, join, sql

from . import fields, filters
from .field_warnings import partly_numbers, unknown_properties
from .fields import Field
from .filters import Filter, Scalar
from .insight import Scope
from .ranges import Dates, Span, WeekStart, span_of, zone_of
from .virtual import filters_of, is_any, real_names

MAX_NAMES: Final = 100
MAX_GROUPS: Final = 1_000
EventNames: TypeAlias = Annotated[
    str | list[str] | None,
    Meta(description="Name or names of the events counted; if left out, any event."),
]


class Question(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every question may state."""

    range: Annotated[
        Dates | str,
        Meta(
            description="Absolute (since, until) or relative: 30d, 12h, today, yesterday, last_month."
        ),
    ] = "30d"
    timezone: Annotated[
        str | None, Meta(description="IANA zone of days and weeks; the project's if left out.")
    ] = None
    week_start: Annotated[WeekStart, Meta(description="First day of a week.")] = "monday"
    filter: Annotated[Filter | None, Meta(description="Only events that satisfy this count.")] = (
        None
    )
    include_bots: Annotated[
        bool, Meta(description="Also count events of known robots, which are left out otherwise.")
    ] = False


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    """One group of a breakdown, to open the events behind it.

    Exactly one of ``values`` (null for a missing one) and ``other_than`` (the groups shown, for the
    Other group) is given.
    """

    by: Annotated[list[str], Meta(description="The fields broken down by.", max_length=3)]
    values: Annotated[
        list[Scalar | None] | None, Meta(description="The group's value of each field.")
    ] = None
    other_than: Annotated[
        list[list[Scalar | None]] | None, Meta(description="The groups that are not meant.")
    ] = None


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that happened: which events, and what they must satisfy."""

    event: EventNames = None
    filter: Annotated[Filter | None, Meta(description="Only events that satisfy this.")] = None
    label: Annotated[
        str | None, Meta(description="Its name in the answer; the event's if left out.")
    ] = None


StepOrName: TypeAlias = Annotated[
    Step | str, Meta(description="Something that happened; the name of an event by itself will do.")
]


class Frame(Struct, frozen=True):
    """The zone and the instants a question means, asked with this scope."""

    scope: Scope
    zone: ZoneInfo
    span: Span


class Period(Struct, frozen=True):
    """A range of time as an answer states it: RFC 3339 in UTC, ``until`` not included."""

    since: str
    until: str


def frame_of(question: Question, scope: Scope) -> Frame:
    """Return the zone and span the question means; raises InvalidQuery."""
    zone = zone_of(question.timezone or scope.timezone)
    return Frame(scope, zone, span_of(question.range, zone, scope.now, question.week_start))


def period(span: Span) -> Period:
    """Return the span as an answer states it."""
    return Period(rfc3339(span.since), rfc3339(span.until))


def chosen(
    event: EventNames,
    wanted: Iterable[Filter | None],
    frame: Frame,
    *,
    include_bots: bool,
    also: Sequence[Field] = (),
) -> Sql:
    """Return FROM and WHERE of the events of a span that satisfy all filters.

    The event table is ``e``; what the fields of ``also`` need is joined.
    """
    scope = frame.scope
    given = [one for one in wanted if one is not None]
    used = [
        fields.field(name, scope)
        for one in (*given, *filters_of(_listed(event), scope))
        for name in filters.names(one)
    ]
    conditions = [
        *_counted(scope),
        sql("e.time_us >= {since}", since=frame.span.since),
        sql("e.time_us < {until}", until=frame.span.until),
        *_named(event, frame),
        *([] if include_bots else [Sql("e.is_bot IS DISTINCT FROM true")]),
        *(filters.condition(one, scope, frame.zone) for one in given),
    ]
    return sql(
        "FROM {events}{joins}\nWHERE {conditions}",
        events=fields.events(scope),
        joins=fields.joins([*used, *also], scope),
        conditions=join("\n  AND ", conditions),
    )


def matches(step: Step, frame: Frame) -> Sql:
    """Return whether an event ``e`` is such a step; what is NULL in it means false.

    What the fields of its filter need has to be joined; see ``step_fields``.
    """
    parts = _named(step.event, frame)
    if step.filter is not None:
        parts.append(filters.condition(step.filter, frame.scope, frame.zone))
    return Sql("(") + join(" AND ", parts or [Sql("true")]) + Sql(")")


def step_of(given: StepOrName) -> Step:
    """Return the step that is meant, which may be given as no more than the name of an event."""
    return Step(event=given) if isinstance(given, str) else given


def step_fields(steps: Iterable[Step], scope: Scope) -> list[Field]:
    """Return the fields that steps use."""
    found: list[Filter | None] = []
    for step in steps:
        found += [step.filter, *filters_of(_listed(step.event), scope)]
    return [fields.field(name, scope) for name in field_names(found)]


def label_of(step: Step) -> str:
    """Return the name of a step in an answer."""
    named = _listed(step.event)
    return step.label or (" or ".join(named) if named else "any event")


def of_steps(
    steps: Sequence[Step],
    frame: Frame,
    *,
    wanted: Filter | None,
    include_bots: bool,
    also: Sequence[Field] = (),
) -> Sql:
    """Return FROM and WHERE of the events of a span that are any of the steps.

    ``wanted`` holds for all of them. What the fields of the steps and of ``also`` need is joined.
    """
    source = chosen(
        None, (wanted,), frame, include_bots=include_bots,
        also=[*step_fields(steps, frame.scope), *also],
    )  # fmt: skip
    keys = _keys_of(steps, frame.scope)
    # A single condition on the key lets the engine skip what the steps' own would make it read.
    narrowed = [sql("e.event_key IN ({keys})", keys=keys)] if keys is not None else []
    either = join(" OR ", [matches(step, frame) for step in steps])
    return sql(
        "{source}\n  AND {conditions}",
        source=source,
        conditions=join("\n  AND ", [*narrowed, Sql("(") + either + Sql(")")]),
    )


def in_group(group: Group, scope: Scope) -> tuple[Sql, list[Field]]:
    """Return the condition of being in a group of a breakdown, and the fields it needs."""
    found = [fields.field(name, scope, path="group.by") for name in group.by]
    if (group.values is None) == (group.other_than is None):
        raise InvalidQuery("A group needs either values or other_than.", path="group")
    if group.values is not None:
        return _is_group(found, group.values), found
    if len(group.other_than or []) > MAX_GROUPS:
        raise InvalidQuery(f"other_than may have {MAX_GROUPS} groups.", path="group.other_than")
    shown = [_is_group(found, values) for values in group.other_than or []]
    return sql("({any}) IS NOT TRUE", any=join(" OR ", shown or [Sql("false")])), found


def field_names(wanted: Iterable[Filter | None]) -> list[str]:
    """Return the names of the fields that filters use."""
    return [name for one in wanted for name in filters.names(one)]


def warnings_of(
    event: EventNames, names: Iterable[str], scope: Scope, *, measured: Iterable[str] = ()
) -> list[str]:
    """Return what the asker should know: events and properties that never came or are no numbers.

    ``measured`` are the names of the fields that must be numbers to count.
    """
    found = []
    for name in real_names(_listed(event), scope):
        if name not in scope.event_names:
            near = did_you_mean(name, scope.event_names)
            found.append(f"No event is named {name!r}.{f' {near}' if near else ''}")
    return [
        *found,
        *unknown_properties(names, scope),
        *partly_numbers(measured, scope),
    ]


def _keys_of(steps: Iterable[Step], scope: Scope) -> Sql | None:
    """Return the keys of all events that steps name, None if one of them names none."""
    names: set[str] = set()
    for step in steps:
        if step.event is None:
            return None
        names.update(real_names(_listed(step.event), scope))
    keys = sorted(scope.event_names[name] for name in names if name in scope.event_names)
    return join(", ", (sql("{key}", key=key) for key in keys or [0]))


def _counted(scope: Scope) -> list[Sql]:
    within = [sql("e.seq < {end}", end=fields.end_of_log(scope))]
    if (late := scope.late) is not None:
        within.append(
            sql("(e.seq < {seq} OR e.time_us < {before})", seq=late.seq, before=late.before)
        )
    return within


def _listed(event: EventNames) -> list[str]:
    return [event] if isinstance(event, str) else list(event or [])


def _named(event: EventNames, frame: Frame) -> list[Sql]:
    if event is None:
        return []
    scope = frame.scope
    named = _listed(event)
    if not 0 < len(named) <= MAX_NAMES:
        raise InvalidQuery(f"Name 1 to {MAX_NAMES} events, or leave them out.", path="event")
    real = real_names(named, scope)
    keys = sorted({scope.event_names[name] for name in real if name in scope.event_names})
    if not keys:
        return [Sql("false")]
    # What the filters of virtual events say comes after the key, which lets the engine skip.
    also = [] if not any(filters_of(named, scope)) else [is_any(named, scope, frame.zone)]
    if len(keys) == 1:
        return [sql("e.event_key = {key}", key=keys[0]), *also]
    listed = join(", ", (sql("{key}", key=key) for key in keys))
    return [sql("e.event_key IN ({keys})", keys=listed), *also]


def _is_group(found: list[Field], values: Sequence[Scalar | None]) -> Sql:
    if len(values) != len(found):
        raise InvalidQuery("A group needs one value for each field.", path="group.values")
    parts = [
        sql("({present}) IS NOT TRUE", present=filters.exists(one))
        if value is None
        else filters.equal(one, value)
        for one, value in zip(found, values, strict=True)
    ]
    return Sql("(") + join(" AND ", parts or [Sql("true")]) + Sql(")")
