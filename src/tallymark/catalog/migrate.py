"""Brings an opened catalog to the tables of today."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from tallymark.core.errors import TallymarkError


def migrate(connection: Connection) -> None:
    """Apply the steps that are missing; raises VERSION_UNKNOWN for a catalog of a newer version."""
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in {step.revision for step in script.walk_revisions()}:
        raise TallymarkError(
            f"The catalog was written by a newer version (step {present}).", code="VERSION_UNKNOWN"
        )
    if present != script.get_current_head():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    connection.commit()
