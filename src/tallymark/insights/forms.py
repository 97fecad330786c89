"""Which forms are begun and which are sent: seen, started, sent and left, by page and form."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from tallymark.core.clock import MICROSECONDS
from tallymark.core.sql import Sql, join, sql
from tallymark.store.engine import Rows

from . import clusters, fields
from ._forms_rules import RULES
from .group_values import shown
from .insight import Columnar, Insight, Members, Scope, Table
from .numbers import Number, ratio
from .page_views import (
    Bots,
    PageQuestion,
    Tables,
    first_person,
    on_page,
    text_of,
    unit,
    unit_fields,
    unit_names,
)
from .rates import Rate, rate_alone, rate_by_people
from .selection import (
    Period,
    Step,
    StepOrName,
    field_names,
    frame_of,
    matches,
    of_steps,
    period,
    step_fields,
    step_of,
    warnings_of,
)
from .visits import VIEWS

Outcome: TypeAlias = Literal["seen", "started", "sent", "left"]


class FormsQuestion(PageQuestion, frozen=True, kw_only=True):
    """How forms are completed."""

    start: Annotated[StepOrName, Meta(description="What is the start of a form.")] = "form_start"
    submit: Annotated[StepOrName, Meta(description="What is its sending.")] = "form_submit"
    form: Annotated[
        tuple[str, ...],
        Meta(description="The texts that name a form; the first there is.", max_length=5),
    ] = ("properties.form_id", "properties.form_name")


class FormsPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """The people of a form, by what became of it."""

    page: Annotated[str, Meta(description="The form's page.")]
    form: Annotated[str | None, Meta(description="The form, null for one without a name.")] = None
    outcome: Annotated[Outcome, Meta(description="What they did.")] = "started"


class FormPeople(Struct, frozen=True):
    """How many people saw a form, started it, sent it, and started it but never sent it."""

    seen: int
    started: int
    sent: int
    left: int


class Form(Struct, frozen=True):
    """What became of one form; ``start`` is of those seen, ``completion`` of those started."""

    path: str
    form: str | None
    seen: int
    start: Rate
    completion: Rate
    left: int
    median_seconds: Number | None
    people: FormPeople


class FormsData(Struct, frozen=True):
    """The answer of a forms question."""

    range: Period
    timezone: str
    bots: Bots
    page: str | None
    count: int
    forms: list[Form]
    warnings: list[str]


_NO_TEXT: Final = Sql("CAST(NULL AS VARCHAR)")


def to_sql(question: FormsQuestion, scope: Scope) -> tuple[Sql]:
    """Return a row for each form: how many there are, its page and name, and its numbers."""
    return (
        _attempts(question, scope).then(
            sql(
                """SELECT count(*) OVER () AS forms, attempts.path, attempts.form,
  coalesce(page.views, 0) + unseen AS seen, started, sent, twice,
  coalesce(page.viewers, 0) + coalesce(fresh, 0) AS saw, coalesce(did, 0) AS did, coalesce(done, 0) AS done,
  sums
