"""A site on one page: visitors and visits, where they come from, what they view and reach, with what."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import InvalidQuery
from tallymark.store.engine import Rows

from . import _web_sql as statements
from . import clusters
from ._web_rules import RULES
from ._web_sql import BY_END, Plan, TableName
from .comparison import Compare, compared
from .filters import And, Equals, Filter, In, NotExists
from .insight import Fleeting, Insight, Members, Scope, Statement, Table
from .numbers import Number, exact, ratio
from .ranges import buckets
from .rates import Rate, rate, rate_by_people
from .selection import (
    Period,
    Question,
    Step,
    StepOrName,
    field_names,
    frame_of,
    label_of,
    period,
    step_of,
    warnings_of,
)  # fmt: skip
from .units import listed
from .visits import Bounce

_MILLISECONDS: Final = 1_000
_TABLES: Final[tuple[TableName, ...]] = (
    "channels", "referrers", "utm_sources", "utm_mediums", "utm_campaigns", "pages", "entry_pages",
    "exit_pages", "countries", "devices", "browsers", "operating_systems", "goals",
)  # fmt: skip


class WebQuestion(Question, frozen=True, kw_only=True):
    """A site on one page."""

    filter: Annotated[
        Filter | None,
        Meta(description="Only visits with at least one event that satisfies this count, whole."),
    ] = None

    tables: Annotated[
        tuple[TableName, ...], Meta(description="The tables wanted, in order.", max_length=19)
    ] = _TABLES
    top: Annotated[int, Meta(description="Most rows of a table.", ge=1, le=1_000)] = 10
    goals: Annotated[
        tuple[StepOrName, ...], Meta(description="What visits are to reach.", max_length=20)
    ] = ()
    also: Annotated[
        tuple[Filter, ...],
        Meta(
            description="Only visits that have, for each of these, an event that satisfies it.",
            max_length=20,
        ),
    ] = ()
    entry: Annotated[
        Filter | None, Meta(description="Only visits whose first view satisfies this.")
    ] = None
    exit: Annotated[
        Filter | None, Meta(description="Only visits whose last view satisfies this.")
    ] = None
    compare: Annotated[Compare | None, Meta(description="An earlier range to hold against.")] = None
    bounce: Annotated[
        Bounce | None, Meta(description="Whose rule says what a bounce is; plausible if left out.")
    ] = None
    semantics: Annotated[
        Literal["plausible", "ga4", "posthog"] | None,
        Meta(description="The rules of another tool, where the question states none."),
    ] = None


class WebPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """The visitors of a row of a table, or all of them."""

    table: Annotated[TableName | None, Meta(description="The table; all visitors if none.")] = None
    value: Annotated[str | None, Meta(description="The row's value, null for a missing one.")] = (
        None
    )


class WebNumbers(Struct, frozen=True):
    """The numbers of some visits; what is of a visit is null of none."""

    visitors: int
    visits: int
    page_views: int
    views_per_visit: Number | None
    bounces: int
    bounce_rate: Rate
    seconds_per_visit: Number | None
    engaged_seconds_per_visit: Number | None


class WebRow(Struct, frozen=True):
    """The visits with one value; put ``narrow`` into the question to ask about them alone."""

    value: str | None
    share: Rate
    numbers: WebNumbers
    narrow: dict[str, Any]


class WebPage(Struct, frozen=True):
    """The visits that view one page; ``share`` is of all visitors."""

    value: str | None
    share: Rate
    visitors: int
    visits: int
    page_views: int
    entries: int
    exits: int
    engaged_seconds_per_visit: Number | None
    scroll_percent: Number | None
    narrow: dict[str, Any]


class WebGoal(Struct, frozen=True):
    """The visits that reach one goal; ``conversion`` is of all visitors."""

    value: str
    conversion: Rate
    visitors: int
    visits: int
    events: int
    narrow: dict[str, Any]


class WebCompared(Struct, frozen=True):
    """The same numbers of the earlier range."""

    how: Compare
    range: Period
    numbers: WebNumbers


class WebData(Struct, frozen=True):
    """The answer; visitors of a table add up to all where ``sums_to_total`` of it."""

    range: Period
    timezone: str
    bots: Literal["excluded", "included"]
    bounce: Bounce
    numbers: WebNumbers
    compared: WebCompared | None
    tables: dict[str, list[WebRow]]
    pages: list[WebPage]
    goals: list[WebGoal]
    warnings: list[str]
    sums_to_total: dict[str, bool] = {}


def to_sql(question: WebQuestion, scope: Scope) -> tuple[Statement, ...]:
    """Return the statement of all tables, and that of the earlier range if it is compared."""
    plan = _plan(question, scope)
    everything = statements.everything(plan, question.top)
    earlier = _earlier(question, plan)
    return (everything,) if earlier is None else (everything, statements.headline(earlier))


def shape(question: WebQuestion, scope: Scope, results: Sequence[Rows]) -> WebData:
    """Return the headline and the rows of each table."""
    plan = _plan(question, scope)
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for what, *row in results[0].rows:
        rows.setdefault(what, []).append(tuple(row))
    (whole,) = rows["all"]
    numbers = _numbers(whole[1:])
    earlier = _earlier(question, plan)
    # Goals are no parts of a whole.
    parts = {name: rows.get(name, []) for name in plan.tables if name != "goals"}
    return WebData(
        range=period(plan.frame.span),
        timezone=plan.frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        bounce=plan.bounce,
        numbers=numbers,
        compared=None
        if earlier is None or question.compare is None
        else WebCompared(
            question.compare, period(earlier.frame.span), _numbers(results[1].rows[0])
        ),
        tables={
            name: [_row(name, row, numbers, plan) for row in _ordered(rows.get(name, []))]
            for name in plan.tables
            if name in BY_END
        },
        pages=[_page(row, numbers, plan) for row in _ordered(rows.get("pages", []))],
        goals=[
            _goal(row, numbers, plan)
            for row in sorted(rows.get("goals", []), key=lambda r: int(r[0]))
        ],
        warnings=_warnings(question, plan),
        sums_to_total={
            name: sum(row[2] for row in some) == numbers.visitors for name, some in parts.items()
        },
    )


def members(question: WebQuestion, place: WebPlace, scope: Scope) -> Members:
    """Return the visitors of a row, and also their visits."""
    plan = _plan(question, scope)
    if place.table is not None:
        more = _narrow(plan, place.table, place.value)
        plan = _plan(msgspec.structs.replace(question, **more), scope)
    visits = listed(statements.keys(plan, "session"), "session")
    return msgspec.structs.replace(listed(statements.keys(plan, "person")), also=(visits,))


def fleeting(question: WebQuestion, scope: Scope) -> Fleeting | None:
    """Return whether a visitor of more than a day counts once a day."""
    return statements.fleeting(_plan(question, scope))


def table(data: WebData) -> Table:
    """Return one row for the whole, then one for each row of each table."""
    columns = (
        "table", "value", "visitors", "visits", "page views", "views/visit", "bounce rate",
        "seconds/visit", "share",
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = [("all", None, *_flat(data.numbers), None)]
    if data.compared is not None:
        rows.append((f"all, {data.compared.how}", None, *_flat(data.compared.numbers), None))
    for name, some in data.tables.items():
        rows += [(name, _shown(one.value), *_flat(one.numbers), one.share.value) for one in some]
    rows += [
        (
            "pages", _shown(one.value), one.visitors, one.visits, one.page_views,
            ratio(one.page_views, one.visits), None, None, one.share.value,
        )
        for one in data.pages
    ]  # fmt: skip
    rows += [
        ("goals", one.value, one.visitors, one.visits, None, None, None, None, one.conversion.value)
        for one in data.goals
    ]
    return Table(columns, rows, keys=(0, 1))


def _plan(question: WebQuestion, scope: Scope) -> Plan:
    goals = tuple(step_of(one) for one in question.goals)
    labels = [label_of(step) for step in goals]
    if len(set(labels)) < len(labels):
        raise InvalidQuery("Two goals have the same name.", hint="Give each a label.", path="goals")
    if len(set(question.tables)) < len(question.tables):
        raise InvalidQuery("A table is named twice.", path="tables")
    return Plan(
        question,
        frame_of(question, scope),
        question.also if question.filter is None else (question.filter, *question.also),
        question.entry,
        question.exit,
        question.tables,
        goals,
        question.bounce or question.semantics or "plausible",
    )


def _earlier(question: WebQuestion, plan: Plan) -> Plan | None:
    if question.compare is None:
        return None
    frame, week = plan.frame, question.week_start
    cut = buckets(frame.span, "day", frame.zone, week)
    before = compared(cut, question.compare, "day", frame.zone, week).cut.span
    return msgspec.structs.replace(plan, frame=msgspec.structs.replace(frame, span=before))


def _narrow(plan: Plan, name: TableName, value: str | None) -> dict[str, Any]:
    """Return the fields of the question that ask for the visits of a row."""
    if name in BY_END:
        end, column = BY_END[name]
        mine = NotExists(column) if value is None else Equals(column, value)
        return {end: statements.both(plan.entry if end == "entry" else plan.exit, mine)}
    also = plan.filters[0 if plan.question.filter is None else 1 :]
    if name == "pages":
        is_path = NotExists("path") if value is None else Equals("path", value)
        return {"also": (*also, And([is_path, In("kind", ["page", "screen"])]))}
    steps = {label_of(step): step for step in plan.goals}
    if value not in steps:
        raise InvalidQuery("There is no such goal.", path="behind.place.value")
    return {"also": (*also, statements.as_filter(steps[value]))}


def _told(plan: Plan, name: TableName, value: str | None) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(_narrow(plan, name, value))
    return told


def _row(name: TableName, row: tuple[Any, ...], whole: WebNumbers, plan: Plan) -> WebRow:
    numbers = _numbers(row[1:])
    share = rate(numbers.visitors, whole.visitors)
    return WebRow(row[0], share, numbers, _told(plan, name, row[0]))


def _page(row: tuple[Any, ...], whole: WebNumbers, plan: Plan) -> WebPage:
    path, visits, visitors, views, entries, exits, engaged, carrying, _, scroll, scrolled = row
    return WebPage(
        value=path,
        share=rate(visitors, whole.visitors),
        visitors=visitors,
        visits=int(visits),
        page_views=int(views),
        entries=int(entries),
        exits=int(exits),
        engaged_seconds_per_visit=_engaged(engaged, int(carrying)),
        scroll_percent=ratio(exact(scroll), scrolled),
        narrow=_told(plan, "pages", path),
    )


def _goal(row: tuple[Any, ...], whole: WebNumbers, plan: Plan) -> WebGoal:
    label = label_of(plan.goals[int(row[0])])
    return WebGoal(
        value=label,
        conversion=rate(row[2], whole.visitors),
        visitors=row[2],
        visits=int(row[1]),
        events=int(row[3]),
        narrow=_told(plan, "goals", label),
    )


def _numbers(row: Sequence[Any]) -> WebNumbers:
    visits, visitors, views, bounces, length = (int(one) for one in row[:5])
    engaged, carrying, bounced = row[5:8]
    return WebNumbers(
        visitors=visitors,
        visits=visits,
        page_views=views,
        views_per_visit=ratio(views, visits),
        bounces=bounces,
        bounce_rate=rate_by_people(clusters.told(bounced)),
        seconds_per_visit=ratio(length, visits * MICROSECONDS),
        engaged_seconds_per_visit=_engaged(engaged, int(carrying)),
    )


def _engaged(milliseconds: Decimal | None, visits: int) -> Number | None:
    return None if milliseconds is None else ratio(milliseconds, visits * _MILLISECONDS)


def _ordered(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return rows of (value, visits, visitors, …) with most visitors first."""
    return sorted(rows, key=lambda row: (-row[2], -row[1], row[0] is None, row[0] or ""))


def _flat(numbers: WebNumbers) -> tuple[Any, ...]:
    return (
        numbers.visitors,
        numbers.visits,
        numbers.page_views,
        numbers.views_per_visit,
        numbers.bounce_rate.value,
        numbers.seconds_per_visit,
    )


def _shown(value: str | None) -> str:
    return "(none)" if value is None else value


def _warnings(question: WebQuestion, plan: Plan) -> list[str]:
    scope = plan.frame.scope
    steps = (step.filter for step in plan.goals)
    names = field_names((*plan.filters, question.entry, question.exit, *steps))
    found = [
        text for step in plan.goals or (Step(),) for text in warnings_of(step.event, names, scope)
    ]
    return list(dict.fromkeys(found))


web = Insight(
    name="web",
    summary="A site on one page: visitors, sources, pages, places, devices and goals.",
    question=WebQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=WebData,
    view="table",
    rules=RULES,
    place=WebPlace,
    members=members,
    fleeting=fleeting,
    example={"range": "30d", "goals": ["signed up"], "compare": "previous_period"},
)
