"""What a question may filter or break down by: fields of every event, and custom properties.

A custom property is named ``properties.<name>``; everything after the first dot is the name, as
sent. Each property is stored by type class, so the text "1" is never the number 1.

A property of a profile is named ``person.<name>``, ``account.<name>`` or ``group.<type>.<name>``. It
has the value that held at the time of the event, or with ``@now`` or ``@<date>`` after it the value
of that moment.
"""

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.registry import did_you_mean
from tallymark.core.sql import Sql, ident, join, sql

from . import profiles
from ._expression_sql import compiled
from .expression import Kind, parse
from .held import Unit, is_in, unit_of
from .insight import PropertyClass, Scope
from .profiles import Asked, asked, is_profile

Join: TypeAlias = Literal["name", "user", "anonymous", "account", "session", "override"]
ValueKind: TypeAlias = Literal["text", "number", "truth", "json"]

PROPERTY: Final = "properties."
COMPUTED: Final = "computed."
COHORT: Final = "cohort."

_TEXT_COLUMNS: Final = (
    "event_id", "kind", "time_rule", "source", "protocol", "page_url", "path", "host", "title",
    "referrer", "referrer_host", "channel", "utm_source", "utm_medium", "utm_campaign", "utm_term",
    "utm_content", "device_type", "device_brand", "device_model", "browser", "browser_version",
    "os", "os_version", "app_name", "app_version", "library_name", "library_version", "locale",
    "client_timezone", "country", "region", "city", "ip", "user_agent", "unit", "currency", "flags",
)  # fmt: skip
_NUMBER_COLUMNS: Final = ("value", "revenue", "screen_width", "screen_height")
_JOINED: Final[dict[str, tuple[Join, str]]] = {
    "event": ("name", "event_name.name"),
    "user_id": ("user", "asserted_user.id"),
    "anonymous_id": ("anonymous", "asserted_anonymous.id"),
    "account": ("account", "account.id"),
    "session": ("session", "session.id"),
}
_ANY_CLASS: Final[frozenset[PropertyClass]] = frozenset(("text", "number", "other"))
_SQL_TYPES: Final = {"text": "VARCHAR", "number": "DECIMAL(38,9)", "truth": "BOOLEAN"}
_TIMES: Final = {"time": "e.time_us", "received_at": "e.received_us"}


# Who an actor was before its first later change, else who it is since its last one. Of older changes
# the events themselves tell.
_OVERRIDES: Final = """LEFT JOIN (
SELECT actor_key,
  coalesce(arg_min(was_key, seq) FILTER (seq >= {end}), arg_max(into_key, seq)) AS into_key
FROM person_override
WHERE seq >= {end} OR NOT is_folded
GROUP BY actor_key
) AS person_override ON person_override.actor_key = {actor}"""


class Field(Struct, frozen=True):
    """One thing known of an event, as an SQL expression for each type it may have.

    A field of every event has one type; a custom property has those it was seen with, or none.
    ``other`` is JSON text of a property that is neither text nor a number. ``also`` are the fields it
    is computed from, whose tables it needs.
    """

    name: str
    text: Sql | None = None
    number: Sql | None = None
    truth: Sql | None = None
    time: Sql | None = None
    other: Sql | None = None
    join: Join | None = None
    profile: Asked | None = None
    also: tuple["Field", ...] = ()

    @property
    def is_property(self) -> bool:
        """Whether it is a custom property or one of a profile, which any event may lack."""
        return self.name.startswith(PROPERTY) or is_profile(self.name)


# What an event is kept on: collection flags whatever is not simply kept.
_CONSENT_BASIS: Final = Sql(
    "CASE WHEN e.flags IS NULL THEN 'unasked'"
    " WHEN list_contains(string_split(e.flags, ','), 'consented') THEN 'consent'"
    " WHEN list_contains(string_split(e.flags, ','), 'contract') THEN 'contract'"
    " WHEN list_contains(string_split(e.flags, ','), 'cookieless') THEN 'cookieless'"
    " ELSE 'unasked' END"
)

