"""What was known of the person, account or team of each event, found the slow way."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.identity.oracle import Known, Said
from tests.insights.oracle import CONDITIONS
from tests.strategies import SINCE, TIMES, ToldHistory, Use

from tallymark.core.clock import DAY, instant, rfc3339
from tallymark.core.event import ProfileOp
from tallymark.core.profiles import Told, profile
from tallymark.store import decimals

Seen = tuple[Use, dict[str, Any]]
_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode

MOMENTS = st.one_of(
    st.sampled_from(["", "@event", "@now", "@2025-10-30"]),
    TIMES.map(lambda time: f"@{rfc3339(time)}"),
)
FIELDS = st.builds(
    lambda whose, name, moment: f"{whose}.{name}{moment}",
    st.sampled_from(["person", "person", "person", "account", "group.team"]),
    st.sampled_from(["plan", "plan", "spent", "tags", "last", "first", "sum", "nowhere"]),
    MOMENTS,
)


def known_of(history: ToldHistory) -> Known:
    """Return which ids are one person after all of a history."""
    known = Known(1000)
    for item in history:
        if isinstance(item, ProfileOp):
            if item.subject_kind in ("user", "anonymous"):
                known.see((item.subject_kind, item.subject))
            continue
        ids = [("user", item.user), ("anonymous", item.anonymous)]
        known.see(*((kind, name) for kind, name in ids if name))
        if item.user and item.anonymous:
            how = "identify" if isinstance(item, Use) else item.how
            known.claim(Said(("anonymous", item.anonymous), ("user", item.user), how))
    return known


def seen(history: ToldHistory, fields: list[str]) -> list[Use]:
    """Return the events with each field of a profile as a property, and the person as their user."""
    known = known_of(history)
    found = []
    for use in history:
        if isinstance(use, Use):
            values = {name: _value(use, name, history, known) for name in fields}
            present = {name: value for name, value in values.items() if value is not None}
            actor = _actor(use)
            who = None if actor is None else ":".join(known.person(actor))
            found.append(
                replace(use, user=who, anonymous=None, properties={**use.properties, **present})
            )
    return found


def renamed(chosen: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a filter on fields of profiles as one on the properties that stand for them."""
    if chosen is None or not chosen["field"].startswith(("person.", "account.", "group.")):
        return chosen
    return {**chosen, "field": f"properties.{chosen['field']}"}


def shown(value: Any) -> Any:
    """Return a value as a breakdown shows it."""
    return _encode(value).decode() if isinstance(value, list | dict) else value


def conditions(fields: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Return conditions as on any property, but on these fields."""
    of_properties = CONDITIONS.filter(lambda one: one["field"].startswith("properties."))
    return st.builds(lambda one, name: {**one, "field": name}, of_properties, fields)


def _actor(use: Use) -> tuple[str, str] | None:
    if use.user:
        return "user", use.user
    return ("anonymous", use.anonymous) if use.anonymous else None


def _value(use: Use, field: str, history: ToldHistory, known: Known) -> Any:
    path, _, moment = field.partition("@")
    at = {"": use.time, "event": use.time, "now": None, "2025-10-30": SINCE + 6 * DAY}
    until = at[moment] if moment in at else instant(datetime.fromisoformat(moment))
    subjects: set[tuple[str, str | None]]
    if path.startswith("person."):
        actor = _actor(use)
        subjects = set() if actor is None else set(known.ids(actor))
    else:
        subjects = {("account", use.account) if path.startswith("account.") else ("team", use.team)}
    told = [
        Told(seq, said.time, said.op, said.properties)
        for seq, said in enumerate(history)
        if isinstance(said, ProfileOp) and (said.subject_kind, said.subject) in subjects
    ]
    return measured(profile(told, until).get(path.rpartition(".")[2]))


def measured(value: Any) -> Any:
    """Return a number as it is measured, or its digits if it is too large for that."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return value
    near = decimals.fitting(value)
    return near if isinstance(near, str) else Decimal(near) + 0
