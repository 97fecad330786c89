"""The tables that hold the keys of a cohort's members while a question is answered.

The name of such a table says whose members, by which definitions, as of which position and instant;
so what needs the table and what fills it agree without knowing of each other.
"""

from typing import Any, Final, Literal, TypeAlias, cast

import msgspec

from tallymark.core.errors import InvalidQuery
from tallymark.core.ids import hash128
from tallymark.core.registry import did_you_mean
from tallymark.core.sql import Sql, ident, sql

from .insight import Scope

Unit: TypeAlias = Literal["people", "accounts"]
# A cohort by its name, or its definition as JSON.
Which: TypeAlias = str | dict[str, Any]

_canonical: Final = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode


def table_of(which: Which, scope: Scope) -> Sql:
    """Return the name of the table of a cohort's members, as of the scope's position and now."""
    return ident(name_of(which, scope))


def name_of(which: Which, scope: Scope) -> str:
    """Return the name of the table as text."""
    digest = "" if scope.definitions is None else scope.definitions.digest
    moment = f"{scope.log_position} {scope.now} {scope.timezone} {scope.identity_end} {scope.late}"
    return f"cohort_{hash128(digest, moment, _canonical(which).decode()).hex()}"


def unit_of(which: Which, scope: Scope) -> Unit:
    """Return what a cohort has as members; raises InvalidQuery if there is no such cohort."""
    if isinstance(which, str):
        known = {} if scope.definitions is None else scope.definitions.cohorts
        if which not in known:
            raise InvalidQuery(
                f"There is no cohort {which[:80]!r}.",
                hint=did_you_mean(which, known)
                or "Define it in a file and push it with `tallymark apply`.",
                path="cohort",
            )
        return cast("Unit", known[which].of)
    of = which.get("of", "people")
    if of not in {"people", "accounts"}:
        raise InvalidQuery("A cohort is of people or of accounts.", path="cohort.of")
    return cast("Unit", of)


def is_in(key: Sql, which: Which, scope: Scope) -> Sql:
    """Return whether a key is a member; NULL where the key is, for nobody known is none."""
    return sql("{key} IN (SELECT key FROM {table})", key=key, table=table_of(which, scope))