# The names spliced into SQL here are these constants, never a user's.
_BUILT_IN: Final[dict[str, Field]] = {
    **{name: Field(name, text=Sql(f'e."{name}"')) for name in _TEXT_COLUMNS},
    **{
        name: Field(name, number=Sql(f"CAST(e.{name} AS DECIMAL(38,9))"))
        for name in _NUMBER_COLUMNS
    },
    **{
        name: Field(name, text=Sql(column), join=table) for name, (table, column) in _JOINED.items()
    },
    **{name: Field(name, time=Sql(column)) for name, column in _TIMES.items()},
    "is_bot": Field("is_bot", truth=Sql("e.is_bot")),
    "consent_basis": Field("consent_basis", text=_CONSENT_BASIS),
}
NAMES: Final[tuple[str, ...]] = tuple(sorted((*_BUILT_IN, "person")))


def field(name: str, scope: Scope, *, path: str = "field") -> Field:
    """Return the field of that name; raises InvalidQuery if there is none."""
    if name.startswith(PROPERTY):
        return _property(name, scope)
    if name.startswith(COMPUTED):
        return _computed(name, scope, path)
    if name.startswith(COHORT):
        return _cohort(name, scope, path)
    if is_profile(name):
        return _profile(name, scope, path)
    if name == "person":
        return Field(name, number=person(scope), join="override" if _is_overridden(scope) else None)
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    raise InvalidQuery(
        f"There is no field {name!r}.",
        hint=did_you_mean(name, NAMES)
        or f"Custom properties are written {PROPERTY}<name>, those of profiles person.<name>.",
        path=path,
    )


def person(scope: Scope) -> Sql:
    """Return the expression of an event's person key, which is NULL if nobody is known."""
    if _is_overridden(scope):
        return Sql("coalesce(person_override.into_key, e.person_key)")
    return Sql("e.person_key")


def breakdown(found: Field) -> tuple[Sql, ValueKind]:
    """Return the expression that tells groups apart, and how to read its values back.

    A property of several type classes gives JSON text, so that "1" and 1 stay two groups.
    """
    if found.time is not None:
        raise InvalidQuery(f"{found.name} cannot be broken down by; use an interval.", path="by")
    if found.other is None and not (found.text and found.number):
        if found.number is not None:
            return found.number, "number"
        if found.truth is not None:
            return found.truth, "truth"
        return found.text or Sql("CAST(NULL AS VARCHAR)"), "text"
    parts = [sql("CAST(to_json({text}) AS VARCHAR)", text=found.text)] if found.text else []
    if found.number:
        parts.append(sql("CAST({number} AS VARCHAR)", number=found.number))
    if found.other:
        parts.append(found.other)
    return sql("coalesce({parts})", parts=join(", ", parts)), "json"


def joins(fields: Iterable[Field], scope: Scope) -> Sql:
    """Return the JOIN clauses the fields need, each once."""
    found = [part for one in fields for part in _parts(one)]
    needed = {one.join for one in found if one.join is not None}
    told = {one.profile.alias: one.profile for one in found if one.profile is not None}
    return join(
        "\n",
        [
            Sql(""),
            *(_join(name, scope) for name in sorted(needed)),
            *(_profile_join(one, scope) for _, one in sorted(told.items())),
        ],
    )


def end_of_log(scope: Scope) -> int:
    """Return the first seq that lies beyond what the question may see."""
    return scope.end_of_log


def events(scope: Scope) -> Sql:
    """Return the table of events to read FROM, named ``e``: with their sessions at that position.

    Its ``rowid`` is where the engine has a row, for as long as a statement runs.
    """
    end = end_of_log(scope)
    if end > scope.session_position:
        return Sql("event AS e")
    return sql(
        "(SELECT event.rowid, event.* REPLACE (coalesce(before.was_key, event.session_key) AS session_key)"
        " FROM event LEFT JOIN (SELECT event_seq, arg_min(was_key, seq) AS was_key"
        " FROM session_move WHERE seq >= {end} GROUP BY event_seq) AS before"
        " ON before.event_seq = event.seq) AS e",
        end=end,
    )


