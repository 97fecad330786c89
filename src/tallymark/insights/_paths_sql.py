"""The statements of paths: events with their nodes as numbers, and the names of these."""

import re
from typing import Final

from tallymark.core.sql import Sql, join, sql

from . import ephemeral, fields, selection
from ._paths_question import Anchor, Plan
from .fields import Field, field
from .insight import Columnar
from .selection import Step
from .units import key_of

# Names that are rarer than so many others are never shown, so they are not fetched.
MOST_NAMES: Final = 20_000


def events_of(plan: Plan) -> Columnar:
    """Return the statement of all events that are walked: (unit, time_us, seq, node, is_start, is_end)."""
    scope = plan.frame.scope
    unit, also = key_of(plan.options.unit, plan.frame.scope)
    also += selection.step_fields(plan.steps, scope)
    if not plan.is_by_event:
        also.append(plan.node)
    walked = sql(
        "SELECT {unit} AS unit, e.time_us, e.seq, {raw} AS raw,\n"
        "  {start} AS is_start, {end} AS is_end\n{source}\n  AND {unit} IS NOT NULL",
        unit=unit,
        raw=_raw(plan),
        start=_is_step(plan, plan.start),
        end=_is_step(plan, plan.end),
        source=_source(plan, also),
    )
    walked = _within(plan, walked)
    if not plan.is_named:
        return Columnar(sql("SELECT * RENAME (raw AS node) FROM (\n{walked}\n)", walked=walked))
    # Names are made once for each value, not for each event.
    return Columnar(
        sql(
            "WITH {named}\nSELECT unit, time_us, seq, node.id AS node,\n"
            "  {start} AS is_start, {end} AS is_end\n"
            "FROM (\n{walked}\n) AS walked JOIN node ON node.raw = walked.raw",
            named=_named(plan),
            start=_is_named(plan.start, "is_start"),
            end=_is_named(plan.end, "is_end"),
            walked=walked,
        )
    )


def names_of(plan: Plan) -> Sql:
    """Return the statement of the names: (id, name), those with most events first."""
    return sql(
        "WITH {named}\nSELECT DISTINCT id, name FROM node ORDER BY id LIMIT {most}",
        named=_named(plan),
        most=MOST_NAMES,
    )


def cookieless_of(plan: Plan) -> Sql:
    """Return the statement of how many cookieless visitors there are in the range."""
    return sql(
        "SELECT count(DISTINCT {person})\n{source}\n  AND {passes}",
        person=fields.person(plan.frame.scope),
        source=_source(plan, [field("person", plan.frame.scope)]),
        passes=ephemeral.passes(),
    )


def _source(plan: Plan, also: list[Field]) -> Sql:
    question = plan.question
    return selection.chosen(
        question.event,
        (question.filter,),
        plan.frame,
        include_bots=question.include_bots,
        also=also,
    )


def _within(plan: Plan, walked: Sql) -> Sql:
    """Return the events without those before the first start of a unit, or after its last end.

    No walk holds them; of unique walks to an end, those after the first end are none either.
    """
    first = "min" if plan.rules.is_unique and plan.rules.mode == "to" else "max"
    for anchor, bound, sign in ((plan.start, "min", ">="), (plan.end, first, "<=")):
        if not isinstance(anchor, Step):
            continue
        unit, also = key_of(plan.options.unit, plan.frame.scope)
        source = selection.of_steps(
            [anchor],
            plan.frame,
            wanted=plan.question.filter,
            include_bots=plan.question.include_bots,
            also=also,
        )
        walked = sql(
            "SELECT walked.*\nFROM (\n{walked}\n) AS walked\nJOIN (\n"
            "SELECT {unit} AS unit, {bound} AS bound_us\n{source}\nGROUP BY ALL\n) AS bounds\n"
            "  ON bounds.unit = walked.unit AND {within}",
            walked=walked,
            unit=unit,
            bound=Sql(f"{bound}(e.time_us)"),
            source=source,
            within=Sql(f"walked.time_us {sign} bounds.bound_us"),
        )
    return walked


