"""Who a number is of, people, accounts or sessions, and the keys of those behind it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tallymark.core.sql import Sql, sql

from . import fields
from .fields import Field, field
from .insight import Columnar, Members, Scope, Unit

PLURALS: Final[Mapping[Unit, str]] = {
    "person": "people", "account": "accounts", "session": "sessions"
}  # fmt: skip


def key_of(unit: Unit, scope: Scope) -> tuple[Sql, list[Field]]:
    """Return the key of the unit of an event, NULL if it has none, and the fields it needs."""
    match unit:
        case "person":
            return fields.person(scope), [field("person", scope)]
        case "account":
            return Sql("e.account_key"), []
        case "session":
            return Sql("e.session_key"), []


def listed(statement: Sql, unit: Unit = "person") -> Members:
    """Return those whose keys a statement gives, each once, as ``key``."""
    return Members((Columnar(statement),), lambda results: results[0]["key"], unit=unit)


def distinct(source: Sql, unit: Unit, scope: Scope) -> Sql:
    """Return the statement of the keys of events; what the key needs is joined in ``source``."""
    key, _ = key_of(unit, scope)
    return sql(
        "SELECT DISTINCT {key} AS key\n{source}\n  AND {key} IS NOT NULL", key=key, source=source
    )


def of_events(source: Sql, scope: Scope) -> Members:
    """Return who the events of a source are of: the people, and also the accounts and sessions."""
    people, *also = (
        listed(distinct(source, unit, scope), unit) for unit in ("person", "account", "session")
    )
    return msgspec.structs.replace(people, also=tuple(also))


def in_all(results: Sequence[Any]) -> NDArray[np.int64]:
    """Return the keys that each of some statements gives."""
    keys: NDArray[np.int64] = results[0]["key"]
    for one in results[1:]:
        keys = np.intersect1d(keys, one["key"])
    return keys