def _parts(found: Field) -> Iterable[Field]:
    yield found
    for one in found.also:
        yield from _parts(one)


def _computed(name: str, scope: Scope, path: str) -> Field:
    key = name.removeprefix(COMPUTED)
    known = {} if scope.definitions is None else scope.definitions.properties
    if key not in known:
        raise _undefined("computed property", key, known, path)
    kind: Kind = known[key].type
    used: dict[str, Field] = {}

    def found(part: str) -> Field:
        # What is computed from itself was refused when it was pushed.
        return used.setdefault(part, field(part, scope, path=path))

    def kind_of(part: str) -> Kind | None:
        one = found(part)
        if one.time is not None:
            raise InvalidQuery(f"{part} is a time, of which nothing is computed.", path=path)
        slots: dict[Kind, Sql | None] = {
            "text": one.text, "number": one.number, "truth": one.truth
        }  # fmt: skip
        typed = [kind for kind, slot in slots.items() if slot is not None]
        return typed[0] if len(typed) == 1 and not (one.is_property or one.other) else None

    def look_up(part: str, wanted: str) -> Sql:
        one = found(part)
        if wanted == "any":
            slots = [one.text, one.number, one.other or one.truth]
            present = [sql("{it} IS NOT NULL", it=it) for it in slots if it is not None]
            return Sql("(") + join(" OR ", present or [Sql("false")]) + Sql(")")
        of_kind = {"text": one.text, "number": one.number, "truth": one.truth}[wanted]
        return of_kind or Sql(f"CAST(NULL AS {_SQL_TYPES[wanted]})")

    value = compiled(parse(known[key].value, kind, kind_of), look_up)
    return Field(
        name,
        text=value if kind == "text" else None,
        number=value if kind == "number" else None,
        truth=value if kind == "truth" else None,
        also=tuple(used.values()),
    )


def _cohort(name: str, scope: Scope, path: str) -> Field:
    key = name.removeprefix(COHORT)
    known = {} if scope.definitions is None else scope.definitions.cohorts
    if key not in known:
        raise _undefined("cohort", key, known, path)
    of = unit_of(key, scope)
    # Whoever is unknown is no member, so that a breakdown has two groups and not three.
    truth = sql("coalesce({it}, false)", it=is_in(unit_key(of, scope), key, scope))
    return Field(name, truth=truth, also=unit_fields(of, scope))


def unit_key(of: Unit, scope: Scope) -> Sql:
    """Return the key of the person or the account of an event, which is NULL if none is known."""
    return person(scope) if of == "people" else Sql("e.account_key")


def unit_fields(of: Unit, scope: Scope) -> tuple[Field, ...]:
    """Return the fields whose tables the key of a unit needs."""
    return (field("person", scope),) if of == "people" else ()


def _undefined(what: str, name: str, known: Iterable[str], path: str) -> InvalidQuery:
    near = did_you_mean(name, known)
    return InvalidQuery(
        f"There is no {what} {name[:80]!r}.",
        hint=near or "Define it in a file and push it with `tallymark apply`.",
        path=path,
    )


def _is_overridden(scope: Scope) -> bool:
    return scope.has_overrides or _end_of_identity(scope) <= scope.identity_position


def _end_of_identity(scope: Scope) -> int:
    return end_of_log(scope) if scope.identity_end is None else scope.identity_end


