"""The tracking plans of projects, as text; every version stays, the newest holds."""

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.engine import Connection

from tallymark.core.errors import NotFound

from .tables import PLAN


class StoredPlan(Struct, frozen=True):
    """One version of a project's plan, counted from 1."""

    project: str
    version: int
    content: str
    created_at: int


class PlanVersion(Struct, frozen=True):
    """A version of the plan of a project, and since when it held."""

    version: int
    created_at: int


def newest_plan(connection: Connection, project: str) -> StoredPlan | None:
    """Return the plan that holds, None if none was pushed."""
    query = (
        sa.select(PLAN).where(PLAN.c.project == project).order_by(PLAN.c.version.desc()).limit(1)
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else StoredPlan(**row)


def plan_at(connection: Connection, project: str, version: int) -> StoredPlan:
    """Return one version of a plan; raises NotFound if it never was."""
    is_it = (PLAN.c.project == project) & (PLAN.c.version == version)
    row = connection.execute(sa.select(PLAN).where(is_it)).mappings().first()
    if row is None:
        raise NotFound(f"There is no version {version} of the plan.")
    return StoredPlan(**row)


def plan_versions(connection: Connection, project: str) -> list[PlanVersion]:
    """Return every version there is, newest first."""
    query = sa.select(PLAN.c.version, PLAN.c.created_at).where(PLAN.c.project == project)
    rows = connection.execute(query.order_by(PLAN.c.version.desc())).mappings()
    return [PlanVersion(**row) for row in rows]


def add_plan(connection: Connection, project: str, content: str, now: int) -> StoredPlan:
    """Store a plan as the newest; the same as the newest changes nothing."""
    there = newest_plan(connection, project)
    if there is not None and there.content == content:
        return there
    version = 1 if there is None else there.version + 1
    made = StoredPlan(project, version, content, now)
    connection.execute(sa.insert(PLAN).values(structs.asdict(made)))
    return made