def _is_step(plan: Plan, anchor: Anchor | None) -> Sql:
    if isinstance(anchor, Step):
        return selection.matches(anchor, plan.frame) + Sql(" IS TRUE")
    return Sql("false")


def _is_named(anchor: Anchor | None, otherwise: str) -> Sql:
    return sql("node.name = {name}", name=anchor) if isinstance(anchor, str) else Sql(otherwise)


def _raw(plan: Plan) -> Sql:
    return Sql("e.event_key") if plan.is_by_event else _value(plan)


def _named(plan: Plan) -> Sql:
    """Return the tables of raw values with the number and the name of the node they are."""
    if plan.is_by_event:
        # Whatever is asked of events, their names are few.
        raw = Sql("SELECT event_key AS raw, name AS text, 1 AS events FROM event_name")
    else:
        value = _value(plan)
        raw = sql(
            "SELECT {value} AS raw, {value} AS text, count(*) AS events\n{source}\n"
            "  AND {value} IS NOT NULL\nGROUP BY ALL",
            value=value,
            source=_source(plan, [plan.node]),
        )
    return sql(
        "raw AS MATERIALIZED (\n{raw}\n), cleaned AS (\nSELECT raw, events, {name} AS name FROM raw\n),"
        " known AS (\nSELECT name, row_number() OVER (ORDER BY sum(events) DESC, name) - 1 AS id\n"
        "FROM cleaned\nWHERE {kept}\nGROUP BY name\n), node AS MATERIALIZED (\n"
        "SELECT raw, id, name FROM cleaned JOIN known USING (name)\n)",
        raw=raw,
        name=_cleaned(plan, Sql("text")),
        kept=_kept(plan),
    )


def _value(plan: Plan) -> Sql:
    """Return the value of the field as the text that a node is named by; NULL for no value."""
    node = plan.node
    parts = [node.text] if node.text else []
    if node.number:
        number = sql("CAST({number} AS VARCHAR)", number=node.number)
        parts.append(sql("rtrim(rtrim({number}, '0'), '.')", number=number))
    if truth := node.other or node.truth:
        parts.append(sql("CAST({truth} AS VARCHAR)", truth=truth))
    return sql("coalesce({parts})", parts=join(", ", parts or [Sql("CAST(NULL AS VARCHAR)")]))


def _cleaned(plan: Plan, text: Sql) -> Sql:
    for one in plan.question.replace:
        # What is put in stands as it is: a backslash is no reference to a group.
        by = one.by.replace("\\", "\\\\")
        text = sql(
            "regexp_replace({text}, {pattern}, {by}, 'g')", text=text, pattern=one.pattern, by=by
        )
    if plan.options.directories is not None:
        # The slash of the root stays, and so does a path that is not so deep.
        kept = f"(?s)^((?:/[^/]*){{1,{plan.options.directories}}}).*$"
        text = sql("regexp_replace({text}, {kept}, '\\1')", text=text, kept=kept)
    if not plan.question.wildcards:
        return text
    fits = [
        sql("WHEN {fits} THEN {name}", fits=_fits(text, one), name=one)
        for one in plan.question.wildcards
    ]
    return sql("CASE {fits} ELSE {text} END", fits=join(" ", fits), text=text)


def _kept(plan: Plan) -> Sql:
    if not plan.question.exclude:
        return Sql("true")
    any_of = join(" OR ", (_fits(Sql("name"), one) for one in plan.question.exclude))
    return sql("NOT ({any_of})", any_of=any_of)


def _fits(text: Sql, wildcard: str) -> Sql:
    pattern = "(?s)" + ".*".join(re.escape(part) for part in wildcard.split("*"))
    return sql("regexp_full_match({text}, {pattern})", text=text, pattern=pattern)
