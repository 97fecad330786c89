"""Expressions as SQL. What is missing makes everything missing that is calculated from it.

Comparisons are true or false and never missing: nothing equals what is missing. Numbers stay
DECIMAL(38,9), rounded half away from zero after each product and quotient; one that does not fit is
missing.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final, TypeAlias

from tallymark.core.sql import Sql, join, sql

from .expression import Call, Const, Expression, Name

# The SQL of a field read as a type; of ``any``, whether it has a value.
LookUp: TypeAlias = Callable[[str, str], Sql]

_CALLS: Final[dict[str, str]] = {
    "+": "TRY(CAST({0} + {1} AS DECIMAL(38,9)))",
    "-": "TRY(CAST({0} - {1} AS DECIMAL(38,9)))",
    "*": "TRY(CAST({0} * {1} AS DECIMAL(38,9)))",
    "=": "({0} = {1}) IS TRUE",
    "!=": "({0} = {1}) IS NOT TRUE",
    "<": "({0} < {1}) IS TRUE",
    "<=": "({0} <= {1}) IS TRUE",
    ">": "({0} > {1}) IS TRUE",
    ">=": "({0} >= {1}) IS TRUE",
    "and": "({0} AND {1}) IS TRUE",
    "or": "({0} OR {1}) IS TRUE",
    "not": "({0}) IS NOT TRUE",
    "exists": "{0}",
    "if": "CASE WHEN {0} THEN {1} ELSE {2} END",
    "lower": "lower({0})",
    "upper": "upper({0})",
    "trim": "trim({0})",
    "replace": "replace({0}, {1}, {2})",
    "length": "CAST(length({0}) AS DECIMAL(38,9))",
    "contains": "contains({0}, {1}) IS TRUE",
    "starts_with": "starts_with({0}, {1}) IS TRUE",
    "ends_with": "ends_with({0}, {1}) IS TRUE",
    # Nothing comes before or after what is not there.
    "before": "CASE WHEN strpos({0}, {1}) > 0 THEN left({0}, strpos({0}, {1}) - 1) END",
    "after": "CASE WHEN strpos({0}, {1}) > 0 THEN substring({0}, strpos({0}, {1}) + length({1})) END",
    "abs": "abs({0})",
    "round": "TRY(CAST(round({0}) AS DECIMAL(38,9)))",
    "floor": "TRY(CAST(floor({0}) AS DECIMAL(38,9)))",
    "text": "{0}",
    "number": "{0}",
    "truth": "{0}",
}
# There is no exact division of decimals; whole numbers of billionths are divided instead, twice the
# amount plus the divisor by twice the divisor, which rounds half away from zero.
_QUOTIENT: Final = """TRY(CAST(
  sign({0}) * sign({1}) * CAST(
    (2 * CAST(abs({0}) * 1000000000 AS HUGEINT) * 1000000000 + CAST(abs({1}) * 1000000000 AS HUGEINT))
    // (2 * CAST(abs(nullif({1}, 0)) * 1000000000 AS HUGEINT))
  AS DECIMAL(38,0)) * CAST(0.000000001 AS DECIMAL(10,9))
AS DECIMAL(38,9)))"""


def compiled(expression: Expression, look_up: LookUp) -> Sql:
    """Return the value of a typed expression for an event."""
    match expression:
        case Const(value):
            return _value(value)
        case Name(name, kind):
            return look_up(name, kind or "text")
        case Call(function, parts):
            inner = [compiled(part, look_up) for part in parts]
            if function == "coalesce":
                return sql("coalesce({parts})", parts=join(", ", inner))
            if function == "concat":
                return Sql("(") + join(" || ", inner) + Sql(")")
            slots = {f"p{place}": part for place, part in enumerate(inner)}
            template = _QUOTIENT if function == "/" else _CALLS[function]
            for place in range(len(inner)):
                template = template.replace(f"{{{place}}}", f"{{p{place}}}")
            return sql(f"({template})", **slots)


def _value(value: str | Decimal | bool) -> Sql:
    if isinstance(value, bool):
        return Sql("true" if value else "false")
    if isinstance(value, Decimal):
        return sql("CAST({value} AS DECIMAL(38,9))", value=value)
    return sql("CAST({value} AS VARCHAR)", value=value)
