"""The sessions behind a number, or of one person or account, those that started last first."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from tallymark.core.clock import MICROSECONDS, rfc3339
from tallymark.core.sql import Sql, ident, join, sql
from tallymark.store.engine import Rows

from . import fields, known, measures
from . import visits as whole
from ._visits_rules import RULES
from .fields import field
from .filters import Filter
from .insight import Insight, Scope, Table
from .numbers import Number, ratio
from .pages import BEHIND, Behind, PagedQuestion, Place, cursor_after, opened
from .selection import (
    Frame,
    Period,
    Step,
    StepOrName,
    field_names,
    frame_of,
    period,
    step_of,
    warnings_of,
)
from .visits import EVER, Bounce, End, Wanted, is_bounce
from .whose import AccountId, AnonymousId, PersonKey, UserId, subject_of, theirs

_FIRSTS: Final = ("session", "user_id", "anonymous_id", "account")
# Fields of the entry or the exit, and what they are called in a row.
_ENDS: Final[Mapping[str, tuple[End, str]]] = {
    "entry_page": ("entry", "path"),
    "exit_page": ("exit", "path"),
    "host": ("entry", "host"),
    "channel": ("entry", "channel"),
    "referrer_host": ("entry", "referrer_host"),
    "utm_source": ("entry", "utm_source"),
    "utm_medium": ("entry", "utm_medium"),
    "utm_campaign": ("entry", "utm_campaign"),
    "device_type": ("entry", "device_type"),
    "browser": ("entry", "browser"),
    "os": ("entry", "os"),
    "country": ("entry", "country"),
}
_COUNTS: Final = ("visit", "person", "start_us", "end_us", "events", "views")


class VisitsQuestion(PagedQuestion, frozen=True, kw_only=True):
    """Sessions that made a number of sessions, are behind one of another insight, or are of somebody.

    With ``behind``, series, group, filter and range choose none: the sessions behind the number are
    listed. Whatever else is asked narrows that list too.
    """

    behind: Annotated[
        Behind | None, Meta(description="A number of another insight, whose sessions are listed.")
    ] = None
    person: PersonKey = None
    user_id: UserId = None
    anonymous_id: AnonymousId = None
    account: AccountId = None
    search: Annotated[
        Annotated[str, Meta(min_length=1, max_length=known.MAX_SEARCH)] | None,
        Meta(
            description="Only those of whose person or account, or in whose own id, this is found."
        ),
    ] = None
    entry: Annotated[
        Filter | None, Meta(description="Only sessions whose entry satisfies this.")
    ] = None
    exit: Annotated[Filter | None, Meta(description="Only sessions whose exit satisfies this.")] = (
        None
    )
    bounced: Annotated[
        bool | None, Meta(description="Only sessions that bounce, or only those that do not.")
    ] = None
    bounce: Annotated[Bounce, Meta(description="Whose rule says what a bounce is.")] = "plausible"
    key_events: Annotated[
        tuple[StepOrName, ...],
        Meta(description="For the rule of ga4: what makes a session engaged.", max_length=20),
    ] = ()


class VisitRow(Struct, frozen=True):
    """One session, whole. Times are RFC 3339 in UTC; ``seconds`` is its last event minus its first.

    ``visit`` is its key here, ``session`` its id as the client gave it, null if it gave none.
    ``person`` is who it is by now; the ids, and the account, are the first that an event of it names.
    Pages are the paths of the first and last view, null without any that has one. All else that is
    known is known of the entry.
    """

    visit: int
    session: str | None
    person: int | None
    user_id: str | None
    anonymous_id: str | None
    account: str | None
    start: str
    end: str
    seconds: Number
    events: int
    views: int
    bounced: bool
    entry_page: str | None
    exit_page: str | None
    host: str | None
    channel: str | None
    referrer_host: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    device_type: str | None
    browser: str | None
    os: str | None
    country: str | None


class VisitsData(Struct, frozen=True):
    """A page of sessions; ``total`` counts those of all pages."""

    range: Period
    bounce: Bounce
    total: int
    visits: list[VisitRow]
    cursor: str | None
    warnings: list[str]


def to_sql(question: VisitsQuestion, scope: Scope) -> tuple[Sql, ...]:
    """Return the statement of the page and that of the total."""
    pinned, place = opened(question, scope, "visits")
    chosen = _chosen(question, pinned)
    listed = _listed(question, pinned, chosen)
    keys = [*_COUNTS, *_FIRSTS, *_ENDS]
    page = sql(
        """WITH page AS MATERIALIZED (
SELECT visit, start_us
FROM (
{listed}
){after}
ORDER BY start_us DESC, visit DESC
LIMIT {limit}
)
SELECT {columns}, {bounce} AS is_bounce
FROM (
{told}
)
ORDER BY start_us DESC, visit DESC""",
        listed=listed,
        after=_after(place),
        limit=question.limit + 1,
        columns=join(", ", map(ident, keys)),
        bounce=is_bounce(question.bounce, len(question.key_events)),
        told=_told(question, pinned),
    )
    if question.bounced is None and question.entry is None and question.exit is None:
        return page, sql("SELECT count(*) FROM (\n{chosen}\n)", chosen=chosen)
    return page, sql("SELECT count(*) FROM (\n{listed}\n)", listed=listed)


def shape(question: VisitsQuestion, scope: Scope, rows: Sequence[Rows]) -> VisitsData:
    """Return the page from the rows of the statements."""
    pinned, _ = opened(question, scope, "visits")
    listed = rows[0].rows[: question.limit]
    more = len(rows[0].rows) > question.limit
    return VisitsData(
        range=period(frame_of(question, pinned).span),
        bounce=question.bounce,
        total=int(rows[1].rows[0][0]),
        visits=[_visit(row) for row in listed],
        cursor=cursor_after(question, pinned, "visits", listed[-1][2], listed[-1][0])
        if more
        else None,
        warnings=_warnings(question, pinned),
    )


def table(data: VisitsData) -> Table:
    """Return one row a session: who, when, how long, from where and to where."""
    columns = (
        "start", "seconds", "events", "who", "account", "entry", "exit", "bounced", "source",
        "campaign", "device", "country",
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = [
        (
            one.start, one.seconds, one.events, _who(one), one.account, one.entry_page, one.exit_page,
            one.bounced, one.utm_source or one.referrer_host or one.channel, one.utm_campaign,
            one.device_type, one.country,
        )
        for one in data.visits
    ]  # fmt: skip
    return Table(columns, rows, keys=(columns.index("start"), columns.index("who")))


def _chosen(question: VisitsQuestion, scope: Scope) -> Sql:
    """Return the keys of the sessions with an event that is chosen, as a query."""
    source = _events(question, scope)
    if subject_of(question) is not None:
        source = sql("{source}\n  AND {theirs}", source=source, theirs=theirs(question, scope))
    keys = sql("SELECT DISTINCT e.session_key AS key\n{source}", source=source)
    if question.search is None:
        return keys
    return sql(
        "SELECT key FROM (\n{keys}\n) SEMI JOIN (\n{found}\n) USING (key)",
        keys=keys,
        found=_found(question.search, scope),
    )


def _events(question: VisitsQuestion, scope: Scope) -> Sql:
    if question.behind is None:
        return measures.behind(
            _sessions(question), question, question.group, frame_of(question, scope)
        )
    return sql(
        "FROM {events}{joins}\nJOIN {behind} ON {behind}.key = e.session_key\nWHERE e.seq < {end}",
        events=fields.events(scope),
        joins=fields.joins([field("person", scope)], scope),
        behind=ident(BEHIND),
        end=fields.end_of_log(scope),
    )


def _sessions(question: VisitsQuestion) -> measures.Series:
    return msgspec.structs.replace(question.series, measure="sessions", of=None)


def _found(search: str, scope: Scope) -> Sql:
    """Return the keys of sessions that a text finds, by whoever is in them or by their own id."""
    return sql(
        """SELECT e.session_key AS key
