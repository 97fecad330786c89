"""The database under the catalog: how it is opened, and how its failures are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine

from tallymark.core.errors import Broken, Unavailable

_BUSY_SECONDS = 2


def engine_of(url: str) -> Engine:
    """Return what speaks to the database at an address."""
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    return engine


@contextmanager
def away_is_told() -> Iterator[None]:
    """Raise Unavailable CATALOG_AWAY where the database does not answer."""
    try:
        yield
    except exc.IntegrityError:
        raise
    except exc.DatabaseError as error:
        raise Unavailable(
            "The catalog of projects and keys does not answer.",
            code="CATALOG_AWAY",
            retry_after_seconds=5,
        ) from error


@contextmanager
def damage_is_told() -> Iterator[None]:
    """Raise Broken CATALOG_DAMAGED where a file is no database."""
    try:
        yield
    except exc.DatabaseError as error:
        # SQLite tells "not a database" and "malformed" with the plain class, "locked" with another.
        if type(error) is exc.DatabaseError:
            raise _damaged() from error
        raise


def check(connection: Connection) -> None:
    """Raise Broken CATALOG_DAMAGED for a file that is not whole."""
    if connection.dialect.name == "sqlite":
        said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
        if said != "ok":
            raise _damaged()


def _damaged() -> Broken:
    return Broken(
        "The catalog file (catalog.db) is damaged; no project or key can be read from it.",
        code="CATALOG_DAMAGED",
    )
