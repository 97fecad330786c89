"""The accounts behind a number, in order, with the people who acted for them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from tallymark.core.clock import rfc3339
from tallymark.core.profiles import Profile
from tallymark.core.sql import Sql, ident, sql
from tallymark.store.engine import Rows

from . import fields, known, measures
from ._accounts_rules import RULES
from .insight import Insight, Scope, Table
from .known import ProfileAt, Search
from .pages import BEHIND, Behind, PagedQuestion, Place, cursor_after, opened
from .selection import Period, frame_of, period, warnings_of

Order: TypeAlias = Literal["last_time", "first_time", "events", "people"]

_COLUMNS: Final[dict[Order, Sql]] = {
    "last_time": Sql("last_us"),
    "first_time": Sql("first_us"),
    "events": Sql("events"),
    "people": Sql("people"),
}
# Where a row of the page's statement has what the list is in order of.
_PLACES: Final[dict[Order, int]] = {"first_time": 2, "last_time": 3, "people": 4, "events": 5}


class AccountsQuestion(PagedQuestion, frozen=True, kw_only=True):
    """The accounts that made a number of unique accounts, or are behind one of another insight.

    With ``behind``, whatever else is asked but ``search`` chooses none: those accounts are listed with
    all their events up to now.
    """

    behind: Annotated[
        Behind | None, Meta(description="A number of another insight, whose accounts are listed.")
    ] = None
    search: Search = None
    profile_at: ProfileAt = None
    order_by: Annotated[Order, Meta(description="What the list is in order of.")] = "last_time"
    ascending: Annotated[
        bool, Meta(description="Least first; else greatest, or latest, first.")
    ] = False


class AccountRow(Struct, frozen=True):
    """One account and its chosen events; ``account`` is null if its id is not known any more.

    ``profile`` is null unless it is asked for with ``profile_at``.
    """

    account: str | None
    first_time: str
    last_time: str
    people: int
    events: int
    profile: Profile | None = None


class AccountsData(Struct, frozen=True):
    """A page of accounts; ``total`` counts those of all pages."""

    range: Period
    total: int
    accounts: list[AccountRow]
    cursor: str | None
    warnings: list[str]


def to_sql(question: AccountsQuestion, scope: Scope) -> tuple[Sql, ...]:
    """Return the statement of the page, that of the total and that of the profiles if wanted."""
    pinned, place = opened(question, scope, "accounts")
    source = _source(question, pinned)
    ordered = _ordered(question)
    page = sql(
        """WITH listed AS (
SELECT e.account_key, count(*) AS events, min(e.time_us) AS first_us, max(e.time_us) AS last_us,
  count(DISTINCT {person}) AS people
{source}
GROUP BY e.account_key
), page AS MATERIALIZED (
SELECT *
FROM listed{after}
ORDER BY {ordered}
LIMIT {limit}
)""",
        person=fields.person(pinned),
        source=source,
        after=_after(question, place),
        ordered=ordered,
        limit=question.limit + 1,
    )
    rows = sql(
        "{page}\nSELECT account_key, id, first_us, last_us, people, events\n"
        "FROM page LEFT JOIN account USING (account_key)\nORDER BY {ordered}",
        page=page,
        ordered=ordered,
    )
    total = sql("SELECT count(DISTINCT e.account_key)\n{source}", source=source)
    if question.profile_at is None:
        return rows, total
    keys = page + Sql("\nSELECT account_key AS key FROM page")
    told = known.profiles_of(keys, "account", question.profile_at, frame_of(question, pinned))
    return rows, total, told


def shape(question: AccountsQuestion, scope: Scope, rows: Sequence[Rows]) -> AccountsData:
    """Return the page from the rows of the statements."""
    pinned, _ = opened(question, scope, "accounts")
    listed = rows[0].rows[: question.limit]
    more = len(rows[0].rows) > question.limit
    profiles = known.read_profiles(rows[2]) if question.profile_at is not None else None
    return AccountsData(
        range=period(frame_of(question, pinned).span),
        total=int(rows[1].rows[0][0]),
        accounts=[_account(row, profiles) for row in listed],
        cursor=cursor_after(
            question, pinned, "accounts", listed[-1][_PLACES[question.order_by]], listed[-1][0]
        )
        if more
        else None,
        warnings=warnings_of(
            question.series.event,
            measures.names_behind(question.series, question, question.group),
            pinned,
            measured=measures.measured(_accounts(question), question),
        ),
    )


def table(data: AccountsData) -> Table:
    """Return one row an account; a profile as JSON."""
    columns: tuple[str, ...] = ("account", "people", "events", "first_time", "last_time")
    has_profiles = any(one.profile is not None for one in data.accounts)
    rows: list[tuple[Any, ...]] = []
    for one in data.accounts:
        row = (one.account, one.people, one.events, one.first_time, one.last_time)
        rows.append((*row, known.as_text(one.profile)) if has_profiles else row)
    return Table((*columns, "profile") if has_profiles else columns, rows)


def _source(question: AccountsQuestion, scope: Scope) -> Sql:
    source = _events(question, scope)
    if question.search is None:
        return source
    return sql(
        "{source}\n  AND e.account_key IN (\n{found}\n)",
        source=source,
        found=known.found_accounts(question.search, scope),
    )


def _events(question: AccountsQuestion, scope: Scope) -> Sql:
    if question.behind is None:
        return measures.behind(
            _accounts(question), question, question.group, frame_of(question, scope)
        )
    return sql(
        "FROM {events}{joins}\nJOIN {behind} ON {behind}.key = e.account_key\nWHERE e.seq < {end}",
        events=fields.events(scope),
        joins=fields.joins([fields.field("person", scope)], scope),
        behind=ident(BEHIND),
        end=fields.end_of_log(scope),
    )


def _accounts(question: AccountsQuestion) -> measures.Series:
    return msgspec.structs.replace(question.series, measure="unique_accounts", of=None)


def _ordered(question: AccountsQuestion) -> Sql:
    way = Sql("ASC" if question.ascending else "DESC")
    return sql("{by} {way}, account_key {way}", by=_COLUMNS[question.order_by], way=way)


def _after(question: AccountsQuestion, place: Place | None) -> Sql:
    if place is None:
        return Sql("")
    return sql(
        "\nWHERE {by} {beyond} {last} OR ({by} = {last} AND account_key {beyond} {key})",
        by=_COLUMNS[question.order_by],
        beyond=Sql(">" if question.ascending else "<"),
        last=place.time_us,
        key=place.key,
    )


def _account(row: tuple[Any, ...], profiles: Mapping[int, Profile] | None) -> AccountRow:
    key, name, first_us, last_us, people, events = row
    return AccountRow(
        account=name,
        first_time=rfc3339(first_us),
        last_time=rfc3339(last_us),
        people=people,
        events=events,
        profile=known.profile_of(profiles, key),
    )


accounts = Insight(
    name="accounts",
    summary="The accounts behind a number, those seen last first.",
    question=AccountsQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=AccountsData,
    rules=RULES,
    lists="account",
    view="list",
    pinned=lambda question, scope: opened(question, scope, "accounts")[0],
    example={"range": "30d", "limit": 20},
)