def _property(name: str, scope: Scope) -> Field:
    key = name.removeprefix(PROPERTY)
    # A key that exists nowhere is the slowest thing to look for, so no column is touched for it.
    classes = _ANY_CLASS if scope.has_more_properties else scope.properties.get(key, frozenset())
    return Field(
        name,
        text=sql("CAST(e.prop_text[{key}] AS VARCHAR)", key=key) if "text" in classes else None,
        number=sql("CAST(e.prop_number[{key}] AS DECIMAL(38,9))", key=key)
        if "number" in classes
        else None,
        truth=sql(
            "CASE variant_typeof(e.prop_other[{key}])"
            " WHEN 'BOOL_TRUE' THEN true WHEN 'BOOL_FALSE' THEN false END",
            key=key,
        )
        if "other" in classes
        else None,
        # A JSON null is the same as a missing property.
        other=sql(
            "CASE WHEN e.prop_other[{key}] IS NOT NULL"
            " THEN CAST(CAST(e.prop_other[{key}] AS JSON) AS VARCHAR) END",
            key=key,
        )
        if "other" in classes
        else None,
    )


def _profile(name: str, scope: Scope, path: str) -> Field:
    one = asked(name, scope, path=path)
    known = profiles.known(one, scope)
    if known is None:
        return Field(name)
    is_person = one.kind == profiles.PERSON_KIND
    text, number, other = (Sql(f'{one.alias}."{column}"') for column in ("text", "number", "other"))
    has_other = "other" in known.classes
    return Field(
        name,
        text=text if "text" in known.classes else None,
        number=number if "number" in known.classes else None,
        truth=sql("CASE {other} WHEN 'true' THEN true WHEN 'false' THEN false END", other=other)
        if has_other
        else None,
        other=other if has_other else None,
        join="override" if is_person and _is_overridden(scope) else None,
        profile=one,
    )


def profile_spans(one: Asked, scope: Scope) -> Sql:
    """Return a table, by its alias, of what a property of each person or account was from when on."""
    told, overrides = Sql("v.subject_key"), Sql("")
    if one.kind == profiles.PERSON_KIND:
        told, overrides = _told_of_people(scope)
    return sql(
        "(\n{spans}\n) AS {alias}",
        spans=profiles.spans(one, scope, told=told, overrides=overrides),
        alias=ident(one.alias),
    )


def _told_of_people(scope: Scope) -> tuple[Sql, Sql]:
    """Return whom an operation ``v`` tells of, and the JOIN for it."""
    if not _is_overridden(scope):
        return Sql("v.person_key"), Sql("")
    told = Sql("coalesce(person_override.into_key, v.person_key)")
    return told, Sql("\n") + _overrides("v.subject_key", scope)


def _profile_join(one: Asked, scope: Scope) -> Sql:
    if one.kind == profiles.PERSON_KIND:
        told, overrides = _told_of_people(scope)
        return profiles.joined(one, scope, key=person(scope), told=told, overrides=overrides)
    key, group = Sql("e.account_key"), Sql("")
    if one.kind != profiles.ACCOUNT_KIND:
        key, group = profiles.key_of_group(one)
        group += Sql("\n")
    told = Sql("v.subject_key")
    return group + profiles.joined(one, scope, key=key, told=told, overrides=Sql(""))


def _overrides(actor: str, scope: Scope) -> Sql:
    return sql(_OVERRIDES, end=_end_of_identity(scope), actor=Sql(actor))


def _join(name: Join, scope: Scope) -> Sql:
    match name:
        case "name":
            return Sql("LEFT JOIN event_name ON event_name.event_key = e.event_key")
        case "user":
            return Sql(
                "LEFT JOIN actor AS asserted_user ON asserted_user.actor_key = e.actor_key"
                " AND asserted_user.id_kind = 'user'"
            )
        case "anonymous":
            return Sql(
                "LEFT JOIN actor AS asserted_anonymous ON asserted_anonymous.actor_key = e.anon_key"
            )
        case "account":
            return Sql("LEFT JOIN account ON account.account_key = e.account_key")
        case "session":
            return Sql("LEFT JOIN session ON session.session_key = e.session_key")
        case "override":
            return _overrides("e.actor_key", scope)
