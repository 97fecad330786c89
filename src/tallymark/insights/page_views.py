"""Views of pages as rows, told apart by their id, and what the questions about them have in common.

The browser script gives everything that is told of one view the same ``page_view_id``. What comes from
elsewhere without one is told apart by its visit: one page within one visit is then one view. What has
neither is a view of its own.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, join, sql

from .fields import Field, field
from .insight import Scope
from .selection import Question

VIEW_ID: Final = "properties.page_view_id"
MOST_PAGES: Final = 200


class PageQuestion(Question, frozen=True, kw_only=True):
    """A question about one page, or all of them."""

    page: Annotated[
        str | None, Meta(description="Only the page with this path, such as /pricing.")
    ] = None
    top: Annotated[
        int, Meta(description="Most pages and elements listed.", ge=1, le=MOST_PAGES)
    ] = 20


Bots: TypeAlias = Literal["excluded", "included"]


class Tables(Struct, frozen=True):
    """Tables that a question counts from, by name, in the order in which they use each other.

    Each is kept while the statement runs, so what is used once belongs into what uses it.
    """

    named: tuple[tuple[str, Sql], ...]

    def then(self, result: Sql) -> Sql:
        """Return one statement: the tables, then the result."""
        tables = [
            sql("{name} AS MATERIALIZED (\n{table}\n)", name=Sql(name), table=table)
            for name, table in self.named
        ]
        return sql("WITH {tables}\n{result}", tables=join(", ", tables), result=result)


def text_of(name: str, scope: Scope, path: str) -> Field:
    """Return a field that has text; raises InvalidQuery for one that never has."""
    found = field(name, scope, path=path)
    if found.text is None and not found.is_property:
        raise InvalidQuery(f"{name} is not a text.", path=path)
    return found


def unit_fields(scope: Scope) -> list[Field]:
    """Return the fields whose tables the columns of a view need."""
    return [field(VIEW_ID, scope), field("person", scope)]


def unit(scope: Scope) -> Sql:
    """Return the columns by which the views of pages are told apart, of an event ``e``."""
    known = field(VIEW_ID, scope).text
    # Sessions have keys from 1 on, so whatever is in none is below.
    visit = Sql("coalesce(e.session_key, -1 - e.seq)")
    if known is None:
        return sql("e.path AS path, {visit} AS visit", visit=visit)
    return sql(
        "e.path AS path, {id} AS view_id, CASE WHEN {id} IS NULL THEN {visit} END AS visit",
        id=known,
        visit=visit,
    )


def unit_names(scope: Scope) -> tuple[str, ...]:
    """Return the names of those columns."""
    is_known = field(VIEW_ID, scope).text is not None
    return ("path", "view_id", "visit") if is_known else ("path", "visit")


def on_page(page: str | None) -> Sql:
    """Return that an event ``e`` is of the page that is meant."""
    return Sql("e.path IS NOT NULL") if page is None else sql("e.path = {page}", page=page)


def first_person(of: Sequence[str]) -> Sql:
    """Return who a view is by, in a GROUP BY of events: the first known, of those for which all hold."""
    conditions = " AND ".join((*of, "person IS NOT NULL"))
    return Sql(f"arg_min(person, seq) FILTER (WHERE {conditions})")
