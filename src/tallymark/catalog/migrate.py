"""Brings an opened catalog to the tables of today."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tallymark.core.errors import TallymarkError

# The last of the steps in ``migrations``; a test compares the two.
HEAD = "0006"


def migrate(connection: Connection) -> None:
    """Apply the steps that are missing; raises VERSION_UNKNOWN for a catalog of a newer version."""
    present = _present(connection)
    if present != HEAD:
        _upgrade(connection, present)
    connection.commit()


def _present(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(
        sa.text("SELECT version_num FROM alembic_version")
    ).scalar_one_or_none()
    return found


def _upgrade(connection: Connection, present: str | None) -> None:
    # Alembic costs a quarter of a second and 13 MB, and nearly every start needs none of it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    folder = str(Path(__file__).parent / "migrations")
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    steps = ScriptDirectory.from_config(config).walk_revisions()
    if present is not None and present not in {step.revision for step in steps}:
        raise TallymarkError(
            f"The catalog was written by a newer version (step {present}).", code="VERSION_UNKNOWN"
        )
    command.upgrade(config, "head")
