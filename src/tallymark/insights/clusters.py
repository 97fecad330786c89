"""Sums over the people to whom sessions, views … belong, for the intervals of their rates.

Two statements make them: the inner one counts the trials and successes of each person, the outer one
adds up their squares. A trial of nobody known is taken as that of a person of its own.
"""

from collections.abc import Sequence

from tallymark.core.sql import Sql, ident, sql

from .uncertainty import Clusters


def sums(successes: str, trials: str = "trials") -> Sql:
    """Return the list of sums over rows that each have a person, their trials and their successes."""
    return sql(
        "[count(person) FILTER (WHERE {x} > 0) + coalesce(sum({x}) FILTER (WHERE person IS NULL), 0),"
        " sum({x}), sum({y}),"
        " sum(CASE WHEN person IS NULL THEN {x} ELSE {x} * {x} END),"
        " sum(CASE WHEN person IS NULL THEN {y} ELSE {x} * {y} END),"
        " sum(CASE WHEN person IS NULL THEN {y} ELSE {y} * {y} END)]",
        x=ident(trials),
        y=ident(successes),
    )


def told(found: Sequence[int | None] | None) -> Clusters:
    """Return what a list of sums says; no list is of nothing."""
    people, trials, successes, squares, products, successful = (
        int(one or 0) for one in found or (0,) * 6
    )
    return Clusters(people, trials, successes, squares, products, successful)
