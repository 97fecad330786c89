"""Names by which clients of other tools call a project."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "site",
        sa.Column("protocol", sa.String(40), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("project", sa.String(63), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("protocol", "name", name="pk_site"),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name="fk_site_project"),
    )
    op.create_index("ix_site_project", "site", ["project"])


def downgrade() -> None:
    """Remove the table."""
    op.drop_table("site")
