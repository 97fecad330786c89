"""What was known of the person, account or group of an event, at a moment, as SQL.

The operations of one property are folded to spans: from when until when which value holds. The fold
is that of ``core.profiles``. Where every operation only sets or unsets, the last one holds; else the
engine finds the operation each value goes back to, and adds up what came since; only lists, and sums
of numbers that are too long for the engine, are folded by ``profile_states``.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.ids import hash128
from tallymark.core.sql import Sql, ident, join, sql

from .insight import KnownProperty, Scope
from .ranges import instant_of, zone_of

Moment: TypeAlias = Literal["event", "now"] | int

PERSON: Final = "person."
ACCOUNT: Final = "account."
GROUP: Final = "group."
PREFIXES: Final = (PERSON, ACCOUNT, GROUP)
PERSON_KIND: Final = "user"
ACCOUNT_KIND: Final = "account"
_PERSON_KINDS: Final = ("user", "anonymous")

# Text after the last @ that is none of these is part of the property's name.
_MOMENT: Final = re.compile(r"event|now|\d{4}-\d\d-\d\d.*", re.ASCII | re.DOTALL)
_LATEST: Final = 2**63 - 1
_ANY: Final = KnownProperty(frozenset(("text", "number", "other")), "mixed")

_TOLD: Final = """told AS MATERIALIZED (
SELECT {subject} AS subject, v.time_us, v.seq, v.op, v.text, v."number", v.other, v.is_long
FROM profile_value AS v{overrides}
WHERE v.subject_kind IN ({kinds}) AND {named} AND v.seq < {end}{until}
)"""
_OTHER: Final = "CASE WHEN NOT {of}is_long THEN nullif({of}other, 'null') END"
_COLUMNS: Final = {"text": "text", "number": '"number"', "other": _OTHER.format(of="")}
# The order of operations as one number, which is the cheapest to find the last or first by.
_TURN: Final = f"CAST(time_us AS HUGEINT) * {2**63} + seq"
# Not by QUALIFY: within a JOIN it takes the name of a column for that of a table joined before.
_SPAN: Final = f"""span AS (
SELECT subject, time_us AS since_us,
  lead(time_us, 1, {_LATEST}) OVER (PARTITION BY subject ORDER BY time_us, place) AS until_us,
  {{columns}}
FROM {{source}}
)
SELECT * FROM span WHERE since_us < until_us"""  # noqa: S608  our own constants
# Many clients tell the same again and again; an event is held against each span of its person.
_CHANGED: Final = """changed AS (
SELECT * FROM (
SELECT *, lag(place) OVER turn IS NULL OR {differs} AS is_change
FROM known
WINDOW turn AS (PARTITION BY subject ORDER BY time_us, place)
)
WHERE is_change
)"""
_EACH: Final = """WITH {told}, known AS (
SELECT subject, time_us, seq AS place, {values}
FROM told
WINDOW turn AS (PARTITION BY subject ORDER BY time_us, seq)
)"""
_WHOLE: Final = f"""WITH {{told}}
SELECT subject, min(time_us) AS since_us, {_LATEST} AS until_us, {{values}}
FROM told
GROUP BY subject"""  # noqa: S608  our own constants
_FOLDED: Final = f"""WITH {{told}}, hard AS (
SELECT subject
FROM told
GROUP BY subject
HAVING bool_or(op IN ('append', 'prepend', 'union', 'remove'))
  OR (bool_or(is_long) AND bool_or(op = 'add'))
), placed AS (
SELECT told.*, op IN ('unset', 'clear', 'delete') AS forgets,
  row_number() OVER (PARTITION BY subject ORDER BY time_us, seq) AS place
FROM told ANTI JOIN hard USING (subject)
), begun AS (
SELECT *,
  coalesce(max(place) FILTER (forgets) OVER turn, 0) AS forgotten,
  coalesce(
    max(place) FILTER (NOT forgets) OVER (turn ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0
  ) AS told_before,
  coalesce(sum("number") FILTER (op = 'add') OVER turn, 0) AS added
FROM placed
WINDOW turn AS (PARTITION BY subject ORDER BY place)
), based AS (
SELECT *,
  max(place) FILTER (op = 'set' OR (NOT forgets AND told_before <= forgotten)) OVER (
    PARTITION BY subject ORDER BY place
  ) AS base
FROM begun
), made AS (
SELECT subject, max(time_us) AS last_us, list(time_us ORDER BY time_us, seq) AS times,
  profile_states(
    list(
      op || ' ' || coalesce(other, CAST(to_json(text) AS VARCHAR), CAST("number" AS VARCHAR), '')
      ORDER BY time_us, seq
    ),
    {{every}}
  ) AS states
FROM told SEMI JOIN hard USING (subject)
GROUP BY subject
), state AS (
SELECT subject, unnest({{times}}) AS time_us, unnest(range(len(states))) AS place,
  unnest(states) AS state
FROM made
), known AS (
SELECT one.subject, one.time_us, one.place, base.text,
  CAST(base."number" + (one.added - base.added) AS DECIMAL(38,9)) AS "number",
  {_OTHER.format(of="base.")} AS other
FROM based AS one
LEFT JOIN based AS base
  ON base.subject = one.subject AND base.place = one.base AND one.base > one.forgotten
UNION ALL
SELECT subject, time_us, place, CASE WHEN state[1] = 't' THEN substr(state, 2) END,
  CASE WHEN state[1] = 'n' THEN TRY_CAST(substr(state, 2) AS DECIMAL(38,9)) END,
  CASE WHEN state[1] = 'o' THEN substr(state, 2) END
FROM state
)"""  # noqa: S608  our own constants


class Asked(Struct, frozen=True):
    """One property of the person or group of an event, and the moment whose value is meant.

    ``kind`` is ``user`` for a person, else the type of a group. A moment is an instant, that of the
    event, or now: with everything told up to the log position.
    """

    kind: str
    name: str
    moment: Moment

    @property
    def alias(self) -> str:
        """The name of its table in a statement, which is the same wherever it is asked."""
        return f"p{hash128(self.kind, self.name, str(self.moment)).hex()}"

    @property
    def what(self) -> str:
        """Whose property it is, as a sentence begins with it."""
        return {PERSON_KIND: "person", ACCOUNT_KIND: "account"}.get(
            self.kind, f"group of type {self.kind!r}"
        )


def is_profile(name: str) -> bool:
    """Whether a field is a property of a profile, known or not."""
    return name.startswith(PREFIXES)


def asked(name: str, scope: Scope, *, path: str) -> Asked:
    """Return what the name of a field means; raises InvalidQuery for what looks like a date only."""
    prefix = next(one for one in PREFIXES if name.startswith(one))
    rest, moment = _moment(name.removeprefix(prefix), scope, path)
    if prefix == GROUP:
        kind, rest = _group(rest, scope)
        if kind in _PERSON_KINDS or not rest:
            raise InvalidQuery(
                f"{name!r} names no property of a group.",
                hint="Write group.<type>.<property>, and person.<property> for people.",
                path=path,
            )
        return Asked(kind, rest, moment)
    return Asked(PERSON_KIND if prefix == PERSON else ACCOUNT_KIND, rest, moment)


def known(one: Asked, scope: Scope) -> KnownProperty | None:
    """Return how the property was told, None if it never was."""
    if scope.has_more_profiles:
        return _ANY
    return scope.profiles.get(one.kind, {}).get(one.name)


def key_of_group(one: Asked) -> tuple[Sql, Sql]:
    """Return the key of an event's group, and the JOIN that finds it."""
    group = ident(f"{one.alias}_group")
    pointer = "/" + one.kind.replace("~", "~0").replace("/", "~1")
    return group + Sql(".group_key"), sql(
        "LEFT JOIN other_group AS {group} ON {group}.group_type = {kind}"
        " AND {group}.id = json_extract_string(e.groups, {pointer})",
        group=group,
        kind=one.kind,
        pointer=pointer,
    )


def joined(one: Asked, scope: Scope, *, key: Sql, told: Sql, overrides: Sql) -> Sql:
    """Return the JOIN that gives an event the columns of the property, one for each of its classes.

    ``key`` is the event's subject; ``told`` that of an operation ``v``, for which ``overrides`` joins
    what it needs. An event never becomes two.
    """
    operations = _operations(one, scope, told=told, overrides=overrides)
    found = known(one, scope) or _ANY
    table = ident(one.alias)
    at_event = sql(
        "\n  AND {table}.since_us <= e.time_us AND e.time_us < {table}.until_us", table=table
    )
    return sql(
        "LEFT JOIN (\n{spans}\n) AS {table} ON {table}.subject = {key}{at_event}",
        spans=_spans(found, operations, at_event=one.moment == "event"),
        table=table,
        key=key,
        at_event=at_event if one.moment == "event" else Sql(""),
    )


def spans(one: Asked, scope: Scope, *, told: Sql, overrides: Sql) -> Sql:
    """Return (subject, since_us, until_us, and a column for each class) of all it ever was.

    The spans of a subject follow each other without a gap; one without any value is after an unset.
    """
    operations = _operations(one, scope, told=told, overrides=overrides)
    return _spans(known(one, scope) or _ANY, operations, at_event=True)


def _spans(found: KnownProperty, operations: Sql, *, at_event: bool) -> Sql:
    """Return the rows of which value held from when until when; of the last values only, if so."""
    if found.fold == "mixed":
        folded = sql(
            _FOLDED,
            told=operations,
            every=at_event,
            times=Sql("times" if at_event else "[last_us]"),
        )
        last = Sql("" if at_event else f" AND until_us = {_LATEST}")
        return _closed(folded, tuple(_COLUMNS), "changed" if at_event else "known") + last
    columns = {name: _COLUMNS[name] for name in sorted(found.classes)} or {"text": "text"}
    if found.fold == "sum":
        columns = {"number": 'sum("number") OVER turn' if at_event else 'sum("number")'}
    elif found.fold == "first":
        columns = {name: f"arg_min_null({of}, {_TURN})" for name, of in columns.items()}
    elif not at_event:
        columns = {name: f"arg_max_null({of}, {_TURN})" for name, of in columns.items()}
    values = Sql(", ".join(f'{of} AS "{name}"' for name, of in columns.items()))
    if found.fold == "first" or not at_event:
        return sql(_WHOLE, told=operations, values=values)
    known = sql(_EACH, told=operations, values=values)
    return _closed(known, tuple(columns), "known" if found.fold == "sum" else "changed")


def _closed(known: Sql, columns: Sequence[str], source: Literal["known", "changed"]) -> Sql:
    """Return the spans of what was known from when; what changes nothing begins none."""
    names = [ident(name) for name in columns]
    differs = join(
        " OR ", [sql("{it} IS DISTINCT FROM lag({it}) OVER turn", it=name) for name in names]
    )
    parts = [known, *([sql(_CHANGED, differs=differs)] if source == "changed" else [])]
    return join(
        ", ", [*parts, sql(_SPAN, columns=join(", ", names), source=Sql(source))]
    )  # fmt: skip


def _operations(one: Asked, scope: Scope, *, told: Sql, overrides: Sql) -> Sql:
    kinds = _PERSON_KINDS if one.kind == PERSON_KIND else (one.kind,)
    named = sql("v.name = {name}", name=one.name)
    if scope.has_more_profiles or one.kind in scope.cleared_profiles:
        named = sql("({named} OR v.name IS NULL)", named=named)
    until = Sql("")
    if isinstance(one.moment, int):
        until = sql(" AND v.time_us <= {at}", at=one.moment)
    return sql(
        _TOLD,
        subject=told,
        overrides=overrides,
        kinds=join(", ", [sql("{kind}", kind=kind) for kind in kinds]),
        named=named,
        end=scope.end_of_log,
        until=until,
    )


def _moment(rest: str, scope: Scope, path: str) -> tuple[str, Moment]:
    name, at, moment = rest.rpartition("@")
    if not at or not _MOMENT.fullmatch(moment):
        return rest, "event"
    if moment == "now":
        return name, "now"
    if moment == "event":
        return name, "event"
    return name, instant_of(moment, zone_of(scope.timezone), path=path)


def _group(rest: str, scope: Scope) -> tuple[str, str]:
    """Return type and property: of the longest known type, else up to the first dot."""
    types = [kind for kind in scope.profiles if rest.startswith(f"{kind}.")]
    kind = max(types, key=len, default=rest.partition(".")[0])
    return kind, rest[len(kind) + 1 :]
