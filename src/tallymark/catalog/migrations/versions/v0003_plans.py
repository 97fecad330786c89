"""Tracking plans: every version that was ever pushed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "plan",
        sa.Column("project", sa.String(63), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("project", "version", name="pk_plan"),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name="fk_plan_project"),
    )


def downgrade() -> None:
    """Remove the table."""
    op.drop_table("plan")
