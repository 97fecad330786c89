"""Money of several currencies is no sum, so an answer that adds it up says so, if there are several."""

from collections.abc import Collection

from tallymark.core.sql import Sql, sql


def is_added_up(of: str | None, named: Collection[str]) -> bool:
    """Whether a number may be of several currencies: money, and ``named`` fields tell none apart."""
    return of == "revenue" and "currency" not in named


def counted(source: Sql) -> Sql:
    """Return the statement of how many currencies the events of a source name."""
    return sql("SELECT count(DISTINCT e.currency)\n{source}", source=source)


def warnings_of(currencies: int) -> list[str]:
    """Return what the asker should know of so many currencies."""
    if currencies < 2:
        return []
    return [f"Revenue of {currencies} currencies is added up; filter or break down by currency."]