FROM {events}{joins}
WHERE e.seq < {end} AND e.session_key IS NOT NULL AND ({person} IN (
{people}
) OR e.account_key IN (
{accounts}
))
UNION
SELECT session_key FROM session WHERE contains(lower(id), lower({search}))""",
        events=fields.events(scope),
        joins=fields.joins([field("person", scope)], scope),
        end=fields.end_of_log(scope),
        person=fields.person(scope),
        people=known.found_people(search, scope),
        accounts=known.found_accounts(search, scope),
        search=search,
    )


def _listed(question: VisitsQuestion, scope: Scope, chosen: Sql) -> Sql:
    """Return the sessions of all pages, with as little of each as says whether it is in the list."""
    wanted = Wanted(
        include_bots=_include_bots(question),
        only=chosen,
        entry=question.entry,
        exit=question.exit,
        steps=_keys(question),
    )
    listed = whole.visits(_ever(question, scope), wanted)
    if question.bounced is None:
        return listed
    rule = is_bounce(question.bounce, len(question.key_events))
    return sql(
        "SELECT * FROM (\n{listed}\n) WHERE {rule} = {bounced}",
        listed=listed,
        rule=rule,
        bounced=question.bounced,
    )


def _told(question: VisitsQuestion, scope: Scope) -> Sql:
    """Return everything that is told of the sessions of a page."""
    wanted = Wanted(
        include_bots=_include_bots(question),
        only=Sql("SELECT visit FROM page"),
        ends={name: (end, field(path, scope)) for name, (end, path) in _ENDS.items()},
        firsts={name: field(name, scope) for name in _FIRSTS},
        steps=_keys(question),
    )
    return whole.visits(_ever(question, scope), wanted)


def _ever(question: VisitsQuestion, scope: Scope) -> Frame:
    return msgspec.structs.replace(frame_of(question, scope), span=EVER)


def _keys(question: VisitsQuestion) -> list[Step]:
    return [step_of(one) for one in question.key_events]


def _include_bots(question: VisitsQuestion) -> bool:
    """Whether robots count: as for the number, so that its sessions have the events it counts."""
    if question.behind is None:
        return question.include_bots
    return question.behind.question.get("include_bots") is True


def _after(place: Place | None) -> Sql:
    if place is None:
        return Sql("")
    return sql(
        "\nWHERE start_us < {time} OR (start_us = {time} AND visit < {key})",
        time=place.time_us,
        key=place.key,
    )


def _visit(row: tuple[Any, ...]) -> VisitRow:
    named = dict(zip((*_COUNTS, *_FIRSTS, *_ENDS, "bounced"), row, strict=True))
    start, end = named.pop("start_us"), named.pop("end_us")
    return VisitRow(
        start=rfc3339(start),
        end=rfc3339(end),
        seconds=ratio(end - start, MICROSECONDS) or 0,
        **named,
    )


def _who(one: VisitRow) -> str | int | None:
    return one.user_id or one.anonymous_id or one.person


def _warnings(question: VisitsQuestion, scope: Scope) -> list[str]:
    also = [question.entry, question.exit, *(step.filter for step in _keys(question))]
    names = measures.names_behind(question.series, question, question.group)
    found = warnings_of(
        question.series.event,
        [*names, *field_names(also)],
        scope,
        measured=measures.measured(_sessions(question), question),
    )
    found += [text for step in _keys(question) for text in warnings_of(step.event, (), scope)]
    return list(dict.fromkeys(found))


visits = Insight(
    name="visits",
    summary="The sessions behind a number, or of somebody, those that started last first.",
    question=VisitsQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=VisitsData,
    rules=RULES,
    lists="session",
    view="list",
    pinned=lambda question, scope: opened(question, scope, "visits")[0],
    example={"range": "7d", "bounced": False, "limit": 20},
)
