"""What filters and cohorts mean, in words that a reader can check against what was meant."""

from typing import Any, Final, assert_never

from .expression import MAX_LENGTH
from .fields import PROPERTY
from .filters import And, Filter, InCohort, Not, Or
from .held import Which
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
)
from .ranges import Dates
from .selection import EventNames

_OPERATORS: Final = {
    "equals": "=", "not_equals": "!=", "in": "in", "not_in": "not in", "contains": "contains",
    "not_contains": "not contains", "starts_with": "starts with", "ends_with": "ends with",
    "matches": "matches", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "between": "between",
    "is_true": "is true", "is_false": "is false", "exists": "exists", "not_exists": "is missing",
}  # fmt: skip
_UNITS: Final = {
    "min": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "q": "quarter",
    "y": "year",
}  # fmt: skip


def filter_words(chosen: Filter) -> str:
    """Return a filter as one writes it on a command line."""
    match chosen:
        case And(filters):
            return _joined(" and ", [filter_words(one) for one in filters]) or "anything"
        case Or(filters):
            return f"({_joined(' or ', [filter_words(one) for one in filters]) or 'nothing'})"
        case Not(inner):
            return f"not ({filter_words(inner)})"
        case InCohort(which):
            return f"in cohort {_cohort_name(which)}"
        case _:
            name = chosen.field.removeprefix(PROPERTY)
            return f"{name} {_OPERATORS[str(chosen.__struct_config__.tag)]} {_operand(chosen)}".rstrip()  # fmt: skip


def cohort_words(cohort: Cohort, scope: Scope) -> str:
    """Return who is in a cohort, as a sentence."""
    who = f"{cohort.of.capitalize()} that {_clause(cohort.who, scope)}"
    zone = f" (days of {cohort.timezone})" if cohort.timezone else ""
    return f"{who}{zone}{', robots included' if cohort.include_bots else ''}."[:MAX_LENGTH]


def _clause(member: Member, scope: Scope) -> str:  # noqa: PLR0911 - one a member
    match member:
        case AllOf(members):
            parts = [_bracketed(one, scope) for one in members]
            return _joined(" and ", parts) or "have any event"
        case AnyOf(members):
            parts = [_bracketed(one, scope) for one in members]
            return _joined(" or ", parts) or "are nobody"
        case Others(inner):
            return f"not ({_clause(inner, scope)})"
        case Has(wanted):
            return f"have {filter_words(wanted)}"
        case Ids(ids):
            shown = ", ".join(ids[:3]) + (" …" if len(ids) > 3 else "")
            return f"are one of {len(ids)} ids ({shown})"
        case BehindNumber(insight):
            return f"are behind a number of {insight}"
        case InCohort(which):
            if isinstance(which, str):
                return f"are in the cohort {which}"
            return f"({_clause(cohort_of(which, scope).who, scope)})"
        case Did():
            return _did(member)
        case _:
            assert_never(member)


def _bracketed(member: Member, scope: Scope) -> str:
    said = _clause(member, scope)
    is_list = isinstance(member, AllOf | AnyOf) and len(member.members) > 1
    return f"({said})" if is_list else said


def _did(did: Did) -> str:
    said = [f"did {_events(did.event)}"]
    if did.filter is not None:
        said.append(f"where {filter_words(did.filter)}")
    said += ["for the first time"] if did.first else _amount(did)
    if did.near is not None:
        said.append(_near(did.near))
    if did.range is not None:
        said.append(_range(did.range))
    return " ".join(said)


def _amount(did: Did) -> list[str]:
    bounds = [f"at least {did.at_least}" if did.at_least is not None else "", f"at most {did.at_most}" if did.at_most is not None else ""]  # fmt: skip
    bound = _joined(" and ", [one for one in bounds if one])
    if not bound:
        return []
    if did.sum_of is not None:
        return [f"with {did.sum_of.removeprefix(PROPERTY)} of {bound} in all"]
    is_one = (did.at_least, did.at_most) in {(1, None), (None, 1), (1, 1)}
    unit = {"times": "time", "days": "day"}[did.counted] + ("" if is_one else "s")
    said = [f"{'on ' if did.counted == 'days' else ''}{bound} {unit}"]
    return [*said, f"within {_length(did.in_any)}"] if did.in_any else said


def _near(near: Near) -> str:
    which = "their first" if near.which == "first" else "some"
    where = f" where {filter_words(near.filter)}" if near.filter is not None else ""
    return f"at most {_length(near.within)} {near.when} {which} {_events(near.event)}{where}"


def _events(event: EventNames) -> str:
    named = [event] if isinstance(event, str) else event or []
    return _joined(" or ", [f"“{one}”" for one in named]) or "anything"


def _range(asked: Dates | str) -> str:
    if isinstance(asked, Dates):
        if asked.last is not None:
            return _range(asked.last)
        until = f" until {asked.until}, which is left out" if asked.until else ""
        return f"from {asked.since}{until}"
    if asked[:1].isdigit():
        return f"in the last {_length(asked)}" if not asked.startswith("1d") else "today"
    return asked.replace("_", " ")


def _length(text: str) -> str:
    count = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _UNITS.get(text[len(count) :], text[len(count) :])
    return f"{count} {unit}{'' if count == '1' else 's'}"


def _cohort_name(which: Which) -> str:
    return which if isinstance(which, str) else "that is written out"


def _operand(chosen: Any) -> str:
    for name in ("value", "pattern"):
        if hasattr(chosen, name):
            return _shown(getattr(chosen, name))
    if hasattr(chosen, "values"):
        return f"({', '.join(_shown(one) for one in chosen.values)})"
    return f"{_shown(chosen.low)} and {_shown(chosen.high)}" if hasattr(chosen, "low") else ""


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f'"{text}"' if isinstance(value, str) and not text.isalnum() else text


def _joined(separator: str, parts: list[str]) -> str:
    return separator.join(parts)
