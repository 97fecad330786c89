"""Definitions: every version of everything a project defines."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "definitions",
        sa.Column("project", sa.String(63), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("project", "version", name="pk_definitions"),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name="fk_definitions_project"),
    )


def downgrade() -> None:
    """Remove the table."""
    op.drop_table("definitions")