FROM (
SELECT used.path, form, count(*) AS started, count(*) FILTER (WHERE is_sent) AS sent,
  count(*) FILTER (WHERE seen.path IS NULL) AS unseen,
  list_sum(quantile_disc(took, [0.5, 0.500000000001])) AS twice
FROM attempt AS used LEFT JOIN viewed AS seen ON {same_unit}
GROUP BY used.path, form
) AS attempts
LEFT JOIN (
SELECT whom.path, form, count(*) AS did, count(*) FILTER (WHERE is_sent) AS done,
  count(*) FILTER (WHERE viewer.person IS NULL) AS fresh
FROM whom LEFT JOIN viewer ON viewer.path = whom.path AND viewer.person = whom.person
GROUP BY whom.path, form
) AS people ON people.path = attempts.path AND people.form IS NOT DISTINCT FROM attempts.form
LEFT JOIN (
SELECT path, views, coalesce(viewers, 0) AS viewers
FROM (SELECT path, count(*) AS views FROM viewed GROUP BY path)
  LEFT JOIN (SELECT path, count(*) AS viewers FROM viewer GROUP BY path) USING (path)
) AS page ON page.path = attempts.path
LEFT JOIN (
SELECT path, form, {sums} AS sums
FROM (
SELECT path, form, person, count(*) AS trials, count(*) FILTER (WHERE is_sent) AS sent
FROM attempt
GROUP BY path, form, person
)
GROUP BY path, form
) AS tried ON tried.path = attempts.path AND tried.form IS NOT DISTINCT FROM attempts.form
ORDER BY started DESC, attempts.path, attempts.form NULLS LAST
LIMIT {top}""",
                sums=clusters.sums("sent"),
                same_unit=_same_unit(scope),
                top=question.top,
            )
        ),
    )


def shape(question: FormsQuestion, scope: Scope, results: Sequence[Rows]) -> FormsData:
    """Return the forms, those with most attempts first."""
    rows = results[0].rows
    frame = frame_of(question, scope)
    return FormsData(
        range=period(frame.span),
        timezone=frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        page=question.page,
        count=rows[0][0] if rows else 0,
        forms=[_form(row[1:]) for row in sorted(rows, key=_order)],
        warnings=_warnings(question, scope),
    )


def members(question: FormsQuestion, place: FormsPlace, scope: Scope) -> Members:
    """Return the people of a form, by what became of it."""
    mine = sql(
        "SELECT person, is_sent FROM whom WHERE path = {page} AND form IS NOT DISTINCT FROM {form}",
        page=place.page,
        form=place.form,
    )
    match place.outcome:
        case "seen":
            wanted = sql(
                "SELECT person AS key FROM ({mine}) UNION\n"
                "SELECT person FROM viewer WHERE path = {page}",
                mine=mine,
                page=place.page,
            )
        case "started":
            wanted = sql("SELECT person AS key FROM ({mine})", mine=mine)
        case "sent":
            wanted = sql("SELECT person AS key FROM ({mine}) WHERE is_sent", mine=mine)
        case "left":
            wanted = sql("SELECT person AS key FROM ({mine}) WHERE NOT is_sent", mine=mine)
    statement = _attempts(question, scope).then(wanted)
    return Members((Columnar(statement),), lambda results: results[0]["key"])


def table(data: FormsData) -> Table:
    """Return one row for each form."""
    columns = (
        "page", "form", "seen", "started", "sent", "completion", "left", "median seconds",
    )  # fmt: skip
    return Table(
        columns,
        [
            (
                one.path,
                shown(one.form),
                one.seen,
                one.start.count,
                one.completion.count,
                one.completion.value,
                one.left,
                one.median_seconds,
            )
            for one in data.forms
        ],
        keys=(0, 1),
    )


def _attempts(question: FormsQuestion, scope: Scope) -> Tables:
    """Return the tables of views and viewers of pages, and of attempts and users of forms."""
    told = _told(question, scope)
    unit_of = Sql(", ".join(unit_names(scope)))
    viewed = sql("SELECT DISTINCT {unit} FROM told WHERE is_view", unit=unit_of)
    viewer = Sql("SELECT DISTINCT path, person FROM told WHERE is_view AND person IS NOT NULL")
    used = sql(
        "SELECT *, min(time_us) FILTER (WHERE is_start) OVER (PARTITION BY form, {unit}) AS begun_us\n"
        "FROM told\nWHERE is_start OR is_submit",
        unit=unit_of,
    )
    attempt = sql(
        "SELECT {unit}, form, {person} AS person, bool_or(is_submit) AS is_sent,\n"
        "  min(time_us) FILTER (WHERE is_submit AND time_us >= begun_us) - min(begun_us) AS took\n"
        "FROM used\nGROUP BY {unit}, form",
        person=first_person([]),
        unit=unit_of,
    )
    whom = Sql(
        "SELECT path, form, person, bool_or(is_submit) AS is_sent\n"
        "FROM used\nWHERE person IS NOT NULL\nGROUP BY path, form, person"
    )
    return Tables(
        (
            ("told", told),
            ("viewed", viewed),
            ("viewer", viewer),
            ("used", used),
            ("attempt", attempt),
            ("whom", whom),
        )
    )


def _same_unit(scope: Scope) -> Sql:
    return Sql(
        " AND ".join(f"seen.{one} IS NOT DISTINCT FROM used.{one}" for one in unit_names(scope))
    )


def _told(question: FormsQuestion, scope: Scope) -> Sql:
    """Return the views of pages and what is told of forms on them, one row an event."""
    frame = frame_of(question, scope)
    steps = [step_of(question.start), step_of(question.submit)]
    start, submit = (sql("coalesce({it}, false)", it=matches(step, frame)) for step in steps)
    named = [text_of(name, scope, "form") for name in question.form]
    texts = [one.text for one in named if one.text is not None]
    return sql(
        """SELECT {unit},
  e.seq, e.time_us, {person} AS person, {form} AS form,
  coalesce(e.kind IN {views}, false) AS is_view, {start} AS is_start, {submit} AS is_submit
{source}
  AND (e.kind IN {views} OR {start} OR {submit})
  AND {on_page}""",
        unit=unit(scope),
        person=fields.person(scope),
        form=sql("coalesce({it})", it=join(", ", texts)) if texts else _NO_TEXT,
        views=VIEWS,
        start=start,
        submit=submit,
        source=of_steps(
            (Step(),),
            frame,
            wanted=question.filter,
            include_bots=question.include_bots,
            also=[*unit_fields(scope), *named, *step_fields(steps, scope)],
        ),
        on_page=on_page(question.page),
    )


def _form(row: Sequence[Any]) -> Form:
    path, form, seen, started, sent, twice, saw, did, done, sums = row
    return Form(
        path=path,
        form=form,
        seen=int(seen),
        start=rate_alone(started, int(seen)),
        completion=rate_by_people(clusters.told(sums)),
        left=started - sent,
        median_seconds=None if twice is None else ratio(int(twice), 2 * MICROSECONDS),
        people=FormPeople(seen=int(saw), started=did, sent=done, left=did - done),
    )


def _order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    _, path, form, _, started, *_ = row
    return -started, path, form is None, form or ""


def _warnings(question: FormsQuestion, scope: Scope) -> list[str]:
    found: list[str] = []
    for step in (step_of(question.start), step_of(question.submit)):
        names = field_names([question.filter, step.filter])
        found += warnings_of(step.event, names, scope)
    return list(dict.fromkeys(found))


forms = Insight(
    name="forms",
    summary="Which forms are seen, started, sent and left, and how long they take.",
    question=FormsQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=FormsData,
    view="table",
    rules=RULES,
    place=FormsPlace,
    members=members,
    example={"range": "30d", "top": 10},
)
