"""Brings an opened catalog to the tables of today."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tallymark.core.errors import TallymarkError

from .tables import METADATA

# The last of the steps in ``migrations``; a test compares the two.
HEAD = "0007"


def migrate(connection: Connection) -> None:
    """Apply the steps that are missing; raises VERSION_UNKNOWN for a catalog of a newer version."""
    if not sa.inspect(connection).get_table_names():
        _create(connection)
    elif (present := _present(connection)) != HEAD:
        upgrade(connection, present)
    connection.commit()


def _create(connection: Connection) -> None:
    """Make the tables of today where there are none: every first start would wait for Alembic."""
    version = sa.Table(
        "alembic_version",
        sa.MetaData(),
        sa.Column("version_num", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    if connection.dialect.name == "sqlite":
        # Its driver begins no transaction by itself for what makes tables: all of them or none.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    METADATA.create_all(connection)
    version.create(connection)
    connection.execute(sa.insert(version).values(version_num=HEAD))


def _present(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(
        sa.text("SELECT version_num FROM alembic_version")
    ).scalar_one_or_none()
    return found


def upgrade(connection: Connection, present: str | None) -> None:
    """Apply the steps after the present one, all if it is None."""
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
